package dispatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"orch/launcher"
	"orch/sweep/override"
	"orch/sweep/results"
)

// A sweep whose last run has failed is not over while its policy grants a try.
func TestGranted(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(strings.Replace(fmt.Sprintf(onScheduler, 1), "[launcher]", "[retry]\nfailed = 1\n[launcher]", 1), results.KindPlan)
	due := func() bool {
		sn, err := f.s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		return len(Granted(sn.Plan.Header(), sn.Derive())) > 0
	}
	for i, want := range []bool{true, false} {
		d := f.process(s)
		d.Workers = func(override.Value) (int, int, bool, error) { return 1, 1, false, nil }
		f.step(d)
		if due() {
			t.Fatalf("try %d is due after the Step that grants it", i)
		}
		f.work(s.asked[len(s.asked)-1].Key, 0, 1, "n1", results.Failed)
		if got := due(); got != want {
			t.Errorf("after try %d: due = %t, want %t", i, got, want)
		}
	}
}

// A Step that cannot publish a try is not the last one.
func TestNotOverWhileDue(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(strings.Replace(fmt.Sprintf(onScheduler, 1), "[launcher]", "[retry]\nfailed = 1\n[launcher]", 1), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 1, "n1", results.Failed)
	s.end(s.asked[0].Key, launcher.End{Cause: launcher.Exited, Proof: true}, "n1", "exit code 0")
	d := f.process(s)
	broken := errors.New("input/output error")
	d.Workers = func(override.Value) (int, int, bool, error) { return 1, 1, false, broken }
	out, err := d.Step(t.Context())
	if !errors.Is(err, broken) || out.Over() {
		t.Errorf("Step = %v, over %t, want the error and a sweep that goes on", err, out.Over())
	}
	d = f.process(s)
	d.Workers = func(override.Value) (int, int, bool, error) { return 1, 1, false, nil }
	s.perUser = 1
	s.rows = append(s.rows, launcher.Worker{Job: "9", Key: "orch-other-1", State: launcher.Running})
	if out := f.step(d); out.Due || out.Left != 1 || out.Started != 0 {
		t.Errorf("after the next Step %+v, want the run queued, and no worker beside the one that the user may have", out)
	}
}

// The queue takes so many and no more: half as many are asked for until it
// accepts, then it is left alone for a while, by the next process too.
func TestLimited(t *testing.T) {
	limits(t, time.Hour)
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 40), results.KindPlan)
	s.limit = 3
	out := f.step(f.process(s))
	if got := s.workers(); !slices.Equal(got, []int{10, 5, 2}) || out.Started != 2 {
		t.Fatalf("asked for %v and started %d, want 10, 5, 2 and 2", got, out.Started)
	}
	for range 2 {
		if out := f.step(f.process(s)); len(s.asked) != 3 || len(out.Notes) == 0 {
			t.Fatalf("%d submissions and the notes %q, want no new one and a note", len(s.asked), out.Notes)
		}
	}
}

// A queue that had no room for one worker is asked for one, and for twice as many
// each time that it takes them.
func TestLimitedToNothing(t *testing.T) {
	limits(t, 500*time.Millisecond)
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 40), results.KindPlan)
	other := launcher.Worker{Job: "9", Key: "someone", State: launcher.Running}
	s.rows, s.limit = []launcher.Worker{other}, 1
	f.step(f.process(s))
	f.soon(s, "another round", func(*Outcome) bool { return len(s.asked) > 4 })
	s.limit = 5
	f.soon(s, "workers", func(o *Outcome) bool { return o.Started > 0 })
	if got, want := s.workers(), []int{10, 5, 2, 1, 1, 1, 2, 4, 2, 1}; !slices.Equal(got, want) {
		t.Errorf("asked for %v, want %v", got, want)
	}
}

