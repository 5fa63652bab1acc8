package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"math"
	"slices"
	"strings"

	"orch/report/plot"
)

// uPlot 1.6.32 by Leon Sorokin (MIT, vendored/uPlot-LICENSE.txt; npm package
// "uplot") draws the live charts: 51 KB, no dependencies.
var (
	//go:embed vendored/uPlot.iife.min.js
	uplotJS string
	//go:embed vendored/uPlot.min.css
	uplotCSS string
	//go:embed vendored/uPlot-LICENSE.txt
	uplotLicense string
	//go:embed html/report.css
	reportCSS string
	//go:embed html/report.js
	reportJS string
)

// Licenses returns the licences of what the report embeds, by file name: whoever
// passes the binary on passes these on.
func Licenses() map[string]string {
	out := plot.Licenses()
	out["uPlot-LICENSE.txt"] = uplotLicense
	return out
}

// HTML renders report.html: one file that asks for no other, on paper and
// without JavaScript as complete as with it. With it, learning curves can be
// zoomed and read off, and runs filtered. A content security policy names its
// two scripts by their hashes: nothing else in it can run, whatever a run is
// called.
var HTML = Format{Name: "html", Render: func(r *Report) ([]File, error) {
	w := &htmlWriter{}
	if err := w.document(r, compose(r)); err != nil {
		return nil, err
	}
	return []File{{"report.html", w.b.Bytes()}}, nil
}}

// htmlChunk is how many rows of the list of runs one table has: a browser lays
// out only those that are in sight.
const htmlChunk = 200

type htmlWriter struct{ b bytes.Buffer }

func (w *htmlWriter) f(format string, args ...any) { fmt.Fprintf(&w.b, format, args...) }

// esc is for text and for attributes in double quotes.
func esc(s string) string { return html.EscapeString(oneLine(s)) }

