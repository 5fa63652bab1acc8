package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orch/report/plot"
	"orch/report/stat"
)

// Methods compares the values of a factor over data sets by their ranks: what a
// single paired test cannot, since one data set is one observation.
type Methods struct {
	Factor, Data string // swept keys
	Metric       Metric
	Labels       []string  // values of the factor
	Ranks        []float64 // mean rank of each, 1 is best
	Sets, Used   int       // data sets planned, and those with a mean of every method
	Friedman     stat.Test
	Distance     float64 // Nemenyi's critical distance at 0.05
}

// From how many methods and data sets on ranks say something (Demšar 2006).
const (
	leastMethods = 3
	leastSets    = 5
)

// isData reports whether a swept key names data sets.
func isData(key string) bool {
	return slices.Contains([]string{"data", "dataset", "task"}, strings.ToLower(lastPart(key))) || strings.HasPrefix(key, "data.") && lastPart(key) == "name"
}

// compareMethods ranks methods over data sets in the criterion's metric, else
// the first declared one: its goal says what is better. It returns nil where
// there is too little.
func compareMethods(r *Report) *Methods {
	var m *Methods
	for _, metric := range r.Metrics {
		if metric.Goal != "" && r.shows(metric) {
			m = &Methods{Metric: metric}
		}
	}
	if m == nil {
		return nil
	}
	m.Factor, m.Data = r.dataKeys()
	if m.Data == "" || m.Factor == "" {
		return nil
	}
	column := map[string]int{} // by group; a data set that lacks a method has the others in its own order
	for i, g := range groups(r.planned(), []string{m.Factor}) {
		column[g.id()] = i
		m.Labels = append(m.Labels, cmpOr(oneLine(g.settings[0]), "(empty)"))
	}
	sets := groups(r.planned(), []string{m.Data})
	m.Sets = len(sets)
	if len(m.Labels) < leastMethods || m.Sets < leastSets {
		return nil
	}
	var x [][]float64
	for _, set := range sets {
		row := slices.Repeat([]float64{math.NaN()}, len(m.Labels))
		for _, g := range groups(set.runs, []string{m.Factor}) {
			if mean, ok := meanOf(g.runs, m.Metric.Name); ok {
				row[column[g.id()]] = m.Metric.Goal.sign() * mean
			}
		}
		if !slices.ContainsFunc(row, math.IsNaN) { // else a run is missing: the means are of different things
			x = append(x, row)
		}
	}
	m.Used = len(x)
	var err error
	if m.Friedman, m.Ranks, err = stat.Friedman(x); err != nil {
		return nil
	}
	if m.Distance, err = stat.NemenyiDistance(len(m.Labels), m.Used, significant); err != nil {
		return nil
	}
	return m
}

// figure is the critical-difference diagram.
func (m *Methods) figure() *figure {
	d := plot.Ranks{Labels: m.Labels, Mean: m.Ranks, Distance: m.Distance}
	caption := fmt.Sprintf("Mean ranks of %s in %s over %d of %d values of %s, each a mean over its runs; 1 is best. Bars join what Nemenyi's test does not tell apart at %v (critical distance %s). Friedman: chi-squared(%s) = %s, %s.",
		oneLine(m.Factor), oneLine(m.Metric.Name), m.Used, m.Sets, oneLine(m.Data), significant, short(m.Distance), short(m.Friedman.DF), short(m.Friedman.Statistic), equalsP(m.Friedman.P))
	return &figure{name: "ranks-" + fileName(m.Metric.Name), caption: caption, pic: d.Figure()}
}
