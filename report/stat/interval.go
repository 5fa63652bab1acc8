package stat

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is a confidence interval.
type Interval struct {
	Lo, Hi float64
	Level  float64 // such as 0.95
}

// Half returns half the interval's width: what is written after the ±.
func (iv Interval) Half() float64 { return (iv.Hi - iv.Lo) / 2 }

// Contains reports whether x lies in the interval.
func (iv Interval) Contains(x float64) bool { return iv.Lo <= x && x <= iv.Hi }

// MeanInterval returns Student's t interval for the mean of the population
// that x was drawn from: mean ± t(n-1) sd/sqrt(n) (Student 1908, "The probable
// error of a mean", Biometrika 6). Values that are not finite are left out;
// [Describe] counts them. With fewer than two finite values there is no
// interval, and the error is [ErrTooFew].
func MeanInterval(x []float64, level float64) (Interval, error) {
	x, _, _ = Finite(x)
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	if len(x) < 2 {
		return Interval{}, ErrTooFew
	}
	n := float64(len(x))
	return tInterval(Mean(x), SD(x)/math.Sqrt(n), n-1, level), nil
}

// DiffInterval returns Welch's t interval for the difference of the means of
// two independent samples (Welch 1947, "The generalization of Student's
// problem when several different population variances are involved",
// Biometrika 34).
func DiffInterval(a, b []float64, level float64) (Interval, error) {
	a, _, _ = Finite(a)
	b, _, _ = Finite(b)
	if err := checkLevel(level); err != nil {
		return Interval{}, err
	}
	if len(a) < 2 || len(b) < 2 {
		return Interval{}, ErrTooFew
	}
	se, df := welch(a, b)
	if se == 0 {
		df = float64(len(a) + len(b) - 2)
	}
	return tInterval(Mean(a)-Mean(b), se, df, level), nil
}

func tInterval(mean, se, df, level float64) Interval {
	h := tQuantile(1-(1-level)/2, df) * se
	return Interval{mean - h, mean + h, level}
}

func checkLevel(level float64) error {
	if !(level > 0 && level < 1) {
		return fmt.Errorf("a confidence level of %v is not between 0 and 1; write 0.95 for 95%%", level)
	}
	return nil
}

// Bootstrap is how a bootstrap interval is drawn.
type Bootstrap struct {
	Resamples int // 0: 9999
	Seed      uint64
	Level     float64 // 0: 0.95
}

// BCa returns the bias-corrected and accelerated bootstrap interval of a
// statistic of x (Efron 1987, "Better bootstrap confidence intervals", JASA 82;
// Efron and Tibshirani 1993, "An introduction to the bootstrap", eq. 14.9,
// 14.14 and 14.15; resamples equal to the estimate count half on either side).
// Equal arguments give equal intervals.
//
// Below about 20 values it is too short: of nominal 95% intervals of normal
// samples, 84% cover the mean at n = 5 and 90% at n = 10. Prefer
// [MeanInterval] there.
func (o Bootstrap) BCa(x []float64, statistic func([]float64) float64) (Interval, error) {
	x, _, _ = Finite(x)
	if o.Resamples == 0 {
		o.Resamples = 9999
	}
	if o.Level == 0 {
		o.Level = 0.95
	}
	if err := checkLevel(o.Level); err != nil {
		return Interval{}, err
	}
	if len(x) < 2 {
		return Interval{}, ErrTooFew
	}
	rng := rand.New(rand.NewPCG(o.Seed, uint64(len(x))))
	boot := make([]float64, o.Resamples)
	sample := make([]float64, len(x))
	for i := range boot {
		for j := range sample {
			sample[j] = x[rng.IntN(len(x))]
		}
		boot[i] = statistic(sample)
	}
	jack := make([]float64, len(x))
	for i := range x {
		jack[i] = statistic(slices.Delete(slices.Clone(x), i, i+1))
	}
	return bcaInterval(statistic(x), boot, jack, o.Level)
}

// bcaInterval computes the interval from the estimate, its bootstrap replicates
// and its jackknife values.
func bcaInterval(estimate float64, boot, jack []float64, level float64) (Interval, error) {
	sorted := slices.Sorted(slices.Values(boot))
	if slices.ContainsFunc(sorted, math.IsNaN) {
		return Interval{}, fmt.Errorf("the statistic is NaN for some resamples")
	}
	if sorted[0] == sorted[len(sorted)-1] {
		return Interval{}, ErrNoSpread
	}
	below, equal := 0, 0
	for _, b := range sorted {
		switch {
		case b < estimate:
			below++
		case b == estimate:
			equal++
		}
	}
	norm := distuv.UnitNormal
	z0 := norm.Quantile((float64(below) + float64(equal)/2) / float64(len(sorted)))
	mean := Mean(jack)
	var cubes, squares float64
	for _, j := range jack {
		d := mean - j
		cubes += d * d * d
		squares += d * d
	}
	a := 0.0 // a statistic that no single value moves has no acceleration
	if squares > 0 {
		a = cubes / (6 * math.Pow(squares, 1.5))
	}
	end := func(z float64) float64 {
		p := norm.CDF(z0 + (z0+z)/(1-a*(z0+z)))
		return sortedQuantile(sorted, p)
	}
	if math.IsInf(z0, 0) || math.IsNaN(z0) {
		return Interval{}, fmt.Errorf("all resamples lie on one side of the estimate: the bootstrap cannot tell its bias")
	}
	z := norm.Quantile(1 - (1-level)/2)
	return Interval{end(-z), end(z), level}, nil
}
