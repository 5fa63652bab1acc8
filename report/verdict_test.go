package report

import (
	"math"
	"strings"
	"testing"

	"orch/report/collect"
	"orch/sweep/override"
	"orch/sweep/results"
)

// judged builds a sweep of two models with these values by seed and judges it.
// Settings change the criterion.
func judged(t *testing.T, candidate, baseline []float64, settings object) *Verdict {
	t.Helper()
	study := depthStudy()
	for k, v := range settings {
		study["success"].(object)[k] = v
	}
	tables := sweepOf(study, words("model", "net5", "net2"), ints("seed", len(candidate)))
	measure(tables, []string{"test.accuracy", "test.loss"}, func(i int) []float64 {
		x := append(append([]float64{}, candidate...), baseline...)[i]
		return []float64{x, x}
	})
	v := Build(tables).Verdict
	if v == nil {
		t.Fatal("no verdict: the study was not understood")
	}
	return v
}

func TestVerdict(t *testing.T) {
	base := []float64{0.50, 0.52, 0.49, 0.51, 0.53, 0.50}
	plus := func(d ...float64) []float64 {
		x := append([]float64{}, base...)
		for i := range x {
			x[i] += d[i]
		}
		return x
	}
	clear := plus(0.10, 0.12, 0.11, 0.09, 0.10, 0.11)
	slight := plus(0.003, 0.004, 0.003, 0.002, 0.003, 0.004)
	worse := plus(-0.10, -0.12, -0.11, -0.09, -0.10, -0.11)
	noisy := plus(0.2, -0.15, 0.1, -0.2, 0.15, 0.01)
	flat := plus(0.001, -0.001, 0.0005, -0.0005, 0.001, -0.0008)
	for _, c := range []struct {
		name      string
		candidate []float64
		settings  object
		want      Outcome
		reason    string
	}{
		{"clearly better", clear, nil, Met, "at least 0.005"},
		{"better by less than asked", slight, nil, NotMet, "less than the 0.005"},
		{"the same, and nothing was asked", slight, object{"min_effect": 0.0}, Met, ""},
		{"worse", worse, nil, NotMet, "net5 is worse than net2"},
		{"noise", noisy, nil, Inconclusive, "is above alpha"},
		{"no effect of the size asked", flat, nil, NotMet, "the interval excludes an improvement of 0.005"},
		{"no effect, no size asked", flat, object{"min_effect": 0.0}, Inconclusive, "is above alpha"},
		{"copies", plus(0.1, 0.1, 0.1, 0.1, 0.1, 0.1), nil, Inconclusive, "does seed reach the program?"},
		{"wilcoxon", clear, object{"test": "wilcoxon"}, Met, "p is at most alpha = 0.05"},
		{"wilcoxon with a floor", clear, object{"test": "wilcoxon", "alpha": 0.01}, Inconclusive, "can never reach p <= 0.01 with 6 pairs"},
		{"sign-flip", clear, object{"test": "sign-flip"}, Met, "p is at most alpha = 0.05"},
		{"welch", clear, object{"test": "welch"}, Met, ""},
		{"mann-whitney", clear, object{"test": "mann-whitney"}, Met, ""},
		{"higher is worse", clear, object{"metric": "test.loss"}, NotMet, "net5 is worse than net2"},
		{"lower is better", worse, object{"metric": "test.loss"}, Met, "improvement of 0.105"},
		{"lower is better, no effect of the size asked", flat, object{"metric": "test.loss"}, NotMet, "the interval excludes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := judged(t, c.candidate, base, c.settings)
			if v.Outcome != c.want || !strings.Contains(strings.Join(v.Reasons, "; "), c.reason) {
				t.Errorf("verdict %s because %q (p %v, estimate %v, interval %v), want %s because %q", v.Outcome, v.Reasons, v.Test.P, v.Estimate, v.Interval, c.want, c.reason)
			}
			if v.Planned != 6 || v.Used != 6 || v.Interval == nil {
				t.Errorf("%d of %d pairs, interval %v, want 6 of 6 and an interval", v.Used, v.Planned, v.Interval)
			}
		})
	}
	// The exact margin counts although 0.93-0.925 is below 0.005 in binary.
	v := judged(t, []float64{0.93, 0.931, 0.929}, []float64{0.925, 0.9258, 0.9242}, nil)
	if v.Outcome != Met {
		t.Errorf("an improvement of exactly the margin is %s (%v, %q)", v.Outcome, v.Estimate, v.Reasons)
	}
	if v := judged(t, []float64{0.9}, []float64{0.8}, nil); v.Outcome != Inconclusive || v.Interval != nil {
		t.Errorf("one pair gives %s with interval %v, want inconclusive and none", v.Outcome, v.Interval)
	}
}

