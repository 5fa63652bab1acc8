package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"orch/report/collect"
	"orch/sweep/results"
)

// listRuns prints one line a run: how it ended, its seconds and final metrics.
// Of many runs it prints only those that have no result.
func (p *program) listRuns(t *collect.Tables) {
	runs := t.Runs
	if len(runs) >= manyRuns {
		runs = slices.DeleteFunc(slices.Clone(runs), func(r collect.Run) bool { return r.State == string(results.StateDone) })
	}
	if len(runs) == 0 {
		return
	}
	names := shownMetrics(t)
	rows := [][]string{append([]string{"run", "state", "seconds"}, names...)}
	for _, r := range runs {
		state := r.State
		if r.State == string(results.StateFailed) {
			state = r.Class.String()
		}
		row := []string{r.Name, state, ""}
		if r.Seconds > 0 {
			row[2] = fmt.Sprintf("%.2f", r.Seconds)
		}
		for _, n := range names {
			cell := ""
			if v, ok := r.Metric(n); ok {
				cell = fmt.Sprintf("%.4g", v)
			}
			row = append(row, cell)
		}
		if r.Message != "" {
			row = append(row, oneLine(r.Message))
		}
		rows = append(rows, row)
	}
	fmt.Fprint(p.stdout, alignTable(rows, !p.outTTY), "\n")
}

// shownMetrics are the metrics that the list of runs has columns for: those of
// the study first, then those on held-out data, else all; at most six.
func shownMetrics(t *collect.Tables) []string {
	all := t.MetricNames()
	var shown []string
	for _, n := range slices.Concat(t.Header.Owes, all) {
		if slices.Contains(all, n) && !slices.Contains(shown, n) && (slices.Contains(t.Header.Owes, n) || strings.HasPrefix(n, "test.") || strings.HasPrefix(n, "val.")) {
			shown = append(shown, n)
		}
	}
	if len(shown) == 0 {
		shown = all
	}
	return shown[:min(6, len(shown))]
}

// alignTable lays rows out in columns; with tabs for programs.
func alignTable(rows [][]string, tabs bool) string {
	var b strings.Builder
	if tabs {
		for _, row := range rows {
			b.WriteString(strings.Join(row, "\t") + "\n")
		}
		return b.String()
	}
	columns := len(rows[0])
	wide := make([]int, columns)
	for _, row := range rows {
		for i, cell := range row[:min(columns, len(row))] {
			wide[i] = max(wide[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := 0
			if i < columns {
				pad = wide[i] - utf8.RuneCountInString(cell)
			}
			switch {
			case i < 2 || i >= columns:
				line.WriteString(cell + strings.Repeat(" ", pad))
			default:
				line.WriteString(strings.Repeat(" ", pad) + cell)
			}
			line.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}
