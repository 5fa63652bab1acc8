package sweep

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"orch/sweep/override"
)

// The functions of an axis that the override grammar lacks, with the meaning
// numpy gives their names. Both ends are part of the axis.
//
//	linspace(0, 1, 5)         0.0 0.25 0.5 0.75 1.0
//	geomspace(1e-4, 1e-1, 4)  0.0001 0.001 0.01 0.1
//	logspace(-4, -1, 4)       the same, by exponents of ten
var spacedCall = regexp.MustCompile(`(?s)^\s*(linspace|geomspace|logspace)\s*\((.*)$`)

// spacedSequence reads such a call; ok is false if text begins none. What
// begins one is nothing else: the grammar of overrides has no such functions.
func spacedSequence(text string) (seq sequence, ok bool, err error) {
	m := spacedCall.FindStringSubmatch(text)
	if m == nil {
		return sequence{}, false, nil
	}
	name := m[1]
	inner, closed := strings.CutSuffix(strings.TrimSpace(m[2]), ")")
	if !closed || strings.ContainsAny(inner, "()") {
		return seq, true, fmt.Errorf("%s: a call of %s is the whole value and its arguments are numbers, as in geomspace(1e-4, 1e-1, 4)", strings.TrimSpace(text), name)
	}
	args := strings.Split(inner, ",")
	if len(args) != 3 {
		return seq, true, fmt.Errorf("%s takes (first, last, number of values), as in geomspace(1e-4, 1e-1, 4)", name)
	}
	first, err1 := strconv.ParseFloat(strings.TrimSpace(args[0]), 64)
	last, err2 := strconv.ParseFloat(strings.TrimSpace(args[1]), 64)
	n, err3 := strconv.ParseInt(strings.TrimSpace(args[2]), 10, 64)
	switch {
	case err1 != nil || err2 != nil || !finite(first) || !finite(last):
		return seq, true, fmt.Errorf("%s: %q and %q must be numbers", name, strings.TrimSpace(args[0]), strings.TrimSpace(args[1]))
	case err3 != nil || n < 1:
		return seq, true, fmt.Errorf("%s: the number of values is %q, want an integer of at least 1", name, strings.TrimSpace(args[2]))
	case name == "geomspace" && !(first > 0 && last > 0):
		return seq, true, fmt.Errorf("geomspace: both ends must be positive; for exponents of ten use logspace")
	}
	return sequence{n: n, swept: true, expand: func() ([]override.Value, error) {
		vs := make([]override.Value, n)
		for i := range vs {
			vs[i] = override.FloatValue(spaced(name, first, last, int64(i), n))
		}
		return vs, nil
	}}, true, nil
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// spaced returns value i of n. It is rounded to 12 significant digits, so that
// the axis holds 0.001 and not the 0.0010000000000000002 of binary arithmetic:
// the value becomes part of names and identities.
func spaced(name string, first, last float64, i, n int64) float64 {
	t := 0.0
	if n > 1 {
		t = float64(i) / float64(n-1)
	}
	var f float64
	switch {
	case name == "linspace":
		f = first + t*(last-first)
	case name == "geomspace" && i == 0:
		return first
	case name == "geomspace" && i == n-1:
		return last
	case name == "geomspace":
		f = math.Exp(math.Log(first) + t*(math.Log(last)-math.Log(first)))
	default: // logspace
		f = math.Pow(10, first+t*(last-first))
	}
	return roundDigits(f)
}

// roundDigits rounds to 12 significant digits.
func roundDigits(f float64) float64 {
	if short, err := strconv.ParseFloat(strconv.FormatFloat(f, 'g', 12, 64), 64); err == nil {
		return short
	}
	return f
}
