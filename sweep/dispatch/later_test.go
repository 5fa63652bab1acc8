package dispatch

import (
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

// A job that was accepted, did all its work and left the queue keeps nobody from
// submitting more runs: with a database that knows it, and without.
func TestForgottenJob(t *testing.T) {
	for _, db := range []bool{false, true} {
		if db {
			patient(t, time.Hour)
		} else {
			patient(t, 20*time.Millisecond)
		}
		f, s := newFixture(t), newScheduler()
		f.publish(fmt.Sprintf(onScheduler, 5), results.KindPlan)
		f.step(f.process(s))
		f.work(s.asked[0].Key, 0, 5, "n1", results.Done)
		if db {
			s.end(s.asked[0].Key, launcher.End{Cause: launcher.Exited, Proof: true}, "n1", "exit code 0")
			s.past = s.rows
		}
		s.rows = nil
		f.publish(fmt.Sprintf(onScheduler, 8), results.KindPlan)
		time.Sleep(50 * time.Millisecond)
		d := f.process(s)
		d.Insist = true
		if out := f.step(d); out.Started == 0 {
			t.Errorf("database %t: started %d workers for 3 new runs", db, out.Started)
		}
	}
}

// Each Step is made on another host (followers), which sees the newest job's end.
func TestStepsElsewhere(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(strings.Replace(fmt.Sprintf(onScheduler, 12), "[launcher]", "[launcher]\nworkers = 2", 1), results.KindPlan)
	patient(t, 20*time.Millisecond)
	for i := range 3 {
		time.Sleep(50 * time.Millisecond)
		files, _ := filepath.Glob(filepath.Join(f.s.Path(), "observations", "*"))
		for _, x := range files { // what other hosts have seen
			os.Remove(x)
		}
		if out := f.step(f.process(s)); out.Started != 2 {
			t.Fatalf("Step %d on a host of its own starts %d workers, want 2", i, out.Started)
		}
		key := s.asked[i].Key
		s.rows = slices.DeleteFunc(s.rows, func(w launcher.Worker) bool { return w.Key != key }) // MinJobAge
		f.work(key, 0, 2, "n1", results.Done)
		s.end(key, launcher.End{Cause: launcher.Exited, Proof: true}, "n1", "exit code 0")
	}
}

// A plain re-submit leaves a try with more memory alone.
func TestResubmitKeepsMemory(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 1, "n1", results.OutOfMemory)
	s.end(s.asked[0].Key, launcher.End{Cause: launcher.Exited, Proof: true}, "n1", "exit code 0")
	d := f.process(s)
	d.Workers = func(override.Value) (int, int, bool, error) { return 1, 1, false, nil }
	f.step(d)
	mem := func() string {
		sn, err := f.s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		r := sn.Plan.Runs[0]
		m, _ := sn.Plan.Group(sn.Plan.Key(r.Tries[len(r.Tries)-1].Block)).Launcher.Lookup("mem")
		return m.Text()
	}
	before := mem()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	if after := mem(); after != before {
		t.Errorf("the second try has %s, and after a re-submit of the same file %s", before, after)
	}
}

// A queue that is full for one QOS is not full for another.
func TestLimitOfOneRequest(t *testing.T) {
	limits(t, time.Hour)
	f, s := newFixture(t), newScheduler()
	with := func(lines, runs string) string {
		return strings.Replace(strings.Replace(fmt.Sprintf(onScheduler, 1), "[launcher]", "[launcher]\n"+lines, 1), "range(0,1)", runs, 1)
	}
	f.publish(with("qos = \"small\"", "range(0,4)"), results.KindPlan)
	f.publish(with("qos = \"large\"", "range(100,104)"), results.KindAdd)
	s.answers = slices.Repeat([]error{&launcher.Limited{Reason: "QOSMaxSubmitJobPerUserLimit"}}, 3) // 4, 2, 1 of small
	f.step(f.process(s))
	if got := s.workers(); len(got) < 4 {
		t.Errorf("asked for %v workers, all of the first request; nobody asked for the second", got)
	}
}

// Workers that wait for a request that was edited since are taken back with the rest.
func TestEditedRequestIsTakenBack(t *testing.T) {
	replaced(t, time.Hour) // not before there is nothing left to do
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 4), results.KindPlan)
	f.step(f.process(s))
	f.publish(strings.Replace(fmt.Sprintf(onScheduler, 4), "1h", "2h", 1), results.KindPlan)
	f.step(f.process(s))
	if err := f.s.Give(results.ActionCancel, "", "test", "test"); err != nil {
		t.Fatal(err)
	}
	f.step(f.process(s))
	slices.Sort(s.withdrawn)
	if !slices.Equal(s.withdrawn, []string{"1", "2"}) {
		t.Errorf("withdrawn %v, want both jobs: nobody wants either", s.withdrawn)
	}
}

// A request that got "not now" since its refusal is no refused one.
func TestLimitedAfterRefused(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	s.answers = []error{&launcher.Refused{Reason: "invalid account"}, &launcher.Limited{Reason: "MaxSubmitJobs"}}
	f.process(s).Step(t.Context())
	d := f.process(s)
	d.Insist = true
	f.step(d)
	if _, err := f.process(s).Step(t.Context()); err != nil {
		t.Errorf("cron: %v", err)
	}
}

