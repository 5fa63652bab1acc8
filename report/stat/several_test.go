package stat

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

// several holds SciPy's numbers; testdata/generate_several.py makes it.
type several struct {
	Friedman []struct {
		X            [][]float64
		Statistic, P float64
		Ranks        []float64
	}
	Range []struct {
		K        int
		Alpha, Q float64
	}
	IQM []struct {
		X   []float64
		IQM float64
	}
}

func readSeveral(t *testing.T) several {
	t.Helper()
	b, err := os.ReadFile("testdata/several.json")
	if err != nil {
		t.Fatal(err)
	}
	var g several
	if err := json.Unmarshal(b, &g); err != nil {
		t.Fatal(err)
	}
	if len(g.Friedman) < 7 || len(g.Range) < 18 || len(g.IQM) < 8 {
		t.Fatal("several.json is damaged")
	}
	return g
}

func TestFriedmanAgainstSciPy(t *testing.T) {
	for i, c := range readSeveral(t).Friedman {
		r, ranks, err := Friedman(c.X)
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("case %d: ", i)
		near(t, name+"statistic", r.Statistic, c.Statistic)
		near(t, name+"p", r.P, c.P)
		for j := range ranks {
			near(t, name+"rank", ranks[j], c.Ranks[j])
		}
	}
}

func TestFriedmanEdges(t *testing.T) {
	if _, _, err := Friedman([][]float64{{1, 2, 3}}); !errors.Is(err, ErrTooFew) {
		t.Errorf("one data set: %v, want ErrTooFew", err)
	}
	if _, _, err := Friedman([][]float64{{1, 1}, {2, 2}}); !errors.Is(err, ErrNoSpread) {
		t.Errorf("all tied: %v, want ErrNoSpread", err)
	}
	if _, _, err := Friedman([][]float64{{1, 2}, {2}}); err == nil {
		t.Error("uneven rows: no error")
	}
	r, _, err := Friedman([][]float64{{1, 2, 3}, {1, math.NaN(), 3}, {1, 2, 3}, {1, 2, 3}})
	if err != nil || r.Excluded != 1 || r.N != 3 {
		t.Errorf("a NaN: n = %d, excluded %d, %v; want 3 and 1", r.N, r.Excluded, err)
	}
}

func TestNemenyiAgainstSciPy(t *testing.T) {
	for _, c := range readSeveral(t).Range {
		near(t, fmt.Sprintf("rangeQuantile(%v, %d)", 1-c.Alpha, c.K), rangeQuantile(1-c.Alpha, c.K), c.Q)
		d, err := NemenyiDistance(c.K, 14, c.Alpha)
		if err != nil {
			t.Fatal(err)
		}
		if p := NemenyiP(d, c.K, 14); math.Abs(p-c.Alpha) > 1e-10 {
			t.Errorf("NemenyiP at the critical distance of %d methods = %v, want %v", c.K, p, c.Alpha)
		}
	}
	// Demšar 2006, table 5a, and his example of section 3.2.2: CD = 1.25 for 4
	// classifiers on 14 data sets at 0.05, 1.12 at 0.1 (q = 2.569, 2.291).
	for _, c := range []struct{ alpha, want float64 }{{0.05, 1.25}, {0.1, 1.12}} {
		if d, _ := NemenyiDistance(4, 14, c.alpha); math.Abs(d-c.want) > 0.005 {
			t.Errorf("NemenyiDistance(4, 14, %v) = %.4f, want %v", c.alpha, d, c.want)
		}
	}
}

func TestIQM(t *testing.T) {
	for _, c := range readSeveral(t).IQM {
		near(t, fmt.Sprintf("IQM of %d", len(c.X)), IQM(c.X), c.IQM)
	}
	if !math.IsNaN(IQM(nil)) || !math.IsNaN(IQM([]float64{1, math.NaN()})) {
		t.Error("IQM of nothing, or with NaN: want NaN")
	}
}

func TestProfile(t *testing.T) {
	got := Profile([][]float64{{0.1, 0.5, 0.9, math.NaN()}, {0.5}, {}}, []float64{0, 0.5, 0.6, 1})
	if want := []float64{0.875, 0.75, 0.125, 0}; !slices.Equal(got, want) {
		t.Errorf("Profile = %v, want %v", got, want)
	}
	if p := Profile(nil, []float64{1}); !math.IsNaN(p[0]) {
		t.Errorf("Profile of no task = %v, want NaN", p)
	}
}

