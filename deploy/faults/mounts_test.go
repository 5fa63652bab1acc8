//go:build linux

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"orch/sweep/results"
)

// host is a machine that sees the tree through a client of its own.
type host struct {
	*mounted
	name string
	r    *rig
}

// command prepares an orch command on this host.
func (h *host) command(args ...string) *exec.Cmd {
	cmd := h.r.program(append([]string{"unshare", "--uts", "sh", "-c", `hostname "$0"; exec "$@"`, h.name, orch}, args...)...)
	for i, v := range cmd.Env {
		if strings.HasPrefix(v, "ORCH_RESULTS=") {
			cmd.Env[i] = "ORCH_RESULTS=" + h.path
		}
	}
	return cmd
}

// pids returns this host's processes of a kind: the submit and its workers.
func (h *host) pids() []int {
	return h.r.processes(func(cmdline string) bool {
		return strings.Contains(cmdline, "\x00worker\x00") && strings.Contains(cmdline, h.path) ||
			strings.HasPrefix(cmdline, orch+"\x00submit")
	})
}

// watcher sees a tree through several paths and tests that no two of them ever
// tell of different results of a run, that what one has told stays so, and that
// none is behind by more than its cache allows.
type watcher struct {
	t     *testing.T
	cache time.Duration
	first map[string]string    // by run: the result that anyone saw first
	since map[string]time.Time // by run: when the server's own disk had it
	told  map[string]map[string]bool
	looks int
	lag   time.Duration // the longest that a path was behind
	late  map[string]time.Duration
}

// slack is what a path may be behind beyond its cache: two listings, one after
// the other, may each be as old as the cache allows, and the machine is loaded: a
// client that pauses between the server's answer and its own brings old news.
const slack = time.Minute

func newWatcher(t *testing.T, cache time.Duration) *watcher {
	return &watcher{t: t, cache: cache, first: map[string]string{}, since: map[string]time.Time{}, told: map[string]map[string]bool{}, late: map[string]time.Duration{}}
}

// look reads the tree through a path. server says that it is the server's own.
func (w *watcher) look(path string, server bool) {
	w.t.Helper()
	at := time.Now()
	done, err := doneIn(path)
	if err != nil {
		w.t.Errorf("read the tree through %s: %v", path, err)
		return
	}
	if server {
		read := time.Now() // it may have been done only just before
		for name := range done {
			if _, ok := w.since[name]; !ok {
				w.since[name] = read
			}
		}
	}
	w.looks++
	if w.told[path] == nil {
		w.told[path] = map[string]bool{}
	}
	for name, is := range done {
		if was, ok := w.first[name]; !ok {
			w.first[name] = is
		} else if was != is {
			w.t.Errorf("%s was counted as %s, now through %s as %s", name, was, path, is)
		}
		w.told[path][name] = true
	}
	for name := range w.told[path] {
		if _, ok := done[name]; !ok {
			w.t.Errorf("%s was done when seen through %s, and is not any more", name, path)
			delete(w.told[path], name)
		}
	}
	for name, since := range w.since {
		if _, ok := done[name]; ok {
			continue
		}
		behind := at.Sub(since)
		w.lag = max(w.lag, behind)
		if behind > w.cache+slack && w.late[path+name] == 0 {
			w.late[path+name] = behind
			w.t.Errorf("%s has been done for %v and does not show through %s", name, behind, path)
		}
	}
}

// doneIn returns the results that a fresh reader counts.
func doneIn(path string) (map[string]string, error) {
	tree, err := results.Open(path)
	var none *results.NoTreeError
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer tree.Close()
	s, err := tree.Sweep("s")
	if errors.Is(err, results.ErrNoSweep) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer s.Close()
	sn, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	done := map[string]string{}
	for _, st := range sn.Derive() {
		if st.State == results.StateDone {
			done[st.Run.Name] = result(st)
		}
	}
	return done, nil
}

