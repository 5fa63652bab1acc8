package override

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Any returns the value as plain Go data: nil, bool, int64, float64, string,
// []any, map[string]any. An integer beyond int64 becomes its digits.
func (v Value) Any() any {
	switch v.kind {
	case Bool:
		return v.num != 0
	case Int:
		if v.text != "" {
			return v.text
		}
		return v.num
	case Float:
		return v.float
	case String:
		return v.text
	case List:
		list := make([]any, len(v.list))
		for i, e := range v.list {
			list[i] = e.Any()
		}
		return list
	case Map:
		m := make(map[string]any, len(v.fields))
		for _, f := range v.fields {
			m[f.Key.Text()] = f.Val.Any()
		}
		return m
	}
	return nil
}

// FromAny turns plain Go data, such as a TOML decoder's, into a value. Map keys
// are sorted, since Go's maps have no order. Times become strings in RFC 3339.
// Strings count as quoted: they are never read as another type.
func FromAny(x any) (Value, error) {
	switch x := x.(type) {
	case nil:
		return Value{}, nil
	case Value:
		return x, nil
	case bool:
		return BoolValue(x), nil
	case int:
		return IntValue(int64(x)), nil
	case int64:
		return IntValue(x), nil
	case uint64:
		if int64(x) < 0 {
			return BigIntValue(strconv.FormatUint(x, 10)), nil
		}
		return IntValue(int64(x)), nil
	case float64:
		return FloatValue(x), nil
	case string:
		return QuotedValue(x), nil
	case time.Time:
		return QuotedValue(x.Format(time.RFC3339Nano)), nil
	case []any:
		return fromList(len(x), func(i int) any { return x[i] })
	case []map[string]any: // a TOML array of tables
		return fromList(len(x), func(i int) any { return x[i] })
	case map[string]any:
		keys := make([]string, 0, len(x))
		for k := range x {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		fields := make([]Field, len(keys))
		for i, k := range keys {
			e, err := FromAny(x[k])
			if err != nil {
				return Value{}, fmt.Errorf("%s: %w", k, err)
			}
			fields[i] = Field{StringValue(k), e}
		}
		return Value{kind: Map, fields: fields}, nil
	}
	return Value{}, fmt.Errorf("a %T is no config value", x)
}

func fromList(n int, at func(int) any) (Value, error) {
	list := make([]Value, n)
	for i := range list {
		e, err := FromAny(at(i))
		if err != nil {
			return Value{}, fmt.Errorf("element %d: %w", i, err)
		}
		list[i] = e
	}
	return Value{kind: List, list: list}, nil
}
