package trainer

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"orch/sweep/results"
)

func TestFits(t *testing.T) { synctest.Test(t, testFits) } // no time passes between setting a deadline and asking

func testFits(t *testing.T) {
	const min = time.Minute
	for _, x := range []struct {
		name        string
		left, whole time.Duration // of the allocation, without the margin to leave
		runTime     time.Duration
		took        []float64 // seconds of finished runs
		maxRuns     int
		begun       int
		want        bool
	}{
		{name: "unknown, time is left", left: min, whole: 60 * min, want: true},
		{name: "unknown, only the margin is left", left: -time.Second, whole: 60 * min},
		{name: "stated, fits", left: 11 * min, whole: 60 * min, runTime: 10 * min, want: true},
		{name: "stated, does not fit", left: 9 * min, whole: 60 * min, runTime: 10 * min},
		{name: "stated beats finished", left: 9 * min, whole: 60 * min, runTime: 10 * min, took: []float64{1, 1, 1, 1}},
		{name: "two finished say nothing", left: min, whole: 60 * min, took: []float64{600, 600}, want: true},
		{name: "finished ones fit", left: 11 * min, whole: 60 * min, took: []float64{590, 600, 600}, want: true},
		{name: "the slow tenth decides", left: 5 * min, whole: 60 * min, took: []float64{1, 1, 1, 1, 1, 1, 1, 1, 1, 600}},
		{name: "longer than any worker lives, fresh one", left: 59 * min, whole: 60 * min, runTime: 600 * min, want: true},
		{name: "longer than any worker lives, little left", left: 20 * min, whole: 60 * min, runTime: 600 * min},
		{name: "just fits a worker, and this one was a moment reading the plan", left: 60*min - time.Second, whole: 60 * min, runTime: 60 * min, want: true},
		{name: "just fits a worker, and this one has begun others", left: 60*min - time.Second, whole: 60 * min, runTime: 60 * min, begun: 1},
		{name: "its number of runs is begun", left: 60 * min, whole: 60 * min, maxRuns: 2, begun: 2},
		{name: "one more is allowed", left: 60 * min, whole: 60 * min, maxRuns: 2, begun: 1, want: true},
	} {
		w := &Worker{Leave: 2 * min, RunTime: x.runTime, MaxRuns: x.maxRuns, whole: x.whole, took: x.took, begun: x.begun}
		w.Deadline = time.Now().Add(x.left + w.Leave)
		if got := w.fits(); got != x.want {
			t.Errorf("%s: fits = %t, want %t", x.name, got, x.want)
		}
	}
}

// A worker that may begin two runs leaves the others to the next, in the middle
// of a block too.
func TestMaxRuns(t *testing.T) {
	s := newSweep(t, 5)
	for _, want := range []int{2, 4, 5} {
		w := newWorker(s, done)
		w.MaxRuns, w.Parallel = 2, 2
		if _, err := w.Run(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		if _, c := states(t, s); c.Done != want || c.Running != 0 {
			t.Fatalf("counts = %+v, want %d done", c, want)
		}
	}
}

// A worker whose time is nearly up begins nothing, and what it leaves is open. By
// the clock of the bubble it has a second, however long the machine takes.
func TestNoTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSweep(t, 3)
		w := newWorker(s, done)
		w.Deadline, w.RunTime, w.Leave = time.Now().Add(time.Hour), 2*time.Hour, 59*time.Minute+59*time.Second
		w.Trainer = funcTrainer(func(ctx context.Context, r *Run) error {
			<-r.Stop // until the margin is reached
			return ErrPreempted
		}).pick
		sum, err := w.Run(context.Background(), nil)
		if err != nil || !sum.Left || sum.Runs[results.Preempted] != 1 {
			t.Fatalf("Run = %+v, %v; want one run preempted and the rest left", sum, err)
		}
		if _, c := states(t, s); c.Queued != 3 {
			t.Errorf("counts = %+v, want 3 queued", c)
		}
	})
}
