package plot

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/plot/vg/draw"
)

// gallery is one of each figure, with the troubles of real data.
func gallery() map[string]*Figure {
	curves := Curves{X: "step", Y: "train.loss", Whole: true}
	for i, label := range []string{"net2", "net5", "a_very_long_model_name with ≥ 3 layers, 卷积"} {
		l := Line{Label: label}
		for k := range 40 {
			x := float64(k * 25)
			m := 2.3*math.Exp(-x/(200+100*float64(i))) + 0.05*float64(i)
			l.X, l.Mean = append(l.X, x), append(l.Mean, m)
			l.Lo, l.Hi = append(l.Lo, m-0.1*math.Exp(-x/900)), append(l.Hi, m+0.1*math.Exp(-x/900))
		}
		curves.Lines = append(curves.Lines, l)
	}
	curves.Lines[1].Mean[20] = math.NaN()
	points := Points{X: "test.accuracy"}
	for i, label := range []string{"net2", "net5", "net7, lr = 0.001, a label that is much too long"} {
		g := Group{Label: label, Mean: 0.9 + 0.02*float64(i)}
		for k := range 5 {
			g.Values = append(g.Values, g.Mean+0.01*math.Sin(float64(3*k+i)))
		}
		g.Lo, g.Hi = g.Mean-0.012, g.Mean+0.012
		points.Rows = append(points.Rows, g)
	}
	points.Rows = append(points.Rows, Group{Label: "single", Values: []float64{0.93}, Mean: 0.93, Lo: math.NaN(), Hi: math.NaN()},
		Group{Label: "nothing", Mean: math.NaN(), Lo: math.NaN(), Hi: math.NaN()})
	forest := Forest{X: "difference in test.accuracy", Margin: 0.005, Rows: []Difference{
		{"net5 − net2", 0.029, 0.0107, 0.0472, "p = 0.012"}, {"net7 − net2", 0.031, 0.0144, 0.0476, "p = 0.0067"},
		{"net9 − net2", -0.002, -0.0144, 0.0076, "p = 0.8"}, {"one pair", 0.01, math.NaN(), math.NaN(), ""}}}
	heat := Heat{X: "training.lr", Y: "model.width", Z: "test.accuracy", Format: func(x float64) string { return strconv.FormatFloat(x, 'f', 3, 64) }}
	for j := range 5 {
		heat.YLabels = append(heat.YLabels, strconv.Itoa(8<<j))
		var row []float64
		for i := range 6 {
			row = append(row, 0.95-0.01*float64((i-3)*(i-3)+(j-2)*(j-2)))
		}
		heat.Cells = append(heat.Cells, row)
	}
	heat.XLabels = []string{"0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03"}
	heat.Cells[0][5] = math.NaN()
	ranks := Ranks{Labels: []string{"net2", "net5", "net7", "a_very_long_method_name", "forest"}, Mean: []float64{4.4, 2.1, 1.6, 3.2, 3.7}, Distance: 1.4}
	parallel := Parallel{Axes: []ParallelAxis{
		{"lr", []float64{0, 0.5, 1}, []string{"0.001", "0.01", "0.1"}}, {"width", []float64{0, 0.33, 0.67, 1}, []string{"8", "16", "32", "64"}},
		{"optimiser", []float64{0, 1}, []string{"sgd", "adam"}}, {"test.accuracy", []float64{0, 1}, []string{"0.83", "0.97"}}}}
	for i := range 24 {
		parallel.Lines = append(parallel.Lines, []float64{float64(i%3) / 2, float64(i/3%4) / 3, float64(i / 12), float64(i*i%23) / 22})
	}
	return map[string]*Figure{"parallel": parallel.Figure(), "ranks": ranks.Figure(), "curves": curves.Figure(), "points": points.Figure(), "forest": forest.Figure(), "heat": heat.Figure()}
}

// bounds is a sink that fails for everything outside the figure, and collects
// the texts.
type bounds struct {
	t     *testing.T
	name  string
	w, h  float64
	texts []box
}

type box struct {
	text       string
	x0, y0     float64
	x1, y1     float64
	horizontal bool
}

func (b *bounds) inside(what string, p point) {
	b.t.Helper()
	const slack = 0.5
	if !(p.x >= -slack && p.x <= b.w+slack && p.y >= -slack && p.y <= b.h+slack) {
		b.t.Errorf("%s: %s at (%.1f, %.1f) is outside of %.0f x %.0f", b.name, what, p.x, p.y, b.w, b.h)
	}
}

