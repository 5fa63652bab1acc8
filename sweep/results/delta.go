package results

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"orch/sweep/override"
)

// DeltaReader reads what many runs of one segment differ in without building the
// whole config of each: a sweep of 100,000 runs has 100,000 configs of a
// kilobyte that differ in two numbers. Its answers are those of [RunSpec.Swept]
// and [RunSpec.Config], which it falls back to where a delta is unusual. Not
// safe for concurrent use.
type DeltaReader struct {
	h      *Header
	fields []override.Field // of the run read last
	swept  map[sweptKey]sweptBase
	plain  map[pathKey]bool
	bases  map[pathKey]sweptBase // values of the bases that Get was asked for
	forms  map[string]*form      // by base and keys of a delta
	key    []byte
}

type sweptKey struct{ base, axis int }

// sweptBase is an axis' value where a run's delta does not touch it.
type sweptBase struct {
	value  override.Value
	ok     bool
	choice bool // the option of a config group: no delta changes it
}

type pathKey struct {
	base int
	path string
}

// form is the JSON of a base cut at the values that deltas with certain keys
// replace. No cuts: the value must be built.
type form struct {
	cuts []cut
	tail []byte
}

// cut is the value of one field of a delta and the text before it.
type cut struct {
	before []byte
	field  int
}

// DeltaReader returns a reader for runs of the segment with this header.
func (h *Header) DeltaReader() *DeltaReader {
	return &DeltaReader{h: h, swept: map[sweptKey]sweptBase{}, plain: map[pathKey]bool{}, bases: map[pathKey]sweptBase{}, forms: map[string]*form{}}
}

// read parses a run's delta into d.fields.
func (d *DeltaReader) read(r *RunSpec) (err error) {
	if r.raw == nil {
		d.fields = append(d.fields[:0], r.Delta...)
		return nil
	}
	d.fields, err = appendFields(d.fields[:0], r.raw)
	if err != nil {
		return fmt.Errorf("run %s: its delta: %w", r.Name, err)
	}
	return nil
}

// AppendSwept appends the run's values of the header's axes, as far as it has
// them, to list.
func (d *DeltaReader) AppendSwept(list []override.Field, r *RunSpec) ([]override.Field, error) {
	err := d.read(r)
	for i := range d.h.Axes {
		axis := d.h.Axes[i].Key
		var v override.Value
		var ok bool
		if err == nil {
			v, ok = d.value(r, i, axis)
		} else {
			v, ok = r.Swept(d.h, axis, override.Value{}) // the choices
		}
		if ok {
			list = append(list, override.Field{Key: override.StringValue(axis), Val: v})
		}
	}
	return list, err
}

func (d *DeltaReader) value(r *RunSpec, i int, axis string) (override.Value, bool) {
	k := sweptKey{r.Base, i}
	base, known := d.swept[k]
	if !known {
		if r.Base < len(d.h.Choices) {
			base.value, base.choice = d.h.Choices[r.Base].Lookup(axis)
			base.ok = base.choice
		}
		if !base.choice {
			base.value, base.ok = d.h.Bases[r.Base].Get(axis)
		}
		d.swept[k] = base
	}
	if base.choice {
		return base.value, true
	}
	return d.over(r, base, axis)
}

// Get returns what [RunSpec.Config] has at a dotted path; nothing if the delta
// is damaged.
func (d *DeltaReader) Get(r *RunSpec, path string) (override.Value, bool) {
	if d.read(r) != nil {
		return override.Value{}, false
	}
	k := pathKey{r.Base, path}
	base, known := d.bases[k]
	if !known {
		base.value, base.ok = d.h.Bases[r.Base].Get(path)
		if len(d.bases) >= maxForms {
			clear(d.bases)
		}
		d.bases[k] = base
	}
	return d.over(r, base, path)
}

// over returns the value at a path after the delta in d.fields, given the base's.
func (d *DeltaReader) over(r *RunSpec, base sweptBase, path string) (override.Value, bool) {
	found := -1
	for j := range d.fields {
		switch key := d.fields[j].Key.Text(); {
		case !d.inMaps(r.Base, key):
			return with(d.h.Bases[r.Base], d.fields).Get(path)
		case key == path:
			found = j
		case strings.HasPrefix(key, path) && key[len(path)] == '.', strings.HasPrefix(path, key) && path[len(key)] == '.':
			return with(d.h.Bases[r.Base], d.fields).Get(path)
		}
	}
	if found >= 0 {
		return d.fields[found].Val, true
	}
	return base.value, base.ok
}

// inMaps reports whether the path leads through maps alone, or what is not there
// yet: then setting it changes nothing that is not on the path.
func (d *DeltaReader) inMaps(base int, path string) bool {
	k := pathKey{base, path}
	plain, known := d.plain[k]
	if known {
		return plain
	}
	plain = path != ""
	for v, rest := d.h.Bases[base], path; plain; {
		if v.Kind() == override.List {
			plain = false
			break
		}
		key, after, more := strings.Cut(rest, ".")
		if !more {
			break
		}
		v, _ = v.Lookup(key)
		rest = after
	}
	if len(d.plain) >= maxForms {
		clear(d.plain)
	}
	d.plain[k] = plain
	return plain
}

