package nn

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	G "gorgonia.org/gorgonia"

	"orch/sweep/override"
	"orch/trainer"
	"orch/trainer/data"
	"orch/trainer/trainertest"
)

// finalWeights are the parameters in a run's last checkpoint, by name.
func finalWeights(t testing.TB, run *trainer.Run, file string) map[string][]float32 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(run.Dir, "ckpt", file))
	if err != nil {
		t.Fatal(err)
	}
	c, err := decoded(b)
	if err != nil {
		t.Fatal(err)
	}
	w := map[string][]float32{}
	for name, x := range c.f32 {
		if n, ok := strings.CutPrefix(name, "weight/"); ok {
			w[n] = x
		}
	}
	return w
}

// TestAccumulate: k batches per update are one batch k times as large, up to
// the order of additions.
func TestAccumulate(t *testing.T) {
	pairs := []any{"training.optimizer", "sgd", "training.momentum", 0, "training.lr", 0.1, "training.epochs", 2}
	large, _ := train(t, config(t, append(pairs, "training.batch", 400)...))
	small, _ := train(t, config(t, append(pairs, "training.batch", 100, "training.accumulate", 4)...))
	want := finalWeights(t, large, lastFile)
	for name, got := range finalWeights(t, small, lastFile) {
		for i := range got {
			if math.Abs(float64(got[i]-want[name][i])) > 2e-6 {
				t.Fatalf("%s[%d] = %v, want %v", name, i, got[i], want[name][i])
			}
		}
	}
}

// TestClipNorm: with plain SGD an update is rate*gradient, so its length shows
// the clipping; without it the first update is longer.
func TestClipNorm(t *testing.T) {
	moved := func(clip float64, accumulate int) float64 {
		c := config(t, "training.optimizer", "sgd", "training.momentum", 0, "training.lr", 0.5, "training.clip_norm", clip, "training.batch", 64, "training.accumulate", accumulate)
		run, _ := attempt(t, c)
		var before, after [][]float32
		p, _ := parse(c)
		src, err := data.Load(p.Data.spec(""))
		if err != nil {
			t.Fatal(err)
		}
		s, err := newSession(&p, run, src)
		if err != nil {
			t.Fatal(err)
		}
		copyOf := func() (all [][]float32) {
			for _, w := range s.weights.list {
				all = append(all, slices.Clone(w.data))
			}
			return all
		}
		before = copyOf()
		if err := s.step(10); err != nil {
			t.Fatal(err)
		}
		after = copyOf()
		sum := 0.0
		for k := range after {
			for i := range after[k] {
				d := float64(after[k][i] - before[k][i])
				sum += d * d
			}
		}
		return math.Sqrt(sum) / 0.5
	}
	for _, accumulate := range []int{1, 3} {
		if got := moved(0.01, accumulate); math.Abs(got-0.01) > 1e-5 {
			t.Errorf("accumulate %d: clipped gradient has norm %v, want 0.01", accumulate, got)
		}
		free := moved(0, accumulate)
		if free < 0.1 {
			t.Fatalf("accumulate %d: gradient has norm %v: too short to test with", accumulate, free)
		}
		if got := moved(100, accumulate); got != free {
			t.Errorf("accumulate %d: a limit of 100 changes the norm %v to %v", accumulate, free, got)
		}
	}
}

func TestNorm(t *testing.T) {
	got, err := norm([]G.ValueGrad{pair{make([]float32, 6), []float32{1, -2, 3, 4, 5, 6}}, pair{[]float32{0}, []float32{3}}})
	if want := 10.; err != nil || got != want {
		t.Errorf("norm = %v, %v; want %v", got, err, want)
	}
}

func TestSchedules(t *testing.T) {
	c := &Training{LRFactor: 0.5, LREvery: 3}
	for _, tt := range []struct {
		name ScheduleName
		at   moment
		want float64
	}{
		{"constant", moment{update: 1}, 1},
		{"constant", moment{update: 100, epoch: 9, reductions: 3}, 1},
		{"cosine", moment{update: 1}, 1},
		{"cosine", moment{update: 51}, 0.5},
		{"cosine", moment{update: 101}, 0},
		{"step", moment{epoch: 2}, 1},
		{"step", moment{epoch: 3}, 0.5},
		{"step", moment{epoch: 8}, 0.25},
		{"plateau", moment{epoch: 8}, 1},
		{"plateau", moment{reductions: 3}, 0.125},
	} {
		tt.at.total = 100
		if got := schedules[tt.name](c, tt.at); math.Abs(got-tt.want) > 1e-12 {
			t.Errorf("%s at %+v = %v, want %v", tt.name, tt.at, got, tt.want)
		}
	}
}

