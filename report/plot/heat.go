package plot

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Heat shows the mean of a metric over two swept numbers. Cells are equally
// large whatever the steps between the numbers.
type Heat struct {
	X, Y, Z          string
	XLabels, YLabels []string
	Cells            [][]float64 // by y (from below), then x; NaN: no value, shown hatched as one that does not fit
	Format           func(float64) string
}

// ramp goes from light to dark through blue: it reads the same in grey
// (ColorBrewer, Blues, interpolated; darkest made darker).
var ramp = []color.NRGBA{{247, 251, 255, 255}, {222, 235, 247, 255}, {198, 219, 239, 255}, {158, 202, 225, 255}, {107, 174, 214, 255}, {66, 146, 198, 255}, {33, 113, 181, 255}, {8, 69, 148, 255}}

func shade(t float64) color.NRGBA {
	t = math.Min(math.Max(t, 0), 1) * float64(len(ramp)-1)
	i := min(int(t), len(ramp)-2)
	f := t - float64(i)
	mix := func(a, b uint8) uint8 { return uint8(math.Round(float64(a)*(1-f) + float64(b)*f)) }
	a, b := ramp[i], ramp[i+1]
	return color.NRGBA{mix(a.R, b.R), mix(a.G, b.G), mix(a.B, b.B), 255}
}

const barWidth = 9

// Figure draws the map with a colour bar.
func (d Heat) Figure() *Figure {
	var zs extent
	for _, row := range d.Cells {
		zs.add(row...)
	}
	h := math.Min(math.Max(float64(height), 44+16*float64(len(d.YLabels))), 420)
	f := &Figure{W: columnWidth, H: vg.Length(h)}
	f.paint = func(c draw.Canvas) {
		p := newPlot(d.X, d.Y)
		p.X.Tick.Marker, p.Y.Tick.Marker = d.sparse(d.XLabels, columnWidth-90), d.sparse(d.YLabels, h*2)
		p.X.Tick.Length, p.Y.Tick.Length = 2, 2
		p.X.Padding, p.Y.Padding = 0, 0
		p.X.Min, p.X.Max = -0.5, float64(len(d.XLabels))-0.5
		p.Y.Min, p.Y.Max = -0.5, float64(len(d.YLabels))-0.5
		lo, hi := zs.lo, zs.hi
		if level(lo, hi) {
			d := math.Max(math.Abs(lo)*0.05, 1) // 1 alone is lost beside 1e17
			lo, hi = lo-d, hi+d
		}
		bar := steps{most: 5}.Ticks(lo, hi)
		right := 0.0
		for _, t := range bar {
			right = math.Max(right, Width(Regular, t.Label, tickSize))
		}
		right += barWidth + 10 + labelSize + 4
		p.Add(drawing(func(c draw.Canvas, _ *plot.Plot, x, y func(float64) vg.Length) {
			d.cells(c, x, y, lo, hi)
			d.bar(c, bar, lo, hi)
		}))
		p.Draw(within(c, vg.Length(right), 2))
	}
	return f
}

func (d Heat) cells(c draw.Canvas, x, y func(float64) vg.Length, lo, hi float64) {
	wide := 0.0
	for _, row := range d.Cells {
		for _, v := range row {
			if Fits(v) {
				wide = math.Max(wide, Width(Regular, d.Format(v), 6))
			}
		}
	}
	fits := wide+2 <= float64(x(1)-x(0)) && float64(y(1)-y(0)) >= 8
	for j, row := range d.Cells {
		for i, v := range row {
			r := vg.Rectangle{Min: vg.Point{X: x(float64(i) - 0.5), Y: y(float64(j) - 0.5)}, Max: vg.Point{X: x(float64(i) + 0.5), Y: y(float64(j) + 0.5)}}
			if !Fits(v) {
				hatch(c, r)
				continue
			}
			t := (v - lo) / (hi - lo)
			c.SetColor(shade(t))
			c.Fill(r.Path())
			if fits {
				s := style(Regular, 6, draw.XCenter, draw.YCenter)
				if t > 0.8 { // where white is easier to read than black
					s.Color = color.NRGBA{255, 255, 255, 255}
				}
				c.FillText(s, vg.Point{X: (r.Min.X + r.Max.X) / 2, Y: (r.Min.Y + r.Max.Y) / 2}, d.Format(v))
			}
		}
	}
}

// bar draws the scale beside the map.
func (d Heat) bar(c draw.Canvas, ticks []plot.Tick, lo, hi float64) {
	left := c.Max.X + 6
	at := func(v float64) vg.Length { return c.Min.Y + (c.Max.Y-c.Min.Y)*vg.Length((v-lo)/(hi-lo)) }
	const n = 64
	for i := range n {
		v0, v1 := lo+(hi-lo)*float64(i)/n, lo+(hi-lo)*float64(i+1)/n
		c.SetColor(shade((float64(i) + 0.5) / n))
		r := vg.Rectangle{Min: vg.Point{X: left, Y: at(v0)}, Max: vg.Point{X: left + barWidth, Y: at(v1) + 0.1}}
		c.Fill(r.Path())
	}
	wide := 0.0
	for _, t := range ticks {
		line(c, pen(black, 0.5, nil), vg.Point{X: left + barWidth, Y: at(t.Value)}, vg.Point{X: left + barWidth + 2, Y: at(t.Value)})
		c.FillText(style(Regular, tickSize, draw.XLeft, draw.YCenter), vg.Point{X: left + barWidth + 4, Y: at(t.Value)}, t.Label)
		wide = math.Max(wide, Width(Regular, t.Label, tickSize))
	}
	s := style(Regular, labelSize, draw.XCenter, draw.YTop)
	s.Rotation = quarter
	c.FillText(s, vg.Point{X: left + barWidth + 6 + vg.Length(wide), Y: (c.Min.Y + c.Max.Y) / 2}, fit(Regular, d.Z, labelSize, float64(c.Max.Y-c.Min.Y)))
}

// sparse leaves out labels until the rest fits side by side.
func (d Heat) sparse(labels []string, width float64) named {
	out := make(named, len(labels))
	wide := 1.0
	for i, s := range labels {
		out[i] = fit(Regular, s, tickSize, 40)
		wide = math.Max(wide, Width(Regular, out[i], tickSize)+4)
	}
	every := int(math.Ceil(wide * float64(len(labels)) / width))
	for i := range out {
		if i%max(every, 1) != 0 {
			out[i] = ""
		}
	}
	return out
}

// hatch marks a cell without a value.
func hatch(c draw.Canvas, r vg.Rectangle) {
	s := pen(color.NRGBA{190, 190, 190, 255}, 0.5, nil)
	w, h := r.Max.X-r.Min.X, r.Max.Y-r.Min.Y
	for k := vg.Length(4); k < w+h; k += 4 {
		a := vg.Point{X: r.Min.X + min(k, w), Y: r.Min.Y + max(0, k-w)}
		b := vg.Point{X: r.Min.X + max(0, k-h), Y: r.Min.Y + min(k, h)}
		line(c, s, a, b)
	}
}
