package plot

import (
	"image"
	"image/color"
	"math"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// canvas is a vg.Canvas that keeps transforms, colours and dashes itself and
// hands finished strokes, fills and texts to a sink, in points with the origin
// at the upper left. So a sink never has to restore anything: the trouble with
// fpdf's transforms is that it forgets what the PDF restores.
type canvas struct {
	w, h  vg.Length
	sink  sink
	state state
	stack []state
}

// state is what Push saves.
type state struct {
	m     matrix
	width float64
	dash  []float64
	phase float64
	color color.NRGBA
}

// sink writes one file format. Coordinates are final.
type sink interface {
	stroke(p path, s *state)
	fill(p path, s *state)
	// text draws at the baseline's left end; angle is in degrees,
	// counter-clockwise.
	text(f Font, size float64, at point, angle float64, s string, c color.NRGBA)
}

type point struct{ x, y float64 }

// path is a list of moves, lines and cubic curves.
type path []segment

type segment struct {
	op byte // m, l, c, z
	p  [3]point
}

// matrix maps (x, y) to (a x + c y + e, b x + d y + f).
type matrix struct{ a, b, c, d, e, f float64 }

func (m matrix) apply(p vg.Point) point {
	x, y := float64(p.X), float64(p.Y)
	return point{m.a*x + m.c*y + m.e, m.b*x + m.d*y + m.f}
}

// then returns the map that applies n first.
func (m matrix) then(n matrix) matrix {
	return matrix{
		m.a*n.a + m.c*n.b, m.b*n.a + m.d*n.b,
		m.a*n.c + m.c*n.d, m.b*n.c + m.d*n.d,
		m.a*n.e + m.c*n.f + m.e, m.b*n.e + m.d*n.f + m.f,
	}
}

// newCanvas returns a canvas of this size whose upper left corner is at (x, y)
// of the sink's page. gonum's y grows upwards.
func newCanvas(s sink, x, y float64, w, h vg.Length) *canvas {
	c := &canvas{w: w, h: h, sink: s}
	c.state.m = matrix{1, 0, 0, -1, x, y + float64(h)}
	vg.Initialize(c)
	return c
}

var _ vg.CanvasSizer = (*canvas)(nil)

func (c *canvas) Size() (w, h vg.Length)   { return c.w, c.h }
func (c *canvas) SetLineWidth(w vg.Length) { c.state.width = float64(w) }
func (c *canvas) Push()                    { c.stack = append(c.stack, c.state) }
func (c *canvas) Rotate(r float64)         { s, k := math.Sincos(r); c.turn(matrix{k, s, -s, k, 0, 0}) }
func (c *canvas) Translate(p vg.Point)     { c.turn(matrix{1, 0, 0, 1, float64(p.X), float64(p.Y)}) }
func (c *canvas) Scale(x, y float64)       { c.turn(matrix{x, 0, 0, y, 0, 0}) }
func (c *canvas) turn(n matrix)            { c.state.m = c.state.m.then(n) }
func (c *canvas) Stroke(p vg.Path)         { c.draw(p, c.sink.stroke) }
func (c *canvas) Fill(p vg.Path)           { c.draw(p, c.sink.fill) }

func (c *canvas) Pop() {
	c.state = c.stack[len(c.stack)-1]
	c.stack = c.stack[:len(c.stack)-1]
}

func (c *canvas) SetLineDash(pattern []vg.Length, offset vg.Length) {
	c.state.dash = nil
	for _, d := range pattern {
		c.state.dash = append(c.state.dash, float64(d))
	}
	c.state.phase = float64(offset)
}

// SetColor stores the colour with its alpha apart: premultiplied values are
// what turns translucent bands grey.
func (c *canvas) SetColor(x color.Color) {
	if x == nil {
		x = color.Black
	}
	c.state.color = color.NRGBAModel.Convert(x).(color.NRGBA)
}

func (c *canvas) FillString(f font.Face, at vg.Point, s string) {
	if f.Font.Size == 0 || s == "" {
		return
	}
	m := c.state.m
	angle := math.Atan2(-m.b, m.a) * 180 / math.Pi
	c.sink.text(Font(f.Font.Typeface), float64(f.Font.Size)*math.Hypot(m.a, m.b), m.apply(at), angle, s, c.state.color)
}

// DrawImage is not needed: heat maps are rectangles.
func (c *canvas) DrawImage(vg.Rectangle, image.Image) { panic("plot: figures are vectors") }

func (c *canvas) draw(p vg.Path, to func(path, *state)) {
	if len(p) == 0 || c.state.color.A == 0 {
		return
	}
	m := c.state.m
	var out path
	var here vg.Point
	for _, s := range p {
		switch s.Type {
		case vg.MoveComp:
			out = append(out, segment{'m', [3]point{m.apply(s.Pos)}})
		case vg.LineComp:
			out = append(out, segment{'l', [3]point{m.apply(s.Pos)}})
		case vg.CurveComp:
			a, b := s.Control[0], s.Control[len(s.Control)-1]
			if len(s.Control) == 1 { // raise a quadratic curve to a cubic one
				a, b = between(here, a), between(s.Pos, b)
			}
			out = append(out, segment{'c', [3]point{m.apply(a), m.apply(b), m.apply(s.Pos)}})
		case vg.ArcComp:
			out = append(out, arc(m, s, len(out) == 0)...)
			s.Pos = onCircle(s, s.Start+s.Angle)
		case vg.CloseComp:
			out = append(out, segment{op: 'z'})
		}
		here = s.Pos
	}
	to(out, &c.state)
}

func between(end, control vg.Point) vg.Point {
	return vg.Point{X: end.X + (control.X-end.X)*2/3, Y: end.Y + (control.Y-end.Y)*2/3}
}

func onCircle(s vg.PathComp, angle float64) vg.Point {
	sin, cos := math.Sincos(angle)
	return vg.Point{X: s.Pos.X + s.Radius*vg.Length(cos), Y: s.Pos.Y + s.Radius*vg.Length(sin)}
}

// arc approximates a circular arc by cubic curves of at most a quarter turn
// each, 0.03% of the radius off (Riškus 2006, "Approximation of a cubic Bézier
// curve by circular arcs and vice versa").
func arc(m matrix, s vg.PathComp, begins bool) path {
	op := byte('l')
	if begins {
		op = 'm'
	}
	out := path{{op, [3]point{m.apply(onCircle(s, s.Start))}}}
	n := max(1, int(math.Ceil(math.Abs(s.Angle)/(math.Pi/2)-1e-9)))
	step := s.Angle / float64(n)
	k := vg.Length(4.0 / 3 * math.Tan(step/4))
	for i := range n {
		a0 := s.Start + float64(i)*step
		a1 := a0 + step
		p0, p1 := onCircle(s, a0), onCircle(s, a1)
		out = append(out, segment{'c', [3]point{
			m.apply(vg.Point{X: p0.X - k*(p0.Y-s.Pos.Y), Y: p0.Y + k*(p0.X-s.Pos.X)}),
			m.apply(vg.Point{X: p1.X + k*(p1.Y-s.Pos.Y), Y: p1.Y - k*(p1.X-s.Pos.X)}),
			m.apply(p1),
		}})
	}
	return out
}
