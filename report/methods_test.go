package report

import (
	"math"
	"slices"
	"testing"

	"orch/report/collect"
	"orch/sweep/results"
)

// Three methods on six data sets: ranks by hand, and a data set with a failed
// run is no observation.
func TestMethods(t *testing.T) {
	study := object{"metrics": []any{object{"name": "error", "goal": "minimize"}}}
	tables := sweepOf(study, words("model", "a", "b", "c"), words("data", "d0", "d1", "d2", "d3", "d4", "d5"), ints("seed", 2))
	measure(tables, []string{"error"}, func(i int) []float64 {
		model, set := i/12, i/2%6
		return []float64{float64(10*set) + float64((model+map[bool]int{true: 1}[set == 0])%3) + 0.1*float64(i%2)}
	})
	m := Build(tables).Methods
	if m == nil {
		t.Fatal("no ranks")
	}
	// d0 shifts the order by one: ranks a 2, b 3, c 1; elsewhere 1, 2, 3.
	for i, want := range []float64{7.0 / 6, 13.0 / 6, 16.0 / 6} {
		if math.Abs(m.Ranks[i]-want) > 1e-12 {
			t.Errorf("mean rank of %s = %v, want %v", m.Labels[i], m.Ranks[i], want)
		}
	}
	if m.Used != 6 || m.Sets != 6 || m.Factor != "model" || m.Data != "data" {
		t.Errorf("Methods = %+v", m)
	}
	end(tables, 3, "failed", results.Failed, "exit 1")
	if m := Build(tables).Methods; m == nil || m.Used != 5 {
		t.Errorf("with a failed run: %+v, want 5 data sets", m)
	}
	if Build(depth()).Methods != nil {
		t.Error("ranks without data sets")
	}
}

// A plan without one method on its first data set names the methods in another
// order than the rest of the data sets does: ranks go with their names.
func TestMethodsOfAnUnevenPlan(t *testing.T) {
	study := object{"metrics": []any{object{"name": "error", "goal": "minimize"}}}
	tables := sweepOf(study, words("data", "d0", "d1", "d2", "d3", "d4", "d5"), words("model", "a", "b", "c"))
	measure(tables, []string{"error"}, func(i int) []float64 { return []float64{float64(10*(i/3) + i%3)} })
	tables.Runs = slices.DeleteFunc(tables.Runs, func(r collect.Run) bool { return r.ID == "00000000" })
	r := Build(tables)
	m := r.Methods
	if m == nil || m.Used != 5 || m.Sets != 6 {
		t.Fatalf("Methods = %+v, want 5 of 6 data sets", m)
	}
	for i, want := range []struct {
		label string
		rank  float64
	}{{"b", 2}, {"c", 3}, {"a", 1}} {
		if m.Labels[i] != want.label || m.Ranks[i] != want.rank || r.DataSets.Labels[i] != want.label {
			t.Errorf("%s (over data sets: %s) has rank %v, want %s with %v", m.Labels[i], r.DataSets.Labels[i], m.Ranks[i], want.label, want.rank)
		}
	}
}