func TestLimitedRounds(t *testing.T) {
	sub := func(number, halved int, accepted, limited bool) *results.Submission {
		return &results.Submission{Number: number, Intent: &results.Intent{Group: "slurm", Halved: halved}, Answer: &results.Answer{Accepted: accepted, Limited: limited}}
	}
	f := newFixture(t)
	for _, x := range []struct {
		name string
		subs []*results.Submission
		want time.Duration
	}{
		{"none", nil, 0},
		{"accepted at once", []*results.Submission{sub(1, 0, true, false)}, 0},
		{"one round", []*results.Submission{sub(1, 0, false, true), sub(2, 1, false, true), sub(3, 2, true, false)}, limitFirst},
		{"two rounds", []*results.Submission{sub(1, 0, false, true), sub(2, 1, true, false), sub(3, 0, false, true)}, 2 * limitFirst},
		{"accepted between", []*results.Submission{sub(1, 0, false, true), sub(2, 0, true, false), sub(3, 0, false, true)}, limitFirst},
		{"over", []*results.Submission{sub(1, 0, false, true), sub(2, 0, true, false)}, 0},
		{"many", slices.Repeat([]*results.Submission{sub(1, 0, false, true)}, 40), limitMost},
	} {
		begin := time.Now()
		seen, err := f.s.Observations()
		if err != nil {
			t.Fatal(err)
		}
		d := &Dispatcher{seen: seen}
		got := d.limitedFor(x.subs, "slurm")
		if took := time.Since(begin); got > x.want || got < x.want-took-time.Millisecond {
			t.Errorf("%s: wait %v, want %v but for the %v that this took", x.name, got, x.want, took)
		}
	}
}

// A job has as many workers as an array may, and a user as many as they allow,
// with those of other sweeps.
func TestBounds(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	plan := f.plan(strings.Replace(fmt.Sprintf(onScheduler, 100), "[launcher]", "[launcher]\nworkers = 40", 1))
	if _, err := Publish(f.s, plan, Publication{Kind: results.KindPlan, Workers: func(override.Value) (int, int, bool, error) { return 40, 1, false, nil }}); err != nil {
		t.Fatal(err)
	}
	s.perJob, s.perUser = 11, 30
	s.rows = []launcher.Worker{{Job: "1", Key: "orch-other-1", State: launcher.Running}, {Job: "1", Key: "orch-other-1", Index: 1, State: launcher.Ended}, {Job: "2", Key: "someone", State: launcher.Running}}
	out := f.step(f.process(s))
	if got := s.workers(); !slices.Equal(got, []int{11, 11, 7}) || out.Started != 29 {
		t.Errorf("asked for %v, want 11, 11 and 7: one of the 30 is another sweep's", got)
	}
	if n := len(f.submissions()); n != 3 {
		t.Errorf("%d submissions, want 3", n)
	}
}

// The user's bound holds over all requests of a Step, also those that differ in
// the scheduler's own keys and so have launchers of their own.
func TestBoundsOfOneMachine(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	with := func(lines, runs string) string {
		return strings.Replace(strings.Replace(fmt.Sprintf(onScheduler, 1), "[launcher]", "[launcher]\nworkers = 20\n"+lines, 1), "range(0,1)", runs, 1)
	}
	f.publish(with("", "range(0,100)"), results.KindPlan)
	f.publish(with("partition = \"other\"", "range(100,200)"), results.KindAdd)
	s.perUser = 16
	m := launcher.NewMemory("")
	open := map[string]*launcher.Polite{}
	d := f.process(s)
	inner := d.Launcher
	d.Launcher = func(ctx context.Context, table override.Value) (launcher.Launcher, launcher.Spec, error) {
		_, spec, err := inner(ctx, table)
		key := fmt.Sprint(spec.Options)
		if open[key] == nil {
			open[key] = launcher.Politely(s, m)
		}
		return open[key], spec, err
	}
	if out := f.step(d); out.Started != 16 || len(open) != 2 {
		t.Errorf("asked for %v by %d launchers, want the user's 16 workers of two", s.workers(), len(open))
	}
}

