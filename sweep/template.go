package sweep

import (
	"slices"
	"strings"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// template is a composed config with its swept keys as holes.
type template struct {
	*compose.Template
	block *planBlock
	axes  []int // the axis of each hole

	ordinal int            // of the point at which last was made
	last    override.Value // whole resolved config
}

// config returns the whole resolved config at a point.
func (t *template) config(w *walker) (override.Value, error) {
	if t.ordinal == w.next {
		return t.last, nil
	}
	values := make([]override.Value, len(t.axes))
	for k, i := range t.axes {
		values[k] = t.block.axes[i].values[w.at[i]]
	}
	delta, err := t.Apply(values)
	if err != nil {
		return override.Value{}, err
	}
	whole := t.Base()
	for _, f := range delta {
		whole = whole.Set(f.Key.Text(), f.Val)
	}
	t.ordinal, t.last = w.next, whole
	return whole, nil
}

// dependencies finds out which computed values change with which dimensions.
func (t *template) dependencies(cfg *compose.Config) ([]place, error) {
	all := t.Dependents()
	if len(all) == 0 {
		return nil, nil
	}
	// A computed reference such as ${opt.${k}} may look somewhere else for
	// other values, so where there is one everything depends on everything.
	tree := cfg.Tree()
	wild := slices.ContainsFunc(all, func(path string) bool {
		v, _ := tree.Get(path)
		return strings.Count(v.Text(), "${") > 1 && nestedReference(v.Text())
	})
	dims := make(map[string][]int, len(all))
	for _, i := range t.axes {
		if len(t.block.axes[i].values) == 1 {
			continue
		}
		on := all
		if !wild {
			one, err := t.without(cfg, i)
			if err != nil {
				return nil, err
			}
			on = one
		}
		with := []int{t.block.dimOf(i)}
		if slices.ContainsFunc(t.block.axes[i].values, interpolated) {
			with = t.block.allDims() // one of the values may look at any other axis
		}
		for _, path := range on {
			dims[path] = union(dims[path], with)
		}
	}
	var list []place
	for _, path := range all {
		if len(dims[path]) > 0 {
			list = append(list, place{path, dims[path], -1})
		}
	}
	return list, nil
}

// without returns the computed values that change with one axis alone, the
// others being set.
func (t *template) without(cfg *compose.Config, axis int) ([]string, error) {
	for _, i := range t.axes {
		if i == axis {
			continue
		}
		a := t.block.axes[i]
		in := a.input(a.values[0])
		in.Op = override.ForceAdd
		var err error
		if cfg, err = cfg.With(in.Override, in.From); err != nil {
			return nil, err
		}
	}
	one, err := cfg.Prepare([]string{"++" + t.block.axes[axis].key})
	if err != nil {
		return nil, err
	}
	return one.Dependents(), nil
}

func nestedReference(s string) bool {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "${"):
			if depth++; depth > 1 {
				return true
			}
		case s[i] == '}' && depth > 0:
			depth--
		}
	}
	return false
}
