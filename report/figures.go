package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"orch/report/collect"
	"orch/report/plot"
	"orch/report/stat"
)

// figure is a picture of the report with its words.
type figure struct {
	name    string // of its files: fig/<name>.pdf
	caption string // with n, interval and test named, ready to paste
	pic     *plot.Figure
	curves  *plot.Curves // what a live chart draws instead; nil: the picture
}

// Figures writes every figure as fig/<name>.pdf for \includegraphics, .svg for
// web pages and .png, 300 dots an inch, for slides.
var Figures = Format{Name: "fig", Render: func(r *Report) ([]File, error) {
	var files []File
	for _, f := range r.figures() {
		pdf, err := f.pic.PDF()
		if err != nil {
			return nil, fmt.Errorf("figure %s: %w", f.name, err)
		}
		png, err := f.pic.PNG(300)
		if err != nil {
			return nil, fmt.Errorf("figure %s: %w", f.name, err)
		}
		files = append(files, File{"fig/" + f.name + ".pdf", pdf}, File{"fig/" + f.name + ".svg", f.pic.SVG(f.caption)}, File{"fig/" + f.name + ".png", png})
	}
	return files, nil
}}

// Bounds on what one picture can show.
const (
	maxCurves     = 3   // figures of learning curves
	maxCurveSteps = 200 // points of a curve
	maxRows       = 24  // rows of a figure with rows
	maxPoints     = 60  // points of such a row
	maxHeat       = 24  // values along a side of a heat map
)

// figures draws what the report's data allow; once, since every format asks.
func (r *Report) figures() []*figure {
	r.drawn.Do(func() {
		r.figs = append(r.figs, curveFigures(r)...)
		for j, m := range r.Metrics {
			if r.shows(m) {
				r.figs = appendFigure(r.figs, pointsFigure(r, j), forestFigure(r, m), heatFigure(r, m), parallelFigure(r, j))
			}
		}
		if r.DataSets != nil {
			r.figs = append(r.figs, r.DataSets.figure())
		}
		if r.Methods != nil {
			r.figs = append(r.figs, r.Methods.figure())
		}
		seen := map[string]int{}
		for _, f := range r.figs { // metrics such as a/b and a.b make the same file name
			if seen[f.name]++; seen[f.name] > 1 {
				f.name += "-" + strconv.Itoa(seen[f.name])
			}
		}
	})
	return r.figs
}

func appendFigure(figs []*figure, more ...*figure) []*figure {
	for _, f := range more {
		if f != nil {
			figs = append(figs, f)
		}
	}
	return figs
}

// shows reports whether a metric is worth figures: that of the criterion, else
// the first.
func (r *Report) shows(m Metric) bool {
	if c := r.Study.Success; c != nil {
		return m.Name == c.Metric
	}
	return m.Name == r.Metrics[0].Name
}

// fileName makes a metric's name safe in a file name and a LaTeX path.
func fileName(s string) string {
	s = strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' {
			return c
		}
		return '-'
	}, s)
	s = strings.Trim(s, "-")
	return cmpOr(s[:min(len(s), 40)], "metric")
}

// named says for captions what the labels of lines or rows are values of.
func (r *Report) named(what string) string {
	if len(r.Factors) < 2 {
		return ""
	}
	var keys []string
	for _, f := range r.Factors {
		keys = append(keys, lastPart(f))
	}
	return " " + what + ": " + strings.Join(keys, ", ") + "."
}

// lastPart is the part of a dotted key that tells most.
func lastPart(key string) string { return oneLine(key[strings.LastIndexByte(key, '.')+1:]) }

