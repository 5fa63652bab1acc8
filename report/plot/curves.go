package plot

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Curves is a learning curve per series: the mean over seeds with the band of
// its interval.
type Curves struct {
	X, Y  string // axis labels
	Lines []Line // at most MaxSeries are drawn
	Whole bool   // x counts something: its marks are whole numbers
}

// Line is one series. Lo and Hi are the band; NaN where there is none. Values
// that do not fit (see [Fits]) interrupt the line.
type Line struct {
	Label           string
	X, Mean, Lo, Hi []float64
}

// Figure draws the curves.
func (d Curves) Figure() *Figure {
	lines := d.Lines[:min(len(d.Lines), MaxSeries)]
	key := legend{sample: func(c draw.Canvas, i int, a, b vg.Point) { line(c, pen(colors[i], 1.1, dashes[i]), a, b) }}
	var xs, ys extent
	for _, l := range lines {
		key.labels = append(key.labels, l.Label)
		xs.add(l.X...)
		ys.add(l.Mean...)
		ys.add(l.Lo...)
		ys.add(l.Hi...)
	}
	_, top := key.place(columnWidth - 2*margin)
	f := &Figure{W: columnWidth, H: height + vg.Length(top)}
	f.paint = func(c draw.Canvas) {
		p := newPlot(d.X, d.Y)
		p.X.Tick.Marker = steps{whole: d.Whole}
		p.X.Min, p.X.Max = xs.padded()
		p.Y.Min, p.Y.Max = ys.padded()
		p.Add(gridLines{})
		for i, l := range lines {
			p.Add(drawing(func(c draw.Canvas, _ *plot.Plot, x, y func(float64) vg.Length) {
				band := colors[i]
				band.A = 51
				l.band(c, band, x, y)
			}))
		}
		for i, l := range lines {
			p.Add(drawing(func(c draw.Canvas, _ *plot.Plot, x, y func(float64) vg.Length) { l.curve(c, i, x, y) }))
		}
		p.Draw(key.draw(within(c, 4, 0)))
	}
	return f
}

// band fills between Lo and Hi wherever both exist.
func (l Line) band(c draw.Canvas, fill color.NRGBA, x, y func(float64) vg.Length) {
	var lower, upper []vg.Point
	flush := func() {
		if len(lower) > 1 {
			var p vg.Path
			for i, q := range upper {
				if i == 0 {
					p.Move(q)
				} else {
					p.Line(q)
				}
			}
			for i := len(lower) - 1; i >= 0; i-- {
				p.Line(lower[i])
			}
			p.Close()
			c.SetColor(fill)
			c.Fill(p)
		}
		lower, upper = nil, nil
	}
	for i := range l.X {
		if i >= len(l.Lo) || !Fits(l.Lo[i]) || !Fits(l.Hi[i]) {
			flush()
			continue
		}
		lower = append(lower, vg.Point{X: x(l.X[i]), Y: y(l.Lo[i])})
		upper = append(upper, vg.Point{X: x(l.X[i]), Y: y(l.Hi[i])})
	}
	flush()
}

// fewSteps is how many steps also get a marker.
const fewSteps = 12

// curve draws the mean; a value without neighbours is a dot.
func (l Line) curve(c draw.Canvas, i int, x, y func(float64) vg.Length) {
	var part []vg.Point
	flush := func() {
		switch {
		case len(part) == 1:
			dot(c, i, part[0], 1.3)
		case len(part) > 1:
			c.StrokeLines(pen(colors[i], 1.1, dashes[i]), part)
			if len(l.X) <= fewSteps {
				for _, q := range part {
					dot(c, i, q, 1.5)
				}
			}
		}
		part = nil
	}
	for k := range l.X {
		if !Fits(l.Mean[k]) {
			flush()
			continue
		}
		part = append(part, vg.Point{X: x(l.X[k]), Y: y(l.Mean[k])})
	}
	flush()
}

// Fits reports whether a number can be drawn: it is finite, and so is the span
// of an axis from it to any other, with its margins. Programs report
// ±[math.MaxFloat64] where they mean that they have found nothing yet.
func Fits(x float64) bool { return math.Abs(x) <= math.MaxFloat64/8 }

// extent is the range of the numbers that fit; empty, lo is above hi.
type extent struct {
	lo, hi float64
	any    bool
}

func (e *extent) add(x ...float64) {
	for _, v := range x {
		if !Fits(v) {
			continue
		}
		if !e.any {
			e.lo, e.hi, e.any = v, v, true
		}
		e.lo, e.hi = math.Min(e.lo, v), math.Max(e.hi, v)
	}
}

// padded returns the range with a margin; 0 to 1 without numbers.
func (e extent) padded() (lo, hi float64) {
	if !e.any {
		return 0, 1
	}
	return padRange(e.lo, e.hi)
}
