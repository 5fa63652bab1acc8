package sweep

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"orch/sweep/override"
)

// layout is what is known of a block before any value is made: its dimensions
// as lists of axes, and how many rows each has.
type layout struct {
	axes [][]int
	rows []int64
	draw []int // axes whose rows are drawn at random; they are one dimension, the first
}

// layout arranges the axes in dimensions: the order of the file, zipped axes
// at the place of the first of them, drawn ones before everything that is not
// drawn. Only lengths are looked at, so it is cheap for any sweep.
func (b *block) layout() (*layout, error) {
	var errs []error
	groupOf := map[int]int{} // axis -> zip group
	for g, keys := range b.zip {
		for _, key := range keys {
			i := slices.IndexFunc(b.axes, func(a *axis) bool { return a.key == key })
			if i < 0 {
				errs = append(errs, b.noAxis(wordZip, key))
				continue
			}
			if _, twice := groupOf[i]; twice {
				errs = append(errs, fmt.Errorf("%s: zip: axis %s is named twice", b.origin, key))
			}
			groupOf[i] = g
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	l := &layout{}
	if b.samples > 0 {
		for i, a := range b.axes {
			if _, zipped := groupOf[i]; zipped {
				return nil, fmt.Errorf("%s: samples and zip do not go together: zipped axes are no grid to draw from", b.origin)
			}
			if !seedKey(a.key) {
				l.draw = append(l.draw, i)
			}
		}
		if len(l.draw) == 0 {
			return nil, fmt.Errorf("%s: samples = %d, but there is no axis to draw from besides the seed", b.origin, b.samples)
		}
		l.axes = append(l.axes, l.draw)
		l.rows = append(l.rows, b.samples)
	}
	done := map[int]bool{}
	for i, a := range b.axes {
		if a.seq.interval != nil && !slices.Contains(l.draw, i) {
			return nil, fmt.Errorf("%s: axis %s: interval(...) has no first and no next value, so a grid cannot run through it: "+
				"say how many with linspace(a, b, n) or geomspace(a, b, n), or draw at random with samples = n", a.origin, a.key)
		}
		g, zipped := groupOf[i]
		switch {
		case slices.Contains(l.draw, i):
		case !zipped:
			l.axes, l.rows = append(l.axes, []int{i}), append(l.rows, a.seq.n)
		case !done[g]:
			done[g] = true
			var members []int
			rows := int64(1)
			for j, other := range b.axes {
				if k, ok := groupOf[j]; !ok || k != g {
					continue
				}
				switch n := other.seq.n; {
				case n == 1 || n == rows:
				case rows == 1:
					rows = n
				default:
					return nil, fmt.Errorf("%s: zip: axis %s has %d values and %s has %d: zipped axes need equally many (or one, which then holds for all)",
						b.origin, other.key, n, b.longest(members).key, rows)
				}
				members = append(members, j)
			}
			l.axes, l.rows = append(l.axes, members), append(l.rows, rows)
		}
	}
	return l, nil
}

func (b *block) longest(members []int) *axis {
	return b.axes[slices.MaxFunc(members, func(i, j int) int { return int(b.axes[i].seq.n - b.axes[j].seq.n) })]
}

// seedKey reports whether a key is that of seeds, which random search repeats
// for every draw instead of drawing them.
func seedKey(key string) bool { return key == "seed" || strings.HasSuffix(key, ".seed") }

// space makes the values of all axes and lays them out. The caller has checked
// that there are not too many.
func (b *block) space(l *layout) (*space, error) {
	s := &space{axes: b.axes}
	var errs []error
	for _, a := range b.axes {
		if a.seq.interval != nil {
			continue
		}
		vs, err := a.seq.expand()
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: axis %s: %w", a.origin, a.key, err))
			continue
		}
		a.values = vs
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	for i, axes := range l.axes {
		d := dim{axes: axes, n: int(l.rows[i])}
		if i == 0 && len(l.draw) > 0 {
			d.rows = b.drawRows()
			d.n = len(d.rows[0])
		}
		s.dims = append(s.dims, d)
	}
	var err1, err2 error
	s.exclude, err1 = b.filters(s, wordExclude, b.exclude)
	s.include, err2 = b.filters(s, wordInclude, b.include)
	return s, errors.Join(err1, err2)
}

// drawRows draws the samples: for each drawn axis the index of its value in
// every row. Axes with values are drawn uniformly, an interval uniformly
// between its ends or, tagged log, uniformly in the exponent. A grid without
// intervals is drawn from without repetition and in its own order, all of it
// if it has no more points than samples. Each axis has a stream of its own,
// which depends on sample_seed and its place alone, so that more samples keep
// the first ones wherever there is an interval.
func (b *block) drawRows() [][]int32 {
	var drawn []*axis
	var lens []int64
	for _, a := range b.axes {
		if !seedKey(a.key) {
			drawn = append(drawn, a)
			lens = append(lens, a.seq.n)
		}
	}
	rows := make([][]int32, len(drawn))
	total, fits := size(lens) // 0 if an axis has no values
	if fits && (total == 0 || !slices.ContainsFunc(drawn, func(a *axis) bool { return a.seq.interval != nil })) {
		for _, ordinal := range chooseDistinct(total, b.samples, b.rand(-1)) {
			for i := len(drawn) - 1; i >= 0; i-- {
				rows[i] = append(rows[i], int32(ordinal%lens[i]))
				ordinal /= lens[i]
			}
		}
	} else {
		for i, a := range drawn {
			rows[i] = a.drawRow(int(b.samples), b.rand(i))
		}
	}
	for i, a := range drawn {
		a.keepDrawn(rows[i])
	}
	return rows
}

func (a *axis) drawRow(n int, r *rand.Rand) []int32 {
	row := make([]int32, n)
	iv := a.seq.interval
	if iv != nil {
		a.values = make([]override.Value, n)
	}
	for k := range row {
		if iv == nil {
			row[k] = int32(r.Int64N(a.seq.n))
			continue
		}
		row[k] = int32(k)
		a.values[k] = override.FloatValue(iv.draw(r.Float64()))
	}
	return row
}

// keepDrawn lets the axis forget the values that no row has.
func (a *axis) keepDrawn(row []int32) {
	used := slices.Clone(row)
	slices.Sort(used)
	used = slices.Compact(used)
	values := make([]override.Value, len(used))
	place := make(map[int32]int32, len(used))
	for i, k := range used {
		values[i], place[k] = a.values[k], int32(i)
	}
	for i, k := range row {
		row[i] = place[k]
	}
	a.values = values
}

func (b *block) rand(stream int) *rand.Rand {
	return rand.New(rand.NewPCG(uint64(b.sampleSeed), uint64(stream+1)))
}

// chooseDistinct returns k of the numbers below n, in order (Floyd 1987).
func chooseDistinct(n, k int64, r *rand.Rand) []int64 {
	if k >= n {
		all := make([]int64, n)
		for i := range all {
			all[i] = int64(i)
		}
		return all
	}
	chosen := make(map[int64]bool, k)
	list := make([]int64, 0, k)
	for j := n - k; j < n; j++ {
		t := r.Int64N(j + 1)
		if chosen[t] {
			t = j
		}
		chosen[t] = true
		list = append(list, t)
	}
	slices.Sort(list)
	return list
}

// interval is a range of reals to draw from.
type interval struct {
	low, high float64
	log       bool
}

// draw maps u in [0,1) into the interval, rounded to 12 significant digits.
func (iv *interval) draw(u float64) float64 {
	if iv.log {
		return roundDigits(math.Exp(math.Log(iv.low) + u*(math.Log(iv.high)-math.Log(iv.low))))
	}
	return roundDigits(iv.low + u*(iv.high-iv.low))
}

// filters reads the tables of `exclude` or `include`.
func (b *block) filters(s *space, word string, tables []override.Value) ([]filter, error) {
	var filters []filter
	var errs []error
	for _, t := range tables {
		f := filter{text: t.Text()}
		var visit func(prefix string, v override.Value)
		visit = func(prefix string, v override.Value) {
			for _, e := range v.Fields() {
				key := joinPath(prefix, e.Key.Text())
				if e.Val.Kind() == override.Map {
					visit(key, e.Val)
					continue
				}
				i := s.axisIndex(key)
				if i < 0 {
					errs = append(errs, b.noAxis(word, key))
					continue
				}
				keep, err := b.valuesOf(key, e.Val)
				if err != nil {
					errs = append(errs, fmt.Errorf("%s: %s: %s: %w", b.origin, word, key, err))
					continue
				}
				wanted := map[string]bool{}
				for _, v := range keep {
					wanted[sameKey(v)] = true
				}
				bits := make([]bool, len(s.axes[i].values))
				for k, v := range s.axes[i].values {
					bits[k] = wanted[sameKey(v)]
				}
				f.axes, f.keep = append(f.axes, i), append(f.keep, bits)
			}
		}
		visit("", t)
		filters = append(filters, f)
	}
	return filters, errors.Join(errs...)
}

// valuesOf returns the values a condition accepts: a value, a list, or a
// string in the grammar of axes.
func (b *block) valuesOf(key string, v override.Value) ([]override.Value, error) {
	seq, err := axisSequence(v, key, b.options)
	if err != nil {
		return nil, err
	}
	if seq.n > 1<<20 {
		return nil, errors.New("list the values")
	}
	return seq.expand()
}

func (b *block) noAxis(word, key string) error {
	keys := make([]string, len(b.axes))
	for i, a := range b.axes {
		keys[i] = a.key
	}
	return fmt.Errorf("%s: %s: %q is no axis%s", b.origin, word, key, didYouMean(key, keys))
}