// curveFigures draws learning curves of the metrics that have steps: the study's
// first, then what they are called on validation data, then losses.
func curveFigures(r *Report) []*figure {
	row := map[string]int{} // run to row
	for i, g := range groups(r.planned(), r.Factors) {
		for _, run := range g.runs {
			if run.State == "done" {
				row[run.ID] = i
			}
		}
	}
	type at struct {
		row  int
		step int64
	}
	values := map[string]map[at][]float64{}
	for _, p := range r.Tables.Series {
		i, ok := row[p.Run]
		if !ok {
			continue
		}
		if values[p.Name] == nil {
			values[p.Name] = map[at][]float64{}
		}
		values[p.Name][at{i, p.Step}] = append(values[p.Name][at{i, p.Step}], p.Value)
	}
	var names []string
	for name, v := range values {
		steps := map[int64]bool{}
		for k := range v {
			steps[k.step] = true
		}
		if len(steps) > 1 && !isTiming(name) {
			names = append(names, name)
		}
	}
	rank := func(name string) int {
		switch {
		case slices.ContainsFunc(r.Study.Metrics, func(m Metric) bool { return m.Name == name }):
			return 0
		case slices.ContainsFunc(r.Metrics, func(m Metric) bool { return lastPart(m.Name) == lastPart(name) }) && strings.HasPrefix(name, "val"):
			return 1
		case strings.Contains(name, "loss"):
			return 2
		}
		return 3
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(a, b)) })

	var figs []*figure
	for _, name := range names[:min(len(names), maxCurves)] {
		d := plot.Curves{X: "step", Y: name, Whole: true}
		least, most := math.MaxInt, 0
		for i := range r.Rows[:min(len(r.Rows), plot.MaxSeries)] {
			line := plot.Line{Label: r.label(r.Rows[i].Settings)}
			var steps []int64
			for k := range values[name] {
				if k.row == i {
					steps = append(steps, k.step)
				}
			}
			slices.Sort(steps)
			every := max(1, (len(steps)+maxCurveSteps-1)/maxCurveSteps)
			for k, step := range steps {
				if k%every != 0 && k != len(steps)-1 {
					continue
				}
				s := stat.Describe(values[name][at{i, step}])
				least, most = min(least, s.N), max(most, s.N)
				lo, hi := math.NaN(), math.NaN()
				if iv, err := stat.MeanInterval(values[name][at{i, step}], Level); err == nil {
					lo, hi = iv.Lo, iv.Hi
				}
				line.X, line.Mean = append(line.X, float64(step)), append(line.Mean, s.Mean)
				line.Lo, line.Hi = append(line.Lo, lo), append(line.Hi, hi)
			}
			if len(line.X) > 0 {
				d.Lines = append(d.Lines, line)
			}
		}
		if len(d.Lines) == 0 {
			continue
		}
		caption := fmt.Sprintf("Learning curves: %s at each step, a single run a line.", oneLine(name))
		if most > 1 {
			caption = fmt.Sprintf("Learning curves: mean %s at each step, with its pointwise %s confidence band (Student's t) over the finished runs of a line (%s)%s.",
				oneLine(name), percent(Level), span(least, most), r.repeats())
		}
		caption += r.named("Lines")
		if len(r.Rows) > plot.MaxSeries {
			caption += fmt.Sprintf(" The first %d of %d rows.", plot.MaxSeries, len(r.Rows))
		}
		figs = append(figs, &figure{name: "curve-" + fileName(name), caption: caption, pic: d.Figure(), curves: &d})
	}
	return figs
}

func (r *Report) planned() []*collect.Run {
	var runs []*collect.Run
	for i := range r.Tables.Runs {
		if r.Tables.Runs[i].Planned() {
			runs = append(runs, &r.Tables.Runs[i])
		}
	}
	return runs
}

// pointsFigure shows every finished run of every row.
func pointsFigure(r *Report, j int) *figure {
	m := r.Metrics[j]
	if len(r.Rows) < 2 {
		return nil
	}
	d := plot.Points{X: m.Name + unitOf(m)}
	left, large := 0, 0
	show := r.leading(j, maxRows)
	least, most := math.MaxInt, 0
	for i, g := range groups(r.planned(), r.Factors) {
		if !slices.Contains(show, i) {
			continue
		}
		c := r.Rows[i].Cells[j]
		row := plot.Group{Label: r.label(r.Rows[i].Settings), Mean: c.Mean, Lo: math.NaN(), Hi: math.NaN()}
		if c.Interval != nil {
			row.Lo, row.Hi = c.Interval.Lo, c.Interval.Hi
		}
		for _, run := range g.runs {
			if v, ok := run.Metric(m.Name); ok && run.State == "done" && !math.IsNaN(v) && !math.IsInf(v, 0) {
				if len(row.Values) == maxPoints {
					left++
					continue
				}
				if !plot.Fits(v) {
					large++
					continue
				}
				row.Values = append(row.Values, v)
			}
		}
		d.Rows = append(d.Rows, row)
		least, most = min(least, c.N), max(most, c.N)
	}
	if !slices.ContainsFunc(d.Rows, func(g plot.Group) bool { return len(g.Values) > 0 }) {
		return nil
	}
	caption := fmt.Sprintf("%s of every finished run (points), with the mean (diamond) and its %s confidence interval (Student's t) over the runs of a row (%s)%s.", oneLine(m.Name), percent(Level), span(least, most), r.repeats())
	if most == 1 {
		caption = fmt.Sprintf("%s of every finished run; one run a row, so there is no interval.", oneLine(m.Name))
	}
	caption += r.named("Rows")
	if len(r.Rows) > maxRows {
		caption += fmt.Sprintf(" %s of %d rows.", capital(r.which(j, maxRows)), len(r.Rows))
	}
	if left > 0 {
		caption += fmt.Sprintf(" At most %d points a row; all count.", maxPoints)
	}
	if large > 0 {
		caption += fmt.Sprintf(" Without %d %s too large to draw.", large, plural(large, "value"))
	}
	return &figure{name: "points-" + fileName(m.Name), caption: caption, pic: d.Figure()}
}

