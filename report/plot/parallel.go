package plot

import (
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Parallel shows many settings at once: an upright axis per swept key, the last
// one the metric, and a line per setting (Inselberg 1985, "The plane with parallel
// coordinates", The Visual Computer 1). Lines are the darker the larger the metric.
type Parallel struct {
	Axes  []ParallelAxis
	Lines [][]float64 // per setting its place on each axis, 0 at the foot to 1; one that does not fit: no line
}

// ParallelAxis has a name and marks at places from 0 to 1.
type ParallelAxis struct {
	Name  string
	Marks []float64
	Texts []string
}

// Figure draws the lines, the best of the metric on top.
func (d Parallel) Figure() *Figure {
	f := &Figure{W: columnWidth, H: height}
	f.paint = func(c draw.Canvas) {
		const side, foot, head = 22, 14, 10
		last := len(d.Axes) - 1
		if last < 1 {
			return
		}
		x := func(i int) vg.Length {
			return c.Min.X + side + (c.Max.X-c.Min.X-2*side)*vg.Length(i)/vg.Length(last)
		}
		y := func(at float64) vg.Length {
			return c.Min.Y + foot + (c.Max.Y-c.Min.Y-foot-head)*vg.Length(at)
		}
		for _, l := range d.Lines {
			var path []vg.Point
			for i, at := range l {
				if !Fits(at) {
					path = nil
					break
				}
				path = append(path, vg.Point{X: x(i), Y: y(at)})
			}
			if len(path) > 1 {
				c.StrokeLines(pen(shade(0.25+0.75*l[last]), 0.7, nil), path)
			}
		}
		between := float64(x(1) - x(0))
		for i, a := range d.Axes {
			line(c, pen(black, 0.6, nil), vg.Point{X: x(i), Y: y(0)}, vg.Point{X: x(i), Y: y(1)})
			room := min(between*0.94, 2*float64(min(x(i)-c.Min.X, c.Max.X-x(i)))-2) // between neighbours and within the figure
			c.FillText(style(Regular, tickSize, draw.XCenter, draw.YBottom), vg.Point{X: x(i), Y: c.Min.Y + 4}, fit(Regular, a.Name, tickSize, room))
			for k, at := range a.Marks {
				c.SetColor(white)
				w := vg.Length(Width(Regular, fit(Regular, a.Texts[k], 6, 30), 6))
				box := vg.Rectangle{Min: vg.Point{X: x(i) + 1.5, Y: y(at) - 3.4}, Max: vg.Point{X: x(i) + 4 + w, Y: y(at) + 3.4}}
				align, tx := draw.XLeft, x(i)+3
				if i == last {
					box = vg.Rectangle{Min: vg.Point{X: x(i) - 4 - w, Y: y(at) - 3.4}, Max: vg.Point{X: x(i) - 1.5, Y: y(at) + 3.4}}
					align, tx = draw.XRight, x(i)-3
				}
				c.Fill(box.Path())
				line(c, pen(black, 0.5, nil), vg.Point{X: x(i) - 1.5, Y: y(at)}, vg.Point{X: x(i) + 1.5, Y: y(at)})
				c.FillText(style(Regular, 6, align, draw.YCenter), vg.Point{X: tx, Y: y(at)}, fit(Regular, a.Texts[k], 6, 30))
			}
		}
	}
	return f
}