// Workers whose setup fails again and again, as cron's processes see them.
func TestBadSetupHoldsTheSweep(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
	fails := func() {
		t.Helper()
		for i := range maxBarren {
			if out := f.step(f.process(s)); out.Started == 0 {
				t.Fatalf("after %d failures nothing is started", i)
			}
			r := s.asked[len(s.asked)-1]
			if err := os.WriteFile(filepath.Join(r.LogDir, "worker-0.log"), []byte("module: command not found\norch: setup failed on n1\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			s.end(r.Key, launcher.End{Cause: launcher.SetupFailed, Proof: true}, "n1", "the setup lines failed on node n1")
		}
		_, err := f.process(s).Step(t.Context())
		if !errors.Is(err, ErrBarren) || !strings.Contains(err.Error(), "module: command not found") || !strings.Contains(err.Error(), "setup lines failed") {
			t.Fatalf("Step = %v, want ErrBarren with the log's words", err)
		}
		n := len(s.asked)
		if out := f.step(f.process(s)); out.Counts.Held != 6 || len(s.asked) != n {
			t.Fatalf("counts = %+v with %d submissions, want all held and none", out.Counts, len(s.asked)-n)
		}
	}
	fails()
	if err := f.s.Give(results.ActionGo, "", "mended", "test"); err != nil {
		t.Fatal(err)
	}
	fails() // not at once: it had its three chances again
}

// Jobs that orch itself took back began no run, and nothing is wrong with them.
func TestTakenBackIsNotBarren(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	for i := range maxBarren + 1 {
		f.publish(fmt.Sprintf(onScheduler, i+1), results.KindPlan)
		if out := f.step(f.process(s)); out.Started != 1 {
			t.Fatalf("after %d jobs that were taken back %d workers are started, want 1", i, out.Started)
		}
		f.work("somebody-elses", 0, 1, "n1", results.Done)
		f.step(f.process(s))
		if len(s.withdrawn) != i+1 {
			t.Fatalf("withdrawn: %v, want job %d too", s.withdrawn, i+1)
		}
		s.end(s.asked[i].Key, launcher.End{Cause: launcher.Cancelled, Proof: true}, "", "cancelled")
		f.step(f.process(s))
	}
}

// What was refused is not asked for again by cron, but by somebody who waits.
func TestRefusedIsNotAskedAgain(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
	s.answers = slices.Repeat([]error{&launcher.Refused{Reason: "invalid partition specified: nope"}}, 2)
	for range 3 {
		if _, err := f.process(s).Step(t.Context()); err == nil || !strings.Contains(err.Error(), "invalid partition") {
			t.Errorf("Step = %v, want the refusal", err)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("asked %d times, want once", len(s.asked))
	}
	d := f.process(s)
	d.Insist = true
	if _, err := d.Step(t.Context()); !launcher.IsRefused(err) || len(s.asked) != 2 {
		t.Errorf("somebody who waits: %v after %d submissions, want it refused again", err, len(s.asked))
	}
}

// A node on which things fail while they work elsewhere is left out.
func TestBadNodeIsLeftOut(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(strings.Replace(fmt.Sprintf(onScheduler, 20), "[launcher]", "[launcher]\nworkers = 4", 1), results.KindPlan)
	f.step(f.process(s))
	key := s.asked[0].Key
	f.work(key, 0, 2, "n1", results.Done)
	s.end(key, launcher.End{Cause: launcher.SetupFailed, Proof: true}, "n2", "the setup lines failed on node n2")
	s.rows[0].Host, s.rows[0].End = "n1", launcher.End{Cause: launcher.Exited, Proof: true}
	out := f.step(f.process(s))
	last := s.asked[len(s.asked)-1]
	if len(s.asked) != 2 || !slices.Equal(last.Avoid, []string{"n2"}) || !strings.Contains(strings.Join(out.Notes, "\n"), "node n2 is left out") {
		t.Errorf("%d submissions, avoiding %v, notes %q; want a second that avoids n2 and says so", len(s.asked), last.Avoid, out.Notes)
	}
	if subs := f.submissions(); !slices.Equal(subs[1].Intent.Avoid, []string{"n2"}) {
		t.Errorf("the intent avoids %v, want n2", subs[1].Intent.Avoid)
	}
}

// Another request may fit that node alone, so what was done elsewhere for the
// others is no reason to leave it out: the scheduler would refuse the job for good.
func TestBadNodeMayBeTheOnlyOne(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(strings.Replace(fmt.Sprintf(onScheduler, 3), "[launcher]", "[launcher]\nworkers = 1", 1), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 3, "n1", results.Done)
	s.end(s.asked[0].Key, launcher.End{Cause: launcher.Exited, Proof: true}, "n1", "exit code 0")
	f.publish(strings.Replace(fmt.Sprintf(onScheduler, 20), "[launcher]", "[launcher]\nworkers = 2\ngpus = 1", 1), results.KindPlan)
	for range 2 {
		f.step(f.process(s))
		last := s.asked[len(s.asked)-1]
		if len(last.Avoid) > 0 {
			t.Fatalf("submission %d avoids %v, want no node: nothing was done with a GPU elsewhere", len(s.asked), last.Avoid)
		}
		s.end(last.Key, launcher.End{Cause: launcher.SetupFailed, Proof: true}, "n2", "the setup lines failed on node n2")
	}
	f.work(s.asked[len(s.asked)-1].Key, 0, 1, "n3", results.Done)
	f.step(f.process(s))
	if last := s.asked[len(s.asked)-1]; len(s.asked) != 4 || !slices.Equal(last.Avoid, []string{"n2"}) {
		t.Errorf("submission %d avoids %v, want the 4th to avoid n2", len(s.asked), last.Avoid)
	}
}

// When all is done, workers that still wait are taken back.
func TestWithdraw(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 6, "n1", results.Done)
	s.rows[0].State, s.rows[0].End = launcher.Ended, launcher.End{Cause: launcher.Exited, Proof: true}
	if out := f.step(f.process(s)); !slices.Equal(s.withdrawn, []string{"1"}) || !out.Over() {
		t.Errorf("withdrawn %v, outcome %+v; want job 1 withdrawn and all over", s.withdrawn, out)
	}
}

func TestEnough(t *testing.T) {
	seconds := func(n int, s float64) []float64 { return slices.Repeat([]float64{s}, n) }
	f := newFixture(t)
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	for _, x := range []struct {
		name              string
		spec              launcher.Spec
		took              []float64
		runs, alive, idle int
		want              int
	}{
		{"unknown, few", launcher.Spec{}, nil, 5, 0, 0, 5},
		{"unknown, some", launcher.Spec{}, nil, 20, 0, 0, 8},
		{"unknown, many", launcher.Spec{}, nil, 1000, 0, 0, 250},
		{"unknown, begun", launcher.Spec{}, nil, 980, 250, 0, -5},
		{"short ones are done by one", launcher.Spec{}, seconds(3, 0.1), 1000, 0, 0, 1},
		{"a minute each", launcher.Spec{}, seconds(3, 60), 100, 0, 0, 20},
		{"a minute each, by those that live", launcher.Spec{}, seconds(3, 60), 100, 20, 0, 0},
		{"long ones, one each", launcher.Spec{}, seconds(3, 3600), 100, 30, 0, 100},
		{"long ones, some idle", launcher.Spec{}, seconds(3, 3600), 100, 30, 10, 90},
		{"stated", launcher.Spec{RunTime: time.Hour}, nil, 100, 0, 0, 100},
		{"two at once", launcher.Spec{RunTime: time.Hour, Parallel: 2}, nil, 100, 0, 0, 50},
		{"a number", launcher.Spec{Workers: 7}, seconds(3, 0.1), 100, 0, 0, 100}, // the number is a bound of its own
		{"a job for each run", launcher.Spec{RunsPerWorker: 1}, seconds(3, 0.1), 100, 10, 10, 90},
		{"a job for ten runs", launcher.Spec{RunsPerWorker: 10}, nil, 101, 0, 0, 11},
	} {
		seen, err := f.s.Observations()
		if err != nil {
			t.Fatal(err)
		}
		sn, err := f.s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		d := &Dispatcher{Sweep: f.s, Snapshot: sn, seen: seen, took: map[string][]float64{"k": x.took}}
		if got := d.enough("k", opened{spec: x.spec}, x.runs, x.alive, x.idle); got != x.want {
			t.Errorf("%s: %d workers, want %d", x.name, got, x.want)
		}
	}
}
