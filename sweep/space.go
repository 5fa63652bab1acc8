package sweep

import (
	"fmt"
	"math/bits"
	"slices"
	"strconv"

	"orch/sweep/override"
)

// space is the set of points of one block of axes: the product of its
// dimensions, the last one fastest, less what the filters drop. A point is
// known by its ordinal, so a space of a million points costs nothing until
// one walks it.
type space struct {
	axes    []*axis
	dims    []dim
	exclude []filter // a point that matches one is dropped
	include []filter // if there are any, a point must match one
}

// dim is a dimension of a space: one axis, or several that advance together.
type dim struct {
	axes []int     // indexes into space.axes
	n    int       // number of rows
	rows [][]int32 // by axis of the dim: row -> index of the axis's value; nil: the row itself, or 0 for an axis with one value
}

// filter is a condition on points: every axis it names has one of the values.
type filter struct {
	axes []int // indexes into space.axes
	keep [][]bool
	used bool // it matched a point
	text string
}

func (f *filter) matches(at []int32) bool {
	for i, a := range f.axes {
		if !f.keep[i][at[a]] {
			return false
		}
	}
	f.used = true
	return true
}

// size returns the number of points before filters. ok is false if the product
// does not fit an int64: the sweep is too large whatever the limit.
func size(dims []int64) (n int64, ok bool) {
	product := uint64(1)
	for _, d := range dims {
		if d == 0 {
			return 0, true
		}
	}
	for _, d := range dims {
		hi, lo := bits.Mul64(product, uint64(d))
		if hi != 0 || lo > 1<<62 {
			return 0, false
		}
		product = lo
	}
	return int64(product), true
}

// count returns the number of points before filters.
func (s *space) count() int {
	n := 1
	for i := range s.dims {
		n *= s.dims[i].n
	}
	return n
}

// walker goes through the points of a space. Its slice at holds the index of
// each axis's value at the current point.
type walker struct {
	s    *space
	row  []int
	at   []int32
	next int // ordinal of the next point
	n    int
}

func (s *space) walk() *walker {
	w := &walker{s: s, row: make([]int, len(s.dims)), at: make([]int32, len(s.axes)), n: s.count()}
	return w
}

// step moves to the next point; false after the last.
func (w *walker) step() bool {
	if w.next >= w.n {
		return false
	}
	if w.next == 0 {
		for d := range w.s.dims {
			w.set(d, 0)
		}
	} else {
		for d := len(w.row) - 1; d >= 0; d-- {
			if w.row[d]+1 < w.s.dims[d].n {
				w.set(d, w.row[d]+1)
				break
			}
			w.set(d, 0)
		}
	}
	w.next++
	return true
}

// seek moves to the point with this ordinal.
func (w *walker) seek(ordinal int) {
	w.next = ordinal + 1
	for d := len(w.row) - 1; d >= 0; d-- {
		n := w.s.dims[d].n
		w.set(d, ordinal%n)
		ordinal /= n
	}
}

func (w *walker) set(d, row int) {
	w.row[d] = row
	dim := &w.s.dims[d]
	for i, a := range dim.axes {
		switch {
		case dim.rows != nil && dim.rows[i] != nil:
			w.at[a] = dim.rows[i][row]
		case len(w.s.axes[a].values) == 1:
			w.at[a] = 0
		default:
			w.at[a] = int32(row)
		}
	}
}

// dropped reports whether the filters drop the current point. All are asked,
// so that one that never matches is known in the end.
func (w *walker) dropped() bool {
	drop, in := false, len(w.s.include) == 0
	for i := range w.s.exclude {
		drop = w.s.exclude[i].matches(w.at) || drop
	}
	for i := range w.s.include {
		in = w.s.include[i].matches(w.at) || in
	}
	return drop || !in
}

// axisIndex returns the place of a key among the axes, or -1.
func (s *space) axisIndex(key string) int {
	return slices.IndexFunc(s.axes, func(a *axis) bool { return a.key == key })
}

// sameKey is what filters compare: numbers by their value, so that 1 finds
// 1.0, everything else by type and content.
func sameKey(v override.Value) string {
	if f, ok := v.Float(); ok {
		return strconv.FormatFloat(f, 'g', -1, 64)
	}
	return string(appendCanonical(nil, v))
}

// tooLarge is the error for a product beyond the limit.
func tooLarge(dims []int64, n int64, fits bool, limit int) error {
	text := ""
	for i, d := range dims {
		if i > 0 {
			text += " x "
		}
		text += strconv.FormatInt(d, 10)
	}
	count := "more runs than can be counted"
	if fits {
		count = strconv.FormatInt(n, 10) + " runs"
	}
	return fmt.Errorf("%s make %s, the limit is %d: shorten an axis, draw `samples = n` of them, or raise --max-runs", text, count, limit)
}

// dimOf returns the dimension of an axis.
func (s *space) dimOf(axis int) int {
	return slices.IndexFunc(s.dims, func(d dim) bool { return slices.Contains(d.axes, axis) })
}

func (s *space) allDims() []int {
	all := make([]int, len(s.dims))
	for i := range all {
		all[i] = i
	}
	return all
}