// What was edited for runs that have failed is what a retry asks for; memory that
// the policy raised stays raised.
func TestRetryOfAnEditedRequest(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	edited := strings.Replace(fmt.Sprintf(onScheduler, 2), "1h", "2h", 1)
	f.publish(fmt.Sprintf(onScheduler, 2), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 2, "n1", results.Failed)
	s.end(s.asked[0].Key, launcher.End{Cause: launcher.Exited, Proof: true}, "n1", "exit code 0")
	if pub := f.publish(fmt.Sprintf(onScheduler, 2), results.KindPlan); pub.Segment != 0 {
		t.Errorf("the same file again is published as segment %d", pub.Segment)
	}
	if pub := f.publish(edited, results.KindPlan); pub.Segment == 0 {
		t.Error("an edit for failed runs is not in the tree")
	}
	if pub := f.publish(edited, results.KindPlan); pub.Segment != 0 {
		t.Errorf("the same edit again is published as segment %d", pub.Segment)
	}
	one := func(override.Value) (int, int, bool, error) { return 1, 1, false, nil }
	if r, err := Retry(f.s, func(results.RunState) bool { return true }, "test", Publication{Workers: one}); err != nil || r.Again != 2 {
		t.Fatalf("Retry = %+v, %v, want both runs again", r, err)
	}
	f.step(f.process(s))
	if got := s.asked[len(s.asked)-1].Resources.Time; len(s.asked) != 2 || got != 2*time.Hour {
		t.Errorf("%d requests, the last for %v, want the second for 2h", len(s.asked), got)
	}
}

// Memory that no machine has is not asked for again and again: the run has failed.
func TestMoreMemoryThanThereIs(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 2), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 1, "n1", results.OutOfMemory)
	f.work(s.asked[0].Key, 1, 1, "n1", results.Done)
	s.end(s.asked[0].Key, launcher.End{Cause: launcher.Exited, Proof: true}, "n1", "exit code 0")
	for i := range 3 {
		d := f.process(s)
		d.Workers = func(override.Value) (int, int, bool, error) { return 0, 0, false, &TooBigError{errors.New("too much")} }
		out := f.step(d)
		if out.Due || out.Left != 0 || out.Counts.Failed != 1 || out.Counts.Done != 1 {
			t.Fatalf("Step %d: due %t, %d left, %+v, want one done and one failed", i, out.Due, out.Left, out.Counts)
		}
		if told := slices.ContainsFunc(out.Notes, func(n string) bool { return strings.Contains(n, "too much") }); told != (i == 0) {
			t.Errorf("Step %d says %q", i, out.Notes)
		}
	}
	if len(s.asked) != 1 {
		t.Errorf("%d requests, want 1", len(s.asked))
	}
}

// Workers that wait for a request that was replaced do not take the places of
// those of the new one.
func TestReplacedRequestMakesRoom(t *testing.T) {
	replaced(t, 0)
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 4), results.KindPlan)
	f.step(f.process(s))
	f.publish(strings.Replace(fmt.Sprintf(onScheduler, 4), "1h", "2h", 1), results.KindPlan)
	f.step(f.process(s))
	if !slices.Equal(s.withdrawn, []string{"1"}) || len(s.asked) != 2 {
		t.Errorf("withdrawn %v, %d requests, want job 1 and the second request", s.withdrawn, len(s.asked))
	}
}

// A scheduler that takes two minutes to say "not now" leaves no time for a
// smaller request; the next Step makes it.
func TestHalvedInTheNextStep(t *testing.T) {
	limits(t, time.Hour)
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 8), results.KindPlan)
	sn, err := f.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	sub, err := f.s.Submit(0, results.Intent{Key: "orch-t-a", Group: sn.Plan.Keys()[0], Backend: "slurm", Workers: 8, By: results.Self()})
	if err != nil {
		t.Fatal(err)
	}
	if err := sub.Record(results.Answer{How: "submit", Limited: true, Reason: "Resource temporarily unavailable"}); err != nil {
		t.Fatal(err)
	}
	d := f.process(s)
	f.step(d) // notes when it was said
	if got := s.workers(); len(got) > 0 {
		t.Fatalf("asked for %v workers at once", got)
	}
	limits(t, time.Millisecond) // which are over
	time.Sleep(2 * limitFirst)
	f.step(f.process(s))
	if got := s.workers(); !slices.Equal(got, []int{4}) {
		t.Errorf("asked for %v workers, want 4 after 8 were too many", got)
	}
}

// Workers that begin, do everything and end between the reading of the tree and
// the scheduler's answer leave nothing to ask for again.
func TestDoneWhileTheSchedulerAnswers(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 2), results.KindPlan)
	f.step(f.process(s))
	s.meanwhile = func() {
		s.meanwhile = nil
		f.work(s.asked[0].Key, 0, 2, "n1", results.Done)
		s.end(s.asked[0].Key, launcher.End{Cause: launcher.Exited, Proof: true}, "n1", "exit code 0")
	}
	if out := f.step(f.process(s)); len(s.asked) != 1 || out.Counts.Done != 2 {
		t.Errorf("%d requests with %d runs done, want one and 2", len(s.asked), out.Counts.Done)
	}
}
