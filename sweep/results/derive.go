package results

import "slices"

// RunStateName is where a run is in its life, derived from evidence and never
// stored.
type RunStateName string

// The states.
const (
	StateDone      RunStateName = "done"      // a counted end of class Done
	StateFailed    RunStateName = "failed"    // a counted final end of another class
	StateRunning   RunStateName = "running"   // started under an open claim
	StateQueued    RunStateName = "queued"    // nobody works on it yet, or not any more
	StateHeld      RunStateName = "held"      // an order keeps it from starting
	StateCancelled RunStateName = "cancelled" // the user took it back before it ended
	StateUnplanned RunStateName = "unplanned" // a later plan dropped it before it ended
)

// RunState is what the evidence says about one run.
type RunState struct {
	Run      *PlannedRun
	State    RunStateName
	End      *Record // the counted end, for done and failed
	Counted  int     // index into Attempts of the counted one, or -1
	Sealed   bool    // the counted end is under a seal: no later evidence can change it
	Attempts []AttemptState
	Order    *Order // for held and cancelled
}

// AttemptState is one execution of a run.
type AttemptState struct {
	Segment    int
	Block      string
	Gen        int
	Folder     string  // name below runs/<run>/
	Holder     *Holder // who executed it; nil if its claim cannot be read
	Start      *Record
	End        *Record // nil: it has not ended, or vanished
	Checkpoint *Record // the last
	Class      Class   // how it ended; of an attempt that vanished, what became of its worker; NoEnd: it goes on
	Open       bool    // its generation is not sealed
	Counts     bool    // its records are counted, by a mark or the seal
}

// Derive computes the state of every run. It is pure and total: any subset of
// the evidence gives an answer, and the same evidence the same answer.
func (sn *Snapshot) Derive() []RunState {
	states := make([]RunState, len(sn.Plan.Runs))
	views := map[*Block][]genView{}
	for i, r := range sn.Plan.Runs {
		states[i] = sn.deriveRun(r, views)
	}
	return states
}

// genView is a generation indexed by run, computed once for all its runs.
type genView struct {
	*generation
	gen     int
	counted map[string]history
	seen    map[string]history // all intact records, counted or not
}

func (sn *Snapshot) views(b *Block, cache map[*Block][]genView) []genView {
	if v, ok := cache[b]; ok {
		return v
	}
	name := b.Name()
	newest, ok := sn.latest[name]
	var views []genView
	if ok {
		for n := 0; n <= newest; n++ {
			g := sn.gens[genName(name, n)]
			if g == nil {
				continue
			}
			counted, err := g.counts()
			if err != nil {
				sn.problem(Problem{"claims/" + genName(name, n) + sealSuffix, 0, err.Error()})
			}
			views = append(views, genView{g, n, histories(counted), histories(g.records)})
		}
	}
	cache[b] = views
	return views
}

func histories(records []evidence) map[string]history {
	m := make(map[string]history, 1+len(records)/2)
	for i := range records {
		r := &records[i].Record
		h := m[r.Run]
		switch {
		case r.Kind == RecordStart && h.start == nil:
			h.start = r
		case r.Kind == RecordCheckpoint:
			h.checkpoint = r
		case r.Kind == RecordEnd && h.end == nil:
			h.end = r
		}
		m[r.Run] = h
	}
	return m
}

