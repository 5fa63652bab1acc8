package dispatch

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"sync"
	"time"

	"orch/sweep"
	"orch/sweep/override"
	"orch/sweep/results"
)

// Publication says how a plan becomes a segment.
type Publication struct {
	Kind       results.Kind // KindPlan or KindAdd
	Rerun      bool         // runs that have ended get another try, and their results no longer count
	Part       bool         // the runs were chosen from a sweep's: a rerun of them says nothing of the others
	Provenance results.Provenance
	Source     []byte // the sweep file as given, or nil
	Changes    []byte // the patch against the provenance's commit, or nil

	// Code, if it is not nil, copies the code that the runs' programs start in.
	// It is called only if there is something to publish.
	Code func() (*results.Code, error)

	// CodeHash, which may be nil, tells by which hash Code would make a copy now.
	CodeHash func() (string, error)

	// Workers returns how many workers a resource request can have at once and
	// how many runs each executes at a time, for the sizes of blocks; known
	// says whether the request states how long a run takes.
	Workers func(table override.Value) (workers, parallel int, known bool, err error)

	// Late, which may be nil, fills in for [Publish] the provenance, the changes and
	// the code when they are needed: what finds them out may take until then. It is
	// called again if someone else publishes first.
	Late func(*Publication)

	launcher func(table override.Value) override.Value // of a retry: changes the request
}

// Published says what publishing did.
type Published struct {
	Segment   int      // its number, the last one's of two; 0: nothing to write, the tree has it all
	IDs       []string // of all runs of the plan, in order
	Total     int
	New       int // runs that get their first try
	Done      int // runs with a result
	Failed    int // runs that ended without one; orch retry opens them
	Open      int // runs that are queued or running already
	Dropped   int // runs of the plan before that this one does not have
	Again     int // runs that get another try (rerun)
	OtherCode int // of Done: results that another binary computed
}

// Publish writes what a plan adds to a sweep as a new segment. Runs that have
// ended or are open keep what they have; so a plan that is submitted again
// changes nothing, and one that was edited keeps every result whose run has
// the same identity. A rerun is a second segment: the first says what the plan is,
// as without it, and alone does no harm, should this process die between the two.
// If someone else publishes at the same time it looks again.
func Publish(s *results.Sweep, plan *sweep.Plan, o Publication) (*Published, error) {
	return anew(func() (*Published, error) {
		sn, err := s.Snapshot()
		if err != nil {
			return nil, err
		}
		return publish(s, sn, plan, o)
	})
}

// anew decides again whenever someone else has changed the plan meanwhile. Where
// listings are cached it may take a while until that is seen, so it asks less and
// less often.
func anew[T any](decide func() (T, error)) (T, error) {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		x, err := decide()
		if !errors.Is(err, results.ErrChanged) {
			return x, err
		}
		time.Sleep(wait)
	}
}