// maxForms bounds what a reader remembers, should all deltas differ in their keys.
const maxForms = 1000

// AppendConfig appends the run's whole config as JSON: the bytes of
// [override.Value.AppendJSON] of what [RunSpec.Config] returns.
func (d *DeltaReader) AppendConfig(b []byte, r *RunSpec) ([]byte, error) {
	if err := d.read(r); err != nil {
		return b, err
	}
	d.key = strconv.AppendInt(d.key[:0], int64(r.Base), 10)
	for i := range d.fields {
		d.key = append(append(d.key, 0), d.fields[i].Key.Text()...)
	}
	f := d.forms[string(d.key)]
	if f == nil {
		if len(d.forms) >= maxForms {
			clear(d.forms)
		}
		f = newForm(d.h.Bases[r.Base], d.fields)
		d.forms[string(d.key)] = f
	}
	if f.cuts == nil {
		return with(d.h.Bases[r.Base], d.fields).AppendJSON(b), nil
	}
	for _, c := range f.cuts {
		b = append(b, c.before...)
		b = d.fields[c.field].Val.AppendJSON(b)
	}
	return append(b, f.tail...), nil
}

// newForm sets every field to a mark of its own and looks where the marks come
// out. One that does not come out exactly once (its value is part of another's,
// or the base happens to hold its text) makes the form useless.
func newForm(base override.Value, fields []override.Field) *form {
	marks := make([]override.Field, len(fields))
	for i := range fields {
		marks[i] = override.Field{Key: fields[i].Key, Val: override.StringValue(fmt.Sprintf("value %d of a delta, 9d1c66e4", i))}
	}
	text := with(base, marks).AppendJSON(nil)
	at := map[int]int{}
	for i := range marks {
		mark := marks[i].Val.AppendJSON(nil)
		if bytes.Count(text, mark) != 1 {
			return &form{}
		}
		at[bytes.Index(text, mark)] = i
	}
	f := &form{cuts: make([]cut, 0, len(fields))}
	from := 0
	for _, k := range slices.Sorted(maps.Keys(at)) {
		f.cuts = append(f.cuts, cut{text[from:k], at[k]})
		from = k + len(marks[at[k]].Val.AppendJSON(nil))
	}
	f.tail = text[from:]
	return f
}

// with sets the fields of a delta.
func with(v override.Value, fields []override.Field) override.Value {
	for _, f := range fields {
		v = v.Set(f.Key.Text(), f.Val)
	}
	return v
}

// appendFields appends the fields of a delta, as [override.ParseJSON] reads
// them. Deltas of plain numbers, words, true and false, which most are, take a
// short way.
func appendFields(list []override.Field, raw []byte) ([]override.Field, error) {
	from := len(list)
	s := scanner{b: raw, shared: true}
	odd := false
	err := s.object(func(key []byte) error {
		name := s.text(key)
		value, err := s.raw()
		if err != nil {
			return err
		}
		v, ok := plainValue(value)
		if !ok || !plainText(key) {
			odd = true
			return errScan
		}
		list = append(list, override.Field{Key: override.StringValue(name), Val: v})
		return nil
	})
	float := len(list)-from == 1 && list[from].Key.Text() == "$float" // {"$float":"inf"} is no map
	if whole := s.i == len(raw) && raw[len(raw)-1] == '}'; !odd && err == nil && whole && !float {
		return list, nil
	}
	v, err := override.ParseJSON(raw)
	return append(list[:from], v.Fields()...), err
}

// plainText reports whether a string of JSON stands for itself.
func plainText(b []byte) bool {
	for _, c := range b {
		if c < 0x20 || c == '\\' || c == '"' || c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// plainValue reads a value that is no list, no map, and no string with escapes.
func plainValue(b []byte) (v override.Value, ok bool) {
	switch n := len(b); {
	case n == 0:
		return v, false
	case b[0] == '"':
		text := b[1:max(1, n-1)]
		return override.StringValue(textOf(text)), n >= 2 && b[n-1] == '"' && plainText(text)
	case string(b) == "true", string(b) == "false":
		return override.BoolValue(b[0] == 't'), true
	}
	digits := 0
	for i, c := range b {
		switch {
		case '0' <= c && c <= '9':
			digits++
		case c == '-' && i == 0:
		default:
			f, err := strconv.ParseFloat(textOf(b), 64)
			return override.FloatValue(f), err == nil && json.Valid(b)
		}
	}
	if digits == 0 || digits > 18 || digits > 1 && b[len(b)-digits] == '0' {
		return v, false // let the parser of all JSON say
	}
	n, err := strconv.ParseInt(textOf(b), 10, 64)
	return override.IntValue(n), err == nil
}
