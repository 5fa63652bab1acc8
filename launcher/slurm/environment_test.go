package slurm

import (
	"slices"
	"strings"
	"testing"

	"orch/launcher"
)

// What is remembered of a shell takes the place of what cron has; the rest is the
// process's own, and no secret is remembered.
func TestInherited(t *testing.T) {
	t.Setenv("PATH", "/venv/bin:/usr/bin")
	t.Setenv("VIRTUAL_ENV", "/venv")
	t.Setenv("WANDB_API_KEY", "secret")
	t.Setenv("CONDA_TOKEN", "secret")
	t.Setenv("https_proxy", "http://me:secret@proxy")
	t.Setenv("PYTHONSTARTUP", "\xff")
	kept := (&Slurm{}).Inherited()
	if text := strings.Join(kept, "\n"); !slices.Contains(kept, "VIRTUAL_ENV=/venv") || strings.Contains(text, "secret") || strings.Contains(text, "PYTHONSTARTUP") {
		t.Errorf("Inherited = %q, want the tools, no secret and nothing but text", kept)
	}

	t.Setenv("PATH", "/cron")
	t.Setenv("VIRTUAL_ENV", "/other")
	t.Setenv("PYTHONPATH", "/other")
	kept = append(kept, "SLURM_CLUSTERS=big", "LD_PRELOAD=/x.so")
	env := Options{}.environment(launcher.Request{Inherited: kept})
	for kv, want := range map[string]bool{
		"PATH=/venv/bin:/usr/bin": true, "VIRTUAL_ENV=/venv": true, "PYTHONPATH=/other": false, "WANDB_API_KEY=secret": true,
		"SLURM_CLUSTERS=big": false, "LD_PRELOAD=/x.so": false,
	} {
		if got := slices.Contains(env, kv); got != want {
			t.Errorf("%s reaches the workers: %t, want %t", kv, got, want)
		}
	}
	if env := (Options{}).environment(launcher.Request{}); !slices.Contains(env, "PATH=/cron") {
		t.Errorf("where nothing is remembered the environment is %q, want this process's", env)
	}
}
