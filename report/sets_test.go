package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"orch/report/collect"
	"orch/report/stat"
	"orch/sweep/override"
	"orch/sweep/results"
)

// overSets is three methods on six data sets with five seeds: b is better than a
// by 0.02 on every set, c by 0.01 on half of them.
func overSets(pairBy ...any) *collect.Tables {
	study := object{"baseline": object{"method": "a"}, "metrics": []any{object{"name": "accuracy", "goal": "maximize"}}}
	if len(pairBy) > 0 {
		study["success"] = object{"compare": "method", "candidate": "b", "metric": "accuracy", "pair_by": pairBy}
	}
	t := sweepOf(study, words("method", "a", "b", "c"), words("data", "cifar", "svhn", "stl", "food", "pets", "cars"), ints("seed", 5))
	return measure(t, []string{"accuracy"}, func(i int) []float64 {
		method, set, seed := i/30, i/5%6, i%5
		gain := []float64{0, 0.02 + 0.001*float64(set), 0.01 * float64(set%2)}[method]
		return []float64{0.7 + 0.03*float64(set) + gain + 0.002*float64((seed*3+method+set)%5)}
	})
}

func TestDataSets(t *testing.T) {
	tables := overSets()
	end(tables, 0, "failed", results.Failed, "exit 1") // a on cifar
	tables.Runs[31].Metrics[0].Value = math.NaN()      // b on cifar
	tables.Runs[32].Metrics = nil                      // b on cifar, reports nothing
	d := Build(tables).DataSets
	if d == nil {
		t.Fatal("no summary over data sets")
	}
	if d.Factor != "method" || d.Data != "data" || d.Scaled || len(d.Methods) != 3 || len(d.Sets) != 6 {
		t.Fatalf("DataSets = %+v", d)
	}
	var b []float64
	for i := 30; i < 60; i++ {
		if v, ok := tables.Runs[i].Metric("accuracy"); ok && v == v {
			b = append(b, v)
		}
	}
	if m := d.Methods[1]; m.NaN != 2 || m.IQM != stat.IQM(b) || m.Interval == nil || !m.Interval.Contains(m.IQM) || m.Counts.Planned != 30 {
		t.Errorf("b = %+v, want an IQM of %v within its interval, and 2 runs without a number", m, stat.IQM(b))
	}
	// Everything reaches the lowest threshold but what failed: 4 of 5 and 3 of 5
	// runs on one of six data sets.
	if got, want := d.Methods[0].Profile[0], (0.8+5)/6; math.Abs(got-want) > 1e-12 {
		t.Errorf("share of a's runs at the lowest threshold = %v, want %v", got, want)
	}
	if got, want := d.Methods[1].Profile[0], (0.6+5)/6; math.Abs(got-want) > 1e-12 {
		t.Errorf("share of b's runs at the lowest threshold = %v, want %v", got, want)
	}
	for _, m := range d.Methods {
		if !slices.IsSortedFunc(m.Profile, func(a, b float64) int { return cmp.Compare(b, a) }) {
			t.Error("a profile rises")
		}
	}
	if Build(depth()).DataSets != nil {
		t.Error("a summary over data sets, and there are none")
	}
}

// A loss is not between 0 and 1, and less is better: scaled, the best run of a
// data set is 1.
func TestDataSetsScale(t *testing.T) {
	tables := overSets()
	v, err := override.FromAny(object{"metrics": []any{object{"name": "loss", "goal": "minimize"}}})
	if err != nil {
		t.Fatal(err)
	}
	tables.Header.Study = v
	for i := range tables.Runs {
		tables.Runs[i].Metrics = []collect.Metric{{Name: "loss", Value: float64(10*(i/5%6)) + float64(i/30) + float64(i%5)/4}}
	}
	d := Build(tables).DataSets
	if d == nil || !d.Scaled {
		t.Fatalf("DataSets = %+v, want scaled ones", d)
	}
	for k, want := range []float64{5.0 / 6, 1.0 / 2, 1.0 / 6} { // middles of the three ranges of 0 to 3
		if math.Abs(d.Methods[k].IQM-want) > 1e-12 {
			t.Errorf("IQM of %s = %v, want %v", d.Labels[k], d.Methods[k].IQM, want)
		}
	}
}

