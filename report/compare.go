package report

import (
	"slices"

	"orch/report/collect"
	"orch/report/stat"
)

// Comparison is one line of an exploratory report: a value of a factor against
// the baseline's, or else the factor's first value, over pairs of runs that agree in everything else
// that is swept, the seed too.
type Comparison struct {
	Factor           string
	Value, Reference string
	Metric           string
	Pairs            int // complete
	Planned          int // pairs that the plan holds
	Estimate         float64
	Interval         *stat.Interval
	Test             stat.Test  // paired t; P is NaN where it cannot be computed
	Exact            *stat.Test // the sign-flip test beside it; nil for many pairs, where the two agree
	Corrected        float64    // P corrected for all comparisons of the report: see Report.Correction
	PSuperior        float64    // share of pairs in which Value's metric is larger
}

// maxCompared bounds the metrics that are compared without being asked for: the
// more there are, the less any p value says.
const maxCompared = 3

// compareFactors compares the values of every factor in the leading metrics,
// those the study declares or else the first of the main table that are no
// timings. Nobody fixed these comparisons beforehand, so they suggest and do
// not prove; Holm's correction covers all of them together.
func compareFactors(r *Report, planned []*collect.Run) []Comparison {
	var metrics []string
	for _, m := range r.Metrics {
		if declared := len(r.Study.Metrics) > 0; declared || !isTiming(m.Name) && len(metrics) < maxCompared {
			metrics = append(metrics, m.Name)
		}
	}
	var out []Comparison
	for _, factor := range r.Factors {
		if isData(factor) { // that one data set is harder than another is no finding
			continue
		}
		others := slices.DeleteFunc(r.pairKeys(planned), func(k string) bool { return k == factor })
		values := groups(planned, []string{factor})
		if base, ok := r.Study.BaselineOf(factor); ok {
			of := func(g group) bool {
				x, _ := g.runs[0].Setting(factor)
				return same(x, base)
			}
			if i := slices.IndexFunc(values, of); i > 0 {
				values[0], values[i] = values[i], values[0]
			}
		}
		for _, metric := range metrics {
			for _, value := range values[1:] {
				if c := compare(factor, others, metric, value, values[0]); c.Planned > 0 { // else no two runs differ in this alone
					out = append(out, c)
				}
			}
		}
	}
	p := make([]float64, len(out))
	for i := range out {
		p[i] = out[i].Test.P
	}
	for i, x := range corrected(p, r.Correction) {
		out[i].Corrected = x
	}
	return out
}

// corrected adjusts p values by one of Corrections.
func corrected(p []float64, how string) []float64 {
	switch how {
	case "bh":
		return stat.BenjaminiHochberg(p)
	case "none":
		return p
	}
	return stat.Holm(p)
}

// correctionNames are the corrections as sentences have them, and as the head of
// a column.
var correctionNames = map[string][2]string{
	"holm": {"Holm's correction", "Holm p"},
	"bh":   {"Benjamini and Hochberg's correction (false discovery rate)", "BH p"},
	"none": {"no correction", "uncorrected p"},
}

// manyPairs is from how many pairs on the exact test is left out: it takes time,
// and Student's is as good.
const manyPairs = 25

// pairKeys are the keys in which the two runs of a pair agree: all that is swept.
// Over enough data sets one data set is one observation, and seeds are averaged
// within it (Demšar 2006, section 3.1).
func (r *Report) pairKeys(planned []*collect.Run) []string {
	keys := slices.Concat(r.Factors, r.Seeds)
	if i := slices.IndexFunc(r.Factors, isData); i >= 0 && len(groups(planned, r.Factors[i:i+1])) >= leastSets {
		return slices.Clone(r.Factors)
	}
	return keys
}

func compare(factor string, others []string, metric string, value, reference group) Comparison {
	c := Comparison{Factor: factor, Value: value.settings[0], Reference: reference.settings[0], Metric: metric}
	partners := map[string][]*collect.Run{}
	for _, g := range groups(reference.runs, others) {
		partners[g.id()] = g.runs
	}
	var a, b []float64
	for _, g := range groups(value.runs, others) {
		partner, ok := partners[g.id()]
		if !ok {
			continue
		}
		c.Planned++
		x, okX := meanOf(g.runs, metric)
		y, okY := meanOf(partner, metric)
		if okX && okY {
			a, b = append(a, x), append(b, y)
		}
	}
	c.Pairs = len(a)
	d := stat.Diff(a, b)
	c.Estimate = stat.Mean(d)
	if iv, err := stat.MeanInterval(d, Level); err == nil {
		c.Interval = &iv
	}
	c.Test, _ = stat.PairedT(a, b) // without a test its P is NaN
	if len(a) < manyPairs {
		if exact, err := stat.SignFlip(a, b); err == nil {
			c.Exact = &exact
		}
	}
	c.PSuperior = stat.PairedPSuperior(a, b)
	return c
}

// meanOf returns the mean of a metric over runs, which are usually one; ok is
// false unless all are done with a finite value.
func meanOf(runs []*collect.Run, metric string) (mean float64, ok bool) {
	var x []float64
	for _, run := range runs {
		if v, has := run.Metric(metric); has && run.State == "done" {
			x = append(x, v)
		}
	}
	kept, _, _ := stat.Finite(x)
	return stat.Mean(kept), len(kept) == len(runs)
}
