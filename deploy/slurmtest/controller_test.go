//go:build linux

package slurmtest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"orch/sweep/results"
)

// The controller accepts a job and says nothing: the outcome is unknown, the job
// is there, and it is not asked for again. In every other sweep the user does
// not wait, and does the runs here: the phantoms then find nothing to do.
func TestControllerStopped(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "4", "--conf", "MessageTimeout=4", "--conf", "KillWait=3")
	rounds := times(1, 4)
	const sweeps = 5
	phantoms := 0
	var slow atomic.Bool
	for range rounds {
		var rigs [sweeps]*rig
		for i := range rigs {
			rigs[i] = newRig(t, c, sweepOf(2, acc, "workers = 2"))
		}
		// A moment ago the controller answered somebody, so nobody asks before the
		// submission; else nothing would be submitted at all. Each has the answer to
		// itself: the first whose outcome is not known would have the others ask.
		warm := newRig(t, c, sweepOf(1, acc))
		answer := t.TempDir()
		ask := warm.command("submit", "s.toml")
		ask.Env = append(ask.Env, "XDG_CACHE_HOME="+answer)
		asked := time.Now()
		if out, err := ask.CombinedOutput(); err != nil {
			t.Fatalf("submit: %v\n%s", err, out)
		}
		c.Signal(t, "slurmctld", syscall.SIGSTOP)
		var all sync.WaitGroup
		for _, r := range rigs {
			all.Go(func() {
				cmd := r.command("submit", "s.toml")
				cache := filepath.Join(r.dir, "cache")
				cmd.Env = append(cmd.Env, "XDG_CACHE_HOME="+cache)
				if err := os.CopyFS(cache, os.DirFS(answer)); err != nil {
					t.Error(err)
				}
				out, err := cmd.CombinedOutput()
				switch {
				case strings.Contains(string(out), "not known"):
				case time.Since(asked) > 30*time.Second && strings.Contains(string(out), "list workers"):
					slow.Store(true) // on this machine the answer was old by then
				default:
					t.Errorf("submit: %v\n%s\nwant it to say that the outcome is not known", err, out)
				}
			})
		}
		all.Wait()
		for i, r := range rigs {
			if i%2 == 1 {
				if out, stderr, code := r.run(r.command("submit", "s.toml", "--launcher=joblib", "launcher.n_jobs=1")); code != 0 {
					t.Errorf("submit on this machine ends with code %d:\n%s%s", code, out, stderr)
				}
				r.observe()
			}
		}
		c.Signal(t, "slurmctld", syscall.SIGCONT)
		warm.done()
		for _, r := range rigs {
			r.done()
			r.await("the end of the workers", func() bool { return len(r.processes(nil)) == 0 })
			r.done()
			ids := r.jobs()
			if len(ids) > 1 {
				t.Errorf("jobs %v, want one: it was asked for again%s", ids, r.describe())
			}
			phantoms += len(ids)
		}
	}
	figure(t, "%d submissions to a stopped controller, %d of their jobs exist: all absorbed", rounds*sweeps, phantoms)
	if phantoms == 0 && !slow.Load() {
		t.Error("no job exists whose submission failed: this tests nothing")
	}
}

// The controller is killed and comes back: workers do not need it, nothing is
// said to be lost, and a Step without it says what is wrong.
func TestControllerKilled(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "4", "--conf", "MessageTimeout=4", "--conf", "KillWait=3")
	r := newRig(t, c, sweepOf(6, waits, "workers = 3"))
	r.submit()
	r.running(3)
	saved(t, r, c)
	c.Signal(t, "slurmctld", syscall.SIGKILL)
	if said := r.step(); !strings.Contains(said, "list workers: squeue") {
		t.Errorf("a Step without a controller says\n%s", said)
	}
	if c := r.status().Runs; c.Running != 3 || c.Failed > 0 {
		t.Errorf("status = %+v, want 3 running", c)
	}
	r.write("go", "")
	r.await("the results", func() bool { r.observe(); return len(r.acked) == 6 })
	r.step()
	c.Up(t)
	r.done()
	for _, st := range r.states() {
		if len(st.Attempts) != 1 {
			t.Errorf("%s: attempts = %v, want 1", st.Run.Name, classes(st))
		}
	}
}

