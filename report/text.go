package report

import (
	"fmt"
	"math"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"orch/report/stat"
	"orch/sweep/results"
)

// numbers is how the numbers of the criterion are printed, alike wherever they
// stand.
func (v *Verdict) numbers() numbers {
	return chooseNumbers(abs(v.Candidate.Mean, v.Baseline.Mean), halves(v.Interval, v.Candidate.Interval, v.Baseline.Interval))
}

// testNames are the tests as prose has them.
var testNames = map[string]string{"paired-t": "paired t test", "wilcoxon": "Wilcoxon's signed-rank test", "sign-flip": "exact sign-flip test",
	"welch": "Welch's t test", "mann-whitney": "Mann-Whitney test"}

// Sentence says what was found, with estimate, interval and number of pairs.
func (v *Verdict) Sentence() string {
	name := func(a Arm) string { return v.Criterion.Compare + " = " + a.Label }
	if v.Used == 0 {
		return fmt.Sprintf("No complete pair of %s and %s yet (of %d planned).", name(v.Candidate), name(v.Baseline), v.Planned)
	}
	how, f := "the same as", v.numbers()
	switch {
	case v.Estimate > 0:
		how = f.format(v.Estimate) + unitOf(v.Metric) + " above"
	case v.Estimate < 0:
		how = f.format(-v.Estimate) + unitOf(v.Metric) + " below"
	}
	interval := "no interval from a single pair"
	if v.Interval != nil {
		interval = fmt.Sprintf("%s CI of the difference %s to %s", percent(v.Interval.Level), f.format(v.Interval.Lo), f.format(v.Interval.Hi))
	}
	number := fmt.Sprintf("n = %d %s", v.Used, plural(v.Used, "pair"))
	if !v.Criterion.Paired() {
		number = fmt.Sprintf("n = %d and %d runs", v.Candidate.N, v.Baseline.N)
	}
	return fmt.Sprintf("Mean %s of %s is %s that of %s (%s; %s; %s, %s).",
		v.Metric.Name, name(v.Candidate), how, name(v.Baseline), interval, number, testNames[v.Criterion.Test], equalsP(v.Test.P))
}

// sentence says the criterion in words.
func (c *Success) sentence(s *Study) string {
	base, _ := s.BaselineOf(c.Compare)
	direction := "a higher"
	if s.Metric(c.Metric).Goal == Minimize {
		direction = "a lower"
	}
	text := fmt.Sprintf("%s = %s reaches %s %s than %s = %s", c.Compare, c.Candidate.Text(), direction, c.Metric, c.Compare, base.Text())
	if c.MinEffect > 0 {
		text += fmt.Sprintf(" by at least %v", c.MinEffect)
	}
	text += ", " + testNames[c.Test]
	if c.Paired() {
		text += " on pairs by " + strings.Join(c.PairBy, ", ")
	}
	text += fmt.Sprintf(", two-sided, alpha = %v", c.Alpha)
	if c.Missing == "drop" {
		text += ", incomplete pairs left out"
	}
	return text
}

func unitOf(m Metric) string { return prefix(" ", m.Unit) }

// tally is the n of a row: finished of planned runs, and what the others are.
func tally(c Counts) string {
	text := fmt.Sprintf("%d of %d", c.Done, c.Planned)
	var notes []string
	if c.Failed > 0 {
		notes = append(notes, fmt.Sprintf("%d failed: %s", c.Failed, reasons(c.Classes)))
	}
	for _, s := range c.States {
		notes = append(notes, fmt.Sprintf("%d %s", s.N, oneLine(s.Name)))
	}
	if len(notes) > 0 {
		text += " (" + strings.Join(notes, "; ") + ")"
	}
	return text
}

// failure names the class of a failed run in a text that already says "failed".
func failure(c results.Class) string {
	if c == results.Failed {
		return "program error"
	}
	return c.String()
}

// wrap breaks text between words into lines of at most width letters; 0 is no
// limit.
func wrap(s string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		if line != "" && width > 0 && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = word
			continue
		}
		line = strings.TrimLeft(line+" "+word, " ")
	}
	return append(lines, line)
}

// reasons lists classes; the number of each only where there are several.
func reasons(c []Count) string {
	if len(c) == 1 {
		return c[0].Name
	}
	return list(c)
}

// cellNote says where a cell rests on other runs than its row, or on one.
func cellNote(c Cell, done int) string {
	var notes []string
	if c.N == 1 || c.N > 0 && c.N != done {
		notes = append(notes, fmt.Sprintf("n=%d", c.N))
	}
	if c.NaN > 0 {
		notes = append(notes, fmt.Sprintf("%d NaN", c.NaN))
	}
	if c.Inf > 0 {
		notes = append(notes, fmt.Sprintf("%d infinite", c.Inf))
	}
	switch {
	case len(notes) > 0:
		return " (" + strings.Join(notes, ", ") + ")"
	case c.N == 0:
		return "—"
	}
	return ""
}

func better(g Goal) string {
	switch g {
	case Maximize:
		return "higher"
	case Minimize:
		return "lower"
	}
	return ""
}

func arrow(g Goal) string {
	switch g {
	case Maximize:
		return " ↑"
	case Minimize:
		return " ↓"
	}
	return ""
}

// escapes matches the escape sequences with which programs colour their
// messages (ECMA-48: CSI and OSC).
var escapes = regexp.MustCompile("\x1b(\\[[0-?]*[ -/]*[@-~]|\\][^\x07\x1b]*(\x07|\x1b\\\\))")

// oneLine makes text fit into one line of any output: escape sequences are
// dropped, other control characters and line breaks become blanks, characters
// that reorder text (bidirectional controls) are dropped.
func oneLine(s string) string {
	s = escapes.ReplaceAllString(strings.ToValidUTF8(s, "�"), "")
	s = strings.Map(func(c rune) rune {
		switch {
		case unicode.IsControl(c), c == '\u2028', c == '\u2029':
			return ' '
		case unicode.Is(unicode.Cf, c) && c != '\u200d':
			return -1
		}
		return c
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

// shorten cuts text to n letters.
func shorten(s string, n int) string {
	s = oneLine(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:max(n-1, 0)]) + "…"
}

// pad fills text up to a width, counted in letters.
func pad(s string, width int, right bool) string {
	blanks := strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
	if right {
		return blanks + s
	}
	return s + blanks
}

// prefix returns before+s, or nothing if s is empty.
func prefix(before, s string) string {
	if s == "" {
		return ""
	}
	return before + s
}

// because is the verdict's reasons as a sentence.
func (v *Verdict) because() string { return sentence("because " + strings.Join(v.Reasons, "; ")) }

// sentence begins with a capital, unless that would change a name such as
// test.loss, and ends with a full stop.
func sentence(s string) string {
	if word, _, _ := strings.Cut(s, " "); !strings.ContainsAny(strings.TrimRight(word, ".,:"), "._/") {
		s = capital(s)
	}
	if !strings.HasSuffix(s, "?") && !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

func capital(s string) string {
	c, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return s
	}
	return string(unicode.ToUpper(c)) + s[n:]
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// abs returns the sizes of numbers that are neither zero nor missing.
func abs(x ...float64) []float64 {
	var out []float64
	for _, v := range x {
		if v != 0 && !math.IsNaN(v) {
			out = append(out, math.Abs(v))
		}
	}
	return out
}

// halves returns the half widths of those intervals that exist and have one.
func halves(intervals ...*stat.Interval) []float64 {
	var out []float64
	for _, iv := range intervals {
		if iv != nil && iv.Half() > 0 {
			out = append(out, iv.Half())
		}
	}
	return out
}
