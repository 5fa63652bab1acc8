//go:build linux

package slurmtest

import (
	"fmt"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/sweep/results"
)

// MaxArraySize caps the index, so 100 workers are ten arrays, each from 0.
func TestSmallArrays(t *testing.T) {
	t.Parallel()
	c := accounted(t)
	r := newRig(t, c, sweepOf(100, acc, "workers = 100", "max_workers = 100", "runs_per_worker = 1"))
	r.submit()
	r.done()
	arrays := 0
	r.each(func(s *results.Sweep) {
		subs, err := s.Submissions()
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range subs {
			if sub.Intent.Workers > 11 {
				t.Errorf("submission %d asks for %d workers in one array", sub.Number, sub.Intent.Workers)
			}
			if sub.Answer != nil && sub.Answer.Accepted {
				arrays++
			}
		}
	})
	if arrays < 10 {
		t.Errorf("%d arrays, want at least 10", arrays)
	}
}

// MaxArraySize=0 switches arrays off: each worker is a job of its own, found,
// ended and followed like a task of an array.
func TestNoArrays(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "2", "--conf", "MaxArraySize=0", "--conf", "KillWait=3")
	r := newRig(t, c, sweepOf(6, waits, "workers = 3"))
	r.submit("--report")
	r.until("three workers", func() bool { return r.count(results.StateRunning) >= 3 })
	r.each(func(s *results.Sweep) {
		subs, err := s.Submissions()
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range subs {
			if sub.Intent.Workers != 1 {
				t.Errorf("submission %d asks for %d workers at once", sub.Number, sub.Intent.Workers)
			}
		}
	})
	r.write("go", "")
	r.await("the report, by the job that follows", func() bool { return r.exists("results/s/report/report.html") })
	r.done()
}

// A cluster that does not know its nodes' memory hands out none, and refuses
// every job that asks for some.
func TestMemoryUnknown(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "2", "--no-mem", "--conf", "KillWait=3")
	r := newRig(t, c, sweepOf(4, acc, "workers = 2"))
	r.submit()
	r.done()
	if out, stderr, code := r.run(r.command("submit", "s.toml", "--rerun", "--dry-run")); code != 0 || !strings.Contains(out, "/sbatch") || strings.Contains(out, "--mem") {
		t.Errorf("the dry run ends with code %d and asks for memory:\n%s%s", code, out, stderr)
	}
	if out, _, _ := r.run(r.command("doctor", "--launcher=slurm")); !strings.Contains(out, "memory unknown to Slurm") || strings.Contains(out, "launcher.mem") {
		t.Errorf("doctor says\n%s", out)
	}
}

// A controller that holds as many jobs as it may (MaxJobCount, where ended ones
// count until MinJobAge) makes sbatch wait for two minutes, in each try. orch
// does not: it asks for fewer at once, and for the rest in later Steps. Only an
// sbatch that takes most of a second to say that it waits is left to it; then the
// machine was busy, and it is tried again.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "2", "--conf", "MaxJobCount=5", "--conf", "MinJobAge=2", "--conf", "KillWait=3")
	for try := 1; ; try++ {
		r := newRig(t, c, sweepOf(12, waits, "workers = 12"))
		r.wait = 2 * patience
		begin := time.Now()
		out, stderr, code := r.run(r.command("submit", "s.toml"))
		took := time.Since(begin)
		if code != 0 && code != 1 {
			t.Errorf("submit ends with code %d:\n%s%s", code, out, stderr)
		}
		if !strings.Contains(out+stderr, "not now") {
			t.Errorf("submit does not say that there is a limit:\n%s%s", out, stderr)
		}
		r.until("some workers of the queue", func() bool { return r.count(results.StateRunning) > 0 })
		r.write("go", "")
		r.done()
		if took < time.Minute {
			return
		}
		if try == 3 {
			t.Fatalf("submit waited for a full queue three times, at last for %v:\n%s%s", took, out, stderr)
		}
	}
}

// An account may submit 5 jobs: what is over it is asked for later, and said to
// wait for a limit.
func TestSubmitLimit(t *testing.T) {
	t.Parallel()
	c := accounted(t)
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	c.Do(t, "sacctmgr", "-i", "-Q", "add", "account", "few", "Cluster="+filepath.Base(c.Dir))
	c.Do(t, "sacctmgr", "-i", "-Q", "add", "user", me.Username, "Account=few", "Cluster="+filepath.Base(c.Dir))
	c.Do(t, "sacctmgr", "-i", "-Q", "modify", "user", me.Username, "where", "account=few", "set", "MaxSubmitJobs=5")
	r := newRig(t, c, sweepOf(8, waits, "workers = 8", `account = "few"`))
	r.await("the limit to hold", func() bool {
		return strings.Contains(c.Do(t, "scontrol", "show", "assoc_mgr", "accounts=few", "flags=assoc"), "MaxSubmitJobs=5")
	})
	out, stderr, code := r.run(r.command("submit", "s.toml"))
	if code != 0 && code != 1 {
		t.Errorf("submit ends with code %d:\n%s%s", code, out, stderr)
	}
	if !strings.Contains(out+stderr, "not now") && r.count(results.StateRunning) == 0 && r.queue() == "" {
		t.Errorf("submit does not say that there is a limit:\n%s%s", out, stderr)
	}
	r.until("some workers under the limit", func() bool { return r.count(results.StateRunning) > 0 })
	if n := strings.Count(r.queue(), "\n"); n > 5 {
		t.Errorf("%d jobs, and the limit is 5", n)
	}
	r.write("go", "")
	r.done()
}

