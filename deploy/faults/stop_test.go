//go:build linux

package faults

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/sweep/results"
)

// patience bounds everything that should take a moment. It is generous, since test
// machines are busy; only a failing test ever waits so long.
const patience = 3 * time.Minute

// until waits for a condition, with a deadline.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("not %s within %v%s", what, patience, r.describe())
		}
	}
}

// A worker is stopped in the middle of a run, taken over, and goes on: what it
// then still writes must not count. Its program waits for a file, so that it
// ends only after the takeover.
func TestStoppedWorker(t *testing.T) {
	for _, c := range []struct {
		name string
		// over takes over from the stopped worker and finishes the sweep.
		over func(t *testing.T, r *rig)
	}{
		{"taken over through the package", func(t *testing.T, r *rig) {
			tree, err := results.Open(r.tree)
			if err != nil {
				t.Fatal(err)
			}
			defer tree.Close()
			s, err := tree.Sweep("s")
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			c, err := s.ReadClaim("1-0-0", 0)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Fence(c.Block, c.Gen, "test"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * time.Duration(c.Holder.DirCache*float64(time.Second))) // the grace time itself
			if _, err := s.SealDead(c, "test", results.Lost); err != nil {
				t.Fatal(err)
			}
			r.write("go", "")
			r.run(r.command("worker", "--sweep=s", "--group="+r.group()))
		}},
		{"taken over by a submit on another host", func(t *testing.T, r *rig) {
			if os.Geteuid() != 0 {
				t.Skip("another host name needs root (unshare --uts)")
			}
			if _, err := exec.LookPath("unshare"); err != nil {
				t.Skip("no unshare: install the Debian package util-linux")
			}
			r.write("go", "")
			_, stderr, code := r.run(r.program("unshare", "--uts", "sh", "-c", fmt.Sprintf("hostname elsewhere; exec %s submit s.toml", orch)))
			if code != 0 {
				t.Fatalf("submit elsewhere ends with code %d:\n%s%s", code, stderr, r.describe())
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t, 2)
			r.settings(func(s *results.Settings) { s.DirCache, s.Silence, s.Beat = 0.2, 1, 0.3 })
			r.write("s.toml", `name = "s"
[task]
command = ["sh", "-c", "while [ ! -e go ]; do sleep 0.02; done; echo acc=$(date +%s%N)"]
[task.metrics]
acc = 'acc=([0-9]+)'
[sweep]
seed = "range(0,2)"
[launcher]
name = "joblib"
n_jobs = 1
`)
			submit := r.command("submit", "s.toml")
			ended := r.start(submit)
			var worker int
			r.until("a worker in its first run", func() bool {
				pids := r.workers()
				if len(pids) == 0 {
					return false
				}
				worker = pids[0]
				for _, st := range r.states() {
					if st.State == results.StateRunning {
						return true
					}
				}
				return false
			})
			// The submit that started it must not notice: it stands for a host that hangs.
			for _, pid := range []int{submit.Process.Pid, worker} {
				if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
					t.Fatal(err)
				}
			}
			c.over(t, r)
			r.observe()
			if len(r.acked) != 2 {
				t.Fatalf("%d runs done after the takeover, want 2%s", len(r.acked), r.describe())
			}
			before := journalBytes(t, r)
			for _, pid := range []int{worker, submit.Process.Pid} {
				if err := syscall.Kill(pid, syscall.SIGCONT); err != nil {
					t.Fatal(err)
				}
			}
			<-ended
			if after := journalBytes(t, r); after == before {
				t.Error("the stopped worker has written nothing afterwards: this tests nothing")
			}
			r.settle() // with observe: the results are those of the takeover
			st := r.states()[0]
			if a := st.Attempts; len(a) != 2 || a[0].Class == results.Done && a[0].Counts || st.Counted != 1 {
				t.Errorf("attempts = %+v, counted %d, want the second", a, st.Counted)
			}
		})
	}
	survived(t, "SIGSTOP of a worker past its takeover, then SIGCONT", 2, "what it still wrote does not count")
}

func journalBytes(t *testing.T, r *rig) (n int64) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(r.tree, "s/journals/*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if st, err := os.Stat(name); err == nil && !strings.HasPrefix(filepath.Base(name), "elsewhere") {
			n += st.Size()
		}
	}
	return n
}
