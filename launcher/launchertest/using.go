package launchertest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"orch/launcher"
)

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
		for try := 1; ; try++ {
			start := time.Now()
			if err := call(); !isTimeout(err) {
				f.Errorf("%s with a context that is over: got %v, want its error", name, err)
			}
			d := time.Since(start)
			if d <= 5*time.Second {
				break
			}
			if try == 3 { // not by bad luck
				f.Errorf("%s with a context that is over took %v", name, d)
				break
			}
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
	var reqs [submitters * jobs]launcher.Request
	for i := range reqs {
		part, args := "exit", []string{"0"}
		if i%2 == 0 {
			part, args = "wait", []string{f.TempDir()} // two would write the same file
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
		f.eventually("Jobs", func() bool {
			before := f.s.Calls()
			_, err := f.l.Jobs(f.ctx())
			if n := f.s.Calls() - before; n != 1 {
				f.Errorf("Jobs made %d calls to the machine for %d workers, want 1", n, f.s.Many)
			}
			return err == nil
		})
	}
}
