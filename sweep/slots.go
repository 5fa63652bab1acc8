package sweep

import (
	"fmt"
	"slices"
	"strings"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// place is a part of the config that differs between the runs of a variant.
type place struct {
	path string
	dims []int // the dimensions it changes with
	axis int   // whose values are all there is to it; -1: it is computed
}

// slots finds the places in which the variant's runs differ, swept keys with
// more than one value and what is computed from them, and makes slots of them.
func (x *expander) slots(v *variant, t *template, cfg *compose.Config) error {
	places := t.swept()
	deps, err := t.dependencies(cfg)
	if err != nil {
		return err
	}
	for _, d := range deps {
		for _, key := range shared {
			if inside(d.path, key) {
				return fmt.Errorf("%s: %s changes with a swept key, but `%s` is the same for all runs of a sweep", cfg.Origin(d.path), d.path, key)
			}
		}
		d.path = listAround(t.last, d.path)
		places = append(places, d)
	}
	var launcher []int
	var own []place // those of the run's config
	for _, p := range places {
		top, _, _ := strings.Cut(p.path, ".")
		switch {
		case top == "launcher":
			launcher = union(launcher, p.dims)
		case !slices.Contains(reserved, top):
			own = append(own, p)
		}
	}
	v.group = x.groupSlot(t, launcher)
	for _, p := range outermost(own) {
		v.delta = append(v.delta, x.slot(t, p))
	}
	return nil
}

// swept returns the places of the swept keys.
func (t *template) swept() []place {
	var places []place
	for _, i := range t.axes {
		a := t.block.axes[i]
		if len(a.values) == 1 {
			continue
		}
		p := place{path: listAround(t.last, a.key), dims: []int{t.block.dimOf(i)}, axis: i}
		if slices.ContainsFunc(a.values, interpolated) {
			p.dims = t.block.allDims()
		}
		if p.path != a.key || slices.ContainsFunc(a.values, func(v override.Value) bool { return !plainValue(v) }) {
			p.axis = -1
		}
		places = append(places, p)
	}
	return places
}

// outermost merges the places at and below each other into the one around
// them, since a slot cannot lie inside another.
func outermost(places []place) []place {
	var out []place
	for _, p := range places {
		if slices.ContainsFunc(places, func(q place) bool { return q.path != p.path && inside(p.path, q.path) }) {
			continue
		}
		if slices.ContainsFunc(out, func(q place) bool { return q.path == p.path }) {
			continue
		}
		merged := p
		for _, q := range places {
			if !inside(q.path, p.path) {
				continue
			}
			merged.dims = union(merged.dims, q.dims)
			if q.axis != p.axis || q.path != p.path {
				merged.axis = -1
			}
		}
		out = append(out, merged)
	}
	return out
}

// slot makes the slot of a place.
func (x *expander) slot(t *template, p place) *slot {
	if p.axis >= 0 {
		return axisSlot(p.path, p.axis, t.block.axes[p.axis].values, x.vol)
	}
	slices.Sort(p.dims)
	return computedSlot(p.path, combine(t.block.space, p.dims), x.vol, func(w *walker) (override.Value, error) {
		whole, err := t.config(w)
		val, _ := whole.Get(p.path)
		return val, err
	})
}

// groupSlot makes the slot of the resource group, which changes with what the
// [launcher] table changes with.
func (x *expander) groupSlot(t *template, dims []int) groupSlot {
	slices.Sort(dims)
	g := groupSlot{table: combine(t.block.space, dims)}
	g.groups = make([]int32, g.table.n)
	for i := range g.groups {
		g.groups[i] = -1
	}
	g.fill = func(w *walker) (int32, error) {
		whole, err := t.config(w)
		table, _ := whole.Lookup("launcher")
		return x.groups.number(table), err
	}
	return g
}

func union(a, b []int) []int {
	u := slices.Clone(a)
	for _, d := range b {
		if !slices.Contains(u, d) {
			u = append(u, d)
		}
	}
	return u
}

// listAround returns the path of the outermost list that a path leads into, or
// the path itself: a list is one leaf.
func listAround(v override.Value, path string) string {
	for i := 0; i < len(path); i++ {
		if path[i] != '.' {
			continue
		}
		if e, ok := v.Get(path[:i]); ok && e.Kind() == override.List {
			return path[:i]
		}
	}
	return path
}

func interpolated(v override.Value) bool {
	switch v.Kind() {
	case override.String:
		return strings.Contains(v.Text(), "${")
	case override.List:
		return slices.ContainsFunc(v.List(), interpolated)
	case override.Map:
		return slices.ContainsFunc(v.Fields(), func(f override.Field) bool { return interpolated(f.Val) })
	}
	return false
}

// plainValue reports whether a value is the same wherever it is put.
func plainValue(v override.Value) bool { return v.Kind() != override.Map && !interpolated(v) }
