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
// the evidence gives an answer, and the same evidence the same answer. So the
// answer is kept until a Refresh finds something new, and the caller must not
// change it.
func (sn *Snapshot) Derive() []RunState {
	if sn.states == nil {
		d := sn.derivation()
		sn.states = make([]RunState, len(sn.Plan.Runs))
		for i, r := range sn.Plan.Runs {
			sn.states[i] = d.run(r)
		}
	}
	return sn.states
}

// derivation is one pass over all runs.
type derivation struct {
	sn       *Snapshot
	views    map[*Block]*blockView
	last     *blockView     // of views: runs come block by block
	attempts []AttemptState // room for the next ones, so that not every run allocates
}

func (sn *Snapshot) derivation() *derivation {
	return &derivation{sn: sn, views: map[*Block]*blockView{}, last: new(blockView)}
}

// blockView is a block with its generations that have any evidence.
type blockView struct {
	block *Block
	name  string
	gens  []genView
}

// genView is a generation indexed by run, computed once for all its runs.
type genView struct {
	*generation
	gen     int
	counted histories
	seen    histories // all intact records, counted or not
}

func (d *derivation) view(b *Block) *blockView {
	if d.last.block == b {
		return d.last
	}
	v := d.views[b]
	if v == nil {
		v = &blockView{block: b, name: b.Name()}
		v.gens = d.sn.genViews(b, v.name)
		d.views[b] = v
	}
	d.last = v
	return v
}

func (sn *Snapshot) genViews(b *Block, name string) []genView {
	var views []genView
	if newest, ok := sn.latest[name]; ok {
		for n := 0; n <= newest; n++ {
			g := sn.gens[genName(name, n)]
			if g == nil {
				continue
			}
			counted, err := g.counts()
			if err != nil {
				sn.problem(Problem{"claims/" + genName(name, n) + sealSuffix, 0, err.Error()})
			}
			v := genView{generation: g, gen: n, seen: sn.Plan.histories(b, g.records)}
			if v.counted = v.seen; !slices.Equal(counted, g.records) {
				v.counted = sn.Plan.histories(b, counted)
			}
			views = append(views, v)
		}
	}
	return views
}

func (d *derivation) run(r *PlannedRun) RunState {
	st := RunState{Run: r, State: StateQueued, Counted: -1, Order: d.sn.Orders.Of(r.ID)}
	running := false
	if cap(d.attempts)-len(d.attempts) < 4 {
		d.attempts = make([]AttemptState, 0, 256)
	}
	from := len(d.attempts)
	for t, try := range r.Tries {
		view := d.view(try.Block)
		place, _ := r.place(try.Block)
		for g := range view.gens {
			v := &view.gens[g]
			h, counted := v.counted.of(place)
			seen, _ := v.seen.of(place)
			if !counted && seen.start == nil && seen.end == nil {
				continue
			}
			a := AttemptState{Segment: try.Segment.Number, Block: view.name, Gen: v.gen,
				Start: seen.start, End: seen.end, Checkpoint: seen.checkpoint, Open: v.seal == nil, Counts: counted}
			if counted {
				a.Start, a.End, a.Checkpoint = h.start, h.end, h.checkpoint
				if v.seal == nil && a.End == nil { // begun under a mark, ended since
					a.End = seen.end
				}
			}
			if a.Start != nil && a.Start.Folder != "" {
				a.Folder = a.Start.Folder
			} else {
				a.Folder = AttemptName(t, v.gen)
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
			d.attempts = append(d.attempts, a)
			st.Attempts = d.attempts[from:len(d.attempts):len(d.attempts)]
			if t < r.Epoch {
				continue
			}
			if h.final() && (st.End == nil || st.End.Class != Done) {
				st.End, st.Counted, st.Sealed = h.end, len(st.Attempts)-1, v.seal != nil
			}
			running = v.seal == nil && t == len(r.Tries)-1 && !h.final()
		}
	}
	ended := st.End != nil && (st.End.Class == Done || st.Counted >= 0 && d.lastTry(r, st))
	if !ended && !running {
		if end := d.sn.unreadable(r); end != nil {
			st.End, st.Counted, st.Sealed, ended = end, -1, true, true
		}
	}
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
func (d *derivation) lastTry(r *PlannedRun, st RunState) bool {
	a := st.Attempts[st.Counted]
	last := r.Tries[len(r.Tries)-1]
	return a.Segment == last.Segment.Number && a.Block == d.view(last.Block).name
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

// Count counts the states of the planned runs; the others are only a number.
func Count(states []RunState) Counts {
	var c Counts
	for _, st := range states {
		if !st.Run.Planned {
			c.Unplanned++
			continue
		}
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

// Claimants returns the keys of the requests that have runs to do, or workers
// that hold some, in the order of the plan.
func (sn *Snapshot) Claimants(states []RunState) []string {
	queued, running := sn.Open(states)
	held := map[string]bool{}
	for _, c := range sn.OpenClaims() {
		held[c.Key] = true
	}
	return slices.DeleteFunc(sn.Plan.Keys(), func(key string) bool { return queued[key]+running[key] == 0 && !held[key] })
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
