package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"orch/report/plot"
)

// From how many factors on parallel coordinates help, and how much they can show.
const (
	leastParallel = 3
	mostParallel  = 6   // axes of factors
	mostMarks     = 9   // of an axis
	mostLines     = 400 // settings
)

// parallelFigure shows sweeps of three and more factors at once: a line per row of
// the main table.
func parallelFigure(r *Report, j int) *figure {
	if len(r.Factors) < leastParallel || len(r.Rows) < 2*leastParallel {
		return nil
	}
	m := r.Metrics[j]
	factors := min(len(r.Factors), mostParallel)
	rows := slices.DeleteFunc(slices.Clone(r.Rows), func(row Row) bool { return row.Cells[j].N == 0 || !plot.Fits(row.Cells[j].Mean) })
	if len(rows) < 2 {
		return nil
	}
	slices.SortStableFunc(rows, func(a, b Row) int { return cmp.Compare(a.Cells[j].Mean, b.Cells[j].Mean) }) // the largest drawn last
	if m.Goal == Minimize {
		slices.Reverse(rows)
	}
	if n := len(rows) - mostLines; n > 0 {
		rows = rows[n:] // the best
	}
	d := plot.Parallel{Lines: make([][]float64, len(rows))}
	for i := range factors {
		values := []string{}
		for _, row := range rows {
			if !slices.Contains(values, row.Settings[i]) {
				values = append(values, row.Settings[i])
			}
		}
		slices.SortFunc(values, func(a, b string) int {
			x, errX := strconv.ParseFloat(a, 64)
			y, errY := strconv.ParseFloat(b, 64)
			if errX == nil && errY == nil {
				return cmp.Compare(x, y)
			}
			return cmp.Compare(a, b)
		})
		at := func(k int) float64 {
			if len(values) == 1 {
				return 0.5
			}
			return float64(k) / float64(len(values)-1)
		}
		axis := plot.ParallelAxis{Name: lastPart(r.Factors[i])}
		every := (len(values) + mostMarks - 1) / mostMarks
		for k, v := range values {
			if k%every == 0 {
				axis.Marks, axis.Texts = append(axis.Marks, at(k)), append(axis.Texts, r.shown(r.Factors[i], v))
			}
		}
		for k, row := range rows {
			d.Lines[k] = append(d.Lines[k], at(slices.Index(values, row.Settings[i])))
		}
		d.Axes = append(d.Axes, axis)
	}
	lo, hi := rows[0].Cells[j].Mean, rows[len(rows)-1].Cells[j].Mean
	lo, hi = math.Min(lo, hi), math.Max(lo, hi)
	if hi == lo {
		return nil
	}
	for k, row := range rows {
		d.Lines[k] = append(d.Lines[k], (row.Cells[j].Mean-lo)/(hi-lo))
	}
	d.Axes = append(d.Axes, plot.ParallelAxis{Name: lastPart(m.Name), Marks: []float64{0, 0.5, 1}, Texts: []string{short(lo), short((lo + hi) / 2), short(hi)}})
	caption := fmt.Sprintf("A line per combination of the factors, ending at its mean %s; the darker, the larger.", oneLine(m.Name))
	if n := len(r.Rows) - len(rows); n > 0 {
		caption += fmt.Sprintf(" %d of %d combinations.", len(rows), len(r.Rows))
	}
	if factors < len(r.Factors) {
		caption += fmt.Sprintf(" The first %d of %d factors.", factors, len(r.Factors))
	}
	return &figure{name: "parallel-" + fileName(m.Name), caption: caption, pic: d.Figure()}
}
