package trainer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"orch/sweep/override"
	"orch/sweep/results"
)

// funcTrainer is a trainer that is one function.
type funcTrainer func(ctx context.Context, r *Run) error

func (funcTrainer) Name() string                              { return "func" }
func (funcTrainer) Check(override.Value) []error              { return nil }
func (f funcTrainer) Train(ctx context.Context, r *Run) error { return f(ctx, r) }
func (f funcTrainer) pick(override.Value) (Trainer, error)    { return f, nil }
func done(_ context.Context, r *Run) error                    { r.Metrics.Result("acc", 0.9); return nil }
func number(r *Run) int64                                     { v, _ := r.Config.Get("x"); n, _ := v.Int(); return n }
func field(key string, v override.Value) override.Field {
	return override.Field{Key: override.QuotedValue(key), Val: v}
}
func table(key string, v override.Value) override.Value { return override.MapValue(field(key, v)) }

// newSweep makes a sweep of n runs whose configs are x = 0..n-1.
func newSweep(t testing.TB, n int, owes ...string) *results.Sweep {
	t.Helper()
	tree, err := results.Create(t.TempDir(), results.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	s, err := tree.CreateSweep("s")
	if err != nil {
		t.Fatal(err)
	}
	h := results.Header{Kind: results.KindPlan, Owes: owes, Bases: []override.Value{table("x", override.IntValue(0))},
		Groups: []results.Group{{Key: "k", Launcher: table("backend", override.QuotedValue("pool")), Workers: 1}}}
	_, err = s.Publish(h, func(yield func(results.RunSpec, error) bool) {
		for i := range n {
			r := results.RunSpec{ID: fmt.Sprintf("%024x", i), Name: fmt.Sprintf("%04d", i), Work: true, Delta: []override.Field{field("x", override.IntValue(int64(i)))}}
			if !yield(r, nil) {
				return
			}
		}
	}, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); tree.Close() })
	return s
}

func newWorker(s *results.Sweep, f funcTrainer) *Worker {
	return &Worker{Sweep: s, Group: "k", Holder: results.Self(), Trainer: f.pick, Log: zerolog.Nop()}
}

func states(t testing.TB, s *results.Sweep) ([]results.RunState, results.Counts) {
	t.Helper()
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(sn.Problems) > 0 {
		t.Errorf("problems in the tree: %v", sn.Problems)
	}
	st := sn.Derive()
	return st, results.Count(st)
}

