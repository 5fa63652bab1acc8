package plot

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// legend is a row of samples and labels above the axes, where no data can be.
type legend struct {
	labels []string
	sample func(c draw.Canvas, i int, left, right vg.Point) // draws into the height of a line
}

const (
	sampleWidth = 16
	legendGap   = 9
	legendLine  = 9.5
)

// place returns the lower left corner of each entry relative to the upper left
// one of the legend, and the legend's height.
func (l legend) place(width float64) (at []point, height float64) {
	if len(l.labels) < 2 {
		return nil, 0
	}
	x, y := 0.0, legendLine
	for _, s := range l.labels {
		w := sampleWidth + 3 + Width(Regular, fit(Regular, s, tickSize, width-sampleWidth-3), tickSize)
		if x > 0 && x+w > width {
			x, y = 0, y+legendLine
		}
		at = append(at, point{x, y})
		x += w + legendGap
	}
	return at, y + 3
}

// draw draws the legend at the top of the canvas and returns what is left below.
func (l legend) draw(c draw.Canvas) draw.Canvas {
	width := float64(c.Max.X - c.Min.X)
	at, h := l.place(width)
	for i, p := range at {
		left := vg.Point{X: c.Min.X + vg.Length(p.x), Y: c.Max.Y - vg.Length(p.y) + 3.5}
		l.sample(c, i, left, vg.Point{X: left.X + sampleWidth, Y: left.Y})
		c.FillText(style(Regular, tickSize, draw.XLeft, draw.YCenter), vg.Point{X: left.X + sampleWidth + 3, Y: left.Y},
			fit(Regular, l.labels[i], tickSize, width-sampleWidth-3))
	}
	return draw.Crop(c, 0, 0, 0, vg.Length(-h))
}
