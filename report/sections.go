package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"orch/report/collect"
	"orch/report/stat"
	"orch/sweep/results"
)

// criterion shows the verdict's numbers.
func (d *document) criterion(v *Verdict) {
	d.heading("Criterion")
	f := v.numbers()
	sides := newTable("sides", "llrrr", "Side", "Value", "n", "mean of "+v.Metric.Name, "sd")
	for _, side := range []struct {
		role string
		a    Arm
	}{{"candidate", v.Candidate}, {"baseline", v.Baseline}} {
		sd := "—"
		if side.a.N > 1 {
			sd = f.half(side.a.SD)
		}
		sides.row(text(side.role), name(v.Criterion.Compare+" = "+side.a.Label), text(fmt.Sprint(side.a.N)), text(f.cell(Cell{Summary: side.a.Summary, Interval: side.a.Interval})), text(sd))
	}
	d.add(sides)

	t := newTable("criterion", "ll", "Quantity", "Value")
	add := func(what, format string, args ...any) { t.row(text(what), text(fmt.Sprintf(format, args...))) }
	pairs := "pairs by " + strings.Join(v.Criterion.PairBy, ", ")
	if !v.Criterion.Paired() {
		pairs = "runs a side"
	}
	add(pairs, "%d of %d", v.Used, v.Planned)
	if v.Used > 0 {
		add("difference", "%s", f.format(v.Estimate))
		if v.Interval != nil {
			add(percent(v.Interval.Level)+" interval of the difference", "%s to %s", f.format(v.Interval.Lo), f.format(v.Interval.Hi))
		}
		add(testNames[v.Criterion.Test]+", two-sided", "%s", testText(v.Test, v.Criterion.Test))
		if v.Exact != nil {
			add("exact sign-flip p beside it", "%s (with %d pairs at least %s)", formatP(v.Exact.P), v.Exact.N, formatP(v.Exact.Floor))
		}
		add("P(candidate better)", "%.2f", v.PSuperior)
	}
	add("alpha", "%v", v.Criterion.Alpha)
	if v.Criterion.MinEffect > 0 {
		add("smallest improvement that counts", "%v", v.Criterion.MinEffect)
	}
	t.row(text("verdict"), fat(string(v.Outcome)))
	d.add(t)
	if len(v.Broken) > 0 {
		d.para(text("Not complete:"))
		var items [][]inline
		for _, b := range v.Broken {
			items = append(items, text(b))
		}
		d.list(items...)
	}
}

func testText(t stat.Test, name string) string {
	statistic := map[string]string{"paired-t": "t", "welch": "t", "wilcoxon": "W", "mann-whitney": "U"}[name]
	text := equalsP(t.P)
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
	return text
}

// maxComparisons bounds the lines of the comparison table; tests.csv and
// report.json have all.
const maxComparisons = 60

func (d *document) comparisons(r *Report) {
	if len(r.Comparisons) == 0 {
		return
	}
	d.heading("Comparison of the swept factors")
	if !slices.ContainsFunc(r.Comparisons, func(c Comparison) bool { return c.Pairs > 0 }) {
		return
	}
	correction := correctionNames[r.Correction]
	t := newTable("tests", "llllrrrrrrr", "Factor", "Value", "against", "Metric", "Pairs", "Difference", "t", "p", correction[1], "exact p", "P(larger)")
	better := !slices.ContainsFunc(r.Comparisons, func(c Comparison) bool { return r.metric(c.Metric).Goal == "" })
	share := "P(larger): share of pairs in which the value's metric is the larger one"
	if better {
		t.head[len(t.head)-1], share = text("P(better)"), "P(better): share of pairs in which the value is the better one, ties counting half"
	}
	for _, c := range r.Comparisons[:min(len(r.Comparisons), maxComparisons)] {
		difference := "—"
		if c.Pairs > 0 {
			f := chooseNumbers(abs(c.Estimate), halves(c.Interval))
			difference = f.cell(Cell{Summary: stat.Summary{N: c.Pairs, Mean: c.Estimate}, Interval: c.Interval})
		}
		statistic, p, holm, exact, larger := "—", "—", "—", "—", "—"
		if c.Test.P == c.Test.P {
			statistic, p, holm = strconv.FormatFloat(c.Test.Statistic, 'f', 2, 64), formatP(c.Test.P), formatP(c.Corrected)
		}
		if c.Exact != nil {
			exact = formatP(c.Exact.P)
		}
		if c.Pairs > 0 {
			larger = fmt.Sprintf("%.2f", c.PSuperior)
			if better && r.metric(c.Metric).Goal == Minimize {
				larger = fmt.Sprintf("%.2f", 1-c.PSuperior) // ties count half on either side
			}
		}
		t.row(text(c.Factor), text(r.shown(c.Factor, c.Value)), text(r.shown(c.Factor, c.Reference)), text(c.Metric), text(fmt.Sprintf("%d of %d", c.Pairs, c.Planned)), text(difference), text(statistic), text(p), text(holm), text(exact), text(larger))
	}
	exploratory := ""
	if r.Verdict != nil {
		v := r.Verdict
		exploratory = fmt.Sprintf("Only %s against %s in %s was fixed beforehand, and is judged above; the other lines are exploratory. ", v.Candidate.Label, v.Baseline.Label, v.Metric.Name)
	}
	more := ""
	if n := len(r.Comparisons); n > maxComparisons {
		more = fmt.Sprintf(" The first %d of %d lines; tables/tests.csv has all.", maxComparisons, n)
	}
	t.caption = text(fmt.Sprintf("%sEach line: mean difference ± half width of its %s interval over %s; two-sided paired t test with one degree of freedom less than pairs; %s over all lines (%d); exact p: the sign-flip test beside it, with n pairs at least 2/2^n; %s; —: nothing to compute.%s",
		exploratory, percent(Level), r.pairs(), correction[0], len(r.Comparisons), share, more))
	d.add(t)
}