func TestPatience(t *testing.T) {
	var p patience
	var got []int
	for _, loss := range []float64{5, 4, 4, 3.95, 3.5, 6, 3.45, 3} {
		p.see(loss, 0.1)
		got = append(got, p.Waited)
	}
	if want := []int{0, 0, 1, 2, 0, 1, 2, 0}; !slices.Equal(got, want) {
		t.Errorf("waited = %v, want %v", got, want)
	}
}

// TestEarlyStop: a learning rate of nearly nothing stands still, so the run
// ends after one epoch and its patience; "best" tests the first epoch's
// parameters, which then are all but the last.
func TestEarlyStop(t *testing.T) {
	run, rec := attempt(t, config(t, "training.lr", 1e-12, "training.epochs", 50, "training.patience", 3, "training.min_delta", 1e-3))
	var log bytes.Buffer
	run.Log = &log
	if err := New().Train(context.Background(), run); err != nil {
		t.Fatal(err)
	}
	if rec.results["epochs"] != 4 || !strings.Contains(log.String(), "stopped after 4 of 50 epochs: no lower validation loss for 3") {
		t.Errorf("epochs = %v, want 4; log:\n%s", rec.results["epochs"], &log)
	}
}

// TestEvaluateBest: the test speaks of the parameters in best.ckpt. With a
// wild learning rate the last epoch is not the best.
func TestEvaluateBest(t *testing.T) {
	pairs := []any{"training.optimizer", "sgd", "training.lr", 0.6, "training.epochs", 6, "seed", 3}
	last, lastRec := train(t, config(t, pairs...))
	best, bestRec := train(t, config(t, append(pairs, "training.evaluate", "best")...))
	if lastRec.results["test.loss"] == bestRec.results["test.loss"] {
		t.Fatal("best and last give the same test loss: nothing is tested here")
	}
	if got, want := fmt.Sprint(finalWeights(t, best, lastFile)), fmt.Sprint(finalWeights(t, last, lastFile)); got != want {
		t.Error("last.ckpt depends on which parameters are tested")
	}
	run, rec := attempt(t, config(t, pairs...))
	if err := New().Evaluate(t.Context(), run, filepath.Join(best.Dir, "ckpt", bestFile)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"test.loss", "test.accuracy", "test.f1"} {
		if got, want := bestRec.results[name], rec.results[name]; got != want || want == 0 {
			t.Errorf("%s = %v, that of best.ckpt is %v", name, got, want)
		}
	}
	run, _ = attempt(t, config(t, "model.width", 17, "seed", 3))
	err := New().Evaluate(t.Context(), run, filepath.Join(best.Dir, "ckpt", bestFile))
	if want := "best.ckpt: is of another config: model.width is 16, here 17"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Evaluate with another model = %v, want an error with %q", err, want)
	}
}

func TestTooLarge(t *testing.T) {
	d := &design{model: &Model{Kind: "mlp", Layers: 2, Width: 65536}, goal: classify{2}, image: []int{65536}, weights: new(weights), gemm: new(multiplier)}
	_, err := d.network(1, true)
	if want := `build model "mlp": layer1.weight has 65536 x 65536 weights, want at most 268435456: make the model smaller`; err == nil || err.Error() != want {
		t.Errorf("network = %v, want %s", err, want)
	}
}

// TestAutomaticCheckpoints uses a clock that runs at a speed of its own.
func TestAutomaticCheckpoints(t *testing.T) {
	for _, tt := range []struct {
		second time.Duration // a reading of the clock moves it on by this
		want   string
	}{
		{0, "[]"},
		{2 * time.Second, "[6 ckpt/last.ckpt]"}, // a run of about half a minute
		{20 * time.Second, "[3 ckpt/last.ckpt 6 ckpt/last.ckpt]"}, // over a minute an epoch
	} {
		run, rec := attempt(t, config(t, "training.batch", 500, "training.checkpoint_every", -1))
		now := time.Unix(0, 0)
		tr := &Trainer{now: func() time.Time { now = now.Add(tt.second); return now }}
		if err := tr.Train(context.Background(), run); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(rec.ckpts); got != tt.want {
			t.Errorf("clock of %v a reading: checkpoints %s, want %s", tt.second, got, tt.want)
		}
		if _, err := os.Stat(filepath.Join(run.Dir, "ckpt", bestFile)); err != nil {
			t.Errorf("clock of %v a reading: %v", tt.second, err)
		}
	}
}

