//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What a submit in the background was asked for, it does: the report at the end,
// in the formats that the config names, and the time limit. What it cannot do is
// refused before it goes there.
func TestDetachedSubmitKeepsItsWord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bin := filepath.Join(dir, "orch")
	build(t, bin)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	submit := func(args ...string) (string, error) {
		cmd := exec.Command(bin, append([]string{"submit", "--detach"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if err := os.Mkdir(filepath.Join(dir, "configs"), 0o700); err != nil {
		t.Fatal(err)
	}
	write("s.toml", "[task]\ncommand = ['sh', '-c', 'echo acc = 0.5']\n[task.metrics]\nacc = 'acc = (\\S+)'\n")
	write("slow.toml", "[task]\ncommand = ['sleep', '60']\n")
	write("configs/report.toml", "formats = ['pfd']\n")
	if out, err := submit("s.toml", "--report"); err == nil || exitOf(t, err) != exitUsage || !strings.Contains(out, "pfd: no such format") {
		t.Errorf("with a wrong format: %v, want exit code 2\n%s", err, out)
	}
	write("configs/report.toml", "formats = ['md']\n")
	for _, args := range [][]string{{"s.toml", "--report"}, {"slow.toml", "--timeout=300ms"}} {
		if out, err := submit(args...); err != nil {
			t.Fatalf("submit %q: %v\n%s", args, err, out)
		}
	}
	logged := func(sweep string) string {
		logs, _ := filepath.Glob(filepath.Join(dir, "results", sweep, "drive-*.log"))
		if len(logs) != 1 {
			t.Fatalf("%s: %d logs, want 1", sweep, len(logs))
		}
		b, err := os.ReadFile(logs[0])
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for sweep, want := range map[string]string{"s": "report   ", "slow": "not over after 300ms"} {
		for end := time.Now().Add(time.Minute); !strings.Contains(logged(sweep), want); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("%s: the log has no %q:\n%s", sweep, want, logged(sweep))
			}
		}
	}
	entries, err := os.ReadDir(filepath.Join(dir, "results", "s", "report"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasPrefix(name, "report.") && name != "report.md" && name != "report.json" {
			t.Errorf("the report has %s, want only Markdown", name)
		}
	}
}
