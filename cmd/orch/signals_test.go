//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slowLeaver is a sweep of one run whose program takes its time to save.
const slowLeaver = `[task]
command = ["sh", "-c", "trap 'sleep 1; echo saved; exit 1' TERM; echo up; while :; do sleep 0.05; done"]
`

// A command that has nothing to bring to its end is over at the first signal,
// whatever it waits for.
func TestFirstSignalEndsWhatDoesNotListen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	bin := filepath.Join(dir, "orch")
	build(t, bin)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, bin, "explain", "-")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Write([]byte("lr=0.1\n"))
	if _, err := out.Read(make([]byte, 1)); err != nil { // it is at its work
		t.Fatal(err)
	}
	cmd.Process.Signal(os.Interrupt)
	if code := exitOf(t, cmd.Wait()); code != exitInterrupted {
		t.Errorf("exit code %d, want %d", code, exitInterrupted)
	}
}

// What a program saves when it is asked to leave takes a while. One request may
// come as several signals: to orch and its workers from a service manager, and
// SIGHUP from the shell and again from the kernel. A second Ctrl-C is another.
func TestOneRequestOfManySignals(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		send  func(orch *os.Process, worker int)
		saved bool
	}{
		{"SIGTERM to all", func(orch *os.Process, worker int) {
			syscall.Kill(worker, syscall.SIGTERM)
			orch.Signal(syscall.SIGTERM)
		}, true},
		{"terminal closed", func(orch *os.Process, worker int) {
			orch.Signal(syscall.SIGHUP)
			time.Sleep(50 * time.Millisecond)
			orch.Signal(syscall.SIGHUP)
		}, true},
		{"Ctrl-C twice", func(orch *os.Process, worker int) {
			orch.Signal(os.Interrupt)
			time.Sleep(200 * time.Millisecond)
			orch.Signal(os.Interrupt)
		}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if tt.name == "terminal closed" && signal.Ignored(syscall.SIGHUP) {
				t.Skip("SIGHUP is ignored here, by nohup, and so would orch")
			}
			s := startSlow(t, nil)
			tt.send(s.cmd.Process, s.worker(t))
			if code := exitOf(t, s.cmd.Wait()); code != exitInterrupted {
				t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, &s.out)
			}
			if got := strings.Contains(s.log(t), "saved"); got != tt.saved {
				t.Errorf("saved: %v, want %v\n%s", got, tt.saved, &s.out)
			}
		})
	}
}

// nohup is obeyed: the sweep outlives its terminal.
func TestNohup(t *testing.T) {
	t.Parallel()
	s := startSlow(t, []string{"nohup"})
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.cmd.Process.Signal(syscall.SIGHUP)
	time.Sleep(300 * time.Millisecond)
	s.cmd.Process.Signal(syscall.SIGTERM)
	if code := exitOf(t, s.cmd.Wait()); code != exitInterrupted {
		t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, &s.out)
	}
	if log := s.log(t); strings.Count(log, "up\n") != 1 || !strings.Contains(log, "saved") {
		t.Errorf("the run was disturbed: %q\n%s", log, &s.out)
	}
}

// slow is a submit of slowLeaver whose program is up.
type slow struct {
	dir string
	cmd *exec.Cmd
	out bytes.Buffer
}

func startSlow(t *testing.T, before []string) *slow {
	t.Helper()
	s := &slow{dir: t.TempDir()}
	bin := filepath.Join(s.dir, "orch")
	build(t, bin)
	if err := os.WriteFile(filepath.Join(s.dir, "s.toml"), []byte(slowLeaver), 0o600); err != nil {
		t.Fatal(err)
	}
	argv := append(before, bin, "submit", "s.toml", "--results=r")
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute) // what hears no signal ends, too
	t.Cleanup(cancel)
	s.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	s.cmd.Dir, s.cmd.Stdout, s.cmd.Stderr = s.dir, &s.out, &s.out
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); !strings.Contains(s.log(t), "up\n"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("the program does not start\n%s", &s.out)
		}
	}
	return s
}

func (s *slow) log(t *testing.T) string {
	t.Helper()
	var all []byte
	logs, _ := filepath.Glob(filepath.Join(s.dir, "r", "s", "runs", "*", "a*", "log.txt"))
	for _, name := range logs {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return string(all)
}

// worker returns the process that the submit started.
func (s *slow) worker(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("ps", "-A", "-o", "pid=,ppid=").Output()
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		var pid, parent int
		if _, err := fmt.Sscan(line, &pid, &parent); err == nil && parent == s.cmd.Process.Pid {
			return pid
		}
	}
	t.Fatal("no worker")
	return 0
}

func exitOf(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("ends with %v, want an exit code", err)
	}
	return exit.ExitCode()
}
