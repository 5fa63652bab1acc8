package nn

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
)

// config builds a config from dotted keys and plain values, on top of a small
// problem on the digits.
func config(t testing.TB, pairs ...any) override.Value {
	t.Helper()
	pairs = append([]any{"trainer", "nn", "seed", 1, "model.width", 16, "training.epochs", 2, "training.checkpoint_every", 1000}, pairs...)
	v := override.MapValue()
	for i := 0; i < len(pairs); i += 2 {
		x, err := override.FromAny(pairs[i+1])
		if err != nil {
			t.Fatal(err)
		}
		v = v.Set(pairs[i].(string), x)
	}
	return v
}

// record keeps what a run reports.
type record struct {
	mu      sync.Mutex
	rows    []string // step name value, in order
	results map[string]float64
	ckpts   []string
}

func (r *record) Log(step int64, name string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, fmt.Sprintf("%d %s %x", step, name, math.Float64bits(value)))
}

func (r *record) Result(name string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results == nil {
		r.results = map[string]float64{}
	}
	r.results[name] = value
}

func (r *record) Checkpoint(step int64, file string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ckpts = append(r.ckpts, fmt.Sprintf("%d %s", step, file))
}

// attempt is a run in a fresh folder.
func attempt(t testing.TB, config override.Value) (*trainer.Run, *record) {
	t.Helper()
	rec := new(record)
	return &trainer.Run{Config: config, Dir: t.TempDir(), Workdir: t.TempDir(), Threads: 1, Log: io.Discard, Metrics: rec}, rec
}

// train runs a config to its end and returns what it reported.
func train(t testing.TB, config override.Value) (*trainer.Run, *record) {
	t.Helper()
	run, rec := attempt(t, config)
	if err := New().Train(context.Background(), run); err != nil {
		t.Fatal(err)
	}
	return run, rec
}

// weightsOf is a hash of the parameters and moments in a run's last checkpoint.
func weightsOf(t testing.TB, run *trainer.Run) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(run.Dir, "ckpt", "last.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := decoded(b)
	if err != nil {
		t.Fatal(err)
	}
	h := sha256.New()
	for _, bl := range c.Blocks {
		fmt.Fprintln(h, bl, c.f32[bl.Name], c.u32[bl.Name])
	}
	fmt.Fprintln(h, c.Shuffle)
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}

// TestPresets is the shipped example: three networks on the digits, five seeds
// each. The bounds leave room for the spread over seeds; see the log.
func TestPresets(t *testing.T) {
	seeds := 5
	if testing.Short() {
		seeds = 1
	}
	for _, layers := range []int{2, 5, 7} {
		var sum, worst, seconds float64
		worst = 1
		for seed := range seeds {
			_, rec := train(t, config(t, "seed", seed, "model.layers", layers, "model.width", 128, "training.epochs", 3,
				"training.batch", 32, "training.optimizer", "adam", "training.lr", 0.001))
			acc := rec.results["test.accuracy"]
			sum, worst, seconds = sum+acc, min(worst, acc), seconds+rec.results["seconds"]
		}
		t.Logf("net%d: test.accuracy mean %.4f, worst %.4f; %.3f s a run", layers, sum/float64(seeds), worst, seconds/float64(seeds))
		if worst < 0.85 {
			t.Errorf("net%d: worst test.accuracy of %d seeds = %.4f, want at least 0.85", layers, seeds, worst)
		}
	}
}

