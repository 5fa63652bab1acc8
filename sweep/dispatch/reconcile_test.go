package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"orch/launcher"
	"orch/sweep/results"
)

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
		patient(t, time.Hour)
		out := f.step(f.process(s))
		if answer(f) != nil {
			t.Fatal("answered at once")
		}
		if n := strings.Join(out.Notes, "\n"); !strings.Contains(n, "submission 1 was accepted is not known yet") || !strings.Contains(n, "for 1h0m0s") {
			t.Errorf("notes = %q, want why nothing is started, and for how long", n)
		}
		s.deaf = errors.New("Unable to contact slurm controller")
		patient(t, 100*time.Millisecond)
		for begin := time.Now(); time.Since(begin) < 2*patienceAbsent; { // a silent controller's time does not count
			if _, err := f.process(s).Step(t.Context()); err == nil || answer(f) != nil {
				t.Fatalf("Step = %v, answer %+v; want an error and no answer while the controller is silent", err, answer(f))
			}
		}
		s.deaf = nil
		patient(t, time.Hour)
		back := time.Now()
		if f.step(f.process(s)); answer(f) != nil {
			t.Fatal("answered at once after the controller came back")
		}
		seen, err := f.s.Observations()
		if err != nil {
			t.Fatal(err)
		}
		if d := seen.Since("absent " + s.asked[0].Key); d > time.Since(back) {
			t.Fatalf("the job is absent for %v, and the controller is back for less", d)
		}
		patient(t, 100*time.Millisecond)
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

// Who waits is told of a job that will never start, and with which number.
func TestStuckJobIsTold(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 6), results.KindPlan)
	f.step(f.process(s))
	if len(s.asked) == 0 || len(s.rows) == 0 {
		t.Fatal("nothing was asked for")
	}
	for i := range s.rows {
		s.rows[i].State, s.rows[i].Stuck, s.rows[i].Reason = launcher.Pending, true, "the partition is down"
	}
	want := "stuck: job " + s.rows[0].Job + " will not start: the partition is down"
	if out := f.step(f.process(s)); !slices.Contains(out.Notes, want) {
		t.Errorf("notes = %q, want %q among them", out.Notes, want)
	}
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

// A scheduler that forgets soon has told once how a worker ended: that counts,
// whoever looks later.
func TestForgottenEnd(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.short(0.05, 3600)
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 1, "n1", results.NoEnd)
	s.end(s.asked[0].Key, launcher.End{Cause: launcher.NodeLost}, "n1", "its node failed")
	if out := f.step(f.process(s)); out.Closed == 0 { // a Step that takes longer than the grace closes it
		s.rows = nil
		f.soon(s, "the block to be closed", func(o *Outcome) bool { return o.Closed == 1 })
	}
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

// A record of past jobs that does not answer is no trouble of the Step's.
func TestRecordIsMute(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 1, "n1", results.NoEnd)
	s.rows, s.mute = nil, errors.New("sacct: exit code 1")
	if out := f.step(f.process(s)); !strings.Contains(strings.Join(out.Notes, "\n"), "past jobs does not answer") {
		t.Errorf("notes %q, want one that says so", out.Notes)
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
	left, steps := false, 0
	out, err := d.Drive(t.Context(), leave, func(*Outcome) {
		if steps++; !left && steps > 2*leastTries && time.Since(begin) > 3*patience {
			left = true
			close(leave)
		}
	})
	if !errors.Is(err, ErrInterrupted) || !left || len(s.asked) > 0 {
		t.Errorf("Drive = %+v, %v after %v; want it to wait until it is left", out, err, time.Since(begin))
	}
}

// Who is to leave waits for the workers; if they did all the rest meanwhile,
// nothing was interrupted.
func TestDriveLeavesWhatIsOver(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	leave := make(chan struct{})
	close(leave)
	steps := 0
	d := f.process(s)
	out, err := d.Drive(t.Context(), leave, func(o *Outcome) {
		if steps++; steps == 1 {
			f.work(s.asked[0].Key, 0, o.Left, "n1", results.Done)
			for i := range s.rows {
				s.rows[i].State = launcher.Ended
			}
		}
	})
	if err != nil || out.Counts.Done != out.Counts.Total || steps < 2 {
		t.Errorf("Drive = %+v, %v after %d Steps; want all runs done and no error", out, err, steps)
	}
}
