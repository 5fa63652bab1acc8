package report

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"orch/report/collect"
	"orch/report/plot"
	"orch/report/stat"
)

// heatFigure maps a metric over the first two swept numbers.
func heatFigure(r *Report, m Metric) *figure {
	var keys []string
	var values [][]float64
	for _, f := range r.Factors {
		if x := swept(r.planned(), f); len(x) > 1 && len(x) <= maxHeat {
			keys, values = append(keys, f), append(values, x)
		}
	}
	if len(keys) < 2 {
		return nil
	}
	sums := map[[2]float64][]float64{}
	for _, run := range r.planned() {
		v, ok := run.Metric(m.Name)
		if !ok || run.State != "done" || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		a, _ := run.Setting(keys[0])
		b, _ := run.Setting(keys[1])
		x, okX := a.Float()
		y, okY := b.Float()
		if okX && okY {
			sums[[2]float64{x, y}] = append(sums[[2]float64{x, y}], v)
		}
	}
	if len(sums) < 2 {
		return nil
	}
	d := plot.Heat{X: keys[0], Y: keys[1], Z: m.Name + unitOf(m)}
	var sizes []float64
	large := false
	least, most := math.MaxInt, 0
	for _, y := range values[1] {
		var row []float64
		for _, x := range values[0] {
			s := sums[[2]float64{x, y}]
			row = append(row, stat.Mean(s))
			if len(s) > 0 {
				large = large || !plot.Fits(stat.Mean(s))
				least, most = min(least, len(s)), max(most, len(s))
				sizes = append(sizes, math.Abs(stat.Mean(s)))
			}
		}
		d.Cells = append(d.Cells, row)
		d.YLabels = append(d.YLabels, r.numberLabel(keys[1], y))
	}
	for _, x := range values[0] {
		d.XLabels = append(d.XLabels, r.numberLabel(keys[0], x))
	}
	f := chooseNumbers(sizes, nil)
	f.decimals = max(0, f.decimals-1) // three digits: a cell is small
	d.Format = f.format
	caption := fmt.Sprintf("Mean %s over %s and %s; %s finished runs a cell", oneLine(m.Name), oneLine(keys[0]), oneLine(keys[1]), span(least, most))
	others := slices.DeleteFunc(slices.Concat(r.Factors, r.Seeds), func(k string) bool { return slices.Contains(keys, k) })
	if len(others) > 0 {
		caption += ", over all " + oneLine(strings.Join(others, ", "))
	}
	if len(sizes) < len(values[0])*len(values[1]) {
		caption += "; hatched where there is none"
	}
	if large {
		caption += "; hatched also where it is too large to draw"
	}
	caption += "."
	return &figure{name: "heat-" + fileName(m.Name), caption: caption, pic: d.Figure()}
}

// numberLabel is a swept number on an axis.
func (r *Report) numberLabel(key string, x float64) string {
	for text, s := range r.rounded[key] {
		if y, err := strconv.ParseFloat(text, 64); err == nil && y == x {
			return s
		}
	}
	return strconv.FormatFloat(x, 'g', -1, 64)
}

// swept returns the values of a swept key in order, nil if not all are numbers.
func swept(runs []*collect.Run, key string) []float64 {
	var out []float64
	for _, run := range runs {
		v, ok := run.Setting(key)
		f, isNumber := v.Float()
		if !ok || !isNumber {
			return nil
		}
		if !slices.Contains(out, f) {
			out = append(out, f)
		}
	}
	slices.Sort(out)
	return out
}
