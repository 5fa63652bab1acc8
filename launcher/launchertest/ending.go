package launchertest

import (
	"os"
	"runtime"
	"strconv"
	"syscall"

	"orch/launcher"
)

func (f *fixture) isCancelled(w launcher.Worker) {
	f.Helper()
	if w.End.Cause != launcher.Cancelled && !(f.s.CancelAsSignal && w.End.Cause == launcher.Signaled) {
		f.Errorf("cancelled worker: got %+v (%s), want cause %q", w.End, w.Reason, launcher.Cancelled)
	}
}

// cancelRunning ends one job and leaves its neighbour alone. Twice is once.
func cancelRunning(f *fixture) {
	out, out2 := f.TempDir(), f.TempDir()
	req, other := f.request(3, "wait", out), f.request(1, "wait", out2)
	id, id2 := f.submit(req), f.submit(other)
	for i := range 3 {
		f.pid(out, strconv.Itoa(i))
	}
	f.pid(out2, "0")
	f.until(f.l, req, "running", running)
	f.cancel(f.l, id)
	f.cancel(f.l, id)
	for _, w := range f.untilEnded(f.l, req) {
		f.isCancelled(w)
	}
	f.until(f.l, other, "running", running)
	f.cancel(f.l, id, id2)
	f.untilEnded(f.l, other)
}

// cancelStubborn: being deaf to SIGTERM helps neither a worker nor its
// children.
func cancelStubborn(f *fixture) {
	for _, part := range append(f.families(), "stubborn") {
		out := f.TempDir()
		req := f.request(1, part, out)
		id := f.submit(req)
		f.pid(out, "0")
		if part != "stubborn" {
			f.pid(out, "0-child")
		}
		f.until(f.l, req, "running", running)
		f.cancel(f.l, id)
		for _, w := range f.untilEnded(f.l, req) {
			f.isCancelled(w)
		}
		f.noProcesses()
	}
}

// cancelEnded: a job that is over keeps its end.
func cancelEnded(f *fixture) {
	req := f.request(1, "exit", "3")
	id := f.submit(req)
	f.untilEnded(f.l, req)
	f.cancel(f.l, id)
	f.cancel(f.l, id, id)
	for _, w := range f.untilEnded(f.l, req) {
		if w.End.Cause != launcher.Exited || w.End.Code != 3 {
			f.Errorf("got %+v after a late Cancel, want exit code 3", w.End)
		}
	}
}

func cancelUnknown(f *fixture) {
	f.cancel(f.l)
	f.cancel(f.l, "999999999")
	f.cancel(f.l, "no-such-job", "../../etc/passwd", "")
}

// cancelPending: a job that waits ends without having run.
func cancelPending(f *fixture) {
	if f.s.Pending == nil {
		f.Log("this machine starts workers at once")
		return
	}
	out := f.TempDir()
	req := f.request(2, "wait", out)
	f.s.Pending(&req)
	id := f.submit(req)
	ws := f.until(f.l, req, "pending", func(w launcher.Worker) bool { return w.State == launcher.Pending })
	for _, w := range ws {
		if w.Reason == "" {
			f.Errorf("pending without a reason: %+v", w)
		}
	}
	f.cancel(f.l, id)
	for _, w := range f.untilEnded(f.l, req) {
		f.isCancelled(w)
	}
	if list, _ := os.ReadDir(out); len(list) > 0 {
		f.Errorf("a worker ran though its job was cancelled while pending: %v", list)
	}
}

// killedWorker: the end of one worker, killed from outside, is seen and
// explained, and its neighbours go on.
func killedWorker(f *fixture) {
	if f.s.Remote || runtime.GOOS == "windows" {
		f.Log("workers of this machine cannot be killed by a signal from here")
		return
	}
	out := f.TempDir()
	req := f.request(2, "wait", out)
	id := f.submit(req)
	f.pid(out, "0")
	victim, _ := os.FindProcess(f.pid(out, "1"))
	if err := victim.Kill(); err != nil {
		f.Fatal(err)
	}
	var ws []launcher.Worker
	f.eventually("the end of worker 1", func() bool {
		ws = f.workers(f.l, req.Key)
		return len(ws) == 2 && ended(ws[1])
	})
	f.isKilled(ws[1], syscall.SIGKILL, "SIGKILL")
	if !running(ws[0]) {
		f.Errorf("worker 0: got %v, want running", ws[0].State)
	}
	f.cancel(f.l, id)
	f.untilEnded(f.l, req)
}

// families are the parts of workers with children that must not outlive them.
func (f *fixture) families() []string {
	if f.s.LosesSessions {
		return []string{"family"}
	}
	return []string{"family", "runaway"}
}

// orphans: what a worker had started does not live on, whether the worker was
// killed or just left.
func orphans(f *fixture) {
	if f.s.Remote || runtime.GOOS == "windows" {
		f.Log("workers of this machine cannot be killed by a signal from here")
		return
	}
	for _, part := range f.families() {
		out := f.TempDir()
		req := f.request(1, part, out)
		f.submit(req)
		worker, _ := os.FindProcess(f.pid(out, "0"))
		f.pid(out, "0-child")
		if err := worker.Kill(); err != nil {
			f.Fatal(err)
		}
		for _, w := range f.untilEnded(f.l, req) {
			f.isKilled(w, syscall.SIGKILL, "SIGKILL")
			if left := Processes(req.Key); w.End.Proof && len(left) > 0 {
				f.Errorf("%s: all is said to be gone, but there is %q", part, left)
			}
		}
		f.noProcesses()
	}
	req := f.request(1, "leaver", f.TempDir())
	f.submit(req)
	for _, w := range f.untilEnded(f.l, req) {
		if w.End.Cause != launcher.Exited || w.End.Code != 0 {
			f.Errorf("got %+v, want exit code 0", w.End)
		}
	}
	f.noProcesses()
}