// Over data sets a data set is one observation: seeds are averaged, and pairs by
// data and seed are told to be too many.
func TestDataSetsAreTheUnit(t *testing.T) {
	r := Build(overSets("data"))
	if r.Verdict.Planned != 6 || r.Verdict.Used != 6 {
		t.Errorf("%d of %d pairs, want 6 of 6", r.Verdict.Used, r.Verdict.Planned)
	}
	if strings.Join(r.Factors, " ") != "method data" || strings.Join(r.Seeds, " ") != "seed" {
		t.Errorf("factors %v, seeds %v", r.Factors, r.Seeds)
	}
	for _, c := range r.Comparisons {
		if c.Factor != "method" || c.Planned != 6 {
			t.Errorf("compared are %s = %s over %d pairs, want methods over 6", c.Factor, c.Value, c.Planned)
		}
	}
	has := func(r *Report, code string) bool {
		return slices.ContainsFunc(r.Warnings, func(w Warning) bool { return w.Code == code })
	}
	if has(r, "dependent-pairs") {
		t.Error("pairs by data alone are told to be dependent")
	}
	r = Build(overSets("data", "seed"))
	if r.Verdict.Planned != 30 || !has(r, "dependent-pairs") {
		t.Errorf("%d pairs by data and seed, warned: %v; want 30 and a warning", r.Verdict.Planned, has(r, "dependent-pairs"))
	}
}

func TestCorrection(t *testing.T) {
	get := func(correction any) *Report {
		x := depth()
		s := depthStudy()
		if correction != nil {
			s["success"].(object)["correction"] = correction
		}
		v, err := override.FromAny(s)
		if err != nil {
			t.Fatal(err)
		}
		x.Header.Study = v
		return Build(x)
	}
	var p []float64
	for _, c := range get("none").Comparisons {
		p = append(p, c.Test.P)
	}
	for correction, want := range map[string][]float64{"none": p, "holm": stat.Holm(p), "bh": stat.BenjaminiHochberg(p)} {
		for i, c := range get(correction).Comparisons {
			if c.Corrected != want[i] {
				t.Errorf("%s: comparison %d has p %v, want %v", correction, i, c.Corrected, want[i])
			}
		}
	}
	if r := get(nil); r.Correction != "holm" {
		t.Errorf("without a word the correction is %q, want holm", r.Correction)
	}
	v, _ := override.FromAny(object{"baseline": object{"m": "a"}, "metrics": []any{object{"name": "x", "goal": "maximize"}},
		"success": object{"compare": "m", "candidate": "b", "metric": "x", "correction": "hom"}})
	if _, errs := ParseStudy(v); len(errs) != 1 || !strings.Contains(errs[0].Error(), `did you mean "holm"`) {
		t.Errorf("correction = hom: %v", errs)
	}
}

func TestShownValues(t *testing.T) {
	for _, c := range []struct{ in, want []string }{
		{[]string{"0.0001", "0.000316227766017", "0.001"}, []string{"0.0001", "0.000316", "0.001"}},
		{[]string{"0.123456789", "0.123411111"}, []string{"0.1235", "0.1234"}},
		{[]string{"1000000000", "net2.500000000"}, []string{"1000000000", "net2.500000000"}},
		{[]string{"3.1622776601683795e-05", "1e-05"}, []string{"3.16e-05", "1e-05"}},
	} {
		x := sweepOf(nil, words("lr", c.in...), ints("seed", 2))
		measure(x, []string{"m"}, func(i int) []float64 { return []float64{float64(i)} })
		r := Build(x)
		for i, s := range c.in {
			if got := r.shown("lr", s); got != c.want[i] {
				t.Errorf("%v: %s is shown as %s, want %s", c.in, s, got, c.want[i])
			}
		}
	}
}

// Of more settings than a page holds, those shown are the best.
func TestLongTable(t *testing.T) {
	study := object{"metrics": []any{object{"name": "m", "goal": "minimize"}}}
	x := sweepOf(study, ints("w", 200))
	measure(x, []string{"m"}, func(i int) []float64 { return []float64{float64((i * 77) % 200)} })
	r := Build(x)
	table := mainTable(r)
	if len(table.rows) != maxTableRows || !strings.Contains(r.Caption(), fmt.Sprintf("The %d best of 200 rows", maxTableRows)) {
		t.Fatalf("%d rows; caption %q", len(table.rows), r.Caption())
	}
	for _, row := range r.tableRows() {
		if row.Cells[0].Mean >= maxTableRows {
			t.Errorf("a row of %v is shown, which is not among the best", row.Cells[0].Mean)
		}
	}
	files, err := CSV.Render(r)
	if err != nil || strings.Count(string(files[0].Data), "\n") != 201 {
		t.Errorf("main.csv lacks rows: %v", err)
	}
	if !slices.ContainsFunc(r.Warnings, func(w Warning) bool { return w.Code == "best-of-many" }) {
		t.Error("the best of 200 is not told to be lucky")
	}
}
