package report

import (
	"fmt"
	"slices"
	"strings"

	"orch/sweep/override"
)

// Study is the sweep file's [study] table: what is asked, fixed before the runs.
// The zero Study is "none": the sweep is exploratory.
type Study struct {
	Declared   bool // there is a [study]
	Title      string
	Question   string // in plain words
	Formal     string // the same as a formula, in LaTeX
	Hypothesis string
	Baseline   []override.Field // swept key and value, in the order of the file
	Why        string           // why this baseline
	Metrics    []Metric
	Success    *Success // nil: no criterion
}

// Metric is a measured quantity with its definition.
type Metric struct {
	Name       string
	Goal       Goal
	Definition string
	Unit       string
	Aggregate  Aggregate // how steps become a run's value; empty is Final
}

// Goal says which values of a metric are better.
type Goal string

// The goals. Empty is "unknown".
const (
	Maximize Goal = "maximize"
	Minimize Goal = "minimize"
)

// sign is what a difference is multiplied with so that positive is better.
func (g Goal) sign() float64 {
	if g == Minimize {
		return -1
	}
	return 1
}

// Success is the criterion of [study.success]: the candidate value of a swept
// key beats the baseline's in a metric, by a test, by a margin.
type Success struct {
	Compare   string         // swept key
	Candidate override.Value // its value
	Metric    string
	PairBy    []string // swept keys that make a pair, usually "seed"
	Test      string   // one of Tests
	Alpha     float64
	MinEffect float64 // in units of the metric, at least 0
	// Correction is one of Corrections: how the p values of the comparisons that
	// nobody declared are corrected. The declared one is alone and needs none.
	Correction string
	Missing    string // "refuse": a verdict needs every planned pair; "drop": the complete ones will do
}

// Tests are the names of tests that a study can declare.
var Tests = []string{"paired-t", "wilcoxon", "sign-flip", "welch", "mann-whitney"}

// Corrections are the names of corrections for many comparisons; the first is
// the default.
var Corrections = []string{"holm", "bh", "none"}

// Paired reports whether the declared test compares pairs.
func (s *Success) Paired() bool { return s.Test != "welch" && s.Test != "mann-whitney" }

// KeyError is a problem with one key of [study].
type KeyError struct {
	Key     string // dotted path, such as "study.success.alpha"
	Problem string
	Nearest string // what was probably meant, or empty
}

// Error implements error.
func (e *KeyError) Error() string {
	s := e.Key + ": " + e.Problem
	if e.Nearest != "" {
		s += fmt.Sprintf(" (did you mean %q?)", e.Nearest)
	}
	return s
}

// Path returns the dotted key, so that a caller can add the file and line.
func (e *KeyError) Path() string { return e.Key }

// ParseStudy decodes and validates the [study] table. It returns every problem
// it finds as a [*KeyError]; null and a missing table give the zero Study.
// Whether keys and values are swept is known only with the axes:
// [Study.CheckAxes].
func ParseStudy(v override.Value) (Study, []error) {
	var s Study
	if v.IsNull() {
		return s, nil
	}
	s.Declared = true
	d := &decoder{}
	d.table(v, "study", map[string]func(string, override.Value){
		"title":      d.text(&s.Title),
		"question":   d.text(&s.Question),
		"formal":     d.text(&s.Formal),
		"hypothesis": d.text(&s.Hypothesis),
		"baseline":   func(key string, v override.Value) { d.baseline(key, v, &s) },
		"metrics":    func(key string, v override.Value) { d.metrics(key, v, &s) },
		"success":    func(key string, v override.Value) { d.success(key, v, &s) },
	})
	if s.Success != nil {
		d.crossCheck(&s)
	}
	return s, d.errs
}

// decoder collects problems.
type decoder struct{ errs []error }

func (d *decoder) fail(key, nearest, format string, args ...any) {
	d.errs = append(d.errs, &KeyError{key, fmt.Sprintf(format, args...), nearest})
}

// table calls the decoder of every entry of a map; keys without one are errors.
func (d *decoder) table(v override.Value, path string, keys map[string]func(key string, v override.Value)) {
	if v.Kind() != override.Map {
		d.fail(path, "", "is %s, want a table", aKind(v))
		return
	}
	for _, f := range v.Fields() {
		name := f.Key.Text()
		key := path + "." + name
		if decode, ok := keys[name]; ok {
			decode(key, f.Val)
			continue
		}
		known := make([]string, 0, len(keys))
		for k := range keys {
			known = append(known, k)
		}
		slices.Sort(known)
		d.fail(key, nearest(name, known), "unknown key; known are %s", strings.Join(known, ", "))
	}
}

