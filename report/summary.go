package report

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Summary writes the main table for a terminal of this many columns (0: as wide
// as it needs): per row "mean ± half width of the 95% interval (n)", then the
// verdict and what is missing. If the table is too wide, the last metrics are
// left out, and a line says so. Plain text, no colours.
func (r *Report) Summary(out io.Writer, width int) error {
	w := bufio.NewWriter(out) // the first error shows in Flush
	for _, line := range wrap(oneLine(r.Sweep)+": "+r.Counts.String(), width) {
		fmt.Fprintln(w, line)
	}
	left := 0
	if len(r.Metrics) > 0 && r.Counts.Done > 0 {
		columns := r.summaryColumns()
		total := 0
		for j, c := range columns {
			total += columnWidth(c)
			if j > 0 {
				total += 2
			}
		}
		for width > 0 && total > width && len(columns) > len(r.Factors)+1 {
			total -= columnWidth(columns[len(columns)-1]) + 2
			columns = columns[:len(columns)-1]
			left++
		}
		fmt.Fprintln(w)
		for i := range columns[0] {
			var line strings.Builder
			for j, c := range columns {
				if j > 0 {
					line.WriteString("  ")
				}
				line.WriteString(pad(c[i], columnWidth(c), j >= len(r.Factors)))
			}
			fmt.Fprintln(w, strings.TrimRight(line.String(), " "))
		}
		note := "single runs: no interval"
		if r.hasIntervals() {
			note = fmt.Sprintf("mean ± %s CI (n)", percent(Level))
		}
		fmt.Fprintln(w, note)
		if left > 0 {
			fmt.Fprintf(w, "%d more %s in `orch report`\n", left, plural(left, "metric"))
		}
	}
	if v := r.Verdict; v != nil {
		fmt.Fprintln(w)
		text := fmt.Sprintf("criterion %s: %s %s", v.Outcome, v.Sentence(), v.because())
		for _, line := range wrap(oneLine(text), width) {
			fmt.Fprintln(w, line)
		}
	}
	more := 0 // the first line has told of the others
	for _, x := range r.Warnings {
		if x.Code != "failed" && x.Code != "missing" {
			more++
		}
	}
	if more > 0 {
		fmt.Fprintf(w, "%d %s in `orch report`\n", more, plural(more, "warning"))
	}
	return w.Flush()
}

func (r *Report) hasIntervals() bool {
	for _, row := range r.Rows {
		for _, c := range row.Cells {
			if c.Interval != nil {
				return true
			}
		}
	}
	return false
}

// summaryColumns returns the table by columns, header first.
func (r *Report) summaryColumns() [][]string {
	const maxSetting = 32
	var columns [][]string
	for j, f := range r.Factors {
		c := []string{shorten(f, maxSetting)}
		for _, row := range r.Rows {
			c = append(c, shorten(row.Settings[j], maxSetting))
		}
		columns = append(columns, c)
	}
	for j, m := range r.Metrics {
		f := columnNumbers(r.Rows, j)
		c := []string{oneLine(m.Name)}
		for _, row := range r.Rows {
			x := row.Cells[j]
			text := f.cell(x)
			if text == "" {
				text = "-"
			}
			n := fmt.Sprintf(" (%d", x.N)
			if row.Counts.Planned != x.N {
				n += fmt.Sprintf(" of %d", row.Counts.Planned)
			}
			c = append(c, text+n+")")
		}
		columns = append(columns, c)
	}
	return columns
}

func columnWidth(c []string) int {
	n := 0
	for _, s := range c {
		n = max(n, utf8.RuneCountInString(s))
	}
	return n
}

// String says in one line what became of the runs.
func (c Counts) String() string {
	parts := []string{fmt.Sprintf("%d %s", c.Planned, plural(c.Planned, "run")), fmt.Sprintf("%d done", c.Done)}
	if c.Failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed (%s)", c.Failed, list(c.Classes)))
	}
	for _, s := range c.States {
		parts = append(parts, fmt.Sprintf("%d %s", s.N, oneLine(s.Name)))
	}
	return strings.Join(parts, ", ")
}
