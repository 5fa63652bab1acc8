package override

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strconv"
)

// SweepKind tells how a [Sweep] gives its values.
type SweepKind uint8

// The kinds of sweeps.
const (
	SimpleChoice SweepKind = iota // a,b,c
	Choice                        // choice(a,b,c)
	Range                         // range(start,stop,step)
	Interval                      // interval(start,end): no list of values, only a search can draw from it
	Glob                          // glob(pattern): options of the config group that is swept
)

// String returns "simple_choice", "choice", "range", "interval" or "glob".
func (k SweepKind) String() string {
	switch k {
	case SimpleChoice:
		return "simple_choice"
	case Choice:
		return "choice"
	case Range:
		return "range"
	case Interval:
		return "interval"
	case Glob:
		return "glob"
	}
	return "sweep(" + strconv.Itoa(int(k)) + ")"
}

func (k SweepKind) noun() string {
	if k == SimpleChoice {
		return "comma sweep"
	}
	return k.String()
}

// Sweep is the right-hand side of an override that stands for several values.
type Sweep struct {
	Kind             SweepKind
	Choices          []Value  // SimpleChoice, Choice
	Start, Stop      Value    // Range: numbers, Stop excluded. Interval: its two ends, floats
	Step             Value    // Range
	Include, Exclude []string // Glob: patterns in the manner of a shell
	Tags             []string // names from tag(...), sorted; for searches, a grid ignores them
	Shuffled         bool     // the order of the values is to be drawn
	Group            string   // Glob: the config group to choose from; Parse sets it to the key

	src string // the text it was written in, for errors and for a default seed
	col int
}

// DefaultMax is the number of values above which a sweep is refused when
// [Env.Max] is 0.
const DefaultMax = 1_000_000

// Env is what a sweep needs from outside to become values.
type Env struct {
	// Options returns the options of a config group such as "model"; a glob
	// chooses from them, in the order of their names.
	Options func(group string) []string
	// Rand draws the order of a shuffled sweep. If it is nil the order hangs on
	// the text of the override alone.
	Rand *rand.Rand
	// Max bounds the number of values; 0 means DefaultMax.
	Max int
}

func (s *Sweep) refuse(class, msg string) error {
	return &Error{Stage: StageExpand, Class: class, Col: s.col, Msg: msg, Input: s.src}
}

// Len returns the number of values without making them. It needs only the
// Options of env, and those only for a glob. It fails, with an [*Error] of stage
// expand, for an interval, for a range whose step is 0 or whose end is infinite,
// and if the number does not fit in an int; Max does not bound it.
func (s *Sweep) Len(env Env) (int, error) {
	switch s.Kind {
	case Range:
		sp, err := s.span()
		if err != nil {
			return 0, err
		}
		return sp.n, nil
	case Interval:
		return 0, s.refuse(ClassNoList, "an interval has no list of values, only a search can draw from it: "+
			"use range(start,stop,step) or choice(a,b,c)")
	case Glob:
		names, err := s.matches(env)
		return len(names), err
	}
	return len(s.Choices), nil
}

// Values returns the values in the order of the sweep. It fails as [Sweep.Len]
// does, and if there are more than env.Max.
func (s *Sweep) Values(env Env) ([]Value, error) {
	seq, err := s.All(env)
	if err != nil {
		return nil, err
	}
	n, err := s.Len(env)
	if err != nil {
		return nil, err
	}
	vs := make([]Value, 0, n)
	for v := range seq {
		vs = append(vs, v)
	}
	return vs, nil
}

// All is [Sweep.Values] one at a time: a range that is not shuffled takes no
// memory. The sequence may be walked several times; each walk of a shuffled
// sweep gives the same order.
func (s *Sweep) All(env Env) (iter.Seq[Value], error) {
	n, err := s.Len(env)
	if err != nil {
		return nil, err
	}
	most := env.Max
	if most == 0 {
		most = DefaultMax
	}
	if n > most {
		return nil, s.refuse(ClassTooMany, fmt.Sprintf("this sweep has %d values, the bound is %d: make the step larger, or raise the bound", n, most))
	}
	var at func(i int) Value
	switch s.Kind {
	case Range:
		sp, err := s.span()
		if err != nil {
			return nil, err
		}
		at = sp.at
	case Glob:
		names, err := s.matches(env)
		if err != nil {
			return nil, err
		}
		at = func(i int) Value { return StringValue(names[i]) }
	default:
		at = func(i int) Value { return s.Choices[i] }
	}
	var order []int
	if s.Shuffled {
		rng := env.Rand
		if rng == nil {
			rng = newRand(s.src, uint64(s.col))
		}
		order = rng.Perm(n)
	}
	return func(yield func(Value) bool) {
		for i := range n {
			if order != nil {
				i = order[i]
			}
			if !yield(at(i)) {
				return
			}
		}
	}, nil
}

// matches returns the options of the group that a glob selects, by name.
func (s *Sweep) matches(env Env) ([]string, error) {
	if env.Options == nil {
		return nil, s.refuse(ClassNoList, "glob chooses from the options of a config group, and here is none: list the values")
	}
	options := slices.Clone(env.Options(s.Group))
	slices.Sort(options)
	any := func(patterns []string, name string) bool {
		return slices.ContainsFunc(patterns, func(p string) bool { return globMatch(p, name) })
	}
	return slices.DeleteFunc(options, func(name string) bool {
		return !any(s.Include, name) || any(s.Exclude, name)
	}), nil
}

// Equal reports whether two sweeps were written with the same kind, values,
// tags and group, wherever they were written.
func (s *Sweep) Equal(t *Sweep) bool {
	if s == nil || t == nil {
		return s == t
	}
	return s.Kind == t.Kind && s.Shuffled == t.Shuffled && s.Group == t.Group &&
		slices.EqualFunc(s.Choices, t.Choices, Value.Equal) &&
		s.Start.Equal(t.Start) && s.Stop.Equal(t.Stop) && s.Step.Equal(t.Step) &&
		slices.Equal(s.Include, t.Include) && slices.Equal(s.Exclude, t.Exclude) && slices.Equal(s.Tags, t.Tags)
}
