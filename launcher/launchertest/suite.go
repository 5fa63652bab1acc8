package launchertest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orch/launcher"
)

// Suite says how to get a launcher and what its machine is like. The zero
// values of all fields but Open describe a machine without quirks.
type Suite struct {
	// Open opens the launcher under test. state is a folder of the calling
	// test's own; launchers opened with the same state see the same jobs. A
	// launcher that is an io.Closer is closed by the suite.
	Open func(t testing.TB, state string) launcher.Launcher

	// Resources and Options go into every request; one CPU if empty.
	Resources launcher.Resources
	Options   map[string]any

	// Patience is how long a change may take to show in Jobs; default 2 min, for
	// a machine that has other things to do.
	Patience time.Duration
	// Poll is how often Jobs is asked meanwhile; default 20 ms.
	Poll time.Duration
	// Many is how many workers the test of many starts; default 200, and a
	// quarter of it with -short.
	Many int

	// Calls returns how many calls to the machine (commands, requests) have
	// been made so far, if the launcher can tell.
	Calls func() int

	// Logs returns the files that hold what a worker printed. Default:
	// LogDir/worker-INDEX.log.
	Logs func(req launcher.Request, id string, index int) []string

	// Pending changes a request so that its job will wait and not start. Nil:
	// the machine starts workers at once.
	Pending func(*launcher.Request)

	// Outlives: workers go on after the launcher is closed.
	Outlives bool
	// Forgets: ended workers may be absent from Jobs after a while.
	Forgets bool
	// Remote: workers may run on another machine, so that they cannot be
	// killed by pid, nor looked for in the process table.
	Remote bool
	// LosesSessions: a process that has left its worker's session outlives it,
	// as under Slurm's proctrack/linuxproc.
	LosesSessions bool
	// SignalAsCode: a worker killed by signal n ends as Exited with 128+n.
	SignalAsCode bool
	// CancelAsSignal: a worker that was cancelled may be reported as killed.
	CancelAsSignal bool
}

// Run checks everything. It is not parallel with itself: it counts goroutines.
func Run(t *testing.T, s Suite) {
	if s.Patience == 0 {
		s.Patience = 2 * time.Minute
	}
	if s.Poll == 0 {
		s.Poll = 20 * time.Millisecond
	}
	if s.Many == 0 {
		s.Many = 200
	}
	if testing.Short() {
		s.Many = max(2, s.Many/4)
	}
	if s.Resources.CPUs == 0 {
		s.Resources.CPUs = 1
	}
	if s.Logs == nil {
		s.Logs = func(req launcher.Request, _ string, index int) []string {
			return []string{filepath.Join(req.LogDir, fmt.Sprintf("worker-%d.log", index))}
		}
	}
	// The first use of signals starts a goroutine of the runtime, for good.
	c := make(chan os.Signal, 1)
	signal.Notify(c, os.Interrupt)
	signal.Stop(c)

	for _, x := range []struct {
		name string
		test func(*fixture)
	}{
		{"arguments", arguments},
		{"environment", environment},
		{"indexes", indexes},
		{"logs", logs},
		{"exit codes", exitCodes},
		{"signals", signals},
		{"refusals", refusals},
		{"missing program", missingProgram},
		{"cancel running", cancelRunning},
		{"cancel stubborn", cancelStubborn},
		{"cancel ended", cancelEnded},
		{"cancel unknown", cancelUnknown},
		{"cancel pending", cancelPending},
		{"killed worker", killedWorker},
		{"orphans", orphans},
		{"reopen", reopen},
		{"changes", changes},
		{"sizes", sizes},
		{"deadlines", deadlines},
		{"concurrent use", concurrentUse},
		{"many workers", manyWorkers},
	} {
		t.Run(strings.ReplaceAll(x.name, " ", "_"), func(t *testing.T) {
			before := runtime.NumGoroutine()
			f := &fixture{T: t, s: s, state: t.TempDir(), prefix: "lt-" + rand.Text()[:10]}
			t.Cleanup(f.close)
			f.l = f.open()
			x.test(f)
			f.close()
			f.noProcesses()
			f.eventually("goroutines to end", func() bool { return runtime.NumGoroutine() <= before })
		})
	}
}

// fixture is one test's launcher and its surroundings.
type fixture struct {
	*testing.T
	s      Suite
	state  string
	prefix string // of all keys
	l      launcher.Launcher
	opened []launcher.Launcher
	jobs   int
}

// open opens another launcher on the same state.
func (f *fixture) open() launcher.Launcher {
	f.Helper()
	l := f.s.Open(f.T, f.state)
	f.opened = append(f.opened, l)
	return l
}

// close closes all launchers. It runs also when the test has failed.
func (f *fixture) close() {
	for _, l := range f.opened {
		if c, ok := launcher.As[io.Closer](l); ok {
			if err := c.Close(); err != nil {
				f.Errorf("Close: %v", err)
			}
		}
	}
	f.opened = nil
}

// ctx ends with the test's patience.
func (f *fixture) ctx() context.Context {
	ctx, cancel := context.WithTimeout(f.Context(), f.s.Patience)
	f.Cleanup(cancel)
	return ctx
}

// request makes a request for n workers that play a part.
func (f *fixture) request(n int, part string, args ...string) launcher.Request {
	f.Helper()
	f.jobs++
	return launcher.Request{
		Key: f.prefix + "-" + strconv.Itoa(f.jobs), Workers: n, Argv: Argv(f, part, args...),
		Dir: f.TempDir(), LogDir: f.TempDir(), Resources: f.s.Resources, Options: f.s.Options,
	}
}

