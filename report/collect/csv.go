package collect

import (
	"encoding/csv"
	"io"
	"math"
	"strconv"
	"strings"

	"orch/sweep/override"
)

// CSV writes a table cell by cell: fields separated and quoted as in RFC 4180,
// lines ended by LF, which every reader of CSV takes and awk and cut need.
//
// Spreadsheets run cells that begin with = + - @ as formulas, and a run's name
// or error message may begin with anything. Text cells that do (or begin with a
// tab or a line break) get a leading apostrophe (OWASP, "CSV injection").
// Numbers never do: -1 stays a number.
type CSV struct {
	w   *csv.Writer
	row []string
}

// NewCSV returns a writer with its header line written.
func NewCSV(w io.Writer, header ...string) *CSV {
	c := &CSV{w: csv.NewWriter(w)}
	for _, h := range header {
		c.Text(h)
	}
	c.End()
	return c
}

// Text adds a cell of text.
func (c *CSV) Text(s string) {
	if s != "" && strings.IndexByte("=+-@\t\r\n", s[0]) >= 0 {
		s = "'" + s
	}
	c.row = append(c.row, s)
}

// Number adds a number in the shortest form that reads back equal. NaN and
// infinities become an empty cell, which no reader takes for a number.
func (c *CSV) Number(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		c.Empty()
		return
	}
	c.row = append(c.row, string(override.AppendFloat(nil, f)))
}

// Int adds a whole number.
func (c *CSV) Int(n int64) { c.row = append(c.row, strconv.FormatInt(n, 10)) }

// Empty adds an empty cell.
func (c *CSV) Empty() { c.row = append(c.row, "") }

// Value adds a config value: numbers as numbers, anything else as text.
func (c *CSV) Value(v override.Value) {
	switch v.Kind() {
	case override.Int:
		c.row = append(c.row, v.Text())
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
	c.w.Write(c.row) // its error is sticky: see Flush
	c.row = c.row[:0]
}

// Flush writes out what is buffered and returns the first error of all.
func (c *CSV) Flush() error {
	c.w.Flush()
	return c.w.Error()
}

// Scalar adds the text of a config value: as it is if it reads as a number, else
// as text.
func (c *CSV) Scalar(s string) {
	if _, err := strconv.ParseFloat(s, 64); err == nil && !strings.ContainsAny(s, "nN_xX") { // no inf, nan, 1_000 or 0x10
		c.row = append(c.row, s)
		return
	}
	c.Text(s)
}
