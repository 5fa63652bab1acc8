//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"orch/trainer"
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

// TestBecomeGPUWorker: what a worker finds out where it starts, when it stays
// what it is.
func TestBecomeGPUWorker(t *testing.T) {
	broken := fakeGPUBinary(t, "echo no CUDA-capable device; exit 1")
	for _, tt := range []struct {
		name, missing string
		args          []string
		want          trainer.GPU
	}{
		{"not asked for", "no driver", nil, trainer.GPU{}},
		{"no driver", "no driver", []string{"--gpus=2", "--gpu-binary=" + broken}, trainer.GPU{Want: true, None: "no driver"}},
		{"known before", "", []string{"--gpus=1", "--require-gpu", "--no-gpu=the pool said so"}, trainer.GPU{Want: true, Require: true, None: "the pool said so"}},
		{"no binary", "", []string{"--gpus=1"}, trainer.GPU{Want: true, None: "there is no orch-gpu beside orch: build it with -tags cuda, see deploy/Containerfile"}},
		{"does not start", "", []string{"--gpus=1", "--gpu-binary=" + broken},
			trainer.GPU{Want: true, None: broken + " does not start: exit status 1: no CUDA-capable device"}},
	} {
		var log strings.Builder
		p := &program{args: []string{"orch", "worker"}, log: zerolog.New(&log), gpuMissing: func() string { return tt.missing }}
		var got trainer.GPU
		app := &cli.App{Flags: gpuFlags(), Action: func(c *cli.Context) error {
			got = p.becomeGPUWorker(c)
			return nil
		}}
		if err := app.RunContext(t.Context(), append([]string{"orch"}, tt.args...)); err != nil {
			t.Fatal(err)
		}
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
		if found := tt.want.None != "" && tt.want.None != "the pool said so"; found != strings.Contains(log.String(), "no GPU for built-in trainings") {
			t.Errorf("%s: logs %q", tt.name, log.String())
		}
	}
}
