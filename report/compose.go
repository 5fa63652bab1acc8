package report

import (
	"fmt"
	"slices"
	"strings"
)

// compose writes the report's sections. It computes nothing: every number comes
// from the Report.
func compose(r *Report) *document {
	d := &document{title: r.Title}
	d.headline(r)
	d.problem(r)
	d.plan(r)
	d.runs(r)
	d.results(r)
	for _, f := range r.figures() {
		d.blocks = append(d.blocks, block{kind: figureBlock, fig: f})
	}
	d.dataSets(r)
	if r.Verdict != nil {
		d.criterion(r.Verdict)
	}
	d.comparisons(r)
	d.sensitivity(r)
	if len(r.Warnings) > 0 {
		d.heading("Threats to validity")
		var items [][]inline
		for _, w := range r.Warnings {
			items = append(items, text(sentence(w.Text)))
		}
		d.list(items...)
	}
	d.provenance(r)
	d.allRuns(r)
	return d
}

// headline says in one paragraph what a reader takes away.
func (d *document) headline(r *Report) {
	if v := r.Verdict; v != nil {
		d.blocks = append(d.blocks, block{kind: verdictBlock, good: v.Outcome, text: join(fat("Criterion "+string(v.Outcome)+"."),
			text(" "+v.Sentence()+" "+v.because()))})
		return
	}
	why := "no success criterion was fixed before the runs"
	if r.Study.Declared {
		why = "the study has no [study.success]"
	}
	d.blocks = append(d.blocks, block{kind: verdictBlock, text: join(fat("Exploratory."), text(" "+capital(why)+", so the numbers below suggest; they do not prove."))})
}

func (d *document) problem(r *Report) {
	s := &r.Study
	if s.Declared {
		d.heading("Problem")
		if s.Question != "" {
			d.para(fat("Question. "), author(s.Question))
		}
		if s.Formal != "" {
			d.para(fat("Formally."))
			d.blocks = append(d.blocks, block{kind: formulaBlock, text: author(s.Formal)})
		}
		if s.Hypothesis != "" {
			d.para(fat("Hypothesis. "), author(s.Hypothesis))
		}
		if len(s.Baseline) > 0 || s.Why != "" {
			var parts []cell
			for _, f := range s.Baseline {
				parts = append(parts, name(f.Key.Text()+" = "+f.Val.Text()))
			}
			d.para(fat("Baseline. "), separated(", ", parts...), author(prefix(": ", s.Why)))
		}
	}
	if c := s.Success; c != nil {
		d.para(fat("Criterion"), text(", fixed before the runs: "+c.sentence(s)+"."))
	}
	if len(s.Metrics) > 0 {
		t := newTable("metrics", "lllll", "Metric", "Better", "Unit", "Value of a run", "Definition")
		for _, x := range s.Metrics {
			t.row(name(x.Name), text(better(x.Goal)), text(x.Unit), text(x.Aggregate.sentence()), author(x.Definition))
		}
		d.add(t)
	}
}

// plan says what was swept and fixed, and what was changed later.
func (d *document) plan(r *Report) {
	d.heading("Plan")
	t := newTable("plan", "llr", "Swept", "Values", "Number")
	for _, a := range r.Tables.Header.Axes {
		var values []string
		for _, v := range a.Values {
			values = append(values, v.Text())
		}
		t.row(name(a.Key), text(shorten(strings.Join(values, ", "), 100)), text(fmt.Sprint(len(a.Values))))
	}
	if len(t.rows) > 0 {
		d.add(t)
	}
	var keys []cell
	for _, k := range slices.Concat(r.Factors, r.Seeds) {
		keys = append(keys, name(k))
	}
	if len(keys) == 0 {
		keys = []cell{text("nothing")}
	}
	var fixed []cell
	for _, s := range r.Fixed {
		fixed = append(fixed, name(s.Key+" = "+s.Value.Text()))
	}
	line := join(text("Varied: "), separated(", ", keys...), text("."))
	if len(fixed) > 0 {
		line = join(line, text(" The same in all runs: "), separated(", ", fixed...), text("."))
	}
	d.para(line)
	if c := r.Study.Success; c != nil {
		planned := r.Verdict.Planned
		what := "pairs"
		if !c.Paired() {
			what = "runs a side"
		}
		least, floor := c.least()
		line := fmt.Sprintf("%d %s are planned; the %s can reach p ≤ %v from %d on", planned, what, testNames[c.Test], c.Alpha, least)
		if floor := floor(planned); floor > 0 {
			line += fmt.Sprintf(" (its smallest p with %d is %s)", planned, formatP(floor))
		}
		d.para(text(line + ". One comparison was fixed, so no correction is needed for it; everything else in this report is exploratory, with " + correctionNames[c.Correction][0] + "."))
	}
	if f := r.Frozen; f.Hash != "" {
		line := join(text("The study was frozen into the plan with SHA-256 "), name(first(f.Hash, 16)))
		if !f.Time.IsZero() {
			line = join(line, text(" on "+f.Time.Format("2006-01-02 15:04:05 UTC")))
		}
		if len(f.Deviations) == 0 {
			line = join(line, text("; nothing was changed since."))
		} else {
			line = join(line, text("."))
		}
		d.para(line)
	}
	if len(r.Frozen.Deviations) > 0 {
		d.para(fat("Deviations from the plan:"))
		var items [][]inline
		for _, x := range r.Frozen.Deviations {
			when := ""
			if !x.Time.IsZero() {
				when = ", " + x.Time.Format("2006-01-02 15:04 UTC")
			}
			items = append(items, text(fmt.Sprintf("submission %d%s: %s", x.Segment, when, x.Text)))
		}
		d.list(items...)
	}
}

