// Package trainertest is the contract of [trainer.Trainer] as tests. A new
// trainer is finished when a test of a few lines passes with the race
// detector:
//
//	func TestConformance(t *testing.T) {
//		trainertest.Run(t, trainertest.Suite{
//			New:     func() trainer.Trainer { return nn.New() },
//			Config:  small,                          // about a second
//			Endless: small with a million epochs,    // Stop must end it
//			Score:   "test.accuracy", AtLeast: 0.9,
//			Bad:     []override.Field{{Key: override.StringValue("training.lr"), Val: override.FloatValue(-1)}},
//			Volatile: []string{"seconds"},
//		})
//	}
//
// What a trainer cannot promise is named in Skip, with the reason, so that
// the gap shows in the test's output.
package trainertest

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
)

// Suite says what to test a trainer with.
type Suite struct {
	New func() trainer.Trainer

	Config  override.Value // a small problem, whose first metric row comes before its end
	Endless override.Value // a problem that takes minutes at least

	Score   string  // a result of Config
	AtLeast float64 // what it must reach

	Bad      []override.Field // dotted keys and values, each of which Check must refuse by name
	Volatile []string         // metrics that measure time, not the run

	// Leaves returns a fingerprint of what a finished attempt left in its
	// folder, such as a hash of the parameters. Optional.
	Leaves func(dir string) (string, error)

	Skip map[string]string // test name to the reason why it does not apply
}

// patience bounds everything that should take a moment. It is generous, since
// test machines are busy; only a failing test ever waits so long.
const patience = 3 * time.Minute

// obey is how long a trainer may take to leave after Stop was closed.
const obey = 2 * time.Second

// tries is how often a test that is about time is tried: a machine that pauses at
// the wrong moment is not the trainer's fault.
const tries = 5

// Run runs the suite.
func Run(t *testing.T, s Suite) {
	for _, tt := range []struct {
		name string
		test func(*testing.T, Suite)
	}{
		{"Name", testName},
		{"Check", testCheck},
		{"Score", testScore},
		{"Finite", testFinite},
		{"SameSeedSameBits", testSameSeed},
		{"OtherSeedDiffers", testOtherSeed},
		{"ConcurrentEqualsSerial", testConcurrent},
		{"ResumeEqualsUninterrupted", testResume},
		{"StopObeyed", testStop},
		{"ContextObeyed", testContext},
		{"StaysInItsFolder", testFolder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if why, ok := s.Skip[tt.name]; ok {
				t.Skip(why)
			}
			tt.test(t, s)
		})
	}
}

// outcome is all that an attempt reported. It is the run's Metrics and Log.
type outcome struct {
	mu      sync.Mutex
	rows    []Row
	results map[string]float64
	step    int64    // of the last checkpoint
	files   []string // of all checkpoints
	log     strings.Builder
	alive   chan struct{} // closed at the first sign of life
	once    sync.Once
	onRow   func() // called at the first metric row
	first   sync.Once
}

// Row is one row of a run's series.
type Row struct {
	Step  int64
	Name  string
	Value float64
}

func newOutcome() *outcome {
	return &outcome{results: map[string]float64{}, alive: make(chan struct{})}
}

func (o *outcome) Log(step int64, name string, value float64) {
	o.mu.Lock()
	o.rows = append(o.rows, Row{step, name, value})
	o.mu.Unlock()
	o.once.Do(func() { close(o.alive) })
	if o.onRow != nil {
		o.first.Do(o.onRow)
	}
}

func (o *outcome) Result(name string, value float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.results[name] = value
}

func (o *outcome) Checkpoint(step int64, file string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.step = step
	o.files = append(o.files, file)
}

func (o *outcome) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.once.Do(func() { close(o.alive) })
	return o.log.Write(b)
}

// bits is a comparable form of what does not measure time: rows up to a step,
// and the results if withResults is set.
func (o *outcome) bits(s Suite, upTo int64, withResults bool) []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b []string
	for _, r := range o.rows {
		if r.Step <= upTo && !slices.Contains(s.Volatile, r.Name) {
			b = append(b, fmt.Sprintf("row %d %s %v (%x)", r.Step, r.Name, r.Value, math.Float64bits(r.Value)))
		}
	}
	var names []string
	for name := range o.results {
		if withResults && !slices.Contains(s.Volatile, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		b = append(b, fmt.Sprintf("result %s %v (%x)", name, o.results[name], math.Float64bits(o.results[name])))
	}
	return b
}

const everything = math.MaxInt64

// attempt returns a run in fresh folders.
func attempt(t *testing.T, config override.Value) (*trainer.Run, *outcome) {
	t.Helper()
	o := newOutcome()
	return &trainer.Run{
		Sweep: "conformance", ID: "0123456789abcdef", Name: "run", Config: config,
		Dir: t.TempDir(), Workdir: t.TempDir(), Threads: 1, Log: o, Metrics: o,
	}, o
}

