package plot

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Points shows every run: a row per group with one point a run, and beside them
// the mean with its interval.
type Points struct {
	X    string // the metric
	Rows []Group
}

// Group is one row. Lo and Hi are NaN where there is no interval.
type Group struct {
	Label        string
	Values       []float64
	Mean, Lo, Hi float64
}

const (
	rowHeight = 16
	maxLabel  = 80 // points of a row's label
)

// rowsPlot is a plot with named rows, the first on top.
func rowsPlot(x string, labels []string) *plot.Plot {
	p := newPlot(x, "")
	n := len(labels)
	names := make(named, n)
	for i, s := range labels {
		names[n-1-i] = fit(Regular, s, tickSize, maxLabel)
	}
	p.Y.Tick.Marker = names
	p.Y.Tick.Length = 0
	p.Y.LineStyle.Width = 0
	p.Y.Min, p.Y.Max = -0.6, float64(n)-0.4
	return p
}

// Figure draws the rows.
func (d Points) Figure() *Figure {
	f := &Figure{W: columnWidth, H: 38 + rowHeight*vg.Length(len(d.Rows))}
	f.paint = func(c draw.Canvas) {
		var labels []string
		var xs extent
		for _, g := range d.Rows {
			labels = append(labels, g.Label)
			xs.add(g.Values...)
			xs.add(g.Lo, g.Hi)
		}
		p := rowsPlot(d.X, labels)
		p.X.Min, p.X.Max = xs.padded()
		p.Add(gridLines{vertical: true})
		p.Add(drawing(func(c draw.Canvas, _ *plot.Plot, x, y func(float64) vg.Length) {
			for i, g := range d.Rows {
				at := y(float64(len(d.Rows) - 1 - i))
				whisker(c, x, g.Mean, g.Lo, g.Hi, at+3, black)
				for k, v := range g.Values {
					if Fits(v) {
						dot(c, 0, vg.Point{X: x(v), Y: at - 2.2 + jitter(k)}, 1.3)
					}
				}
			}
		}))
		p.Draw(within(c, 4, 0))
	}
	return f
}

// jitter spreads equal values of a row; by a fixed sequence, so that pictures
// repeat (golden ratio, van der Corput's idea).
func jitter(k int) vg.Length {
	return vg.Length((math.Mod(float64(k+1)*0.6180339887498949, 1) - 0.5) * 4)
}

// whisker draws a mean as a diamond on its interval.
func whisker(c draw.Canvas, x func(float64) vg.Length, mean, lo, hi float64, at vg.Length, col interface {
	RGBA() (r, g, b, a uint32)
}) {
	if !Fits(mean) {
		return
	}
	if Fits(lo) && Fits(hi) {
		s := pen(col, 0.9, nil)
		line(c, s, vg.Point{X: x(lo), Y: at}, vg.Point{X: x(hi), Y: at})
		for _, e := range []float64{lo, hi} {
			line(c, s, vg.Point{X: x(e), Y: at - 1.8}, vg.Point{X: x(e), Y: at + 1.8})
		}
	}
	c.DrawGlyph(draw.GlyphStyle{Color: col, Radius: 2, Shape: solid{draw.PyramidGlyph{}}}, vg.Point{X: x(mean), Y: at})
}

// Forest shows differences with their intervals against zero.
type Forest struct {
	X    string // what differs, and in which unit
	Rows []Difference
	// Margin is the smallest difference that matters, with the sign of an
	// improvement; 0 draws nothing.
	Margin float64
}

// Difference is one row; Note stands at its right, such as "p = 0.012".
type Difference struct {
	Label            string
	Estimate, Lo, Hi float64
	Note             string
}

// Figure draws the forest.
func (d Forest) Figure() *Figure {
	f := &Figure{W: columnWidth, H: 38 + rowHeight*vg.Length(len(d.Rows))}
	f.paint = func(c draw.Canvas) {
		var labels []string
		var xs extent
		xs.add(0, d.Margin)
		notes := 0.0
		for _, r := range d.Rows {
			labels = append(labels, r.Label)
			xs.add(r.Estimate, r.Lo, r.Hi)
			notes = math.Max(notes, Width(Regular, r.Note, tickSize))
		}
		if notes > 0 {
			notes += 4
		}
		p := rowsPlot(d.X, labels)
		p.X.Tick.Marker = steps{most: 5}
		p.X.Min, p.X.Max = xs.padded()
		p.Add(gridLines{vertical: true})
		p.Add(drawing(func(c draw.Canvas, _ *plot.Plot, x, y func(float64) vg.Length) {
			line(c, pen(black, 0.6, nil), vg.Point{X: x(0), Y: c.Min.Y}, vg.Point{X: x(0), Y: c.Max.Y})
			if d.Margin != 0 {
				line(c, pen(grey, 0.8, dashes[2]), vg.Point{X: x(d.Margin), Y: c.Min.Y}, vg.Point{X: x(d.Margin), Y: c.Max.Y})
			}
			for i, r := range d.Rows {
				at := y(float64(len(d.Rows) - 1 - i))
				whisker(c, x, r.Estimate, r.Lo, r.Hi, at, colors[0])
				c.FillText(style(Regular, tickSize, draw.XLeft, draw.YCenter), vg.Point{X: c.Max.X + 5, Y: at}, r.Note)
			}
		}))
		p.Draw(within(c, 4+vg.Length(notes), 0))
	}
	return f
}
