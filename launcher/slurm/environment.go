package slurm

import (
	"os"
	"slices"
	"strings"
	"unicode/utf8"

	"orch/launcher"
)

// passedOn are the variables that workers inherit from the shell of whoever
// submits, beside [tools]. sbatch sends its whole environment along (--export=ALL;
// with a list Slurm 22.05 would start a login shell for each task), so these lists
// are what decides. CUDA_VISIBLE_DEVICES and TMPDIR are a machine's own and not on
// them.
var passedOn = []string{
	"HOME", "USER", "LOGNAME", "SHELL", "TERM", "WANDB_*", "ORCH_*",
	"http_proxy", "https_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
	"APPTAINER_*", "SINGULARITY_*",
}

// tools are those that decide which programs, libraries and modules a worker
// finds. What cron starts has other ones, or none, so they are remembered. What
// may hold a password is not: WANDB_*, a proxy, the registry of an image.
var tools = []string{
	"PATH", "LANG", "LC_*", "TZ",
	"LD_LIBRARY_PATH", "LIBRARY_PATH", "MODULEPATH", "MODULESHOME", "LMOD_*", "LOADEDMODULES", "_LMFILES_",
	"CONDA_*", "MAMBA_*", "VIRTUAL_ENV", "PYTHON*", "R_LIBS*", "JULIA_*", "OMP_*", "MKL_*", "OPENBLAS_*",
	"CUDA_HOME", "CUDA_PATH", "HF_HOME", "XDG_CACHE_HOME", "SSL_CERT_FILE", "SSL_CERT_DIR",
}

// isTool judges a variable that is, or was, remembered.
func isTool(name string) bool {
	low := strings.ToLower(name)
	return matches(name, tools) && !slices.ContainsFunc([]string{"token", "secret", "passw", "credential", "key"}, func(w string) bool { return strings.Contains(low, w) })
}

func matches(name string, patterns []string) bool {
	for _, p := range patterns {
		if prefix, wild := strings.CutSuffix(p, "*"); name == p || wild && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// Inherited implements [launcher.Inheritor].
func (s *Slurm) Inherited() []string {
	var list []string
	for _, kv := range os.Environ() {
		// What is no text cannot be written down, and whole would be another value.
		if name, _, _ := strings.Cut(kv, "="); isTool(name) && utf8.ValidString(kv) {
			list = append(list, kv)
		}
	}
	slices.Sort(list)
	return list
}

// environment is sbatch's environment, which the workers inherit.
func (o Options) environment(req launcher.Request) []string {
	vars := map[string]string{}
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		switch {
		case slices.Contains(connects, name):
			vars[name] = value
		case spoils(name) || req.Inherited != nil && isTool(name):
		case matches(name, tools) || matches(name, passedOn) || matches(name, o.Env):
			vars[name] = value
		}
	}
	for _, kv := range req.Inherited {
		if name, value, _ := strings.Cut(kv, "="); isTool(name) {
			vars[name] = value
		}
	}
	for _, kv := range req.Env {
		name, value, _ := strings.Cut(kv, "=")
		vars[name] = value
	}
	if v := vars["LC_ALL"]; v != "" {
		vars["ORCH_USER_LC_ALL"] = v
	}
	vars["LC_ALL"] = "C"
	delete(vars, launcher.EnvIndex)
	for _, name := range []string{launcher.EnvKey, launcher.EnvJob, launcher.EnvNode, launcher.EnvSpent} {
		delete(vars, name)
	}
	env := make([]string, 0, len(vars))
	for name, value := range vars {
		env = append(env, name+"="+value)
	}
	slices.Sort(env)
	return env
}