// finish trains an attempt to its end and returns what it left.
func finish(t *testing.T, s Suite, r *trainer.Run, o *outcome) string {
	t.Helper()
	if err := s.New().Train(t.Context(), r); err != nil {
		t.Fatalf("Train = %v, log:\n%s", err, o.log.String())
	}
	return left(t, s, r)
}

func left(t *testing.T, s Suite, r *trainer.Run) string {
	t.Helper()
	if s.Leaves == nil {
		return ""
	}
	l, err := s.Leaves(r.Dir)
	if err != nil {
		t.Fatalf("Leaves: %v", err)
	}
	return l
}

func withSeed(config override.Value, seed int64) override.Value {
	return config.Set("seed", override.IntValue(seed))
}

func testName(t *testing.T, s Suite) {
	first, second := s.New().Name(), s.New().Name()
	if first == "" || first != second {
		t.Errorf("Name = %q and %q, want one fixed name", first, second)
	}
}

func testCheck(t *testing.T, s Suite) {
	tr := s.New()
	for name, config := range map[string]override.Value{"Config": s.Config, "Endless": s.Endless} {
		if errs := tr.Check(config); len(errs) > 0 {
			t.Errorf("Check(%s) = %v, want none", name, errs)
		}
	}
	if len(s.Bad) == 0 {
		t.Error("the suite names no bad parameter")
	}
	for _, f := range s.Bad {
		key := f.Key.Text()
		config := s.Config.Set(key, f.Val)
		named := false
		for _, err := range tr.Check(config) {
			var pe *trainer.ParamError
			named = named || errors.As(err, &pe) && pe.Key == key
		}
		if !named {
			t.Errorf("Check with %s = %s returns %v, want a *ParamError of that key", key, f.Val.Text(), tr.Check(config))
		}
		r, _ := attempt(t, config)
		if err := tr.Train(t.Context(), r); err == nil {
			t.Errorf("Train with %s = %s went through", key, f.Val.Text())
		}
	}
}

func testScore(t *testing.T, s Suite) {
	r, o := attempt(t, s.Config)
	finish(t, s, r, o)
	got, ok := o.results[s.Score]
	if !ok || !(got >= s.AtLeast) {
		t.Errorf("%s = %v, want at least %v; results %v", s.Score, got, s.AtLeast, o.results)
	}
}

func testFinite(t *testing.T, s Suite) {
	r, o := attempt(t, s.Config)
	finish(t, s, r, o)
	for name, x := range o.results {
		if name == "" || math.IsNaN(x) || math.IsInf(x, 0) {
			t.Errorf("result %q = %v", name, x)
		}
	}
	at := map[string]int64{}
	for _, row := range o.rows {
		if row.Name == "" || math.IsNaN(row.Value) || math.IsInf(row.Value, 0) {
			t.Errorf("row %+v", row)
		}
		if before, ok := at[row.Name]; ok && row.Step <= before {
			t.Errorf("series %s goes from step %d to %d", row.Name, before, row.Step)
		}
		at[row.Name] = row.Step
	}
	if len(o.results) == 0 {
		t.Error("no results")
	}
}

// same compares two fingerprints of attempts.
func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s\n got %s\nwant %s", what, strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func testSameSeed(t *testing.T, s Suite) {
	r1, o1 := attempt(t, s.Config)
	r2, o2 := attempt(t, s.Config)
	l1, l2 := finish(t, s, r1, o1), finish(t, s, r2, o2)
	same(t, "the same config twice", append(o2.bits(s, everything, true), l2), append(o1.bits(s, everything, true), l1))
}

func testOtherSeed(t *testing.T, s Suite) {
	r1, o1 := attempt(t, withSeed(s.Config, 1))
	r2, o2 := attempt(t, withSeed(s.Config, 2))
	l1, l2 := finish(t, s, r1, o1), finish(t, s, r2, o2)
	if slices.Equal(append(o1.bits(s, everything, true), l1), append(o2.bits(s, everything, true), l2)) {
		t.Error("seeds 1 and 2 give the same bits")
	}
}

// testConcurrent trains with two seeds, twice each, at once in one trainer.
func testConcurrent(t *testing.T, s Suite) {
	want := map[int64][]string{}
	for seed := int64(1); seed <= 2; seed++ {
		r, o := attempt(t, withSeed(s.Config, seed))
		l := finish(t, s, r, o)
		want[seed] = append(o.bits(s, everything, true), l)
	}
	tr := s.New()
	var wg sync.WaitGroup
	for i := range 4 {
		seed := int64(1 + i%2)
		r, o := attempt(t, withSeed(s.Config, seed))
		wg.Go(func() {
			if err := tr.Train(t.Context(), r); err != nil {
				t.Errorf("seed %d: Train = %v", seed, err)
				return
			}
			l := ""
			if s.Leaves != nil {
				var err error
				if l, err = s.Leaves(r.Dir); err != nil {
					t.Errorf("Leaves: %v", err)
				}
			}
			same(t, fmt.Sprintf("seed %d beside others", seed), append(o.bits(s, everything, true), l), want[seed])
		})
	}
	wg.Wait()
}