func publish(s *results.Sweep, sn *results.Snapshot, plan *sweep.Plan, o Publication) (*Published, error) {
	states := map[string]results.RunState{}
	for _, st := range sn.Derive() {
		states[st.Run.ID] = st
	}
	blocked := map[string]bool{}
	for _, b := range sn.Blocked() {
		for _, r := range b.Runs {
			blocked[r.ID] = true
		}
	}
	pub := &Published{}
	h := plan.Header()
	h.Kind = o.Kind
	late := sync.OnceFunc(func() {
		if o.Late != nil {
			o.Late(&o)
		}
	})
	for k := range h.Groups {
		h.Groups[k].Key = results.GroupKey(h.Groups[k].Launcher)
	}
	untried := func(spec *results.RunSpec) bool {
		st, known := states[spec.ID]
		return !known || len(st.Run.Tries) == 0
	}
	again := func(spec *results.RunSpec) bool {
		st, known := states[spec.ID]
		return o.Rerun && known && len(st.Run.Tries) > 0 && (st.End != nil || blocked[spec.ID])
	}
	untriedOf, againOf := make([]int, len(h.Groups)), make([]int, len(h.Groups)) // runs by group
	adopt := map[[2]int]string{}
	listed := map[string]bool{}
	same := true // the newest plan has exactly these runs, planned
	for spec, err := range plan.Specs() {
		if err != nil {
			return nil, err
		}
		pub.IDs = append(pub.IDs, spec.ID)
		pub.Total++
		listed[spec.ID] = true
		st, known := states[spec.ID]
		same = same && known && st.Run.Planned
		switch {
		case untried(&spec):
			pub.New++
			untriedOf[spec.Group]++
			continue
		case again(&spec):
			pub.Again++
			againOf[spec.Group]++
			continue
		}
		switch st.State {
		case results.StateDone:
			pub.Done++
			late()
			if o.otherCode(&st) {
				pub.OtherCode++
			}
		case results.StateFailed:
			pub.Failed++
			// What was changed for them is in the tree when they are retried.
			key := h.Groups[spec.Group].Key
			if now, _ := request(sn.Plan, st.Run); now != key && !raised(sn.Plan, st.Run, key) {
				same = false
			}
		default:
			pub.Open++
			b := st.Run.Tries[len(st.Run.Tries)-1].Block
			if key := h.Groups[spec.Group].Key; sn.Plan.Key(b) != key && !raised(sn.Plan, st.Run, key) {
				adopt[[2]int{b.Segment, b.Group}] = key
			}
		}
	}
	if o.Kind == results.KindPlan {
		for id, st := range states {
			if st.Run.Planned && !listed[id] {
				pub.Dropped++
			}
		}
	}
	news := !same || pub.New+pub.Dropped+len(adopt) > 0 || !sameHeader(sn.Plan.Header(), &h)
	if old := sn.Plan.Header(); o.Rerun && o.Part && same && pub.New == 0 && pub.Dropped > 0 && old != nil && old.Study.Equal(h.Study) && old.Retry.Equal(h.Retry) {
		news, pub.Dropped = false, 0
	}
	if !news && pub.Again == 0 {
		return pub, nil
	}
	known := make([]bool, len(h.Groups)) // how long its runs take
	for k := range h.Groups {
		g := &h.Groups[k]
		workers, parallel, timed, err := o.Workers(g.Launcher)
		if err != nil {
			return nil, err
		}
		g.Workers, known[k] = workers*parallel, timed
	}
	late()
	h.Provenance, h.Changes = o.Provenance, o.Changes
	if o.Code != nil {
		code, err := o.Code()
		if err != nil {
			return nil, fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		h.Code = code
	}
	newest := sn.Plan.Newest()
	write := func(kind results.Kind, work func(*results.RunSpec) bool, perGroup []int, adopts []results.Adoption) error {
		h := h
		h.Kind, h.Adopts, h.Groups = kind, adopts, slices.Clone(h.Groups)
		for k := range h.Groups {
			g := &h.Groups[k]
			g.Single = oneByOne(g.Launcher) || results.SingleBlocks(perGroup[k], g.Workers, known[k])
		}
		specs := func(yield func(results.RunSpec, error) bool) {
			for spec, err := range plan.Specs() {
				if err == nil {
					spec.Work = work(&spec)
				}
				if !yield(spec, err) {
					return
				}
			}
		}
		n, err := s.Publish(h, iter.Seq2[results.RunSpec, error](specs), o.Source, newest)
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		pub.Segment, newest = n, n
		return nil
	}
	if news {
		var adopts []results.Adoption
		for at, key := range adopt {
			adopts = append(adopts, results.Adoption{Segment: at[0], Group: at[1], Key: key})
		}
		if err := write(o.Kind, untried, untriedOf, adopts); err != nil {
			return nil, err
		}
	}
	if pub.Again > 0 {
		if err := write(results.KindRerun, again, againOf, nil); err != nil {
			return nil, err
		}
	}
	return pub, nil
}

// request returns the resource request that a run's next try has: that of its
// last one, unless it was planned with another since.
func request(p *results.Plan, r *results.PlannedRun) (key string, table override.Value) {
	last := r.Tries[len(r.Tries)-1]
	if r.Segment.Number > last.Segment.Number {
		g := r.Segment.Groups[r.Spec.Group]
		if g.Key == "" {
			g.Key = results.GroupKey(g.Launcher)
		}
		return g.Key, g.Launcher
	}
	key = p.Key(last.Block)
	return key, p.Group(key).Launcher
}

// raised reports whether it was the retry policy that changed a run's request
// from this one: then the file is as it was.
func raised(p *results.Plan, r *results.PlannedRun, key string) bool {
	for i := len(r.Tries) - 1; i > 0 && r.Tries[i].Segment.Kind == results.KindRetry; i-- {
		if p.Key(r.Tries[i-1].Block) == key {
			return true
		}
	}
	return false
}

// otherCode reports whether a result was computed by other code than there is
// now: of orch, or of the program's work tree, as far as both are known.
func (o *Publication) otherCode(st *results.RunState) bool {
	a, now := &st.Attempts[st.Counted], &o.Provenance
	if a.Holder != nil && a.Holder.Orch != "" && a.Holder.Orch != now.Orch {
		return true
	}
	if len(st.Run.Tries) == 0 {
		return false
	}
	seg := st.Run.Tries[len(st.Run.Tries)-1].Segment
	if seg.Code != nil && o.CodeHash != nil {
		hash, err := o.CodeHash()
		return err == nil && hash != seg.Code.Hash
	}
	if now.Commit == "" {
		return false
	}
	if _, program := st.Run.Segment.Bases[st.Run.Spec.Base].Lookup("task"); !program || seg.Provenance.Commit == "" {
		return false
	}
	return seg.Provenance.Commit != now.Commit || seg.Provenance.DirtyHash != now.DirtyHash
}

// sameHeader reports whether a new segment would say nothing new besides its
// runs: a changed hypothesis, for one, is news, and so is a changed time limit,
// which is no part of a run's identity.
func sameHeader(old, h *results.Header) bool {
	if old == nil || len(old.Owes) != len(h.Owes) || len(old.Axes) != len(h.Axes) || len(old.Volatile) != len(h.Volatile) {
		return false
	}
	if !slices.EqualFunc(old.Bases, h.Bases, override.Value.Equal) {
		return false
	}
	for i := range h.Owes {
		if old.Owes[i] != h.Owes[i] {
			return false
		}
	}
	for i := range h.Volatile {
		if old.Volatile[i] != h.Volatile[i] {
			return false
		}
	}
	for i, a := range h.Axes {
		b := old.Axes[i]
		if a.Key != b.Key || len(a.Values) != len(b.Values) {
			return false
		}
		for j := range a.Values {
			if !a.Values[j].Equal(b.Values[j]) {
				return false
			}
		}
	}
	return old.Study.Equal(h.Study) && old.Retry.Equal(h.Retry)
}