func TestStratifiedBootstrap(t *testing.T) {
	o := Bootstrap{Resamples: 500, Seed: 3}
	tasks := [][]float64{{1, 2, 3, 4}, {11, 12, 13}}
	a, err := o.Stratified(tasks, IQM)
	b, _ := o.Stratified(tasks, IQM)
	if err != nil || a != b || !(a.Lo < IQM(slices.Concat(tasks...)) && IQM(slices.Concat(tasks...)) < a.Hi) {
		t.Errorf("Stratified = %v and %v, %v: want the same twice, around the estimate", a, b, err)
	}
	// With one run a task nothing varies, and resampling over tasks would be
	// another question.
	if _, err := o.Stratified([][]float64{{1}, {2}}, Mean); !errors.Is(err, ErrTooFew) {
		t.Errorf("one run a task: %v, want ErrTooFew", err)
	}
	// Tasks are never mixed: the mean of a task with equal runs does not move.
	iv, err := o.Stratified([][]float64{{5, 5, 5}, {7, 7}}, Mean)
	if err != nil || iv.Lo != iv.Hi {
		t.Errorf("equal runs within tasks give %v, want a point", iv)
	}
}

// The intervals cover the truth as often as they say. Standard errors of the
// shares are below 0.7 points; the bands are five of them wide. The bootstrap's
// are known to be too short: see Bootstrap.BCa.
func TestIntervalsAndTestsHoldTheirLevels(t *testing.T) {
	if testing.Short() {
		t.Skip("simulation")
	}
	const repetitions = 1500
	rng := rand.New(rand.NewPCG(1, 2))
	normal := func(n int, mean, sd float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = mean + sd*rng.NormFloat64()
		}
		return x
	}
	share := func(trial func() bool) float64 {
		hits := 0
		for range repetitions {
			if trial() {
				hits++
			}
		}
		return float64(hits) / repetitions
	}
	for _, c := range []struct {
		name   string
		lo, hi float64
		trial  func() bool
	}{
		{"t interval, n = 3", 0.92, 0.98, func() bool { iv, _ := MeanInterval(normal(3, 7, 2), 0.95); return iv.Contains(7) }},
		{"t interval, n = 10", 0.92, 0.98, func() bool { iv, _ := MeanInterval(normal(10, 7, 2), 0.95); return iv.Contains(7) }},
		{"t interval, n = 5, 80%", 0.75, 0.85, func() bool { iv, _ := MeanInterval(normal(5, 0, 1), 0.8); return iv.Contains(0) }},
		{"Welch interval, 5 and 8, unequal", 0.92, 0.98, func() bool { iv, _ := DiffInterval(normal(5, 1, 3), normal(8, 0, 1), 0.95); return iv.Contains(1) }},
		{"BCa, n = 5: too short", 0.78, 0.89, func() bool {
			iv, _ := Bootstrap{Resamples: 399, Seed: rng.Uint64()}.BCa(normal(5, 0, 1), Mean)
			return iv.Contains(0)
		}},
		{"BCa, n = 20: nearly", 0.89, 0.97, func() bool {
			iv, _ := Bootstrap{Resamples: 399, Seed: rng.Uint64()}.BCa(normal(20, 0, 1), Mean)
			return iv.Contains(0)
		}},
		{"stratified, mean of 6 tasks of 10 runs", 0.88, 0.97, func() bool {
			var tasks [][]float64
			for k := range 6 {
				tasks = append(tasks, normal(10, float64(k), 1))
			}
			iv, _ := Bootstrap{Resamples: 399, Seed: rng.Uint64()}.Stratified(tasks, Mean)
			return iv.Contains(2.5)
		}},
		{"paired t rejects a true null at 0.05", 0.02, 0.08, func() bool { r, _ := PairedT(normal(5, 0, 1), normal(5, 0, 1)); return r.P <= 0.05 }},
		{"Wilcoxon with 5 pairs never rejects", 0, 0, func() bool { r, _ := Wilcoxon(normal(5, 3, 1), normal(5, 0, 1)); return r.P <= 0.05 }},
		{"Wilcoxon with 6 pairs holds its level", 0.005, 0.06, func() bool { r, _ := Wilcoxon(normal(6, 0, 1), normal(6, 0, 1)); return r.P <= 0.05 }},
		{"Friedman holds its level", 0.02, 0.08, func() bool {
			var x [][]float64
			for range 12 {
				x = append(x, normal(4, 0, 1))
			}
			r, _, _ := Friedman(x)
			return r.P <= 0.05
		}},
	} {
		if got := share(c.trial); got < c.lo || got > c.hi {
			t.Errorf("%s: %.3f, want %.3f to %.3f", c.name, got, c.lo, c.hi)
		}
	}
}
