package command

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"regexp/syntax"
	"strconv"
	"strings"
)

// pattern finds a metric in a log.
type pattern struct {
	metric  string
	re      *regexp.Regexp
	group   int    // which group is the number
	literal []byte // every match contains it; used to skip quickly

	found bool   // a match was seen
	text  string // what the last one captured, at most maxNumber bytes
}

// exponent is what a group like ([0-9.]+) leaves of 3.2e-05. Without it the value
// would be another number, and nobody would know.
var exponent = regexp.MustCompile(`^[eE][-+]?[0-9]+`)

// colours are the escape sequences that programs print around numbers.
var colours = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// maxNumber bounds what a group may capture. No float64 needs more.
const maxNumber = 400

func newPattern(metric, expr string) (*pattern, error) {
	re, err := regexp.Compile(expr)
	if err != nil {
		var se *syntax.Error
		if errors.As(err, &se) {
			return nil, fmt.Errorf("is no regular expression: %s: %q", se.Code, se.Expr)
		}
		return nil, fmt.Errorf("is no regular expression: %v", err)
	}
	if re.NumSubexp() == 0 {
		return nil, fmt.Errorf("has no group; put the number in parentheses, as in 'loss = (\\S+)'")
	}
	group := re.SubexpIndex("value")
	if group < 0 {
		group = 1
	}
	p := &pattern{metric: metric, re: re, group: group}
	if tree, err := syntax.Parse(expr, syntax.Perl); err == nil {
		p.literal = []byte(literalOf(tree))
	}
	return p, nil
}

// literalOf returns the longest text that every match of the expression must
// contain, or nothing. Go's regexp package knows such a text only where it
// begins the expression.
func literalOf(re *syntax.Regexp) string {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 {
			return string(re.Rune)
		}
	case syntax.OpCapture, syntax.OpPlus:
		return literalOf(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return literalOf(re.Sub[0])
		}
	case syntax.OpConcat:
		best := ""
		for _, sub := range re.Sub {
			if s := literalOf(sub); len(s) > len(best) {
				best = s
			}
		}
		return best
	}
	return ""
}

// search looks for the last match in whole lines. continued says that the text
// goes on from a piece of the same line, whose end it repeats: a match at its
// very beginning is then only the rest of one that was seen whole.
func (p *pattern) search(text []byte, continued bool) {
	// The search from the front is the fast one, and mostly the only one.
	if !bytes.Contains(text, p.literal) {
		return
	}
	for end := len(text); end >= 0; {
		at := end
		if len(p.literal) > 0 {
			if at = bytes.LastIndex(text[:end], p.literal); at < 0 {
				return
			}
			// The line may go on behind the literal.
			end = lineEnd(text, at, end)
		}
		begin := lastEnd(text[:at]) + 1
		if p.searchLine(text[begin:end], continued && begin == 0) {
			return
		}
		end = begin - 1
	}
}

// lineEnd returns where the line around at ends, at most end.
func lineEnd(text []byte, at, end int) int {
	for _, c := range []byte("\n\r") {
		if n := bytes.IndexByte(text[at:end], c); n >= 0 {
			end = at + n
		}
	}
	return end
}

func (p *pattern) searchLine(line []byte, continued bool) bool {
	all := p.re.FindAllSubmatchIndex(line, -1)
	for i := len(all) - 1; i >= 0; i-- {
		m := all[i]
		from, to := m[2*p.group], m[2*p.group+1]
		if from < 0 || continued && m[0] == 0 {
			continue // the group took no part, or the match is a cut one
		}
		if _, ok := parseNumber(string(line[from:min(to, from+maxNumber)])); ok {
			to += len(exponent.Find(line[to:]))
		}
		p.found, p.text = true, string(line[from:min(to, from+maxNumber)])
		return true
	}
	return false
}

// value returns the number that the last match captured.
func (p *pattern) value() (float64, error) {
	if !p.found {
		return 0, fmt.Errorf("no line of the log matches %s", p.re)
	}
	if x, ok := parseNumber(p.text); ok {
		return x, nil
	}
	return 0, fmt.Errorf("the last match of %s is %q, which is no number", p.re, p.text)
}

// parseNumber reads a number as programs print it: with spaces around it, NaN
// and infinities in any usual spelling (C prints -nan), in colour, and with the
// punctuation that a pattern like \S+ takes along from the end of a sentence. A
// percentage is the number before its sign.
func parseNumber(s string) (float64, bool) {
	if strings.IndexByte(s, '\x1b') >= 0 {
		s = colours.ReplaceAllString(s, "")
	}
	s = strings.TrimRight(strings.TrimSpace(s), ".,;:%)]}")
	if t := strings.TrimLeft(s, "+-"); len(s)-len(t) == 1 && strings.EqualFold(t, "nan") {
		s = t
	}
	if len(s) > maxNumber || strings.ContainsAny(s, "_xX") { // 0x1p-2 and 1_000 are Go's
		return 0, false
	}
	x, err := strconv.ParseFloat(s, 64)
	// 1e400 is a number, only too large: it reads as infinite.
	return x, err == nil || errors.Is(err, strconv.ErrRange) && math.IsInf(x, 0)
}