// preempted reports an end other than the one Stop asks for.
func preempted(t *testing.T, err error) {
	t.Helper()
	var f *trainer.Failure
	if !errors.As(err, &f) || f.Class != results.Preempted {
		t.Fatalf("asked to leave: Train = %v, want class %v (did the problem end first?)", err, results.Preempted)
	}
}

func testResume(t *testing.T, s Suite) {
	whole, want := attempt(t, s.Config)
	wantLeft := finish(t, s, whole, want)

	first, o1 := attempt(t, s.Config)
	for n := 1; ; n++ {
		stop := make(chan struct{})
		first.Stop, o1.onRow = stop, func() { close(stop) }
		err := s.New().Train(t.Context(), first)
		if err == nil && n < tries { // it was over before its first row was heard of
			first, o1 = attempt(t, s.Config)
			continue
		}
		preempted(t, err)
		break
	}
	if len(o1.files) == 0 {
		t.Fatal("left without a checkpoint")
	}
	for _, f := range o1.files {
		if info, err := os.Stat(filepath.Join(first.Dir, f)); err != nil || info.Size() == 0 {
			t.Errorf("checkpoint %s: %v, want a file with content", f, err)
		}
	}
	before := snapshot(t, first.Dir)

	second, o2 := attempt(t, s.Config)
	second.Resume = filepath.Dir(filepath.Join(first.Dir, o1.files[len(o1.files)-1]))
	gotLeft := finish(t, s, second, o2)
	// What the first attempt reported after its checkpoint is not continued.
	got := append(o1.bits(s, o1.step, false), o2.bits(s, everything, true)...)
	same(t, "interrupted and resumed", append(got, gotLeft), append(want.bits(s, everything, true), wantLeft))
	if len(o2.bits(s, o1.step, false)) > 0 {
		t.Errorf("the resumed attempt reported steps up to %d again:\n%s", o1.step, strings.Join(o2.bits(s, o1.step, false), "\n"))
	}
	same(t, "files of the earlier attempt", snapshot(t, first.Dir), before)
}

// snapshot lists the files of a folder with their content.
func snapshot(t *testing.T, dir string) []string {
	t.Helper()
	var files []string
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files = append(files, fmt.Sprintf("%s %x", path, b))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// start trains in the background and returns when there is a sign of life.
func start(t *testing.T, ctx context.Context, s Suite, r *trainer.Run, o *outcome) <-chan error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- s.New().Train(ctx, r) }()
	select {
	case <-o.alive:
	case err := <-done:
		t.Fatalf("Endless ended at once: %v", err)
	case <-time.After(patience):
		t.Fatalf("no row and no line of log in %v", patience)
	}
	return done
}

// obeyed starts endless trainings and asks them to leave until one does in time.
// How each of them ends is judged.
func obeyed(t *testing.T, s Suite, what string, judge func(error, *outcome), ask func(r *trainer.Run) (ctx context.Context, leave func())) {
	t.Helper()
	var took []time.Duration
	for range tries {
		r, o := attempt(t, s.Endless)
		ctx, leave := ask(r)
		done := start(t, ctx, s, r, o)
		begin := time.Now()
		leave()
		select {
		case err := <-done:
			took = append(took, time.Since(begin))
			judge(err, o)
		case <-time.After(patience):
			t.Fatalf("%s: still there after %v", what, patience)
		}
		if t.Failed() || took[len(took)-1] <= obey {
			return
		}
	}
	t.Errorf("%s: left after %v, want %v", what, took, obey)
}

func testStop(t *testing.T, s Suite) {
	judge := func(err error, _ *outcome) { preempted(t, err) }
	obeyed(t, s, "Stop closed", judge, func(r *trainer.Run) (context.Context, func()) {
		stop := make(chan struct{})
		r.Stop = stop
		return t.Context(), func() { close(stop) }
	})
}

func testContext(t *testing.T, s Suite) {
	judge := func(err error, o *outcome) {
		if err == nil {
			t.Error("context ended: Train = nil, want an error")
		}
		if x, ok := o.results[s.Score]; ok {
			t.Errorf("a run that was cut off has the result %s = %v", s.Score, x)
		}
	}
	obeyed(t, s, "context ended", judge, func(*trainer.Run) (context.Context, func()) {
		return context.WithCancel(t.Context())
	})
}

func testFolder(t *testing.T, s Suite) {
	r, o := attempt(t, s.Config)
	finish(t, s, r, o)
	if files := snapshot(t, r.Workdir); len(files) > 0 {
		t.Errorf("the run left files outside its folder: %q", files)
	}
}