func (d *decoder) text(to *string) func(string, override.Value) {
	return func(key string, v override.Value) {
		s, ok := v.Str()
		if !ok {
			d.fail(key, "", "is %s, want text", aKind(v))
			return
		}
		*to = s
	}
}

func (d *decoder) number(to *float64) func(string, override.Value) {
	return func(key string, v override.Value) {
		f, ok := v.Float()
		if !ok {
			d.fail(key, "", "is %s, want a number", aKind(v))
			return
		}
		*to = f
	}
}

// choice reads a word of a closed set.
func (d *decoder) choice(to *string, words ...string) func(string, override.Value) {
	return func(key string, v override.Value) {
		s, _ := v.Str()
		if !slices.Contains(words, s) {
			d.fail(key, nearest(s, words), "%s is none of %s", quote(v), strings.Join(words, ", "))
			return
		}
		*to = s
	}
}

// baseline reads {model = "net2", why = "..."}. A dotted key may come as nested
// tables.
func (d *decoder) baseline(key string, v override.Value, s *Study) {
	if v.Kind() != override.Map {
		d.fail(key, "", `is a %s, want a table such as {model = "net2", why = "the smallest"}`, v.Kind())
		return
	}
	var walk func(prefix string, v override.Value)
	walk = func(prefix string, v override.Value) {
		for _, f := range v.Fields() {
			name := prefix + f.Key.Text()
			switch {
			case name == "why":
				d.text(&s.Why)(key+".why", f.Val)
			case f.Val.Kind() == override.Map:
				walk(name+".", f.Val)
			default:
				s.Baseline = append(s.Baseline, override.Field{Key: override.StringValue(name), Val: f.Val})
			}
		}
	}
	walk("", v)
}

func (d *decoder) metrics(key string, v override.Value, s *Study) {
	if v.Kind() != override.List {
		d.fail(key, "", "is %s, want [[study.metrics]] tables", aKind(v))
		return
	}
	seen := map[string]bool{}
	for i, e := range v.List() {
		var m Metric
		at := fmt.Sprintf("%s.%d", key, i)
		d.table(e, at, map[string]func(string, override.Value){
			"name":       d.text(&m.Name),
			"goal":       d.choice((*string)(&m.Goal), string(Maximize), string(Minimize)),
			"definition": d.text(&m.Definition),
			"unit":       d.text(&m.Unit),
			"aggregate":  d.text((*string)(&m.Aggregate)),
		})
		if !m.Aggregate.valid() {
			d.fail(at+".aggregate", nearest(string(m.Aggregate), []string{"final", "last", "best", "mean of last 5"}),
				`%q is none of final, last, best, and "mean of last K" with K at least 1`, m.Aggregate)
		}
		_, hasGoal := e.Lookup("goal")
		switch {
		case m.Name == "":
			d.fail(at+".name", "", `is missing: say which metric, such as name = "test.accuracy"`)
			continue
		case !hasGoal:
			d.fail(at+".goal", "", `is missing for %q: write goal = "maximize" or goal = "minimize"`, m.Name)
		case seen[m.Name]:
			d.fail(at+".name", "", "%q is declared twice", m.Name)
		}
		seen[m.Name] = true
		s.Metrics = append(s.Metrics, m)
	}
}

