package collect

import (
	"io"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"orch/sweep/override"
)

// CSV writes a table cell by cell: fields separated and quoted as in RFC 4180,
// lines ended by LF, which every reader of CSV takes and awk and cut need. The
// bytes are those of encoding/csv, without a string for each cell.
//
// Spreadsheets run cells that begin with = + - @ as formulas, and a run's name
// or error message may begin with anything. Text cells that do (or begin with a
// tab or a line break) get a leading apostrophe (OWASP, "CSV injection").
// Numbers never do: -1 stays a number.
type CSV struct {
	out  output
	some bool // the line has a cell
}

// NewCSV returns a writer with its header line written, if there is one.
func NewCSV(w io.Writer, header ...string) *CSV {
	c := &CSV{out: output{w: w}}
	for _, h := range header {
		c.Text(h)
	}
	if len(header) > 0 {
		c.End()
	}
	return c
}

// cell begins a cell.
func (c *CSV) cell() {
	if c.some {
		c.out.b = append(c.out.b, ',')
	}
	c.some = true
}

// Text adds a cell of text.
func (c *CSV) Text(s string) {
	if s != "" && strings.IndexByte("=+-@\t\r\n", s[0]) >= 0 {
		s = "'" + s
	}
	c.word(s)
}

// word adds a cell of text that is none of the user's.
func (c *CSV) word(s string) {
	c.cell()
	if !needsQuotes(s) {
		c.out.b = append(c.out.b, s...)
		return
	}
	b := append(c.out.b, '"')
	for i := range len(s) {
		if s[i] == '"' {
			b = append(b, '"')
		}
		b = append(b, s[i])
	}
	c.out.b = append(b, '"')
}

// needsQuotes is the rule of encoding/csv.
func needsQuotes(s string) bool {
	if s == "" {
		return false
	}
	if s == `\.` { // end of data for PostgreSQL
		return true
	}
	for i := range len(s) {
		if c := s[i]; c == ',' || c == '"' || c == '\n' || c == '\r' {
			return true
		}
	}
	first, _ := utf8.DecodeRuneInString(s)
	return unicode.IsSpace(first)
}

// Number adds a number in the shortest form that reads back equal. NaN and
// infinities become an empty cell, which no reader takes for a number.
func (c *CSV) Number(f float64) {
	c.cell()
	if !math.IsNaN(f) && !math.IsInf(f, 0) {
		c.out.b = override.AppendFloat(c.out.b, f)
	}
}

// Int adds a whole number.
func (c *CSV) Int(n int64) {
	c.cell()
	c.out.b = strconv.AppendInt(c.out.b, n, 10)
}

// Bool adds true or false.
func (c *CSV) Bool(v bool) {
	c.cell()
	c.out.b = strconv.AppendBool(c.out.b, v)
}

// time adds a time.
func (c *CSV) time(t time.Time) {
	c.cell()
	c.out.b = appendUTC(c.out.b, t)
}

// Empty adds an empty cell.
func (c *CSV) Empty() { c.cell() }

// Value adds a config value: numbers as numbers, anything else as text.
func (c *CSV) Value(v override.Value) {
	switch v.Kind() {
	case override.Int:
		c.word(v.Text())
	case override.Float:
		f, _ := v.Float()
		if math.IsNaN(f) || math.IsInf(f, 0) {
			c.Text(v.Text())
			return
		}
		c.Number(f)
	default:
		c.Text(v.Text())
	}
}

// End ends the line.
func (c *CSV) End() {
	c.out.b = append(c.out.b, '\n')
	c.some = false
	c.out.spill()
}

// Flush writes out what is buffered and returns the first error of all.
func (c *CSV) Flush() error { return c.out.flush() }

// Scalar adds the text of a config value: as it is if it reads as a number, else
// as text.
func (c *CSV) Scalar(s string) {
	if _, err := strconv.ParseFloat(s, 64); err == nil && !strings.ContainsAny(s, "nN_xX") { // no inf, nan, 1_000 or 0x10
		c.word(s)
		return
	}
	c.Text(s)
}

// output collects bytes and writes them in large pieces. The first error stays.
type output struct {
	w   io.Writer
	b   []byte
	err error
}

// piece is how much is written at a time.
const piece = 256 << 10

// spill writes if enough has come together.
func (o *output) spill() {
	if len(o.b) >= piece {
		o.flush()
	}
}

func (o *output) flush() error {
	if o.err == nil && len(o.b) > 0 {
		_, o.err = o.w.Write(o.b)
	}
	o.b = o.b[:0]
	return o.err
}
