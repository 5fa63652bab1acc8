package compose

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Origin says where a value came from.
type Origin struct {
	File string // as shown to people: "configs/model/net5.toml"; empty for none
	Line int    // from 1; 0 if unknown
	Text string // what it was, if no file: "command line", "environment ORCH_X"
}

// CommandLine is the origin of overrides that come with no other.
var CommandLine = Origin{Text: "command line"}

// String returns "file:line" or the origin's text.
func (o Origin) String() string {
	switch {
	case o.File == "":
		return o.Text
	case o.Line == 0:
		return o.File
	}
	return o.File + ":" + strconv.Itoa(o.Line)
}

// The classes of [Error]: of composing first, then of resolving. Those of
// resolving have the names that OmegaConf's users know.
const (
	ClassSyntax        = "syntax"                      // a file is no TOML, or too big or deep
	ClassDefaults      = "bad_defaults"                // an entry of a defaults list is malformed
	ClassNoConfig      = "no_such_config"              // a config named without a group
	ClassNoOption      = "no_such_option"              // a group has no such option
	ClassNoGroup       = "no_such_group"               // a choice for a group that is not in use
	ClassNoKey         = "no_such_key"                 // an override of a key that does not exist
	ClassKeyExists     = "key_exists"                  // + on a key that exists
	ClassDuplicate     = "duplicate_group"             // one group chosen twice
	ClassOverrideOrder = "override_order"              // "override" before another entry
	ClassMandatory     = "mandatory_choice_missing"    // a group's option is ???
	ClassGroupType     = "group_value_type"            // a group's choice is no string or list
	ClassForceGroup    = "force_add_group_unsupported" // ++group=option
	ClassDelete        = "delete_mismatch"             // ~k=v, and k is not v
	ClassIndex         = "index_out_of_range"          // xs.9= on a shorter list
	ClassMerge         = "merge_type"                  // a list onto a table or the reverse
	ClassCycle         = "defaults_cycle"              // a config includes itself
	ClassTooLarge      = "too_large"                   // a bound of this package was exceeded

	ClassMissing       = "MissingMandatoryValue"            // ??? in a resolved config
	ClassInterpKey     = "InterpolationKeyError"            // ${no.such.key}
	ClassInterpMissing = "InterpolationToMissingValueError" // ${k} where k is ???
	ClassInterpCycle   = "InterpolationResolutionError"     // a cycle, an unset variable
	ClassInterpKind    = "UnsupportedInterpolationType"     // ${nosuch:x}
	ClassInterpSyntax  = "GrammarParseError"                // ${ without }
	ClassEnvRefused    = "env_refused"                      // an undeclared or secret variable
)

// Error is everything that can be wrong with a config. Its text is
// "file:line: what is wrong (what to do)".
type Error struct {
	Class     string // one of the Class constants
	File      string // a file, or the origin's text such as "command line"
	Line, Col int    // from 1; 0 if unknown
	Msg       string
	Fix       string // what to do, without parentheses; may be empty
}

// Error implements error.
func (e *Error) Error() string {
	var b strings.Builder
	if e.File != "" {
		b.WriteString(e.File)
		if e.Line > 0 {
			fmt.Fprintf(&b, ":%d", e.Line)
		}
		if e.Line > 0 && e.Col > 0 {
			fmt.Fprintf(&b, ":%d", e.Col)
		}
		b.WriteString(": ")
	}
	b.WriteString(e.Msg)
	if e.Fix != "" {
		b.WriteString(" (" + e.Fix + ")")
	}
	return b.String()
}

// ClassOf returns the class of an error of this package, else "".
func ClassOf(err error) string {
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return ""
}

// fail makes an error at an origin.
func fail(class string, at Origin, fix, format string, args ...any) *Error {
	e := &Error{Class: class, File: at.File, Line: at.Line, Msg: fmt.Sprintf(format, args...), Fix: fix}
	if at.File == "" {
		e.File = at.Text
	}
	return e
}

// didYouMean returns the fix that names the candidate nearest to s, or the
// empty string if none looks alike.
func didYouMean(s string, candidates []string) string {
	if n := nearest(s, candidates); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return ""
}

// nearest returns the candidate that looks most like s, by edit distance, or
// "" if the best needs more than a third of its letters changed. The first of
// several equals wins.
func nearest(s string, candidates []string) string {
	best, limit := "", max(1, len(s)/3)+1
	for _, c := range candidates {
		if c == s {
			continue
		}
		if d := editDistance(s, c, limit); d < limit {
			best, limit = c, d
		}
	}
	return best
}

// nearestKey returns the path that somebody who typed key may have meant: one
// that looks alike where the two differ, else one with the same last name
// ("lr" for "training.lr"), else one whose last name looks alike.
func nearestKey(key string, paths []string) string {
	best, bestD := "", 1<<30
	for _, p := range paths {
		a, b := key, p
		for {
			x, restA, okA := strings.Cut(a, ".")
			y, restB, okB := strings.Cut(b, ".")
			if !okA || !okB || x != y {
				break
			}
			a, b = restA, restB
		}
		limit := min(bestD, max(1, len(a)/3)+1)
		if d := editDistance(a, b, limit); d < limit && p != key {
			best, bestD = p, d
		}
	}
	if best != "" {
		return best
	}
	last := lastName(key)
	for _, p := range paths {
		if lastName(p) == last {
			return p
		}
	}
	if last == key {
		names := make([]string, len(paths))
		for i, p := range paths {
			names[i] = lastName(p)
		}
		if n := nearest(key, names); n != "" {
			return paths[slices.Index(names, n)]
		}
	}
	return ""
}

func lastName(path string) string { return path[strings.LastIndexByte(path, '.')+1:] }

// meant is didYouMean for dotted keys.
func meant(key string, paths []string) string {
	if n := nearestKey(key, paths); n != "" {
		return fmt.Sprintf("did you mean %q?", n)
	}
	return ""
}

// editDistance is the Damerau-Levenshtein distance (insert, delete, replace,
// swap neighbours; optimal string alignment), or limit if it is not smaller.
func editDistance(a, b string, limit int) int {
	if d := len(a) - len(b); d >= limit || -d >= limit {
		return limit
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, prev, row = prev, row, before
	}
	return min(prev[len(b)], limit)
}
