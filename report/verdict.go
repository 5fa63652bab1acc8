package report

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"orch/report/collect"
	"orch/report/stat"
	"orch/sweep/override"
)

// Outcome is the verdict's word.
type Outcome string

// The outcomes. Inconclusive is not "no difference": it is "these runs do not
// tell".
const (
	Met          Outcome = "met"
	NotMet       Outcome = "not met"
	Inconclusive Outcome = "inconclusive"
)

// Verdict is the judgement of the criterion in [study.success].
//
// Met: the declared test rejects at alpha, the difference goes the declared
// way, and the estimate is at least min_effect. Not met: the test rejects but
// one of the others fails, or the interval excludes an improvement of
// min_effect. Inconclusive: anything else, and always while pairs are missing,
// unless the study said missing = "drop".
type Verdict struct {
	Outcome   Outcome
	Reasons   []string // why the outcome is what it is, most important first
	Criterion Success
	Metric    Metric
	Candidate Arm
	Baseline  Arm
	Estimate  float64        // mean of candidate minus baseline, in units of the metric; NaN without data
	Interval  *stat.Interval // of the estimate at level 1-alpha; nil if there is none
	Test      stat.Test      // the declared one
	Exact     *stat.Test     // the sign-flip test beside a paired t test, for its freedom from assumptions
	PSuperior float64        // chance that a candidate run is better than its pair (any other run, if unpaired)
	Planned   int            // pairs, or runs a side, that the plan holds
	Used      int            // of them, those that are complete
	Broken    []string       // the others, with what is wrong with them
	Averaged  []string       // swept keys that are averaged within a pair
}

// Arm is one side of a comparison.
type Arm struct {
	Label string
	Value override.Value
	stat.Summary
	Interval *stat.Interval
}

// unit is what is counted as one observation: the runs that agree in the pairs'
// keys. Its other swept keys are matched between the arms and averaged.
type unit struct {
	label string
	value [2]float64 // candidate, baseline: means over matched runs
	have  [2]bool
	note  string // why it is broken
}

// judge applies the study's criterion to the planned runs.
func judge(s *Study, planned []*collect.Run) *Verdict {
	c := s.Success
	base, _ := s.BaselineOf(c.Compare)
	v := &Verdict{Criterion: *c, Metric: s.Metric(c.Metric), Estimate: math.NaN(), PSuperior: math.NaN()}
	v.Candidate = Arm{Label: c.Candidate.Text(), Value: c.Candidate}
	v.Baseline = Arm{Label: base.Text(), Value: base}
	units := v.units(s, planned)

	var x [2][]float64
	for _, u := range units {
		if u.note != "" {
			v.Broken = append(v.Broken, u.label+": "+u.note)
		}
		if c.Paired() && !(u.have[0] && u.have[1]) {
			continue
		}
		for side := range x {
			if u.have[side] {
				x[side] = append(x[side], u.value[side])
			}
		}
	}
	v.Planned, v.Used = len(units), min(len(x[0]), len(x[1]))
	v.Candidate.describe(x[0])
	v.Baseline.describe(x[1])
	if v.Used == 0 {
		v.Outcome = Inconclusive
		v.Reasons = append(v.Reasons, "there is nothing to compare yet")
		return v
	}
	v.Estimate = v.Candidate.Mean - v.Baseline.Mean
	err := v.test(x[0], x[1])
	v.decide(err)
	return v
}

func (a *Arm) describe(x []float64) {
	a.Summary = stat.Describe(x)
	if iv, err := stat.MeanInterval(x, Level); err == nil {
		a.Interval = &iv
	}
}

// units collects the observations of both arms.
func (v *Verdict) units(s *Study, planned []*collect.Run) []unit {
	c := s.Success
	var runs []*collect.Run
	side := map[*collect.Run]int{}
	for _, run := range planned {
		if !s.underBaseline(run) {
			continue
		}
		x, _ := run.Setting(c.Compare)
		switch { // labels are the plan's, as in the rest of the report: 1.0 may be swept and 1 declared
		case same(x, v.Candidate.Value):
			side[run] = 0
			v.Candidate.Label = x.Text()
		case same(x, v.Baseline.Value):
			side[run] = 1
			v.Baseline.Label = x.Text()
		default:
			continue
		}
		runs = append(runs, run)
	}
	var rest []string // swept keys that neither make pairs nor are compared
	for _, run := range runs {
		for _, f := range run.Swept {
			if k := f.Key.Text(); k != c.Compare && !slices.Contains(c.PairBy, k) && !slices.Contains(rest, k) {
				rest = append(rest, k)
			}
		}
	}
	keys := c.PairBy
	if len(keys) == 0 { // unpaired, and nothing said what a run is: every run is its own
		keys, rest = rest, nil
	}
	for _, k := range rest {
		if len(groups(runs, []string{k})) > 1 {
			v.Averaged = append(v.Averaged, k)
		}
	}
	var units []unit
	for _, g := range groups(runs, keys) {
		units = append(units, v.unit(g, keys, rest, side))
	}
	return units
}

// underBaseline reports whether a run shares the baseline's other swept values,
// if the baseline names any: then the comparison is made there.
func (s *Study) underBaseline(run *collect.Run) bool {
	for _, f := range s.Baseline {
		key := f.Key.Text()
		if x, ok := run.Setting(key); ok && key != s.Success.Compare && !slices.Contains(s.Success.PairBy, key) && !same(x, f.Val) {
			return false
		}
	}
	return true
}