// forestFigure shows the differences of a metric: the criterion's first.
func forestFigure(r *Report, m Metric) *figure {
	d := plot.Forest{X: "difference in " + oneLine(m.Name) + unitOf(m)}
	caption := fmt.Sprintf("Mean difference in %s with its %s confidence interval (Student's t) over %s; two-sided paired t test", oneLine(m.Name), percent(Level), r.pairs())
	v := r.Verdict
	if v != nil && v.Metric.Name == m.Name && v.Used > 0 {
		row := plot.Difference{Label: r.shown(v.Criterion.Compare, v.Candidate.Label) + " − " + r.shown(v.Criterion.Compare, v.Baseline.Label), Estimate: v.Estimate, Lo: math.NaN(), Hi: math.NaN(), Note: equalsP(v.Test.P)}
		if v.Interval != nil {
			row.Lo, row.Hi = v.Interval.Lo, v.Interval.Hi
		}
		d.Rows = append(d.Rows, row)
		d.Margin = v.Metric.Goal.sign() * v.Criterion.MinEffect
		caption = fmt.Sprintf("Mean difference in %s with its confidence interval. First row: the criterion (%s, n = %d, %s interval)", oneLine(m.Name), testNames[v.Criterion.Test], v.Used, percent(1-v.Criterion.Alpha))
		if d.Margin != 0 {
			caption += ", dotted: the smallest improvement that counts"
		}
		caption += "; the others are exploratory (paired t test, " + r.pairs()
	}
	several := len(slices.DeleteFunc(slices.Clone(r.Factors), isData)) > 1
	others, least, most := 0, math.MaxInt, 0
	for _, c := range r.Comparisons {
		if c.Metric != m.Name || c.Pairs == 0 || len(d.Rows) >= maxRows ||
			v != nil && c.Factor == v.Criterion.Compare && c.Value == v.Candidate.Label && c.Reference == v.Baseline.Label {
			continue
		}
		row := plot.Difference{Label: r.shown(c.Factor, c.Value) + " − " + r.shown(c.Factor, c.Reference), Estimate: c.Estimate, Lo: math.NaN(), Hi: math.NaN()}
		if several {
			row.Label = lastPart(c.Factor) + " " + row.Label
		}
		if c.Interval != nil {
			row.Lo, row.Hi = c.Interval.Lo, c.Interval.Hi
		}
		if !math.IsNaN(c.Corrected) {
			row.Note = equalsP(c.Corrected)
		}
		d.Rows = append(d.Rows, row)
		least, most = min(least, c.Pairs), max(most, c.Pairs)
		others++
	}
	if len(d.Rows) == 0 {
		return nil
	}
	switch {
	case others == 0:
		caption, _, _ = strings.Cut(caption, "; the others")
		caption += "."
	case strings.Contains(caption, "exploratory (paired"):
		caption += fmt.Sprintf(", %s, p with %s over %d comparisons).", span(least, most), correctionNames[r.Correction][0], len(r.Comparisons))
	default:
		caption += fmt.Sprintf(", %s, p with %s over %d comparisons.", span(least, most), correctionNames[r.Correction][0], len(r.Comparisons))
	}
	return &figure{name: "forest-" + fileName(m.Name), caption: caption, pic: d.Figure()}
}

// leading returns which rows are shown where only so many can be, in their
// order: the best by the j-th metric, the first ones if its goal is unknown.
func (r *Report) leading(j, most int) []int {
	rows := make([]int, len(r.Rows))
	for i := range rows {
		rows[i] = i
	}
	if len(rows) <= most {
		return rows
	}
	if g := r.Metrics[j].Goal; g != "" {
		key := func(i int) float64 {
			if c := r.Rows[i].Cells[j]; c.N > 0 {
				return -g.sign() * c.Mean
			}
			return math.Inf(1)
		}
		slices.SortStableFunc(rows, func(a, b int) int { return cmp.Compare(key(a), key(b)) })
	}
	rows = rows[:most]
	slices.Sort(rows)
	return rows
}

// which says what leading chose: "the 24 best".
func (r *Report) which(j, most int) string {
	if r.Metrics[j].Goal == "" {
		return fmt.Sprintf("the first %d", most)
	}
	return fmt.Sprintf("the %d best", most)
}
