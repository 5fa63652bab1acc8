package command

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"orch/sweep/override"
	"orch/trainer"
)

func init() { acts["worker"] = actWorker }

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
