package report

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"

	"orch/report/plot"
)

// PDF renders report.pdf: A4, figures as vectors, text that can be selected,
// bookmarks, and the table of all runs attached as results.csv. Its dates are
// those of the newest run, so that equal results give equal bytes.
var PDF = Format{Name: "pdf", Render: func(r *Report) ([]File, error) {
	w := &pdfWriter{doc: fpdf.New("P", "pt", "A4", "")}
	doc := w.doc
	doc.SetMargins(pageMargin, pageMargin, pageMargin)
	doc.SetAutoPageBreak(false, 0)
	doc.SetCatalogSort(true)
	doc.SetCreationDate(r.newest())
	doc.SetModificationDate(r.newest())
	doc.SetTitle(oneLine(r.Title), true)
	doc.SetProducer("orch", true)
	doc.SetCreator("orch report", true)
	doc.SetLang("en")
	var csv bytes.Buffer
	if err := r.Tables.WriteRuns(&csv); err != nil {
		return nil, err
	}
	doc.SetAttachments([]fpdf.Attachment{{Content: csv.Bytes(), Filename: "results.csv", Description: "every run of the sweep, a line each"}})
	w.document(compose(r))
	var b bytes.Buffer
	if err := doc.Output(&b); err != nil {
		return nil, err
	}
	return []File{{"report.pdf", nameVersion(moveBookmarks(b.Bytes(), 1))}}, nil
}}

var destination = regexp.MustCompile(`/Dest \[(\d+) 0 R /XYZ`)

// moveBookmarks corrects where bookmarks lead: fpdf computes the number of a
// page's object as if no attachment had been written before it, and each takes
// two. The blank that goes makes room for a digit that may come, so that no
// offset in the file changes.
func moveBookmarks(pdf []byte, attachments int) []byte {
	return destination.ReplaceAllFunc(pdf, func(m []byte) []byte {
		n, err := strconv.Atoi(string(destination.FindSubmatch(m)[1]))
		if err != nil {
			return m
		}
		moved := fmt.Sprintf("/Dest [%d 0 R", n+2*attachments)
		return []byte(moved + strings.Repeat(" ", len(m)-len(moved)-len("/XYZ")) + "/XYZ")
	})
}

// nameVersion corrects the version in the file's first line: fpdf says 1.3 or 1.4,
// but names attachments as PDF 1.7 does.
func nameVersion(pdf []byte) []byte {
	if bytes.HasPrefix(pdf, []byte("%PDF-1.")) {
		pdf[len("%PDF-1.")] = '7'
	}
	return pdf
}