func (d *document) runs(r *Report) {
	d.heading("Runs")
	t := newTable("counts", "lr", "State", "Runs")
	t.row(text("planned"), text(fmt.Sprint(r.Counts.Planned)))
	t.row(text("done"), text(fmt.Sprint(r.Counts.Done)))
	for _, c := range r.Counts.Classes {
		t.row(text("failed, "+c.Name), text(fmt.Sprint(c.N)))
	}
	for _, c := range r.Counts.States {
		t.row(text("not finished, "+c.Name), text(fmt.Sprint(c.N)))
	}
	if r.Counts.Unplanned > 0 {
		t.row(text("not in the plan any more"), text(fmt.Sprint(r.Counts.Unplanned)))
	}
	d.add(t)
	e := r.Effort
	if e.Seconds == 0 && e.Submissions == 0 {
		return
	}
	line := "Used: all attempts together took " + seconds(e.Seconds)
	if e.CPUSeconds > 0 {
		line += fmt.Sprintf(" (%s of CPU time)", seconds(e.CPUSeconds))
	}
	if e.Lost > 0 {
		line += fmt.Sprintf(", of which %s went into attempts that do not count", seconds(e.Lost))
	}
	line += "."
	if e.Submissions > 0 {
		line += fmt.Sprintf(" Asked: %d %s wanted %d %s", e.Submissions, plural(e.Submissions, "submission"), e.Workers, plural(e.Workers, "worker"))
		if e.Asked > 0 {
			line += fmt.Sprintf(" and at most %s of worker time (%s of CPU", hours(e.Asked), hours(e.AskedCPU))
			if e.AskedGPU > 0 {
				line += ", " + hours(e.AskedGPU) + " of GPU"
			}
			line += ")"
		}
		if e.Waits > 0 {
			line += fmt.Sprintf(". Queue: the median wait from a submission to its first run was %s", seconds(e.Wait))
		}
		line += "."
	}
	d.para(text(line))
}

func (d *document) results(r *Report) {
	d.heading("Results")
	if len(r.Metrics) == 0 {
		d.para(text("No run has reported a metric yet."))
		return
	}
	d.add(mainTable(r))
}

// mainTable is one row per combination of the factors.
func mainTable(r *Report) *table {
	t := newTable("main", strings.Repeat("l", len(r.Factors)+1)+strings.Repeat("r", len(r.Metrics)), append(slices.Clone(r.Factors), "n")...)
	for _, x := range r.Metrics {
		t.head = append(t.head, text(x.Name+arrow(x.Goal)))
	}
	rows := r.tableRows()
	for _, row := range rows {
		var cells []cell
		for i, s := range row.Settings {
			cells = append(cells, text(r.shown(r.Factors[i], s)))
		}
		t.row(append(cells, text(tally(row.Counts)))...)
	}
	for j := range r.Metrics {
		f := columnNumbers(rows, j)
		for i, row := range rows {
			c := row.Cells[j]
			x := text(f.cell(c))
			if c.Best {
				x = fat(f.cell(c))
			}
			if c.Significant {
				x = join(x, text("*"))
			}
			note := cellNote(c, row.Counts.Done)
			if c.N == 0 {
				note = strings.TrimSpace(note)
			}
			t.rows[i] = append(t.rows[i], join(x, text(note)))
		}
	}
	t.caption = text(r.Caption())
	return t
}

// maxTableRows bounds the main table for readers; main.csv and report.json have
// every row.
const maxTableRows = 60

func (r *Report) tableRows() []Row {
	if len(r.Rows) <= maxTableRows {
		return r.Rows
	}
	return mapTo(r.leading(0, maxTableRows), func(i int) Row { return r.Rows[i] })
}

// Caption explains the main table, ready to paste below it.
func (r *Report) Caption() string {
	text := fmt.Sprintf("Mean ± half width of the %s confidence interval of the mean (Student's t) over the finished runs of a row%s; n: finished of planned runs.", percent(Level), r.repeats())
	if !r.hasIntervals() {
		text = "One finished run a row, so there is no interval; n: finished of planned runs."
	}
	if r.Counts.Done == 0 {
		text = "No run has finished; n: finished of planned runs."
	}
	best, marked := false, false
	for _, row := range r.Rows {
		for _, c := range row.Cells {
			best, marked = best || c.Best, marked || c.Significant
		}
	}
	if best {
		text += " Bold: best mean of the column, which says nothing about significance."
	}
	if marked {
		text += fmt.Sprintf(" *: differs from %s = %s, paired t test with %s over %d comparisons, p ≤ %v.",
			r.Comparisons[0].Factor, r.Comparisons[0].Reference, correctionNames[r.Correction][0], len(r.Comparisons), significant)
	}
	if len(r.Rows) > maxTableRows {
		text += fmt.Sprintf(" %s of %d rows; tables/main.csv has all.", capital(r.which(0, maxTableRows)), len(r.Rows))
		if r.Metrics[0].Goal == "" {
			text += " With a goal for the metric in [study] it would be the best."
		}
	}
	return text
}
