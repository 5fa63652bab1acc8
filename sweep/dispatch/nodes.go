package dispatch

import (
	"fmt"
	"slices"

	"orch/sweep/results"
)

// failsOften is from how many failures on a node are the node's fault, if others
// do better.
const failsOften = 2

// badNodes returns the nodes on which workers or runs of the sweep keep failing
// for reasons that are not the program's own, while those of this request do well
// elsewhere, with a sentence about each. What other requests do elsewhere does not
// help this one: the node may be the only one with its GPUs.
func (d *Dispatcher) badNodes(group string, subs []*results.Submission, states []results.RunState) (nodes, why []string) {
	good, ours := map[string]int{}, map[string]int{} // runs done, of all requests and of this one
	of := map[string]string{}                        // requests, by key of the submission
	for _, sub := range subs {
		if sub.Intent != nil {
			of[sub.Intent.Key] = sub.Intent.Group
		}
	}
	bad := map[string]int{}
	class := map[string]results.Class{}
	counted := map[string]bool{} // a lost node fails once for each job, with all its workers
	fail := func(node string, c results.Class, what string) {
		if node != "" && !counted[node+" "+what] {
			counted[node+" "+what] = true
			bad[node]++
			class[node] = c
		}
	}
	ofNode := func(c results.Class) bool { return c == results.NodeLost || c == results.Lost }
	began := map[string]bool{}
	for i := range states {
		for _, a := range states[i].Attempts {
			h := a.Holder
			if h == nil || h.Node == "" || h.Key == "" {
				continue
			}
			began[fmt.Sprintf("%s %d", h.Key, h.Index)] = true
			switch {
			case a.Class == results.Done:
				good[h.Node]++
				if of[h.Key] == group {
					ours[h.Node]++
				}
			case ofNode(a.Class):
				fail(h.Node, a.Class, h.Key)
			case a.Class == results.BadSetup:
				fail(h.Node, a.Class, states[i].Run.ID)
			}
		}
	}
	for _, sub := range subs {
		if sub.Intent == nil {
			continue
		}
		q := d.seen.Queue(sub.Intent.Key)
		if q == nil {
			continue
		}
		for _, e := range q.Bad {
			worker := fmt.Sprintf("%s %d", sub.Intent.Key, e.Index)
			switch {
			case began[worker] && !ofNode(e.Class): // its runs say more
			case ofNode(e.Class):
				fail(e.Node, e.Class, sub.Intent.Key)
			case e.Class == results.BadSetup:
				fail(e.Node, e.Class, worker)
			}
		}
	}
	for node, n := range bad {
		elsewhere := 0
		for other, g := range ours {
			if other != node {
				elsewhere += g
			}
		}
		if n >= failsOften && n > good[node] && elsewhere > 0 {
			nodes = append(nodes, node)
		}
	}
	slices.Sort(nodes)
	for _, node := range nodes {
		why = append(why, fmt.Sprintf("node %s is left out: %d failures there (%s), %d runs done", node, bad[node], class[node], good[node]))
	}
	return nodes, why
}
