package stat

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// Test is the outcome of a test of two methods. P is two-sided.
type Test struct {
	Name      string
	N, M      int // pairs used, and 0; or the sizes of the two samples
	Excluded  int // values or pairs left out because they are not finite
	Zeros     int // pairs left out because they are equal (Wilcoxon)
	Statistic float64
	DF        float64 // degrees of freedom; NaN if the test has none
	P         float64
	Floor     float64 // smallest P that samples of this size can reach; 0 if there is no bound
	Exact     bool    // P is exact, not from a limit theorem or a sample of permutations
}

// PairedT is Student's t test on the differences of pairs: the mean difference
// over its standard error, against t with n-1 degrees of freedom (Student
// 1908, Biometrika 6). It assumes about normal differences, and holds up well
// without. [ErrNoSpread] if all differences are equal: the test would claim
// certainty from a scatter of zero.
func PairedT(a, b []float64) (Test, error) {
	d, excluded := pairs(a, b)
	t := Test{Name: "paired-t", N: len(d), Excluded: excluded, Statistic: math.NaN(), DF: math.NaN(), P: math.NaN()}
	if len(d) < 2 {
		return t, ErrTooFew
	}
	n := float64(len(d))
	sd := SD(d)
	t.DF = n - 1
	if sd < rounding(a, b) {
		return t, ErrNoSpread
	}
	t.Statistic = Mean(d) / (sd / math.Sqrt(n))
	t.P = tTwoSided(t.Statistic, t.DF)
	return t, nil
}

// WelchT is the t test for two independent samples with unequal variances
// (Welch 1947, Biometrika 34), degrees of freedom after Satterthwaite (1946,
// "An approximate distribution of estimates of variance components",
// Biometrics Bulletin 2). [ErrNoSpread] if neither sample scatters.
func WelchT(a, b []float64) (Test, error) {
	a, nanA, infA := Finite(a)
	b, nanB, infB := Finite(b)
	t := Test{Name: "welch", N: len(a), M: len(b), Excluded: nanA + infA + nanB + infB, Statistic: math.NaN(), DF: math.NaN(), P: math.NaN()}
	if len(a) < 2 || len(b) < 2 {
		return t, ErrTooFew
	}
	se, df := welch(a, b)
	if se == 0 {
		return t, ErrNoSpread
	}
	t.Statistic, t.DF = (Mean(a)-Mean(b))/se, df
	t.P = tTwoSided(t.Statistic, df)
	return t, nil
}

func welch(a, b []float64) (se, df float64) {
	na, nb := float64(len(a)), float64(len(b))
	va, vb := math.Pow(SD(a), 2)/na, math.Pow(SD(b), 2)/nb
	return math.Sqrt(va + vb), (va + vb) * (va + vb) / (va*va/(na-1) + vb*vb/(nb-1))
}

// tTwoSided returns P(|T| >= |t|) by the incomplete beta function (Abramowitz
// and Stegun 26.7.1), which keeps its relative precision far out in the tail.
func tTwoSided(t, df float64) float64 {
	return mathext.RegIncBeta(df/2, 0.5, df/(df+t*t))
}

// tQuantile polishes gonum's quantile by Newton steps on the survival function.
func tQuantile(p, df float64) float64 {
	dist := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: df}
	q := dist.Quantile(p)
	for range 3 {
		upper := tTwoSided(q, df) / 2
		if q < 0 {
			upper = 1 - upper
		}
		if step := (upper - (1 - p)) / dist.Prob(q); !math.IsNaN(step) && !math.IsInf(step, 0) {
			q += step
		}
	}
	return q
}

// pairs returns the differences of the pairs that are finite, and how many are
// not. Samples of different length have no pairs, and that is a bug of the
// caller.
func pairs(a, b []float64) (d []float64, excluded int) {
	d, nan, inf := Finite(Diff(a, b))
	return d, nan + inf
}

// rounding returns a bound for the rounding error of a difference of two of
// these values: some units in the last place of the largest.
func rounding(a, b []float64) float64 {
	largest := math.SmallestNonzeroFloat64
	for _, x := range [2][]float64{a, b} {
		for _, v := range x {
			if v = math.Abs(v); !math.IsInf(v, 0) && v > largest { // NaN is never greater
				largest = v
			}
		}
	}
	return math.Max(largest*0x1p-46, math.SmallestNonzeroFloat64)
}
