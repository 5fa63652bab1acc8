package stat

import (
	"math"
	"math/rand/v2"
	"slices"
)

// IQM returns the interquartile mean: the mean without the lowest and the highest
// quarter, of which floor(n/4) values each are left out. It is to few runs on
// several tasks what neither mean (one lucky run) nor median (three of four
// values ignored) is (Agarwal et al. 2021, "Deep reinforcement learning at the
// edge of the statistical precipice", NeurIPS, section 4.3). NaN for an empty x
// and where a value is NaN.
func IQM(x []float64) float64 {
	if len(x) == 0 || slices.ContainsFunc(x, math.IsNaN) {
		return math.NaN()
	}
	s := slices.Sorted(slices.Values(x))
	cut := len(s) / 4
	return Mean(s[cut : len(s)-cut])
}

// Stratified returns the percentile bootstrap interval of a statistic over all
// values of several tasks, each task resampled within itself, so that every
// resample has as many runs of each (Agarwal et al. 2021, section 4.2). tasks[i]
// are the runs on task i. Values that are not finite are left out.
func (o Bootstrap) Stratified(tasks [][]float64, statistic func([]float64) float64) (Interval, error) {
	if o.Resamples == 0 {
		o.Resamples = 9999
	}
	if o.Level == 0 {
		o.Level = 0.95
	}
	if err := checkLevel(o.Level); err != nil {
		return Interval{}, err
	}
	var strata [][]float64
	total, repeated := 0, false
	for _, t := range tasks {
		if t, _, _ = Finite(t); len(t) > 0 {
			strata = append(strata, t)
			total += len(t)
			repeated = repeated || len(t) > 1
		}
	}
	if !repeated {
		return Interval{}, ErrTooFew
	}
	rng := rand.New(rand.NewPCG(o.Seed, uint64(total)))
	sample := make([]float64, total)
	boot := make([]float64, o.Resamples)
	for i := range boot {
		k := 0
		for _, t := range strata {
			for range t {
				sample[k] = t[rng.IntN(len(t))]
				k++
			}
		}
		boot[i] = statistic(sample)
	}
	slices.Sort(boot)
	if math.IsNaN(boot[0]) { // sorted first
		return Interval{}, ErrTooFew
	}
	return Interval{sortedQuantile(boot, (1-o.Level)/2), sortedQuantile(boot, 1-(1-o.Level)/2), o.Level}, nil
}

// Profile is a performance profile: the share of runs that reach at least each
// of some thresholds, every task counting the same (Agarwal et al. 2021, section
// 4.1; Dolan and Moré 2002, "Benchmarking optimization software with performance
// profiles", Mathematical Programming 91). A run whose value is NaN reaches none:
// it failed.
func Profile(tasks [][]float64, thresholds []float64) []float64 {
	out := make([]float64, len(thresholds))
	n := 0
	for _, runs := range tasks {
		if len(runs) == 0 {
			continue
		}
		n++
		for i, at := range thresholds {
			reached := 0
			for _, v := range runs {
				if v >= at {
					reached++
				}
			}
			out[i] += float64(reached) / float64(len(runs))
		}
	}
	for i := range out {
		out[i] /= float64(n) // NaN without a task
	}
	return out
}