func TestWorkerDoesEverythingOnce(t *testing.T) {
	for _, parallel := range []int{1, 4} {
		t.Run(fmt.Sprint("parallel ", parallel), func(t *testing.T) {
			s := newSweep(t, 50)
			var mu sync.Mutex
			times := map[int64]int{}
			train := func(_ context.Context, r *Run) error {
				mu.Lock()
				times[number(r)]++
				mu.Unlock()
				r.Metrics.Result("acc", float64(number(r)))
				return nil
			}
			var wg sync.WaitGroup
			for range 3 { // three workers race for the blocks
				wg.Go(func() {
					w := newWorker(s, train)
					w.Parallel = parallel
					if _, err := w.Run(t.Context(), nil); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			for i := range int64(50) {
				if times[i] != 1 {
					t.Errorf("run %d was executed %d times, want 1", i, times[i])
				}
			}
			st, c := states(t, s)
			if c.Done != 50 {
				t.Errorf("counts = %+v, want 50 done", c)
			}
			for _, r := range st {
				if x, _ := r.Run.Spec.Config(&r.Run.Segment.Header); r.End.Metrics[0].Value != must(x.Get("x")) || !r.Sealed {
					t.Errorf("run %s: metrics %v, sealed %v", r.Run.Name, r.End.Metrics, r.Sealed)
				}
			}
		})
	}
}

func must(v override.Value, _ bool) float64 { f, _ := v.Float(); return f }

func TestEnds(t *testing.T) {
	cases := []struct {
		name    string
		train   funcTrainer
		class   results.Class
		message string
	}{
		{"done", done, results.Done, ""},
		{"plain error", func(context.Context, *Run) error { return errors.New("boom") }, results.Failed, "boom"},
		{"failure", func(context.Context, *Run) error {
			return &Failure{Class: results.OutOfMemory, Exit: 137, Signal: "SIGKILL", Err: errors.New("too big")}
		}, results.OutOfMemory, "too big"},
		{"panic", func(context.Context, *Run) error { panic("ouch") }, results.Failed, "panic in trainer func: ouch"},
		{"owed metric missing", func(context.Context, *Run) error { return nil }, results.NoResult, `it ended well but did not report ["acc"]`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := newSweep(t, 1, "acc")
			if _, err := newWorker(s, c.train).Run(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			st, _ := states(t, s)
			if st[0].End == nil || st[0].End.Class != c.class || st[0].End.Message != c.message {
				t.Errorf("end = %+v, want class %s and message %q", st[0].End, c.class, c.message)
			}
			dir := s.AttemptPath(st[0].Run.Name, "a0")
			if b, err := os.ReadFile(filepath.Join(dir, results.ConfigFile)); err != nil || !strings.Contains(string(b), "x = 0") {
				t.Errorf("config snapshot = %q, %v", b, err)
			}
			log, err := os.ReadFile(filepath.Join(dir, results.LogFile))
			if err != nil || c.class == results.Failed && !strings.Contains(string(log), strings.TrimPrefix(c.message, "panic in trainer func: ")) {
				t.Errorf("log = %q, %v", log, err)
			}
		})
	}
}

// Asked to leave, a worker lets the running one write its checkpoint and leaves
// the rest for the next worker, which resumes.
func TestLeaveAndResume(t *testing.T) {
	s := newSweep(t, 6)
	leave := make(chan struct{})
	var resumed []string
	train := func(_ context.Context, r *Run) error {
		if number(r) == 1 && r.Resume == "" {
			close(leave)
			<-r.Stop
			if err := os.WriteFile(filepath.Join(r.Dir, "last.ckpt"), []byte("step 7"), 0o600); err != nil {
				return err
			}
			r.Metrics.Checkpoint(7, "last.ckpt")
			return ErrPreempted
		}
		if r.Resume != "" {
			resumed = append(resumed, r.Resume)
		}
		return done(context.Background(), r)
	}
	sum, err := newWorker(s, train).Run(t.Context(), leave)
	if err != nil || !sum.Left || sum.Runs[results.Preempted] != 1 {
		t.Fatalf("first worker: %+v, %v, want it to leave with one run preempted", sum, err)
	}
	if _, c := states(t, s); c.Done != 1 || c.Queued != 5 {
		t.Errorf("in between: %+v, want 1 done, 5 queued", c)
	}
	if _, err := newWorker(s, train).Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, c := states(t, s); c.Done != 6 {
		t.Errorf("at the end: %+v, want 6 done", c)
	}
	if want := s.AttemptPath("0001", "a0"); len(resumed) != 1 || resumed[0] != want {
		t.Errorf("resumed from %q, want %q", resumed, want)
	}
}

func TestGivesUpAfterManyLosses(t *testing.T) {
	s := newSweep(t, 1)
	train := func(context.Context, *Run) error { return ErrPreempted }
	for range 6 {
		w := newWorker(s, train)
		if _, err := w.Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	st, _ := states(t, s)
	if st[0].State != results.StateFailed || st[0].End.Class != results.Lost || len(st[0].Attempts) != 6 {
		t.Errorf("state %s, end %+v, %d attempts; want given up as lost", st[0].State, st[0].End, len(st[0].Attempts))
	}
}

// What a program measures without a step, and its checkpoints, are signs of life
// for launcher.stall; a run without them is ended, and its log says why. The clock
// is that of the bubble: the machine may be as slow as it likes.
func TestSignsOfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSweep(t, 3)
		w := newWorker(s, func(ctx context.Context, r *Run) error {
			for i := range 12 {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(10 * time.Second):
				}
				if number(r) == 0 {
					r.Metrics.Checkpoint(int64(i), "c")
				} else if a, ok := r.Metrics.(interface{ Alive() }); ok && number(r) == 1 {
					a.Alive()
				}
			}
			return nil
		})
		w.Parallel, w.Stall = 3, 50*time.Second
		sum, err := w.Run(t.Context(), nil)
		if err != nil || sum.Runs[results.Done] != 2 || sum.Runs[results.Stall] != 1 {
			t.Errorf("got %+v, %v, want two runs done and the silent one ended", sum, err)
		}
		log, err := os.ReadFile(filepath.Join(s.AttemptPath("0002", "a0"), results.LogFile))
		if err != nil || !strings.Contains(string(log), "orch: stall") {
			t.Errorf("log of the silent run = %q, %v, want why it was ended", log, err)
		}
	})
}

