package main

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The real binary, built without cgo, must start: with the assume-no-moving-gc
// that gorgonia asks for it would panic before main on Go 1.26.
func TestBinaryStarts(t *testing.T) {
	bin := filepath.Join(t.TempDir(), "orch.exe")
	build(t, bin)
	out, err := exec.Command(bin, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "orch "+version) {
		t.Errorf("orch version = %q, %v", out, err)
	}
	out, err = exec.Command(bin, "train", "--cfg", "job", "--json").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"trainer":"nn"`) {
		t.Errorf("orch train --cfg job --json = %q, %v", out, err)
	}
}

// build builds the real binary.
func build(t *testing.T, bin string) {
	t.Helper()
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

// runBinary runs the real binary, which must succeed, and returns its output.
func runBinary(t *testing.T, bin string, args ...string) string {
	t.Helper()
	out, err := exec.Command(bin, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("orch %q: %v\n%s", args, err, out)
	}
	return string(out)
}
