package sweep

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"orch/sweep/override"
)

// sequence is the values of an axis, not made yet: a range of a trillion is as
// cheap as a list of two.
type sequence struct {
	n        int64
	expand   func() ([]override.Value, error)
	interval *interval // no values: only random search can draw from it
	swept    bool      // several values were meant, even if there is one
	maps     bool      // a list of tables
}

// tables reports whether the values are tables, which assign several keys.
func (s *sequence) tables() bool { return s.maps }

func listSequence(list []override.Value) sequence {
	return sequence{
		n:      int64(len(list)),
		expand: func() ([]override.Value, error) { return list, nil },
		swept:  true,
		maps:   slices.ContainsFunc(list, func(v override.Value) bool { return v.Kind() == override.Map }),
	}
}

// countSequence is 0, 1, ... n-1.
func countSequence(n int64) sequence {
	return sequence{n: n, swept: true, expand: func() ([]override.Value, error) {
		list := make([]override.Value, n)
		for i := range list {
			list[i] = override.IntValue(int64(i))
		}
		return list, nil
	}}
}

// axisSequence reads what a [sweep] table has for a key: a list is its
// elements, a string may be in the grammar of overrides ("range(0,5)",
// "net2,net5"), anything else is one value. options gives the options of the
// group that a glob chooses from.
func axisSequence(v override.Value, key string, options func(string) []string) (sequence, error) {
	switch v.Kind() {
	case override.List:
		return listSequence(v.List()), nil
	case override.String:
	default:
		return listSequence([]override.Value{v}), nil
	}
	text, _ := v.Str()
	if seq, ok, err := spacedSequence(text); ok {
		return seq, err
	}
	_, s, err := override.ParseValue(text)
	switch {
	case err != nil && !strings.ContainsAny(text, "(,"):
		return listSequence([]override.Value{v}), nil // a text that no grammar knows, such as "a;b"
	case err != nil:
		return sequence{}, fmt.Errorf("%w\nto use it as a text, write a list of one: [%q]", err, text)
	case s == nil:
		return listSequence([]override.Value{v}), nil // as TOML has it: "5" stays a string
	}
	s.Group, _, _ = strings.Cut(key, "@") // model@encoder chooses from model, too
	return sweepSequence(s, options)
}

// sweepSequence is a sweep of the override grammar as a sequence.
func sweepSequence(s *override.Sweep, options func(string) []string) (sequence, error) {
	if s.Kind == override.Interval {
		low, _ := s.Start.Float()
		high, _ := s.Stop.Float()
		iv := &interval{low: low, high: high, log: slices.Contains(s.Tags, "log")}
		switch {
		case !finite(low) || !finite(high) || !(low < high) || math.IsInf(high-low, 0):
			return sequence{}, fmt.Errorf("interval(%s,%s): the ends must be finite, the smaller first", s.Start.Text(), s.Stop.Text())
		case iv.log && low <= 0:
			return sequence{}, errors.New("tag(log,interval(...)): both ends must be positive")
		}
		return sequence{n: math.MaxInt64, interval: iv, swept: true}, nil
	}
	env := override.Env{Options: options, Max: math.MaxInt}
	n, err := s.Len(env)
	if err != nil {
		return sequence{}, err
	}
	return sequence{
		n:      int64(n),
		swept:  true,
		expand: func() ([]override.Value, error) { return s.Values(env) },
		maps:   slices.ContainsFunc(s.Choices, func(v override.Value) bool { return v.Kind() == override.Map }),
	}, nil
}