// A job ends and is forgotten before anybody looks: what the tree says counts,
// and a worker that died unseen is replaced.
func TestPurged(t *testing.T) {
	t.Parallel()
	for name, cluster := range map[string]func(testing.TB) *Cluster{
		"without accounting": func(t testing.TB) *Cluster {
			return StartAlone(t, "--nodes", "2", "--conf", "MinJobAge=2", "--conf", "KillWait=3")
		},
		"with accounting": accounted,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster(t)
			r := newRig(t, c, sweepOf(4, acc))
			r.submit()
			r.await("squeue to forget the job", func() bool { r.observe(); return len(r.acked) == 4 && r.queue() == "" })
			r.done()

			r = newRig(t, c, sweepOf(2, waits, "workers = 1"), func(s *results.Settings) { s.Beat, s.Silence = 1, 5 })
			r.submit()
			r.running(1)
			for _, pid := range r.processes(nil) {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			r.await("squeue to forget the job", func() bool { return r.queue() == "" })
			r.write("go", "")
			r.done()
		})
	}
}

// What can never work is refused at once, with what to change.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, cluster := range map[string]func(testing.TB) *Cluster{"without accounting": plain, "with accounting": accounted} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := cluster(t)
			for _, x := range []struct{ key, words, advice string }{
				{`partition = "nope"`, "launcher.partition", "it has main"},
				{`gres = "nope:1"`, "generic resource", "sinfo"},
				{`constraint = "nope"`, "feature", "sinfo"},
				{`nodelist = "nope"`, "node name", "sinfo"},
				{"cpus = 99", "launcher.cpus", "at most 2"},
				{"gpus = 9", "launcher.gpus", "at most 2"},
				{`mem = "100G"`, "launcher.mem", "at most"},
				{`extra = ["--nope=1"]`, "unrecognized option", "launcher.extra"},
				{`account = "nope"`, "Invalid account", "launcher.account"},
				{`qos = "nope"`, "Invalid qos", "launcher.qos"},
			} {
				if strings.HasPrefix(x.words, "Invalid") && name == "without accounting" {
					continue
				}
				code := 1
				if strings.HasPrefix(x.words, "launcher.") { // known before sbatch is asked
					code = 2
				}
				sweep := sweepOf(2, acc, x.key)
				if strings.HasPrefix(x.key, "mem") {
					sweep = strings.Replace(sweep, "mem = \"100M\"\n", "", 1)
				}
				newRig(t, c, sweep).refused(code, x.words, x.advice)
			}
		})
	}
}

// A job that Slurm takes and never starts is said to be stuck, with the reason;
// when the reason is gone it runs.
func TestStuck(t *testing.T) {
	t.Parallel()
	for i, x := range []struct{ key, words string }{
		{`partition = "down"`, "partition is down"},
		{fmt.Sprintf("partition = %q\nextra = [\"--time-min=20\"]", "short"), "time"},
	} {
		cluster := plain
		if i%2 == 1 {
			cluster = accounted
		}
		on(t, x.words, cluster, func(t *testing.T, c *Cluster) {
			r := newRig(t, c, strings.Replace(sweepOf(2, acc, x.key), `time = "30m"`, `time = "40m"`, 1))
			out, stderr, code := r.run(r.command("submit", "s.toml"))
			if code != 0 { // refused at once is as good
				if !strings.Contains(stderr, "time") {
					t.Errorf("submit ends with code %d:\n%s%s", code, out, stderr)
				}
				return
			}
			r.until("word of the stuck jobs", func() bool {
				out, stderr, _ := r.run(r.command("status"))
				return strings.Contains(out+stderr, "stuck") && strings.Contains(out+stderr, x.words)
			})
			r.write("s.toml", sweepOf(2, acc))
			r.c.Do(t, "scancel", r.jobs()...)
			r.submit()
			r.done()
		})
	}
}

// Before a maintenance no job starts that would not end in time. It waits, and is
// not stuck: nobody should cancel it.
func TestMaintenance(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "1", "--conf", "KillWait=3")
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	c.Do(t, "scontrol", "create", "reservation", "reservationname=upgrade", "starttime=now+15minutes", "duration=60",
		"flags=maint,ignore_jobs", "nodes=ALL", "users="+me.Username)
	r := newRig(t, c, sweepOf(2, acc)) // of 30 minutes
	r.submit()
	r.until("word of the maintenance", func() bool {
		out, stderr, _ := r.run(r.command("status"))
		if strings.Contains(out+stderr, "stuck") {
			t.Fatalf("a job that waits for a maintenance is stuck:\n%s%s", out, stderr)
		}
		return strings.Contains(out+stderr, "maintenance")
	})
	c.Do(t, "scontrol", "delete", "reservation=upgrade")
	r.done()
}
