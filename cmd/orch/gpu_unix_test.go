//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// fakeGPUBinary is a program in the place of orch-gpu.
func fakeGPUBinary(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), gpuBinary)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestTryGPUBinary: only an orch of the same build for GPUs is started, and
// only if it starts at all.
func TestTryGPUBinary(t *testing.T) {
	for _, tt := range []struct{ name, script, want string }{
		{"same build", "echo " + versionLine() + " cuda", ""},
		{"no driver", "echo Error in initialization, please refer to https://x; exit 1", "does not start: exit status 1: Error in initialization"},
		{"no library", "echo error while loading shared libraries: libcublas.so.12 >&2; exit 127", "does not start: exit status 127: error while loading shared libraries: libcublas.so.12"},
		{"for CPUs", "echo " + versionLine(), "build both from the same commit"},
		{"other version", "echo orch 9.9 cuda", `is "orch 9.9 cuda", want "orch `},
	} {
		got := tryGPUBinary(t.Context(), fakeGPUBinary(t, tt.script))
		if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
			t.Errorf("%s: tryGPUBinary = %q, want %q", tt.name, got, tt.want)
		}
	}
	if got := tryGPUBinary(t.Context(), filepath.Join(t.TempDir(), "none")); !strings.Contains(got, "is not there any more") {
		t.Errorf("tryGPUBinary of nothing = %q", got)
	}
}

// TestBecome: the same process goes on as the other binary, with its arguments.
func TestBecome(t *testing.T) {
	if path := os.Getenv("ORCH_TEST_BECOME"); path != "" {
		t.Fatal(become(path, []string{"orch", "worker", "--gpus=1"}))
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestBecome$")
	cmd.Env = append(os.Environ(), "ORCH_TEST_BECOME="+fakeGPUBinary(t, `echo "$$ $*"`))
	var out strings.Builder
	cmd.Stdout = &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s", err, &out)
	}
	pid, args, _ := strings.Cut(strings.TrimSpace(out.String()), " ")
	if want := "worker --gpus=1"; args != want || pid == "" {
		t.Errorf("became a process %s with %q, want %q", pid, args, want)
	}
}