func TestResumeFromWhatCannotBeUsed(t *testing.T) {
	c := config(t, "training.batch", 500)
	whole, _ := train(t, c)
	good, err := os.ReadFile(filepath.Join(whole.Dir, "ckpt", "last.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	flipped := slices.Clone(good)
	flipped[len(flipped)/2] ^= 1
	other, _ := train(t, config(t, "training.batch", 500, "training.lr", 0.002))
	foreign, err := os.ReadFile(filepath.Join(other.Dir, "ckpt", "last.ckpt"))
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		file []byte
		want string
	}{
		"none":    {nil, "no such file"},
		"torn":    {good[:len(good)/2], "elements"},
		"flipped": {flipped, "damaged"},
		"foreign": {foreign, "is of another config: training.lr is 0.002, here 0.001"},
	} {
		t.Run(name, func(t *testing.T) {
			run, _ := attempt(t, c)
			run.Resume = t.TempDir()
			var log bytes.Buffer
			run.Log = &log
			if tt.file != nil {
				if err := os.WriteFile(filepath.Join(run.Resume, "last.ckpt"), tt.file, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if err := New().Train(context.Background(), run); err != nil {
				t.Fatal(err)
			}
			if !strings.Contains(log.String(), "starting over") || !strings.Contains(log.String(), tt.want) {
				t.Errorf("log does not say that it starts over because %q:\n%s", tt.want, &log)
			}
			if got, want := weightsOf(t, run), weightsOf(t, whole); got != want {
				t.Errorf("parameters %s, want those of a fresh run, %s", got, want)
			}
		})
	}
}

func TestCheckpointEvery(t *testing.T) {
	for every, want := range map[int]string{
		-1: "[]", // over in an instant
		0:  "[]",
		1:  "[3 ckpt/last.ckpt 6 ckpt/last.ckpt 9 ckpt/last.ckpt 12 ckpt/last.ckpt]",
		3:  "[9 ckpt/last.ckpt 12 ckpt/last.ckpt]",
	} {
		_, rec := train(t, config(t, "training.batch", 500, "training.epochs", 4, "training.checkpoint_every", every))
		if got := fmt.Sprint(rec.ckpts); got != want {
			t.Errorf("checkpoint_every = %d: checkpoints %s, want %s", every, got, want)
		}
	}
}

// A checkpoint that cannot be written costs the checkpoint, not the run; but
// who is asked to leave must not claim to have one.
func TestCheckpointUnwritable(t *testing.T) {
	block := func(run *trainer.Run) {
		if err := os.WriteFile(filepath.Join(run.Dir, "ckpt"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run, rec := attempt(t, config(t))
	block(run)
	if err := New().Train(context.Background(), run); err != nil || len(rec.ckpts) != 0 || rec.results["test.accuracy"] == 0 {
		t.Errorf("Train = %v, checkpoints %v, results %v; want the results alone", err, rec.ckpts, rec.results)
	}
	run, rec = attempt(t, config(t))
	block(run)
	stop := make(chan struct{})
	close(stop)
	run.Stop = stop
	if err := New().Train(context.Background(), run); err == nil || errors.Is(err, trainer.ErrPreempted) || len(rec.ckpts) != 0 {
		t.Errorf("asked to leave: Train = %v, checkpoints %v; want an error and none", err, rec.ckpts)
	}
}

func TestDiverged(t *testing.T) {
	run, rec := attempt(t, config(t, "training.optimizer", "sgd", "training.lr", 1000, "model.layers", 7))
	err := New().Train(context.Background(), run)
	var f *trainer.Failure
	if !errors.As(err, &f) || f.Class != results.Diverged || !strings.Contains(err.Error(), "lower training.lr (now 1000)") {
		t.Errorf("Train = %v, want diverged and what to lower", err)
	}
	if _, ok := rec.results["test.accuracy"]; ok {
		t.Error("a diverged run has a result")
	}
}

func TestMissingData(t *testing.T) {
	run, _ := attempt(t, config(t, "data.name", "mnist", "data.dir", "nowhere"))
	err := New().Train(context.Background(), run)
	var f *trainer.Failure
	want := filepath.Join(run.Workdir, "nowhere") + " has not the files train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte: put them there"
	if !errors.As(err, &f) || f.Class != results.BadSetup || !strings.Contains(err.Error(), want) {
		t.Errorf("Train = %v, want bad setup: %s", err, want)
	}
}

func TestNoValidationNoTest(t *testing.T) {
	run, rec := train(t, config(t, "data.val_fraction", 0, "data.test_fraction", 0))
	for _, name := range []string{"val.accuracy", "test.accuracy"} {
		if _, ok := rec.results[name]; ok {
			t.Errorf("%s = %v without such a part", name, rec.results[name])
		}
	}
	if rec.results["train.loss"] == 0 {
		t.Error("no train.loss")
	}
	if _, err := os.Stat(filepath.Join(run.Dir, "ckpt", "best.ckpt")); err != nil {
		t.Errorf("without validation the last is the best: %v", err)
	}
}

func TestContextEnds(t *testing.T) {
	run, _ := attempt(t, config(t))
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("out of patience")
	cancel(cause)
	err := New().Train(ctx, run)
	var f *trainer.Failure
	if !errors.As(err, &f) || f.Class != results.Cancelled || !errors.Is(err, cause) {
		t.Errorf("Train = %v, want cancelled: %v", err, cause)
	}
}

func TestCheck(t *testing.T) {
	for _, tt := range []struct {
		name  string
		pairs []any
		want  string
	}{
		{"fine", nil, "[]"},
		{"orch's own keys", []any{"launcher.name", "pool", "study", nil, "sweep.seed", 1, "task.x", 1, "name", "n", "retry.n", 1, "volatile", []any{}}, "[]"},
		{"a key of one's own", []any{"env", "x"}, "[env: unknown key]"},
		{"int for float", []any{"training.lr", 1}, "[]"},
		{"misspelled", []any{"training.learning_rate", 0.1}, "[training.learning_rate: unknown key]"},
		{"optimiser", []any{"training.optimizer", "adan"}, `[training.optimizer: is "adan", want one of adam, adamw, sgd (did you mean "adam"?)]`},
		{"data", []any{"data.name", "digit"}, `[data.name: is "digit", want one of csv, digits, idx, mnist (did you mean "digits"?)]`},
		{"seed", []any{"seed", 1.5}, "[seed: is the float 1.5, want an int]"},
		{"split", []any{"data.val_fraction", 0.5, "data.test_fraction", 0.5}, "[data.val_fraction: is 0.5, which with data.test_fraction = 0.5 leaves nothing to train on, want a sum below 1]"},
		{"size", []any{"model.width", 60000, "model.layers", 3}, "[model.width: is 60000, which with 3 layers makes 3600000000 weights, want at most 268435456]"},
		{"many", []any{"training.lr", 0, "training.batch", 0, "model.layers", 0}, "[model.layers: is 0, want 1 to 100 training.lr: is 0, want more than 0 and at most 1000 training.batch: is 0, want 1 to 65536]"},
	} {
		if got := fmt.Sprint(New().Check(config(t, tt.pairs...))); got != tt.want {
			t.Errorf("%s: Check\n got %s\nwant %s", tt.name, got, tt.want)
		}
	}
	for _, err := range New().Check(config(t, "training.lr", -1)) {
		var pe *trainer.ParamError
		if !errors.As(err, &pe) || pe.Key != "training.lr" {
			t.Errorf("Check returned %T %v, want a *ParamError of training.lr", err, err)
		}
	}
}

// TestSameBitsOnAnyMachine: how many CPUs there are changes nothing.
func TestSameBitsOnAnyMachine(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	c := config(t, "model.layers", 3, "model.width", 200, "training.epochs", 1, "training.batch", 128)
	var want string
	for _, procs := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(procs)
		run, _ := train(t, c)
		if got := weightsOf(t, run); want == "" {
			want = got
		} else if got != want {
			t.Errorf("GOMAXPROCS=%d: parameters %s, want %s", procs, got, want)
		}
	}
}

// TestNothingStays: a worker trains thousands of runs in one process, so none
// may leave memory or goroutines behind.
func TestNothingStays(t *testing.T) {
	c := config(t, "model.width", 256, "training.epochs", 1, "training.batch", 512, "training.checkpoint_every", 0)
	measure := func() (heap uint64, routines int) {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc, runtime.NumGoroutine()
	}
	train(t, c) // what a first run allocates for good
	heap, routines := measure()
	const runs = 20
	for range runs {
		train(t, c)
	}
	// A goroutine that has done its last may still be there, with what it holds.
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		heapAfter, routinesAfter := measure()
		grown := int64(heapAfter) - int64(heap)
		if grown <= runs*50_000 && routinesAfter <= routines { // one run holds over 1 MB
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d runs left %d bytes on the heap and %d goroutines", runs, grown, routinesAfter-routines)
		}
	}
}

// TestMNIST trains on the real files.
func TestMNIST(t *testing.T) {
	dir := os.Getenv("ORCH_TEST_MNIST")
	if dir == "" {
		t.Skip("ORCH_TEST_MNIST does not name the folder of MNIST's files")
	}
	_, rec := train(t, config(t, "data.name", "mnist", "data.dir", dir, "model.width", 64, "training.batch", 64, "training.epochs", 1))
	t.Logf("%v", rec.results)
	if got := rec.results["test.accuracy"]; got < 0.92 {
		t.Errorf("test.accuracy after one epoch = %v, want at least 0.92", got)
	}
}
