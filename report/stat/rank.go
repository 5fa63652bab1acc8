package stat

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

const (
	wilcoxonExact = 200         // pairs up to which the exact distribution is built: 200*200*201 steps, some 10 ms
	mannExact     = 100_000_000 // steps up to which the exact distribution is built: about 50 values each
	flipExact     = 40          // pairs up to which all 2^n sign flips are counted: two halves of 2^20
	flipSamples   = 199_999     // random sign flips beyond
)

// Wilcoxon is the signed-rank test on the differences of pairs (Wilcoxon 1945,
// "Individual comparisons by ranking methods", Biometrics Bulletin 1). Equal
// pairs are left out, as Wilcoxon did, and counted in Zeros; tied differences
// share their mean rank. Statistic is the smaller of the two rank sums.
//
// Up to 200 pairs P is exact with and without ties: the distribution over all
// 2^n signs of the ranks as they are (Hollander and Wolfe 1999,
// "Nonparametric statistical methods", section 3.1, comment 11). Beyond, it is
// the normal limit with the variance corrected for ties.
func Wilcoxon(a, b []float64) (Test, error) {
	d, excluded := pairs(a, b)
	all := len(d)
	d = slices.DeleteFunc(d, func(x float64) bool { return x == 0 })
	n := len(d)
	t := Test{Name: "wilcoxon", N: n, Excluded: excluded, Zeros: all - n, Statistic: math.NaN(), DF: math.NaN(), P: math.NaN(), Floor: SmallestP(n), Exact: true}
	if all == 0 {
		return t, ErrTooFew
	}
	if n == 0 {
		t.Statistic, t.P = 0, 1
		return t, nil
	}
	// Accuracies lie on a grid, so differences tie; but 0.93-0.92 and 0.91-0.90
	// differ in the last bits. Differences count as equal up to the rounding of
	// the values they come from.
	grain := rounding(a, b)
	size := make([]float64, n)
	for i, x := range d {
		size[i] = math.Round(math.Abs(x) / grain)
	}
	rank, ties := doubledRanks(size)
	plus, total := 0, 0
	for i, r := range rank {
		total += r
		if d[i] > 0 {
			plus += r
		}
	}
	low := min(plus, total-plus)
	t.Statistic = float64(low) / 2
	if n > wilcoxonExact {
		f := float64(n)
		z := (t.Statistic - f*(f+1)/4) / math.Sqrt(f*(f+1)*(2*f+1)/24-ties/48)
		t.P, t.Exact = math.Min(1, 2*distuv.UnitNormal.CDF(z)), false
		return t, nil
	}
	p := make([]float64, total+1) // p[s]: probability that the positive ranks sum to s
	p[0] = 1
	reach := 0
	for _, r := range rank {
		reach += r
		for s := reach; s >= r; s-- {
			p[s] = (p[s] + p[s-r]) / 2
		}
		for s := min(r, reach+1) - 1; s >= 0; s-- {
			p[s] /= 2
		}
	}
	var tail float64
	for s := 0; s <= low; s++ {
		tail += p[s]
	}
	t.P = math.Min(1, 2*tail)
	return t, nil
}

// MannWhitney is the rank-sum test for two independent samples (Mann and
// Whitney 1947, "On a test of whether one of two random variables is
// stochastically larger than the other", Annals of Mathematical Statistics 18).
// Statistic is U of a: the pairs in which a is larger, ties counting half.
//
// For small samples P is exact with and without ties: twice the smaller tail of
// the distribution over all ways to deal the ranks as they are to the samples
// (Lehmann 1975, "Nonparametrics", section 1.4). Beyond, it is the normal limit
// with corrections for ties and continuity.
func MannWhitney(a, b []float64) (Test, error) {
	a, nanA, infA := Finite(a)
	b, nanB, infB := Finite(b)
	n, m := len(a), len(b)
	t := Test{Name: "mann-whitney", N: n, M: m, Excluded: nanA + infA + nanB + infB, Statistic: math.NaN(), DF: math.NaN(), P: math.NaN(), Exact: true}
	if n == 0 || m == 0 {
		return t, ErrTooFew
	}
	t.Floor = SmallestUnpairedP(n, m)
	rank, ties := doubledRanks(slices.Concat(a, b))
	sum, total := 0, 0 // of a's ranks, of all
	for i, r := range rank {
		total += r
		if i < n {
			sum += r
		}
	}
	u := float64(sum)/2 - float64(n*(n+1))/2
	t.Statistic = u
	if (n+m)*n*total > mannExact {
		f, g, all := float64(n), float64(m), float64(n+m)
		sd := math.Sqrt(f * g / 12 * (all + 1 - ties/(all*(all-1))))
		if sd == 0 {
			t.P = 1
		} else {
			z := (math.Abs(u-f*g/2) - 0.5) / sd
			t.P = math.Min(1, 2*distuv.UnitNormal.Survival(z))
		}
		t.Exact = false
		return t, nil
	}
	// ways[k][s]: in how many ways k of the ranks seen so far sum to s. As
	// floats: the counts exceed integers, and a relative error of 1e-13 is fine.
	ways := make([][]float64, n+1)
	for k := range ways {
		ways[k] = make([]float64, total+1)
	}
	ways[0][0] = 1
	for i, r := range rank {
		for k := min(i+1, n); k >= 1; k-- {
			for s := total; s >= r; s-- {
				ways[k][s] += ways[k-1][s-r]
			}
		}
	}
	var lower, upper, every float64
	for s, w := range ways[n] {
		every += w
		if s <= sum {
			lower += w
		}
		if s >= sum {
			upper += w
		}
	}
	t.P = math.Min(1, 2*math.Min(lower, upper)/every)
	return t, nil
}