// The time in which the worker itself stood still is no silence of its runs.
func TestExcuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSweep(t, 1)
		var w *Worker
		w = newWorker(s, func(ctx context.Context, r *Run) error {
			for range 12 {
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(10 * time.Second):
				}
				w.excuse(8 * time.Second) // 24 s of silence are left
			}
			return nil
		})
		w.Stall = 50 * time.Second
		if sum, err := w.Run(t.Context(), nil); err != nil || sum.Runs[results.Done] != 1 {
			t.Errorf("got %+v, %v, want the run done", sum, err)
		}
	})
}

// A program that measures at one step for ever makes no line that is too long.
func TestOneStepForEver(t *testing.T) {
	s := newSweep(t, 1)
	w := newWorker(s, func(_ context.Context, r *Run) error {
		for i := range 60_000 {
			r.Metrics.Log(0, "a.metric.of.some.length", float64(i))
		}
		return nil
	})
	if sum, err := w.Run(t.Context(), nil); err != nil || sum.Runs[results.Done] != 1 {
		t.Fatalf("got %+v, %v", sum, err)
	}
	files, err := filepath.Glob(filepath.Join(s.Path(), "series", "*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if len(line) > 1<<20 {
			t.Errorf("a row has %d bytes, which readers take for damage", len(line))
		}
	}
}

// A cancel reaches a program within ten seconds of the worker's own clock, which
// here is the bubble's: what the machine takes beside does not count.
func TestCancelReachesARunningRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSweep(t, 2)
		started := make(chan string, 2)
		train := func(ctx context.Context, r *Run) error {
			started <- r.ID
			if number(r) > 0 {
				return nil
			}
			<-ctx.Done()
			return ctx.Err()
		}
		go func() {
			id := <-started
			if err := s.Give(results.ActionCancel, id, "typed by the test", "test"); err != nil {
				t.Error(err)
			}
		}()
		begin := time.Now()
		if _, err := newWorker(s, train).Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("the cancel took %v, want at most 10 s", d)
		}
		st, c := states(t, s)
		if c.Cancelled != 1 || c.Done != 1 || st[0].End.Class != results.Cancelled {
			t.Errorf("counts = %+v, first end %+v; want one cancelled, one done", c, st[0].End)
		}
	})
}

// A worker whose block was taken over abandons its run, and what it did
// afterwards counts nowhere.
func TestFencedWorkerAbandons(t *testing.T) {
	s := newSweep(t, 1)
	var once sync.Once
	train := func(ctx context.Context, r *Run) error {
		first := false
		once.Do(func() { first = true })
		if !first {
			return done(ctx, r)
		}
		c, err := s.ReadClaim("1-0-0", 0)
		if err != nil {
			return err
		}
		if err := s.Fence(c.Block, c.Gen, "test"); err != nil {
			return err
		}
		if _, err := s.SealDead(c, "test", results.Lost); err != nil {
			return err
		}
		r.Metrics.Checkpoint(1, "a record, so that there is something to mark")
		<-ctx.Done()
		r.Metrics.Result("acc", -1)
		return nil
	}
	if _, err := newWorker(s, train).Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	st, c := states(t, s)
	if c.Done != 1 || len(st[0].Attempts) != 2 || st[0].Counted != 1 || st[0].End.Metrics[0].Value != 0.9 {
		t.Errorf("counts %+v, attempts %+v, end %+v; want the second attempt counted", c, st[0].Attempts, st[0].End)
	}
}

