package report

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"

	"orch/report/collect"
)

// Format is a way to write a report. Render returns whole files, in order, with
// names relative to the report's folder; equal reports give equal bytes.
type Format struct {
	Name   string // what users type: md, csv
	Render func(*Report) ([]File, error)
}

// File is one file of a rendered report.
type File struct {
	Name string
	Data []byte
}

// Summary writes the short table that a terminal shows when a sweep has ended.
// See [Report.Summary].
func Summary(w io.Writer, t *collect.Tables, width int) error { return Build(t).Summary(w, width) }

// numbers is how a column of numbers is printed: with equally many decimals, so
// that they line up.
type numbers struct {
	decimals   int
	scientific bool
}

// columnNumbers chooses the format of a column of the main table: the median
// interval gets two significant digits and the shortest at least one; without
// intervals the values get four.
func columnNumbers(rows []Row, j int) numbers {
	var halves, sizes []float64
	for _, row := range rows {
		c := row.Cells[j]
		if c.N > 0 && c.Mean != 0 {
			sizes = append(sizes, math.Abs(c.Mean))
		}
		if c.Interval != nil && c.Interval.Half() > 0 {
			halves = append(halves, c.Interval.Half())
		}
	}
	return chooseNumbers(sizes, halves)
}

func chooseNumbers(sizes, halves []float64) numbers {
	if len(sizes) == 0 {
		return numbers{decimals: 1}
	}
	largest := slices.Max(slices.Concat(sizes, halves)) // a difference may be far below its interval
	decimals := 3 - exponent(largest)
	if len(halves) > 0 {
		slices.Sort(halves)
		decimals = 1 - exponent(halves[len(halves)/2])
		decimals = min(max(decimals, -exponent(halves[0])), decimals+2)
	}
	if largest >= 1e7 || largest < 1e-3 {
		return numbers{scientific: true, decimals: min(max(decimals+exponent(largest), 1), 6)}
	}
	return numbers{decimals: min(max(decimals, 0), 8)}
}

// exponent returns the decimal exponent of a positive number.
func exponent(x float64) int { return int(math.Floor(math.Log10(x))) }

func (f numbers) format(x float64) string {
	if f.scientific {
		return strconv.FormatFloat(x, 'e', f.decimals, 64)
	}
	s := strconv.FormatFloat(x, 'f', f.decimals, 64)
	if v, _ := strconv.ParseFloat(s, 64); v == 0 && s[0] == '-' {
		return s[1:] // no "-0.00"
	}
	return s
}

// half formats the half width of an interval: one that the column's decimals
// would round to nothing gets a digit of its own.
func (f numbers) half(x float64) string {
	s := f.format(x)
	if v, _ := strconv.ParseFloat(s, 64); v == 0 && x != 0 {
		return strconv.FormatFloat(x, 'g', 1, 64)
	}
	return s
}

// cell formats mean ± half width of the interval; a single run has none. It is
// empty without a value.
func (f numbers) cell(c Cell) string {
	switch {
	case c.N == 0:
		return ""
	case c.Interval == nil:
		return f.format(c.Mean)
	}
	return f.format(c.Mean) + " ± " + f.half(c.Interval.Half())
}

// short formats a number of a sentence with three significant digits.
func short(x float64) string { return strconv.FormatFloat(x, 'g', 3, 64) }

// formatP formats a p value for readers: four digits, or that it is below them.
// tests.csv and report.json have it in full.
func formatP(p float64) string {
	switch {
	case math.IsNaN(p):
		return "undefined"
	case p < 0.0001:
		return "< 0.0001"
	}
	return strconv.FormatFloat(p, 'f', 4, 64)
}

// equalsP writes a p value with its relation: "p = 0.0116", "p < 0.0001".
func equalsP(p float64) string {
	s := formatP(p)
	if s[0] == '<' {
		return "p " + s
	}
	return "p = " + s
}

// percent formats a confidence level.
func percent(level float64) string {
	return strconv.FormatFloat(math.Round(level*1e6)/1e4, 'f', -1, 64) + "%"
}

// seconds formats a duration for people.
func seconds(s float64) string {
	switch {
	case s < 9.95:
		return strconv.FormatFloat(s, 'g', 2, 64) + " s"
	case s < 59.5:
		return strconv.FormatFloat(s, 'f', 0, 64) + " s"
	case s < 3600:
		return fmt.Sprintf("%d min %02d s", int(math.Round(s))/60, int(math.Round(s))%60)
	}
	return fmt.Sprintf("%d h %02d min", int(s)/3600, int(s)%3600/60)
}

// hours formats a long duration in hours.
func hours(s float64) string { return strconv.FormatFloat(s/3600, 'g', 3, 64) + " h" }
