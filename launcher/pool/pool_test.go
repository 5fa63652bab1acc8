package pool_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"orch/launcher"
	"orch/launcher/launchertest"
	"orch/launcher/pool"
)

func submit(t *testing.T, p *pool.Pool, req launcher.Request) {
	t.Helper()
	if _, err := p.Submit(ctx(), req); err != nil {
		t.Fatal(err)
	}
}

// ended waits, by the pool's own word, until all its workers have ended.
func ended(t *testing.T, p *pool.Pool) []launcher.Worker {
	t.Helper()
	end := time.NewTimer(patience)
	defer end.Stop()
	for {
		c := p.Changed()
		ws, left := jobs(t, p), 0
		for _, w := range ws {
			if w.State != launcher.Ended {
				left++
			}
		}
		if left == 0 {
			return ws
		}
		select {
		case <-c:
		case <-end.C:
			t.Fatalf("%d workers have not ended: %+v", left, ws)
		}
	}
}

// Workers get the GPUs with the fewest workers; when all are taken, the answer
// is "not now", also for another pool on the same state.
func TestGPUs(t *testing.T) {
	o := pool.Options{StateDir: t.TempDir(), Devices: []string{"0", "GPU-b"}, GPUsShare: 2, Grace: time.Second}
	p, q := open(t, o), open(t, o)
	gpu := func(key string, n int, part string, args ...string) launcher.Request {
		req := request(t, key, n, part, args...)
		req.Resources.GPUs = 1
		return req
	}
	out := t.TempDir()
	submit(t, p, gpu("gpus-1", 3, "wait", out))
	var limited *launcher.Limited
	if _, err := q.Submit(ctx(), gpu("gpus-2", 2, "wait", out)); !errors.As(err, &limited) {
		t.Errorf("2 workers for one free place: got %v, want *launcher.Limited", err)
	}
	submit(t, q, gpu("gpus-3", 1, "report", out))
	until(t, "a report", func() bool { _, err := os.Stat(filepath.Join(out, "0.json")); return err == nil })
	b, err := os.ReadFile(filepath.Join(out, "0.json"))
	if err != nil {
		t.Fatal(err)
	}
	var seen launchertest.Seen
	if err := json.Unmarshal(b, &seen); err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, kv := range seen.Env {
		if v, ok := strings.CutPrefix(kv, "CUDA_VISIBLE_DEVICES="); ok {
			got = v
		}
	}
	if got != "GPU-b" {
		t.Errorf("fourth worker: got GPU %q, want GPU-b", got)
	}
	if err := p.Cancel(ctx(), "gpus-1"); err != nil {
		t.Fatal(err)
	}
	submit(t, q, gpu("gpus-4", 3, "wait", out))
	req := gpu("gpus-5", 1, "wait", out)
	req.Resources.GPUs = 3
	if _, err := p.Submit(ctx(), req); !launcher.IsRefused(err) {
		t.Errorf("3 of 2 GPUs: got %v, want it refused", err)
	}
}

func TestTimeLimit(t *testing.T) {
	p := open(t, pool.Options{Grace: 50 * time.Millisecond})
	for i, part := range []string{"wait", "stubborn"} {
		req := request(t, "time-"+strconv.Itoa(i), 1, part, t.TempDir())
		req.Resources.Time = 300 * time.Millisecond
		submit(t, p, req)
	}
	for _, w := range ended(t, p) {
		if w.End.Cause != launcher.OutOfTime {
			t.Errorf("got %+v (%s), want out of time", w.End, w.Reason)
		}
	}
}

// Closing a foreground pool ends its workers, the stubborn ones too, and says
// why; it is nobody's cancellation.
func TestClose(t *testing.T) {
	state, out, key := t.TempDir(), t.TempDir(), "close-"+strconv.Itoa(os.Getpid())
	p := open(t, pool.Options{StateDir: state, Grace: 200 * time.Millisecond})
	submit(t, p, request(t, key+"-1", 2, "stubborn", out))
	submit(t, p, request(t, key+"-2", 1, "exit", "3"))
	until(t, "the workers", func() bool { list, _ := filepath.Glob(filepath.Join(out, "*.pid")); return len(list) == 2 })
	until(t, "an exit", func() bool {
		for _, w := range jobs(t, p) {
			if w.Key == key+"-2" {
				return w.State == launcher.Ended
			}
		}
		return false
	})
	for range 2 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left := launchertest.Processes(key); len(left) > 0 {
		t.Errorf("alive after Close: %q", left)
	}
	if _, err := p.Submit(ctx(), request(t, key+"-3", 1, "exit", "0")); !launcher.IsRefused(err) {
		t.Errorf("Submit after Close = %v, want it refused", err)
	}
	for _, q := range []*pool.Pool{p, open(t, pool.Options{StateDir: state})} {
		for _, w := range jobs(t, q) {
			want := launcher.End{Cause: launcher.Signaled, Signal: "SIGKILL", Proof: true}
			if w.Key == key+"-2" {
				want = launcher.End{Cause: launcher.Exited, Code: 3, Proof: true}
			}
			if w.State != launcher.Ended || w.End != want {
				t.Errorf("%s: got %v %+v (%s), want %+v", w.Key, w.State, w.End, w.Reason, want)
			}
		}
	}
}

// hurry is a context whose time is up when somebody waits for it, and no sooner.
type hurry struct {
	context.Context
	end context.CancelFunc
}

