package report

import (
	"strings"
	"testing"

	"orch/sweep/override"
	"orch/sweep/results"
)

// What was changed after the first submission is told, and nothing else.
func TestDeviations(t *testing.T) {
	segment := func(n int, kind results.Kind, edit func(h *results.Header)) results.Header {
		h := depth().Header
		h.Number, h.Kind = n, kind
		h.Provenance.Data = []results.Data{{Name: "mnist", Dir: "d", Bytes: 11, SHA256: "aaaa"}}
		if edit != nil {
			edit(&h)
		}
		return h
	}
	study := func(change func(s object)) override.Value {
		s := depthStudy()
		change(s)
		v, err := override.FromAny(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, c := range []struct {
		name string
		kind results.Kind
		edit func(h *results.Header)
		want string // a part of the only deviation; empty: none
	}{
		{"the same again", results.KindPlan, nil, ""},
		{"more seeds", results.KindPlan, func(h *results.Header) { h.Axes[1] = ints("seed", 9) }, "axis seed was changed from 5 values"},
		{"an axis", results.KindPlan, func(h *results.Header) { h.Axes = append(h.Axes, ints("x", 1)) }, "axis x was added with 1 value"},
		{"alpha", results.KindPlan, func(h *results.Header) {
			h.Study = study(func(s object) { s["success"].(object)["alpha"] = 0.1 })
		}, "study.success.alpha was changed from 0.05 to 0.1"},
		{"how steps become a value", results.KindPlan, func(h *results.Header) {
			h.Study = study(func(s object) { s["metrics"].([]any)[0].(object)["aggregate"] = "best" })
		}, "study.metrics.0.aggregate was added: best"},
		{"the question is gone", results.KindPlan, func(h *results.Header) { h.Study = study(func(s object) { delete(s, "question") }) }, "study.question was taken out"},
		{"other data", results.KindPlan, func(h *results.Header) { h.Provenance.Data[0].SHA256 = "bbbb" }, "data set mnist was another: SHA-256 aaaa before, bbbb now"},
		{"data elsewhere", results.KindPlan, func(h *results.Header) { h.Provenance.Data[0].Dir = "e" }, ""},
		{"anew", results.KindRerun, nil, "started anew"},
	} {
		x := depth()
		x.Segments = []results.Header{segment(1, results.KindPlan, nil), segment(2, c.kind, c.edit)}
		x.Header = x.Segments[1]
		got := Build(x).Frozen.Deviations
		switch {
		case c.want == "" && len(got) > 0, c.want != "" && (len(got) != 1 || !strings.Contains(got[0].Text, c.want) || got[0].Segment != 2):
			t.Errorf("%s: deviations %+v, want %q", c.name, got, c.want)
		}
	}
}