func (f *fixture) submit(req launcher.Request) string {
	f.Helper()
	id, err := f.l.Submit(f.ctx(), req)
	if err != nil {
		f.Fatalf("Submit(%s) = %v", req.Key, err)
	}
	if id == "" {
		f.Fatalf("Submit(%s) gave no ID", req.Key)
	}
	f.Cleanup(func() { f.rescue(id) })
	return id
}

// rescue cancels a job after a failed test, so that it does not disturb
// others. A test that passed has closed its launchers and left nothing.
func (f *fixture) rescue(id string) {
	if !f.Failed() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), f.s.Patience)
	defer cancel()
	for _, l := range f.opened {
		l.Cancel(ctx, id)
	}
	f.close()
}

func (f *fixture) cancel(l launcher.Launcher, ids ...string) {
	f.Helper()
	if err := l.Cancel(f.ctx(), ids...); err != nil {
		f.Fatalf("Cancel(%q) = %v", ids, err)
	}
}

// workers lists the workers of a job by index. A machine that has no time for an
// answer is asked again.
func (f *fixture) workers(l launcher.Launcher, key string) []launcher.Worker {
	f.Helper()
	var all []launcher.Worker
	var err error
	if !f.wait(func() bool { all, err = l.Jobs(f.ctx()); return err == nil }) {
		f.Fatalf("Jobs = %v", err)
	}
	all = slices.DeleteFunc(all, func(w launcher.Worker) bool { return w.Key != key })
	slices.SortFunc(all, func(a, b launcher.Worker) int { return a.Index - b.Index })
	return all
}

// until waits until all n workers of a job please.
func (f *fixture) until(l launcher.Launcher, req launcher.Request, what string, please func(launcher.Worker) bool) []launcher.Worker {
	f.Helper()
	var last []launcher.Worker
	ok := f.wait(func() bool {
		last = f.workers(l, req.Key)
		n := 0
		for _, w := range last {
			if please(w) {
				n++
			}
		}
		return n == req.Workers && len(last) == n
	})
	if !ok {
		f.Fatalf("waited %v for %d workers that are %s; Jobs says %+v", f.s.Patience, req.Workers, what, last)
	}
	return last
}

func running(w launcher.Worker) bool { return w.State == launcher.Running }
func ended(w launcher.Worker) bool   { return w.State == launcher.Ended }

// ended waits for the end of all workers of a job and returns them; none if
// the machine has forgotten them.
func (f *fixture) untilEnded(l launcher.Launcher, req launcher.Request) []launcher.Worker {
	f.Helper()
	if !f.s.Forgets {
		return f.until(l, req, "ended", ended)
	}
	var last []launcher.Worker
	ok := f.wait(func() bool {
		now := f.workers(l, req.Key)
		if len(now) > 0 {
			last = now
		}
		return len(now) == 0 && len(last) > 0 || len(now) > 0 && !slices.ContainsFunc(now, func(w launcher.Worker) bool { return !ended(w) })
	})
	if !ok {
		f.Fatalf("waited %v for the end of %s; Jobs says %+v", f.s.Patience, req.Key, last)
	}
	return slices.DeleteFunc(last, func(w launcher.Worker) bool { return !ended(w) })
}

// wait asks again and again until ok or the patience is over.
func (f *fixture) wait(ok func() bool) bool {
	end := time.Now().Add(f.s.Patience)
	tick := time.NewTicker(f.s.Poll)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(end) {
			return false
		}
		<-tick.C
	}
	return true
}

func (f *fixture) eventually(what string, ok func() bool) {
	f.Helper()
	if !f.wait(ok) {
		f.Fatalf("waited %v for %s", f.s.Patience, what)
	}
}

// file waits for a file that a worker writes whole. It lists the folder: on a
// network file system, looking for the name itself may go on failing.
func (f *fixture) file(dir, name string) []byte {
	f.Helper()
	var content []byte
	f.eventually(name, func() bool {
		list, err := os.ReadDir(dir)
		if err != nil {
			f.Fatal(err)
		}
		if !slices.ContainsFunc(list, func(d fs.DirEntry) bool { return d.Name() == name }) {
			return false
		}
		content, err = os.ReadFile(filepath.Join(dir, name))
		return err == nil
	})
	return content
}

func (f *fixture) seen(dir string, index int) (s Seen) {
	f.Helper()
	if err := json.Unmarshal(f.file(dir, strconv.Itoa(index)+".json"), &s); err != nil {
		f.Fatal(err)
	}
	return s
}

func (f *fixture) pid(dir, name string) int {
	f.Helper()
	pid, err := strconv.Atoi(string(f.file(dir, name+".pid")))
	if err != nil {
		f.Fatal(err)
	}
	return pid
}

// noProcesses checks that no process of this test's jobs is left on this
// machine. Only Linux shows other processes' environments.
func (f *fixture) noProcesses() {
	f.Helper()
	if f.s.Remote || runtime.GOOS != "linux" {
		return
	}
	var left []string
	ok := f.wait(func() bool {
		left = Processes(f.prefix)
		return len(left) == 0
	})
	if !ok {
		f.Errorf("processes left behind: %q", left)
	}
}

// Processes returns pid and command line of the living processes whose job
// key, as their environment has it, begins with prefix. Linux only.
func Processes(prefix string) []string {
	var found []string
	names, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range names {
		env, err := os.ReadFile(name)
		if err != nil || !bytes.Contains(append([]byte{0}, env...), []byte("\x00"+launcher.EnvKey+"="+prefix)) {
			continue
		}
		cmd, _ := os.ReadFile(filepath.Join(filepath.Dir(name), "cmdline"))
		found = append(found, filepath.Base(filepath.Dir(name))+" "+string(bytes.ReplaceAll(cmd, []byte{0}, []byte{' '})))
	}
	return found
}

func isTimeout(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
