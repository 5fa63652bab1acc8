package report

import (
	"fmt"
	"slices"
	"strings"

	"orch/report/stat"
	"orch/sweep/override"
	"orch/sweep/results"
)

// CheckAxes compares the criterion with what the sweep really sweeps: the
// compared key and the pairs' keys must be axes, candidate and baseline among
// their values. It returns every problem as a [*KeyError].
func (s *Study) CheckAxes(axes []results.Axis) []error {
	c := s.Success
	if c == nil {
		return nil
	}
	d := &decoder{}
	values := map[string][]override.Value{}
	var keys []string
	for _, a := range axes {
		values[a.Key] = a.Values
		keys = append(keys, a.Key)
	}
	among := func(key, axis string, v override.Value) {
		if slices.ContainsFunc(values[axis], func(x override.Value) bool { return same(x, v) }) {
			return
		}
		var texts []string
		for _, x := range values[axis] {
			texts = append(texts, x.Text())
		}
		d.fail(key, nearest(v.Text(), texts), "%s is not among the swept values of %s: %s", quote(v), axis, strings.Join(texts, ", "))
	}
	if _, ok := values[c.Compare]; !ok {
		d.fail("study.success.compare", nearest(c.Compare, keys), "%q is not swept; swept are %s", c.Compare, strings.Join(keys, ", "))
	} else {
		among("study.success.candidate", c.Compare, c.Candidate)
	}
	for _, f := range s.Baseline {
		key := f.Key.Text()
		if _, ok := values[key]; ok {
			among("study.baseline."+key, key, f.Val)
		} else if n := nearest(key, keys); n != "" && key != c.Compare {
			d.fail("study.baseline."+key, n, "is not swept")
		}
	}
	for _, key := range c.PairBy {
		if _, ok := values[key]; !ok {
			d.fail("study.success.pair_by", nearest(key, keys), "%q is not swept: add it to [sweep], such as %s = \"range(0,10)\"", key, key)
		}
	}
	return d.errs
}

// Pairs returns how many pairs (or runs of each side) a sweep over these axes
// gives the criterion: the combinations of the pairs' keys. Other swept keys do
// not add pairs: they are averaged within one.
func (s *Study) Pairs(axes []results.Axis) int {
	n := 1
	if s.Success == nil {
		return n
	}
	for _, a := range axes {
		if slices.Contains(s.Success.PairBy, a.Key) || len(s.Success.PairBy) == 0 && a.Key != s.Success.Compare {
			n *= len(a.Values)
		}
	}
	return n
}

// CanDecide returns an error if n pairs (n runs a side for unpaired tests) can
// never meet the criterion whatever they show, and says how many can. It is
// asked before a sweep is submitted.
func (s *Study) CanDecide(n int) error {
	c := s.Success
	if c == nil {
		return nil
	}
	need, floor := c.least()
	if floor(n) <= c.Alpha {
		return nil
	}
	what, advice := "pairs", fmt.Sprintf("%s = \"range(0,%d)\"", strings.Join(c.PairBy, " x "), need)
	if !c.Paired() {
		what = "runs a side"
	}
	if len(c.PairBy) != 1 {
		advice = "sweep more values of " + strings.Join(c.PairBy, " x ")
		if len(c.PairBy) == 0 {
			advice = fmt.Sprintf("add an axis such as seed = \"range(0,%d)\"", need)
		}
	}
	if c.Test == "paired-t" || c.Test == "welch" {
		return &KeyError{Key: "study.success.test", Problem: fmt.Sprintf("%s needs at least 2 %s to see any scatter, and the sweep gives %d: use at least %d (%s)", c.Test, what, n, need, advice)}
	}
	return &KeyError{Key: "study.success.test", Problem: fmt.Sprintf("%s can never reach p <= %v with %d %s, its smallest p is %.3g: use at least %d (%s), or test = %q",
		c.Test, c.Alpha, n, what, floor(n), need, advice, map[bool]string{true: "paired-t", false: "welch"}[c.Paired()])}
}

// least returns the smallest number of pairs (runs a side) with which the test
// can reach alpha at all, and its smallest p with n of them.
func (c *Success) least() (need int, floor func(n int) float64) {
	floor = func(n int) float64 {
		switch {
		case c.Test == "mann-whitney":
			return stat.SmallestUnpairedP(n, n)
		case c.Test == "wilcoxon" || c.Test == "sign-flip":
			return stat.SmallestP(n)
		case n < 2:
			return 1
		}
		return 0
	}
	for need = 1; floor(need) > c.Alpha; need++ {
	}
	return need, floor
}
