package override

import (
	"math"
	"slices"
	"strconv"
)

// Kind is the type of a [Value].
type Kind uint8

// The kinds. Null is the zero value.
const (
	Null Kind = iota
	Bool
	Int
	Float
	String
	List
	Map
)

// String returns the kind's name as used in error messages.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case Bool:
		return "bool"
	case Int:
		return "int"
	case Float:
		return "float"
	case String:
		return "string"
	case List:
		return "list"
	case Map:
		return "map"
	}
	return "kind(" + strconv.Itoa(int(k)) + ")"
}

// Value is a typed configuration value: what an override assigns, what a
// config file holds, what a run is given. It is immutable by convention: every
// function that changes a list or a map returns a new one. The zero Value is
// null.
//
// A map keeps the order of its entries. Its keys are strings; keys written as
// numbers, booleans or null in an override keep their text and remember their type
// for printing only.
type Value struct {
	kind   Kind
	quote  byte // a string that was written in quotes: which, ' or "; else 0
	num    int64
	float  float64
	text   string // String: the text. Int beyond int64: its decimal digits.
	list   []Value
	fields []Field
}

// Field is one entry of a map.
type Field struct {
	Key Value // a scalar; its Text is the key of the config
	Val Value
}

// NullValue returns null.
func NullValue() Value { return Value{} }

// BoolValue returns a boolean.
func BoolValue(b bool) Value {
	v := Value{kind: Bool}
	if b {
		v.num = 1
	}
	return v
}

// IntValue returns an integer.
func IntValue(n int64) Value { return Value{kind: Int, num: n} }

// BigIntValue returns an integer beyond the range of int64 from its decimal
// digits, with an optional sign. It keeps its digits exactly.
func BigIntValue(digits string) Value { return Value{kind: Int, text: digits} }

// FloatValue returns a float64.
func FloatValue(f float64) Value { return Value{kind: Float, float: f} }

// StringValue returns an unquoted string.
func StringValue(s string) Value { return Value{kind: String, text: s} }

// QuotedValue returns a string that was written in quotes: it is never read as
// another type, also when its text looks like a number.
func QuotedValue(s string) Value { return Value{kind: String, text: s, quote: '\''} }

// ListValue returns a list of the given elements.
func ListValue(vs ...Value) Value { return Value{kind: List, list: vs} }

// MapValue returns a map with the given entries in the given order.
func MapValue(fields ...Field) Value { return Value{kind: Map, fields: fields} }

// Kind returns the value's type.
func (v Value) Kind() Kind { return v.kind }

// IsNull reports whether v is null.
func (v Value) IsNull() bool { return v.kind == Null }

// IsQuoted reports whether v is a string that was written in quotes.
func (v Value) IsQuoted() bool { return v.quote != 0 }

// Bool returns the boolean; false if v is none.
func (v Value) Bool() bool { return v.kind == Bool && v.num != 0 }

// Int returns the integer. ok is false if v is no integer or does not fit.
func (v Value) Int() (n int64, ok bool) { return v.num, v.kind == Int && v.text == "" }

// Float returns v as a float64. ok is true for floats and integers.
func (v Value) Float() (f float64, ok bool) {
	switch v.kind {
	case Float:
		return v.float, true
	case Int:
		if v.text != "" {
			f, err := strconv.ParseFloat(v.text, 64)
			return f, err == nil || math.IsInf(f, 0)
		}
		return float64(v.num), true
	}
	return 0, false
}

// Str returns the string. ok is false if v is none.
func (v Value) Str() (s string, ok bool) { return v.text, v.kind == String }

// List returns the elements of a list, which the caller must not change.
func (v Value) List() []Value { return v.list }

// Fields returns the entries of a map, which the caller must not change.
func (v Value) Fields() []Field { return v.fields }

// Len returns the number of elements of a list or entries of a map, else 0.
func (v Value) Len() int { return len(v.list) + len(v.fields) }

// Lookup returns the entry of a map whose key has this text.
func (v Value) Lookup(key string) (Value, bool) {
	for i := range v.fields {
		if v.fields[i].Key.Text() == key {
			return v.fields[i].Val, true
		}
	}
	return Value{}, false
}

