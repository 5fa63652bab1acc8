package sweep

import (
	"slices"

	"orch/sweep/override"
	"orch/sweep/results"
)

// maxPieces is how many pieces of names are kept for an axis; for more values
// they are made when they are needed.
const maxPieces = 10_000

// pieces returns what names say of the values of an axis.
func pieces(a *axis) func(i int32) string {
	if len(a.values) > maxPieces {
		return func(i int32) string { return labelPiece(a.key, a.group, a.values[i]) }
	}
	list := make([]string, len(a.values))
	for i, v := range a.values {
		list[i] = labelPiece(a.key, a.group, v)
	}
	return func(i int32) string { return list[i] }
}

// mergeAxes joins the axes of all blocks: each key once, with the values of
// all blocks in the order of their appearance, each once.
func mergeAxes(spaces []*space) []results.Axis {
	var axes []results.Axis
	index := map[string]int{}
	for _, s := range spaces {
		for _, a := range s.axes {
			i, ok := index[a.key]
			if !ok {
				i = len(axes)
				index[a.key] = i
				axes = append(axes, results.Axis{Key: a.key})
			}
			axes[i].Values = appendDistinct(axes[i].Values, a.values)
		}
	}
	return axes
}

// appendDistinct appends the values that the list does not have. It shares the
// array of values with the axis where there is nothing to leave out.
func appendDistinct(list, values []override.Value) []override.Value {
	seen := make(map[valueKey]struct{}, len(list)+len(values))
	for _, v := range list {
		seen[keyOf(v)] = struct{}{}
	}
	shared := len(list) == 0
	for i, v := range values {
		k := keyOf(v)
		if _, ok := seen[k]; ok {
			if shared {
				shared, list = false, slices.Clone(values[:i])
			}
			continue
		}
		seen[k] = struct{}{}
		if !shared {
			list = append(list, v)
		}
	}
	if shared {
		return values
	}
	return list
}

// valueKey tells values apart as a map's key.
type valueKey struct {
	kind override.Kind
	num  uint64
	text string
}

func keyOf(v override.Value) valueKey {
	if n, ok := v.Int(); ok {
		return valueKey{v.Kind(), uint64(n), ""}
	}
	if s, ok := v.Str(); ok {
		return valueKey{v.Kind(), 0, s}
	}
	return valueKey{v.Kind(), 0, string(appendCanonical(nil, v))}
}