// Two hosts drive one sweep through clients whose caches are stale: names, missing
// names, attributes and listings are up to D old, and writes go home late. One of
// the hosts hangs, is taken over by the other, and goes on. Nobody ever counts
// wrongly, and nobody is behind by more than the cache.
func TestTwoMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting, and another host name, need root")
	}
	if _, err := exec.LookPath("unshare"); err != nil {
		t.Skip("no unshare: install the Debian package util-linux")
	}
	type world struct {
		cache   time.Duration
		auto    bool // D is found from the mount, as users have it
		silence float64
		plus    bool
	}
	worlds := []world{{time.Second, false, 1.5, true}, {time.Second, false, 1.5, false}}
	if long {
		for range 9 { // ten of each
			worlds = append(worlds, worlds[0], worlds[1])
		}
		worlds = append([]world{{time.Minute, true, 75, true}, {time.Minute, true, 75, false}}, worlds...)
	}
	var mu sync.Mutex
	looks, results, lag := 0, 0, time.Duration(0)
	t.Run("worlds", func(t *testing.T) {
		for _, c := range worlds {
			t.Run(fmt.Sprintf("cache %v plus %v", c.cache, c.plus), func(t *testing.T) {
				t.Parallel() // nearly all of it is waiting
				w := twoMounts(t, c.cache, c.auto, c.silence, c.plus)
				mu.Lock()
				defer mu.Unlock()
				looks, results, lag = looks+w.looks, results+len(w.first), max(lag, w.lag)
			})
		}
	})
	survived(t, fmt.Sprintf("takeover between two mounts with stale caches (%v at most)", worlds[0].cache), len(worlds), "%d results, %d looks: none wrong, at most %.1f s behind", results, looks, lag.Seconds())
}

func twoMounts(t *testing.T, cache time.Duration, auto bool, silence float64, plus bool) *watcher {
	r := newRig(t, 0)
	runs := 12
	r.write("s.toml", fmt.Sprintf(`name = "s"
[task]
command = ["sh", "-c", "[ {pause} = 0.05 ] || until [ -e hung ]; do sleep 0.02; done; sleep {pause}; echo acc=$(date +%%s%%N)"]
[task.metrics]
acc = 'acc=([0-9]+)'
[sweep]
pause = [0.05, 0.6]
seed = "range(0,%d)"
[launcher]
name = "joblib"
n_jobs = 2
`, runs/2))
	r.settings(func(s *results.Settings) {
		s.DirCache, s.Silence, s.Beat = cache.Seconds(), silence, silence/5
		if auto {
			s.DirCache = -1
		}
	})
	a := &host{mountClient(t, r.tree, habits{Cache: cache, Plus: plus}), "alpha", r}
	b := &host{mountClient(t, r.tree, habits{Cache: cache, Plus: plus}), "beta", r}
	w := newWatcher(t, cache)
	looking, stop := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(looking)
		for {
			select {
			case <-stop:
				return
			case <-time.After(min(cache/10, time.Second)):
			}
			w.look(r.tree, true)
			w.look(a.path, false)
			w.look(b.path, false)
		}
	}()
	endOfLooking := sync.OnceFunc(func() { close(stop); <-looking })
	defer endOfLooking()

	inA := a.command("submit", "s.toml")
	endedA := r.start(inA)
	r.until("two results", func() bool { done, _ := doneIn(r.tree); return len(done) >= 2 })
	hung := a.pids()
	for _, pid := range hung {
		// A worker's child that was about to execute its program may have ended.
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil && err != syscall.ESRCH {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		for _, pid := range hung {
			syscall.Kill(pid, syscall.SIGCONT)
		}
	})
	before, _ := doneIn(r.tree)
	if len(before) == runs {
		t.Fatal("the sweep was over before a host could hang")
	}
	r.write("hung", "") // half of the runs wait for it
	inB := b.command("submit", "s.toml")
	begin := time.Now()
	endedB := r.start(inB)
	select {
	case <-endedB:
	case <-time.After(patience + 6*cache):
		t.Fatalf("the other host does not finish the sweep%s", r.describe())
	}
	if code := inB.ProcessState.ExitCode(); code != 0 {
		t.Errorf("submit on the other host ends with code %d:\n%s%s", code, inB.Stdout, r.describe())
	}
	took := time.Since(begin)
	for _, pid := range hung {
		syscall.Kill(pid, syscall.SIGCONT)
	}
	select {
	case <-endedA:
	case <-time.After(patience + 6*cache):
		t.Errorf("the host that hung does not end%s", r.describe())
	}
	if code := inA.ProcessState.ExitCode(); code != 0 {
		t.Errorf("submit on the host that hung ends with code %d:\n%s%s", code, inA.Stdout, r.describe())
	}
	// All have heard of everything after one cache's time.
	for _, h := range []*host{a, b} {
		for deadline := time.Now().Add(cache + slack); ; time.Sleep(cache / 20) {
			if done, err := doneIn(h.path); err == nil && len(done) == runs {
				break
			}
			if time.Now().After(deadline) {
				t.Errorf("%s does not see all results %v after the end", h.name, cache+slack)
				break
			}
		}
	}
	endOfLooking()
	time.Sleep(cache) // so that fsck sees no seal beyond a journal that is cached short
	for _, h := range []*host{a, b} {
		if out, errs, code := r.run(h.command("fsck")); code != 0 {
			t.Errorf("fsck on %s ends with code %d:\n%s%s", h.name, code, out, errs)
		}
	}
	tables := map[string]string{}
	for _, h := range []*host{a, b} {
		if _, errs, code := r.run(h.command("collect", "--rebuild")); code != 0 {
			t.Errorf("collect on %s ends with code %d:\n%s", h.name, code, errs)
		}
		text, err := os.ReadFile(filepath.Join(h.path, "s/collected/runs.csv"))
		if err != nil {
			t.Error(err)
		}
		tables[h.name] = string(text)
	}
	if tables["alpha"] != tables["beta"] {
		t.Errorf("the two hosts write different tables:\n%s\n%s", tables["alpha"], tables["beta"])
	}
	a.unmount()
	b.unmount()
	r.observe()
	if len(r.acked) != runs {
		t.Errorf("%d runs are done, want %d%s", len(r.acked), runs, r.describe())
	}
	for name, was := range w.first {
		if r.acked[name] != was {
			t.Errorf("%s was counted as %s, in the end as %s", name, was, r.acked[name])
		}
	}
	r.sound()
	r.alone()
	t.Logf("taken over and finished in %.1f s; %d looks, at most %.1f s behind", took.Seconds(), w.looks, w.lag.Seconds())
	return w
}