// unit averages each arm over the matched runs of a group. An arm of which one
// run is missing has no value: a mean over fewer settings is another quantity.
func (v *Verdict) unit(g group, keys, rest []string, side map[*collect.Run]int) unit {
	var parts, notes []string
	for i, k := range keys {
		parts = append(parts, k+" "+g.settings[i])
	}
	u := unit{label: strings.Join(parts, ", "), have: [2]bool{true, true}}
	arms := [2]*Arm{&v.Candidate, &v.Baseline}
	var values [2][]float64
	for _, match := range groups(g.runs, rest) {
		var seen [2]bool
		for _, run := range match.runs {
			k := side[run]
			seen[k] = true
			x, ok := run.Metric(v.Metric.Name)
			switch {
			case run.State == "failed":
				notes = append(notes, fmt.Sprintf("%s failed (%s)", arms[k].Label, failure(run.Class)))
			case run.State != "done":
				notes = append(notes, fmt.Sprintf("%s is %s", arms[k].Label, run.State))
			case !ok:
				notes = append(notes, fmt.Sprintf("%s has no %s", arms[k].Label, v.Metric.Name))
			case math.IsNaN(x) || math.IsInf(x, 0):
				notes = append(notes, fmt.Sprintf("%s has %s = %v", arms[k].Label, v.Metric.Name, x))
			default:
				values[k] = append(values[k], x)
				continue
			}
			u.have[k] = false
		}
		for k := range seen {
			if !seen[k] {
				notes = append(notes, arms[k].Label+" is not planned")
				u.have[k] = false
			}
		}
	}
	for k := range values {
		u.value[k] = stat.Mean(values[k])
	}
	u.note = strings.Join(notes, ", ")
	return u
}

// test fills in the declared test, the interval and the effect size. The error
// says why there is no test.
func (v *Verdict) test(a, b []float64) (err error) {
	c := &v.Criterion
	level := 1 - c.Alpha
	better, worse := a, b
	if v.Metric.Goal == Minimize {
		better, worse = b, a // P(better) is P(baseline > candidate)
	}
	interval := func(iv stat.Interval, err error) {
		if err == nil {
			v.Interval = &iv
		}
	}
	if c.Paired() {
		interval(stat.MeanInterval(stat.Diff(a, b), level))
		v.PSuperior = stat.PairedPSuperior(better, worse)
	} else {
		interval(stat.DiffInterval(a, b, level))
		v.PSuperior = stat.PSuperior(better, worse)
	}
	switch c.Test {
	case "paired-t":
		v.Test, err = stat.PairedT(a, b)
		if exact, err := stat.SignFlip(a, b); err == nil {
			v.Exact = &exact
		}
	case "wilcoxon":
		v.Test, err = stat.Wilcoxon(a, b)
	case "sign-flip":
		v.Test, err = stat.SignFlip(a, b)
	case "welch":
		v.Test, err = stat.WelchT(a, b)
	case "mann-whitney":
		v.Test, err = stat.MannWhitney(a, b)
	}
	return err
}

// decide chooses the outcome. The order of the cases is the order of what a
// reader must know first.
func (v *Verdict) decide(err error) {
	c := &v.Criterion
	say := func(o Outcome, format string, args ...any) {
		v.Outcome = o
		v.Reasons = append(v.Reasons, fmt.Sprintf(format, args...))
	}
	pairs := "pairs"
	if !c.Paired() {
		pairs = "runs a side"
	}
	gain := v.Metric.Goal.sign() * v.Estimate
	switch {
	case v.Used < v.Planned && c.Missing != "drop":
		say(Inconclusive, "only %d of %d %s are complete, and the criterion was fixed for all of them", v.Used, v.Planned, pairs)
	case errors.Is(err, stat.ErrTooFew):
		say(Inconclusive, "%d %s show no scatter: at least 2 are needed", v.Used, pairs)
	case errors.Is(err, stat.ErrNoSpread):
		say(Inconclusive, "all %d differences are equal, so the runs are copies rather than repetitions: does %s reach the program?", v.Used, strings.Join(c.PairBy, " or "))
	case err != nil:
		say(Inconclusive, "%v", err)
	case v.Test.P <= c.Alpha && gain > 0 && gain >= c.MinEffect*(1-1e-9): // 0.93-0.925 is a hair below 0.005
		why := "the difference goes the declared way"
		if c.MinEffect > 0 {
			why = fmt.Sprintf("the improvement of %s is at least %v", v.numbers().format(gain), c.MinEffect)
		}
		say(Met, "p is at most alpha = %v, and %s", c.Alpha, why)
	case v.Test.P <= c.Alpha && gain < 0:
		say(NotMet, "%s is worse than %s (%s)", v.Candidate.Label, v.Baseline.Label, equalsP(v.Test.P))
	case v.Test.P <= c.Alpha:
		say(NotMet, "there is an improvement (%s), but %s is less than the %v that was asked for", equalsP(v.Test.P), v.numbers().format(gain), c.MinEffect)
	case c.MinEffect > 0 && v.Interval != nil && math.Max(v.Metric.Goal.sign()*v.Interval.Lo, v.Metric.Goal.sign()*v.Interval.Hi) < c.MinEffect:
		say(NotMet, "the interval excludes an improvement of %v", c.MinEffect)
	case v.Test.Floor > c.Alpha:
		say(Inconclusive, "%s can never reach p <= %v with %d %s; its smallest p is %s", c.Test, c.Alpha, v.Used, pairs, formatP(v.Test.Floor))
	default:
		say(Inconclusive, "%s is above alpha = %v; %d %s cannot tell the difference from none", equalsP(v.Test.P), c.Alpha, v.Used, pairs)
	}
	if v.Used < v.Planned && c.Missing == "drop" {
		v.Reasons = append(v.Reasons, fmt.Sprintf("%d of %d %s are left out, as the study allows", v.Planned-v.Used, v.Planned, pairs))
	}
}
