package collect

import (
	"fmt"
	"slices"
	"testing"

	"orch/sweep/results"
)

func TestCurveOfAResumedRun(t *testing.T) {
	attempt := func(block string, gen int, ckpt bool) results.AttemptState {
		a := results.AttemptState{Block: block, Gen: gen, Counts: true}
		if ckpt {
			a.Checkpoint = &results.Record{}
		}
		return a
	}
	states := []results.RunState{
		{Counted: 0, Attempts: []results.AttemptState{attempt("1-0-0", 0, true)}},
		{Counted: 1, Attempts: []results.AttemptState{attempt("1-0-1", 0, false), attempt("1-0-1", 1, true)}}, // nothing to resume from
		{Counted: 1, Attempts: []results.AttemptState{attempt("1-0-2", 0, true), attempt("2-0-0", 0, true)}},  // another try
		{Counted: 3, Attempts: []results.AttemptState{attempt("1-0-3", 0, true), attempt("1-0-3", 1, false), attempt("1-0-3", 2, true), attempt("1-0-3", 3, false)}},
		{Counted: -1, Attempts: []results.AttemptState{attempt("1-0-4", 0, true)}},
	}
	all := curves(states)
	c := all[3]
	if len(all) != 1 || c == nil {
		t.Fatalf("curves = %v, want one, of run 3", all)
	}
	add := func(gen int, name string, steps ...int64) {
		for _, s := range steps {
			c.add(results.GenName("1-0-3", gen), Point{Step: s, Name: name, Value: float64(gen)})
		}
	}
	add(3, "loss", 4, 5)
	add(0, "loss", 0, 1, 2, 3)
	add(0, "acc", 0, 10)
	add(1, "loss", 0) // handed nothing on
	add(2, "loss", 2, 3, 4)
	add(2, "acc", 20)
	var got []string
	for _, p := range c.joined() {
		got = append(got, fmt.Sprintf("%s %d of attempt %v", p.Name, p.Step, p.Value))
	}
	want := []string{"loss 0 of attempt 0", "loss 1 of attempt 0", "acc 0 of attempt 0", "acc 10 of attempt 0",
		"loss 2 of attempt 2", "loss 3 of attempt 2", "acc 20 of attempt 2", "loss 4 of attempt 3", "loss 5 of attempt 3"}
	if !slices.Equal(got, want) {
		t.Errorf("joined:\n%q\nwant:\n%q", got, want)
	}
}
