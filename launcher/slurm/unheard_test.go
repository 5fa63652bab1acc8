package slurm

import (
	"slices"
	"strings"
	"testing"

	"orch/launcher"
)

// What is in the shell for sbatch is said to be left out, where no key says it.
func TestUnheard(t *testing.T) {
	for _, x := range shellSays {
		t.Setenv(x.name, "")
	}
	t.Setenv("SBATCH_ACCOUNT", "projB")
	t.Setenv("SBATCH_PARTITION", "gpu")
	t.Setenv("SLURM_CLUSTERS", "big")
	got := Unheard(map[string]any{"partition": "cpu", "account": ""})
	want := []string{"SBATCH_ACCOUNT=projB in your shell is not used: say launcher.account=projB", "SLURM_CLUSTERS=big in your shell is not used: say launcher.cluster=big"}
	if !slices.Equal(got, want) {
		t.Errorf("Unheard = %q, want %q", got, want)
	}
}

// How to reach the cluster is passed on: where its configuration is, who asks.
func TestConnects(t *testing.T) {
	t.Setenv("SLURM_CONF_SERVER", "ctl:6817")
	t.Setenv("SLURM_JWT", "token")
	t.Setenv("SLURM_CLUSTERS", "big")
	for name, env := range map[string][]string{"sbatch": Options{}.environment(launcher.Request{}), "squeue": queryEnv()} {
		for _, kv := range []string{"SLURM_CONF_SERVER=ctl:6817", "SLURM_JWT=token"} {
			if !slices.Contains(env, kv) {
				t.Errorf("%s lacks %s", name, kv)
			}
		}
		if slices.ContainsFunc(env, func(kv string) bool { return strings.HasPrefix(kv, "SLURM_CLUSTERS=") }) {
			t.Errorf("%s has SLURM_CLUSTERS", name)
		}
	}
}
