package stat

import (
	"fmt"
	"math"
	"slices"
)

// Holm returns the p values adjusted by Holm's step-down method (Holm 1979, "A
// simple sequentially rejective multiple test procedure", Scandinavian Journal
// of Statistics 6): reject where the adjusted value is at most alpha, and the
// chance of even one false rejection is at most alpha. NaN stays NaN and does
// not count as a test.
func Holm(p []float64) []float64 {
	adjusted, order := rising(p)
	m := len(order)
	var worst float64
	for i, k := range order {
		worst = math.Max(worst, math.Min(1, float64(m-i)*p[k]))
		adjusted[k] = worst
	}
	return adjusted
}

// BenjaminiHochberg returns the p values adjusted by the step-up method of
// Benjamini and Hochberg (1995, "Controlling the false discovery rate", JRSS B
// 57): reject where the adjusted value is at most q, and the expected share of
// false ones among the rejections is at most q. NaN stays NaN and does not
// count as a test.
func BenjaminiHochberg(p []float64) []float64 {
	adjusted, order := rising(p)
	m := len(order)
	best := 1.0
	for i := m - 1; i >= 0; i-- {
		best = math.Min(best, p[order[i]]*float64(m)/float64(i+1))
		adjusted[order[i]] = best
	}
	return adjusted
}

// rising returns a slice of NaN for the result, and the indices of the p values
// that are numbers, smallest p first.
func rising(p []float64) (nan []float64, order []int) {
	nan = make([]float64, len(p))
	for i, x := range p {
		nan[i] = math.NaN()
		if !math.IsNaN(x) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case p[i] < p[j]:
			return -1
		case p[i] > p[j]:
			return 1
		}
		return 0
	})
	return nan, order
}

// SmallestP returns the smallest two-sided p that a sign-flip or signed-rank
// test of n pairs can reach: all signs alike, 2 of 2^n outcomes. With 5 pairs
// it is 0.0625: such a test can never reject at 0.05.
func SmallestP(n int) float64 { return math.Min(1, math.Ldexp(2, -n)) }

// SmallestUnpairedP returns the smallest two-sided p that a rank-sum test of n
// against m values can reach: 2 of the "n+m choose n" ways to deal the ranks.
func SmallestUnpairedP(n, m int) float64 {
	ways := 1.0
	for i := 1; i <= min(n, m); i++ {
		ways *= float64(max(n, m)+i) / float64(i)
	}
	return math.Min(1, 2/ways)
}

// PairsNeeded returns the smallest number of pairs with which a sign-flip or
// signed-rank test can reach p <= alpha after Holm's correction for this many
// comparisons: 6 for alpha 0.05 and one comparison, 7 for three, 8 for five.
func PairsNeeded(alpha float64, comparisons int) (int, error) {
	if !(alpha > 0 && alpha < 1) {
		return 0, fmt.Errorf("alpha %v is not between 0 and 1", alpha)
	}
	for n := 1; ; n++ {
		if SmallestP(n)*float64(max(1, comparisons)) <= alpha {
			return n, nil
		}
	}
}
