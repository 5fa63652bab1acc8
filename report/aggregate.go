package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"orch/report/collect"
)

// Aggregate is how a run's values of a metric, one a step, become its one
// result. It belongs to the plan: choosing it with the curves in sight is
// choosing the result.
//
//	final            what the run reported at its end (the default)
//	last             the value of the last step
//	best             the best value of all steps, by the metric's goal
//	mean of last 5   the mean over the last five steps
type Aggregate string

// The aggregators without a number.
const (
	Final Aggregate = "final"
	Last  Aggregate = "last"
	Best  Aggregate = "best"
)

// window returns k of "mean of last k".
func (a Aggregate) window() (k int, ok bool) {
	text, ok := strings.CutPrefix(string(a), "mean of last ")
	if !ok {
		return 0, false
	}
	k, err := strconv.Atoi(text)
	return k, err == nil && k > 0
}

// valid reports whether the text is an aggregator.
func (a Aggregate) valid() bool {
	_, window := a.window()
	return window || a == "" || a == Final || a == Last || a == Best
}

// of returns the aggregate of a run's steps, which are in order. A value that
// is not finite makes the mean of its window so; it is never the best.
func (a Aggregate) of(values []float64, goal Goal) float64 {
	if k, ok := a.window(); ok {
		values = values[max(0, len(values)-k):]
		sum := 0.0
		for _, v := range values {
			sum += v
		}
		return sum / float64(len(values))
	}
	if a == Last {
		return values[len(values)-1]
	}
	best := math.NaN()
	for _, v := range values {
		if math.IsNaN(best) || goal.sign()*v > goal.sign()*best {
			best = v
		}
	}
	return best
}

// aggregate returns the tables with each run's value of the study's metrics
// computed from its steps where the study says so, and how many finished runs
// had no steps and keep their final value, by metric. The argument stays as it
// is.
func aggregate(t *collect.Tables, metrics []Metric) (*collect.Tables, map[string]int) {
	missing := map[string]int{}
	wanted := map[string]Metric{}
	for _, m := range metrics {
		if m.Aggregate != "" && m.Aggregate != Final {
			wanted[m.Name] = m
		}
	}
	if len(wanted) == 0 {
		return t, missing
	}
	steps := map[string][]collect.Point{} // by run and metric
	for _, p := range t.Series {
		if _, ok := wanted[p.Name]; ok {
			key := p.Run + "\x00" + p.Name
			steps[key] = append(steps[key], p)
		}
	}
	x := *t
	x.Runs = slices.Clone(t.Runs)
	for i := range x.Runs {
		run := &x.Runs[i]
		run.Metrics = slices.Clone(run.Metrics)
		for j, final := range run.Metrics {
			m, ok := wanted[final.Name]
			if !ok {
				continue
			}
			points := steps[run.ID+"\x00"+final.Name]
			if len(points) == 0 {
				missing[final.Name]++
				continue
			}
			slices.SortStableFunc(points, func(a, b collect.Point) int { return int(a.Step - b.Step) })
			values := make([]float64, len(points))
			for k, p := range points {
				values[k] = p.Value
			}
			run.Metrics[j].Value = m.Aggregate.of(values, m.Goal)
		}
	}
	return &x, missing
}

// sentence says how a run's value comes about.
func (a Aggregate) sentence() string {
	switch k, window := a.window(); {
	case window:
		return fmt.Sprintf("mean of the last %d steps", k)
	case a == Last:
		return "last step"
	case a == Best:
		return "best step"
	}
	return "at the end"
}
