package results

import (
	"fmt"
	"slices"
	"strings"
)

// Blocked are runs that nobody goes on with: the claim of their generation is
// there and cannot be read, so nobody can tell whether its holder is dead.
//
// Neither moving the file away nor a retry is a remedy. The holder may live, and
// what it has marked counts: with a second holder of the generation, or another
// try, a run could count twice. A rerun voids the earlier tries, whatever becomes
// of them.
type Blocked struct {
	File string // relative to the sweep
	Runs []*PlannedRun
}

// String says what is wrong, and what to do.
func (b Blocked) String() string {
	runs, them := b.Runs[0].Name, "it"
	if n := len(b.Runs); n > 1 {
		runs, them = fmt.Sprintf("%s and %d more", runs, n-1), "them"
	}
	return fmt.Sprintf("%s cannot be read: unless its worker lives, nobody goes on with %s -> put the file back, or orch submit --rerun, with overrides that choose %s",
		b.File, runs, them)
}

// Blocked returns the runs that are left and blocked, by file, in name order.
func (sn *Snapshot) Blocked() []Blocked {
	if len(sn.unowned) == 0 {
		return nil
	}
	open := map[string]bool{}
	for _, st := range sn.Derive() {
		if st.State == StateQueued || st.State == StateRunning {
			open[st.Run.ID] = true
		}
	}
	var all []Blocked
	for full := range sn.unowned {
		name, gen, _ := splitGen(full)
		b := sn.Plan.byBlock[name]
		if b == nil || sn.latest[name] != gen || sn.gens[full].seal != nil || sn.early[full] != nil {
			continue
		}
		x := Blocked{File: "claims/" + full}
		for _, i := range b.Runs {
			r := sn.Plan.run(b, i)
			if _, last := r.lastTry(b); last && open[r.ID] {
				x.Runs = append(x.Runs, r)
			}
		}
		if len(x.Runs) > 0 {
			all = append(all, x)
		}
	}
	slices.SortFunc(all, func(x, y Blocked) int { return strings.Compare(x.File, y.File) })
	return all
}