// SignFlip is the exact randomisation test on the differences of pairs: the
// share of all 2^n ways to choose their signs whose sum is at least as far from
// zero as the one seen (Fisher 1935, "The design of experiments", section 21).
// It assumes only that a difference is as likely as its negative. Statistic is
// the mean difference.
//
// Up to 40 pairs all flips are counted, by meeting in the middle (Horowitz and
// Sahni 1974, J. ACM 21); beyond, P is (1+hits)/(1+flips) of 199,999 random
// flips from a fixed seed (Phipson and Smyth 2010, "Permutation p-values should
// never be zero").
func SignFlip(a, b []float64) (Test, error) {
	d, excluded := pairs(a, b)
	n := len(d)
	t := Test{Name: "sign-flip", N: n, Excluded: excluded, Statistic: Mean(d), DF: math.NaN(), P: math.NaN(), Floor: SmallestP(n), Exact: true}
	if n == 0 {
		return t, ErrTooFew
	}
	var sum, scale float64
	for _, x := range d {
		sum += x
		scale += math.Abs(x)
	}
	// Sums of the same numbers in another order differ by rounding; a flip that
	// gives the observed sum must count as reaching it.
	limit := math.Abs(sum) - 1e-12*scale
	if limit <= 0 {
		t.P = 1
		return t, nil
	}
	if n > flipExact {
		rng := rand.New(rand.NewPCG(1, uint64(n)))
		hits := 0
		for range flipSamples {
			var s float64
			var bits uint64
			for i, x := range d {
				if i%64 == 0 {
					bits = rng.Uint64()
				}
				if bits&1 != 0 {
					s += x
				} else {
					s -= x
				}
				bits >>= 1
			}
			if math.Abs(s) >= limit {
				hits++
			}
		}
		t.P, t.Exact = float64(hits+1)/(flipSamples+1), false
		t.Floor = math.Max(t.Floor, 1.0/(flipSamples+1))
		return t, nil
	}
	left, right := flips(d[:n/2]), flips(d[n/2:])
	// For growing l, the smallest r with l+r >= limit moves down.
	var hits float64
	j := len(right)
	for _, l := range left {
		for j > 0 && l+right[j-1] >= limit {
			j--
		}
		hits += float64(len(right) - j)
	}
	t.P = math.Min(1, 2*hits/math.Pow(2, float64(n))) // the lower tail mirrors the upper
	return t, nil
}

// flips returns the sums of d under all signs, sorted.
func flips(d []float64) []float64 {
	sums := []float64{0}
	for _, x := range d {
		next := make([]float64, 0, 2*len(sums))
		for _, s := range sums {
			next = append(next, s-x, s+x)
		}
		sums = next
	}
	slices.Sort(sums)
	return sums
}

// doubledRanks returns twice the rank of each value, ties sharing the mean of
// their ranks, so that all ranks are whole numbers; and the tie correction
// Σ(t³-t) over groups of t equal values.
func doubledRanks(x []float64) (rank []int, ties float64) {
	order := make([]int, len(x))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(i, j int) int { return cmp.Compare(x[i], x[j]) })
	rank = make([]int, len(x))
	for i := 0; i < len(order); {
		j := i
		for j < len(order) && x[order[j]] == x[order[i]] {
			j++
		}
		for _, k := range order[i:j] {
			rank[k] = i + 1 + j
		}
		t := float64(j - i)
		ties += t*t*t - t
		i = j
	}
	return rank, ties
}
