package report

import (
	"fmt"
	"slices"
	"strings"

	"orch/report/collect"
	"orch/report/stat"
	"orch/sweep/results"
)

// Markdown renders the report as one file of GitHub-flavoured Markdown that
// pandoc reads too. Names and messages come from programs and files: they are
// escaped so that no pipe, newline or tag in them changes the document.
var Markdown = Format{Name: "md", Render: func(r *Report) ([]File, error) {
	m := &markdown{}
	m.report(r)
	return []File{{Name: "report.md", Data: []byte(m.b.String())}}, nil
}}

// maxMessage bounds a failure message in the list of all runs, in letters.
const maxMessage = 160

type markdown struct{ b strings.Builder }

func (m *markdown) line(format string, args ...any) { fmt.Fprintf(&m.b, format+"\n", args...) }

// section writes a heading; paragraph text with a blank line behind it.
func (m *markdown) section(title string) {
	if !strings.HasSuffix(m.b.String(), "\n\n") {
		m.line("")
	}
	m.line("## %s\n", title)
}
func (m *markdown) para(format string, args ...any) { m.line(format+"\n", args...) }

func (m *markdown) report(r *Report) {
	m.line("# %s\n", mdText(r.Title))
	m.headline(r)
	m.problem(r)
	m.runs(r)
	m.results(r)
	if r.Verdict != nil {
		m.criterion(r.Verdict)
	} else if len(r.Comparisons) > 0 {
		m.comparisons(r)
	}
	if len(r.Warnings) > 0 {
		m.section("Warnings")
		for _, w := range r.Warnings {
			m.line("- %s", mdText(w.Text))
		}
	}
	m.provenance(r)
	m.allRuns(r)
}

// headline says in one paragraph what a reader takes away.
func (m *markdown) headline(r *Report) {
	if v := r.Verdict; v != nil {
		m.line("> **Criterion %s.** %s", v.Outcome, mdText(v.Sentence()))
		m.line(">")
		m.line("> Because %s.\n", mdText(strings.Join(v.Reasons, "; ")))
		return
	}
	why := "no success criterion was fixed before the runs"
	if r.Study.Declared {
		why = "the study has no `[study.success]`"
	}
	m.line("> **Exploratory.** %s, so the numbers below suggest; they do not prove.\n", capital(why))
}

func (m *markdown) problem(r *Report) {
	s := &r.Study
	if s.Declared {
		m.section("Problem")
		if s.Question != "" {
			m.para("**Question.** %s", mdProse(s.Question))
		}
		if s.Formal != "" {
			m.para("**Formally.**\n\n%s", mdFormula(s.Formal))
		}
		if s.Hypothesis != "" {
			m.para("**Hypothesis.** %s", mdProse(s.Hypothesis))
		}
		if len(s.Baseline) > 0 || s.Why != "" {
			var parts []string
			for _, f := range s.Baseline {
				parts = append(parts, code(f.Key.Text()+" = "+f.Val.Text()))
			}
			m.para("**Baseline.** %s%s", strings.Join(parts, ", "), prefix(": ", mdProse(s.Why)))
		}
	}
	if c := s.Success; c != nil {
		m.para("**Criterion**, fixed before the runs: %s.", mdText(c.sentence(s)))
	}
	if len(s.Metrics) > 0 {
		rows := [][]string{{"Metric", "Better", "Unit", "Definition"}}
		for _, x := range s.Metrics {
			rows = append(rows, []string{code(x.Name), better(x.Goal), mdText(x.Unit), mdCell(mdProse(x.Definition))})
		}
		m.table(rows, "llll")
	}
}

func (m *markdown) runs(r *Report) {
	m.section("Runs")
	rows := [][]string{{"State", "Runs"}, {"planned", fmt.Sprint(r.Counts.Planned)}, {"done", fmt.Sprint(r.Counts.Done)}}
	for _, c := range r.Counts.Classes {
		rows = append(rows, []string{"failed, " + c.Name, fmt.Sprint(c.N)})
	}
	for _, c := range r.Counts.States {
		rows = append(rows, []string{"not finished, " + mdText(c.Name), fmt.Sprint(c.N)})
	}
	m.table(rows, "lr")
	var swept []string
	for _, k := range slices.Concat(r.Factors, r.Seeds) {
		swept = append(swept, code(k))
	}
	text := "Swept: " + cmpOr(strings.Join(swept, ", "), "nothing") + "."
	if len(r.Fixed) > 0 {
		var fixed []string
		for _, s := range r.Fixed {
			fixed = append(fixed, code(s.Key+" = "+s.Value.Text()))
		}
		text += " The same in all runs: " + strings.Join(fixed, ", ") + "."
	}
	m.line("%s", text)
}