// TestScores compares with sums done by hand, for the matrix
//
//	taken for  a b c
//	a          3 1 0
//	b          2 2 0
//	c          0 0 0   (no example)
func TestScores(t *testing.T) {
	c := &confusion{classes: 3, counts: []int{3, 1, 0, 2, 2, 0, 0, 0, 0}, n: 8}
	a, b := 2*3./(4+5), 2*2./(4+3)
	for i, want := range []measure{{"loss", 0}, {"accuracy", 5. / 8}, {"f1", (a + b) / 2}} {
		if got := c.measures()[i]; got.Name != want.Name || math.Abs(got.Value-want.Value) > 1e-12 {
			t.Errorf("measure %d = %v, want %v", i, got, want)
		}
	}
	var buf strings.Builder
	if err := c.write(&buf, []string{"a", "b", "c, d"}); err != nil {
		t.Fatal(err)
	}
	want := `class,examples,precision,recall,f1,taken for a,taken for b,"taken for c, d"
a,4,0.6,0.75,0.666667,3,1,0
b,4,0.666667,0.5,0.571429,2,2,0
"c, d",0,0,0,0,0,0,0
`
	if buf.String() != want {
		t.Errorf("confusion.csv\n%s\nwant\n%s", &buf, want)
	}
}

// TestConfusionFile: every test example is counted once, and the diagonal is
// the accuracy.
func TestConfusionFile(t *testing.T) {
	run, rec := train(t, config(t))
	f, err := os.Open(filepath.Join(run.Dir, "confusion.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	total, right := 0, 0
	for k, row := range rows[1:] {
		for j, cell := range row[5:] {
			n, err := strconv.Atoi(cell)
			if err != nil {
				t.Fatal(err)
			}
			total += n
			if j == k {
				right += n
			}
		}
	}
	if total != 359 || float64(right)/359 != rec.results["test.accuracy"] {
		t.Errorf("confusion.csv counts %d examples, %d right; want 359, and accuracy %v", total, right, rec.results["test.accuracy"])
	}
	run, _ = train(t, config(t, "training.confusion", false))
	if _, err := os.Stat(filepath.Join(run.Dir, "confusion.csv")); err == nil {
		t.Error("confusion.csv is there although the config says no")
	}
}

// table writes a table of y = 3a - 2b + 10 + noise, in units far from 1, into
// a run's working directory, and c, a class that depends on y.
func table(t testing.TB, dir string, noise float64) {
	t.Helper()
	r := rand.New(rand.NewPCG(8, 8))
	var b strings.Builder
	b.WriteString("a,colour,b,y,c\n")
	for range 400 {
		x, z := 1000*r.NormFloat64(), 0.01*r.NormFloat64()
		y := 3*x/1000 - 2*z/0.01 + 10 + noise*r.NormFloat64()
		class := "low"
		if y > 10 {
			class = "high"
		}
		fmt.Fprintf(&b, "%v,%s,%v,%v,%s\n", x, []string{"red", "blue"}[r.IntN(2)], z, y, class)
	}
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestRegression: linear regression must find the line, and its errors must
// be those of the noise: rmse 0.5, mae 0.5*sqrt(2/pi), and r2 1 - 0.25/13.25.
// With 80 test examples they scatter by about 8% (1/sqrt(2*80)).
func TestRegression(t *testing.T) {
	run, rec := attempt(t, config(t, "data.name", "csv", "data.file", "t.csv", "data.target", "y", "data.task", "regression", "data.drop", []any{"c"},
		"model.kind", "linear", "training.optimizer", "sgd", "training.lr", 0.05, "training.epochs", 30, "seed", 5))
	table(t, run.Workdir, 0.5)
	if err := New().Train(context.Background(), run); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]float64{"test.rmse": 0.5, "test.mae": 0.5 * math.Sqrt(2/math.Pi), "test.r2": 1 - 0.25/13.25} {
		if got := rec.results[name]; math.Abs(got-want) > 0.2*want {
			t.Errorf("%s = %v, want about %v", name, got, want)
		}
	}
	if _, err := os.Stat(filepath.Join(run.Dir, "confusion.csv")); err == nil {
		t.Error("a regression has a confusion matrix")
	}
}

// TestResiduals compares with the definitions.
func TestResiduals(t *testing.T) {
	run, _ := attempt(t, override.MapValue())
	if err := os.WriteFile(filepath.Join(run.Workdir, "t.csv"), []byte("x,y\n1,1\n1,2\n1,6\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := data.Load(data.Spec{Name: "csv", Dir: run.Workdir, File: "t.csv", Target: "y", Numbers: true})
	if err != nil {
		t.Fatal(err)
	}
	v := data.View{Set: src.All, Rows: []int{0, 1, 2}}
	r := (&regress{mean: 1, deviation: 2}).tally()
	for i, out := range []float32{0, 1, 2} { // in units: 1, 3, 5; errors 0, 1, -1
		r.add([]float32{out}, v, i)
	}
	want := []measure{{"loss", 2. / 3 / 4}, {"mae", 2. / 3}, {"rmse", math.Sqrt(2. / 3)}, {"r2", 1 - 2./14}}
	for i, got := range r.measures() {
		if got.Name != want[i].Name || math.Abs(got.Value-want[i].Value) > 1e-12 {
			t.Errorf("measure %d = %v, want %v", i, got, want[i])
		}
	}
	one := (&regress{mean: 1, deviation: 2}).tally()
	one.add([]float32{0}, v, 0)
	if m := one.measures(); len(m) != 3 {
		t.Errorf("measures of one example = %v, want no r2", m)
	}
}

// TestBaselines: logistic regression on the digits and on a table with text.
func TestBaselines(t *testing.T) {
	_, rec := train(t, config(t, "model.kind", "logistic", "training.epochs", 5, "training.lr", 0.01))
	if got := rec.results["test.accuracy"]; got < 0.9 {
		t.Errorf("logistic regression on the digits: test.accuracy = %v, want at least 0.9", got)
	}
	run, rec := attempt(t, config(t, "data.name", "csv", "data.file", "t.csv", "data.target", "c", "data.drop", []any{"y"},
		"model.kind", "logistic", "training.epochs", 20, "training.lr", 0.05))
	table(t, run.Workdir, 0)
	if err := New().Train(context.Background(), run); err != nil {
		t.Fatal(err)
	}
	if got := rec.results["test.accuracy"]; got < 0.95 {
		t.Errorf("logistic regression on a table that a line divides: test.accuracy = %v, want at least 0.95", got)
	}
}

func TestTrainSamples(t *testing.T) {
	run, _ := attempt(t, config(t, "data.train_samples", 100, "training.batch", 10))
	var log bytes.Buffer
	run.Log = &log
	updates := int64(0)
	if err := (&Trainer{onStep: func(u int64) { updates = u }}).Train(context.Background(), run); err != nil {
		t.Fatal(err)
	}
	if want := "100 examples to train, 180 to validate, 359 to test"; updates != 20 || !strings.Contains(log.String(), want) {
		t.Errorf("%d updates in 2 epochs, want 20, and %q in\n%s", updates, want, &log)
	}
	run, _ = attempt(t, config(t, "data.train_samples", 5000))
	if err := New().Train(context.Background(), run); err == nil || !strings.Contains(err.Error(), "data.train_samples is 5000, but only 1258") {
		t.Errorf("Train on more than there is = %v", err)
	}
}

// TestThreads: threads change no bit. 3 threads do not divide a batch of 128,
// and the last batch has fewer images than 100.
func TestThreads(t *testing.T) {
	for name, pairs := range map[string][]any{
		"mlp":      {"model.layers", 3, "model.width", 200},
		"cnn":      {"model.kind", "cnn", "model.channels", []any{3, 8}, "model.dropout", 0.1, "data.train_samples", 300},
		"cnn_seed": {"model.kind", "cnn_seed", "model.channels", []any{8, 3}, "data.train_samples", 300},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(t, append(pairs, "training.epochs", 1, "training.batch", 128)...)
			var want string
			var scores float64
			for _, threads := range []int{1, 3, 100} {
				run, rec := attempt(t, c)
				run.Threads = threads
				if err := New().Train(context.Background(), run); err != nil {
					t.Fatal(err)
				}
				got, loss := weightsOf(t, run), rec.results["test.loss"]
				if want == "" {
					want, scores = got, loss
				} else if got != want || loss != scores {
					t.Errorf("%d threads: parameters %s, test.loss %v; want %s, %v", threads, got, loss, want, scores)
				}
			}
		})
	}
}

// TestConformanceCNN runs the suite with a convolutional network, dropout and
// everything that can be switched on.
func TestConformanceCNN(t *testing.T) {
	pairs := []any{"model.kind", "cnn", "model.channels", []any{8, 8}, "model.dropout", 0.1, "training.optimizer", "adamw", "training.lr", 0.01,
		"training.weight_decay", 0.01, "training.clip_norm", 5, "training.accumulate", 2, "training.schedule", "plateau", "training.patience", 50,
		"training.evaluate", "best", "data.train_samples", 600}
	trainertest.Run(t, trainertest.Suite{
		New:     func() trainer.Trainer { return New() },
		Config:  config(t, append(pairs, "training.epochs", 6)...),
		Endless: config(t, append(pairs, "training.epochs", 1_000_000, "training.patience", 0)...),
		Score:   "test.accuracy", AtLeast: 0.8,
		Bad: []override.Field{
			{Key: override.StringValue("model.channels.1"), Val: override.IntValue(0)},
			{Key: override.StringValue("model.dropout"), Val: override.IntValue(1)},
			{Key: override.StringValue("training.evaluate"), Val: override.StringValue("first")},
		},
		Volatile: []string{"seconds", "samples_per_second"},
		Leaves:   leaves,
	})
}
