// Package stat is the statistics a report on a sweep rests on: descriptions of
// samples, intervals, tests of two methods, corrections for many tests.
//
// The samples are short. Three to ten seeds are usual, and much of the usual
// advice fails there: with five pairs no rank test can reach p < 0.05
// ([SmallestP]), and a "95%" bootstrap interval of five values covers the truth
// in 83 of 100 cases, where Student's t interval covers it in 95. So the t
// interval is the default, a single value has no interval at all
// ([ErrTooFew]), and every test carries the smallest p that it could have
// reached ([Test.Floor]).
//
//	a := []float64{0.91, 0.93, 0.90, 0.92, 0.94} // net5, seeds 0 to 4
//	b := []float64{0.90, 0.91, 0.89, 0.92, 0.91} // net2, the same seeds
//	iv, _ := stat.MeanInterval(stat.Diff(a, b), 0.95)
//	t, _ := stat.PairedT(a, b)
//
// Values that are not finite are never averaged and never dropped in silence:
// functions that describe or test leave them out and count them
// ([Summary.NaN], [Summary.Inf], [Test.Excluded]); functions that return a bare
// number ([Mean], [SD], [Quantile]) return NaN if they meet one.
//
// Every function is pure and safe for concurrent use; none changes its
// arguments. All p values are two-sided.
package stat
