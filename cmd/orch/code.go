package main

import (
	"slices"

	"orch/sweep/override"
	"orch/sweep/results"
)

// codeOf returns what is known of the code that computed a run, name and value:
// of the worker's orch, and of the work tree that it was submitted from.
func codeOf(f found) []override.Field {
	pr := f.st.Run.Segment.Provenance
	orch := pr.Orch
	if n := len(f.st.Run.Tries); n > 0 {
		pr = f.st.Run.Tries[n-1].Segment.Provenance
		orch = pr.Orch
	}
	cpu := ""
	if r := (&runRow{v: f.view, st: f.st}); r.attempt() != nil && r.attempt().Holder != nil {
		h := r.attempt().Holder
		cpu = h.CPU
		if h.Orch != "" {
			orch = h.Orch
		}
	}
	var copied string
	if c := segmentOf(f).Code; c != nil {
		copied = c.Hash
	}
	dirty := override.NullValue()
	if pr.Commit != "" {
		dirty = override.BoolValue(pr.Dirty)
	}
	field := func(name string, v override.Value) override.Field {
		return override.Field{Key: override.StringValue(name), Val: v}
	}
	return []override.Field{field("orch", text(orch)), field("binary", text(clipHash(pr.Binary))), field("commit", text(pr.Commit)), field("dirty", dirty),
		field("changes", text(clipHash(pr.DirtyHash))), field("copy", text(copied)), field("go", text(pr.Go)), field("cpu backend", text(cpu)), field("folder", text(pr.Dir))}
}

// clipHash shortens a hash to what people compare.
func clipHash(h string) string { return h[:min(16, len(h))] }

// metricNames returns the names of the final metrics of runs, each once.
func metricNames(states ...*results.RunState) []string {
	var names []string
	for _, st := range states {
		if st.End == nil {
			continue
		}
		for _, m := range st.End.Metrics {
			if !slices.Contains(names, m.Name) {
				names = append(names, m.Name)
			}
		}
	}
	return names
}

func metricOf(st *results.RunState, name string) override.Value {
	if st.End != nil {
		for _, m := range st.End.Metrics {
			if m.Name == name {
				return override.FloatValue(m.Value)
			}
		}
	}
	return override.NullValue()
}