func (m *markdown) results(r *Report) {
	m.section("Results")
	if len(r.Metrics) == 0 {
		m.para("No run has reported a metric yet.")
		return
	}
	head := []string{}
	align := ""
	for _, f := range r.Factors {
		head = append(head, mdText(f))
		align += "l"
	}
	head = append(head, "n")
	align += "l"
	for _, x := range r.Metrics {
		head = append(head, mdText(x.Name)+arrow(x.Goal))
		align += "r"
	}
	rows := [][]string{head}
	for _, row := range r.Rows {
		var cells []string
		for _, s := range row.Settings {
			cells = append(cells, setting(s))
		}
		rows = append(rows, append(cells, tally(row.Counts)))
	}
	for j := range r.Metrics {
		f := columnNumbers(r.Rows, j)
		for i, row := range r.Rows {
			c := row.Cells[j]
			text := f.cell(c)
			if c.Best {
				text = "**" + text + "**"
			}
			rows[i+1] = append(rows[i+1], strings.TrimSpace(text+cellNote(c, row.Counts.Done)))
		}
	}
	m.table(rows, align)
	m.line("%s", r.Caption())
}

// Caption explains the main table, ready to paste below it.
func (r *Report) Caption() string {
	over := "runs"
	if len(r.Seeds) > 0 {
		over = "the finished runs of a row, which differ in " + strings.Join(r.Seeds, ", ")
	}
	text := fmt.Sprintf("Mean ± half width of the %s confidence interval of the mean (Student's t) over %s; n is finished of planned runs. A single run has no interval.", percent(Level), over)
	for _, row := range r.Rows {
		if slices.ContainsFunc(row.Cells, func(c Cell) bool { return c.Best }) {
			return text + " Bold: best mean of the column, which says nothing about significance."
		}
	}
	return text
}

// criterion shows the verdict's numbers.
func (m *markdown) criterion(v *Verdict) {
	m.section("Criterion")
	metric := code(v.Metric.Name)
	f := chooseNumbers(abs(v.Candidate.Mean, v.Baseline.Mean), halves(v.Interval, v.Candidate.Interval, v.Baseline.Interval))
	arm := func(role string, a Arm) []string {
		text := f.cell(Cell{Summary: a.Summary, Interval: a.Interval})
		sd := "—"
		if a.N > 1 {
			sd = f.half(a.SD)
		}
		return []string{role, code(v.Criterion.Compare + " = " + a.Label), fmt.Sprint(a.N), text, sd}
	}
	m.table([][]string{{"Side", "Value", "n", "mean of " + metric, "sd"}, arm("candidate", v.Candidate), arm("baseline", v.Baseline)}, "llrrr")

	rows := [][]string{{"Quantity", "Value"}}
	add := func(name, format string, args ...any) {
		rows = append(rows, []string{name, fmt.Sprintf(format, args...)})
	}
	pairs := "pairs by " + strings.Join(v.Criterion.PairBy, ", ")
	if !v.Criterion.Paired() {
		pairs = "runs a side"
	}
	add(mdText(pairs), "%d of %d", v.Used, v.Planned)
	if v.Used > 0 {
		add("difference", "%s", f.format(v.Estimate))
		if v.Interval != nil {
			add(percent(v.Interval.Level)+" interval of the difference", "%s to %s", f.format(v.Interval.Lo), f.format(v.Interval.Hi))
		}
		m.test(add, v.Test, v.Criterion.Test)
		if v.Exact != nil {
			add("exact sign-flip p beside it", "%s (with %d pairs at least %s)", formatP(v.Exact.P), v.Exact.N, formatP(v.Exact.Floor))
		}
		add("P(candidate better)", "%.2f", v.PSuperior)
	}
	add("alpha", "%v", v.Criterion.Alpha)
	if v.Criterion.MinEffect > 0 {
		add("smallest improvement that counts", "%v", v.Criterion.MinEffect)
	}
	add("verdict", "**%s**", v.Outcome)
	m.table(rows, "ll")
	if len(v.Broken) > 0 {
		m.para("Not complete:")
		for _, b := range v.Broken {
			m.line("- %s", mdText(b))
		}
	}
}

func (m *markdown) test(add func(name, format string, args ...any), t stat.Test, name string) {
	statistic := map[string]string{"paired-t": "t", "welch": "t", "wilcoxon": "W", "mann-whitney": "U"}[name]
	text := "p = " + formatP(t.P)
	if statistic != "" && t.Statistic == t.Statistic {
		degrees := ""
		if t.DF == t.DF {
			degrees = "(" + short(t.DF) + ")"
		}
		text = fmt.Sprintf("%s%s = %s, %s", statistic, degrees, short(t.Statistic), text)
	}
	if t.Zeros > 0 {
		text += fmt.Sprintf(", %d equal %s left out", t.Zeros, plural(t.Zeros, "pair"))
	}
	if t.Floor > 0 {
		text += fmt.Sprintf(" (with n = %d at least %s)", t.N, formatP(t.Floor))
	}
	add(name+", two-sided", "%s", text)
}