func TestVerdictAndBrokenPairs(t *testing.T) {
	study := depthStudy()
	build := func() *Verdict {
		t := sweepOf(study, words("model", "net2", "net5"), ints("seed", 6))
		measure(t, []string{"test.accuracy", "test.loss"}, func(i int) []float64 { return []float64{0.5 + 0.1*float64(i/6) + 0.001*float64(i*i%5), 1} })
		end(t, 8, "failed", results.OutOfMemory, "killed")
		t.Runs[3].Metrics[0].Value = math.NaN()
		end(t, 4, "running", results.NoEnd, "")
		return Build(t).Verdict
	}
	v := build()
	if v.Outcome != Inconclusive || v.Used != 3 || v.Planned != 6 {
		t.Errorf("verdict %s on %d of %d pairs, want inconclusive on 3 of 6", v.Outcome, v.Used, v.Planned)
	}
	want := "seed 2: net5 failed (out of memory)\nseed 3: net2 has test.accuracy = NaN\nseed 4: net2 is running"
	if got := strings.Join(v.Broken, "\n"); got != want {
		t.Errorf("broken pairs:\n%s\nwant\n%s", got, want)
	}
	study["success"].(object)["missing"] = "drop"
	if v := build(); v.Outcome != Met || !strings.Contains(strings.Join(v.Reasons, "; "), "3 of 6 pairs are left out") {
		t.Errorf("with missing = drop: %s because %q, want met with 3 of 6 left out", v.Outcome, v.Reasons)
	}
}

// A baseline of 1 is that of lr = 1.0, in the comparisons too, and the forest
// shows the criterion once.
func TestNumbersAreComparedByValue(t *testing.T) {
	study := depthStudy()
	study["metrics"] = study["metrics"].([]any)[:1]
	study["baseline"] = object{"lr": 1}
	study["success"] = object{"compare": "lr", "candidate": 2, "metric": "test.accuracy", "pair_by": "seed"}
	axis := results.Axis{Key: "lr", Values: []override.Value{override.FloatValue(0.5), override.FloatValue(1), override.FloatValue(2)}}
	tables := sweepOf(study, axis, ints("seed", 5))
	measure(tables, []string{"test.accuracy"}, func(i int) []float64 { return []float64{0.5 + 0.1*float64(i/5) + 0.003*float64(i*i%7)} })
	r := Build(tables)
	var got []string
	for _, c := range r.Comparisons {
		got = append(got, c.Value+" against "+c.Reference)
	}
	if s := strings.Join(got, ", "); s != "0.5 against 1.0, 2.0 against 1.0" {
		t.Errorf("compared are %s, want 0.5 and 2.0 against 1.0", s)
	}
	if v := r.Verdict; v.Used != 5 || v.Candidate.Label != "2.0" || v.Baseline.Label != "1.0" {
		t.Errorf("the verdict is on %s against %s over %d pairs, want 2.0 against 1.0 over 5", v.Candidate.Label, v.Baseline.Label, v.Used)
	}
	if f := forestFigure(r, r.Metrics[0]); strings.Count(string(f.pic.SVG("x")), " − ") != 2 {
		t.Errorf("the forest has not the criterion and one more row: %s", f.caption)
	}
}

