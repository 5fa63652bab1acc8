package command

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/sweep/override"
	"orch/trainer"
)

func init() { acts["worker"], acts["patient"] = actWorker, actPatient }

// actPatient is a worker with one run that must write something now and then, in
// the folder it is given. It says how the run ended.
func actPatient() {
	config, err := override.ParseJSON([]byte(`{"task":{"command":["sh","-c","echo $$ > $ORCH_RUN_DIR/pid; until [ -e $ORCH_RUN_DIR/go ]; do echo .; sleep 0.1; done"],"stall":"` + os.Args[2] + `","env":{"ORCH_TEST_ACT":""}}}`))
	if err != nil {
		panic(err)
	}
	log, err := os.Create(filepath.Join(os.Args[1], "log.txt"))
	if err != nil {
		panic(err)
	}
	err = New().Train(context.Background(), &trainer.Run{Config: config, Dir: os.Args[1], Log: log, Stop: make(chan struct{}), Metrics: &recorder{}})
	fmt.Print(err)
}

// A worker and its program that are stopped together and go on later: that nothing
// was written meanwhile is no stall.
func TestStoppedTogether(t *testing.T) {
	t.Parallel()
	for stall := time.Second; ; stall *= 6 {
		dir := t.TempDir()
		w := exec.Command(self(t), dir, stall.String())
		w.Env = append(os.Environ(), actVariable+"=patient")
		var out strings.Builder
		w.Stdout = &out
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		pid := pidIn(t, filepath.Join(dir, "pid"))
		syscall.Kill(w.Process.Pid, syscall.SIGSTOP)
		syscall.Kill(-pid, syscall.SIGSTOP)
		time.Sleep(2 * stall) // the fault
		syscall.Kill(w.Process.Pid, syscall.SIGCONT)
		time.Sleep(stall / 2) // the worker is back first
		syscall.Kill(-pid, syscall.SIGCONT)
		if err := os.WriteFile(filepath.Join(dir, "go"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := w.Wait(); err != nil {
			t.Fatal(err)
		}
		if out.String() == "<nil>" {
			return
		}
		if stall > 10*time.Second {
			t.Fatalf("stopped for a while, with stall = %v, the run ends with %s, want done", stall, &out)
		}
	}
}

// actWorker is a worker with one run, in the folder it is given.
func actWorker() {
	config, err := override.ParseJSON([]byte(`{"task":{"command":["sh","-c","echo $$ > $ORCH_RUN_DIR/pid; exec sleep 600"],"env":{"ORCH_TEST_ACT":""}}}`))
	if err != nil {
		panic(err)
	}
	log, err := os.Create(filepath.Join(os.Args[1], "log.txt"))
	if err != nil {
		panic(err)
	}
	New().Train(context.Background(), &trainer.Run{Config: config, Dir: os.Args[1], Log: log, Stop: make(chan struct{}), Metrics: &recorder{}})
}

// When the worker is killed with SIGKILL its program must not go on alone.
func TestWorkerDies(t *testing.T) {
	dir := t.TempDir()
	w := exec.Command(self(t), dir)
	w.Env = append(os.Environ(), actVariable+"=worker")
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	pid := pidIn(t, filepath.Join(dir, "pid"))
	if gone(pid) {
		t.Fatal("the program ended before its worker")
	}
	w.Process.Kill()
	w.Wait()
	waitFor(t, "the program's end after its worker's", func() bool { return gone(pid) })
}

// The kernel sends the parent-death signal when the starting *thread* ends.
// Go ends a thread whose goroutine exits while locked to it, so many of those
// come and go here while a program runs.
func TestThreadsEnd(t *testing.T) {
	r := newTrial(t, sh("while [ ! -e $ORCH_RUN_DIR/enough ]; do sleep 0.01; done"))
	done := make(chan error)
	go func() { done <- New().Train(t.Context(), r.Run) }()
	for range 200 {
		ended := make(chan int)
		go func() {
			runtime.LockOSThread() // and never unlock: the thread dies with the goroutine
			ended <- syscall.Gettid()
		}()
		<-ended
	}
	if err := os.WriteFile(filepath.Join(r.Dir, "enough"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("Train = %v, want done", err)
	}
}
