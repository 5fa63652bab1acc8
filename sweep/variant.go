package sweep

import (
	"crypto/sha256"
	"encoding"
	"hash"
	"slices"

	"orch/sweep/compose"
	"orch/sweep/override"
	"orch/sweep/results"
)

// variant is one base config together with what its runs change in it. It
// knows, for every point of its block, the run's delta, identity and resource
// group without looking at the base again: everything constant was encoded
// once, and everything that changes is a slot.
type variant struct {
	base     int             // index into Plan.Bases
	config   override.Value  // the base
	composed *compose.Config // what it was resolved from, for origins
	seen     *coverage       // what of its runs was checked

	delta []*slot // in the order of axes, then of the config: what a run's delta lists
	slots []*slot // those that count for identity, in the order of the encoding
	other []*slot // the computed ones among those that do not
	group groupSlot

	// The canonical encoding of a run is chunk 0, line of slot 0, chunk 1, ...
	chunks [][]byte
	start  []byte // state of the hash after the format line and chunk 0
}

// slot is a place of the config that differs between runs. It is either a
// swept key, which holds the values of its axis, or a place that interpolation
// computes from swept keys. A computed slot has an entry for each combination
// of rows of the dimensions it depends on; the entries that occur are filled
// while the plan is made, and none after.
type slot struct {
	path   string
	axis   int // of a swept key; -1: computed
	table  combination
	values []override.Value
	lines  [][]byte // canonical lines of the values; none if volatile
	filled []bool
	fill   func(w *walker) (override.Value, error)
	vol    *volatileSet
}

// at returns the index of the slot's entry at the walker's point.
func (s *slot) at(w *walker) (int, error) {
	if s.axis >= 0 {
		return int(w.at[s.axis]), nil
	}
	i := s.table.index(w)
	if !s.filled[i] {
		v, err := s.fill(w)
		if err != nil {
			return 0, err
		}
		s.filled[i], s.values[i], s.lines[i] = true, v, lineOf(s.path, v, s.vol)
	}
	return i, nil
}

// axisSlot is the slot of a swept key.
func axisSlot(path string, axis int, values []override.Value, vol *volatileSet) *slot {
	s := &slot{path: path, axis: axis, values: values, lines: make([][]byte, len(values))}
	if vol.coversKey(path) {
		return s
	}
	// One array for all lines: an axis may have a million values.
	escaped := escapePath(path)
	var all []byte
	ends := make([]int, len(values))
	for i, v := range values {
		all = appendLeaves(all, escaped, path, v, vol)
		ends[i] = len(all)
	}
	start := 0
	for i, end := range ends {
		s.lines[i] = all[start:end:end]
		start = end
	}
	return s
}

func computedSlot(path string, table combination, vol *volatileSet, fill func(*walker) (override.Value, error)) *slot {
	return &slot{path: path, axis: -1, table: table, vol: vol, fill: fill,
		values: make([]override.Value, table.n), lines: make([][]byte, table.n), filled: make([]bool, table.n)}
}

// lineOf returns the canonical lines of a value at a path.
func lineOf(path string, val override.Value, vol *volatileSet) []byte {
	if vol.coversKey(path) {
		return nil
	}
	return appendLeaves(nil, escapePath(path), path, val, vol)
}

// combination numbers the combinations of rows of some dimensions.
type combination struct {
	dims    []int
	strides []int
	n       int
}

func combine(s *space, dims []int) combination {
	c := combination{dims, make([]int, len(dims)), 1}
	for i := len(dims) - 1; i >= 0; i-- {
		c.strides[i] = c.n
		c.n *= s.dims[dims[i]].n
	}
	return c
}

func (c *combination) index(w *walker) int {
	i := 0
	for k, d := range c.dims {
		i += w.row[d] * c.strides[k]
	}
	return i
}

// groupSlot is the resource group of a run, filled like a computed slot.
type groupSlot struct {
	table  combination
	groups []int32 // -1: not yet known
	fill   func(w *walker) (int32, error)
}

func (g *groupSlot) at(w *walker) (int32, error) {
	i := g.table.index(w)
	if g.groups[i] < 0 {
		n, err := g.fill(w)
		if err != nil {
			return 0, err
		}
		g.groups[i] = n
	}
	return g.groups[i], nil
}