// saved waits until the controller has written down that the jobs run. One that
// is killed before starts them again when it is back; their nodes refuse a
// "Duplicate jobid", and it drains them.
func saved(t *testing.T, r *rig, c *Cluster) {
	t.Helper()
	before := time.Now()
	for _, job := range r.jobs() {
		c.Do(t, "scontrol", "update", "jobid="+job, "comment=seen") // a change that is to be saved
	}
	r.await("the controller's state on disk", func() bool {
		st, err := os.Stat(filepath.Join(c.Dir, "state", "job_state"))
		return err == nil && st.ModTime().After(before)
	})
}

// A controller that loses its state gives numbers a second time. The new owner
// of a number is neither taken for our worker nor cancelled.
func TestNumbersComeAgain(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "2", "--conf", "KillWait=3")
	r := newRig(t, c, sweepOf(1, waits), func(s *results.Settings) { s.Beat, s.Silence = 1, 5 })
	r.submit()
	r.running(1)
	ours := r.jobs()[0]
	c.Signal(t, "slurmctld", syscall.SIGKILL)
	files, err := filepath.Glob(filepath.Join(c.Dir, "state", "job_state*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("the controller's state: %v, %v", files, err)
	}
	for _, f := range files {
		if err := os.Remove(f); err != nil {
			t.Fatal(err)
		}
	}
	c.Up(t)
	foreign := ""
	for foreign != ours {
		foreign = strings.TrimSpace(c.Do(t, "sbatch", "--parsable", "--mem=10M", "--time=10", "-o", "/dev/null", "--wrap=sleep 600"))
		if len(foreign) > len(ours) {
			t.Fatalf("the numbers go on at %s: this tests nothing", foreign)
		}
	}
	r.await("the end of the job that nobody knows", func() bool { return len(r.processes(nil)) == 0 })
	r.write("go", "")
	r.done()
	r.run(r.command("cancel", "s"))
	r.step()
	// Slurm itself may take the end of the old job for that of the new one, on the
	// same node. What counts is that nobody asked for it.
	other := strings.TrimSpace(c.Do(t, "sbatch", "--parsable", "--mem=10M", "--time=10", "-o", "/dev/null", "--wrap=sleep 600"))
	c.Do(t, "scancel", other)
	asked := func(id string) bool {
		log, _ := os.ReadFile(filepath.Join(c.Dir, "log", "slurmctld.log"))
		return strings.Contains(string(log), "REQUEST_KILL_JOB JobId="+id+" ")
	}
	wait(t, "the controller's log to tell of a scancel", func() bool { return asked(other) })
	if asked(foreign) {
		t.Errorf("the job that has number %s now was cancelled", foreign)
	}
}

