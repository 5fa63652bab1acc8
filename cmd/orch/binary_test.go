package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
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

// built is the real binary, which several tests want: linking takes seconds.
var built struct {
	once sync.Once
	dir  string // removed by TestMain
	err  error
}

// build puts a copy of the real binary at bin.
func build(t *testing.T, bin string) {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "orch-built-"); built.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-o", filepath.Join(built.dir, "orch"), ".")
		cmd.Env = append(cmd.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			built.err = fmt.Errorf("go build: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	b, err := os.ReadFile(filepath.Join(built.dir, "orch"))
	if err == nil {
		// A child that is forked meanwhile would hold it open for writing, and it
		// could not be executed: "text file busy".
		syscall.ForkLock.RLock()
		err = os.WriteFile(bin, b, 0o700)
		syscall.ForkLock.RUnlock()
	}
	if err != nil {
		t.Fatal(err)
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