// encode cuts the canonical encoding of the base at the slots, which it puts
// into the encoding's order. Slots do not lie inside each other.
func (v *variant) encode(vol *volatileSet) {
	byPath := make(map[string]*slot, len(v.delta))
	for _, s := range v.delta {
		byPath[s.path] = s
	}
	var chunk []byte
	var walk func(escaped []byte, path string, val override.Value)
	walk = func(escaped []byte, path string, val override.Value) {
		if s := byPath[path]; s != nil {
			v.slots = append(v.slots, s)
			v.chunks = append(v.chunks, chunk)
			chunk = nil
			return
		}
		if val.Kind() != override.Map || val.Len() == 0 || vol.covers(path, val) {
			if path != "" {
				chunk = appendLeaves(chunk, escaped, path, val, vol)
			}
			return
		}
		for _, f := range sortedFields(val) {
			key := f.Key.Text()
			walk(joinEscaped(escaped, key), joinPath(path, key), f.Val)
		}
	}
	walk(nil, "", v.config)
	v.chunks = append(v.chunks, chunk)
	for _, s := range v.delta {
		if s.axis < 0 && !slices.Contains(v.slots, s) {
			v.other = append(v.other, s)
		}
	}
	h := sha256.New()
	h.Write([]byte(identityFormat))
	h.Write(v.chunks[0])
	v.start = hashState(h)
}

// The hash's state is taken and set by its encoding, which is how one forks a
// hash without allocating another.
func hashState(h hash.Hash) []byte {
	b, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		panic("sweep: sha256 has no state: " + err.Error())
	}
	return b
}

// hasher computes identities; it is reused from run to run.
type hasher struct {
	h   hash.Hash
	buf []byte
	sum [sha256.Size]byte
}

func newHasher() *hasher { return &hasher{h: sha256.New()} }

// identity returns the first bytes of the hash of the run at a point.
func (h *hasher) identity(v *variant, w *walker) (id [idBytes]byte, err error) {
	if err := h.h.(encoding.BinaryUnmarshaler).UnmarshalBinary(v.start); err != nil {
		return id, err
	}
	b := h.buf[:0]
	for i, s := range v.slots {
		at, err := s.at(w)
		if err != nil {
			return id, err
		}
		b = append(b, s.lines[at]...)
		b = append(b, v.chunks[i+1]...)
	}
	h.buf = b
	h.h.Write(b)
	h.h.Sum(h.sum[:0])
	return [idBytes]byte(h.sum[:idBytes]), nil
}

// fill fills what the identity of the run at a point has not filled: the rest
// of its delta, and its resource group, which it returns.
func (v *variant) fill(w *walker) (group int32, err error) {
	for _, s := range v.other {
		if _, err := s.at(w); err != nil {
			return 0, err
		}
	}
	return v.group.at(w)
}

// fields returns the delta of the run at a point.
func (v *variant) fields(w *walker) ([]override.Field, error) {
	if len(v.delta) == 0 {
		return nil, nil
	}
	fields := make([]override.Field, len(v.delta))
	for i, s := range v.delta {
		at, err := s.at(w)
		if err != nil {
			return nil, err
		}
		fields[i] = override.Field{Key: override.StringValue(s.path), Val: s.values[at]}
	}
	return fields, nil
}

// groupTable numbers the distinct resource requests of a plan.
type groupTable struct {
	groups []results.Group
	byKey  map[string]int32
}

func (t *groupTable) number(launcher override.Value) int32 {
	key := string(appendCanonical(nil, launcher))
	if n, ok := t.byKey[key]; ok {
		return n
	}
	if t.byKey == nil {
		t.byKey = map[string]int32{}
	}
	n := int32(len(t.groups))
	t.byKey[key] = n
	t.groups = append(t.groups, results.Group{Key: results.GroupKey(launcher), Launcher: launcher})
	return n
}

// inside reports whether path lies below table, or is it.
func inside(path, table string) bool {
	return path == table || len(path) > len(table) && path[:len(table)] == table && path[len(table)] == '.'
}