// Other swept keys are averaged within a pair, never counted as more pairs; a
// baseline that names them fixes them.
func TestVerdictWithOtherFactors(t *testing.T) {
	study := depthStudy()
	build := func(lose bool) *Verdict {
		t := sweepOf(study, words("model", "net2", "net5"), words("lr", "0.1", "0.2"), ints("seed", 5))
		measure(t, []string{"test.accuracy"}, func(i int) []float64 {
			model, lr, seed := i/10, i/5%2, i%5
			return []float64{0.5 + 0.1*float64(model*(1-lr)) + 0.01*float64(seed) + 0.003*float64(seed*model%3)}
		})
		if lose {
			end(t, 17, "failed", results.Failed, "x")
		}
		return Build(t).Verdict
	}
	v := build(false)
	if v.Planned != 5 || v.Used != 5 || len(v.Averaged) != 1 || v.Averaged[0] != "lr" || math.Abs(v.Estimate-0.0524) > 1e-9 {
		t.Errorf("%d of %d pairs, averaged over %v, estimate %v, want 5 of 5 over lr, 0.0524", v.Used, v.Planned, v.Averaged, v.Estimate)
	}
	if v := build(true); v.Used != 4 || v.Outcome != Inconclusive {
		t.Errorf("with half of an arm failed: %d pairs, %s, want 4 and inconclusive", v.Used, v.Outcome)
	}
	study["baseline"] = object{"model": "net2", "lr": "0.2"}
	if v := build(false); v.Used != 5 || len(v.Averaged) != 0 || math.Abs(v.Estimate-0.0024) > 1e-9 {
		t.Errorf("at lr 0.2: %d pairs over %v, estimate %v, want 5, none, 0.0024", v.Used, v.Averaged, v.Estimate)
	}
}

func TestFailedRunsAreInTheDenominatorAndInNoMean(t *testing.T) {
	tables := depth()
	tables.Runs[0].State, tables.Runs[0].Class = "failed", results.NoResult // keeps its metrics
	tables.Runs[0].Metrics[0].Value = 1e6
	r := Build(tables)
	row := r.Rows[0]
	if c := row.Counts; c.Planned != 5 || c.Done != 4 || c.Failed != 1 || row.Cells[0].N != 4 || row.Cells[0].Max > 1 {
		t.Errorf("row = %+v, want 4 of 5, one failed, and its metric in no mean", row)
	}
	if c := r.Counts; c.Planned != c.Done+c.Failed+c.Missing || c.Planned != 15 {
		t.Errorf("counts %+v do not add up to 15", c)
	}
}

func TestColumnsWithoutStudy(t *testing.T) {
	tables := sweepOf(nil, words("model", "a", "b"), ints("seed", 2))
	measure(tables, []string{"epochs", "examples_per_second", "test.accuracy", "test.time", "train.loss"}, func(i int) []float64 {
		return []float64{3, float64(i), float64(i), float64(i), float64(i)}
	})
	var got []string
	for _, m := range Build(tables).Metrics {
		got = append(got, m.Name)
	}
	if want := "test.accuracy train.loss examples_per_second test.time"; strings.Join(got, " ") != want {
		t.Errorf("columns %v, want %s", got, want)
	}
}

func TestWarnings(t *testing.T) {
	has := func(tables *collect.Tables, code string) bool {
		for _, w := range Build(tables).Warnings {
			if w.Code == code {
				return true
			}
		}
		return false
	}
	copies := depth()
	for i := range copies.Runs {
		copies.Runs[i].Metrics[0].Value = float64(i / 5)
	}
	bad := depth()
	bad.Header.Study = bad.Header.Study.With("sucess", bad.Header.Study)
	for _, c := range []struct {
		code   string
		tables *collect.Tables
		want   bool
	}{
		{"few-seeds", depth(), false}, {"few-seeds", single(), true}, {"few-seeds", exploratory(), true},
		{"mixed-code", depth(), false}, {"mixed-code", troubled(), true},
		{"nan", depth(), false}, {"nan", troubled(), true},
		{"failed", depth(), false}, {"failed", troubled(), true},
		{"missing", nothing(), true}, {"unplanned", troubled(), true}, {"problems", troubled(), true}, {"dirty-code", troubled(), true},
		{"unequal-n", depth(), false}, {"unequal-n", troubled(), true}, {"absent", troubled(), true},
		{"equal-values", depth(), false}, {"equal-values", copies, true},
		{"study", depth(), false}, {"study", bad, true},
	} {
		if got := has(c.tables, c.code); got != c.want {
			t.Errorf("warning %q: %v, want %v", c.code, got, c.want)
		}
	}
}
