package override

import (
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// castTo returns the function int, float, bool or str. A cast applies to each
// element of a list, each value of a dict and each option of a choice; several
// arguments make a simple sweep.
func castTo(kind Kind) func(*call) result {
	return func(c *call) result {
		pos, named, ok := c.split("value")
		if !ok {
			return result{}
		}
		if a, ok := named["value"]; ok {
			if len(pos) > 0 {
				return c.reject(a.pos, "takes positional arguments or value=, not both")
			}
			pos = []argument{a}
		}
		for _, a := range pos {
			if a.extend || a.isSweep(Glob) {
				return c.reject(a.pos, "cannot convert "+a.describe())
			}
		}
		r := result{}
		switch len(pos) {
		case 0:
			return c.reject(c.pos, "needs a value")
		case 1:
			r = pos[0].result
		default:
			if r = c.simple(pos, func(*Sweep) {}); r.sweep == nil {
				return r
			}
		}
		var msg string
		if r.sweep != nil {
			r.sweep, msg = castSweep(r.sweep, kind)
		} else {
			r.val, msg = castValue(r.val, kind)
		}
		if msg != "" {
			return c.reject(c.pos, msg)
		}
		return r
	}
}

func castSweep(old *Sweep, kind Kind) (*Sweep, string) {
	s := *old
	parts := []*Value{&s.Start, &s.Stop, &s.Step}
	switch s.Kind {
	case Range, Interval:
		if kind != Int && kind != Float {
			return nil, "converts no " + s.Kind.noun() + ": only int and float do"
		}
		if s.Kind == Interval {
			parts = parts[:2]
		}
	default:
		s.Choices = slices.Clone(s.Choices)
		parts = nil
		for i := range s.Choices {
			parts = append(parts, &s.Choices[i])
		}
	}
	for _, v := range parts {
		var msg string
		if *v, msg = castValue(*v, kind); msg != "" {
			return nil, msg
		}
	}
	return &s, ""
}

// castValue converts as Python's int(), float(), bool() and str() do, but for
// two things that Hydra fixed: bool of a text is only true or false, and
// str(true) is "true". msg says why it cannot be done.
func castValue(v Value, kind Kind) (out Value, msg string) {
	switch v.kind {
	case List:
		list := make([]Value, len(v.list))
		for i, e := range v.list {
			if list[i], msg = castValue(e, kind); msg != "" {
				return Value{}, msg
			}
		}
		return Value{kind: List, list: list}, ""
	case Map:
		fields := make([]Field, len(v.fields))
		for i, f := range v.fields {
			fields[i].Key = f.Key
			if fields[i].Val, msg = castValue(f.Val, kind); msg != "" {
				return Value{}, msg
			}
		}
		return Value{kind: Map, fields: fields}, ""
	case Null:
		if kind == Bool {
			return BoolValue(false), ""
		}
		return Value{}, "null cannot be converted: leave it out"
	}
	ok := true
	switch kind {
	case Int:
		out, ok = toInt(v)
	case Float:
		out, ok = toFloat(v)
	case Bool:
		out, ok = toBool(v)
	case String:
		out = StringValue(v.Text())
	}
	if !ok {
		return Value{}, "cannot convert the " + v.kind.String() + " " + strconv.Quote(shorten(v.Text()))
	}
	return out, ""
}

func toInt(v Value) (Value, bool) {
	switch v.kind {
	case Bool:
		return IntValue(v.num), true
	case Float: // towards zero
		if math.IsNaN(v.float) || math.IsInf(v.float, 0) {
			return Value{}, false
		}
		if math.Abs(v.float) < 1<<62 {
			return IntValue(int64(v.float)), true
		}
		n, _ := big.NewFloat(v.float).Int(nil)
		return bigValue(n), true
	case String:
		s := strings.TrimSpace(v.text)
		digits := strings.TrimLeft(strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+"), "0_")
		if !pythonDigits(strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")) || strings.HasPrefix(s, "-+") {
			return Value{}, false
		}
		if digits == "" {
			return IntValue(0), true
		}
		if s[0] == '-' {
			digits = "-" + digits
		}
		return intLiteral(digits), true
	}
	return v, true
}

// bigValue returns an int of any size.
func bigValue(n *big.Int) Value {
	if n.IsInt64() {
		return IntValue(n.Int64())
	}
	return BigIntValue(n.String())
}

// pythonDigits reports whether s is digits with single underscores between.
func pythonDigits(s string) bool {
	return s != "" && isDigit(s[0]) && scanDigits(s, 0) == len(s)
}

func toFloat(v Value) (Value, bool) {
	switch v.kind {
	case String:
		s := strings.TrimSpace(v.text)
		for i := 0; i < len(s); i++ {
			if c := s[i]; c == '_' && (i == 0 || !isDigit(s[i-1]) || !isDigit(at(s, i+1))) || c|0x20 == 'x' || c|0x20 == 'p' {
				return Value{}, false // Go reads hexadecimal floats, Python does not
			}
		}
		s = strings.ReplaceAll(s, "_", "")
		if t := strings.TrimLeft(s, "+-"); len(s)-len(t) <= 1 && strings.EqualFold(t, "nan") {
			return FloatValue(math.NaN()), true
		}
		f, err := strconv.ParseFloat(s, 64)
		return FloatValue(f), err == nil || math.IsInf(f, 0)
	case Int:
		f, ok := v.Float()
		return FloatValue(f), ok && !math.IsInf(f, 0)
	case Bool:
		return FloatValue(float64(v.num)), true
	}
	return v, true
}

func toBool(v Value) (Value, bool) {
	switch v.kind {
	case String:
		isTrue := strings.EqualFold(v.text, "true")
		return BoolValue(isTrue), isTrue || strings.EqualFold(v.text, "false")
	case Int:
		return BoolValue(v.num != 0 || v.text != ""), true
	case Float:
		return BoolValue(v.float != 0), true // true for NaN
	}
	return v, true
}
