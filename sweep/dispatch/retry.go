package dispatch

import (
	"fmt"

	"orch/sweep/override"
	"orch/sweep/results"
)

// Retried says what a retry opened.
type Retried struct {
	Segment int // 0: none was needed
	Again   int // ended runs that get another try
	Freed   int // runs whose cancel or hold was undone
}

// Retry opens runs again: those that ended without a result get a new try in a
// segment of its own, and those that an order stops are let go. Runs that are
// done, open or not picked stay as they are.
func Retry(s *results.Sweep, pick func(results.RunState) bool, cause string, o Publication) (*Retried, error) {
	return anew(func() (*Retried, error) {
		sn, err := s.Snapshot()
		if err != nil {
			return nil, err
		}
		return retry(s, sn, pick, cause, o)
	})
}

func retry(s *results.Sweep, sn *results.Snapshot, pick func(results.RunState) bool, cause string, o Publication) (*Retried, error) {
	header := sn.Plan.Header()
	if header == nil {
		return nil, fmt.Errorf("sweep %s has no plan yet", s.Name)
	}
	h := *header
	h.Kind, h.Cause, h.Provenance = results.KindRetry, cause, from(header.Provenance, o.Provenance)
	h.Bases, h.Choices, h.Groups, h.Adopts = nil, nil, nil, nil
	h.Changes = o.Changes
	r := &Retried{}
	before := header // of the newest try among those that are repeated
	var specs []results.RunSpec
	offset := map[*results.Segment]int{} // of a segment's bases among the new ones
	group := map[string]int{}
	for _, st := range sn.Derive() {
		if !st.Run.Planned || st.State == results.StateDone || !pick(st) {
			continue
		}
		if st.Order != nil {
			if err := s.Give(results.ActionGo, st.Run.ID, cause, o.Provenance.User); err != nil {
				return nil, err
			}
			r.Freed++
		}
		if st.End == nil {
			continue
		}
		seg := st.Run.Segment
		if _, ok := offset[seg]; !ok {
			offset[seg] = len(h.Bases)
			h.Bases = append(h.Bases, seg.Bases...)
			h.Choices = append(h.Choices, seg.Choices...)
			for len(h.Choices) < len(h.Bases) { // a segment that swept no group
				h.Choices = append(h.Choices, override.NullValue())
			}
		}
		if last := st.Run.Tries[len(st.Run.Tries)-1].Segment; last.Number > before.Number {
			before = &last.Header
		}
		key, table := request(sn.Plan, st.Run)
		if o.launcher != nil {
			table = o.launcher(table)
			key = results.GroupKey(table)
		}
		if _, ok := group[key]; !ok {
			group[key] = len(h.Groups)
			h.Groups = append(h.Groups, results.Group{Key: key, Launcher: table})
		}
		spec := *st.Run.Spec
		spec.Base += offset[seg]
		spec.Group, spec.Work = group[key], true
		fields, err := spec.Fields()
		if err != nil {
			return nil, err
		}
		spec.Delta = fields
		specs = append(specs, spec)
	}
	r.Again = len(specs)
	if len(specs) == 0 {
		return r, nil
	}
	for k := range h.Groups {
		g := &h.Groups[k]
		workers, parallel, known, err := o.Workers(g.Launcher)
		if err != nil {
			return nil, err
		}
		g.Workers = workers * parallel
		n := 0
		for _, spec := range specs {
			if spec.Group == k {
				n++
			}
		}
		g.Single = oneByOne(g.Launcher) || results.SingleBlocks(n, g.Workers, known)
	}
	// Wherever the retry was typed, programs start where submit was, and unless a
	// person retries, who may have mended something, with the code of then.
	h.Provenance.Dir, h.Code = before.Provenance.Dir, before.Code
	if o.Provenance.Time.IsZero() {
		h.Provenance = before.Provenance
	}
	var err error
	if o.Code != nil {
		if h.Code, err = o.Code(); err != nil {
			return nil, fmt.Errorf("sweep %s: %w", s.Name, err)
		}
	}
	r.Segment, err = s.Publish(h, func(yield func(results.RunSpec, error) bool) {
		for _, spec := range specs {
			if !yield(spec, nil) {
				return
			}
		}
	}, nil, sn.Plan.Newest())
	return r, err
}

// from returns the provenance of a retry: who asked for it and when, if anybody
// did, but the folder and the code of the plan. A program's working directory is
// where it was first submitted, wherever a person or a Step tries it again.
func from(plan, asked results.Provenance) results.Provenance {
	if asked.Time.IsZero() {
		return plan
	}
	if asked.Dir != plan.Dir {
		asked.Dir, asked.Commit, asked.Dirty, asked.DirtyHash = plan.Dir, plan.Commit, plan.Dirty, plan.DirtyHash
	}
	return asked
}
