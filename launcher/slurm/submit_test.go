package slurm

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"orch/launcher"
)

// stubs returns a launcher whose commands are these lines of shell.
func stubs(t *testing.T, o Options, commands map[string]string) *Slurm {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the commands are shell scripts")
	}
	o.Bin = t.TempDir()
	for name, text := range commands {
		if err := os.WriteFile(filepath.Join(o.Bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A job that was turned away for now leaves no script behind: it may be hundreds
// a day. Of one that was refused the script shows what was asked.
func TestScriptsOfTheTurnedAway(t *testing.T) {
	for words, want := range map[string]int{"QOSMaxSubmitJobPerUserLimit": 0, "Invalid qos specification": 2} {
		s := stubs(t, Options{}, map[string]string{"scontrol": "exit 1", "sbatch": "echo 'sbatch: error: " + words + "' >&2; exit 1"})
		dir := t.TempDir()
		_, err := s.Submit(t.Context(), launcher.Request{Key: "k", Workers: 1, Argv: []string{"/bin/sh"}, Dir: dir, LogDir: dir,
			Resources: launcher.Resources{MemMiB: 1, Time: time.Minute}})
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Fatalf("Submit = %v, want %q", err, words)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "k.*")); len(left) != want {
			t.Errorf("%s: %q are left, want %d files", words, left, want)
		}
	}
}