// Calls are done and the answer says that they failed, or that the name was there
// already: with that a submit comes to its end. Handles that are stale as well it
// may give up on; then a later submit goes on.
func TestLostReplies(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
	for _, c := range []struct {
		name   string
		client habits
		must   bool // a submit succeeds in spite of it
	}{
		{"done, answered EIO", habits{Lost: 0.2}, true},
		{"done, answered EEXIST", habits{Lost: 0.2, Own: true}, true},
		{"stale handles", habits{Stale: 0.1}, false},
		{"all at once", habits{Lost: 0.1, Stale: 0.05, Cache: 200 * time.Millisecond}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			lost, stale, through, rounds := 0, 0, 0, times(2, 25)
			for range rounds {
				r := newRig(t, 8)
				if err := os.MkdirAll(r.tree, 0o700); err != nil {
					t.Fatal(err)
				}
				server := r.tree
				m := mountClient(t, server, c.client)
				r.tree = m.path
				_, stderr, code := r.run(r.command("submit", "s.toml"))
				if code == 0 {
					through++
				} else if c.must {
					t.Errorf("submit ends with code %d:\n%s%s", code, stderr, r.describe())
				}
				m.heal()
				time.Sleep(c.client.Cache)
				r.observe()
				r.settle()
				x, y := m.unmount()
				lost, stale = lost+x, stale+y
			}
			if lost+stale == 0 {
				t.Error("nothing was lost: this tests nothing")
			}
			survived(t, "calls to a file server: "+c.name, lost+stale, "%d sweeps, %d submits got through at once", rounds, through)
		})
	}
}
