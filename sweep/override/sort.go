package override

import (
	"cmp"
	"slices"
	"strings"
)

// sortCall: sort(a,b,...), sort(sweep) or sort([list]), each with reverse=.
// A single value is returned as it is.
func sortCall(c *call) result {
	pos, named, ok := c.split("sweep", "list", "reverse")
	if !ok {
		return result{}
	}
	reverse := false
	if a, ok := named["reverse"]; ok {
		if !a.is(Bool) {
			return c.reject(a.pos, "reverse is true or false, not "+a.describe())
		}
		reverse = a.val.Bool()
	}
	args, ok := c.oneOf(pos, named)
	if !ok {
		return result{}
	}
	if len(args) == 0 {
		return c.reject(c.pos, "needs something to sort")
	}
	if len(args) > 1 {
		for _, a := range args {
			if !a.is(Int, Float, Bool, String) {
				return c.reject(a.pos, "sorts several numbers or texts, or one list or sweep, not "+a.describe()+" among others")
			}
		}
		msg := ""
		r := c.simple(args, func(s *Sweep) { s.Choices, msg = sorted(s.Choices, reverse) })
		if msg != "" {
			return c.reject(c.pos, msg)
		}
		return r
	}
	switch a := args[0]; {
	case a.isSweep(Range):
		s := *a.sweep
		s.sortRange(reverse)
		return result{sweep: &s}
	case a.sweep != nil:
		s := *a.sweep
		var msg string
		if s.Choices, msg = sorted(s.Choices, reverse); msg != "" {
			return c.reject(c.pos, msg)
		}
		return result{sweep: &s}
	case a.is(List):
		list, msg := sorted(a.val.list, reverse)
		if msg != "" {
			return c.reject(c.pos, msg)
		}
		return result{val: Value{kind: List, list: list}}
	default:
		return result{val: a.val}
	}
}

// sorted returns a sorted copy; equal elements keep their order. msg says why
// two elements have none.
func sorted(vs []Value, reverse bool) (out []Value, msg string) {
	out = slices.Clone(vs)
	slices.SortStableFunc(out, func(a, b Value) int {
		n, ok := compare(a, b)
		if !ok && msg == "" {
			msg = "cannot order " + shorten(a.Text()) + " (" + a.kind.String() + ") and " + shorten(b.Text()) + " (" + b.kind.String() +
				"): make them all numbers or all texts, as with str(...)"
		}
		if reverse {
			return -n
		}
		return n
	})
	return out, msg
}

// compare orders numbers and booleans by value, texts by character, lists by
// their elements, as Python does.
func compare(a, b Value) (n int, ok bool) {
	switch {
	case a.kind == String && b.kind == String:
		return strings.Compare(a.text, b.text), true
	case a.kind == List && b.kind == List:
		for i := range min(len(a.list), len(b.list)) {
			if n, ok := compare(a.list[i], b.list[i]); n != 0 || !ok {
				return n, ok
			}
		}
		return cmp.Compare(len(a.list), len(b.list)), true
	case a.kind == Int && b.kind == Int && a.text == "" && b.text == "":
		return cmp.Compare(a.num, b.num), true
	}
	x, okx := a.number()
	y, oky := b.number()
	if !okx || !oky {
		return 0, false
	}
	if rx, ry := rational(a), rational(b); rx != nil && ry != nil {
		return rx.Cmp(ry), true
	}
	return cmp.Compare(x, y), true
}

// number returns an int, a float or a boolean as a float64.
func (v Value) number() (float64, bool) {
	if v.kind == Bool {
		return float64(v.num), true
	}
	return v.Float()
}
