package dispatch

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"orch/launcher"
	"orch/sweep/results"
)

// elsewhere is a process of another host, of which nothing can be told here.
func elsewhere() results.Holder {
	h := results.Self()
	h.Host, h.Machine, h.Boot = "elsewhere", "", "another boot"
	return h
}

// short makes the tree's times short; a fixture's is made with the usual ones.
func (f *fixture) short(dirCache, silence float64) {
	f.tree.DirCache, f.tree.Silence, f.tree.Beat = dirCache, silence, silence/3
}

// A worker of another host falls silent. Its block is open again after the
// silence and the grace, however long that is and however often this process
// looks in between. It must not wait for its own note of what it has seen, which
// comes too late here.
func TestSilentWorkerElsewhere(t *testing.T) {
	defer func(every time.Duration) { rememberEvery = every }(rememberEvery)
	rememberEvery = time.Hour
	f := newFixture(t)
	f.short(0.5, 0.3)
	f.publish(twelve, results.KindPlan)
	dead := f.dispatcher()
	board, err := f.s.Board(dead.Snapshot.Plan.Keys()[0])
	if err != nil {
		t.Fatal(err)
	}
	j, err := f.s.OpenJournal(elsewhere())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if h, err := board.Claim(func() (*results.Journal, error) { return j, nil }); err != nil || h == nil {
		t.Fatalf("Claim = %v, %v", h, err)
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), soonEnough)
	defer cancel()
	out, err := f.dispatcher().Drive(ctx, nil, func(*Outcome) {})
	if err != nil || out.Counts.Done != 12 {
		t.Fatalf("Drive = %+v, %v, want 12 done", out, err)
	}
	if took := time.Since(begin); took < 1300*time.Millisecond {
		t.Errorf("it took %v, want the silence of 0.3 s and twice 0.5 s of grace at least", took)
	}
	f.sound()
}

// A host dies between a submission's intent and its answer, and never comes
// back. Its workers, if there are any, are no reason to start none here.
func TestUnansweredSubmissionElsewhere(t *testing.T) {
	f := newFixture(t)
	f.publish(twelve, results.KindPlan)
	d := f.dispatcher()
	in := results.Intent{Key: "orch-s-elsewhere", Group: d.Snapshot.Plan.Keys()[0], Backend: "pool", Workers: 12, By: elsewhere()}
	if _, err := f.s.Submit(0, in); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soonEnough)
	defer cancel()
	if out, err := d.Drive(ctx, nil, func(*Outcome) {}); err != nil || out.Counts.Done != 12 {
		t.Fatalf("Drive = %+v, %v, want 12 done", out, err)
	}
	f.sound()
}

// Another host takes submission numbers, and this one's listing is too old to show
// it. That is no worker that ends without beginning a run.
func TestNumbersTakenElsewhere(t *testing.T) {
	f := newFixture(t)
	f.publish(twelve, results.KindPlan)
	d := f.dispatcher()
	inner, taken := d.Worker, 0
	d.Worker = func(key string, spec launcher.Spec) ([]string, []string, error) {
		if taken < 2*maxBarren { // after the Step has listed them
			taken++
			if err := os.Mkdir(filepath.Join(f.s.Path(), "subs", strconv.Itoa(taken)), 0o700); err != nil {
				t.Error(err)
			}
		}
		return inner(key, spec)
	}
	ctx, cancel := context.WithTimeout(t.Context(), soonEnough)
	defer cancel()
	if out, err := d.Drive(ctx, nil, func(*Outcome) {}); err != nil || out.Counts.Done != 12 {
		t.Fatalf("Drive = %+v, %v, want 12 done", out, err)
	}
	f.sound()
}
