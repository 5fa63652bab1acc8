package report

import (
	"fmt"
	"slices"
	"strings"

	"orch/report/collect"
)

// fewSeeds is the number of runs below which a row's interval is too wide or
// too uncertain to build on: with 4 values t(3) = 3.2, with 3 it is 4.3.
const fewSeeds = 5

// account fills in what the finished runs came from, and the warnings.
func (r *Report) account(t *collect.Tables, planned []*collect.Run) {
	made, hosts := map[string]int{}, map[string]bool{}
	for _, run := range planned {
		if run.State != "done" {
			continue
		}
		if run.Code != "" {
			made[run.Code]++
		}
		if run.Host != "" {
			hosts[run.Host] = true
		}
	}
	r.Codes = counts(made)
	for h := range hosts {
		r.Hosts = append(r.Hosts, h)
	}
	slices.Sort(r.Hosts)
	switch {
	case r.Counts.Failed > 0 && r.Counts.Failed == r.Counts.Planned:
		r.warn("failed", "all %d planned %s failed (%s): there is nothing to compare", r.Counts.Planned, plural(r.Counts.Planned, "run"), list(r.Counts.Classes))
	case r.Counts.Failed > 0:
		r.warn("failed", "%d of %d planned %s failed (%s): means are over the others", r.Counts.Failed, r.Counts.Planned, plural(r.Counts.Planned, "run"), list(r.Counts.Classes))
	}
	if r.Counts.Missing > 0 {
		r.warn("missing", "%d of %d planned %s not finished (%s): the numbers will change", r.Counts.Missing, r.Counts.Planned, map[bool]string{true: "run is", false: "runs are"}[r.Counts.Planned == 1], list(r.Counts.States))
	}
	if r.Counts.Unplanned > 0 {
		r.warn("unplanned", "%d earlier %s not in the plan any more, and left out", r.Counts.Unplanned, map[bool]string{true: "run is", false: "runs are"}[r.Counts.Unplanned == 1])
	}
	r.warnOfCells()
	if len(r.Codes) > 1 {
		r.warn("mixed-code", "the finished runs were made by %d versions of the code (%s): a difference may be the code's", len(r.Codes), codes(r.Codes))
	}
	if r.Provenance.Dirty {
		r.warn("dirty-code", "the plan was made from a work tree with changes that are in no commit (%s)", first(r.Provenance.DirtyHash, 12))
	}
	if v := r.Verdict; v != nil && len(v.Averaged) > 0 {
		r.warn("averaged", "the verdict averages over %s within each pair", strings.Join(v.Averaged, " and "))
	}
	if n := len(t.Problems); n > 0 {
		r.warn("problems", "%d %s in the results tree (%s offset %d: %s)", n, plural(n, "problem"), t.Problems[0].File, t.Problems[0].Offset, t.Problems[0].Text)
	}
}

// warnOfCells looks for values that are not finite, short samples, unequal ones
// and repetitions that repeat nothing.
func (r *Report) warnOfCells() {
	fewest, most := 0, 0 // finished runs of a row that has any
	for _, row := range r.Rows {
		n := row.Counts.Done
		if n > 0 && (fewest == 0 || n < fewest) {
			fewest = n
		}
		most = max(most, n)
	}
	repeats := "seeds"
	if len(r.Seeds) > 0 {
		repeats = "values of " + strings.Join(r.Seeds, ", ")
	}
	switch {
	case fewest == 1 && most == 1:
		r.warn("few-seeds", "every row is a single run: there is no standard deviation and no interval; add an axis such as seed = \"range(0,%d)\"", fewSeeds)
	case fewest > 0 && fewest < fewSeeds:
		r.warn("few-seeds", "some rows rest on %d %s only; %d %s are the least to build on", fewest, plural(fewest, "run"), fewSeeds, repeats)
	}
	if fewest != most && fewest > 0 {
		r.warn("unequal-n", "rows rest on %d to %d runs: compare them with care", fewest, most)
	}
	for j, m := range r.Metrics {
		nan, inf, absent, copies, rows := 0, 0, 0, 0, 0
		means := map[float64]bool{}
		for _, row := range r.Rows {
			c := row.Cells[j]
			nan, inf, absent = nan+c.NaN, inf+c.Inf, absent+c.Absent
			if c.N > 1 {
				rows++
				means[c.Mean] = true
				if c.SD == 0 {
					copies++
				}
			}
		}
		if nan+inf > 0 {
			r.warn("nan", "the metric %s is not finite in %s: counted, and in no mean", m.Name, both(nan, "NaN", inf, "infinite"))
		}
		if absent > 0 {
			r.warn("absent", "%d finished %s did not report %s", absent, plural(absent, "run"), m.Name)
		}
		if rows > 0 && copies == rows && len(means) > 1 && len(r.Seeds) > 0 {
			r.warn("equal-values", "the metric %s is the same for all %s in every row: does it reach the program?", m.Name, repeats)
		}
	}
}

func both(a int, nameA string, b int, nameB string) string {
	switch {
	case b == 0:
		return fmt.Sprintf("%d %s (%s)", a, plural(a, "run"), nameA)
	case a == 0:
		return fmt.Sprintf("%d %s (%s)", b, plural(b, "run"), nameB)
	}
	return fmt.Sprintf("%d runs (%d %s, %d %s)", a+b, a, nameA, b, nameB)
}

func list(c []Count) string {
	var parts []string
	for _, x := range c {
		parts = append(parts, fmt.Sprintf("%d %s", x.N, x.Name))
	}
	return strings.Join(parts, ", ")
}

func codes(c []Count) string {
	var parts []string
	for _, x := range c {
		parts = append(parts, fmt.Sprintf("%s in %d %s", x.Name, x.N, plural(x.N, "run")))
	}
	return strings.Join(parts, ", ")
}

func plural(n int, word string) string {
	if n == 1 {
		return word
	}
	return word + "s"
}

func first(s string, n int) string { return s[:min(n, len(s))] }
