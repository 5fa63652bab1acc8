package override

import (
	"hash/fnv"
	"math/rand/v2"
	"slices"
)

// oneOf returns what shuffle and sort work on: list=, sweep=, or the positional
// arguments.
func (c *call) oneOf(pos []argument, named map[string]argument) ([]argument, bool) {
	for _, a := range pos {
		if a.extend || a.isSweep(Interval, Glob) || a.is(Null) {
			c.reject(a.pos, "takes values, a list, a choice or a range, not "+a.describe())
			return nil, false
		}
	}
	if a, ok := named["list"]; ok {
		if !a.is(List) {
			c.reject(a.pos, "list is a list, not "+a.describe())
			return nil, false
		}
		return []argument{a}, true
	}
	if a, ok := named["sweep"]; ok {
		if !a.isSweep(SimpleChoice, Choice, Range) {
			c.reject(a.pos, "sweep is a choice or a range, not "+a.describe())
			return nil, false
		}
		return []argument{a}, true
	}
	return pos, true
}

// shuffleCall: shuffle(a,b,...), shuffle(sweep) or shuffle([list]).
func shuffleCall(c *call) result {
	pos, named, ok := c.split("sweep", "list")
	if !ok {
		return result{}
	}
	args, ok := c.oneOf(pos, named)
	if !ok {
		return result{}
	}
	if len(args) != 1 {
		return c.simple(args, func(s *Sweep) { s.Shuffled = true })
	}
	switch a := args[0]; {
	case a.sweep != nil:
		s := *a.sweep
		s.Shuffled = true
		return result{sweep: &s}
	case a.is(List):
		list := slices.Clone(a.val.list)
		rng := newRand(c.p.src, uint64(c.pos))
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		c.p.shuffled = true
		return result{val: Value{kind: List, list: list}}
	default:
		return result{val: ListValue(a.val)}
	}
}

// newRand returns the generator of an order that nobody gave a seed for. It
// hangs on the text alone, so the same override means the same value wherever
// and whenever it is parsed: a run's identity is a hash of its values.
func newRand(text string, stream uint64) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(text))
	return rand.New(rand.NewPCG(h.Sum64(), stream))
}

// simple makes a simple sweep of the arguments.
func (c *call) simple(args []argument, with func(*Sweep)) result {
	s := c.newSweep(SimpleChoice)
	for _, a := range args {
		if a.sweep != nil || a.extend {
			return c.reject(a.pos, "takes one sweep, or several values, not both")
		}
		s.Choices = append(s.Choices, a.val)
	}
	with(s)
	return result{sweep: s}
}
