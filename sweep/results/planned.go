package results

import (
	"fmt"
	"slices"

	"orch/sweep/override"
)

// Plan is the merged view of a sweep's segments: which runs are planned, where
// each gets its tries, and which blocks exist. It is rebuilt when a segment is
// added; segments themselves never change.
type Plan struct {
	Segments []*Segment
	Runs     []*PlannedRun // planned ones in the order of their segments, then unplanned ones
	Planned  int           // how many of Runs are planned
	sweep    *Sweep
	byID     map[string]*PlannedRun
	byBlock  map[string]*Block
	keys     map[[2]int]string // effective group key, by segment and group
}

// PlannedRun is a run with everything its segments say about it.
type PlannedRun struct {
	ID, Name string
	Spec     *RunSpec // in Segment
	Segment  *Segment // the newest that lists the run
	Planned  bool     // false: a later plan dropped it
	Tries    []Try    // in order; each begins only after the one before has ended
	Epoch    int      // index of the first try whose result may count: a rerun voids the earlier ones
}

// Config returns the run's whole resolved config. What Spec says is relative to
// the bases of Segment, and to those of no other segment that has the run.
func (r *PlannedRun) Config() (override.Value, error) { return r.Spec.Config(&r.Segment.Header) }

// Try is a place where a run is work: at most one runs at a time.
type Try struct {
	Segment *Segment
	Block   *Block
	place   int32 // in Block.Runs
}

// Plan reads the sweep's plan.
func (s *Sweep) Plan() (*Plan, error) {
	p := &Plan{sweep: s}
	_, err := p.Refresh()
	return p, err
}

// Refresh reads segments that were added since. It reports whether there were any.
func (p *Plan) Refresh() (changed bool, err error) {
	numbers, err := p.sweep.segmentNumbers()
	if err != nil {
		return false, fmt.Errorf("read plan: %w", err)
	}
	have := 0
	if n := len(p.Segments); n > 0 {
		have = p.Segments[n-1].Number
	}
	for _, n := range numbers {
		if n <= have {
			continue
		}
		seg, err := p.sweep.Segment(n)
		if err != nil {
			return changed, err
		}
		p.Segments = append(p.Segments, seg)
		changed = true
	}
	if changed || p.byID == nil {
		p.index()
	}
	return changed, nil
}

// Newest returns the number of the newest segment, 0 if there is none.
func (p *Plan) Newest() int {
	if len(p.Segments) == 0 {
		return 0
	}
	return p.Segments[len(p.Segments)-1].Number
}

// Header returns the header of the newest segment that defines the plan.
func (p *Plan) Header() *Header {
	for _, seg := range slices.Backward(p.Segments) {
		if seg.Kind == KindPlan || seg.Kind == KindAdd {
			return &seg.Header
		}
	}
	return nil
}

// Lookup returns the run with this ID.
func (p *Plan) Lookup(id string) *PlannedRun { return p.byID[id] }

func (p *Plan) index() {
	total := 0
	for _, seg := range p.Segments {
		total += len(seg.Runs)
	}
	p.byID = make(map[string]*PlannedRun, total)
	p.byBlock = map[string]*Block{}
	p.keys = map[[2]int]string{}
	order := make([]*PlannedRun, 0, total)
	store := make([]PlannedRun, 0, total) // one allocation; never grown, so pointers stay
	tries := make([]Try, total)           // room for the first try of each, which most have alone
	for _, seg := range p.Segments {
		if seg.Kind == KindPlan { // in place of every earlier plan
			for _, r := range order {
				r.Planned = false
			}
			order = order[:0:0]
		}
		seg.planned = make([]*PlannedRun, len(seg.Runs))
		for i := range seg.Runs {
			spec := &seg.Runs[i]
			r := p.byID[spec.ID]
			if r == nil {
				n := len(store)
				store = append(store, PlannedRun{ID: spec.ID, Name: spec.Name, Tries: tries[n : n : n+1]})
				r = &store[n]
				p.byID[spec.ID] = r
			}
			seg.planned[i] = r
			r.Spec, r.Segment = spec, seg
			if !r.Planned {
				r.Planned = true
				order = append(order, r)
			}
			if spec.Work && seg.Kind == KindRerun {
				r.Epoch = len(r.Tries)
			}
		}
		for k, g := range seg.Groups {
			key := g.Key
			if key == "" {
				key = GroupKey(g.Launcher)
			}
			p.keys[[2]int{seg.Number, k}] = key
			for i := range seg.Blocks[k] {
				b := &seg.Blocks[k][i]
				p.byBlock[b.Name()] = b
				for place, run := range b.Runs {
					r := seg.planned[run]
					r.Tries = append(r.Tries, Try{seg, b, int32(place)})
				}
			}
		}
		for _, a := range seg.Adopts {
			p.keys[[2]int{a.Segment, a.Group}] = a.Key
		}
	}
	p.Runs, p.Planned = order, len(order)
	for i := range store { // dropped runs stay visible, at the end
		if r := &store[i]; !r.Planned {
			p.Runs = append(p.Runs, r)
		}
	}
}

// Key returns the request that serves a block's workers now.
func (p *Plan) Key(b *Block) string { return p.keys[[2]int{b.Segment, b.Group}] }

// Group returns the newest group with this key, which says how to start its
// workers, or nil.
func (p *Plan) Group(key string) *Group {
	for _, seg := range slices.Backward(p.Segments) {
		for k := range seg.Groups {
			if seg.Groups[k].Key == key {
				return &seg.Groups[k]
			}
		}
	}
	return nil
}

// segment returns the segment of this number, or nil.
func (p *Plan) segment(number int) *Segment {
	i, ok := slices.BinarySearchFunc(p.Segments, number, func(s *Segment, n int) int { return s.Number - n })
	if !ok {
		return nil
	}
	return p.Segments[i]
}

// run returns the planned run at an index of a block's segment.
func (p *Plan) run(b *Block, i int32) *PlannedRun {
	return p.segment(b.Segment).planned[i]
}

// place returns where a run is in a block's runs: the first place, should it
// be there twice.
func (r *PlannedRun) place(b *Block) (int32, bool) {
	for _, t := range r.Tries {
		if t.Block == b {
			return t.place, true
		}
	}
	return 0, false
}

// lastTry reports whether the block is where the run's current try is, and which
// retry that is.
func (r *PlannedRun) lastTry(b *Block) (retry int, ok bool) {
	n := len(r.Tries)
	return n - 1, n > 0 && r.Tries[n-1].Block == b
}
