package stat

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Friedman tests whether several methods differ over data sets: x[i][j] is the
// result of method j on data set i. Results are ranked within a data set, 1 for
// the largest, ties sharing their mean rank; Statistic is chi-squared with k-1
// degrees of freedom, corrected for ties (Friedman 1937, "The use of ranks to
// avoid the assumption of normality implicit in the analysis of variance", JASA
// 32; Demšar 2006, "Statistical comparisons of classifiers over multiple data
// sets", JMLR 7, section 3.2.2, who asks for more than 10 data sets and 5 methods
// for the limit to be good). The unit is the data set: average seeds first.
//
// ranks are the mean rank of each method. Data sets with a value that is not
// finite are left out and counted.
func Friedman(x [][]float64) (t Test, ranks []float64, err error) {
	t = Test{Name: "friedman", Statistic: math.NaN(), DF: math.NaN(), P: math.NaN()}
	k := 0
	if len(x) > 0 {
		k = len(x[0])
	}
	var ties float64
	sums := make([]float64, k)
	for _, row := range x {
		if len(row) != k {
			return t, nil, fmt.Errorf("a data set has %d results where the first has %d", len(row), k)
		}
		if kept, _, _ := Finite(row); len(kept) < k {
			t.Excluded++
			continue
		}
		doubled, tied := doubledRanks(row)
		ties += tied
		for j, r := range doubled {
			sums[j] += float64(k+1) - float64(r)/2 // 1 is the largest
		}
		t.N++
	}
	if t.N < 2 || k < 2 {
		return t, nil, ErrTooFew
	}
	n, f := float64(t.N), float64(k)
	squares := 0.0
	for j := range sums {
		squares += sums[j] * sums[j]
		sums[j] /= n
	}
	scale := 1 - ties/(n*f*(f*f-1))
	if scale <= 0 {
		return t, sums, ErrNoSpread // every data set ties all methods
	}
	t.Statistic = math.Max(0, (12/(n*f*(f+1))*squares-3*n*(f+1))/scale)
	t.DF = f - 1
	t.P = distuv.ChiSquared{K: f - 1}.Survival(t.Statistic)
	return t, sums, nil
}

// NemenyiDistance returns the critical difference of mean ranks: of k methods on
// n data sets, two whose mean ranks are further apart differ at level alpha, for
// all pairs together (Nemenyi 1963; Demšar 2006, section 3.2.2):
// q sqrt(k(k+1)/6n), q the upper quantile of the studentized range with infinite
// degrees of freedom, over the square root of two.
func NemenyiDistance(k, n int, alpha float64) (float64, error) {
	if k < 2 || n < 2 {
		return 0, ErrTooFew
	}
	if !(alpha > 0 && alpha < 1) {
		return 0, fmt.Errorf("alpha = %v is not between 0 and 1; 0.05 is usual", alpha)
	}
	return rangeQuantile(1-alpha, k) / math.Sqrt2 * math.Sqrt(float64(k*(k+1))/(6*float64(n))), nil
}

// NemenyiP returns the p value of a difference of two mean ranks, adjusted for
// all pairs.
func NemenyiP(difference float64, k, n int) float64 {
	if k < 2 || n < 1 || math.IsNaN(difference) {
		return math.NaN()
	}
	q := math.Abs(difference) / math.Sqrt(float64(k*(k+1))/(6*float64(n))) * math.Sqrt2
	return math.Max(0, math.Min(1, 1-rangeCDF(q, k)))
}

// rangeCDF is the distribution of the range of k standard normal values:
// k ∫ φ(z) (Φ(z+q) - Φ(z))^(k-1) dz, z the smallest (Harter 1960, "Tables of
// range and studentized range", Annals of Mathematical Statistics 31). Simpson's
// rule; the integrand vanishes beyond ±9, and 2,000 steps give 12 digits.
func rangeCDF(q float64, k int) float64 {
	if q <= 0 {
		return 0
	}
	const from, to, steps = -9.0, 9.0, 2000
	h := (to - from) / steps
	sum := 0.0
	for i := range steps + 1 {
		z := from + h*float64(i)
		w := 2.0
		switch {
		case i == 0 || i == steps:
			w = 1
		case i%2 == 1:
			w = 4
		}
		sum += w * distuv.UnitNormal.Prob(z) * math.Pow(normalBetween(z, z+q), float64(k-1))
	}
	return math.Min(1, float64(k)*sum*h/3)
}

// normalBetween is Φ(b) - Φ(a) without cancellation in the upper tail.
func normalBetween(a, b float64) float64 {
	if a > 0 {
		return (math.Erfc(a/math.Sqrt2) - math.Erfc(b/math.Sqrt2)) / 2
	}
	return (math.Erfc(-b/math.Sqrt2) - math.Erfc(-a/math.Sqrt2)) / 2
}

func rangeQuantile(p float64, k int) float64 {
	lo, hi := 0.0, 50.0
	for range 100 {
		if mid := (lo + hi) / 2; rangeCDF(mid, k) < p {
			lo = mid
		} else {
			hi = mid
		}
	}
	return (lo + hi) / 2
}
