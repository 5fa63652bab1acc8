package command

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"orch/sweep/override"
)

// MetricsVariable names the file that a running program appends metrics to.
const MetricsVariable = "ORCH_METRICS"

// A Measure is a named number that a program hands back.
type Measure struct {
	Name  string
	Value float64
}

// ParseMeasure reads "name=value" as a person or a shell script types it: what
// is a number in a log is one here.
func ParseMeasure(word string) (Measure, error) {
	name, value, ok := strings.Cut(word, "=")
	if !ok {
		return Measure{}, fmt.Errorf("%q: want name=value, such as loss=0.25", word)
	}
	if err := checkName(name); err != nil {
		return Measure{}, fmt.Errorf("%q: %w", word, err)
	}
	x, ok := parseNumber(value)
	if !ok {
		return Measure{}, fmt.Errorf("%q: %q is no number (nan, inf and -inf are)", word, value)
	}
	return Measure{name, x}, nil
}

// checkName judges the name of a metric.
func checkName(name string) error {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return fmt.Errorf("%.40q is no name of a metric: want 1 to %d printable bytes", name, maxName)
	}
	return nil
}

// Append adds rows to a metrics file, in one write with O_APPEND, so that rows
// of programs that append at the same time on one machine do not mix. With
// hasStep they belong to the run's series. Nothing is synced: a metric is safe
// when the worker has journaled it.
func Append(file string, measures []Measure, step int64, hasStep bool) error {
	var b []byte
	for _, m := range measures {
		// The long form: a metric may be called "step" or "checkpoint".
		b = append(b, `{"name":`...)
		b = override.QuotedValue(m.Name).AppendJSON(b)
		b = append(b, `,"value":`...)
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			b = append(b, '"')
			b = override.AppendFloat(b, m.Value)
			b = append(b, '"')
		} else {
			b = strconv.AppendFloat(b, m.Value, 'g', -1, 64)
		}
		if hasStep {
			b = append(b, `,"step":`...)
			b = strconv.AppendInt(b, step, 10)
		}
		b = append(b, "}\n"...)
	}
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
