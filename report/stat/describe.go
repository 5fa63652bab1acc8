package stat

import (
	"errors"
	"math"
	"slices"
)

// ErrTooFew says that there are fewer values than the quantity needs: a
// standard deviation, an interval or a t test of one value does not exist.
var ErrTooFew = errors.New("too few values: at least 2 are needed")

// ErrNoSpread says that all values are equal where a test needs to see how
// much they scatter. For seeds it usually means that the seed has no effect.
var ErrNoSpread = errors.New("all values are equal: there is no scatter to compare with")

// Summary describes a sample. SD is NaN for fewer than two finite values, the
// others for none.
type Summary struct {
	N        int // finite values; all the numbers below are theirs
	NaN, Inf int // values left out
	Mean, SD float64
	Min, Max float64
	Median   float64
}

// Describe summarises x; what is not finite is left out and counted.
func Describe(x []float64) Summary {
	kept, nan, inf := Finite(x)
	s := Summary{N: len(kept), NaN: nan, Inf: inf, Mean: Mean(kept), SD: SD(kept), Median: Median(kept), Min: math.NaN(), Max: math.NaN()}
	if len(kept) > 0 {
		s.Min, s.Max = slices.Min(kept), slices.Max(kept)
	}
	return s
}

// Finite returns the finite values of x in their order, and how many were NaN
// and infinite.
func Finite(x []float64) (kept []float64, nan, inf int) {
	for _, v := range x {
		switch {
		case math.IsNaN(v):
			nan++
		case math.IsInf(v, 0):
			inf++
		default:
			kept = append(kept, v)
		}
	}
	return kept, nan, inf
}

// Mean returns the arithmetic mean of x, NaN if x is empty. The second pass
// removes most of the rounding error of the first (Chan, Golub, LeVeque 1983,
// "Algorithms for computing the sample variance", The American Statistician 37).
func Mean(x []float64) float64 {
	if len(x) == 0 {
		return math.NaN()
	}
	n := float64(len(x))
	var sum float64
	for _, v := range x {
		sum += v
	}
	mean := sum / n
	if math.IsInf(mean, 0) {
		return mean
	}
	var rest float64
	for _, v := range x {
		rest += v - mean
	}
	return mean + rest/n
}

// SD returns the sample standard deviation of x, with n-1 in the denominator;
// NaN for fewer than two values. Corrected two-pass formula (Chan, Golub,
// LeVeque 1983, eq. 1.7).
func SD(x []float64) float64 {
	n := float64(len(x))
	if n < 2 {
		return math.NaN()
	}
	if slices.Min(x) == slices.Max(x) {
		return 0 // exactly, so that "no scatter" can be recognised
	}
	mean := Mean(x)
	var squares, rest float64
	for _, v := range x {
		d := v - mean
		squares += d * d
		rest += d
	}
	return math.Sqrt((squares - rest*rest/n) / (n - 1))
}

// Median returns the middle of x: [Quantile] at one half.
func Median(x []float64) float64 { return Quantile(x, 0.5) }

// Quantile returns the p-quantile of x by linear interpolation between order
// statistics: type 7 of Hyndman and Fan 1996, "Sample quantiles in statistical
// packages", The American Statistician 50; the default of R and NumPy. It is
// NaN for an empty x, an x that holds NaN, and a p outside [0, 1].
func Quantile(x []float64, p float64) float64 {
	if len(x) == 0 || !(p >= 0 && p <= 1) || slices.ContainsFunc(x, math.IsNaN) {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(x))
	return sortedQuantile(sorted, p)
}

func sortedQuantile(sorted []float64, p float64) float64 {
	h := p * float64(len(sorted)-1)
	i := int(h)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	if lo, hi := sorted[i], sorted[i+1]; lo != hi {
		return lo + (h-float64(i))*(hi-lo)
	}
	return sorted[i]
}

// Diff returns a[i]-b[i] for every i. It panics if the lengths differ.
func Diff(a, b []float64) []float64 {
	if len(a) != len(b) {
		panic("stat: Diff of samples with different lengths")
	}
	d := make([]float64, len(a))
	for i := range a {
		d[i] = a[i] - b[i]
	}
	return d
}
