package plot

import (
	"bytes"
	"image/color"
	"time"

	"codeberg.org/go-pdf/fpdf"
	"gonum.org/v1/plot/vg/draw"
)

// pdfSink draws onto the current page of a document in points.
type pdfSink struct{ doc *fpdf.Fpdf }

func (s pdfSink) paint(c color.NRGBA) {
	s.doc.SetDrawColor(int(c.R), int(c.G), int(c.B))
	s.doc.SetFillColor(int(c.R), int(c.G), int(c.B))
	if a := float64(c.A) / 255; a != alphaOf(s.doc) {
		s.doc.SetAlpha(a, "Normal")
	}
}

func alphaOf(doc *fpdf.Fpdf) float64 {
	a, _ := doc.GetAlpha()
	return a
}

func (s pdfSink) path(p path) {
	for _, x := range p {
		switch x.op {
		case 'm':
			s.doc.MoveTo(x.p[0].x, x.p[0].y)
		case 'l':
			s.doc.LineTo(x.p[0].x, x.p[0].y)
		case 'c':
			s.doc.CurveBezierCubicTo(x.p[0].x, x.p[0].y, x.p[1].x, x.p[1].y, x.p[2].x, x.p[2].y)
		case 'z':
			s.doc.ClosePath()
		}
	}
}

func (s pdfSink) stroke(p path, st *state) {
	if st.width <= 0 {
		return
	}
	s.paint(st.color)
	s.doc.SetLineWidth(st.width)
	s.doc.SetDashPattern(st.dash, st.phase)
	s.path(p)
	s.doc.DrawPath("D")
}

func (s pdfSink) fill(p path, st *state) {
	s.paint(st.color)
	s.path(p)
	s.doc.DrawPath("F")
}

func (s pdfSink) text(f Font, size float64, at point, angle float64, text string, c color.NRGBA) {
	s.paint(c)
	s.doc.SetTextColor(int(c.R), int(c.G), int(c.B))
	AddFont(s.doc, f, size)
	if angle != 0 {
		s.doc.TransformBegin()
		s.doc.TransformRotate(angle, at.x, at.y)
		defer s.doc.TransformEnd()
	}
	s.doc.Text(at.x, at.y, text)
}

// OnPage draws the figure onto the current page of a document whose unit is the
// point, with its upper left corner at (x, y). Afterwards colours, line and
// opacity are black, 0.5 pt, solid and full; the font is not the one before.
func (f *Figure) OnPage(doc *fpdf.Fpdf, x, y float64) {
	c := newCanvas(pdfSink{doc}, x, y, f.W, f.H)
	f.paint(draw.New(c))
	doc.SetAlpha(1, "Normal")
	doc.SetDrawColor(0, 0, 0)
	doc.SetFillColor(0, 0, 0)
	doc.SetTextColor(0, 0, 0)
	doc.SetLineWidth(0.5)
	doc.SetDashPattern(nil, 0)
}

// epoch is the date of figures: they carry no date of their own, so that equal
// data give equal bytes. PDF cannot do without.
var epoch = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// PDF returns the figure as a document of one page of its size.
func (f *Figure) PDF() ([]byte, error) {
	doc := fpdf.NewCustom(&fpdf.InitType{UnitStr: "pt", Size: fpdf.SizeType{Wd: float64(f.W), Ht: float64(f.H)}})
	doc.SetMargins(0, 0, 0)
	doc.SetAutoPageBreak(false, 0)
	doc.SetCatalogSort(true)
	doc.SetCreationDate(epoch)
	doc.SetModificationDate(epoch)
	doc.SetProducer("orch", true)
	doc.AddPage()
	f.OnPage(doc, 0, 0)
	var b bytes.Buffer
	err := doc.Output(&b)
	return b.Bytes(), err
}