// metric returns a column of the main table.
func (r *Report) metric(name string) Metric {
	i := slices.IndexFunc(r.Metrics, func(m Metric) bool { return m.Name == name })
	if i < 0 {
		return Metric{Name: name}
	}
	return r.Metrics[i]
}

// pairs says what a pair of an exploratory comparison is.
func (r *Report) pairs() string {
	if i := slices.IndexFunc(r.Factors, isData); i >= 0 && !slices.ContainsFunc(r.Seeds, func(s string) bool { return slices.Contains(r.pairKeys(r.planned()), s) }) && len(r.Seeds) > 0 {
		return "pairs of means over " + strings.Join(r.Seeds, ", ") + ", one pair per " + r.Factors[i] + " and other setting"
	}
	return "pairs of runs that agree in everything else that is swept"
}

// sensitivity is the marginal of each value of each factor.
func (d *document) sensitivity(r *Report) {
	if len(r.Marginals) == 0 {
		return
	}
	d.heading("Sensitivity")
	t := newTable("marginals", "lll"+strings.Repeat("r", len(r.Metrics)), "Factor", "Value", "n")
	for _, m := range r.Metrics {
		t.head = append(t.head, text(m.Name+arrow(m.Goal)))
	}
	rows := make([]Row, len(r.Marginals))
	for i, m := range r.Marginals {
		rows[i] = Row{Counts: m.Counts, Cells: m.Cells}
		t.row(text(m.Factor), text(r.shown(m.Factor, m.Value)), text(tally(m.Counts)))
	}
	for j := range r.Metrics {
		f := columnNumbers(rows, j)
		for i, m := range r.Marginals {
			c := m.Cells[j]
			t.rows[i] = append(t.rows[i], text(strings.TrimSpace(f.cell(c)+cellNote(c, m.Counts.Done))))
		}
	}
	t.caption = text("Each line averages over all finished runs with this value of one factor, whatever the others were. The interval shows scatter over all of them, which are no repetitions.")
	d.add(t)
}

func (d *document) provenance(r *Report) {
	d.heading("Provenance")
	p := r.Provenance
	t := newTable("provenance", "ll", "What", "Value")
	add := func(what string, value cell) {
		if bare(value) != "" {
			t.row(text(what), value)
		}
	}
	add("sweep", text(r.Sweep))
	if !p.Time.IsZero() {
		add("planned", text(p.Time.UTC().Format("2006-01-02 15:04:05 UTC")))
	}
	add("by", text(strings.Trim(p.User+"@"+p.Host, "@")))
	add("in", name(p.Dir))
	add("with", name(strings.Join(p.Command, " ")))
	commit := join(name(p.Commit))
	if p.Dirty {
		commit = join(commit, text(" with uncommitted changes"))
		if p.DirtyHash != "" {
			commit = join(commit, text(", diff "), name(first(p.DirtyHash, 16)))
		}
	}
	add("commit", commit)
	orch := text(strings.Join(strings.Fields(p.Orch+" "+p.Go), " "))
	if p.Binary != "" {
		orch = join(orch, text(", binary "), name(first(p.Binary, 16)))
	}
	add("orch", orch)
	for _, x := range p.Data {
		what := join(text(x.Name+", "+bytesText(x.Bytes)), text(prefix(" in ", x.Dir)))
		if x.SHA256 != "" {
			what = join(what, text(", SHA-256 "), name(first(x.SHA256, 16)))
		}
		add("data", what)
	}
	for _, c := range r.Codes {
		add("made by", text(fmt.Sprintf("%s (%d %s)", c.Name, c.N, plural(c.N, "run"))))
	}
	add("hosts", text(strings.Join(r.Hosts, ", ")))
	var jobs []string
	for _, s := range r.Tables.Submissions {
		if s.Job != "" {
			jobs = append(jobs, s.Backend+" "+s.Job)
		}
	}
	add("jobs", text(shorten(strings.Join(jobs, ", "), 400)))
	add("study", name(r.Frozen.Hash))
	add("time of all attempts", text(seconds(r.Effort.Seconds)))
	d.add(t)
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	}
	return fmt.Sprintf("%.0f kB", math.Ceil(float64(n)/1e3))
}

// maxMessage bounds a failure message in the list of all runs, in letters.
const maxMessage = 160

// allRuns lists every planned run: what it measured, or why it did not.
func (d *document) allRuns(r *Report) {
	d.heading("All runs")
	keys := slices.Concat(r.Factors, r.Seeds)
	t := newTable("", "l"+strings.Repeat("l", len(keys)+1)+strings.Repeat("r", len(r.Metrics)+1)+"l", append(append([]string{"Run"}, keys...), "State")...)
	t.runs = true
	for _, x := range r.Metrics {
		t.head = append(t.head, text(x.Name))
	}
	t.head = append(t.head, text("Time"), text("Note"))
	for i := range r.Tables.Runs {
		run := &r.Tables.Runs[i]
		if !run.Planned() {
			continue
		}
		row := []cell{text(run.Name)}
		for i, s := range settingTexts(run, keys) {
			row = append(row, text(r.shown(keys[i], s)))
		}
		row = append(row, text(run.State))
		for _, x := range r.Metrics {
			value := ""
			if v, ok := run.Metric(x.Name); ok {
				value = fmt.Sprintf("%.6g", v)
			}
			row = append(row, text(value))
		}
		time := ""
		if run.Class != results.NoEnd {
			time = seconds(run.Seconds)
		}
		t.row(append(row, text(time), text(note(run)))...)
	}
	d.add(t)
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
