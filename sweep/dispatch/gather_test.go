package dispatch

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"orch/launcher"
)

// Lists of several launchers come to the same as a worker at a time, whatever
// their order, and stay as they were.
func TestGather(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for round := range 300 {
		var lists [][]launcher.Worker
		for range 1 + r.IntN(3) {
			var list []launcher.Worker
			for range r.IntN(4) { // stretches, rising or falling, that may overlap
				from, step := r.IntN(6), 1-2*r.IntN(2)
				job, key := r.IntN(2), r.IntN(2)
				for i := range r.IntN(5) {
					list = append(list, launcher.Worker{Job: fmt.Sprint(key, job), Key: fmt.Sprint("k", key), Index: from + step*i,
						State: launcher.State(r.IntN(3)), Reason: fmt.Sprint(round, len(lists), len(list))})
				}
			}
			if r.IntN(3) == 0 {
				r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			}
			lists = append(lists, list)
		}
		want, at := map[string][]launcher.Worker{}, map[string]int{}
		for _, w := range slices.Concat(lists...) {
			p := fmt.Sprint(w.Key, " ", w.Job, " ", w.Index)
			if i, again := at[p]; !again {
				at[p] = len(want[w.Key])
				want[w.Key] = append(want[w.Key], w)
			} else if w.State > want[w.Key][i].State {
				want[w.Key][i] = w
			}
		}
		g := newGather()
		for i, list := range lists {
			was := slices.Clone(list)
			g.add(list)
			if !slices.Equal(list, was) {
				t.Fatalf("round %d: list %d is changed", round, i)
			}
		}
		if !maps.EqualFunc(g.by, workers(want), slices.Equal[[]launcher.Worker]) {
			t.Fatalf("round %d: %v\ngathered as %v\nwant %v", round, lists, g.by, want)
		}
	}
}
