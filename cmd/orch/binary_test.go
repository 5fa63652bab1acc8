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
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	out, err := exec.Command(bin, "version").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "orch "+version) {
		t.Errorf("orch version = %q, %v", out, err)
	}
	out, err = exec.Command(bin, "train", "--cfg", "job", "--json").CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"trainer":"nn"`) {
		t.Errorf("orch train --cfg job --json = %q, %v", out, err)
	}
}
