package dispatch

import (
	"fmt"
	"testing"

	"orch/launcher"
	"orch/sweep/results"
)

// A worker whose job is cleaned up after for hours takes no work: others are asked
// for, and the sweep is over without it.
func TestLeaving(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	f.step(f.process(s))
	first := s.asked[0].Key
	s.rows[0].State, s.rows[0].Leaving, s.rows[0].Host = launcher.Running, true, "n1"
	if out := f.step(f.process(s)); len(s.asked) != 2 || out.Workers != 1 {
		t.Fatalf("%d submissions and %d workers, want another one and that one counted", len(s.asked), out.Workers)
	}
	second := s.asked[1].Key
	f.work(second, 0, 1, "n2", results.Done)
	s.end(second, launcher.End{Cause: launcher.Exited, Proof: true}, "n2", "exit code 0")
	d := f.process(s)
	if out := f.step(d); !out.Over() || len(out.Jobs) != 0 {
		t.Errorf("after the run's end %+v, want it over and no job to wait for", out)
	}
	if q := d.seen.Queue(first); q == nil || q.Gone || q.Running != 1 {
		t.Errorf("of the job that leaves %+v is noted, want it running: it may still write", q)
	}
}

// What a leaving worker holds is its own until its silence is noticed.
func TestLeavingHolder(t *testing.T) {
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	f.step(f.process(s))
	f.work(s.asked[0].Key, 0, 1, "n1", results.NoEnd)
	s.rows[0].State, s.rows[0].Leaving, s.rows[0].Host = launcher.Running, true, "n1"
	if out := f.step(f.process(s)); out.Workers != 1 || out.Over() || len(s.asked) != 1 {
		t.Errorf("%d workers after %d submissions, want the one that holds the run", out.Workers, len(s.asked))
	}
}