func inAHurry() hurry {
	c, end := context.WithCancel(ctx())
	return hurry{c, end}
}

func (h hurry) Done() <-chan struct{} {
	h.end()
	return h.Context.Done()
}

// A Cancel whose time is up says so; the workers end all the same.
func TestCancelInAHurry(t *testing.T) {
	out := t.TempDir()
	p := open(t, pool.Options{Grace: time.Second})
	submit(t, p, request(t, "hurry", 1, "stubborn", out))
	until(t, "the worker", func() bool { _, err := os.Stat(filepath.Join(out, "0.pid")); return err == nil })
	if err := p.Cancel(inAHurry(), "hurry"); err == nil {
		t.Error("Cancel of a stubborn worker without time to wait = nil, want an error")
	}
	if w := ended(t, p)[0]; w.End.Cause != launcher.Cancelled || w.End.Signal != "SIGKILL" {
		t.Errorf("got %+v, want cancelled by SIGKILL", w.End)
	}
}

// Who closes a pool after a Cancel that was cut short asks a second time, by
// SIGINT: a worker may get two SIGTERM for one request.
func TestPoolAsksTwice(t *testing.T) {
	out := t.TempDir()
	p := open(t, pool.Options{Grace: patience})
	req := request(t, "twice-asked", 1, "stubborn", out)
	req.Argv = []string{"/bin/sh", "-c", `trap 'touch "$0/asked"' TERM; trap '[ -e "$0/asked" ] && exit 7' INT; touch "$0/ready"; while :; do sleep 0.05; done`, out}
	submit(t, p, req)
	there := func(name string) func() bool {
		return func() bool { _, err := os.Stat(filepath.Join(out, name)); return err == nil }
	}
	until(t, "the worker", there("ready"))
	p.Cancel(inAHurry(), "twice-asked")
	until(t, "the worker to hear of it", there("asked")) // two signals that wait are one
	if err := p.Close(); err != nil {
		t.Errorf("Close = %v, want nil", err)
	}
	if w := jobs(t, p)[0]; w.End.Code != 7 || w.End.Signal != "" {
		t.Errorf("got %+v, want exit code 7, by the SIGINT", w.End)
	}
}

// A key names one job for ever, whichever pool asks.
func TestKeyTwice(t *testing.T) {
	o := pool.Options{StateDir: t.TempDir()}
	p, q := open(t, o), open(t, o)
	submit(t, p, request(t, "twice", 1, "exit", "0"))
	for _, x := range []*pool.Pool{p, q, open(t, pool.Options{StateDir: o.StateDir})} {
		if _, err := x.Submit(ctx(), request(t, "twice", 1, "exit", "0")); !launcher.IsRefused(err) {
			t.Errorf("second Submit of a key = %v, want it refused", err)
		}
	}
	if ws := jobs(t, q); len(ws) != 1 {
		t.Errorf("got %+v, want one worker", ws)
	}
}

// Without a state folder a pool still knows its own jobs, and no other's.
func TestWithoutState(t *testing.T) {
	p, q := open(t, pool.Options{}), open(t, pool.Options{})
	submit(t, p, request(t, "stateless", 2, "exit", "3"))
	for _, w := range ended(t, p) {
		if w.End.Cause != launcher.Exited || w.End.Code != 3 {
			t.Errorf("got %+v, want exit code 3", w.End)
		}
	}
	if ws := jobs(t, q); len(ws) != 0 {
		t.Errorf("another pool knows %+v", ws)
	}
}

// When the n-th worker cannot start, the first ones work on and it says why.
func TestHalfStarted(t *testing.T) {
	p := open(t, pool.Options{StateDir: t.TempDir(), Grace: time.Second})
	req := request(t, "half", 3, "wait", t.TempDir())
	if err := os.Mkdir(filepath.Join(req.LogDir, "worker-1.log"), 0o700); err != nil { // so that it cannot be a log
		t.Fatal(err)
	}
	submit(t, p, req)
	ws := jobs(t, p)
	if ws[0].State != launcher.Running {
		t.Errorf("worker 0: got %+v, want running", ws[0])
	}
	for _, w := range ws[1:] {
		if w.State != launcher.Ended || w.End.Cause != launcher.SetupFailed || !strings.Contains(w.Reason, "worker-1.log") {
			t.Errorf("worker %d: got %+v, want setup failed because of worker-1.log", w.Index, w)
		}
	}
}

// Keys are unique in a results tree, and a user may have two: what belongs to
// a job of the same key elsewhere is left alone, whatever happens to this one.
func TestSameKeyElsewhere(t *testing.T) {
	p, q := open(t, pool.Options{StateDir: t.TempDir(), Grace: time.Second}), open(t, pool.Options{Grace: time.Second})
	for _, x := range []*pool.Pool{p, q} {
		submit(t, x, request(t, "same", 2, "wait", t.TempDir()))
	}
	kill(t, jobs(t, p)[0].PID)
	until(t, "the end of the worker", func() bool { return jobs(t, p)[0].State == launcher.Ended })
	if err := p.Cancel(ctx(), "same"); err != nil {
		t.Fatal(err)
	}
	ended(t, p)
	for _, w := range jobs(t, q) {
		if w.State != launcher.Running {
			t.Errorf("worker of the other job: got %+v, want running", w)
		}
	}
}
