package sweep

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"orch/sweep/override"
)

// Volatile lists the keys of a config that change how a run is executed but
// not what it computes, and so are no part of its identity. An entry covers
// the key and everything below it. "key=/*" covers the key only while its
// value is an absolute path: "digits" names a data set, "/scratch/me/digits"
// says where this machine keeps it.
//
// A config adds to the list with `volatile = ["log_level"]` and takes from it
// with a "!" in front: `volatile = ["!threads"]`, for a study of run times.
//
// It is a variable so that there is one place to read; nobody assigns to it.
var Volatile = []string{
	"name", "study", "sweep", "launcher", "retry", "volatile", // the sweep's own tables
	"results", "data.dir=/*", // where things are
	"threads", "parallel", "walltime", "timeout", "stall", "run_time", // how long and how wide
	"task.snapshot", "task.timeout", "task.stall", "task.stop_signal", "task.stop_grace", "task.checkpoint_signal", "task.checkpoint_every", "training.checkpoint_every", // when to stop or pause
}

// reserved are the top-level keys that belong to the sweep: no run sees them.
// The run's config is everything else. A list `env` is not here, since composing
// takes it out; any other `env` is the user's own.
var reserved = []string{"name", "study", "sweep", "launcher", "retry", "volatile", "defaults", "package"}

// idDigits is the length of an identity: 96 bits, so that among a million runs
// two different ones share an identity with a chance of 1 in 10^17.
const idDigits = 24

// idBytes is the part of the hash that the digits show.
const idBytes = idDigits / 2

// identityFormat begins what is hashed. A change of the encoding changes this
// line, and with it every identity, on purpose.
const identityFormat = "orch run 1\n"

// Identity returns the identity of a run from its resolved config: the first
// 24 hexadecimal digits of a SHA-256. The order of keys does not matter; types
// do (1 and 1.0 are different values); volatile keys are left out.
//
// What is hashed is text, one line a leaf in the order of a walk with sorted
// keys, the value in the JSON of the results tree:
//
//	orch run 1
//	model.layers=2
//	seed=0
//	training.lr=0.1
//
// A leaf is anything but a map with entries: a list is one leaf. In keys a
// backslash stands before '.', '=' and itself; control characters are \xNN.
func Identity(config override.Value, volatile []string) string {
	b := appendLeaves([]byte(identityFormat), nil, "", config, newVolatileSet(volatile))
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:idBytes])
}

// appendLeaves appends the canonical lines of the value v at a path, given
// escaped as in the encoding and plain as in an override.
func appendLeaves(b, escaped []byte, path string, v override.Value, vol *volatileSet) []byte {
	if vol.covers(path, v) {
		return b
	}
	if v.Kind() != override.Map || v.Len() == 0 {
		if len(escaped) == 0 {
			return b // an empty config
		}
		b = append(b, escaped...)
		b = append(b, '=')
		b = appendCanonical(b, v)
		return append(b, '\n')
	}
	for _, f := range sortedFields(v) {
		key := f.Key.Text()
		b = appendLeaves(b, joinEscaped(escaped, key), joinPath(path, key), f.Val, vol)
	}
	return b
}

// appendCanonical is [override.Value.AppendJSON] with the maps inside lists
// sorted too.
func appendCanonical(b []byte, v override.Value) []byte {
	return canonical(v).AppendJSON(b)
}

func canonical(v override.Value) override.Value {
	switch v.Kind() {
	case override.List:
		list := make([]override.Value, v.Len())
		for i, e := range v.List() {
			list[i] = canonical(e)
		}
		return override.ListValue(list...)
	case override.Map:
		fields := slices.Clone(sortedFields(v))
		for i := range fields {
			fields[i].Val = canonical(fields[i].Val)
		}
		return override.MapValue(fields...)
	}
	return v
}

// sortedFields returns the entries of a map by the bytes of their keys.
func sortedFields(v override.Value) []override.Field {
	byKey := func(a, b override.Field) int { return strings.Compare(a.Key.Text(), b.Key.Text()) }
	fields := v.Fields()
	if slices.IsSortedFunc(fields, byKey) {
		return fields
	}
	return slices.SortedStableFunc(slices.Values(fields), byKey)
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// joinEscaped returns a new slice: walks keep several at once.
func joinEscaped(escaped []byte, key string) []byte {
	const hexDigits = "0123456789abcdef"
	b := make([]byte, 0, len(escaped)+1+len(key))
	b = append(b, escaped...)
	if len(b) > 0 {
		b = append(b, '.')
	}
	for i := range len(key) {
		switch c := key[i]; {
		case c == '.' || c == '=' || c == '\\':
			b = append(b, '\\', c)
		case c < 0x20:
			b = append(b, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, c)
		}
	}
	return b
}

// escapePath returns the canonical form of a dotted path as overrides have it.
func escapePath(path string) []byte {
	var b []byte
	for key := range strings.SplitSeq(path, ".") {
		b = joinEscaped(b, key)
	}
	return b
}

// volatileSet answers whether a path is left out of identity.
type volatileSet struct {
	keys     map[string]bool // whole subtrees
	absolute map[string]bool // only values that are absolute paths
}

const absoluteMark = "=/*"

func newVolatileSet(list []string) *volatileSet {
	s := &volatileSet{map[string]bool{}, map[string]bool{}}
	for _, e := range list {
		if key, ok := strings.CutSuffix(e, absoluteMark); ok {
			s.absolute[key] = true
		} else {
			s.keys[e] = true
		}
	}
	return s
}

// covers reports whether a walk from the top stops at this path.
func (s *volatileSet) covers(path string, v override.Value) bool {
	if s.keys[path] {
		return true
	}
	if s.absolute[path] {
		text, ok := v.Str()
		return ok && strings.HasPrefix(text, "/")
	}
	return false
}

// coversKey reports whether the key, or a table it lies in, is volatile
// whatever its value.
func (s *volatileSet) coversKey(path string) bool { return s.entry(path) != "" }

// entry returns the key of the list that covers this one whatever its value, or
// nothing.
func (s *volatileSet) entry(path string) string {
	for i := range len(path) {
		if path[i] == '.' && s.keys[path[:i]] {
			return path[:i]
		}
	}
	if s.keys[path] {
		return path
	}
	return ""
}

// volatileList returns the built-in list changed by the config's own entries.
func volatileList(extra []string) []string {
	list := slices.Clone(Volatile)
	for _, e := range extra {
		if off, ok := strings.CutPrefix(e, "!"); ok {
			list = slices.DeleteFunc(list, func(have string) bool {
				return have == off || strings.TrimSuffix(have, absoluteMark) == off
			})
		} else if !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list
}

// runConfig is the part of a composed config that a run sees.
func runConfig(config override.Value) override.Value {
	var fields []override.Field
	for _, f := range config.Fields() {
		if !slices.Contains(reserved, f.Key.Text()) {
			fields = append(fields, f)
		}
	}
	return override.MapValue(fields...)
}
