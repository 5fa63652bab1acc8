package override

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// AppendJSON appends the value as JSON in the encoding of the results tree:
// integers as number literals without point or exponent, floats with one,
// infinities and NaN as {"$float":"inf"}, strings plain (how a string was
// quoted is not kept), maps as objects in their order. [ParseJSON] reads it
// back to an equal value.
func (v Value) AppendJSON(b []byte) []byte {
	switch v.kind {
	case Float:
		if math.IsNaN(v.float) || math.IsInf(v.float, 0) {
			b = append(b, `{"$float":"`...)
			b = AppendFloat(b, v.float)
			return append(b, `"}`...)
		}
		return AppendFloat(b, v.float)
	case String:
		return appendQuoted(b, v.text)
	case List:
		b = append(b, '[')
		for i, e := range v.list {
			if i > 0 {
				b = append(b, ',')
			}
			b = e.AppendJSON(b)
		}
		return append(b, ']')
	case Map:
		b = append(b, '{')
		for i, f := range v.fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, f.Key.Text())
			b = append(b, ':')
			b = f.Val.AppendJSON(b)
		}
		return append(b, '}')
	}
	return v.AppendText(b) // null, bool, int
}

// MarshalJSON implements json.Marshaler; see [Value.AppendJSON].
func (v Value) MarshalJSON() ([]byte, error) { return v.AppendJSON(nil), nil }

// UnmarshalJSON implements json.Unmarshaler; see [ParseJSON].
func (v *Value) UnmarshalJSON(b []byte) error {
	w, err := ParseJSON(b)
	if err == nil {
		*v = w
	}
	return err
}

// ParseJSON reads what [Value.AppendJSON] writes.
func ParseJSON(b []byte) (Value, error) {
	if v, ok := parseScalar(b); ok {
		return v, nil
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	v, err := decodeJSON(d, 0)
	if err != nil {
		return Value{}, err
	}
	if d.More() {
		return Value{}, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

// parseScalar reads what an axis with thousands of values mostly has; a decoder
// for each took most of the time of reading a plan. It may decline.
func parseScalar(b []byte) (Value, bool) {
	if len(b) == 0 {
		return Value{}, false
	}
	switch c := b[0]; {
	case c == '"' && len(b) >= 2 && b[len(b)-1] == '"':
		text := b[1 : len(b)-1]
		for _, c := range text {
			if c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
				return Value{}, false
			}
		}
		return StringValue(string(text)), true
	case c == '-' || c >= '0' && c <= '9':
		if !json.Valid(b) {
			return Value{}, false
		}
		v, err := numberValue(string(bytes.TrimRight(b, " \t\r\n")))
		return v, err == nil
	}
	switch string(b) {
	case "null":
		return Value{}, true
	case "true":
		return BoolValue(true), true
	case "false":
		return BoolValue(false), true
	}
	return Value{}, false
}

// maxDepth bounds the nesting of containers everywhere in orch.
const maxDepth = 64

func decodeJSON(d *json.Decoder, depth int) (Value, error) {
	if depth > maxDepth {
		return Value{}, fmt.Errorf("nested deeper than %d", maxDepth)
	}
	t, err := d.Token()
	if err != nil {
		return Value{}, err
	}
	switch t := t.(type) {
	case nil:
		return Value{}, nil
	case bool:
		return BoolValue(t), nil
	case string:
		return StringValue(t), nil
	case json.Number:
		return numberValue(string(t))
	case json.Delim:
		if t == '[' {
			list := []Value{}
			for d.More() {
				e, err := decodeJSON(d, depth+1)
				if err != nil {
					return Value{}, err
				}
				list = append(list, e)
			}
			_, err := d.Token()
			return Value{kind: List, list: list}, err
		}
		var fields []Field
		for d.More() {
			k, err := d.Token()
			if err != nil {
				return Value{}, err
			}
			key, ok := k.(string)
			if !ok {
				return Value{}, fmt.Errorf("map key %v is no string", k)
			}
			e, err := decodeJSON(d, depth+1)
			if err != nil {
				return Value{}, err
			}
			fields = append(fields, Field{StringValue(key), e})
		}
		if _, err := d.Token(); err != nil {
			return Value{}, err
		}
		if len(fields) == 1 && fields[0].Key.text == "$float" {
			f, err := strconv.ParseFloat(fields[0].Val.text, 64)
			return FloatValue(f), err
		}
		return Value{kind: Map, fields: fields}, nil
	}
	return Value{}, fmt.Errorf("unexpected JSON token %v", t)
}

func numberValue(s string) (Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		return FloatValue(f), err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return BigIntValue(s), nil
	}
	return IntValue(n), nil
}

// appendQuoted appends s as a JSON string. Bytes that are no UTF-8 become
// U+FFFD, as in encoding/json.
func appendQuoted(b []byte, s string) []byte {
	plain := true
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			plain = false
			break
		}
	}
	if plain {
		b = append(b, '"')
		b = append(b, s...)
		return append(b, '"')
	}
	var buf bytes.Buffer
	e := json.NewEncoder(&buf)
	e.SetEscapeHTML(false)
	e.Encode(s) // a string always encodes
	return append(b, bytes.TrimSuffix(buf.Bytes(), []byte("\n"))...)
}