func (d *decoder) success(key string, v override.Value, s *Study) {
	c := &Success{Alpha: 0.05, Missing: "refuse", Correction: Corrections[0]}
	found := len(d.errs)
	d.table(v, key, map[string]func(string, override.Value){
		"compare":    d.text(&c.Compare),
		"candidate":  func(_ string, v override.Value) { c.Candidate = v },
		"metric":     d.text(&c.Metric),
		"pair_by":    d.names(&c.PairBy),
		"test":       d.choice(&c.Test, Tests...),
		"alpha":      d.number(&c.Alpha),
		"min_effect": d.number(&c.MinEffect),
		"correction": d.choice(&c.Correction, Corrections...),
		"missing":    d.choice(&c.Missing, "refuse", "drop"),
	})
	for _, need := range [][2]string{{"compare", `the swept key, such as compare = "model"`}, {"candidate", `the value that should win, such as candidate = "net5"`}, {"metric", `such as metric = "test.accuracy"`}} {
		if _, ok := v.Lookup(need[0]); !ok && v.Kind() == override.Map {
			d.fail(key+"."+need[0], "", "is missing: %s", need[1])
		}
	}
	if !(c.Alpha > 0 && c.Alpha < 1) {
		d.fail(key+".alpha", "", "%v is not between 0 and 1; 0.05 is usual", c.Alpha)
	} else if c.Alpha > 0.5 {
		d.fail(key+".alpha", "", "%v would call almost anything a success; 0.05 is usual (alpha is the accepted rate of false alarms, not the confidence)", c.Alpha)
	}
	if !(c.MinEffect >= 0) {
		d.fail(key+".min_effect", "", "%v is negative; it is the smallest improvement that counts, whatever the goal", c.MinEffect)
	}
	if c.Test == "" {
		c.Test = "paired-t"
		if len(c.PairBy) == 0 && v.Kind() == override.Map {
			if _, given := v.Lookup("pair_by"); given {
				c.Test = "welch" // pair_by = []: there are no pairs
			}
		}
	}
	if len(c.PairBy) == 0 && c.Paired() {
		if _, given := v.Lookup("pair_by"); given {
			d.fail(key+".pair_by", "", `is empty, but %s compares pairs: name the key, such as pair_by = ["seed"], or use test = "welch"`, c.Test)
		}
		c.PairBy = []string{"seed"}
	}
	if len(d.errs) == found {
		s.Success = c
	}
}

// names reads a word or a list of words.
func (d *decoder) names(to *[]string) func(string, override.Value) {
	return func(key string, v override.Value) {
		list := v.List()
		if v.Kind() == override.String {
			list = []override.Value{v}
		} else if v.Kind() != override.List {
			d.fail(key, "", `is a %s, want a list of swept keys such as ["seed"]`, v.Kind())
			return
		}
		for i, e := range list {
			s, ok := e.Str()
			if !ok || slices.Contains(*to, s) {
				d.fail(fmt.Sprintf("%s.%d", key, i), "", "%s is no new swept key", quote(e))
				continue
			}
			*to = append(*to, s)
		}
	}
}

// crossCheck compares the criterion with the rest of the study.
func (d *decoder) crossCheck(s *Study) {
	c := s.Success
	var names []string
	for _, m := range s.Metrics {
		names = append(names, m.Name)
	}
	if !slices.Contains(names, c.Metric) {
		d.fail("study.success.metric", nearest(c.Metric, names), "%q is not declared: add [[study.metrics]] with name = %q and its goal, so that better has a meaning", c.Metric, c.Metric)
	}
	base, ok := s.BaselineOf(c.Compare)
	switch {
	case !ok:
		var keys []string
		for _, f := range s.Baseline {
			keys = append(keys, f.Key.Text())
		}
		d.fail("study.baseline."+c.Compare, nearest(c.Compare, keys), "is missing: say what %s is compared with, such as baseline = {%s = ..., why = \"...\"}", quote(c.Candidate), c.Compare)
	case same(base, c.Candidate):
		d.fail("study.success.candidate", "", "%s is the baseline itself", quote(c.Candidate))
	}
	if slices.Contains(c.PairBy, c.Compare) {
		d.fail("study.success.pair_by", "", "%q is the compared key; pairs need another one, such as \"seed\"", c.Compare)
	}
}

// BaselineOf returns the baseline's value of a swept key.
func (s *Study) BaselineOf(key string) (override.Value, bool) {
	for _, f := range s.Baseline {
		if f.Key.Text() == key {
			return f.Val, true
		}
	}
	return override.Value{}, false
}

// Metric returns the declared metric of this name, or one without a goal.
func (s *Study) Metric(name string) Metric {
	for _, m := range s.Metrics {
		if m.Name == name {
			return m
		}
	}
	return Metric{Name: name}
}

// aKind names a value's kind with its article.
func aKind(v override.Value) string {
	switch k := v.Kind().String(); k {
	case "null":
		return k
	case "int":
		return "an " + k
	default:
		return "a " + k
	}
}
