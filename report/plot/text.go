package plot

import (
	"math"
	"strings"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
)

// handler lays out plain text of several faces for gonum.
type handler struct{}

var _ text.Handler = handler{}

func (handler) Cache() *font.Cache { return cache() }

// Extents are those of capitals and digits: the face's own leave wide gaps.
// Descenders of axis labels hang into the margin.
func (handler) Extents(f font.Font) font.Extents {
	return font.Extents{Ascent: f.Size * lineHeight, Height: f.Size * lineHeight}
}

func (handler) Lines(s string) []string { return strings.Split(strings.TrimRight(s, "\n"), "\n") }

// Box measures one line.
func (handler) Box(s string, f font.Font) (width, height, depth vg.Length) {
	return vg.Length(Width(Font(f.Typeface), s, float64(f.Size))), f.Size * lineHeight, 0
}

const (
	capHeight  = 0.683           // of Computer Modern, in em (Knuth 1986, "Computer Modern Typefaces")
	lineHeight = 1.3 * capHeight // with a gap above, to the tick
	leading    = 1.15
)

func (h handler) Draw(c vg.Canvas, s string, sty text.Style, pt vg.Point) {
	s = strings.TrimRight(s, "\n")
	if s == "" {
		return
	}
	c.SetColor(sty.Color)
	c.Push()
	defer c.Pop()
	c.Translate(pt)
	if sty.Rotation != 0 {
		c.Rotate(sty.Rotation)
	}
	lines := h.Lines(s)
	below := sty.Font.Size * leading * vg.Length(len(lines)-1)
	y := below // baseline of the first line
	switch sty.YAlign {
	case text.YTop:
		y = -sty.Font.Size * lineHeight
	case text.YCenter:
		y = below/2 - sty.Font.Size*capHeight/2
	}
	for _, line := range lines {
		x := vg.Length(sty.XAlign) * vg.Length(Width(Font(sty.Font.Typeface), line, float64(sty.Font.Size)))
		for _, p := range Split(Font(sty.Font.Typeface), line) {
			size := sty.Font.Size * vg.Length(p.Scale)
			c.FillString(cache().Lookup(p.Font.gonum(size), size), vg.Point{X: x, Y: y}, p.Text)
			x += vg.Length(p.Width(float64(sty.Font.Size)))
		}
		y -= sty.Font.Size * leading
	}
}

// fit shortens a text to a width.
func fit(f Font, s string, size, width float64) string {
	if Width(f, s, size) <= width {
		return s
	}
	r := []rune(s)
	for len(r) > 1 && Width(f, string(r)+"…", size) > width {
		r = r[:len(r)-1]
	}
	return strings.TrimRight(string(r), " ") + "…"
}

const quarter = math.Pi / 2
