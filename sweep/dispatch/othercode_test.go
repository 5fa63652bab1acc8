package dispatch

import (
	"testing"

	"orch/sweep/override"
	"orch/sweep/results"
)

// A run's place among the configs of the newest plan says nothing about those of
// the segment that executed it: that had other groups to choose from.
func TestOtherCodeOfAnEditedPlan(t *testing.T) {
	program := override.MapValue(override.Field{Key: override.StringValue("task"), Val: override.MapValue()})
	segment := func(commit string, bases ...override.Value) *results.Segment {
		return &results.Segment{Header: results.Header{Bases: bases, Provenance: results.Provenance{Commit: commit}}}
	}
	run := &results.PlannedRun{Spec: &results.RunSpec{Base: 1}, Segment: segment("b", override.MapValue(), program),
		Tries: []results.Try{{Segment: segment("a", program)}}}
	st := &results.RunState{Run: run, Attempts: make([]results.AttemptState, 1)}
	for commit, want := range map[string]bool{"a": false, "b": true} {
		o := Publication{Provenance: results.Provenance{Commit: commit}}
		if got := o.otherCode(st); got != want {
			t.Errorf("at commit %s: other code = %t, want %t", commit, got, want)
		}
	}
}
