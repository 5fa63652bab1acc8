package plot

import (
	"cmp"
	"slices"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Ranks is a critical-difference diagram (Demšar 2006, "Statistical comparisons
// of classifiers over multiple data sets", JMLR 7, figure 1): methods at their
// mean ranks, 1 is best; a bar joins those that do not differ.
type Ranks struct {
	Labels   []string
	Mean     []float64
	Distance float64 // ranks closer than this do not differ
}

// Figure draws the diagram.
func (d Ranks) Figure() *Figure {
	order := make([]int, len(d.Labels))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(d.Mean[a], d.Mean[b]) })
	bars := d.bars(order)
	left := (len(order) + 1) / 2
	const line0, top = 11, 34
	under := vg.Length(len(bars))*4 + 8
	f := &Figure{W: columnWidth, H: top + under + line0*vg.Length(left) + 6}
	f.paint = func(c draw.Canvas) {
		const side = 64
		from, to := c.Min.X+side, c.Max.X-side
		k := float64(len(order))
		x := func(rank float64) vg.Length {
			if k <= 1 {
				return from
			}
			return from + (to-from)*vg.Length((rank-1)/(k-1))
		}
		axis := c.Max.Y - top
		line(c, pen(black, 0.6, nil), vg.Point{X: from, Y: axis}, vg.Point{X: to, Y: axis})
		for _, t := range (steps{whole: true, most: 8}).Ticks(1, max(k, 2)) {
			line(c, pen(black, 0.5, nil), vg.Point{X: x(t.Value), Y: axis}, vg.Point{X: x(t.Value), Y: axis + 3})
			c.FillText(style(Regular, tickSize, draw.XCenter, draw.YBottom), vg.Point{X: x(t.Value), Y: axis + 5}, t.Label)
		}
		if w := x(1+d.Distance) - x(1); w < to-from { // the distance, as a ruler
			y := c.Max.Y - 9
			line(c, pen(black, 0.8, nil), vg.Point{X: from, Y: y}, vg.Point{X: from + w, Y: y})
			for _, e := range []vg.Length{from, from + w} {
				line(c, pen(black, 0.8, nil), vg.Point{X: e, Y: y - 2}, vg.Point{X: e, Y: y + 2})
			}
			c.FillText(style(Regular, tickSize, draw.XLeft, draw.YCenter), vg.Point{X: from + w + 4, Y: y}, "critical distance")
		}
		for i, b := range bars {
			y := axis - 5 - 4*vg.Length(i)
			line(c, pen(black, 2, nil), vg.Point{X: x(d.Mean[b[0]]) - 2, Y: y}, vg.Point{X: x(d.Mean[b[1]]) + 2, Y: y})
		}
		for i, m := range order {
			y := axis - under - line0*vg.Length(i)
			end, align, text := c.Min.X+side-6, draw.XRight, vg.Length(-3)
			if i >= left {
				y = axis - under - line0*vg.Length(len(order)-1-i)
				end, align, text = c.Max.X-side+6, draw.XLeft, 3
			}
			c.StrokeLines(pen(colors[0], 0.7, nil), []vg.Point{{X: x(d.Mean[m]), Y: axis}, {X: x(d.Mean[m]), Y: y}, {X: end, Y: y}})
			c.FillText(style(Regular, tickSize, align, draw.YCenter), vg.Point{X: end + text, Y: y}, fit(Regular, d.Labels[m], tickSize, side-12))
		}
	}
	return f
}

// bars are the longest runs of methods, by first and last, that do not differ.
func (d Ranks) bars(order []int) [][2]int {
	var out [][2]int
	reach := -1
	for i := range order {
		j := i
		for j+1 < len(order) && d.Mean[order[j+1]]-d.Mean[order[i]] < d.Distance {
			j++
		}
		if j > i && j > reach {
			out = append(out, [2]int{order[i], order[j]})
			reach = j
		}
	}
	return out
}
