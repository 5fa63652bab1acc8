package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"orch/report/collect"
	"orch/report/stat"
	"orch/sweep/override"
	"orch/sweep/results"
)

// Level is the confidence level of the intervals in tables. A verdict's
// interval has level 1-alpha.
const Level = 0.95

// Report is everything that a format shows, computed.
type Report struct {
	Title       string
	Sweep       string
	Study       Study
	Exploratory bool // no criterion was fixed beforehand
	Factors     []string
	Fixed       []Setting // swept keys with one value
	Seeds       []string  // swept keys that rows run over: they repeat, they are not compared
	Metrics     []Metric  // columns of the main table
	Counts      Counts
	Rows        []Row
	Verdict     *Verdict     // nil without a criterion
	Correction  string       // of the comparisons' p values, one of Corrections
	Comparisons []Comparison // of swept factors, which nobody fixed beforehand: exploratory even beside a verdict
	Marginals   []Marginal   // per factor, when there are several
	DataSets    *DataSets    // methods summed up over data sets; nil without several of both
	Methods     *Methods     // ranks over data sets; nil where there are too few
	Frozen      Frozen
	Effort      Effort
	Warnings    []Warning
	Provenance  results.Provenance
	Codes       []Count // what made the finished runs
	Hosts       []string
	Tables      *collect.Tables // with the runs' metrics as the study aggregates them

	rounded map[string]map[string]string // swept values that are too long to show in full: see shownValues

	drawn sync.Once
	figs  []*figure
}

// Setting is a swept key with a value.
type Setting struct {
	Key   string
	Value override.Value
}

// Count is a number of something.
type Count struct {
	Name string
	N    int
}

// Counts is what became of the planned runs.
type Counts struct {
	Planned, Done   int
	Failed, Missing int
	Classes         []Count // of failed runs, by class
	States          []Count // of missing runs: running, queued, held, cancelled
	Unplanned       int     // runs with results that are not in the plan: nowhere else in the report
}

// Row is one line of the main table: a combination of the factors.
type Row struct {
	Settings []string // one per factor; empty where the runs do not have it
	Counts   Counts
	Cells    []Cell // one per metric
}

// Cell is a metric over the finished runs of a row.
type Cell struct {
	stat.Summary
	Interval *stat.Interval // of the mean; nil for fewer than two values
	Absent   int            // finished runs that did not report the metric
	Best     bool           // best mean of its column; only where the goal is known
	// Significant: it differs from the baseline's (or first value's) row at 0.05
	// after correction over all comparisons of the report.
	Significant bool
}

// Warning is a finding that should not stop the work.
type Warning struct {
	Code string // a short word that does not change: "few-seeds"
	Text string
}

// Build computes the report on a sweep. It changes nothing and looks at nothing
// but its argument.
func Build(t *collect.Tables) *Report {
	r := &Report{Sweep: t.Sweep, Provenance: t.Header.Provenance, Frozen: freeze(t), Effort: effortOf(t)}
	var errs []error
	r.Study, errs = ParseStudy(t.Header.Study)
	t, noSteps := aggregate(t, r.Study.Metrics)
	r.Tables = t
	for _, err := range errs {
		r.warn("study", "the frozen [study] is not understood: %v", err)
	}
	r.Title = cmp.Or(r.Study.Title, t.Sweep)
	r.Exploratory = r.Study.Success == nil

	var planned []*collect.Run
	for i := range t.Runs {
		if t.Runs[i].Planned() {
			planned = append(planned, &t.Runs[i])
		} else {
			r.Counts.Unplanned++
		}
	}
	unplanned := r.Counts.Unplanned
	r.Counts = count(planned)
	r.Counts.Unplanned = unplanned
	r.axes(t, planned)
	r.rounded = map[string]map[string]string{}
	for _, key := range slices.Concat(r.Factors, r.Seeds) {
		r.rounded[key] = shownValues(planned, key)
	}
	r.Metrics = r.columns(planned)
	for _, group := range groups(planned, r.Factors) {
		r.Rows = append(r.Rows, r.row(group))
	}
	r.markBest()
	if r.Study.Success != nil {
		r.Verdict = judge(&r.Study, planned)
	}
	r.Correction = Corrections[0]
	if c := r.Study.Success; c != nil {
		r.Correction = c.Correction
	}
	r.Comparisons = compareFactors(r, planned)
	r.markSignificant()
	r.Marginals = marginals(r, planned)
	r.DataSets = sumSets(r, planned)
	r.Methods = compareMethods(r)
	r.account(t, planned)
	r.threats(planned, noSteps)
	return r
}

func (r *Report) warn(code, format string, args ...any) {
	r.Warnings = append(r.Warnings, Warning{code, fmt.Sprintf(format, args...)})
}

// axes sorts the swept keys into seeds, factors and those with one value.
func (r *Report) axes(t *collect.Tables, planned []*collect.Run) {
	isSeed := func(key string) bool {
		c := r.Study.Success
		return key == "seed" || strings.HasSuffix(key, ".seed") || c != nil && slices.Contains(c.PairBy, key) && !isData(key)
	}
	for _, key := range t.SweptKeys() {
		if isSeed(key) {
			r.Seeds = append(r.Seeds, key)
			continue
		}
		var first *override.Value
		varies := false
		for _, run := range planned {
			v, ok := run.Setting(key)
			switch {
			case !ok:
				varies = varies || first != nil
			case first == nil:
				first, varies = &v, varies || run != planned[0]
			case !first.Equal(v):
				varies = true
			}
		}
		switch {
		case varies:
			r.Factors = append(r.Factors, key)
		case first != nil:
			r.Fixed = append(r.Fixed, Setting{key, *first})
		}
	}
}

