package plot

import (
	"bytes"
	"image/color"
	"math"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// Figure is a picture that can be drawn in several formats.
type Figure struct {
	W, H  vg.Length // points
	paint func(draw.Canvas)
}

// PNG returns the figure as an image with so many dots per inch; 300 is good
// for slides and print.
func (f *Figure) PNG(dpi int) ([]byte, error) {
	c := vgimg.NewWith(vgimg.UseWH(f.W, f.H), vgimg.UseDPI(dpi), vgimg.UseBackgroundColor(color.White))
	f.paint(draw.New(c))
	var b bytes.Buffer
	_, err := vgimg.PngCanvas{Canvas: c}.WriteTo(&b)
	return b.Bytes(), err
}

// The theme: a column of a two-column paper.
const (
	columnWidth = 237.6 // 3.3 inches
	height      = 150
	labelSize   = 8
	tickSize    = 7
	margin      = 3 // around everything, so that nothing is cut
)

var (
	// Okabe and Ito 2008, "Color universal design"; yellow is too light for lines.
	colors = []color.NRGBA{{0, 0x72, 0xb2, 255}, {0xd5, 0x5e, 0, 255}, {0, 0x9e, 0x73, 255}, {0xcc, 0x79, 0xa7, 255}, {0xe6, 0x9f, 0, 255}, {0x56, 0xb4, 0xe9, 255}, {0, 0, 0, 255}, {0x66, 0x66, 0x66, 255}}
	dashes = [][]vg.Length{nil, {4, 2}, {1, 1.5}, {5, 1.5, 1, 1.5}, {7, 2}, {2, 2}, {5, 1.5, 1, 1.5, 1, 1.5}, {0.8, 2.5}}
	grid   = color.NRGBA{225, 225, 225, 255}
	grey   = color.NRGBA{110, 110, 110, 255}
	black  = color.NRGBA{0, 0, 0, 255}
	white  = color.NRGBA{255, 255, 255, 255}
)

// MaxSeries is how many series a figure tells apart.
const MaxSeries = 8

func style(f Font, size vg.Length, x text.XAlignment, y text.YAlignment) text.Style {
	return text.Style{Color: black, Font: f.gonum(size), XAlign: x, YAlign: y, Handler: handler{}}
}

// newPlot returns a plot in the theme.
func newPlot(x, y string) *plot.Plot {
	p := plot.New()
	p.BackgroundColor = nil
	p.TextHandler = handler{}
	p.Title.TextStyle.Handler = handler{}
	p.Title.TextStyle.Font = Regular.gonum(labelSize)
	p.Legend.TextStyle.Handler = handler{}
	p.Legend.TextStyle.Font = Regular.gonum(tickSize)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Handler = handler{}
		a.Label.TextStyle.Font = Regular.gonum(labelSize)
		a.Label.Padding = 2
		a.Tick.Label.Handler = handler{}
		a.Tick.Label.Font = Regular.gonum(tickSize)
		a.Tick.Length = 3
		a.Tick.LineStyle.Width = 0.5
		a.LineStyle.Width = 0.5
		a.Padding = 2
		a.Tick.Marker = steps{}
	}
	p.Y.Label.Padding = 4
	p.X.Label.Text, p.Y.Label.Text = fit(Regular, x, labelSize, 130), fit(Regular, y, labelSize, 100)
	return p
}

// within returns the canvas without the margin; right and top ask for more.
func within(c draw.Canvas, right, top vg.Length) draw.Canvas {
	return draw.Crop(c, margin, -margin-right, margin, -margin-top)
}

// padRange widens a range by 4% on both sides, so that points are not cut.
func padRange(lo, hi float64) (float64, float64) {
	if !(lo <= hi) {
		return 0, 1
	}
	if level(lo, hi) {
		d := math.Max(math.Abs(lo)*0.05, 1e-9)
		return lo - d, hi + d
	}
	d := (hi - lo) * 0.04
	return lo - d, hi + d
}

// level reports whether a range is no more than the rounding of its ends. On an
// axis from 0.9 to the next number after it, multiples of a step would be counted
// beyond 2^53, where adding 1 changes nothing.
func level(lo, hi float64) bool {
	return hi-lo <= 1e-12*math.Max(math.Abs(lo), math.Abs(hi))
}

// steps marks an axis at multiples of 1, 2 or 5 times a power of ten.
type steps struct {
	whole bool // only whole numbers
	most  int  // marks; 0: 6
}

func (s steps) Ticks(lo, hi float64) []plot.Tick {
	most := s.most
	if most == 0 {
		most = 6
	}
	if !(hi > lo) || level(lo, hi) {
		return nil
	}
	raw := (hi - lo) / float64(most)
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step := 10 * unit
	for _, k := range []float64{1, 2, 5} {
		if k*unit >= raw*(1-1e-9) {
			step = k * unit
			break
		}
	}
	if s.whole {
		step = math.Max(1, math.Round(step))
	}
	var out []plot.Tick
	first := math.Ceil(lo/step - 1e-9)
	for i := range 2*most + 2 { // a step is at least half of raw
		x := (first + float64(i)) * step
		if !(x <= hi+1e-9*step) {
			break
		}
		out = append(out, plot.Tick{Value: x, Label: number(x, step)})
	}
	return out
}

