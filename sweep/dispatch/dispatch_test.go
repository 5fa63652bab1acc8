package dispatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"orch/launcher"
	"orch/launcher/pool"
	"orch/sweep"
	"orch/sweep/compose"
	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
)

// The workers of these tests are real processes: the test binary itself,
// started by the real pool.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "test-worker" {
		os.Exit(testWorker(os.Args[2], os.Args[3]))
	}
	os.Exit(m.Run())
}

// soonEnough bounds what takes seconds: only a test that fails waits so long.
const soonEnough = 3 * time.Minute

// testWorker executes runs whose config is {x, ms}: it sleeps and reports x.
// What a run does on its way is left in files of the tree's folder.
func testWorker(root, key string) int {
	tree, err := results.Open(root)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	s, err := tree.Sweep("s")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	h := results.Self()
	h.Key = os.Getenv(launcher.EnvKey)
	h.Index, _ = strconv.Atoi(os.Getenv(launcher.EnvIndex))
	leave := make(chan struct{})
	got := make(chan os.Signal, 1)
	signal.Notify(got, syscall.SIGTERM)
	go func() { <-got; close(leave) }()
	w := &trainer.Worker{Sweep: s, Group: key, Holder: h, Log: zerolog.New(os.Stdout),
		Trainer: func(override.Value) (trainer.Trainer, error) { return sleeper{root}, nil }}
	if _, err := w.Run(context.Background(), leave); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

type sleeper struct{ root string }

func (sleeper) Name() string                 { return "sleeper" }
func (sleeper) Check(override.Value) []error { return nil }
func (t sleeper) Train(ctx context.Context, r *trainer.Run) error {
	number := func(key string) int64 { v, _ := r.Config.Get(key); n, _ := v.Int(); return n }
	f, err := os.OpenFile(filepath.Join(t.root, "executed"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	fmt.Fprintf(f, "%s %d\n", r.Name, os.Getpid())
	f.Close()
	switch number("x") {
	case 99:
		return errors.New("this one always fails")
	case 77:
		return &trainer.Failure{Class: results.OutOfMemory, Exit: 137, Err: errors.New("never enough")}
	}
	for wait := time.Duration(number("ms")) * time.Millisecond; wait > 0; {
		select {
		case <-time.After(wait):
		case <-r.Stop:
			return trainer.ErrPreempted
		case <-ctx.Done():
			return ctx.Err()
		}
		if wait = 0; t.held(number("x")) {
			wait = 10 * time.Millisecond
		}
	}
	r.Metrics.Result("x", float64(number("x")))
	return nil
}

// held reports whether a run must not end yet: while the file "hold" is there,
// those do not whose x is what it says or more.
func (t sleeper) held(x int64) bool {
	b, err := os.ReadFile(filepath.Join(t.root, "hold"))
	if err != nil {
		return false
	}
	from, _ := strconv.ParseInt(string(b), 10, 64)
	return x >= from
}

// hold keeps runs from ending until release is called, see held.
func (f *fixture) hold(from int) (release func()) {
	f.t.Helper()
	name := filepath.Join(f.root, "hold")
	if err := os.WriteFile(name, []byte(strconv.Itoa(from)), 0o600); err != nil {
		f.t.Fatal(err)
	}
	return func() {
		if err := os.Remove(name); err != nil {
			f.t.Error(err)
		}
	}
}

// fixture is a tree with a sweep, and a dispatcher over the real pool.
type fixture struct {
	t    *testing.T
	root string
	tree *results.Tree
	s    *results.Sweep
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	root := t.TempDir()
	tree, err := results.Create(root, results.DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	s, err := tree.CreateSweep("s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); tree.Close() })
	return &fixture{t, root, tree, s}
}

// plan expands a small sweep file.
func (f *fixture) plan(text string) *sweep.Plan {
	f.t.Helper()
	plan, err := sweep.Expand(sweep.Request{Source: &compose.Source{Now: time.Now()}, Multirun: true,
		Primary: compose.Primary{Path: "sweep.toml", Text: []byte(text)}})
	if err != nil {
		f.t.Fatal(err)
	}
	return plan
}

// typedIn is the folder where the fixture's sweeps were submitted.
const typedIn = "/where/it/was/typed"

// inPlace tests that every segment, also of a retry, runs programs where the
// sweep was submitted.
func (f *fixture) inPlace() {
	f.t.Helper()
	p, err := f.s.Plan()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, seg := range p.Segments {
		if seg.Provenance.Dir != typedIn {
			f.t.Errorf("segment %d (%s) runs programs in %q, want %q", seg.Number, seg.Kind, seg.Provenance.Dir, typedIn)
		}
	}
}

func (f *fixture) publish(text string, kind results.Kind) *Published {
	f.t.Helper()
	return f.publishAs(text, kind, false)
}

func (f *fixture) publishAs(text string, kind results.Kind, rerun bool) *Published {
	f.t.Helper()
	pub, err := Publish(f.s, f.plan(text), Publication{Kind: kind, Rerun: rerun, Provenance: results.Provenance{Time: time.Now(), Dir: typedIn}, Workers: func(override.Value) (int, int, bool, error) { return 2, 1, false, nil }})
	if err != nil {
		f.t.Fatal(err)
	}
	return pub
}

func (f *fixture) dispatcher(argv ...string) *Dispatcher {
	f.t.Helper()
	exe, err := os.Executable()
	if err != nil {
		f.t.Fatal(err)
	}
	p, err := pool.Open(pool.Options{NJobs: 2, StateDir: filepath.Join(f.root, "backends", "pool"), Grace: soonEnough})
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { p.Close() })
	sn, err := f.s.Snapshot()
	if err != nil {
		f.t.Fatal(err)
	}
	return &Dispatcher{Sweep: f.s, Snapshot: sn,
		Workers: func(override.Value) (int, int, bool, error) { return 2, 1, false, nil },
		Launcher: func(_ context.Context, table override.Value) (launcher.Launcher, launcher.Spec, error) {
			spec, errs := launcher.Registry{pool.Backend}.ParseSpec(table.Any().(map[string]any))
			return p, spec, errors.Join(errs...)
		},
		Worker: func(key string, _ launcher.Spec) ([]string, []string, error) {
			if argv != nil {
				return argv, nil, nil
			}
			return []string{exe, "test-worker", f.root, key}, nil, nil
		},
	}
}

func (f *fixture) executed() map[string]int {
	b, _ := os.ReadFile(filepath.Join(f.root, "executed"))
	n := map[string]int{}
	for line := range strings.Lines(string(b)) {
		n[strings.Fields(line)[0]]++
	}
	return n
}

func (f *fixture) sound() {
	f.t.Helper()
	found, err := f.s.Check()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, x := range found {
		if x.Harm() {
			f.t.Errorf("fsck: %s: %s", x.File, x.Text)
		}
	}
}

const twelve = `
ms = 20
[launcher]
backend = "pool"
n_jobs = 2
[sweep]
x = "range(0,12)"
`

func TestDriveToTheEnd(t *testing.T) {
	f := newFixture(t)
	if pub := f.publish(twelve, results.KindPlan); pub.New != 12 || pub.Segment != 1 {
		t.Fatalf("first publish = %+v, want 12 new", pub)
	}
	out, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {})
	if err != nil {
		t.Fatal(err)
	}
	if out.Counts.Done != 12 || out.Left != 0 {
		t.Errorf("outcome = %+v, want 12 done", out.Counts)
	}
	for name, n := range f.executed() {
		if n != 1 {
			t.Errorf("%s was executed %d times", name, n)
		}
	}
	if pub := f.publish(twelve, results.KindPlan); pub.Segment != 0 || pub.Done != 12 {
		t.Errorf("second publish = %+v, want nothing new and 12 done", pub)
	}
	if out, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {}); err != nil || out.Started != 0 {
		t.Errorf("second drive started %d workers, %v; want none", out.Started, err)
	}
	f.sound()
}

func TestKilledWorkersAreReplaced(t *testing.T) {
	f := newFixture(t)
	f.publish(twelve, results.KindPlan)
	release := f.hold(0) // the runs wait until all that are to be killed are
	killed := map[string]bool{}
	d := f.dispatcher()
	out, err := d.Drive(t.Context(), nil, func(o *Outcome) {
		for _, c := range d.Snapshot.OpenClaims() {
			if len(killed) < 4 && !killed[c.Holder.Name] && c.Holder.Fate() == results.FateAlive {
				killed[c.Holder.Name] = true
				if p, err := os.FindProcess(c.Holder.PID); err == nil {
					p.Kill()
				}
				if len(killed) == 4 {
					release()
				}
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if out.Counts.Done != 12 || len(killed) != 4 {
		t.Errorf("%d killed, counts %+v; want 4 killed and 12 done", len(killed), out.Counts)
	}
	again := 0
	for _, n := range f.executed() {
		again += n - 1
	}
	if again > 4 {
		t.Errorf("%d runs were executed again; 4 kills cost at most 4", again)
	}
	f.sound()
}

// flaky is a launcher whose first submissions fail, and nobody knows why.
type flaky struct {
	launcher.Launcher
	failures int
}

func (l *flaky) Unwrap() launcher.Launcher { return l.Launcher }

func (l *flaky) Submit(ctx context.Context, r launcher.Request) (string, error) {
	if l.failures--; l.failures >= 0 {
		return "", errors.New("input/output error")
	}
	return l.Launcher.Submit(ctx, r)
}

// A submission that failed with an unknown outcome must not keep its own process
// from trying again: that process lives, so nobody would ever call it dead.
func TestFailedSubmissionIsTriedAgain(t *testing.T) {
	f := newFixture(t)
	f.publish(twelve, results.KindPlan)
	defer func(p time.Duration) { patience = p }(patience)
	patience = 0 // as where each Step takes longer
	d := f.dispatcher()
	inner := d.Launcher
	var l *flaky
	d.Launcher = func(ctx context.Context, table override.Value) (launcher.Launcher, launcher.Spec, error) {
		p, spec, err := inner(ctx, table)
		if l == nil {
			l = &flaky{p, 2}
		}
		return l, spec, err
	}
	ctx, cancel := context.WithTimeout(t.Context(), soonEnough)
	defer cancel()
	out, err := d.Drive(ctx, nil, func(*Outcome) {})
	if err != nil || out.Counts.Done != 12 {
		t.Fatalf("Drive = %+v, %v, want 12 done", out, err)
	}
	f.sound()
}

func TestLeaveAndGoOn(t *testing.T) {
	f := newFixture(t)
	f.publish(twelve, results.KindPlan)
	release := f.hold(2) // it is left in the middle, however long a Step takes
	leave := make(chan struct{})
	left := false
	out, err := f.dispatcher().Drive(t.Context(), leave, func(o *Outcome) {
		if !left && o.Counts.Done >= 2 {
			left = true
			close(leave)
		}
	})
	if !errors.Is(err, ErrInterrupted) || out.Workers != 0 {
		t.Fatalf("Drive = %+v, %v; want interrupted and no worker left", out, err)
	}
	sn, err := f.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if open := sn.OpenClaims(); len(open) != 0 {
		t.Errorf("%d claims are open after a clean leave", len(open))
	}
	release()
	out, err = f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {})
	if err != nil || out.Counts.Done != 12 {
		t.Errorf("second Drive = %+v, %v; want 12 done", out, err)
	}
	f.sound()
}

func TestTwoDriversAtOnce(t *testing.T) {
	f := newFixture(t)
	f.publish(twelve, results.KindPlan)
	errs := make(chan error, 2)
	for range 2 {
		d := f.dispatcher()
		go func() {
			out, err := d.Drive(t.Context(), nil, func(*Outcome) {})
			if err == nil && out.Counts.Done != 12 {
				err = fmt.Errorf("counts %+v", out.Counts)
			}
			errs <- err
		}()
	}
	for range 2 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for name, n := range f.executed() {
		if n != 1 {
			t.Errorf("%s was executed %d times", name, n)
		}
	}
	f.sound()
}

func TestBarrenWorkersAreNotStartedForEver(t *testing.T) {
	f := newFixture(t)
	f.publish(twelve, results.KindPlan)
	_, err := f.dispatcher("/bin/false").Drive(t.Context(), nil, func(*Outcome) {})
	if !errors.Is(err, ErrBarren) {
		t.Errorf("Drive = %v, want ErrBarren", err)
	}
}

func TestEditedPlanKeepsResults(t *testing.T) {
	f := newFixture(t)
	f.publish(twelve, results.KindPlan)
	if _, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {}); err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(twelve, "range(0,12)", "range(10,14)", 1)
	pub := f.publish(edited, results.KindPlan)
	if pub.Total != 4 || pub.New != 2 || pub.Done != 2 || pub.Dropped != 10 {
		t.Errorf("edited plan = %+v, want 2 new, 2 done, 10 dropped", pub)
	}
	out, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {})
	if err != nil || out.Counts.Done != 4 || out.Counts.Total != 4 || out.Counts.Unplanned != 10 {
		t.Errorf("counts = %+v, %v; want 4 planned of which all done, 10 unplanned", out.Counts, err)
	}
	f.sound()
}

// What is no part of a run's identity may be edited too, and holds for the runs
// that wait and for the next tries.
func TestEditedTimeoutIsNews(t *testing.T) {
	f := newFixture(t)
	f.publish("threads = 1\n"+twelve, results.KindPlan)
	if pub := f.publish("threads = 1\n"+twelve, results.KindPlan); pub.Segment != 0 {
		t.Errorf("the same again = %+v, want no segment", pub)
	}
	if pub := f.publish("threads = 2\n"+twelve, results.KindPlan); pub.Segment != 2 || pub.New != 0 || pub.Open != 12 {
		t.Errorf("edited = %+v, want segment 2 about the 12 runs there are", pub)
	}
	sn, err := f.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	config, err := sn.Plan.Runs[0].Config()
	if v, _ := config.Get("threads"); err != nil || v.Text() != "2" {
		t.Errorf("the first run has threads = %s, %v, want 2", v.Text(), err)
	}
}

func TestRetryAndRerun(t *testing.T) {
	f := newFixture(t)
	text := strings.Replace(twelve, "range(0,12)", "98,99", 1)
	f.publish(text, results.KindPlan)
	drive := func() results.Counts {
		t.Helper()
		out, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {})
		if err != nil {
			t.Fatal(err)
		}
		return out.Counts
	}
	if c := drive(); c.Done != 1 || c.Failed != 1 {
		t.Fatalf("counts = %+v, want one done, one failed", c)
	}
	if pub := f.publish(text, results.KindPlan); pub.Segment != 0 || pub.Failed != 1 {
		t.Errorf("a plain submit = %+v, want it to leave the failed run alone", pub)
	}
	r, err := Retry(f.s, func(results.RunState) bool { return true }, "test", Publication{Provenance: results.Provenance{Time: time.Now(), Dir: "/elsewhere"}, Workers: func(override.Value) (int, int, bool, error) { return 2, 1, false, nil }})
	if err != nil || r.Again != 1 {
		t.Fatalf("Retry = %+v, %v; want 1 again", r, err)
	}
	if c := drive(); c.Done != 1 || c.Failed != 1 {
		t.Errorf("after the retry: %+v, want the same", c)
	}
	f.inPlace()
	if n := f.executed(); len(n) != 2 || n["0000-x98-"+suffix(f, 0)] != 1 || n["0001-x99-"+suffix(f, 1)] != 2 {
		t.Errorf("executed %v, want the failed one twice and the other once", n)
	}
	if pub := f.publishAs(text, results.KindPlan, true); pub.Again != 2 || pub.Segment != 3 {
		t.Errorf("rerun = %+v, want both again, in one more segment", pub)
	}
	drive()
	sn, err := f.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	st := sn.Derive()[0]
	if st.State != results.StateDone || len(st.Attempts) != 2 || st.Counted != 1 {
		t.Errorf("after the rerun: %s with %d attempts, counted %d; want the second to count", st.State, len(st.Attempts), st.Counted)
	}
	f.sound()
}

func suffix(f *fixture, i int) string {
	p, err := f.s.Plan()
	if err != nil {
		f.t.Fatal(err)
	}
	return p.Runs[i].ID[:4]
}

func TestThePolicyTriesAgain(t *testing.T) {
	f := newFixture(t)
	f.publish(`
ms = 1
[retry]
failed = 2
out_of_memory = 1
memory_factor = 3
[launcher]
backend = "pool"
n_jobs = 2
mem = "10M"
[sweep]
x = [1, 77, 99]
`, results.KindPlan)
	out, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {})
	if err != nil {
		t.Fatal(err)
	}
	if out.Counts.Done != 1 || out.Counts.Failed != 2 {
		t.Errorf("counts = %+v, want 1 done, 2 failed", out.Counts)
	}
	want := map[string]int{"x1": 1, "x77": 2, "x99": 3}
	for name, n := range f.executed() {
		if x := strings.Split(name, "-")[1]; want[x] != n {
			t.Errorf("%s was executed %d times, want %d", name, n, want[x])
		}
	}
	raised := false
	sn, err := f.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for _, seg := range sn.Plan.Segments {
		for _, g := range seg.Groups {
			mem, _ := g.Launcher.Lookup("mem")
			raised = raised || mem.Text() == "30M"
		}
	}
	f.inPlace()
	if !raised {
		t.Error("no segment asks for 30M: the memory was not raised")
	}
	f.sound()
}