// columns chooses the metrics of the main table: those the study declares; else
// all that vary among finished runs (all, if none does), test.* first, timings
// last.
func (r *Report) columns(planned []*collect.Run) []Metric {
	if len(r.Study.Metrics) > 0 {
		return r.Study.Metrics
	}
	values := map[string][]float64{}
	done := 0
	for _, run := range planned {
		if run.State != "done" {
			continue
		}
		done++
		for _, m := range run.Metrics {
			values[m.Name] = append(values[m.Name], m.Value)
		}
	}
	var all, vary []Metric
	for name, x := range values {
		all = append(all, Metric{Name: name})
		if s := stat.Describe(x); s.NaN+s.Inf > 0 || s.Min != s.Max || len(x) < done {
			vary = append(vary, Metric{Name: name})
		}
	}
	if len(vary) == 0 {
		vary = all
	}
	slices.SortFunc(vary, func(a, b Metric) int {
		return cmp.Or(cmp.Compare(rank(a.Name), rank(b.Name)), cmp.Compare(a.Name, b.Name))
	})
	return vary
}

// rank orders metrics for readers: results on the test split, others, timings.
func rank(metric string) int {
	switch {
	case isTiming(metric):
		return 2
	case strings.HasPrefix(metric, "test.") || strings.HasPrefix(metric, "test/") || strings.HasPrefix(metric, "test_"):
		return 0
	}
	return 1
}

// isTiming reports whether a metric measures speed rather than quality, by its
// name: train.seconds, time/epoch, examples_per_second.
func isTiming(metric string) bool {
	words := strings.FieldsFunc(strings.ToLower(metric), func(c rune) bool { return strings.ContainsRune("._/- ", c) })
	return slices.ContainsFunc(words, func(w string) bool {
		switch w {
		case "s", "ms", "sec", "secs", "second", "seconds", "time", "duration", "elapsed", "wall", "walltime", "runtime", "throughput", "speed":
			return true
		}
		return false
	})
}

// group is the runs that agree in all factors, in plan order.
type group struct {
	settings []string
	runs     []*collect.Run
}

// id tells groups by the same keys apart.
func (g group) id() string { return strings.Join(g.settings, "\x00") }

// groups splits runs by their values of keys, in order of first appearance.
func groups(runs []*collect.Run, keys []string) []group {
	var out []group
	place := map[string]int{}
	for _, run := range runs {
		g := group{settings: settingTexts(run, keys)}
		id := g.id()
		i, ok := place[id]
		if !ok {
			i = len(out)
			place[id] = i
			out = append(out, g)
		}
		out[i].runs = append(out[i].runs, run)
	}
	return out
}

func settingTexts(run *collect.Run, keys []string) []string {
	texts := make([]string, len(keys))
	for i, k := range keys {
		if v, ok := run.Setting(k); ok {
			texts[i] = v.Text()
		}
	}
	return texts
}

// count sorts planned runs into done, failed and missing.
func count(runs []*collect.Run) Counts {
	c := Counts{Planned: len(runs)}
	classes, states := map[string]int{}, map[string]int{}
	for _, run := range runs {
		switch run.State {
		case "done":
			c.Done++
		case "failed":
			c.Failed++
			classes[failure(run.Class)]++
		default:
			c.Missing++
			states[run.State]++
		}
	}
	c.Classes, c.States = counts(classes), counts(states)
	return c
}

// counts sorts by number, largest first, then by name.
func counts(m map[string]int) []Count {
	var out []Count
	for name, n := range m {
		out = append(out, Count{name, n})
	}
	slices.SortFunc(out, func(a, b Count) int { return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(a.Name, b.Name)) })
	return out
}

func (r *Report) row(g group) Row {
	row := Row{Settings: g.settings, Counts: count(g.runs)}
	for _, m := range r.Metrics {
		var x []float64
		var c Cell
		for _, run := range g.runs {
			if run.State != "done" {
				continue
			}
			if v, ok := run.Metric(m.Name); ok {
				x = append(x, v)
			} else {
				c.Absent++
			}
		}
		c.Summary = stat.Describe(x)
		if iv, err := stat.MeanInterval(x, Level); err == nil {
			c.Interval = &iv
		}
		row.Cells = append(row.Cells, c)
	}
	return row
}

// markBest marks the best mean of each column whose goal is known, all of them
// if several are equal; nothing to choose from, nothing marked.
func (r *Report) markBest() {
	for j, m := range r.Metrics {
		if m.Goal == "" {
			continue
		}
		var means []float64
		for _, row := range r.Rows {
			if row.Cells[j].N > 0 {
				means = append(means, m.Goal.sign()*row.Cells[j].Mean)
			}
		}
		if len(means) < 2 {
			continue
		}
		best := slices.Max(means)
		for i := range r.Rows {
			if c := &r.Rows[i].Cells[j]; c.N > 0 && m.Goal.sign()*c.Mean == best {
				c.Best = true
			}
		}
	}
}
