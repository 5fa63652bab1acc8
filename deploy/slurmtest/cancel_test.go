//go:build linux

package slurmtest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orch/sweep/results"
)

// waits is a program that runs until the file "go" is there.
const waits = "while [ ! -e go ]; do sleep 0.1; done; " + acc

// orch cancel takes runs back, whether their workers wait or run.
func TestCancel(t *testing.T) {
	t.Parallel()
	on(t, "pending", plain, func(t *testing.T, c *Cluster) {
		r := newRig(t, c, sweepOf(3, acc, `extra = ["--begin=now+1hour"]`))
		r.submit()
		r.run(r.command("cancel", "s"))
		r.until("the end of the jobs", func() bool { return !strings.Contains(r.queue(), "PENDING") })
		r.finish()
		if c := r.status().Runs; c.Cancelled != 3 {
			t.Errorf("status = %+v, want all cancelled", c)
		}
	})
	on(t, "running", accounted, func(t *testing.T, c *Cluster) {
		r := newRig(t, c, sweepOf(3, waits, "workers = 2"))
		r.submit()
		r.running(2)
		r.run(r.command("cancel", "s"))
		r.until("the end of the workers", func() bool { return len(r.processes(nil)) == 0 })
		r.finish()
		if c := r.status().Runs; c.Cancelled+c.Failed != 3 {
			t.Errorf("status = %+v, want all cancelled", c)
		}
		r.says("cancelled")
		r.write("go", "")
		r.run(r.command("retry", "s"))
		r.submit()
		r.done()
	})
	on(t, "one run", plain, func(t *testing.T, c *Cluster) {
		r := newRig(t, c, sweepOf(3, waits, "workers = 3"))
		r.submit()
		r.running(3)
		r.run(r.command("cancel", r.states()[1].Run.Name))
		r.until("the end of the run", func() bool { return r.count(results.StateRunning) == 2 })
		r.write("go", "")
		r.finish()
		if c := r.status().Runs; c.Done != 2 {
			t.Errorf("status = %+v, want 2 done", c)
		}
	})
}

// A scheduler that suspends jobs for others (PreemptMode=SUSPEND) stops a worker
// and its program for longer than either may be silent. They go on afterwards.
func TestSuspended(t *testing.T) {
	t.Parallel()
	c := plain(t)
	r := newRig(t, c, sweepOf(1, "echo ready; "+waits, `stall = "20s"`), func(s *results.Settings) { s.Silence, s.Beat = 20, 3 })
	r.submit()
	r.until("the program to run", func() bool {
		logs, _ := filepath.Glob(r.path("results/s/runs/*/a0/log.txt"))
		if len(logs) != 1 {
			return false
		}
		b, _ := os.ReadFile(logs[0])
		return strings.Contains(string(b), "ready")
	})
	c.Do(t, "scontrol", "suspend", r.jobs()[0])
	begin := time.Now()
	r.until("word of the suspension", func() bool {
		out, stderr, _ := r.run(r.command("status"))
		return strings.Contains(out+stderr, "1 worker is suspended by the scheduler")
	})
	for time.Since(begin) < 30*time.Second {
		r.step()
		time.Sleep(time.Second)
	}
	c.Do(t, "scontrol", "resume", r.jobs()[0])
	r.write("go", "")
	r.done()
	if a := r.states()[0].Attempts; len(a) != 1 {
		t.Errorf("%d attempts, want the one that was suspended: %+v", len(a), a)
	}
}