// number prints a tick with the decimals that its step needs, a real minus, and
// no "-0".
func number(x, step float64) string {
	if math.Abs(x) < step/1e6 {
		return "0"
	}
	decimals := max(0, int(-math.Floor(math.Log10(step)+1e-9)))
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if math.Abs(x) >= 1e6 || decimals > 5 {
		s = strconv.FormatFloat(x, 'g', 3, 64)
		if m, e, ok := strings.Cut(s, "e"); ok {
			n, _ := strconv.Atoi(e)
			s = m + "e" + strconv.Itoa(n)
		}
	}
	return strings.ReplaceAll(s, "-", "−")
}

// named marks an axis of categories, at 0, 1, 2 and so on.
type named []string

func (n named) Ticks(lo, hi float64) []plot.Tick {
	var out []plot.Tick
	for i, s := range n {
		if x := float64(i); x >= lo && x <= hi {
			out = append(out, plot.Tick{Value: x, Label: s})
		}
	}
	return out
}

// line is a straight line between two points of a canvas.
func line(c draw.Canvas, s draw.LineStyle, a, b vg.Point) { c.StrokeLine2(s, a.X, a.Y, b.X, b.Y) }

func pen(c color.Color, width vg.Length, dash []vg.Length) draw.LineStyle {
	return draw.LineStyle{Color: c, Width: width, Dashes: dash}
}

// gridLines draws the marks of one axis across the other, behind the data.
type gridLines struct{ vertical bool }

func (g gridLines) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	s := pen(grid, 0.4, nil)
	if g.vertical {
		for _, t := range p.X.Tick.Marker.Ticks(p.X.Min, p.X.Max) {
			if t.Value >= p.X.Min && t.Value <= p.X.Max {
				line(c, s, vg.Point{X: x(t.Value), Y: c.Min.Y}, vg.Point{X: x(t.Value), Y: c.Max.Y})
			}
		}
		return
	}
	for _, t := range p.Y.Tick.Marker.Ticks(p.Y.Min, p.Y.Max) {
		if t.Value >= p.Y.Min && t.Value <= p.Y.Max {
			line(c, s, vg.Point{X: c.Min.X, Y: y(t.Value)}, vg.Point{X: c.Max.X, Y: y(t.Value)})
		}
	}
}

// drawing is a plotter made of a function.
type drawing func(c draw.Canvas, p *plot.Plot, x, y func(float64) vg.Length)

// Plot implements plot.Plotter.
func (d drawing) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	d(c, p, x, y)
}

// dot draws the i-th series' marker, with a white halo: shapes, not colours
// alone.
func dot(c draw.Canvas, i int, at vg.Point, radius vg.Length) {
	shapes := []draw.GlyphDrawer{draw.CircleGlyph{}, draw.TriangleGlyph{}, draw.BoxGlyph{}, draw.PyramidGlyph{}}
	shape := shapes[i%len(shapes)]
	c.DrawGlyph(draw.GlyphStyle{Color: color.NRGBA{255, 255, 255, 255}, Radius: radius + 0.5, Shape: filled(shape)}, at)
	c.DrawGlyph(draw.GlyphStyle{Color: colors[i%len(colors)], Radius: radius, Shape: filled(shape)}, at)
}

// filled turns gonum's outlined shapes into solid ones.
func filled(g draw.GlyphDrawer) draw.GlyphDrawer {
	switch g.(type) {
	case draw.CircleGlyph:
		return draw.CircleGlyph{}
	}
	return solid{g}
}

type solid struct{ of draw.GlyphDrawer }

// DrawGlyph implements draw.GlyphDrawer.
func (s solid) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	r := sty.Radius
	var p vg.Path
	switch s.of.(type) {
	case draw.BoxGlyph:
		r *= 0.9
		p = polygon(at, vg.Point{X: -r, Y: -r}, vg.Point{X: r, Y: -r}, vg.Point{X: r, Y: r}, vg.Point{X: -r, Y: r})
	case draw.PyramidGlyph: // a diamond
		r *= 1.25
		p = polygon(at, vg.Point{X: -r}, vg.Point{Y: r}, vg.Point{X: r}, vg.Point{Y: -r})
	default:
		r *= 1.2
		p = polygon(at, vg.Point{X: -r, Y: -0.7 * r}, vg.Point{X: r, Y: -0.7 * r}, vg.Point{Y: r})
	}
	c.SetColor(sty.Color)
	c.Fill(p)
}

func polygon(at vg.Point, corners ...vg.Point) vg.Path {
	var p vg.Path
	for i, k := range corners {
		if i == 0 {
			p.Move(at.Add(k))
		} else {
			p.Line(at.Add(k))
		}
	}
	p.Close()
	return p
}
