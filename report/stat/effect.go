package stat

import "math"

// PSuperior returns P(A > B): the share of all pairs of a value of a and a value
// of b in which a is larger, ties counting half. It is an effect size that needs
// no unit: 0.5 is no difference, 1 is "always better" (Vargha and Delaney 2000,
// "A critique and improvement of the CL common language effect size statistics
// of McGraw and Wong", Journal of Educational and Behavioral Statistics 25).
// Values that are not finite are left out; with none left it is NaN.
func PSuperior(a, b []float64) float64 {
	a, _, _ = Finite(a)
	b, _, _ = Finite(b)
	var wins float64
	for _, x := range a {
		for _, y := range b {
			wins += win(x, y)
		}
	}
	return share(wins, len(a)*len(b))
}

// PairedPSuperior returns the share of pairs in which a is larger, ties counting
// half: P(A > B) for runs that share seed and data (Bouthillier et al. 2021,
// "Accounting for variance in machine learning benchmarks", section 4, who call
// 0.75 and more a meaningful improvement). It panics if the lengths differ;
// pairs that are not finite are left out.
func PairedPSuperior(a, b []float64) float64 {
	d, _ := pairs(a, b)
	var wins float64
	for _, x := range d {
		wins += win(x, 0)
	}
	return share(wins, len(d))
}

func win(x, y float64) float64 {
	switch {
	case x > y:
		return 1
	case x == y:
		return 0.5
	}
	return 0
}

func share(k float64, n int) float64 {
	if n == 0 {
		return math.NaN()
	}
	return k / float64(n)
}