// scancel by hand takes a worker, not a run: the work goes on in another one,
// and counts once.
func TestScancel(t *testing.T) {
	t.Parallel()
	on(t, "pending", accounted, func(t *testing.T, c *Cluster) {
		r := newRig(t, c, sweepOf(2, acc, "workers = 1", `extra = ["--begin=now+1hour"]`))
		r.submit()
		c.Do(t, "scancel", r.jobs()...)
		r.write("s.toml", sweepOf(2, acc, "workers = 1")) // without the begin
		r.submit()
		r.done()
	})
	on(t, "running", plain, func(t *testing.T, c *Cluster) {
		r := newRig(t, c, sweepOf(2, waits, "workers = 2"))
		r.submit()
		r.running(2)
		c.Do(t, "scancel", r.jobs()...)
		r.await("the end of the workers", func() bool { return len(r.processes(nil)) == 0 })
		r.write("go", "")
		r.done()
		for _, st := range r.states() {
			if len(st.Attempts) < 2 {
				t.Errorf("%s: attempts = %v, want 2", st.Run.Name, classes(st))
			}
		}
	})
	on(t, "one task", plain, func(t *testing.T, c *Cluster) {
		r := newRig(t, c, sweepOf(2, waits, "workers = 2"))
		r.submit()
		r.running(2)
		c.Do(t, "scancel", r.jobs()[0]+"_1")
		r.until("the end of the task", func() bool { return strings.Contains(r.queue(), "CANCELLED") })
		r.until("a new worker", func() bool { return r.count(results.StateRunning) == 2 })
		r.write("go", "")
		r.done()
		n := 0
		for _, st := range r.states() {
			n += len(st.Attempts)
		}
		if n != 3 {
			t.Errorf("%d attempts, want 3: the other task's run goes on", n)
		}
	})
	// Someone else's job is not ours to end, whatever its number.
	t.Run("of others", func(t *testing.T) {
		t.Parallel()
		c := plain(t)
		foreign := strings.TrimSpace(c.Do(t, "sbatch", "--parsable", "--mem=10M", "--time=10", "-o", "/dev/null", "--wrap=sleep 600"))
		r := newRig(t, c, sweepOf(2, waits))
		r.submit()
		r.running(2)
		r.run(r.command("cancel", "s"))
		r.until("the end of the workers", func() bool { return len(r.processes(nil)) == 0 })
		if q := c.Do(t, "squeue", "-h", "-j", foreign, "-o", "%T"); strings.TrimSpace(q) != "RUNNING" {
			t.Errorf("the foreign job is %q", q)
		}
		c.Do(t, "scancel", foreign)
		r.finish()
	})
}

// A job of a more important partition takes the nodes away; afterwards the runs
// go on, and nobody calls that a failure.
func TestPreemption(t *testing.T) {
	t.Parallel()
	preempting := []string{"--nodes", "1", "--conf", "KillWait=3", "--conf", "PreemptType=preempt/partition_prio", "--conf", "PreemptMode=CANCEL",
		"--conf", "PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=off"}
	for name, cluster := range map[string]func(testing.TB) *Cluster{
		"without accounting": func(t testing.TB) *Cluster { return StartAlone(t, preempting...) },
		"with accounting":    accounted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster(t)
			r := newRig(t, c, sweepOf(2, waits, "workers = 2", `partition = "main"`, fmt.Sprintf("nodelist = %q", c.Node(1))))
			r.submit()
			r.running(2)
			urgent := strings.TrimSpace(c.Do(t, "sbatch", "--parsable", "--partition=urgent", "-w", c.Node(1), "--cpus-per-task=2", "--mem=10M", "--time=10", "-o", "/dev/null", "--wrap=sleep 600"))
			r.await("the urgent job", func() bool { return strings.TrimSpace(c.Do(t, "squeue", "-h", "-j", urgent, "-o", "%T")) == "RUNNING" })
			r.until("the end of the preempted runs", func() bool { return r.count(results.StateRunning) == 0 })
			if c := r.status().Runs; c.Failed > 0 {
				t.Errorf("status = %+v, want none failed%s", c, r.describe())
			}
			r.write("go", "")
			c.Do(t, "scancel", urgent)
			r.done()
			for _, st := range r.states() {
				if a := st.Attempts; len(a) < 2 || a[0].Class != results.Preempted {
					t.Errorf("%s: attempts = %v, want preempted and done", st.Run.Name, classes(st))
				}
			}
		})
	}
}