func hashSource(s string) string {
	sum := sha256.Sum256([]byte(s))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

func (w *htmlWriter) document(r *Report, d *document) error {
	script := "/* uPlot\n" + uplotLicense + "*/\n" + uplotJS
	style := uplotCSS + reportCSS
	w.f("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n")
	w.f("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; script-src %s %s; style-src %s; base-uri 'none'; form-action 'none'\">\n", hashSource(script), hashSource(reportJS), hashSource(style))
	w.f("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"generator\" content=\"orch report\">\n")
	w.f("<title>%s</title>\n<style>%s</style>\n</head>\n<body>\n<header><h1>%s</h1></header>\n", esc(d.title), style, esc(d.title))
	w.f("<nav aria-label=\"Contents\"><ul>\n")
	n := 0
	for _, b := range d.blocks {
		if b.kind == headingBlock {
			n++
			w.f("<li><a href=\"#s%d\">%s</a></li>\n", n, esc(bare(b.text)))
		}
	}
	w.f("</ul></nav>\n<main>\n")
	n = 0
	var charts []chartJSON
	for _, b := range d.blocks {
		switch b.kind {
		case headingBlock:
			n++
			w.f("<h2 id=\"s%d\">%s</h2>\n", n, htmlInline(b.text))
		case paragraphBlock:
			w.f("<p>%s</p>\n", htmlInline(b.text))
		case verdictBlock:
			w.f("<p class=\"verdict %s\">%s</p>\n", strings.ReplaceAll(cmpOr(string(b.good), "exploratory"), " ", "-"), htmlInline(b.text))
		case formulaBlock:
			w.f("<p class=\"formula\">%s</p>\n", htmlInline(formulaInline(b.text[0].s)))
		case listBlock:
			w.f("<ul>\n")
			for _, item := range b.items {
				w.f("<li>%s</li>\n", htmlInline(item))
			}
			w.f("</ul>\n")
		case tableBlock:
			w.table(b.table)
		case figureBlock:
			w.f("<figure>\n")
			if b.fig.curves != nil {
				w.f("<div class=\"chart\" data-chart=\"%d\"></div>\n", len(charts))
				charts = append(charts, newChartJSON(b.fig.curves))
			}
			w.b.Write(b.fig.pic.SVG(b.fig.caption))
			w.f("<figcaption>%s</figcaption>\n</figure>\n", esc(b.fig.caption))
		}
	}
	w.f("</main>\n")
	data, err := json.Marshal(charts) // it escapes <, > and &
	if err != nil {
		return fmt.Errorf("write the charts' data: %w", err)
	}
	w.f("<script type=\"application/json\" id=\"charts\">%s</script>\n<script>%s</script>\n<script>%s</script>\n</body>\n</html>\n", data, script, reportJS)
	return nil
}

func htmlInline(parts []inline) string {
	var b strings.Builder
	for _, p := range parts {
		before, after := edges(p.s)
		s := esc(p.s)
		switch p.look {
		case strong:
			s = "<strong>" + s + "</strong>"
		case mono:
			s = "<code>" + s + "</code>"
		case italic:
			s = "<i>" + s + "</i>"
		case super:
			s = "<sup>" + s + "</sup>"
		case sub:
			s = "<sub>" + s + "</sub>"
		case prose:
			s = htmlInline(proseInline(p.s))
		}
		b.WriteString(before + s + after)
	}
	return b.String()
}

func (w *htmlWriter) table(t *table) {
	rows := t.rows
	chunked := t.runs && len(rows) > htmlChunk
	if !chunked {
		w.f("<div class=\"scroll\" tabindex=\"0\"><table%s>\n", map[bool]string{true: " class=\"runs\""}[t.runs])
		w.rows(t, rows)
		w.f("</table></div>\n")
		if len(t.caption) > 0 {
			w.f("<p class=\"caption\">%s</p>\n", htmlInline(t.caption))
		}
		return
	}
	w.f("<div class=\"scroll\" tabindex=\"0\"><div class=\"wide%d\">\n", min(len(t.align), 12))
	for len(rows) > 0 {
		n := min(htmlChunk, len(rows))
		w.f("<div class=\"chunk\"><table class=\"runs fixed\">\n")
		w.rows(t, rows[:n])
		w.f("</table></div>\n")
		rows = rows[n:]
	}
	w.f("</div></div>\n")
}

func (w *htmlWriter) rows(t *table, rows [][]cell) {
	w.b.WriteString("<thead><tr>")
	for j, c := range t.head {
		w.b.WriteString("<th scope=\"col\"" + right(t.align[j]) + ">" + htmlInline(c) + "</th>")
	}
	w.b.WriteString("</tr></thead>\n<tbody>\n")
	for _, row := range rows {
		w.b.WriteString("<tr>")
		for j, c := range row {
			w.b.WriteString("<td" + right(t.align[j]) + ">" + htmlInline(c) + "</td>")
		}
		w.b.WriteString("</tr>\n")
	}
	w.b.WriteString("</tbody>\n")
}

func right(align byte) string {
	if align == 'r' {
		return ` class="r"`
	}
	return ""
}

// chartJSON is a figure of curves for uPlot: all lines on the union of their
// steps, null where one has none.
type chartJSON struct {
	X     string      `json:"x"`
	Y     string      `json:"y"`
	Steps []float64   `json:"steps"`
	Lines []chartLine `json:"lines"`
}

type chartLine struct {
	Label string `json:"label"`
	Mean  []num  `json:"mean"`
	Lo    []num  `json:"lo"`
	Hi    []num  `json:"hi"`
}

func newChartJSON(d *plot.Curves) chartJSON {
	c := chartJSON{X: d.X, Y: oneLine(d.Y)}
	for _, l := range d.Lines {
		for _, x := range l.X {
			if !slices.Contains(c.Steps, x) {
				c.Steps = append(c.Steps, x)
			}
		}
	}
	slices.Sort(c.Steps)
	for _, l := range d.Lines {
		line := chartLine{Label: oneLine(l.Label)}
		k := 0
		for _, x := range c.Steps {
			mean, lo, hi := math.NaN(), math.NaN(), math.NaN()
			if k < len(l.X) && l.X[k] == x {
				mean, lo, hi = l.Mean[k], l.Lo[k], l.Hi[k]
				k++
			}
			line.Mean, line.Lo, line.Hi = append(line.Mean, num(mean)), append(line.Lo, num(lo)), append(line.Hi, num(hi))
		}
		c.Lines = append(c.Lines, line)
	}
	return c
}
