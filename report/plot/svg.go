package plot

import (
	"encoding/xml"
	"fmt"
	"image/color"
	"strconv"
	"strings"

	"gonum.org/v1/plot/vg/draw"
)

// svgSink writes SVG 1.1. Text stays text; its width is given, so that it fits
// where a reader has another font.
type svgSink struct{ b strings.Builder }

func (s *svgSink) color(name string, c color.NRGBA) {
	fmt.Fprintf(&s.b, ` %s="#%02x%02x%02x"`, name, c.R, c.G, c.B)
	if c.A != 255 {
		fmt.Fprintf(&s.b, ` %s-opacity="%s"`, name, coord(float64(c.A)/255))
	}
}

func (s *svgSink) path(p path) {
	s.b.WriteString(`<path d="`)
	for _, x := range p {
		switch x.op {
		case 'm', 'l':
			s.b.WriteByte(x.op - 32)
			s.points(x.p[:1])
		case 'c':
			s.b.WriteByte('C')
			s.points(x.p[:])
		case 'z':
			s.b.WriteByte('Z')
		}
	}
	s.b.WriteByte('"')
}

func (s *svgSink) points(p []point) {
	for i, q := range p {
		if i > 0 {
			s.b.WriteByte(' ')
		}
		s.b.WriteString(coord(q.x) + "," + coord(q.y))
	}
}

func (s *svgSink) stroke(p path, st *state) {
	if st.width <= 0 {
		return
	}
	s.path(p)
	s.b.WriteString(` fill="none"`)
	s.color("stroke", st.color)
	fmt.Fprintf(&s.b, ` stroke-width="%s"`, coord(st.width))
	if len(st.dash) > 0 {
		var d []string
		for _, x := range st.dash {
			d = append(d, coord(x))
		}
		fmt.Fprintf(&s.b, ` stroke-dasharray="%s"`, strings.Join(d, " "))
	}
	s.b.WriteString("/>\n")
}

func (s *svgSink) fill(p path, st *state) {
	s.path(p)
	s.color("fill", st.color)
	s.b.WriteString("/>\n")
}

var families = map[Font]string{
	Regular: `CMU Serif, Latin Modern Roman, Computer Modern, serif`, Bold: `CMU Serif, Latin Modern Roman, Computer Modern, serif`,
	Italic: `CMU Serif, Latin Modern Roman, Computer Modern, serif`, Mono: `CMU Typewriter Text, Latin Modern Mono, monospace`, Fallback: `DejaVu Serif, serif`,
}

func (s *svgSink) text(f Font, size float64, at point, angle float64, text string, c color.NRGBA) {
	width := 0.0
	for _, r := range text {
		em, _ := faces()[f].advance(r)
		width += em * size
	}
	fmt.Fprintf(&s.b, `<text x="%s" y="%s" font-family="%s" font-size="%s" textLength="%s" lengthAdjust="spacingAndGlyphs" xml:space="preserve"`,
		coord(at.x), coord(at.y), families[f], coord(size), coord(width))
	if f == Bold {
		s.b.WriteString(` font-weight="bold"`)
	}
	if f == Italic {
		s.b.WriteString(` font-style="italic"`)
	}
	if angle != 0 {
		fmt.Fprintf(&s.b, ` transform="rotate(%s %s %s)"`, coord(-angle), coord(at.x), coord(at.y))
	}
	s.color("fill", c)
	s.b.WriteByte('>')
	xml.EscapeText(&s.b, []byte(text)) // a strings.Builder takes everything
	s.b.WriteString("</text>\n")
}

// coord prints a coordinate with a precision of 1/100 point.
func coord(x float64) string {
	s := strconv.FormatFloat(x, 'f', 2, 64)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

// SVG returns the figure as an SVG image. alt is its text alternative.
func (f *Figure) SVG(alt string) []byte {
	s := &svgSink{}
	w, h := coord(float64(f.W)), coord(float64(f.H))
	fmt.Fprintf(&s.b, `<svg xmlns="http://www.w3.org/2000/svg" width="%spt" height="%spt" viewBox="0 0 %s %s" role="img"><title>`, w, h, w, h)
	xml.EscapeText(&s.b, []byte(alt))
	s.b.WriteString("</title>\n")
	f.paint(draw.New(newCanvas(s, 0, 0, f.W, f.H)))
	s.b.WriteString("</svg>\n")
	return []byte(s.b.String())
}
