package report

import (
	"math"
	"slices"
	"strings"
	"testing"

	"orch/report/collect"
)

// Which figures a sweep gets follows from what it sweeps.
func TestFigures(t *testing.T) {
	accuracy := func(t *collect.Tables) *collect.Tables {
		return measure(t, []string{"test.accuracy"}, func(i int) []float64 { return []float64{float64(i*7919%101) / 101} })
	}
	for _, c := range []struct {
		name   string
		tables *collect.Tables
		want   []string
	}{
		{"models and seeds, with a criterion", depth(), []string{"points-test-accuracy", "forest-test-accuracy"}},
		{"with steps", withSteps(depth()), []string{"curve-val--script--loss", "points-test-accuracy", "forest-test-accuracy"}},
		{"two numbers", accuracy(sweepOf(nil, ints("width", 3), ints("lr", 4), ints("seed", 2))), []string{"points-test-accuracy", "forest-test-accuracy", "heat-test-accuracy"}},
		{"three factors", accuracy(sweepOf(nil, words("model", "a", "b"), ints("width", 3), words("opt", "sgd", "adam"), ints("seed", 2))), []string{"points-test-accuracy", "forest-test-accuracy", "parallel-test-accuracy"}},
		{"nothing finished", nothing(), nil},
	} {
		var got []string
		for _, f := range Build(c.tables).figures() {
			got = append(got, f.name)
			if !strings.HasSuffix(f.caption, ".") || strings.Contains(f.caption, "%!") {
				t.Errorf("%s: the caption of %s is %q", c.name, f.name, f.caption)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: figures %q, want %q", c.name, got, c.want)
		}
	}
}

// Numbers that no axis can span are left out of figures, which say so: neither
// does drawing them fail, nor do they move the others.
func TestFiguresOfLargestNumbers(t *testing.T) {
	tables := measure(sweepOf(nil, ints("width", 3), ints("lr", 3), ints("heads", 4)), []string{"loss"}, func(i int) []float64 {
		return []float64{[]float64{-math.MaxFloat64, float64(i), math.MaxFloat64}[i/12]} // by width
	})
	r := Build(tables)
	said := map[string]string{
		"points-loss":   "Without 12 values too large to draw.",
		"heat-loss":     "hatched also where it is too large to draw.",
		"parallel-loss": "12 of 36 combinations.",
	}
	for _, f := range r.figures() {
		f.pic.SVG(f.name) // draws
		if want := said[f.name]; !strings.Contains(f.caption, want) {
			t.Errorf("the caption of %s is %q, want %q in it", f.name, f.caption, want)
		}
		delete(said, f.name)
	}
	if len(said) > 0 {
		t.Errorf("no figure for %q", said)
	}
}
