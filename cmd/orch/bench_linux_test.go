//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// BenchmarkProcess runs the built program and reports what a user waits for:
// the whole process, start and exit included, with its largest memory and its
// processor time, which says more than the clock of a machine that is shared.
func BenchmarkProcess(b *testing.B) {
	dir := b.TempDir()
	exe := filepath.Join(dir, "orch")
	if out, err := exec.Command("go", "build", "-o", exe, ".").CombinedOutput(); err != nil {
		b.Fatalf("build: %v\n%s", err, out)
	}
	grid := func(name string, lens ...int) string {
		text := "defaults = [\"train\"]\n[sweep]\n"
		for i, key := range []string{"seed", "training.epochs", "training.batch"} {
			text += fmt.Sprintf("%q = \"range(1,%d)\"\n", key, lens[i]+1)
		}
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
		return file
	}
	for _, bench := range []struct {
		name string
		code int
		args []string
	}{
		{"version", 0, []string{"version"}},
		{"cfg job", 0, []string{"train", "--cfg", "job", "model=net5", "training.lr=0.1"}},
		{"explain", 0, []string{"explain", "training.lr=0.1"}},
		{"plan 15", 0, []string{"plan", grid("p15.toml", 5, 3, 1)}},
		{"plan 10000", 0, []string{"plan", grid("p4.toml", 100, 10, 10)}},
		{"plan 100000", 0, []string{"plan", grid("p5.toml", 100, 100, 10)}},
		{"plan 1000000", 0, []string{"plan", "--max-runs=1000000", grid("p6.toml", 100, 100, 100)}},
		{"refuse 10^12", 2, []string{"plan", grid("p12.toml", 100_000, 100_000, 100)}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			largest, cpu := int64(0), time.Duration(0)
			for b.Loop() {
				cmd := exec.Command(exe, bench.args...)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "ORCH_LAUNCHER=", "ORCH_RESULTS=")
				var stderr bytes.Buffer
				cmd.Stderr = &stderr
				_ = cmd.Run() // the code is judged below
				if got := cmd.ProcessState.ExitCode(); got != bench.code {
					b.Fatalf("exit code %d, want %d: %s", got, bench.code, &stderr)
				}
				largest = max(largest, cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss) // in KiB
				cpu += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
			}
			b.ReportMetric(float64(largest)/1024, "MiB-rss")
			b.ReportMetric(float64(cpu.Microseconds())/1000/float64(b.N), "cpu-ms/op")
		})
	}
}