// newest returns the time at which the newest attempt ended, else when the plan
// was made.
func (r *Report) newest() time.Time {
	t := r.Provenance.Time
	for _, a := range r.Tables.Attempts {
		if end := a.Start.Add(time.Duration(a.Seconds * float64(time.Second))); !a.Start.IsZero() && end.After(t) {
			t = end
		}
	}
	if t.IsZero() {
		t = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return t.UTC().Truncate(time.Second)
}

// maxPDFRuns bounds the list of runs in the PDF; the attached table has all.
const maxPDFRuns = 400

type pdfWriter struct {
	doc *fpdf.Fpdf
	y   float64
}

func (w *pdfWriter) newPage() {
	w.doc.AddPage()
	w.y = pageMargin
	n := fmt.Sprint(w.doc.PageNo())
	line := flow(text(n), captionSize, textWidth)[0]
	drawLine(w.doc, line, captionSize, pageWidth-pageMargin-lineWidth(line, captionSize), pageHeight-38)
}

// need begins a new page unless so much fits on this one.
func (w *pdfWriter) need(height float64) {
	if w.y+height > textBottom {
		w.newPage()
	}
}

func (w *pdfWriter) document(d *document) {
	w.newPage()
	w.para(fat(d.title), 17, 0)
	w.doc.Bookmark(oneLine(d.title), 0, 0)
	w.y += 6
	for i := 0; i < len(d.blocks); i++ {
		b := d.blocks[i]
		switch b.kind {
		case headingBlock:
			follows := 40.0
			if i+1 < len(d.blocks) && d.blocks[i+1].kind == tableBlock {
				follows = newPDFTable(d.blocks[i+1].table).height()
			}
			w.need(30 + follows)
			w.y += 10
			plot.AddFont(w.doc, plot.Bold, 12.5)
			w.doc.Bookmark(bare(b.text), 0, w.y)
			w.para(fat(bare(b.text)), 12.5, 0)
		case paragraphBlock:
			if i+1 < len(d.blocks) && d.blocks[i+1].kind == listBlock {
				w.need(50) // what a list is about stays with it
			}
			w.para(b.text, bodySize, 0)
		case verdictBlock:
			w.verdict(b)
		case formulaBlock:
			w.para(formulaInline(b.text[0].s), bodySize, 24)
		case listBlock:
			for _, item := range b.items {
				w.need(bodySize * spacing)
				drawLine(w.doc, flow(text("•"), bodySize, 20)[0], bodySize, pageMargin+4, w.y+bodySize)
				w.lines(item, bodySize, pageMargin+16, textWidth-16)
				w.y += 1
			}
			w.y += 4
		case tableBlock:
			w.table(b.table)
		case figureBlock:
			pair := []*figure{b.fig}
			if i+1 < len(d.blocks) && d.blocks[i+1].kind == figureBlock {
				pair = append(pair, d.blocks[i+1].fig)
				i++
			}
			w.figures(pair)
		}
	}
}

// lines writes a paragraph at x and moves down; it breaks over pages.
func (w *pdfWriter) lines(parts []inline, size, x, width float64) {
	for _, line := range flow(parts, size, width) {
		w.need(size * spacing)
		drawLine(w.doc, line, size, x, w.y+size)
		w.y += size * spacing
	}
}

func (w *pdfWriter) para(parts []inline, size, indent float64) {
	w.lines(parts, size, pageMargin+indent, textWidth-indent)
	w.y += size * 0.45
}

// verdict is a box with a bar of its colour; the word says it too.
func (w *pdfWriter) verdict(b block) {
	lines := flow(b.text, bodySize+0.5, textWidth-26)
	height := float64(len(lines))*(bodySize+0.5)*spacing + 14
	w.need(min(height, 600))
	c := verdictColor(b.good)
	w.doc.SetFillColor(245, 245, 245)
	w.doc.Rect(pageMargin, w.y, textWidth, height, "F")
	w.doc.SetFillColor(c[0], c[1], c[2])
	w.doc.Rect(pageMargin, w.y, 4, height, "F")
	w.y += 7
	for _, line := range lines {
		drawLine(w.doc, line, bodySize+0.5, pageMargin+14, w.y+bodySize)
		w.y += (bodySize + 0.5) * spacing
	}
	w.y += 15
}

// verdictColor is dark enough to be read as text on white (WCAG AA).
func verdictColor(o Outcome) [3]int {
	switch o {
	case Met:
		return [3]int{0, 110, 80}
	case NotMet:
		return [3]int{170, 60, 0}
	case Inconclusive:
		return [3]int{120, 90, 0}
	}
	return [3]int{0, 90, 150}
}

// figures places one or two figures in a row, each above its caption.
func (w *pdfWriter) figures(figs []*figure) {
	const gap = textWidth - 2*237.6
	height := 0.0
	for _, f := range figs {
		n := len(flow(text(f.caption), captionSize, float64(f.pic.W)))
		height = max(height, float64(f.pic.H)+float64(n)*captionSize*spacing+4)
	}
	w.need(height)
	y := w.y
	for i, f := range figs {
		x := pageMargin + float64(i)*(237.6+gap)
		f.pic.OnPage(w.doc, x, y)
		w.y = y + float64(f.pic.H) + 2
		for _, line := range flow(text(f.caption), captionSize, float64(f.pic.W)-6) {
			drawLine(w.doc, line, captionSize, x+3, w.y+captionSize)
			w.y += captionSize * spacing
		}
	}
	w.y = y + height + 10
}

// pdfTable is a table that was made to fit the page.
type pdfTable struct {
	table
	widths []float64
	total  float64
	size   float64
	notes  [][]inline // what was left out, and the caption
}

const columnGap = 9

func newPDFTable(t *table) pdfTable {
	p := pdfTable{table: withoutEmpty(*t), size: cellSize}
	if t.runs && len(p.rows) > maxPDFRuns {
		p.notes = append(p.notes, text(fmt.Sprintf("%d more runs in the attached results.csv.", len(p.rows)-maxPDFRuns)))
		p.rows = p.rows[:maxPDFRuns]
	}
	const most = 12 // columns that a page can hold side by side
	if n := len(p.align) - most; n > 0 {
		p.notes = append(p.notes, text(fmt.Sprintf("%d more columns in the tables beside this report.", n)))
		p.table = narrow(p.table, most)
	}
	if len(p.align) > 7 {
		p.size = 7
	}
	if numbers := strings.Count(p.align, "r"); numbers >= 4 && !fits(&p.table, p.size) {
		p.size = 7 // rather smaller than "0.9233 ± 0.0032" on two lines
	}
	p.widths = columns(&p.table, p.size, columnGap, textWidth)
	p.total = columnGap * float64(len(p.widths)-1)
	for _, x := range p.widths {
		p.total += x
	}
	if len(t.caption) > 0 {
		p.notes = append(p.notes, t.caption)
	}
	return p
}

// height is the place that the table needs to begin on a page: all of it if it is
// short, so that it stays in one piece with its caption, else a few rows.
func (p pdfTable) height() float64 {
	h := rowHeight(p.head, p.widths, p.size) + 8
	for _, cells := range p.rows {
		if h += rowHeight(cells, p.widths, p.size); h > 300 {
			return 80
		}
	}
	for _, n := range p.notes {
		h += float64(len(flow(n, captionSize, textWidth))) * captionSize * spacing
	}
	return h
}

// table draws with the rules of booktabs and repeats its head on every page.
func (w *pdfWriter) table(t *table) {
	p := newPDFTable(t)
	rule := func(width float64) {
		w.doc.SetLineWidth(width)
		w.doc.Line(pageMargin, w.y, pageMargin+p.total, w.y)
	}
	head := func() {
		rule(0.8)
		w.row(p.head, p)
		rule(0.4)
	}
	w.need(p.height())
	head()
	for _, cells := range p.rows {
		if h := rowHeight(cells, p.widths, p.size); w.y+h > textBottom {
			rule(0.8)
			w.newPage()
			head()
		}
		w.row(cells, p)
	}
	rule(0.8)
	w.y += 4
	for _, n := range p.notes {
		w.lines(n, captionSize, pageMargin, textWidth)
	}
	w.y += 8
}

// withoutEmpty leaves out the columns in which no row has anything.
func withoutEmpty(t table) table {
	var keep []int
	for j := range t.align {
		if slices.ContainsFunc(t.rows, func(row []cell) bool { return bare(row[j]) != "" }) || len(t.rows) == 0 {
			keep = append(keep, j)
		}
	}
	pick := func(row []cell) []cell { return mapTo(keep, func(j int) cell { return row[j] }) }
	align := ""
	for _, j := range keep {
		align += t.align[j : j+1]
	}
	t.head, t.rows, t.align = pick(t.head), mapTo(t.rows, pick), align
	return t
}

// narrow keeps the first n columns.
func narrow(t table, n int) table {
	t.head, t.align = t.head[:n], t.align[:n]
	rows := make([][]cell, len(t.rows))
	for i, r := range t.rows {
		rows[i] = r[:min(n, len(r))]
	}
	t.rows = rows
	return t
}

func rowHeight(cells []cell, widths []float64, size float64) float64 {
	lines := 1
	for j, c := range cells {
		lines = max(lines, len(flow(c, size, widths[j]+0.01)))
	}
	return float64(lines)*size*1.2 + 2.5
}

func (w *pdfWriter) row(cells []cell, p pdfTable) {
	x, lines := float64(pageMargin), 1
	for j, c := range cells {
		broken := flow(c, p.size, p.widths[j]+0.01)
		lines = max(lines, len(broken))
		for i, line := range broken {
			at := x
			if p.align[j] == 'r' {
				at += p.widths[j] - lineWidth(line, p.size)
			}
			drawLine(w.doc, line, p.size, at, w.y+1.5+p.size*(0.85+1.2*float64(i)))
		}
		x += p.widths[j] + columnGap
	}
	w.y += float64(lines)*p.size*1.2 + 2.5
}
