package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"orch/report/collect"
	"orch/report/plot"
	"orch/report/stat"
)

// DataSets sums up methods over several data sets without a rank: by the
// interquartile mean over all their runs, and by how many runs reach what
// (Agarwal et al. 2021, "Deep reinforcement learning at the edge of the
// statistical precipice").
type DataSets struct {
	Factor, Data string // swept keys: what is compared, and on what
	Metric       Metric
	Scaled       bool // values are scaled to 0 (worst run) to 1 (best run) of each data set
	Labels, Sets []string
	Methods      []SetsMethod // one per label
	Thresholds   []float64    // of the performance profiles
}

// SetsMethod is one method over all data sets.
type SetsMethod struct {
	Counts   Counts
	NaN      int     // finished runs without a finite value: in no mean, and below every threshold
	Means    []Cell  // per data set, of the metric as it is
	IQM      float64 // of the scaled values; NaN without any
	Interval *stat.Interval
	Profile  []float64 // share of planned runs that reach each threshold
}

const (
	profilePoints = 101
	iqmResamples  = 2000
	iqmMostValues = 20_000_000 // resamples times values: fewer resamples for very many runs
)

// dataKeys finds the compared key and the key of the data sets.
func (r *Report) dataKeys() (factor, data string) {
	for _, f := range r.Factors {
		switch c := r.Study.Success; {
		case isData(f):
			data = cmpOr(data, f)
		case c != nil && f == c.Compare, factor == "" && c == nil:
			factor = f
		}
	}
	return factor, data
}

// sumSets returns nil for fewer than two methods or data sets, or if nobody says
// what is better.
func sumSets(r *Report, planned []*collect.Run) *DataSets {
	i := slices.IndexFunc(r.Metrics, func(m Metric) bool { return m.Goal != "" && r.shows(m) })
	factor, data := r.dataKeys()
	if i < 0 || factor == "" || data == "" {
		return nil
	}
	d := &DataSets{Factor: factor, Data: data, Metric: r.Metrics[i]}
	methods, sets := groups(planned, []string{factor}), groups(planned, []string{data})
	if len(methods) < 2 || len(sets) < 2 {
		return nil
	}
	sign := d.Metric.Goal.sign()
	lo, hi := map[string]float64{}, map[string]float64{}
	for _, g := range sets {
		d.Sets = append(d.Sets, r.shown(data, g.settings[0]))
		x := finiteValues(g.runs, d.Metric.Name)
		if len(x) == 0 {
			return nil
		}
		lo[g.id()], hi[g.id()] = slices.Min(x), slices.Max(x)
		d.Scaled = d.Scaled || lo[g.id()] < 0 || hi[g.id()] > 1
	}
	scale := func(set string, x float64) float64 {
		switch {
		case !d.Scaled:
			return x
		case hi[set] == lo[set]:
			return 1
		case sign > 0:
			return (x - lo[set]) / (hi[set] - lo[set])
		}
		return (hi[set] - x) / (hi[set] - lo[set])
	}
	tasks := make([][][]float64, len(methods)) // by method and data set, NaN for what failed; larger is better
	var all []float64
	for k, g := range methods {
		d.Labels = append(d.Labels, r.shown(factor, g.settings[0]))
		m := SetsMethod{Counts: count(g.runs)}
		for _, set := range sets {
			var runs []*collect.Run
			for _, part := range groups(g.runs, []string{data}) {
				if part.id() == set.id() {
					runs = part.runs
				}
			}
			m.Means = append(m.Means, r.row(group{runs: runs}).Cells[i])
			var x []float64
			for _, run := range runs {
				v, ok := run.Metric(d.Metric.Name)
				switch {
				case run.State != "done" || !ok || math.IsNaN(v) || math.IsInf(v, 0):
					if run.State == "done" {
						m.NaN++
					}
					x = append(x, math.NaN())
				case d.Scaled:
					x = append(x, scale(set.id(), v))
				default:
					x = append(x, sign*v)
				}
			}
			tasks[k] = append(tasks[k], x)
			kept, _, _ := stat.Finite(x)
			all = append(all, kept...)
		}
		d.Methods = append(d.Methods, m)
	}
	least, most := slices.Min(all), slices.Max(all)
	for k := range profilePoints {
		d.Thresholds = append(d.Thresholds, least+(most-least)*float64(k)/(profilePoints-1))
	}
	for k := range d.Methods {
		m := &d.Methods[k]
		kept, _, _ := stat.Finite(slices.Concat(tasks[k]...))
		m.IQM = stat.IQM(kept)
		o := stat.Bootstrap{Resamples: max(200, min(iqmResamples, iqmMostValues/max(1, len(kept)))), Seed: 1, Level: Level}
		if iv, err := o.Stratified(tasks[k], stat.IQM); err == nil {
			m.Interval = &iv
		}
		m.Profile = stat.Profile(tasks[k], d.Thresholds)
		if !d.Scaled && sign < 0 { // back to the metric's own direction
			m.IQM = -m.IQM
			if m.Interval != nil {
				m.Interval.Lo, m.Interval.Hi = -m.Interval.Hi, -m.Interval.Lo
			}
		}
	}
	if !d.Scaled && sign < 0 {
		for k := range d.Thresholds {
			d.Thresholds[k] = -d.Thresholds[k]
		}
	}
	return d
}

func finiteValues(runs []*collect.Run, metric string) []float64 {
	var x []float64
	for _, run := range runs {
		if v, ok := run.Metric(metric); ok && run.State == "done" {
			x = append(x, v)
		}
	}
	kept, _, _ := stat.Finite(x)
	return kept
}

