//go:build unix

package slurm_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/launcher"
	"orch/launcher/launchertest"
	"orch/launcher/slurm"
)

// The tests in this file ask a real Slurm for what the tables of the other
// files only claim.

var jobs int

func open(t *testing.T, o slurm.Options) *slurm.Slurm {
	t.Helper()
	s, err := slurm.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request asks for workers that play a part of the conformance suite.
func request(t *testing.T, workers int, part string, args ...string) launcher.Request {
	t.Helper()
	jobs++
	return launcher.Request{
		Key: fmt.Sprintf("real-%d-%d", os.Getpid(), jobs), Workers: workers, Argv: launchertest.Argv(t, part, args...),
		Dir: t.TempDir(), LogDir: t.TempDir(), Resources: resources,
	}
}

func submit(t *testing.T, s *slurm.Slurm, req launcher.Request) string {
	t.Helper()
	id, err := s.Submit(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	// A worker that is only about to start writes into the test's folders, which
	// are to be removed next.
	t.Cleanup(func() {
		answer(t, "scancel", func() (string, error) { return "", s.Cancel(context.Background(), id) })
		eventually(t, "the end of "+req.Key, func() bool {
			return !slices.ContainsFunc(workers(t, s, req.Key), func(w launcher.Worker) bool { return w.State != launcher.Ended })
		})
	})
	return id
}

// list lists all workers.
func list(t *testing.T, s *slurm.Slurm) []launcher.Worker {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // also when the test is over
	return answer(t, "squeue", func() ([]launcher.Worker, error) { return s.Jobs(ctx) })
}

// past lists the workers of a key that the accounting database knows.
func past(t *testing.T, s *slurm.Slurm, since time.Time, key string) []launcher.Worker {
	t.Helper()
	return answer(t, "sacct", func() ([]launcher.Worker, error) { return s.Past(t.Context(), since, key) })
}

// workers lists the workers of a key by index.
func workers(t *testing.T, s *slurm.Slurm, key string) []launcher.Worker {
	t.Helper()
	all := slices.DeleteFunc(list(t, s), func(w launcher.Worker) bool { return w.Key != key })
	slices.SortFunc(all, func(a, b launcher.Worker) int { return a.Index - b.Index })
	return all
}

// await waits until every worker of a request is in a state.
func await(t *testing.T, s *slurm.Slurm, req launcher.Request, state launcher.State) []launcher.Worker {
	t.Helper()
	var ws []launcher.Worker
	eventually(t, fmt.Sprintf("%s to be %s", req.Key, state), func() bool {
		ws = workers(t, s, req.Key)
		return len(ws) == req.Workers && !slices.ContainsFunc(ws, func(w launcher.Worker) bool { return w.State != state })
	})
	return ws
}

// started waits for n workers that play the part "wait" in a folder. The
// controller calls a job running before its node has started it.
func started(t *testing.T, out string, n int) {
	t.Helper()
	eventually(t, "the workers to be there", func() bool {
		pids, _ := filepath.Glob(filepath.Join(out, "*.pid"))
		return len(pids) == n
	})
}

func log(t *testing.T, req launcher.Request, index int) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(req.LogDir, fmt.Sprintf("worker-%d.log", index)))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Paths that Slurm, a shell or a template would read as something else.
func TestHostilePaths(t *testing.T) {
	cluster(t)
	s := open(t, slurm.Options{})
	for _, name := range []string{"%j %u %%", `back\slash`, "two\nlines", "#SBATCH --hold", `"'$(id)'"`, "-n", "größe 学習", strings.Repeat("x", 200)} {
		req := request(t, 1, "exit", "3")
		req.LogDir = filepath.Join(req.LogDir, name)
		req.Dir = filepath.Join(req.Dir, name)
		for _, d := range []string{req.LogDir, req.Dir} {
			if err := os.Mkdir(d, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		submit(t, s, req)
		if w := await(t, s, req, launcher.Ended)[0]; w.End.Cause != launcher.Exited || w.End.Code != 3 {
			t.Errorf("%q: got %+v (%s), want exit code 3", name, w.End, w.Reason)
		}
		if _, err := os.Stat(filepath.Join(req.LogDir, "worker-0.log")); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Setup lines run before the worker, whatever is in them, and their failure is
// no failure of the worker.
func TestSetup(t *testing.T) {
	cluster(t)
	modules := t.TempDir()
	if err := os.MkdirAll(filepath.Join(modules, "init"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(modules, "init", "bash"), []byte("module() { export LOADED=\"$*\"; }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("MODULESHOME", modules)
	for _, x := range []struct {
		name   string
		setup  []string
		cause  launcher.Cause
		log    string
		vars   []string // of the worker's environment
		noVars []string
	}{
		{name: "modules", setup: []string{"module load cuda"}, vars: []string{"LOADED=load cuda"}},
		{name: "unset variable", setup: []string{`export A="$NOT_SET_ANYWHERE"x`}, vars: []string{"A=x"}},
		{name: "hostile text", setup: []string{"#SBATCH --hold", `export B='$(id) "quoted" \ %j'`, "export C=größe; : EOF"}, vars: []string{`B=$(id) "quoted" \ %j`, "C=größe"}},
		{name: "failing line", setup: []string{"echo before", "false", "echo after"}, cause: launcher.SetupFailed, log: "before"},
		{name: "failing pipe", setup: []string{"false | cat"}, cause: launcher.SetupFailed, log: "setup failed"},
		{name: "exit 0", setup: []string{"exit 0"}, cause: launcher.SetupFailed, log: "setup failed"},
		{name: "syntax", setup: []string{"if then ("}, cause: launcher.SetupFailed, log: "syntax error"},
		{name: "missing command", setup: []string{"no-such-command --x"}, cause: launcher.SetupFailed, log: "no-such-command"},
	} {
		t.Run(x.name, func(t *testing.T) {
			out := t.TempDir()
			s := open(t, slurm.Options{Setup: x.setup})
			req := request(t, 1, "report", out)
			submit(t, s, req)
			w := await(t, s, req, launcher.Ended)[0]
			if x.cause != 0 {
				if text := log(t, req, 0); w.End.Cause != x.cause || !strings.Contains(text, x.log) || strings.Contains(text, "after") {
					t.Errorf("got %+v (%s), want %v; log %q", w.End, w.Reason, x.cause, text)
				}
				return
			}
			if w.End.Cause != launcher.Exited || w.End.Code != 0 {
				t.Fatalf("got %+v (%s), want exit code 0; log %q", w.End, w.Reason, log(t, req, 0))
			}
			seen, err := os.ReadFile(filepath.Join(out, "0.json"))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range x.vars {
				if want := fmt.Sprintf("%q", v); !strings.Contains(string(seen), strings.ReplaceAll(want, `\u`, `\\u`)) {
					t.Errorf("the worker's environment lacks %s", want)
				}
			}
		})
	}
}

// The user's shell cannot change what Slurm's commands do.
func TestEnvironmentIsClean(t *testing.T) {
	cluster(t)
	t.Setenv("SQUEUE_STATES", "PD")
	t.Setenv("SQUEUE_FORMAT2", "JobID")
	t.Setenv("SBATCH_PARTITION", "nowhere")
	t.Setenv("SBATCH_NO_REQUEUE", "no")
	t.Setenv("SLURM_CLUSTERS", "nowhere")
	t.Setenv("SLURM_TIME_FORMAT", "relative")
	t.Setenv("SOME_SECRET", "hush")
	t.Setenv("OF_MINE", "yes")
	t.Setenv("LC_ALL", "C.UTF-8")
	out := t.TempDir()
	s := open(t, slurm.Options{Env: []string{"OF_*"}})
	req := request(t, 1, "report", out)
	submit(t, s, req)
	if w := await(t, s, req, launcher.Ended)[0]; w.End.Cause != launcher.Exited || w.End.Code != 0 {
		t.Fatalf("got %+v (%s), want exit code 0", w.End, w.Reason)
	}
	seen, err := os.ReadFile(filepath.Join(out, "0.json"))
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]bool{"SOME_SECRET": false, "SBATCH_PARTITION": false, `"OF_MINE=yes"`: true, `"LC_ALL=C.UTF-8"`: true, "ORCH_USER_LC_ALL": false} {
		if strings.Contains(string(seen), text) != want {
			t.Errorf("%s in the worker's environment: got %t, want %t", text, !want, want)
		}
	}
}

// What can never work is refused in the controller's words, with advice.
func TestRefused(t *testing.T) {
	cluster(t)
	for _, x := range []struct {
		name    string
		options slurm.Options
		change  func(*launcher.Request)
		reason  string
	}{
		{"partition", slurm.Options{Partition: "nope"}, nil, "invalid partition specified: nope"},
		{"gres", slurm.Options{Gres: "nope:1"}, nil, "Invalid generic resource"},
		{"memory", slurm.Options{}, func(r *launcher.Request) { r.Resources.MemMiB = 1 << 20 }, "Memory specification"},
		{"GPUs", slurm.Options{}, func(r *launcher.Request) { r.Resources.GPUs = 9 }, "node configuration"},
		{"constraint", slurm.Options{Constraint: "nope"}, nil, "Invalid feature specification"},
		{"node", slurm.Options{NodeList: "nope"}, nil, "Invalid node name"},
		{"option", slurm.Options{Extra: []string{"--nope=1"}}, nil, "unrecognized option"},
		{"too many", slurm.Options{}, func(r *launcher.Request) { r.Workers = 1002 }, "MaxArraySize"},
		{"no memory", slurm.Options{}, func(r *launcher.Request) { r.Resources.MemMiB = 0 }, "whole node"},
		{"no time", slurm.Options{}, func(r *launcher.Request) { r.Resources.Time = 0 }, "no time"},
	} {
		s := open(t, x.options)
		req := request(t, 1, "exit", "0")
		if x.change != nil {
			x.change(&req)
		}
		_, err := s.Submit(t.Context(), req)
		var r *launcher.Refused
		if !errors.As(err, &r) || !strings.Contains(r.Reason, x.reason) || r.Advice == "" {
			t.Errorf("%s: got %v, want it refused with %q and advice", x.name, err, x.reason)
		}
		if ws := workers(t, s, req.Key); len(ws) > 0 {
			t.Errorf("%s: refused but there: %+v", x.name, ws)
		}
	}
}

// Accepted, but never to run: said so at once.
func TestStuck(t *testing.T) {
	cluster(t, "--conf", "PartitionName=down Nodes=ALL State=DOWN", "--nodes", "3")
	for _, x := range []struct {
		partition, reason string
		cpus              int
	}{{"down", "PartitionDown", 1}, {"short", "PartitionTimeLimit", 1}, {"main", "PartitionConfig", 99}} {
		s := open(t, slurm.Options{Partition: x.partition})
		req := request(t, 2, "exit", "0")
		req.Resources.CPUs = x.cpus
		submit(t, s, req)
		eventually(t, x.reason, func() bool {
			ws := workers(t, s, req.Key)
			return len(ws) == 2 && ws[0].Stuck && ws[1].Stuck && strings.Contains(ws[0].Reason, x.reason)
		})
	}
}

// A folder that is there when the job is submitted and not when it starts: no
// log in the one case, the wrong place in the other.
func TestMissingFolders(t *testing.T) {
	cluster(t)
	s := open(t, slurm.Options{Extra: []string{"--begin=now+1hour"}})
	for _, x := range []struct {
		name   string
		remove func(launcher.Request) string
		words  string
	}{
		{"log folder", func(r launcher.Request) string { return r.LogDir }, "no log"},
		{"working directory", func(r launcher.Request) string { return r.Dir }, "does not see"},
		{"command line", func(r launcher.Request) string { return filepath.Join(r.LogDir, r.Key+".argv") }, "does not see"},
		{"program", func(r launcher.Request) string { return r.Argv[0] }, "cannot be executed"},
	} {
		req := request(t, 1, "exit", "0")
		program := filepath.Join(t.TempDir(), "program")
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
		req.Argv = []string{program}
		id := submit(t, s, req)
		if err := os.RemoveAll(x.remove(req)); err != nil {
			t.Fatal(err)
		}
		do(t, "scontrol", "update", "jobid="+id, "starttime=now")
		if w := await(t, s, req, launcher.Ended)[0]; w.End.Cause != launcher.SetupFailed || !strings.Contains(w.Reason, x.words) {
			t.Errorf("%s: got %+v (%s), want %v", x.name, w.End, w.Reason, launcher.SetupFailed)
		}
	}
}

// One task of an array is cancelled by hand; its neighbours go on.
func TestCancelOneTask(t *testing.T) {
	cluster(t)
	s := open(t, slurm.Options{})
	out := t.TempDir()
	req := request(t, 2, "wait", out)
	id := submit(t, s, req)
	await(t, s, req, launcher.Running)
	started(t, out, 2)
	do(t, "scancel", id+"_1")
	eventually(t, "the end of task 1", func() bool { return workers(t, s, req.Key)[1].State == launcher.Ended })
	ws := workers(t, s, req.Key)
	if ws[1].End.Cause != launcher.Cancelled || ws[0].State != launcher.Running {
		t.Errorf("got %+v, want 0 running and 1 cancelled", ws)
	}
}

// A worker is warned, and then its time is up. What asks for the warning is a
// program that Go built, as orch is; a shell could not undo that the script
// ignores the signal until then.
func TestTimeOut(t *testing.T) {
	cluster(t)
	s := open(t, slurm.Options{})
	req := request(t, 1, "wait", t.TempDir())
	warned := request(t, 1, "wait", t.TempDir())
	warned.Argv = []string{self(t), "slurm-warned"}
	req.Resources.Time = time.Minute
	// The controller looks twice a minute and warns up to a minute early: that is
	// no sooner than a minute after the job got its node. A program that starts
	// later is not warned, but only ended.
	warned.Resources.Time = 2 * time.Minute
	submit(t, s, req)
	submit(t, s, warned)
	if w := await(t, s, warned, launcher.Ended)[0]; w.End.Cause != launcher.Exited || w.End.Code != 5 {
		t.Errorf("warned: got %+v (%s), want exit code 5", w.End, w.Reason)
	}
	if w := await(t, s, req, launcher.Ended)[0]; w.End.Cause != launcher.OutOfTime {
		t.Errorf("got %+v (%s), want %v", w.End, w.Reason, launcher.OutOfTime)
	}
}

// A node is lost while its job lives on: nobody vouches for that one's death.
func TestNodeLost(t *testing.T) {
	c := cluster(t, "--nodes", "1") // no other test's
	s := open(t, slurm.Options{})
	out := t.TempDir()
	req := request(t, 1, "wait", out)
	submit(t, s, req)
	await(t, s, req, launcher.Running)
	started(t, out, 1)
	c.signal(t, "slurmd.n1", syscall.SIGKILL)
	// The controller need not find out by itself: with a SlurmdTimeout that is
	// worth waiting for it would lose the node of a busy machine, too.
	do(t, "scontrol", "update", "nodename=n1", "state=down", "reason=test")
	w := await(t, s, req, launcher.Ended)[0]
	if w.End.Cause != launcher.NodeLost || w.End.Proof {
		t.Errorf("got %+v (%s), want %v without proof", w.End, w.Reason, launcher.NodeLost)
	}
	left := launchertest.Processes(req.Key)
	if len(left) == 0 {
		t.Error("the worker of the lost node is gone: this test shows nothing")
	}
	for _, line := range left {
		var pid int
		fmt.Sscan(line, &pid)
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// The controller accepts a job and is too slow to say so: the outcome is
// unknown, and the job is found by its name.
func TestControllerStopped(t *testing.T) {
	c := cluster(t, "--conf", "MessageTimeout=5")
	s := open(t, slurm.Options{})
	list(t, s)
	const rounds = 3
	var reqs [rounds]launcher.Request
	errs := make(chan error, rounds)
	c.signal(t, "slurmctld", syscall.SIGSTOP)
	for i := range reqs {
		reqs[i] = request(t, 1, "exit", "0")
		go func() {
			_, err := s.Submit(t.Context(), reqs[i])
			errs <- err
		}()
	}
	for range reqs {
		err := <-errs
		var limited *launcher.Limited
		if err == nil || launcher.IsRefused(err) || errors.As(err, &limited) {
			t.Errorf("got %v, want an unknown outcome", err)
		}
	}
	c.signal(t, "slurmctld", syscall.SIGCONT)
	for _, req := range reqs {
		if w := await(t, s, req, launcher.Ended)[0]; w.Job == "" {
			t.Errorf("%s was found without a number", req.Key)
		}
	}
}

// sbatch is killed at any moment: whatever it had done by then, there is one
// job of the name or none, and a number that was printed is the right one.
func TestKilledClients(t *testing.T) {
	cluster(t)
	s := open(t, slurm.Options{Extra: []string{"--begin=now+3600"}})
	list(t, s)
	const rounds = 60
	ids := map[string]string{} // by key; "" is unknown
	for i := range rounds {
		req := request(t, 1, "exit", "0")
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond/4)
		id, err := s.Submit(ctx, req)
		cancel()
		if (err == nil) == (id == "") || launcher.IsRefused(err) {
			t.Errorf("got ID %q and %v", id, err)
		}
		ids[req.Key] = id
	}
	orphans, found := 0, map[string]bool{}
	var cancel []string
	for _, w := range list(t, s) {
		id, ours := ids[w.Key]
		if !ours {
			continue
		}
		if found[w.Key] || id != "" && id != w.Job {
			t.Errorf("%s: got job %s beside %s", w.Key, w.Job, id)
		}
		if id == "" {
			orphans++
		}
		found[w.Key] = true
		cancel = append(cancel, w.Job)
	}
	for key, id := range ids {
		if id != "" && !found[key] {
			t.Errorf("%s: job %s is not listed", key, id)
		}
	}
	t.Logf("%d of %d clients were killed after their job was accepted", orphans, rounds)
	if err := s.Cancel(t.Context(), cancel...); err != nil {
		t.Error(err)
	}
}

// A context that ends while sbatch waits for the controller.
func TestSubmitDeadline(t *testing.T) {
	c := cluster(t)
	s := open(t, slurm.Options{Extra: []string{"--begin=now+3600"}}) // it may be accepted after all
	list(t, s)
	c.signal(t, "slurmctld", syscall.SIGSTOP)
	defer c.signal(t, "slurmctld", syscall.SIGCONT)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err := s.Submit(ctx, request(t, 1, "exit", "0"))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want %v", err, context.DeadlineExceeded)
	}
}

// The rest needs the accounting database, small limits and preemption.
func withAccounting(t *testing.T) *devCluster {
	return cluster(t, "--accounting", "--conf", "MaxArraySize=11", "--conf", "MinJobAge=2",
		"--conf", "AccountingStorageEnforce=associations,limits,qos",
		"--conf", "PreemptType=preempt/partition_prio", "--conf", "PreemptMode=CANCEL",
		"--conf", "PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=off")
}

// MaxArraySize caps the index, so that many fit and no more.
func TestSmallArrays(t *testing.T) {
	withAccounting(t)
	o := slurm.Options{StateDir: t.TempDir()}
	s := open(t, o)
	list(t, s)
	if n, _ := s.Bounds(); n != 11 {
		t.Fatalf("Bounds = %d workers a job, want 11", n)
	}
	again := open(t, o) // as the next minute's cron job does
	if n, _ := again.Bounds(); n != 11 || again.Calls() != 0 {
		t.Fatalf("Bounds = %d workers a job after %d calls; want 11, without a call", n, again.Calls())
	}
	if _, err := again.Jobs(t.Context()); err != nil || again.Calls() != 1 {
		t.Fatalf("Jobs = %v with %d calls, want 1", err, again.Calls())
	}
	var r *launcher.Refused
	if _, err := s.Submit(t.Context(), request(t, 12, "exit", "0")); !errors.As(err, &r) || !strings.Contains(r.Reason, "MaxArraySize") {
		t.Errorf("12 workers: got %v, want them refused for MaxArraySize", err)
	}
	out := t.TempDir()
	req := request(t, 11, "report", out)
	submit(t, s, req)
	eventually(t, "11 reports", func() bool {
		names, _ := filepath.Glob(filepath.Join(out, "*.json"))
		return len(names) == 11
	})
}

func TestBadAccountAndQOS(t *testing.T) {
	withAccounting(t)
	for _, x := range []struct {
		options slurm.Options
		reason  string
	}{
		{slurm.Options{Account: "nope"}, "Invalid account"},
		{slurm.Options{QOS: "nope"}, "Invalid qos"},
	} {
		_, err := open(t, x.options).Submit(t.Context(), request(t, 1, "exit", "0"))
		var r *launcher.Refused
		if !errors.As(err, &r) || !strings.Contains(r.Reason, x.reason) || r.Advice == "" {
			t.Errorf("got %v, want it refused with %q and advice", err, x.reason)
		}
	}
}

// A job that squeue has forgotten is still in the database, with its end.
func TestPast(t *testing.T) {
	withAccounting(t)
	s := open(t, slurm.Options{})
	begin := time.Now()
	req := request(t, 2, "exit", "3")
	submit(t, s, req)
	eventually(t, "squeue to forget", func() bool {
		ws := past(t, s, begin, req.Key)
		over := len(ws) == 2 && !slices.ContainsFunc(ws, func(w launcher.Worker) bool {
			return w.State != launcher.Ended || w.End.Cause != launcher.Exited || w.End.Code != 3
		})
		return over && len(workers(t, s, req.Key)) == 0
	})
}

func TestNoAccounting(t *testing.T) {
	cluster(t)
	s := open(t, slurm.Options{})
	for range 2 {
		if _, err := s.Past(t.Context(), time.Now(), "x"); !errors.Is(err, slurm.ErrNoAccounting) {
			t.Errorf("got %v, want %v", err, slurm.ErrNoAccounting)
		}
	}
	if s.Calls() != 1 {
		t.Errorf("sacct was tried %d times, want once", s.Calls())
	}
}

// A more important job takes the node away.
func TestPreempted(t *testing.T) {
	withAccounting(t)
	s := open(t, slurm.Options{})
	low := request(t, 4, "wait", t.TempDir())
	submit(t, s, low)
	await(t, s, low, launcher.Running)
	begin := time.Now()
	urgent := request(t, 4, "wait", t.TempDir())
	submit(t, open(t, slurm.Options{Partition: "urgent"}), urgent)
	await(t, s, urgent, launcher.Running)
	// MinJobAge is short: either of the two sources may have it.
	eventually(t, "word of the preemption", func() bool {
		n := 0
		for _, w := range append(past(t, s, begin, low.Key), workers(t, s, low.Key)...) {
			if w.State == launcher.Ended && w.End.Cause == launcher.Preempted {
				n++
			}
		}
		return n >= 4
	})
}