// With returns a copy of the map v in which key has the value val: replaced in
// place, or added at the end. A v that is no map counts as an empty one.
func (v Value) With(key string, val Value) Value {
	fields := slices.Clone(v.fields)
	for i := range fields {
		if fields[i].Key.Text() == key {
			fields[i].Val = val
			return Value{kind: Map, fields: fields}
		}
	}
	return Value{kind: Map, fields: append(fields, Field{StringValue(key), val})}
}

// Without returns a copy of the map v that lacks key.
func (v Value) Without(key string) Value {
	return Value{kind: Map, fields: slices.DeleteFunc(slices.Clone(v.fields), func(f Field) bool { return f.Key.Text() == key })}
}

// Get returns the value at a dotted path such as "training.lr" or "xs.0"; the
// empty path is v itself.
func (v Value) Get(path string) (Value, bool) {
	for path != "" {
		var key string
		key, path, _ = cutPath(path)
		switch v.kind {
		case Map:
			w, ok := v.Lookup(key)
			if !ok {
				return Value{}, false
			}
			v = w
		case List:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(v.list) {
				return Value{}, false
			}
			v = v.list[i]
		default:
			return Value{}, false
		}
	}
	return v, true
}

func cutPath(path string) (key, rest string, more bool) {
	for i := 0; i < len(path); i++ {
		if path[i] == '.' {
			return path[:i], path[i+1:], true
		}
	}
	return path, "", false
}

// Equal reports whether two values have the same type and content. How a
// string was quoted does not matter, nor the order of a map's entries; 1 and
// 1.0 differ; NaN equals NaN.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind {
		return false
	}
	switch v.kind {
	case Null:
		return true
	case Bool, Int:
		return v.num == w.num && v.text == w.text
	case Float:
		return v.float == w.float || v.float != v.float && w.float != w.float
	case String:
		return v.text == w.text
	case List:
		return slices.EqualFunc(v.list, w.list, Value.Equal)
	}
	if len(v.fields) != len(w.fields) {
		return false
	}
	for _, f := range v.fields {
		if x, ok := w.Lookup(f.Key.Text()); !ok || !f.Val.Equal(x) {
			return false
		}
	}
	return true
}

// Text returns the value as a person would type it without quotes: strings as
// they are, floats with a point or exponent so that they stay floats, null,
// true and false in lower case, lists and maps in brackets.
func (v Value) Text() string {
	if v.kind == String {
		return v.text
	}
	return string(v.AppendText(nil))
}

// AppendText appends [Value.Text] to b.
func (v Value) AppendText(b []byte) []byte {
	switch v.kind {
	case Null:
		return append(b, "null"...)
	case Bool:
		return strconv.AppendBool(b, v.num != 0)
	case Int:
		if v.text != "" {
			return append(b, v.text...)
		}
		return strconv.AppendInt(b, v.num, 10)
	case Float:
		return AppendFloat(b, v.float)
	case String:
		return append(b, v.text...)
	case List:
		b = append(b, '[')
		for i, e := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.AppendText(b)
		}
		return append(b, ']')
	}
	b = append(b, '{')
	for i, f := range v.fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.Key.AppendText(b)
		b = append(b, ':')
		b = f.Val.AppendText(b)
	}
	return append(b, '}')
}

// AppendFloat appends the shortest text that reads back as exactly f and as a
// float: 0.1, 5.0, 1e-05, inf, nan (the form of Python's repr, which Hydra's
// users know).
func AppendFloat(b []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(b, "nan"...)
	case math.IsInf(f, 1):
		return append(b, "inf"...)
	case math.IsInf(f, -1):
		return append(b, "-inf"...)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		format = 'e'
	}
	n := len(b)
	b = strconv.AppendFloat(b, f, format, -1, 64)
	for _, c := range b[n:] {
		if c == '.' || c == 'e' {
			return b
		}
	}
	return append(b, ".0"...)
}

// Set returns a copy of v with the value at a dotted path replaced; maps that
// are missing on the way are made, and a list is indexed by a number in range.
// Everything off the path is shared with v.
func (v Value) Set(path string, val Value) Value {
	if path == "" {
		return val
	}
	key, rest, _ := cutPath(path)
	if v.kind == List {
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(v.list) {
			list := slices.Clone(v.list)
			list[i] = list[i].Set(rest, val)
			return Value{kind: List, list: list}
		}
	}
	old, _ := v.Lookup(key)
	return v.With(key, old.Set(rest, val))
}
