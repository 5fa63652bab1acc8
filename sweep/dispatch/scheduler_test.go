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

// scheduler is a launcher whose jobs do what the test says: the decisions of a
// Step about time-outs, limits and silence need no cluster, but they need all
// of a cluster's moods.
type scheduler struct {
	rows    []launcher.Worker // what squeue says
	past    []launcher.Worker // what sacct says
	deaf    error             // Jobs fails
	answers []error           // of the next submissions; then they are accepted
	limit   int               // most workers in the queue; 0: no limit
	perJob  int
	perUser int
	fit     int

	asked     []launcher.Request
	withdrawn []string
	number    int
}

func (s *scheduler) Jobs(context.Context) ([]launcher.Worker, error) {
	return slices.Clone(s.rows), s.deaf
}
func (s *scheduler) Cancel(context.Context, ...string) error { return nil }
func (s *scheduler) Fit(launcher.Resources) (int, bool)      { return s.fit, true }
func (s *scheduler) Bounds() (int, int)                      { return s.perJob, s.perUser }
func (s *scheduler) Machine() string                         { return "test" }
func (s *scheduler) Withdraw(_ context.Context, ids ...string) error {
	s.withdrawn = append(s.withdrawn, ids...)
	return nil
}
func (s *scheduler) Past(_ context.Context, _ time.Time, keys ...string) ([]launcher.Worker, error) {
	if s.past == nil {
		return nil, launcher.ErrNoRecord
	}
	return slices.DeleteFunc(slices.Clone(s.past), func(w launcher.Worker) bool { return !slices.Contains(keys, w.Key) }), nil
}

func (s *scheduler) Submit(_ context.Context, r launcher.Request) (string, error) {
	s.asked = append(s.asked, r)
	if len(s.answers) > 0 {
		err := s.answers[0]
		s.answers = s.answers[1:]
		if err != nil {
			return "", err
		}
	}
	if s.limit > 0 && len(s.rows)+r.Workers > s.limit {
		return "", &launcher.Limited{Reason: "QOSMaxSubmitJobPerUserLimit"}
	}
	s.number++
	for i := range r.Workers {
		s.rows = append(s.rows, launcher.Worker{Job: fmt.Sprint(s.number), Key: r.Key, Index: i, State: launcher.Pending, Reason: "waits for free nodes (Resources)"})
	}
	return fmt.Sprint(s.number), nil
}

func (s *scheduler) end(key string, end launcher.End, host, words string) {
	for i := range s.rows {
		if s.rows[i].Key == key {
			s.rows[i].State, s.rows[i].End, s.rows[i].Host, s.rows[i].Reason = launcher.Ended, end, host, words
		}
	}
}

func (s *scheduler) workers() (sizes []int) {
	for _, r := range s.asked {
		sizes = append(sizes, r.Workers)
	}
	return sizes
}

func newScheduler() *scheduler { return &scheduler{perJob: 1000, perUser: 256, fit: 64} }

const onScheduler = `
ms = 20
[launcher]
backend = "slurm"
mem = "1G"
time = "1h"
[sweep]
x = "range(0,%d)"
`

// process is a Dispatcher as a new process has it, of cron for instance. The
// memory of the machine is its own, so it asks.
func (f *fixture) process(s *scheduler) *Dispatcher {
	f.t.Helper()
	sn, err := f.s.Snapshot()
	if err != nil {
		f.t.Fatal(err)
	}
	polite := launcher.Politely(s, launcher.NewMemory(""))
	return &Dispatcher{Sweep: f.s, Snapshot: sn,
		Launcher: func(_ context.Context, table override.Value) (launcher.Launcher, launcher.Spec, error) {
			spec, errs := launcher.ParseSpec(table.Any().(map[string]any))
			return polite, spec, errors.Join(errs...)
		},
		Worker: func(key string, _ launcher.Spec) ([]string, []string, error) {
			return []string{"/worker", key}, nil, nil
		},
	}
}