func (sn *Snapshot) deriveRun(r *PlannedRun, cache map[*Block][]genView) RunState {
	st := RunState{Run: r, State: StateQueued, Counted: -1, Order: sn.Orders.Of(r.ID)}
	running := false
	for t, try := range r.Tries {
		for _, v := range sn.views(try.Block, cache) {
			h, counted := v.counted[r.ID]
			seen := v.seen[r.ID]
			if !counted && seen.start == nil && seen.end == nil {
				continue
			}
			a := AttemptState{Segment: try.Segment.Number, Block: try.Block.Name(), Gen: v.gen,
				Start: seen.start, End: seen.end, Checkpoint: seen.checkpoint, Open: v.seal == nil, Counts: counted}
			if counted {
				a.Start, a.End, a.Checkpoint = h.start, h.end, h.checkpoint
				if v.seal == nil && a.End == nil { // begun under a mark, ended since
					a.End = seen.end
				}
			}
			a.Folder = AttemptName(t, v.gen)
			if a.Start != nil && a.Start.Folder != "" {
				a.Folder = a.Start.Folder
			}
			if v.claim != nil {
				a.Holder = &v.claim.Holder
			}
			switch {
			case a.End != nil:
				a.Class = a.End.Class
			case v.seal != nil && v.seal.Class != NoEnd:
				a.Class = v.seal.Class
			case v.seal != nil:
				a.Class = Lost
			}
			st.Attempts = append(st.Attempts, a)
			if t < r.Epoch {
				continue
			}
			if h.final() && (st.End == nil || st.End.Class != Done) {
				st.End, st.Counted, st.Sealed = h.end, len(st.Attempts)-1, v.seal != nil
			}
			running = v.seal == nil && t == len(r.Tries)-1 && !h.final()
		}
	}
	ended := st.End != nil && (st.End.Class == Done || st.Counted >= 0 && sn.lastTry(r, st))
	switch {
	case ended && st.End.Class == Done:
		st.State = StateDone
	case ended && st.End.Class == Cancelled:
		st.State = StateCancelled
	case ended:
		st.State = StateFailed
	case !r.Planned:
		st.State = StateUnplanned
	case running:
		st.State = StateRunning
	case st.Order != nil && st.Order.Action == ActionCancel:
		st.State = StateCancelled
	case st.Order != nil:
		st.State = StateHeld
	}
	if !ended {
		st.End, st.Counted, st.Sealed = nil, -1, false
	}
	return st
}

// lastTry reports whether the counted end is of the run's last try: after a
// retry was asked for, an earlier failure is history.
func (sn *Snapshot) lastTry(r *PlannedRun, st RunState) bool {
	a := st.Attempts[st.Counted]
	last := r.Tries[len(r.Tries)-1]
	return a.Segment == last.Segment.Number && a.Block == last.Block.Name()
}

// Counts are the numbers of runs by state.
type Counts struct {
	Total     int `json:"total"`
	Done      int `json:"done"`
	Failed    int `json:"failed"`
	Running   int `json:"running"`
	Queued    int `json:"queued"`
	Held      int `json:"held"`
	Cancelled int `json:"cancelled"`
	Unplanned int `json:"unplanned"`
}

// Count counts the states. Total leaves out unplanned runs.
func Count(states []RunState) Counts {
	var c Counts
	for _, st := range states {
		c.Total++
		switch st.State {
		case StateDone:
			c.Done++
		case StateFailed:
			c.Failed++
		case StateRunning:
			c.Running++
		case StateQueued:
			c.Queued++
		case StateHeld:
			c.Held++
		case StateCancelled:
			c.Cancelled++
		}
		if !st.Run.Planned {
			c.Total--
			c.Unplanned++
		}
	}
	return c
}

// Open returns how many runs are still to do for each resource request, by its
// key: queued ones, and running ones too.
func (sn *Snapshot) Open(states []RunState) (queued, running map[string]int) {
	queued, running = map[string]int{}, map[string]int{}
	for _, st := range states {
		if len(st.Run.Tries) == 0 {
			continue
		}
		key := sn.Plan.Key(st.Run.Tries[len(st.Run.Tries)-1].Block)
		switch st.State {
		case StateQueued:
			queued[key]++
		case StateRunning:
			running[key]++
		}
	}
	return queued, running
}

// Keys returns the keys of all resource requests, in the order of the plan.
func (p *Plan) Keys() []string {
	var keys []string
	for _, seg := range p.Segments {
		for k := range seg.Groups {
			if key := p.keys[[2]int{seg.Number, k}]; !slices.Contains(keys, key) {
				keys = append(keys, key)
			}
		}
	}
	return keys
}
