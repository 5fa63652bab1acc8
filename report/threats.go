package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"orch/report/collect"
	"orch/sweep/override"
)

// manyRows is from how many settings on the best one's mean is noticeably too
// good: of 10 equal ones it lies 1.5 standard errors above the truth.
const manyRows = 10

// threats adds what a careful reader would ask about the comparison itself.
// Each is a rule on the tables; none needs judgement.
func (r *Report) threats(planned []*collect.Run, noSteps map[string]int) {
	for _, m := range r.Metrics {
		if n := noSteps[m.Name]; n > 0 {
			r.warn("no-steps", "the metric %s: %d %s reported no steps, so that %q is their final value", m.Name, n, plural(n, "run"), m.Aggregate)
		}
		if m.Aggregate == Best && strings.HasPrefix(m.Name, "test") {
			r.warn("best-of-test", "the metric %s is the best of several steps on the test split: it is too optimistic for both sides; select on validation data", m.Name)
		}
	}
	if v := r.Verdict; v != nil && v.Test.Zeros > 0 {
		r.warn("ties", "%d of %d pairs are equal and %s leaves them out", v.Test.Zeros, v.Used, v.Criterion.Test)
	}
	if n := len(r.Frozen.Deviations); n > 0 {
		r.warn("deviation", "the plan was changed %d %s after it was first submitted: see the plan's list", n, plural(n, "time"))
	}
	if n := len(r.Comparisons); r.Verdict == nil && n > 20 {
		r.warn("many-comparisons", "%d comparisons: some look good by chance, and Holm's correction hides small real differences", n)
	}
	if c := r.Study.Success; c != nil && len(c.PairBy) > 1 && slices.ContainsFunc(c.PairBy, isData) {
		i := slices.IndexFunc(c.PairBy, isData)
		r.warn("dependent-pairs", "pairs by %s count every run as an observation of its own, but runs on one data set resemble each other: over data sets the data set is the unit, pair_by = [%q]",
			strings.Join(c.PairBy, " and "), c.PairBy[i])
	}
	if len(r.Metrics) > 0 && r.Metrics[0].Goal != "" && len(r.Rows) >= manyRows && r.Verdict == nil {
		r.warn("best-of-many", "the best of %d settings is partly the luckiest: choose on validation data, then measure the winner anew with other seeds", len(r.Rows))
	}
	r.unequalBudget(planned)
	r.mixedCells(planned)
	r.mixedBits(planned)
}

// mixedBits tells of built-in trainings whose machines round differently: equal
// configs then end in other last bits. What programs compute with is unknown.
func (r *Report) mixedBits(planned []*collect.Run) {
	counts := map[string]int{}
	for _, run := range planned {
		if run.State == "done" && run.Arithmetic != "" {
			counts[run.Arithmetic]++
		}
	}
	if len(counts) < 2 {
		return
	}
	for _, run := range planned {
		if _, program := run.Resolved().Lookup("task"); program {
			return
		}
	}
	var list []string
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%d by %s", counts[name], name))
	}
	r.warn("mixed-backends", "the runs were computed with arithmetic that differs in its last bits: %s; how far single runs differ from each other comes from that too", strings.Join(list, ", "))
}

// unequalBudget looks for values of the compared key that got more tries than
// others: the best of many is luckier than the best of few.
func (r *Report) unequalBudget(planned []*collect.Run) {
	factor := ""
	if c := r.Study.Success; c != nil {
		factor = c.Compare
	} else if len(r.Factors) == 1 {
		factor = r.Factors[0]
	}
	if factor == "" {
		return
	}
	var sizes []int
	var labels []string
	for _, g := range groups(planned, []string{factor}) {
		sizes = append(sizes, len(g.runs))
		labels = append(labels, g.settings[0])
	}
	if len(sizes) < 2 || slices.Min(sizes) == slices.Max(sizes) {
		return
	}
	least, most := slices.Index(sizes, slices.Min(sizes)), slices.Index(sizes, slices.Max(sizes))
	r.warn("unequal-budget", "the value %s = %s was given %d planned runs and %s = %s only %d: the comparison favours the larger budget",
		factor, labels[most], sizes[most], factor, labels[least], sizes[least])
}

// mixedCells names the config keys, and says when it is the code version, that
// differ among runs whose mean is one cell although nobody swept them.
func (r *Report) mixedCells(planned []*collect.Run) {
	swept := map[string]bool{}
	for _, k := range r.Tables.SweptKeys() {
		swept[k] = true
	}
	keys := map[string]bool{}
	mixedCode := 0
	for _, g := range groups(planned, r.Factors) {
		var first *collect.Run
		code := map[string]bool{}
		for _, run := range g.runs {
			if run.State != "done" {
				continue
			}
			if run.Code != "" {
				code[run.Code] = true
			}
			if first == nil {
				first = run
				continue
			}
			differing("", first.Resolved(), run.Resolved(), swept, keys)
		}
		if len(code) > 1 {
			mixedCode++
		}
	}
	if mixedCode > 0 {
		r.warn("mixed-code-cell", "%d %s of the main table %s runs of different code versions", mixedCode, plural(mixedCode, "row"),
			map[bool]string{true: "averages", false: "average"}[mixedCode == 1])
	}
	if len(keys) > 0 {
		names := slices.Sorted(maps.Keys(keys))
		r.warn("mixed-config", "runs that are averaged differ in %s, which %s not swept", shorten(strings.Join(names, ", "), 200),
			map[bool]string{true: "is", false: "are"}[len(names) == 1])
	}
}

// notConfig are keys that a run's config holds without an effect on results.
var notConfig = []string{"launcher", "study", "run", "name", "seed"}

// differing adds the dotted keys in which two configs differ. A swept config
// group ("model") changes everything below it.
func differing(path string, a, b override.Value, swept, keys map[string]bool) {
	if a.Equal(b) || swept[path] {
		return
	}
	if a.Kind() != override.Map || b.Kind() != override.Map {
		keys[path] = true
		return
	}
	at := func(k string) string {
		if path == "" {
			return k
		}
		return path + "." + k
	}
	for _, f := range a.Fields() {
		k := f.Key.Text()
		if path == "" && slices.Contains(notConfig, k) {
			continue
		}
		y, _ := b.Lookup(k)
		differing(at(k), f.Val, y, swept, keys)
	}
	for _, f := range b.Fields() {
		k := f.Key.Text()
		if _, ok := a.Lookup(k); !ok && !swept[at(k)] && !(path == "" && slices.Contains(notConfig, k)) {
			keys[at(k)] = true
		}
	}
}
