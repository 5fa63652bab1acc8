package plot

import (
	"bytes"
	"compress/gzip"
	"embed"
	"fmt"
	"io"
	"sync"

	"codeberg.org/go-pdf/fpdf"
	stdfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/font/sfnt"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/vg"
)

// CMU Serif and CMU Typewriter Text 0.7.0 (SIL Open Font License 1.1) look like
// LaTeX's Computer Modern; DejaVu Serif 2.37 (Bitstream Vera licence) has what
// they lack. As Debian's fonts-cmu and fonts-dejavu-core ship them, compressed.
//
//go:embed fonts/*.gz fonts/*-LICENSE.txt
var fontFiles embed.FS

// Font names a face of the report.
type Font string

// The faces. Fallback is used rune by rune where another has no glyph.
const (
	Regular  Font = "cmunrm"
	Bold     Font = "cmunbx"
	Italic   Font = "cmunti"
	Mono     Font = "cmuntt"
	Fallback Font = "DejaVuSerif"
)

// fallbackScale makes DejaVu, which is drawn large, as tall as CMU.
const fallbackScale = 0.88

// Licenses returns the licences of the embedded fonts, by file name.
func Licenses() map[string]string {
	out := map[string]string{}
	for _, name := range []string{"CMU-LICENSE.txt", "DejaVu-LICENSE.txt"} {
		b, err := fontFiles.ReadFile("fonts/" + name)
		if err != nil {
			panic("plot: " + err.Error()) // embedded: it is there
		}
		out[name] = string(b)
	}
	return out
}

// face is a font in the two forms that are needed: its file for PDF, and parsed.
type face struct {
	data   []byte
	parsed *opentype.Font
	mu     sync.Mutex
	have   map[rune]float64 // advance in em by rune; negative: no glyph
	buf    sfnt.Buffer
}

var faces = sync.OnceValue(func() map[Font]*face {
	out := map[Font]*face{}
	for _, name := range []Font{Regular, Bold, Italic, Mono, Fallback} {
		f, err := loadFace(name)
		if err != nil {
			panic(fmt.Sprintf("plot: embedded font %s: %v", name, err))
		}
		out[name] = f
	}
	return out
})

func loadFace(name Font) (*face, error) {
	z, err := fontFiles.ReadFile("fonts/" + string(name) + ".ttf.gz")
	if err != nil {
		return nil, err
	}
	r, err := gzip.NewReader(bytes.NewReader(z))
	if err != nil {
		return nil, err
	}
	f := &face{have: map[rune]float64{}}
	if f.data, err = io.ReadAll(r); err != nil {
		return nil, err
	}
	f.parsed, err = opentype.Parse(f.data)
	return f, err
}

// advance returns the width of a rune in em, and whether the face has it.
func (f *face) advance(c rune) (em float64, ok bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if em, seen := f.have[c]; seen {
		return em, em >= 0
	}
	em = -1
	if i, err := f.parsed.GlyphIndex(&f.buf, c); err == nil && i != 0 {
		units := f.parsed.UnitsPerEm()
		if a, err := f.parsed.GlyphAdvance(&f.buf, i, 64*26, stdfont.HintingNone); err == nil && units > 0 {
			em = float64(a) / (64 * 26)
		}
	}
	f.have[c] = em
	return em, em >= 0
}

// Piece is a part of a text that one face can show.
type Piece struct {
	Font  Font
	Scale float64 // of the text's size
	Text  string
	em    float64 // width at size 1
}

// Width returns the piece's width at a text size.
func (p Piece) Width(size float64) float64 { return p.em * size }

// Split cuts a text into pieces, so that every rune has a glyph: in the wanted
// face, else in [Fallback]; what neither has (CJK, emoji) is shown as U+FFFD,
// the replacement character.
func Split(want Font, s string) []Piece {
	all := faces()
	var out []Piece
	for _, c := range s {
		f, scale := want, 1.0
		em, ok := all[want].advance(c)
		if !ok || c > 0xffff { // fpdf writes two-byte codes
			f, scale = Fallback, fallbackScale
			if em, ok = all[Fallback].advance(c); !ok || c > 0xffff {
				c = '\ufffd'
				em, _ = all[Fallback].advance(c)
			}
		}
		if n := len(out); n > 0 && out[n-1].Font == f {
			out[n-1].Text += string(c)
			out[n-1].em += em * scale
		} else {
			out = append(out, Piece{f, scale, string(c), em * scale})
		}
	}
	return out
}

// Width returns the width of a text, in the unit of size.
func Width(f Font, s string, size float64) float64 {
	var w float64
	for _, p := range Split(f, s) {
		w += p.Width(size)
	}
	return w
}

// AddFont makes a face known to a PDF document and selects it; the document
// embeds only the glyphs that it uses.
func AddFont(doc *fpdf.Fpdf, f Font, size float64) {
	if doc.GetFontDesc(string(f), "").Ascent == 0 {
		doc.AddUTF8FontFromBytes(string(f), "", bytes.Clone(faces()[f].data)) // fpdf writes into it while it cuts the subset
	}
	doc.SetFont(string(f), "", size)
}

// cache serves the faces to gonum.
var cache = sync.OnceValue(func() *font.Cache {
	var all font.Collection
	for name, f := range faces() {
		all = append(all, font.Face{Font: font.Font{Typeface: font.Typeface(name)}, Face: f.parsed})
	}
	return font.NewCache(all)
})

// gonum returns a face as gonum names it.
func (f Font) gonum(size vg.Length) font.Font {
	return font.Font{Typeface: font.Typeface(f), Size: size}
}