func (m *markdown) comparisons(r *Report) {
	m.section("Comparison of the swept factors")
	rows := [][]string{{"Factor", "Value", "against", "Metric", "Pairs", "Difference", "p", "Holm p", "P(larger)"}}
	for _, c := range r.Comparisons {
		difference := "—"
		if c.Pairs > 0 {
			f := chooseNumbers(abs(c.Estimate), halves(c.Interval))
			difference = f.cell(Cell{Summary: stat.Summary{N: c.Pairs, Mean: c.Estimate}, Interval: c.Interval})
		}
		p, holm, larger := "—", "—", "—"
		if c.Test.P == c.Test.P {
			p, holm = formatP(c.Test.P), formatP(c.Holm)
		}
		if c.Pairs > 0 {
			larger = fmt.Sprintf("%.2f", c.PSuperior)
		}
		rows = append(rows, []string{mdText(c.Factor), setting(c.Value), setting(c.Reference), mdText(c.Metric), fmt.Sprintf("%d of %d", c.Pairs, c.Planned), difference, p, holm, larger})
	}
	m.table(rows, "llllrrrrr")
	m.line("Each line: mean difference ± half width of its %s interval over pairs of runs that agree in everything else that is swept; two-sided paired t test; Holm's correction over all lines (%d); P(larger) is the share of pairs in which the value's metric is the larger one; — where there is nothing to compute.",
		percent(Level), len(r.Comparisons))
}

func (m *markdown) provenance(r *Report) {
	m.section("Provenance")
	p := r.Provenance
	rows := [][]string{{"What", "Value"}}
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, []string{name, value})
		}
	}
	add("sweep", mdText(r.Sweep))
	if !p.Time.IsZero() {
		add("planned", p.Time.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	add("by", mdText(strings.Trim(p.User+"@"+p.Host, "@")))
	add("in", code(p.Dir))
	add("with", code(strings.Join(p.Command, " ")))
	commit := code(p.Commit)
	if p.Dirty {
		commit += " with uncommitted changes"
	}
	add("commit", commit)
	add("orch", mdText(strings.Join(strings.Fields(p.Orch+" "+p.Go), " "))+prefix(", binary ", code(first(p.Binary, 16))))
	for _, c := range r.Codes {
		add("made by", fmt.Sprintf("%s (%d %s)", mdText(c.Name), c.N, plural(c.N, "run")))
	}
	add("hosts", mdText(strings.Join(r.Hosts, ", ")))
	add("time of all attempts", seconds(r.Seconds))
	m.table(rows, "ll")
}

// allRuns lists every planned run: what it measured, or why it did not.
func (m *markdown) allRuns(r *Report) {
	m.section("All runs")
	keys := slices.Concat(r.Factors, r.Seeds)
	head := []string{"Run"}
	align := "l"
	for _, k := range keys {
		head = append(head, mdText(k))
		align += "l"
	}
	head = append(head, "State")
	align += "l"
	for _, x := range r.Metrics {
		head = append(head, mdText(x.Name))
		align += "r"
	}
	rows := [][]string{append(head, "Time", "Note")}
	for i := range r.Tables.Runs {
		run := &r.Tables.Runs[i]
		if !run.Planned() {
			continue
		}
		row := []string{mdText(run.Name)}
		for _, s := range settingTexts(run, keys) {
			row = append(row, setting(s))
		}
		row = append(row, mdText(run.State))
		for _, x := range r.Metrics {
			text := ""
			if v, ok := run.Metric(x.Name); ok {
				text = fmt.Sprintf("%.6g", v)
			}
			row = append(row, text)
		}
		time := ""
		if run.Class != results.NoEnd {
			time = seconds(run.Seconds)
		}
		rows = append(rows, append(row, time, mdText(note(run))))
	}
	m.table(rows, align+"rl")
}

// note says why a run has no result.
func note(run *collect.Run) string {
	if run.State == "done" {
		return ""
	}
	text := shorten(run.Message, maxMessage)
	if run.Class != results.NoEnd {
		text = run.Class.String() + prefix(": ", text)
	}
	return text
}

// setting shows a swept value; nothing is shown as that.
func setting(s string) string {
	if s == "" {
		return "(empty)"
	}
	return mdText(s)
}

// table writes a table with padded columns, so that the source reads well too.
// The first row is the header; align holds l or r per column.
func (m *markdown) table(rows [][]string, align string) {
	widths := make([]int, len(align))
	for _, row := range rows {
		for j, cell := range row {
			widths[j] = min(max(widths[j], len([]rune(cell)), 3), 48)
		}
	}
	for i, row := range rows {
		m.b.WriteString("|")
		for j, cell := range row {
			m.b.WriteString(" " + pad(cell, widths[j], align[j] == 'r') + " |")
		}
		m.b.WriteString("\n")
		if i == 0 {
			m.b.WriteString("|")
			for j, w := range widths {
				dashes := strings.Repeat("-", w+1)
				if align[j] == 'r' {
					m.b.WriteString(dashes + ":|")
				} else {
					m.b.WriteString(dashes + "-|")
				}
			}
			m.b.WriteString("\n")
		}
	}
	m.b.WriteString("\n")
}