// scaleNote says what the numbers are.
func (d *DataSets) scaleNote() string {
	if d.Scaled {
		return oneLine(d.Metric.Name) + ", scaled within each " + oneLine(d.Data) + " from 0 (worst run of all) to 1 (best)"
	}
	return oneLine(d.Metric.Name)
}

// figure is the performance profiles.
func (d *DataSets) figure() *figure {
	axis := oneLine(d.Metric.Name) + unitOf(d.Metric)
	if d.Scaled {
		axis = "scaled " + oneLine(d.Metric.Name)
	}
	c := plot.Curves{X: axis, Y: "share of runs"}
	least, most := math.MaxInt, 0
	for k, m := range d.Methods[:min(len(d.Methods), plot.MaxSeries)] {
		none := slices.Repeat([]float64{math.NaN()}, len(d.Thresholds))
		c.Lines = append(c.Lines, plot.Line{Label: d.Labels[k], X: d.Thresholds, Mean: m.Profile, Lo: none, Hi: none})
		least, most = min(least, m.Counts.Planned), max(most, m.Counts.Planned)
	}
	atLeast := "at least"
	if !d.Scaled && d.Metric.Goal == Minimize {
		atLeast = "at most"
	}
	caption := fmt.Sprintf("Performance profiles: the share of all planned runs whose %s is %s the value on the axis, each of %d values of %s weighing the same (%s a line); runs that failed or gave no number reach nothing. Higher is better.",
		d.scaleNote(), atLeast, len(d.Sets), oneLine(d.Data), span(least, most))
	return &figure{name: "profile-" + fileName(d.Metric.Name), caption: caption, pic: c.Figure()}
}

// mostSets is how many data sets have a column each.
const mostSets = 8

// dataSets is the section on several data sets: a table as papers have them, and
// one of what they come to.
func (d *document) dataSets(r *Report) {
	s := r.DataSets
	if s == nil {
		return
	}
	d.heading("Several data sets")
	if len(s.Sets) <= mostSets {
		var sizes, widths []float64 // one format for the whole table: its columns are compared
		for _, m := range s.Methods {
			for _, c := range m.Means {
				sizes, widths = append(sizes, abs(c.Mean)...), append(widths, halves(c.Interval)...)
			}
		}
		f := chooseNumbers(sizes, widths)
		t := newTable("sets", "l"+strings.Repeat("r", len(s.Sets)), s.Factor)
		for _, set := range s.Sets {
			t.head = append(t.head, text(set))
		}
		for i, label := range s.Labels {
			t.row(text(label))
			for j := range s.Sets {
				rows := mapTo(s.Methods, func(m SetsMethod) Row { return Row{Cells: m.Means[j : j+1]} })
				c := s.Methods[i].Means[j]
				x := f.cell(c)
				best := slices.MaxFunc(rows, func(a, b Row) int { return compareBest(a.Cells[0], b.Cells[0], s.Metric.Goal) }).Cells[0]
				shown := text(x)
				if c.N > 0 && c.Mean == best.Mean {
					shown = fat(x)
				}
				t.rows[i] = append(t.rows[i], join(shown, text(strings.TrimSuffix(cellNote(c, c.N+c.NaN+c.Inf+c.Absent), " "))))
			}
		}
		t.caption = text(fmt.Sprintf("%s%s: mean ± half width of the %s confidence interval (Student's t) over the finished runs of a cell%s. Bold: best mean of the column.", oneLine(s.Metric.Name), arrow(s.Metric.Goal), percent(Level), r.repeats()))
		d.add(t)
	}
	head := []string{s.Factor, "n", "IQM", percent(Level) + " interval"}
	align := "llrr"
	m := r.Methods
	if m != nil {
		head, align = append(head, "mean rank"), align+"r"
	}
	t := newTable("iqm", align, head...)
	var sizes, widths []float64
	for _, x := range s.Methods {
		sizes, widths = append(sizes, abs(x.IQM)...), append(widths, halves(x.Interval)...)
	}
	f := chooseNumbers(sizes, widths)
	for i, x := range s.Methods {
		iqm, interval := "—", "—"
		if !math.IsNaN(x.IQM) {
			iqm = f.format(x.IQM)
		}
		if x.Interval != nil {
			interval = f.format(x.Interval.Lo) + " to " + f.format(x.Interval.Hi)
		}
		n := tally(x.Counts)
		if x.NaN > 0 {
			n += fmt.Sprintf(" (%d without a number)", x.NaN)
		}
		row := []cell{text(s.Labels[i]), text(n), text(iqm), text(interval)}
		if m != nil {
			row = append(row, text(short(m.Ranks[i])))
		}
		t.row(row...)
	}
	caption := fmt.Sprintf("IQM: interquartile mean (the middle half of the runs) of %s over %d values of %s; interval: percentile bootstrap, stratified by %s. n: finished of planned runs.", s.scaleNote(), len(s.Sets), oneLine(s.Data), oneLine(s.Data))
	if m != nil {
		caption += fmt.Sprintf(" Mean rank over %d of %d values of %s, 1 is best; Friedman: chi-squared(%s) = %s, %s; Nemenyi's critical distance at %v: %s.",
			m.Used, m.Sets, oneLine(m.Data), short(m.Friedman.DF), short(m.Friedman.Statistic), equalsP(m.Friedman.P), significant, short(m.Distance))
	}
	t.caption = text(caption)
	d.add(t)
}

// compareBest orders cells by their means, those without any first.
func compareBest(a, b Cell, g Goal) int {
	switch {
	case a.N == 0 && b.N == 0:
		return 0
	case a.N == 0:
		return -1
	case b.N == 0:
		return 1
	case g.sign()*a.Mean < g.sign()*b.Mean:
		return -1
	case g.sign()*a.Mean > g.sign()*b.Mean:
		return 1
	}
	return 0
}
