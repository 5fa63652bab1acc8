package results

import (
	"fmt"
	"strings"

	"orch/sweep/override"
)

// RetryPolicy is what a sweep's [retry] table says: how often which kind of end
// is tried again without anyone asking.
//
//	[retry]
//	lost          = 5    # attempts that vanish or have to leave without getting further, before a run is given up
//	failed        = 0    # more tries after a program's own error
//	out_of_memory = 2    # more tries after running out of memory, each with memory_factor times as much
//	memory_factor = 2.0
//	hold_after    = 10   # equal errors in the sweep until nothing new is started; 0: never
type RetryPolicy struct {
	Lost         int
	Failed       int
	OutOfMemory  int
	MemoryFactor float64
	HoldAfter    int
}

// DefaultRetryPolicy is the policy of a sweep without a [retry] table.
func DefaultRetryPolicy() RetryPolicy {
	return RetryPolicy{Lost: 5, Failed: 0, OutOfMemory: 2, MemoryFactor: 2, HoldAfter: 10}
}

// PolicyError is a problem with one key of [retry].
type PolicyError struct {
	Key, Problem, Nearest string
}

func (e *PolicyError) Error() string {
	s := e.Key + ": " + e.Problem
	if e.Nearest != "" {
		s += fmt.Sprintf(" (did you mean %q?)", e.Nearest)
	}
	return s
}

// Path returns the dotted key to blame.
func (e *PolicyError) Path() string { return e.Key }

// ParseRetryPolicy decodes a [retry] table; null is the default policy.
func ParseRetryPolicy(v override.Value) (RetryPolicy, []error) {
	p := DefaultRetryPolicy()
	if v.IsNull() {
		return p, nil
	}
	if v.Kind() != override.Map {
		return p, []error{&PolicyError{Key: "retry", Problem: fmt.Sprintf("is a %s, want a table", v.Kind())}}
	}
	counts := map[string]*int{"lost": &p.Lost, "failed": &p.Failed, "out_of_memory": &p.OutOfMemory, "hold_after": &p.HoldAfter}
	var errs []error
	for _, f := range v.Fields() {
		key := f.Key.Text()
		n, isInt := f.Val.Int()
		x, isFloat := f.Val.Float()
		switch at := counts[key]; {
		case at != nil && isInt && n >= 0 && n <= 1_000_000:
			*at = int(n)
		case at != nil:
			errs = append(errs, &PolicyError{Key: "retry." + key, Problem: fmt.Sprintf("is %s, want a whole number of at least 0", f.Val.Text())})
		case key == "memory_factor" && isFloat && x > 1 && x <= 16:
			p.MemoryFactor = x
		case key == "memory_factor":
			errs = append(errs, &PolicyError{Key: "retry." + key, Problem: fmt.Sprintf("is %s, want a number above 1 and at most 16", f.Val.Text())})
		default:
			errs = append(errs, &PolicyError{Key: "retry." + key, Problem: "unknown key",
				Nearest: override.Nearest(key, []string{"lost", "failed", "out_of_memory", "memory_factor", "hold_after"})})
		}
	}
	if p.Lost == 0 {
		errs = append(errs, &PolicyError{Key: "retry.lost", Problem: "is 0, want at least 1: every run needs an attempt"})
	}
	return p, errs
}

// Alike reduces the message of an end to what equal errors have in common:
// numbers, hexadecimal words and paths become #, blanks one blank, and case
// does not matter. Two runs that failed for one cause give the same text though
// they name their own folder, process and step.
func Alike(message string) string {
	var out []string
	for _, word := range strings.Fields(strings.ToLower(message)) {
		out = append(out, alikeWord(word))
	}
	s := strings.Join(out, " ")
	if len(s) > 500 {
		s = s[:500]
	}
	return s
}

func alikeWord(w string) string {
	if strings.ContainsAny(w, `/\`) {
		return "#"
	}
	core := strings.TrimPrefix(strings.Trim(w, `.,:;!?()[]{}<>"'`), "0x")
	hex, digits := len(core) >= 6, 0
	for _, c := range core {
		isDigit := '0' <= c && c <= '9'
		if isDigit {
			digits++
		}
		hex = hex && (isDigit || 'a' <= c && c <= 'f')
	}
	if hex && digits > 0 {
		return "#"
	}
	var b strings.Builder
	inNumber := false
	for i := 0; i < len(w); i++ {
		c := w[i]
		isDigit := '0' <= c && c <= '9'
		switch {
		case isDigit && !inNumber:
			b.WriteByte('#')
			inNumber = true
		case isDigit, inNumber && c == '.' && i+1 < len(w) && '0' <= w[i+1] && w[i+1] <= '9':
		default:
			b.WriteByte(c)
			inNumber = false
		}
	}
	return b.String()
}
