package main

import (
	"slices"

	"orch/sweep/results"
)

// failureGroup is a set of failed runs with one cause.
type failureGroup struct {
	Class   string   `json:"class"`
	Exit    int      `json:"exit"`
	Message string   `json:"message"` // of the first run
	Runs    []string `json:"runs"`
	Log     string   `json:"log,omitempty"` // last line that the first run's program wrote
}

// groupFailures puts failed runs with one cause together, the largest group
// first: the same class and exit code, and the same message but for numbers,
// hexadecimal digits and paths.
func groupFailures(states []results.RunState) []failureGroup {
	groups := []failureGroup{}
	index := map[cause]int{}
	for _, st := range states {
		if st.State != results.StateFailed || !st.Run.Planned {
			continue
		}
		key := causeOf(st.End)
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, failureGroup{Class: st.End.Class.String(), Exit: st.End.Exit, Message: st.End.Message})
		}
		groups[i].Runs = append(groups[i].Runs, st.Run.Name)
	}
	slices.SortStableFunc(groups, func(a, b failureGroup) int { return len(b.Runs) - len(a.Runs) })
	return groups
}

// cause is what two failures have in common if they have one cause.
type cause struct {
	class   results.Class
	exit    int
	signal  string
	message string
}

func causeOf(end *results.Record) cause {
	return cause{end.Class, end.Exit, end.Signal, results.Alike(end.Message)}
}