// The blocks of a process that is gone from this host are taken over at once.
func TestTakesOverFromTheDead(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux can prove a death")
	}
	s := newSweep(t, 4)
	child := exec.Command("sleep", "3600") // longer than any test may take: its death is this test's doing
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	end := func() { child.Process.Kill(); child.Wait() }
	t.Cleanup(end)
	h := results.OfProcess(child.Process.Pid)
	j, err := s.OpenJournal(h)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s.Board("k")
	if err != nil {
		t.Fatal(err)
	}
	held, err := b.Claim(func() (*results.Journal, error) { return j, nil })
	if err != nil || held == nil {
		t.Fatalf("Claim = %v, %v", held, err)
	}
	r := held.Runs[0]
	for _, rec := range []results.Record{
		{Kind: results.RecordStart, Run: r.Run.ID, Block: results.GenName(held.Block, held.Gen), Folder: r.Attempt},
		{Kind: results.RecordEnd, Run: r.Run.ID, Block: results.GenName(held.Block, held.Gen), Class: results.Done, Metrics: []results.Metric{{Name: "acc", Value: 0.1}}},
	} {
		if err := j.Append(rec); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := newWorker(s, done).Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, c := states(t, s); c.Done != 2 {
		t.Errorf("while the holder lives: %+v, want 2 done: its block is its own", c)
	}
	end()
	if _, err := newWorker(s, done).Run(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	st, c := states(t, s)
	if c.Done != 4 || st[0].End.Metrics[0].Value != 0.1 || len(st[0].Attempts) != 1 {
		t.Errorf("after its death: %+v, first run %+v; want 4 done and its unmarked result kept", c, st[0].End)
	}
}

func TestIdleWorkerLeavesNoTrace(t *testing.T) {
	s := newSweep(t, 1)
	for range 2 {
		if _, err := newWorker(s, done).Run(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
	}
	names, err := os.ReadDir(filepath.Join(s.Path(), "journals"))
	if err != nil || len(names) != 1 {
		t.Errorf("%d journals, %v; want 1: the second worker found nothing to do", len(names), err)
	}
}

// A worker that finds its block fenced before the taker has sealed it may win
// the seal: the runs that it gave up must still be to do. And it must find the
// fence although it has nothing to mark.
func TestFencedWorkerLeavesTheRest(t *testing.T) {
	s := newSweep(t, 4) // blocks of 2, 1, 1
	var w *Worker
	tries := 0
	w = newWorker(s, func(ctx context.Context, r *Run) error {
		if number(r) > 0 {
			return done(ctx, r)
		}
		if tries++; tries > 1 {
			return done(ctx, r)
		}
		for w.journal.Unmarked() > 0 { // the mark of its start
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
		if err := s.Fence("1-0-0", 0, "test"); err != nil {
			return err
		}
		<-ctx.Done()
		return ctx.Err()
	})
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	if _, err := w.Run(ctx, nil); err != nil {
		t.Fatal(err)
	}
	st, c := states(t, s)
	if c.Done != 4 {
		t.Fatalf("counts = %+v, want 4 done: the runs of the fenced block are stuck", c)
	}
	if a := st[0].Attempts; len(a) != 2 || a[0].End != nil || a[1].Class != results.Done {
		t.Errorf("attempts of the first run = %+v, want one abandoned and one done", a)
	}
}

// A full disk is no run's fault: the worker leaves, the runs stay open.
func TestDiskFaultEndsTheWorkerNotTheRun(t *testing.T) {
	s := newSweep(t, 2)
	w := newWorker(s, func(context.Context, *Run) error {
		return &Failure{Class: results.BadSetup, Err: &os.PathError{Op: "mkdir", Path: "ckpt", Err: syscall.ENOSPC}}
	})
	if _, err := w.Run(t.Context(), nil); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Run = %v, want the disk's error", err)
	}
	if _, c := states(t, s); c.Queued != 2 {
		t.Errorf("counts = %+v, want 2 queued", c)
	}
}

// A plan that was edited while runs wait may say the same of them in another way:
// an axis is gone and its value in the base, or there are more bases. What they
// execute is what they are.
func TestEditedPlanExecutesTheSame(t *testing.T) {
	s := newSweep(t, 2)
	h := results.Header{Kind: results.KindPlan, Owes: []string{"loss"},
		Bases:  []override.Value{table("x", override.IntValue(7)), table("x", override.IntValue(1))},
		Groups: []results.Group{{Key: "k", Launcher: table("backend", override.QuotedValue("pool")), Workers: 1}}}
	if _, err := s.Publish(h, func(yield func(results.RunSpec, error) bool) {
		yield(results.RunSpec{ID: fmt.Sprintf("%024x", 1), Name: "0001", Base: 1}, nil)
	}, nil, 1); err != nil {
		t.Fatal(err)
	}
	w := newWorker(s, func(_ context.Context, r *Run) error {
		if x, _ := r.Config.Get("x"); x.Text() != "1" {
			t.Errorf("run %s executes x = %s, want 1", r.Name, x.Text())
		}
		return nil
	})
	sum, err := w.Run(context.Background(), nil)
	if err != nil || sum.Runs[results.NoResult] != 1 {
		t.Errorf("Run = %+v, %v, want one run without the result that the newest plan wants", sum, err)
	}
}