func (b *bounds) path(what string, p path) {
	b.t.Helper()
	for _, s := range p {
		switch s.op {
		case 'm', 'l':
			b.inside(what, s.p[0])
		case 'c':
			b.inside(what, s.p[2])
		}
	}
}

func (b *bounds) stroke(p path, _ *state) { b.path("a line", p) }
func (b *bounds) fill(p path, _ *state)   { b.path("a shape", p) }
func (b *bounds) text(f Font, size float64, at point, angle float64, s string, _ color.NRGBA) {
	w := 0.0
	for _, c := range s {
		em, ok := faces()[f].advance(c)
		if !ok {
			b.t.Errorf("%s: %s has no glyph for %q", b.name, f, c)
		}
		w += em * size
	}
	end := point{at.x + w*math.Cos(angle*math.Pi/180), at.y - w*math.Sin(angle*math.Pi/180)}
	b.inside(fmt.Sprintf("the text %q", s), at)
	b.inside(fmt.Sprintf("the text %q", s), end)
	if angle == 0 {
		b.inside(fmt.Sprintf("the foot of %q", s), point{at.x, at.y + size*0.2})
		b.texts = append(b.texts, box{s, at.x, at.y - size*capHeight, end.x, at.y, true})
	}
}

// Whatever the data and the labels: nothing is drawn outside of the figure, no
// letter lacks a glyph, and no two texts overlap.
func TestNothingIsCutOrOverlaps(t *testing.T) {
	figures := gallery()
	hostile := strings.Repeat("very_long.name≥", 20) + "\x00\u202e卷積😀"
	figures["hostile curves"] = Curves{X: hostile, Y: hostile, Lines: []Line{
		{hostile, []float64{1, 2}, []float64{1e-12, 1e300}, nil, nil}, {"", []float64{1}, []float64{math.Inf(1)}, nil, nil}, {"c", nil, nil, nil, nil}}}.Figure()
	figures["many curves"] = manyCurves().Figure()
	figures["hostile points"] = Points{X: hostile, Rows: []Group{{hostile, []float64{-1e-300, math.NaN()}, 0, math.Inf(-1), 3}, {"b", nil, math.NaN(), math.NaN(), math.NaN()}}}.Figure()
	figures["hostile forest"] = Forest{X: hostile, Margin: -1e9, Rows: []Difference{{hostile, 1e9, -1e9, 3e9, "p = 1.0e-300"}}}.Figure()
	figures["one cell"] = Heat{X: hostile, Y: hostile, Z: hostile, XLabels: []string{hostile}, YLabels: []string{"1"}, Cells: [][]float64{{7}}, Format: func(float64) string { return hostile }}.Figure()
	figures["empty"] = Curves{}.Figure()
	for name, f := range figures {
		b := &bounds{t: t, name: name, w: float64(f.W), h: float64(f.H)}
		f.paint(draw.New(newCanvas(b, 0, 0, f.W, f.H)))
		for i, p := range b.texts {
			for _, q := range b.texts[:i] {
				if math.Min(p.x1, q.x1)-math.Max(p.x0, q.x0) > 0.5 && math.Min(p.y1, q.y1)-math.Max(p.y0, q.y0) > 0.5 {
					t.Errorf("%s: %q and %q overlap", name, p.text, q.text)
				}
			}
		}
	}
}

func manyCurves() Curves {
	var d Curves
	for i := range 20 {
		d.Lines = append(d.Lines, Line{Label: strings.Repeat("model", i%4+1), X: []float64{0, 1e7}, Mean: []float64{-float64(i), float64(i)}})
	}
	return d
}

// Equal data give equal bytes, in every format.
func TestSameBytes(t *testing.T) {
	first, second := gallery(), gallery()
	for name := range first {
		for format, render := range map[string]func(*Figure) ([]byte, error){
			"PDF": (*Figure).PDF, "PNG": func(f *Figure) ([]byte, error) { return f.PNG(100) }, "SVG": func(f *Figure) ([]byte, error) { return f.SVG("x"), nil },
		} {
			a, errA := render(first[name])
			b, errB := render(second[name])
			if errA != nil || errB != nil || len(a) < 1000 || !bytes.Equal(a, b) {
				t.Errorf("%s as %s: %d and %d bytes, %v, %v: want the same", name, format, len(a), len(b), errA, errB)
			}
		}
	}
}

