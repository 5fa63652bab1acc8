package report

import (
	"strings"

	"codeberg.org/go-pdf/fpdf"

	"orch/report/plot"
)

// The page: A4 in points, so wide that two figures fit side by side.
const (
	pageWidth  = 595.28
	pageHeight = 841.89
	pageMargin = 58
	textWidth  = pageWidth - 2*pageMargin
	textBottom = pageHeight - 62

	bodySize    = 10
	captionSize = 8.5
	cellSize    = 8.5
	spacing     = 1.3 // of lines
)

// run is text of one look at one place of a line.
type run struct {
	pieces []plot.Piece
	size   float64
	rise   float64
	width  float64
	blank  bool // a space stood before it
}

// newRun measures a text.
func newRun(l look, s string, size float64) run {
	r := run{size: size}
	font := plot.Regular
	switch l {
	case strong:
		font = plot.Bold
	case mono:
		font = plot.Mono
		r.size = size * 0.95
	case italic:
		font = plot.Italic
	case super:
		r.size, r.rise = size*0.7, size*0.36
	case sub:
		r.size, r.rise = size*0.7, -size*0.14
	}
	r.pieces = plot.Split(font, s)
	for _, p := range r.pieces {
		r.width += p.Width(r.size)
	}
	return r
}

// flow breaks pieces into lines of at most this width, between words, and within
// words that are longer than a line.
func flow(parts []inline, size, width float64) [][]run {
	space := plot.Width(plot.Regular, " ", size)
	var lines [][]run
	var line []run
	used := 0.0
	flush := func() {
		lines = append(lines, line)
		line, used = nil, 0
	}
	add := func(r run) {
		gap := 0.0
		if r.blank && len(line) > 0 {
			gap = space
		}
		if len(line) > 0 && used+gap+r.width > width && r.blank {
			flush()
			gap = 0
		}
		line, used = append(line, r), used+gap+r.width
	}
	blank := false
	for _, p := range expandProse(parts) {
		s := strings.Map(func(c rune) rune {
			if c == '\n' || c == '\t' {
				return ' '
			}
			return c
		}, p.s)
		words := strings.Split(s, " ")
		for i, w := range words {
			if i > 0 {
				blank = true
			}
			if w == "" {
				continue
			}
			r := newRun(p.look, w, size)
			if r.width <= width {
				r.blank = blank
				add(r)
				blank = false
				continue
			}
			for rest := []rune(w); len(rest) > 0; { // a word longer than a line
				n := len(rest)
				for n > 1 && newRun(p.look, string(rest[:n]), size).width > width {
					n = max(1, min(n-1, int(float64(n)*width/newRun(p.look, string(rest[:n]), size).width)))
				}
				r := newRun(p.look, string(rest[:n]), size)
				r.blank = true
				add(r)
				rest = rest[n:]
			}
			blank = false
		}
	}
	if len(line) > 0 || len(lines) == 0 {
		flush()
	}
	return lines
}

// expandProse replaces prose by text and formulas.
func expandProse(parts []inline) []inline {
	var out []inline
	for _, p := range parts {
		if p.look == prose {
			before, after := edges(p.s)
			out = append(out, inline{plain, before})
			out = append(out, proseInline(p.s)...)
			out = append(out, inline{plain, after})
			continue
		}
		before, after := edges(p.s)
		out = append(out, inline{p.look, before + oneLine(p.s) + after})
	}
	return out
}

// lineWidth returns the width of a broken line.
func lineWidth(line []run, size float64) float64 {
	space := plot.Width(plot.Regular, " ", size)
	w := 0.0
	for i, r := range line {
		if r.blank && i > 0 {
			w += space
		}
		w += r.width
	}
	return w
}

// drawLine writes a line with its baseline at y.
func drawLine(doc *fpdf.Fpdf, line []run, size, x, y float64) {
	space := plot.Width(plot.Regular, " ", size)
	for i, r := range line {
		if r.blank && i > 0 {
			x += space
		}
		for k, p := range r.pieces {
			plot.AddFont(doc, p.Font, r.size*p.Scale)
			s := p.Text
			if k == 0 && r.blank && i > 0 { // so that copied text has its blanks
				doc.Text(x-space, y-r.rise, " ")
			}
			doc.Text(x, y-r.rise, s)
			x += p.Width(r.size)
		}
	}
}

// fits reports whether a table needs no line breaks at this size.
func fits(t *table, size float64) bool {
	widths, total := columns(t, size, columnGap, 1e9), columnGap*float64(len(t.align)-1)
	for _, w := range widths {
		total += w
	}
	return total <= textWidth
}

// columns chooses the widths of a table's columns: natural where they fit, else
// the wide ones give way, down to their longest word.
func columns(t *table, size, gap, width float64) []float64 {
	n := len(t.align)
	natural, least := make([]float64, n), make([]float64, n)
	for i, cells := range append([][]cell{t.head}, t.rows...) {
		if i > 400 { // wide enough for those is wide enough
			break
		}
		for j, c := range cells {
			w := lineWidth(flow(c, size, 1e9)[0], size)
			natural[j] = max(natural[j], w)
			for _, p := range expandProse(c) {
				for _, word := range strings.Fields(p.s) {
					least[j] = max(least[j], min(newRun(p.look, word, size).width, 90))
				}
			}
		}
	}
	width -= gap * float64(n-1)
	total, floor := 0.0, 0.0
	for j := range natural {
		total += natural[j]
		floor += least[j]
	}
	if total <= width {
		return natural
	}
	if floor >= width {
		for j := range least {
			least[j] *= width / floor
		}
		return least
	}
	// Level the widest columns down until all fit.
	low, high := 0.0, width
	fit := func(limit float64) float64 {
		sum := 0.0
		for j := range natural {
			sum += max(least[j], min(natural[j], limit))
		}
		return sum
	}
	for range 40 {
		if mid := (low + high) / 2; fit(mid) <= width {
			low = mid
		} else {
			high = mid
		}
	}
	for j := range natural {
		natural[j] = max(least[j], min(natural[j], low))
	}
	return natural
}
