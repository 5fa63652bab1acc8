package report

import (
	"orch/report/collect"
	"orch/report/stat"
)

// Marginal is a metric over all finished runs with one value of a factor,
// whatever the others were: how much the factor matters on average.
type Marginal struct {
	Factor, Value string
	Counts        Counts
	Cells         []Cell // one per metric
}

// marginals is empty for fewer than two factors: the main table says it already.
func marginals(r *Report, planned []*collect.Run) []Marginal {
	if len(r.Factors) < 2 {
		return nil
	}
	var out []Marginal
	for _, f := range r.Factors {
		for _, g := range groups(planned, []string{f}) {
			row := r.row(g)
			out = append(out, Marginal{f, g.settings[0], row.Counts, row.Cells})
		}
	}
	return out
}

// significant is the level at which corrected comparisons get their mark.
const significant = 0.05

// markSignificant marks the cells of the main table whose value differs from
// the baseline's after correction. With several factors a comparison is about a
// factor's value and not about a row, so nothing is marked.
func (r *Report) markSignificant() {
	if len(r.Factors) != 1 {
		return
	}
	for _, c := range r.Comparisons {
		for i, row := range r.Rows {
			for j, m := range r.Metrics {
				if row.Settings[0] == c.Value && m.Name == c.Metric && c.Corrected <= significant {
					r.Rows[i].Cells[j].Significant = true
				}
			}
		}
	}
}

func median(x []float64) float64 { return stat.Median(x) }