func TestSVGIsInert(t *testing.T) {
	evil := `"><script>alert(1)</script>&<![CDATA[`
	b := Points{X: evil, Rows: []Group{{Label: evil, Values: []float64{1}, Mean: 1}, {Label: "b", Values: []float64{2}, Mean: 2}}}.Figure().SVG(evil)
	d := xml.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if e, ok := tok.(xml.StartElement); ok && !slices.Contains([]string{"svg", "title", "path", "text"}, e.Name.Local) {
			t.Errorf("the SVG has an element <%s>", e.Name.Local)
		}
	}
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		lo, hi float64
		whole  bool
		want   string
	}{
		{0, 1, false, "0 0.2 0.4 0.6 0.8 1.0"}, {-1, 1, false, "−1.0 −0.5 0 0.5 1.0"}, {0.89, 0.96, false, "0.90 0.92 0.94 0.96"},
		{1, 3, true, "1 2 3"}, {0, 60, true, "0 10 20 30 40 50 60"}, {-2e-7, 3e-7, false, "−2e−7 −1e−7 0 1e−7 2e−7 3e−7"}, {0, 4e6, false, "0 1e6 2e6 3e6 4e6"},
	} {
		var got []string
		for _, k := range (steps{whole: c.whole}).Ticks(c.lo, c.hi) {
			got = append(got, k.Label)
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("marks from %v to %v: %s, want %s", c.lo, c.hi, s, c.want)
		}
	}
}

// Values that differ in their last bits alone, as means summed in another order
// do, large ones such as times in nanoseconds, and the largest there are: an axis has a few marks that
// differ, and is drawn at all.
func TestTicksOfCloseValues(t *testing.T) {
	constant := func(float64) string { return "x" }
	for _, c := range [][2]float64{{0.9, math.Nextafter(0.9, 1)}, {-0.1, math.Nextafter(-0.1, 0)}, {1.7e18, math.Nextafter(1.7e18, 2e18)}, {1.7e18, 1.7e18}, {1.7e18, 1.7e18 + 1e9},
		{0.9, 0.9 + 2e-12}, {0, 5e-324}, {1e-300, 2e-300}, {-math.MaxFloat64, math.MaxFloat64}, {math.MaxFloat64, math.MaxFloat64}} {
		var e extent
		e.add(c[0], c[1])
		for _, s := range []steps{{}, {whole: true}, {most: 5}} {
			for _, padded := range []bool{false, true} {
				lo, hi := e.lo, e.hi
				if padded {
					lo, hi = e.padded()
				}
				marks := s.Ticks(lo, hi)
				if len(marks) > 20 {
					t.Errorf("%d marks from %v to %v", len(marks), lo, hi)
				}
				for i := 1; i < len(marks); i++ {
					if !(marks[i].Value > marks[i-1].Value) {
						t.Errorf("marks from %v to %v: %v after %v", lo, hi, marks[i].Value, marks[i-1].Value)
					}
				}
				if padded && !s.whole && hi-lo > 1e-300 && !math.IsInf(hi-lo, 0) && len(marks) < 2 {
					t.Errorf("%d marks from %v to %v, want some", len(marks), lo, hi)
				}
			}
		}
		for name, f := range map[string]*Figure{
			"points": Points{Rows: []Group{{"a", c[:], c[0], c[0], c[1]}}}.Figure(),
			"heat":   Heat{XLabels: []string{"1", "2"}, YLabels: []string{"1"}, Cells: [][]float64{c[:]}, Format: constant}.Figure(),
		} {
			b := &bounds{t: t, name: fmt.Sprint(name, c), w: float64(f.W), h: float64(f.H)}
			f.paint(draw.New(newCanvas(b, 0, 0, f.W, f.H)))
		}
	}
}

func TestSplit(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"plain ± text", "cmunrm:plain ± text"}, {"a ∈ ℝ", "cmunrm:a |DejaVuSerif:∈|cmunrm: |DejaVuSerif:ℝ"}, {"卷", "DejaVuSerif:\ufffd"}, {"", ""},
	} {
		var parts []string
		for _, p := range Split(Regular, c.in) {
			parts = append(parts, string(p.Font)+":"+p.Text)
		}
		if got := strings.Join(parts, "|"); got != c.want {
			t.Errorf("Split(%q) = %s, want %s", c.in, got, c.want)
		}
	}
}

func TestLook(t *testing.T) {
	dir := os.Getenv("ORCH_FIGURES")
	if dir == "" {
		t.Skip("set ORCH_FIGURES to a folder to write the figures there and look at them")
	}
	for name, f := range gallery() {
		pdf, err := f.PDF()
		if err != nil {
			t.Fatal(err)
		}
		png, err := f.PNG(300)
		if err != nil {
			t.Fatal(err)
		}
		for ext, b := range map[string][]byte{"pdf": pdf, "png": png, "svg": f.SVG(name)} {
			if err := os.WriteFile(filepath.Join(dir, name+"."+ext), b, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}
