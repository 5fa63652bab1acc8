package launchertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"orch/launcher"
)

// awkward are strings that a shell or a template would spoil.
var awkward = []string{
	"", " ", "two words", "tab\there", "line\nbreak", "trailing\n", "#SBATCH --comment=x", "-n", "--", "=",
	`"double"`, `'single'`, `back\slash`, `\`, "$HOME", "$(id)", "`id`", "a;b", "a&b", "a|b", "*", "~", "%j", "!x",
	"größe", "学習", "🙂", "comma,semicolon;", "{brace}", "[bracket]",
}

// arguments: whatever they are, they arrive; so does the working directory;
// standard input is empty.
func arguments(f *fixture) {
	out := filepath.Join(f.TempDir(), "a folder", "größe 'x'")
	work := filepath.Join(f.TempDir(), "work in", "学習 $HOME")
	for _, d := range []string{out, work} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			f.Fatal(err)
		}
	}
	req := f.request(1, "report", append([]string{out}, awkward...)...)
	req.Dir = work
	f.submit(req)
	got := f.seen(out, 0)
	if !slices.Equal(got.Args, awkward) {
		f.Errorf("arguments: got %q, want %q", got.Args, awkward)
	}
	if want, _ := filepath.EvalSymlinks(work); got.Dir != work && got.Dir != want {
		f.Errorf("working directory: got %q, want %q", got.Dir, work)
	}
	if got.Stdin != 0 {
		f.Errorf("standard input held %d bytes, want 0", got.Stdin)
	}
	f.untilEnded(f.l, req)
}

// environment: Request.Env is added, whatever its values, and outranks what is
// inherited; the worker is told its key and index.
func environment(f *fixture) {
	f.Setenv("ORCH_LT_INHERITED", "parent")
	out := f.TempDir()
	req := f.request(1, "report", out)
	want := map[string]string{
		launcher.EnvIndex: "0", launcher.EnvKey: req.Key, "ORCH_LT_INHERITED": "request",
		"OMP_NUM_THREADS": "7", // given by the user: no cap of the launcher's
	}
	req.Env = []string{"ORCH_LT_INHERITED=request", "OMP_NUM_THREADS=7"}
	for i, v := range awkward {
		name := "ORCH_LT_" + strconv.Itoa(i)
		want[name] = v
		req.Env = append(req.Env, name+"="+v)
	}
	f.submit(req)
	got := map[string]string{}
	for _, kv := range f.seen(out, 0).Env {
		name, value, _ := strings.Cut(kv, "=")
		if _, twice := got[name]; twice {
			f.Errorf("%s is twice in the environment", name)
		}
		got[name] = value
	}
	for name, v := range want {
		if g, there := got[name]; g != v || !there {
			f.Errorf("%s: got %q (there: %t), want %q", name, g, there, v)
		}
	}
	f.untilEnded(f.l, req)
}

// indexes: n workers are numbered from 0 to n-1, to themselves and in Jobs.
func indexes(f *fixture) {
	const n = 5
	out := f.TempDir()
	req := f.request(n, "wait", out)
	id := f.submit(req)
	for i := range n {
		f.pid(out, strconv.Itoa(i))
	}
	for i, w := range f.until(f.l, req, "running", running) {
		if w.Job != id || w.Index != i {
			f.Errorf("worker %d: got job %q, index %d; want job %q", i, w.Job, w.Index, id)
		}
	}
	f.cancel(f.l, id)
	f.untilEnded(f.l, req)
}

// logs: what workers print, to either stream, is in the files that the backend
// promises, each worker's apart, and after what was there before.
func logs(f *fixture) {
	req := f.request(2, "print", "to stdout: größe", "to stderr")
	id := f.submit(req)
	f.untilEnded(f.l, req)
	for i := range req.Workers {
		var got string
		ok := f.wait(func() bool {
			got = ""
			for _, name := range f.s.Logs(req, id, i) {
				b, _ := os.ReadFile(name)
				got += string(b)
			}
			return strings.Contains(got, "to stdout: größe\n") && strings.Contains(got, "to stderr\n")
		})
		if !ok {
			f.Errorf("worker %d: log holds %q", i, got)
		}
		if n := strings.Count(got, "to stdout"); n != 1 {
			f.Errorf("worker %d: log holds the lines of %d workers: %q", i, n, got)
		}
	}
}

func exitCodes(f *fixture) {
	for _, code := range []int{0, 3, 255} {
		req := f.request(1, "exit", strconv.Itoa(code))
		f.submit(req)
		for _, w := range f.untilEnded(f.l, req) {
			if w.End.Cause != launcher.Exited || w.End.Code != code || w.End.Signal != "" {
				f.Errorf("exit %d: got %+v", code, w.End)
			}
			if w.Reason == "" {
				f.Errorf("exit %d: no reason for people", code)
			}
		}
	}
}

// signals: a worker that a signal ended, for a reason nobody knows, is told
// from one that exited.
func signals(f *fixture) {
	if runtime.GOOS == "windows" {
		return // has none
	}
	for sig, name := range map[syscall.Signal]string{syscall.SIGKILL: "SIGKILL", syscall.SIGTERM: "SIGTERM", syscall.SIGABRT: "SIGABRT"} {
		if sig == syscall.SIGABRT {
			continue // a Go worker turns it into a trace and exit code 2
		}
		req := f.request(1, "signal", strconv.Itoa(int(sig)))
		f.submit(req)
		for _, w := range f.untilEnded(f.l, req) {
			f.isKilled(w, sig, name)
		}
	}
}

func (f *fixture) isKilled(w launcher.Worker, sig syscall.Signal, name string) {
	f.Helper()
	want := launcher.End{Cause: launcher.Signaled, Signal: name}
	if f.s.SignalAsCode {
		want = launcher.End{Cause: launcher.Exited, Code: 128 + int(sig)}
	}
	got := w.End
	got.Proof = false
	if !f.s.SignalAsCode {
		got.Code = 0
	}
	if got != want {
		f.Errorf("killed by %s: got %+v, want %+v", name, got, want)
	}
}

// refusals: what can never work is refused, and nothing starts.
func refusals(f *fixture) {
	for name, change := range map[string]func(*launcher.Request){
		"key with a newline": func(r *launcher.Request) { r.Key = "a\n#SBATCH --partition=x" },
		"key with a slash":   func(r *launcher.Request) { r.Key = "../x" },
		"empty key":          func(r *launcher.Request) { r.Key = "" },
		"long key":           func(r *launcher.Request) { r.Key = strings.Repeat("x", 65) },
		"no workers":         func(r *launcher.Request) { r.Workers = 0 },
		"no program":         func(r *launcher.Request) { r.Argv = nil },
		"relative program":   func(r *launcher.Request) { r.Argv[0] = "program" },
		"relative folder":    func(r *launcher.Request) { r.Dir = "x" },
	} {
		req := f.request(1, "exit", "0")
		change(&req)
		id, err := f.l.Submit(f.ctx(), req)
		if !launcher.IsRefused(err) {
			f.Errorf("%s: got ID %q, error %v; want a *launcher.Refused", name, id, err)
		}
	}
	all, err := f.l.Jobs(f.ctx())
	if err != nil {
		f.Fatal(err)
	}
	for _, w := range all {
		if strings.HasPrefix(w.Key, f.prefix) {
			f.Errorf("a refused job is listed: %+v", w)
		}
	}
}

// missingProgram: a worker that cannot start is no failed run: either the job
// is refused, or its end says so.
func missingProgram(f *fixture) {
	text := filepath.Join(f.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	gone := filepath.Join(f.TempDir(), "gone")
	for name, change := range map[string]func(*launcher.Request){
		"missing program":   func(r *launcher.Request) { r.Argv[0] = gone },
		"not executable":    func(r *launcher.Request) { r.Argv[0] = text },
		"missing workdir":   func(r *launcher.Request) { r.Dir = gone },
		"missing logfolder": func(r *launcher.Request) { r.LogDir = gone },
	} {
		req := f.request(2, "exit", "0")
		change(&req)
		_, err := f.l.Submit(f.ctx(), req)
		switch {
		case launcher.IsRefused(err):
			if err.Error() == "refused: " {
				f.Errorf("%s: no reason", name)
			}
			if ws := f.workers(f.l, req.Key); len(ws) > 0 {
				f.Errorf("%s: refused, but listed: %+v", name, ws)
			}
		case err != nil:
			f.Errorf("%s: got %v; want it refused, or a worker that ends as %q", name, err, launcher.SetupFailed)
		default:
			for _, w := range f.untilEnded(f.l, req) {
				if w.End.Cause != launcher.SetupFailed {
					f.Errorf("%s: got %+v, want cause %q", name, w.End, launcher.SetupFailed)
				}
			}
		}
	}
}

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
	for _, part := range []string{"stubborn", "family"} {
		out := f.TempDir()
		req := f.request(1, part, out)
		id := f.submit(req)
		f.pid(out, "0")
		if part == "family" {
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

// orphans: what a killed worker had started does not live on.
func orphans(f *fixture) {
	if f.s.Remote || runtime.GOOS == "windows" {
		f.Log("workers of this machine cannot be killed by a signal from here")
		return
	}
	out := f.TempDir()
	req := f.request(1, "family", out)
	f.submit(req)
	worker, _ := os.FindProcess(f.pid(out, "0"))
	f.pid(out, "0-child")
	if err := worker.Kill(); err != nil {
		f.Fatal(err)
	}
	f.untilEnded(f.l, req)
	f.noProcesses()
}

// reopen: a new launcher on the same state knows the jobs of an earlier one,
// and can cancel them.
func reopen(f *fixture) {
	out := f.TempDir()
	req, over := f.request(2, "wait", out), f.request(1, "exit", "3")
	id := f.submit(req)
	f.submit(over)
	f.pid(out, "0")
	f.pid(out, "1")
	f.untilEnded(f.l, over)
	if f.s.Outlives {
		f.close()
	}
	again := f.open()
	for i, w := range f.until(again, req, "running", running) {
		if w.Job != id || w.Index != i {
			f.Errorf("worker %d: got job %q, index %d; want job %q", i, w.Job, w.Index, id)
		}
	}
	for _, w := range f.untilEnded(again, over) {
		if w.End.Cause != launcher.Exited || w.End.Code != 3 {
			f.Errorf("end of an earlier job: got %+v, want exit code 3", w.End)
		}
	}
	f.cancel(again, id)
	for _, w := range f.untilEnded(again, req) {
		f.isCancelled(w)
	}
	if !f.s.Outlives {
		for _, w := range f.untilEnded(f.l, req) {
			f.isCancelled(w)
		}
	}
}

// changes: a launcher that says it tells of changes does.
func changes(f *fixture) {
	n, ok := launcher.As[launcher.Notifier](f.l)
	if !ok {
		return
	}
	req := f.request(3, "exit", "0")
	f.submit(req)
	deadline := time.NewTimer(f.s.Patience)
	defer deadline.Stop()
	for {
		c := n.Changed()
		ws := f.workers(f.l, req.Key)
		if !slices.ContainsFunc(ws, func(w launcher.Worker) bool { return !ended(w) }) {
			return
		}
		select {
		case <-c:
		case <-deadline.C:
			f.Fatalf("no word of a change in %v; Jobs says %+v", f.s.Patience, f.workers(f.l, req.Key))
		}
	}
}

// sizes: a launcher that counts what fits finds room for what the suite runs,
// and for no more of bigger workers than of smaller ones.
func sizes(f *fixture) {
	z, ok := launcher.As[launcher.Sizer](f.l)
	if !ok {
		return
	}
	r := f.s.Resources
	n, ok := z.Fit(r)
	if n < 1 || !ok {
		f.Errorf("Fit(%+v) = %d, %t; want at least 1, true", r, n, ok)
	}
	r.CPUs *= 2
	if m, _ := z.Fit(r); m > n {
		f.Errorf("Fit(%+v) = %d, more than %d with half the CPUs", r, m, n)
	}
}

// deadlines: whoever has no time gets an error at once.
func deadlines(f *fixture) {
	out := f.TempDir()
	req := f.request(2, "wait", out)
	done, cancel := context.WithCancel(f.Context())
	cancel()
	for name, call := range map[string]func() error{
		"Submit": func() error { _, err := f.l.Submit(done, req); return err },
		"Jobs":   func() error { _, err := f.l.Jobs(done); return err },
		"Cancel": func() error { return f.l.Cancel(done, "999999999") },
	} {
		start := time.Now()
		if err := call(); !isTimeout(err) {
			f.Errorf("%s with a context that is over: got %v, want its error", name, err)
		}
		if d := time.Since(start); d > 5*time.Second {
			f.Errorf("%s with a context that is over took %v", name, d)
		}
	}
	for _, w := range f.workers(f.l, req.Key) {
		if !ended(w) {
			f.Errorf("a worker lives though there was no time to start it: %+v", w)
		}
	}
}

// concurrentUse: all methods at once, from several launchers on one state.
func concurrentUse(f *fixture) {
	const submitters, jobs = 4, 4
	launchers := []launcher.Launcher{f.l, f.open()}
	out := f.TempDir()
	var reqs [submitters * jobs]launcher.Request
	for i := range reqs {
		part, args := "exit", []string{"0"}
		if i%2 == 0 {
			part, args = "wait", []string{out}
		}
		reqs[i] = f.request(2, part, args...)
	}
	ctx := f.ctx()
	stop := make(chan struct{})
	var listers, workers sync.WaitGroup
	for _, l := range launchers {
		listers.Go(func() {
			for {
				if _, err := l.Jobs(ctx); err != nil {
					f.Errorf("Jobs = %v", err)
					return
				}
				select {
				case <-stop:
					return
				case <-time.After(f.s.Poll):
				}
			}
		})
	}
	for s := range submitters {
		workers.Go(func() {
			for j := range jobs {
				i := s*jobs + j
				l := launchers[i%len(launchers)]
				id, err := l.Submit(ctx, reqs[i])
				if err != nil {
					f.Errorf("Submit(%s) = %v", reqs[i].Key, err)
					continue
				}
				if i%2 == 0 { // cancelled by the other one as often as by the same
					if err := launchers[(i/2)%len(launchers)].Cancel(ctx, id); err != nil {
						f.Errorf("Cancel(%s) = %v", id, err)
					}
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	listers.Wait()
	for i, req := range reqs {
		for _, w := range f.untilEnded(f.l, req) {
			if i%2 == 0 {
				f.isCancelled(w)
			} else if w.End.Cause != launcher.Exited || w.End.Code != 0 {
				f.Errorf("%s: got %+v (%s), want exit code 0", req.Key, w.End, w.Reason)
			}
		}
	}
}

// manyWorkers: hundreds start, run and end, and one look at them is one call.
func manyWorkers(f *fixture) {
	out := f.TempDir()
	req := f.request(f.s.Many, "report", out)
	f.submit(req)
	for _, w := range f.untilEnded(f.l, req) {
		if w.End.Cause != launcher.Exited || w.End.Code != 0 {
			f.Errorf("worker %d: got %+v (%s), want exit code 0", w.Index, w.End, w.Reason)
		}
	}
	list, err := os.ReadDir(out)
	if err != nil {
		f.Fatal(err)
	}
	if len(list) != f.s.Many {
		f.Errorf("%d workers reported, want %d", len(list), f.s.Many)
	}
	for i := range f.s.Many {
		if _, err := os.Stat(filepath.Join(out, fmt.Sprintf("%d.json", i))); err != nil {
			f.Errorf("worker %d: %v", i, err)
		}
	}
	if f.s.Calls != nil {
		before := f.s.Calls()
		f.workers(f.l, req.Key)
		if n := f.s.Calls() - before; n != 1 {
			f.Errorf("Jobs made %d calls to the machine for %d workers, want 1", n, f.s.Many)
		}
	}
}