func (f *fixture) step(d *Dispatcher) *Outcome {
	f.t.Helper()
	out, err := d.Step(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// work makes a worker of a submission execute runs that take no time, on a node
// of another machine, and leave. It returns its journal, open if it holds on.
func (f *fixture) work(key string, index, runs int, node string, class results.Class) {
	f.t.Helper()
	sn, err := f.s.Snapshot()
	if err != nil {
		f.t.Fatal(err)
	}
	group := sn.Plan.Keys()[0]
	for _, sub := range f.submissions() {
		if sub.Intent.Key == key {
			group = sub.Intent.Group
		}
	}
	board, err := f.s.Board(group)
	if err != nil {
		f.t.Fatal(err)
	}
	h := elsewhere()
	h.Key, h.Index, h.Node, h.Job = key, index, node, "1"
	j, err := f.s.OpenJournal(h)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { j.Close() })
	for range runs {
		held, err := board.Claim(func() (*results.Journal, error) { return j, nil })
		if err != nil || held == nil {
			f.t.Fatalf("Claim = %v, %v", held, err)
		}
		full := results.GenName(held.Block, held.Gen)
		for _, r := range held.Runs {
			if err := j.Append(results.Record{Kind: results.RecordStart, Run: r.Run.ID, Block: full, Folder: r.Attempt}); err != nil {
				f.t.Fatal(err)
			}
			if class == results.NoEnd {
				continue
			}
			if err := j.Append(results.Record{Kind: results.RecordEnd, Run: r.Run.ID, Block: full, Class: class, Seconds: 60}); err != nil {
				f.t.Fatal(err)
			}
		}
		if class != results.NoEnd {
			left := 0
			if !class.Final() {
				left = len(held.Runs)
			}
			if _, err := j.Seal(held.Block, held.Gen, left); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

func patient(t *testing.T, p time.Duration) {
	old := patienceAbsent
	patienceAbsent = p
	t.Cleanup(func() { patienceAbsent = old })
}

// soon waits until a new process's Step has done it.
func (f *fixture) soon(s *scheduler, what string, ok func(*Outcome) bool) {
	f.t.Helper()
	end := time.Now().Add(30 * time.Second)
	for !ok(f.step(f.process(s))) {
		if time.Now().After(end) {
			f.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (f *fixture) submissions() []*results.Submission {
	f.t.Helper()
	subs, err := f.s.Submissions()
	if err != nil {
		f.t.Fatal(err)
	}
	return subs
}

// A job that the scheduler does not show may be on its way, or over and
// forgotten: no worker is started in its place before the scheduler has been
// silent about it for long.
func TestAbsentJobIsUnknown(t *testing.T) {
	patient(t, time.Hour)
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
	f.step(f.process(s))
	if got := s.workers(); !slices.Equal(got, []int{6}) {
		t.Fatalf("asked for %v workers, want 6", got)
	}
	s.rows = nil
	for range 3 {
		if out := f.step(f.process(s)); out.Started != 0 {
			t.Fatalf("started %d workers beside a job that may live", out.Started)
		}
	}
	patient(t, 50*time.Millisecond)
	f.soon(s, "new workers", func(o *Outcome) bool { return o.Started == 6 })
}

// A scheduler that forgets soon shows the ends of a job's workers one after the
// other: together they are the end of the job.
func TestEndsAddUp(t *testing.T) {
	patient(t, time.Hour)
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
	f.step(f.process(s))
	key, all := s.asked[0].Key, slices.Clone(s.rows)
	for i := range all {
		s.rows = slices.Clone(all[i:])
		s.rows[0].State, s.rows[0].End = launcher.Ended, launcher.End{Cause: launcher.Exited, Proof: true}
		f.step(f.process(s))
		queues, err := f.s.Queues()
		if err != nil {
			t.Fatal(err)
		}
		if q := queues[key]; q == nil || q.Gone != (i == 5) || q.Ends() != i+1 || q.Fine != i+1 {
			t.Errorf("after %d ends: noted %+v", i+1, q)
		}
	}
}

// A job that was found to be over stays so while the scheduler still shows some of
// its ends.
func TestGoneStaysGone(t *testing.T) {
	patient(t, time.Millisecond)
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
	f.step(f.process(s))
	key := s.asked[0].Key
	s.rows = s.rows[:1] // the others ended unseen
	s.rows[0].State, s.rows[0].End = launcher.Ended, launcher.End{Cause: launcher.Exited, Proof: true}
	gone := func() bool {
		queues, err := f.s.Queues()
		if err != nil {
			t.Fatal(err)
		}
		return queues[key] != nil && queues[key].Gone
	}
	f.soon(s, "the end of the job", func(*Outcome) bool { return gone() })
	patient(t, time.Hour)
	for i := range 3 {
		if f.step(f.process(s)); !gone() {
			t.Fatalf("%d Steps later the job may live again", i+1)
		}
	}
}

// sbatch fails, and nobody knows whether the job exists.
func TestUnknownSubmission(t *testing.T) {
	unknown := errors.New("Socket timed out on send/recv operation")
	attempt := func(t *testing.T) (*fixture, *scheduler) {
		f, s := newFixture(t), newScheduler()
		f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
		s.answers = []error{unknown}
		if out, err := f.process(s).Step(t.Context()); err == nil || out.Started != 0 {
			t.Fatalf("Step = %+v, %v; want an error and nothing started", out, err)
		}
		return f, s
	}
	answer := func(f *fixture) *results.Answer { return f.submissions()[0].Answer }
	phantom := func(s *scheduler, st launcher.State) []launcher.Worker {
		return []launcher.Worker{{Job: "44", Key: s.asked[0].Key, State: st}}
	}
	t.Run("it exists", func(t *testing.T) {
		f, s := attempt(t)
		s.rows = phantom(s, launcher.Pending)
		f.step(f.process(s))
		if a := answer(f); a == nil || !a.Accepted || a.Job != "44" || a.How != "found by name" {
			t.Errorf("answer = %+v, want it found by name", a)
		}
	})
	t.Run("only the records know", func(t *testing.T) {
		f, s := attempt(t)
		s.past = phantom(s, launcher.Ended)
		f.soon(s, "an answer", func(*Outcome) bool { return answer(f) != nil })
		if a := answer(f); !a.Accepted || a.Job != "44" || !strings.Contains(a.How, "accounting") {
			t.Errorf("answer = %+v, want it found in the records", a)
		}
	})
	t.Run("only a claim knows", func(t *testing.T) {
		f, s := attempt(t)
		f.work(s.asked[0].Key, 0, 1, "n1", results.NoEnd)
		f.step(f.process(s))
		if a := answer(f); a == nil || !a.Accepted || !strings.Contains(a.How, "claimed") {
			t.Errorf("answer = %+v, want it known by its claim", a)
		}
	})
	t.Run("it does not", func(t *testing.T) {
		f, s := attempt(t)
		patient(t, 200*time.Millisecond)
		if f.step(f.process(s)); answer(f) != nil {
			t.Fatal("answered at once")
		}
		s.deaf = errors.New("Unable to contact slurm controller")
		for begin := time.Now(); time.Since(begin) < 2*patienceAbsent; { // a silent controller's time does not count
			if _, err := f.process(s).Step(t.Context()); err == nil || answer(f) != nil {
				t.Fatalf("Step = %v, answer %+v; want an error and no answer while the controller is silent", err, answer(f))
			}
		}
		s.deaf = nil
		if f.step(f.process(s)); answer(f) != nil {
			t.Fatal("answered at once after the controller came back")
		}
		if len(s.asked) != 1 {
			t.Fatalf("asked %d times before the outcome was known", len(s.asked))
		}
		f.soon(s, "new workers", func(o *Outcome) bool { return o.Started == 6 })
		if a := answer(f); a.Accepted || !strings.Contains(a.Reason, "not submitted") {
			t.Errorf("answer = %+v, want not submitted", a)
		}
		// A phantom that comes after all is counted, and nothing more is started.
		s.rows = append(s.rows, phantom(s, launcher.Running)...)
		if out := f.step(f.process(s)); out.Workers != 7 || out.Started != 0 {
			t.Errorf("with a phantom: %d workers and %d started, want 7 and 0", out.Workers, out.Started)
		}
	})
}

// Who does not know what runs starts nothing.
func TestNoAnswerNoWorkers(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
	s.deaf = errors.New("Unable to contact slurm controller")
	if out, err := f.process(s).Step(t.Context()); err == nil || len(s.asked) > 0 {
		t.Errorf("Step = %+v, %v with %d submissions; want an error and none", out, err, len(s.asked))
	}
}

// The queue takes so many and no more: half as many are asked for until it
// accepts, then it is left alone for a while, by the next process too.
func TestLimited(t *testing.T) {
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

func TestLimitedRounds(t *testing.T) {
	sub := func(number, halved int, accepted, limited bool) *results.Submission {
		return &results.Submission{Number: number, Intent: &results.Intent{Backend: "slurm", Halved: halved}, Answer: &results.Answer{Accepted: accepted, Limited: limited}}
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
		seen, err := f.s.Observations()
		if err != nil {
			t.Fatal(err)
		}
		d := &Dispatcher{seen: seen}
		if got := d.limitedFor(x.subs, "slurm"); got > x.want || got < x.want-time.Second {
			t.Errorf("%s: wait %v, want %v", x.name, got, x.want)
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

// A scheduler that forgets soon has told once how a worker ended: that counts,
// whoever looks later.
func TestForgottenEnd(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.short(0.05, 3600)
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 1, "n1", results.NoEnd)
	s.end(s.asked[0].Key, launcher.End{Cause: launcher.NodeLost}, "n1", "its node failed")
	f.step(f.process(s))
	s.rows = nil
	f.soon(s, "the block to be closed", func(o *Outcome) bool { return o.Closed == 1 })
	sn, err := f.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if a := sn.Derive()[0].Attempts; len(a) != 1 || a[0].Class != results.NodeLost {
		t.Errorf("attempts = %+v, want one that ended with its node", a)
	}
}

// The database knows how a worker ended that the queue has forgotten.
func TestRecordOfTheDead(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	f.step(f.process(s))
	key := s.asked[0].Key
	f.work(key, 0, 1, "n1", results.NoEnd)
	s.rows = nil
	s.past = []launcher.Worker{{Job: "1", Key: key, State: launcher.Ended, Host: "n1", End: launcher.End{Cause: launcher.OutOfTime, Proof: true}}}
	f.soon(s, "the block to be closed", func(o *Outcome) bool { return o.Closed == 1 })
	sn, err := f.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if a := sn.Derive()[0].Attempts; len(a) != 1 || a[0].Class != results.OutOfTime {
		t.Errorf("attempts = %+v, want one that ran out of time", a)
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

// What a scheduler says is in the tree for those who must not ask.
func TestQueueIsNoted(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 3), results.KindPlan)
	f.step(f.process(s))
	s.rows[0].State = launcher.Running
	s.rows[2].Stuck, s.rows[2].Reason = true, "its partition is down"
	f.step(f.process(s))
	queues, err := f.s.Queues()
	if err != nil {
		t.Fatal(err)
	}
	q := queues[s.asked[0].Key]
	if q == nil || q.Pending != 2 || q.Running != 1 || q.Stuck != "its partition is down" || q.Waits["waits for free nodes (Resources)"] != 1 {
		t.Errorf("noted %+v, want one running, two pending, one of them stuck", q)
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

// A controller that is away for long ends nobody's waiting.
func TestDriveOutlivesAnOutage(t *testing.T) {
	defer func(p time.Duration) { patience = p }(patience)
	patience = 200 * time.Millisecond
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	s.deaf = errors.New("Unable to contact slurm controller")
	d := f.process(s)
	d.Stay = true
	begin := time.Now()
	leave := make(chan struct{})
	left := false
	out, err := d.Drive(t.Context(), leave, func(*Outcome) {
		if !left && time.Since(begin) > 3*patience {
			left = true
			close(leave)
		}
	})
	if !errors.Is(err, ErrInterrupted) || !left || len(s.asked) > 0 {
		t.Errorf("Drive = %+v, %v after %v; want it to wait until it is left", out, err, time.Since(begin))
	}
}
