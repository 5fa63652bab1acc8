package sweep

import (
	"encoding/hex"
	"iter"

	"orch/sweep/compose"
	"orch/sweep/override"
	"orch/sweep/results"
)

// Plan is the expansion of a sweep: all that its runs will ever know. It is
// immutable and safe for concurrent use.
type Plan struct {
	Name     string           // of the sweep; empty if nothing names it
	Axes     []results.Axis   // what is swept, in order; axes with one value too
	Study    override.Value   // [study], resolved; null without one
	Retry    override.Value   // [retry], resolved; null without one
	Volatile []string         // what identity leaves out: [Volatile] and the config's own
	Owes     []string         // metrics every run must have: the study's and the program's
	Bases    []override.Value // resolved run configs, one for each set of group options
	Choices  []override.Value // by base: the option of every config group, {"model": "net5"}
	Groups   []results.Group  // distinct resource requests, with the number of their runs
	Notes    []string         // what the user should know, one sentence each

	blocks    []*planBlock
	ids       [][idBytes]byte // by run
	known     []string        // by run: the name it already has; nil if no run has one
	nextIndex int
	fallback  []byte            // label of a plan in which nothing varies
	composed  []*compose.Config // by base
}

// planBlock is a space with what its points mean.
type planBlock struct {
	*space
	composed combination          // of the dimensions with composed axes
	variants []*variant           // by combination; nil: none of its points is a run
	kept     []uint32             // ordinals of the points that are runs; nil: all
	pieces   []func(int32) string // by axis: what a name says of each value; nil if the axis does not vary
}

func (b *planBlock) variant(w *walker) *variant { return b.variants[b.composed.index(w)] }

// Len returns the number of runs.
func (p *Plan) Len() int { return len(p.ids) }

// Header returns the plan as the header of a segment, of kind
// [results.KindPlan]. Publishing adds provenance and numbers.
func (p *Plan) Header() results.Header {
	groups := make([]results.Group, len(p.Groups))
	copy(groups, p.Groups)
	for i := range groups {
		groups[i].Runs = 0 // counted as the runs are written
	}
	return results.Header{
		Kind: results.KindPlan, Sweep: p.Name, Axes: p.Axes, Study: p.Study, Retry: p.Retry,
		Bases: p.Bases, Choices: p.Choices, Groups: groups, Owes: p.Owes, Volatile: p.Volatile,
	}
}

// Specs yields the runs in plan order, each with Work set. It holds one run at
// a time: a plan of a million costs no more memory than one of ten. Every call
// yields the same.
func (p *Plan) Specs() iter.Seq2[results.RunSpec, error] {
	return func(yield func(results.RunSpec, error) bool) {
		run, index := 0, p.nextIndex
		var buf, label []byte
		for _, b := range p.blocks {
			for w := range b.points() {
				v := b.variant(w)
				spec := results.RunSpec{Base: v.base, Work: true}
				group, err := v.group.at(w)
				if err == nil {
					spec.Group = int(group)
					spec.Delta, err = v.fields(w)
				}
				var id [idDigits]byte
				hex.Encode(id[:], p.ids[run][:])
				spec.ID = string(id[:])
				if p.known != nil && p.known[run] != "" {
					spec.Name = p.known[run]
				} else {
					if label = b.label(label[:0], w); len(label) == 0 {
						label = append(label, p.fallback...)
					}
					buf = appendName(buf[:0], index, label, spec.ID)
					spec.Name = string(buf)
					index++
				}
				run++
				if !yield(spec, err) || err != nil {
					return
				}
			}
		}
	}
}

// Named returns the plan with the names that a results tree has given to runs
// of these identities, the others numbered from nextIndex on; see
// [Request.Known]. The plan itself stays as it is.
func (p *Plan) Named(known func(id string) (name string, ok bool), nextIndex int) *Plan {
	q := *p
	q.known, q.nextIndex = nil, nextIndex
	if known == nil {
		return &q
	}
	for i, id := range p.ids {
		name, ok := known(hex.EncodeToString(id[:]))
		if !ok {
			continue
		}
		if q.known == nil {
			q.known = make([]string, len(p.ids))
		}
		q.known[i] = name
	}
	return &q
}

// Composed returns the config that a base was resolved from, with all its
// choices and the origin of every value: what `orch plan --show` prints.
func (p *Plan) Composed(base int) *compose.Config { return p.composed[base] }

// points yields the walker at every run of a block.
func (b *planBlock) points() iter.Seq[*walker] {
	return func(yield func(*walker) bool) {
		w := b.walk()
		if b.kept == nil {
			for w.step() && yield(w) {
			}
			return
		}
		for _, ordinal := range b.kept {
			w.seek(int(ordinal))
			if !yield(w) {
				return
			}
		}
	}
}

// label appends the swept values of a point as they show in a name.
func (b *planBlock) label(label []byte, w *walker) []byte {
	for a, piece := range b.pieces {
		if piece != nil {
			label = appendPiece(label, piece(w.at[a]))
		}
	}
	return label
}

// Swept yields, run by run in plan order, the values of the swept keys in the
// order of the axes: what a listing shows of a run before there are results.
// An axis that a [[sweep]] block lacks is left out of its runs.
func (p *Plan) Swept() iter.Seq[[]override.Field] {
	return func(yield func([]override.Field) bool) {
		for _, b := range p.blocks {
			for w := range b.points() {
				fields := make([]override.Field, len(b.axes))
				for i, a := range b.axes {
					fields[i] = override.Field{Key: override.StringValue(a.key), Val: a.values[w.at[i]]}
				}
				if !yield(fields) {
					return
				}
			}
		}
	}
}
