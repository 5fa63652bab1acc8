package stat

import (
	"math"
	"math/rand/v2"
	"os"
	"testing"
)

// Coverage of intervals, levels of tests and of corrections, over 10,000
// simulated experiments each: with ORCH_LONG=1. What is exact by theory must lie
// within five standard errors; what is a bound must not be passed by more.
// TestIntervalsAndTestsHoldTheirLevels is the short form.
func TestLongSimulation(t *testing.T) {
	if os.Getenv("ORCH_LONG") == "" {
		t.Skip("ORCH_LONG is not set")
	}
	const repetitions = 10_000
	rng := rand.New(rand.NewPCG(11, 12))
	normal := func(n int, mean, sd float64) []float64 {
		x := make([]float64, n)
		for i := range x {
			x[i] = mean + sd*rng.NormFloat64()
		}
		return x
	}
	accuracies := func(n int) []float64 { // of a test set of 360: on a grid, with ties
		x := normal(n, 0.93, 0.006)
		for i := range x {
			x[i] = math.Round(x[i]*360) / 360
		}
		return x
	}
	type check struct {
		name   string
		lo, hi float64
		trial  func() bool
	}
	near := func(p float64) (lo, hi float64) {
		e := 5 * math.Sqrt(p*(1-p)/repetitions)
		return p - e, p + e
	}
	var checks []check
	exactly := func(name string, p float64, trial func() bool) {
		lo, hi := near(p)
		checks = append(checks, check{name, lo, hi, trial})
	}
	atMost := func(name string, p float64, trial func() bool) {
		_, hi := near(p)
		checks = append(checks, check{name, 0, hi, trial})
	}
	between := func(name string, lo, hi float64, trial func() bool) {
		checks = append(checks, check{name, lo, hi, trial})
	}
	for _, n := range []int{2, 3, 5, 10, 20} {
		exactly("t interval covers, 95%", 0.95, func() bool { iv, _ := MeanInterval(normal(n, 7, 2), 0.95); return iv.Contains(7) })
		exactly("paired t rejects a true null", 0.05, func() bool { r, _ := PairedT(normal(n, 0, 1), normal(n, 0, 1)); return r.P <= 0.05 })
		atMost("Wilcoxon rejects a true null", 0.05, func() bool { r, _ := Wilcoxon(normal(n, 0, 1), normal(n, 0, 1)); return r.P <= 0.05 })
		atMost("Wilcoxon with ties rejects a true null", 0.05, func() bool { r, _ := Wilcoxon(accuracies(n), accuracies(n)); return r.P <= 0.05 })
		if n <= 10 { // longer samples take the exact test a minute
			atMost("Mann-Whitney with ties rejects a true null", 0.05, func() bool { r, _ := MannWhitney(accuracies(n), accuracies(n)); return r.P <= 0.05 })
			atMost("sign-flip rejects a true null", 0.05, func() bool { r, _ := SignFlip(normal(n, 0, 1), normal(n, 0, 1)); return r.P <= 0.05 })
		}
	}
	between("t interval of accuracies on a grid covers, n = 5", 0.935, 0.965, func() bool { iv, _ := MeanInterval(accuracies(5), 0.95); return iv.Contains(0.93) })
	between("Welch interval covers, n = 5 and 8, sd 3 and 1", 0.935, 0.965, func() bool { iv, _ := DiffInterval(normal(5, 1, 3), normal(8, 0, 1), 0.95); return iv.Contains(1) })
	between("BCa covers too seldom, n = 5", 0.80, 0.86, func() bool {
		iv, _ := Bootstrap{Resamples: 199, Seed: rng.Uint64()}.BCa(normal(5, 0, 1), Mean)
		return iv.Contains(0)
	})
	between("stratified IQM of 6 tasks of 10 runs covers", 0.90, 0.97, func() bool {
		var tasks [][]float64
		for range 6 {
			tasks = append(tasks, normal(10, 0, 1))
		}
		iv, _ := Bootstrap{Resamples: 199, Seed: rng.Uint64()}.Stratified(tasks, IQM)
		return iv.Contains(0)
	})
	atMost("Holm over 5 true nulls rejects any", 0.05, func() bool {
		p := make([]float64, 5)
		for i := range p {
			p[i] = rng.Float64()
		}
		for _, x := range Holm(p) {
			if x <= 0.05 {
				return true
			}
		}
		return false
	})
	exactly("Benjamini-Hochberg over 5 true nulls rejects any", 0.05, func() bool { // with all nulls true the two rates are one (Simes)
		p := make([]float64, 5)
		for i := range p {
			p[i] = rng.Float64()
		}
		for _, x := range BenjaminiHochberg(p) {
			if x <= 0.05 {
				return true
			}
		}
		return false
	})
	d, err := NemenyiDistance(4, 30, 0.05)
	if err != nil {
		t.Fatal(err)
	}
	atMost("Nemenyi's distance tells any two of 4 equal methods apart, 30 data sets", 0.055, func() bool {
		var x [][]float64
		for range 30 {
			x = append(x, normal(4, 0, 1))
		}
		_, ranks, _ := Friedman(x)
		lo, hi := math.Inf(1), math.Inf(-1)
		for _, r := range ranks {
			lo, hi = math.Min(lo, r), math.Max(hi, r)
		}
		return hi-lo > d
	})
	for _, c := range checks {
		hits := 0
		for range repetitions {
			if c.trial() {
				hits++
			}
		}
		if got := float64(hits) / repetitions; got < c.lo || got > c.hi {
			t.Errorf("%s: %.4f, want %.4f to %.4f", c.name, got, c.lo, c.hi)
		}
	}
}