// sbatch is killed at any moment. Two Steps later each job that existed before
// them is known by its number, and in the end each run has counted once.
func TestKilledClients(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "4", "--conf", "KillWait=3")
	sweeps := times(24, 200)
	r := newRig(t, c, "")
	bin := r.path("bin")
	if err := os.Mkdir(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sbatch", "squeue", "scancel", "scontrol", "sacct", "sinfo"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if name != "sbatch" {
			if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
				t.Fatal(err)
			}
			continue
		}
		text := fmt.Sprintf("#!/bin/sh\n[ -n \"$ORCH_KILL\" ] || exec %s \"$@\"\nexec timeout -s KILL \"$ORCH_KILL\" %s \"$@\"\n", path, path)
		if err := os.WriteFile(filepath.Join(bin, name), []byte(text), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	killed := 0
	var mu sync.Mutex
	var all sync.WaitGroup
	slots := make(chan struct{}, 4)
	for i := range sweeps {
		name := fmt.Sprintf("k%d", i)
		r.write(name+".toml", strings.Replace(sweepOf(1, acc, fmt.Sprintf("bin = %q", bin)), `name = "s"`, fmt.Sprintf("name = %q", name), 1))
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			cmd := r.command("submit", name+".toml")
			// Within the 40 ms that an sbatch takes, and as some machines are slower, also
			// evenly from a hundredth of that to 5 s. The first one is spared.
			switch {
			case i == 0:
			case i%2 == 0:
				cmd.Env = append(cmd.Env, fmt.Sprintf("ORCH_KILL=%.4f", 0.001+rand.Float64()*0.04))
			default:
				cmd.Env = append(cmd.Env, fmt.Sprintf("ORCH_KILL=%.4f", 0.0005*math.Pow(10_000, (float64(i)+rand.Float64())/float64(sweeps+1))))
			}
			out, err := cmd.CombinedOutput()
			if err != nil && !strings.Contains(string(out), "not known") {
				t.Errorf("submit %s: %v\n%s\nwant it to say that the outcome is not known", name, err, out)
			}
			if err != nil {
				mu.Lock()
				killed++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	jobs := map[string]string{} // by name; a request that is still on its way is none
	for _, line := range strings.Split(strings.TrimSpace(c.Do(t, "squeue", "-h", "-t", "all", "-o", "%F %j")), "\n") {
		if f := strings.Fields(line); len(f) == 2 {
			if was := jobs[f[1]]; was != "" && was != f[0] {
				t.Errorf("%s is the name of jobs %s and %s", f[1], was, f[0])
			}
			jobs[f[1]] = f[0]
		}
	}
	r.run(r.command("collect"))
	r.run(r.command("collect"))
	orphans, existed := 0, 0
	r.each(func(s *results.Sweep) {
		subs, err := s.Submissions()
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range subs {
			job := jobs[sub.Intent.Key]
			if job == "" {
				continue
			}
			existed++
			if sub.Answer == nil || !sub.Answer.Accepted || sub.Answer.Job != job {
				t.Errorf("orphan: job %s of %s, answer %+v", job, sub.Intent.Key, sub.Answer)
				orphans++
			}
		}
	})
	figure(t, "%d sbatch clients, %d of them killed before they answered, %d jobs exist; %d orphans after two Steps", sweeps, killed, existed, orphans)
	if killed == 0 || existed == 0 {
		t.Error("none was killed, or none came through: this tests nothing")
	}
	// Those that were never accepted are asked for again when they have been
	// silent for long; then all are done, once.
	end := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Second)
	defer tick.Stop()
	for left := sweeps; left > 0; <-tick.C {
		r.run(r.command("collect"))
		left = 0
		r.each(func(s *results.Sweep) {
			sn, err := s.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			for _, st := range sn.Derive() {
				if st.State != results.StateDone {
					left++
				} else if len(st.Attempts) != 1 {
					t.Errorf("%s %s: %d attempts", s.Name, st.Run.Name, len(st.Attempts))
				}
			}
		})
		if left > 0 && time.Now().After(end) {
			out, _, _ := r.run(r.command("status"))
			t.Fatalf("%d runs are not done\n%s", left, out)
		}
	}
	if out, stderr, code := r.run(r.command("fsck")); code != 0 {
		t.Errorf("fsck ends with code %d:\n%s%s", code, out, stderr)
	}
}

// each calls f for every sweep of the tree.
func (r *rig) each(f func(*results.Sweep)) {
	r.t.Helper()
	tree, err := results.Open(r.tree)
	if err != nil {
		r.t.Fatal(err)
	}
	defer tree.Close()
	names, err := tree.Sweeps()
	if err != nil {
		r.t.Fatal(err)
	}
	for _, name := range names {
		s, err := tree.Sweep(name)
		if err != nil {
			r.t.Fatal(err)
		}
		f(s)
		s.Close()
	}
}

// The accounting daemon is dead: jobs are accepted and end all the same, and a
// worker's death is still noticed.
func TestAccountingDown(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--accounting", "--nodes", "2", "--conf", "KillWait=3", "--conf", "MinJobAge=2")
	c.Signal(t, "slurmdbd", syscall.SIGKILL)
	r := newRig(t, c, sweepOf(2, waits, "workers = 2"), func(s *results.Settings) { s.Beat, s.Silence = 1, 5 })
	r.submit()
	r.running(2)
	workers := r.processes(func(cmdline string) bool { return strings.Contains(cmdline, " worker ") })
	if len(workers) == 0 {
		t.Fatal("no worker")
	}
	syscall.Kill(workers[0], syscall.SIGKILL)
	r.await("Slurm to notice", func() bool { return strings.Count(r.queue(), " RUNNING ") == 1 })
	r.write("go", "")
	r.done()
	c.Up(t)
	r.done()
}
