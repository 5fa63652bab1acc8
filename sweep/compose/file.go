package compose

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"

	"orch/sweep/override"
)

// Bounds of one file. The TOML library takes minutes over a text of a million
// brackets, so both are checked before it sees the text.
const (
	maxBytes = 1 << 20
	maxDepth = 64
)

// file is a parsed config file.
type file struct {
	name     string // config path without extension: "model/net2"; the given path of a sweep file
	label    string // as shown in origins
	pkg      string // the top-level key `package`
	hasPkg   bool
	lenient  bool // may choose again without "override": a sweep file, or under experiment/
	defaults []entry
	body     *node // everything but defaults and package
}

// parseFile parses a config file.
func parseFile(name, label string, text []byte) (*file, error) {
	at := Origin{File: label}
	if len(text) > maxBytes {
		return nil, fail(ClassTooLarge, at, "split it, or keep data out of configs", "the file is larger than 1 MiB")
	}
	if line := tooDeep(text); line > 0 {
		at.Line = line
		return nil, fail(ClassTooLarge, at, "", "nested deeper than %d", maxDepth)
	}
	var data map[string]any
	if _, err := toml.Decode(string(text), &data); err != nil {
		return nil, syntaxError(at, err)
	}
	body, err := build(data, locate(text), at, 0)
	if err != nil {
		return nil, err
	}
	f := &file{name: name, label: label, body: body, lenient: strings.HasPrefix(name, "experiment/")}
	if f.lenient {
		f.pkg, f.hasPkg = "_global_", true
	}
	if n := f.take("package"); n != nil {
		s, ok := n.val.Str()
		if !ok {
			return nil, fail(ClassDefaults, n.from, `such as package = "_global_" or package = "a.b"`, "package must be a string")
		}
		f.pkg, f.hasPkg = s, true
	}
	if n := f.take("defaults"); n != nil {
		if f.defaults, err = parseDefaults(n); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// take removes a key of the body and returns its node, nil if it has none.
func (f *file) take(key string) *node {
	i := f.body.at(key)
	if i < 0 {
		return nil
	}
	n := f.body.kids[i]
	f.body.remove(i)
	return n
}

func syntaxError(at Origin, err error) error {
	var p toml.ParseError
	if !errors.As(err, &p) {
		return fail(ClassSyntax, at, "", "%v", err)
	}
	at.Line = p.Position.Line
	e := fail(ClassSyntax, at, "", "%s", p.Message)
	e.Col = p.Position.Col
	return e
}

// build makes nodes of decoded TOML. Order and lines come from the spots; a
// key that has none (which would be a bug of the locator) comes last, with the
// line of its parent.
func build(x any, at *spot, from Origin, depth int) (*node, error) {
	if at != nil && at.line > 0 {
		from.Line = at.line
	}
	if depth > maxDepth {
		return nil, fail(ClassTooLarge, from, "", "nested deeper than %d", maxDepth)
	}
	switch x := x.(type) {
	case map[string]any:
		n := newTable(from)
		add := func(key string, s *spot) error {
			kid, err := build(x[key], s, from, depth+1)
			if err == nil {
				n.set(key, kid)
			}
			return err
		}
		if at != nil {
			for i, key := range at.keys {
				if _, ok := x[key]; ok {
					if err := add(key, at.kids[i]); err != nil {
						return nil, err
					}
				}
			}
		}
		if len(n.keys) < len(x) {
			for _, key := range slices.Sorted(maps.Keys(x)) {
				if n.at(key) < 0 {
					if err := add(key, nil); err != nil {
						return nil, err
					}
				}
			}
		}
		return n, nil
	case []any:
		return buildList(len(x), func(i int) any { return x[i] }, at, from, depth)
	case []map[string]any:
		return buildList(len(x), func(i int) any { return x[i] }, at, from, depth)
	case string:
		if x == "null" {
			return leafNode(override.NullValue(), from), nil
		}
		return leafNode(override.QuotedValue(x), from), nil
	case time.Time:
		return leafNode(override.QuotedValue(timeText(x)), from), nil
	}
	v, err := override.FromAny(x)
	if err != nil {
		return nil, fail(ClassSyntax, from, "", "%v", err)
	}
	return leafNode(v, from), nil
}

func buildList(n int, get func(int) any, at *spot, from Origin, depth int) (*node, error) {
	l := &node{kind: list, from: from, kids: make([]*node, n)}
	for i := range n {
		var s *spot
		if at != nil && i < len(at.elems) {
			s = at.elems[i]
		}
		kid, err := build(get(i), s, from, depth+1)
		if err != nil {
			return nil, err
		}
		l.kids[i] = kid
	}
	return l, nil
}

// timeText writes a TOML date or time without the parts it did not have. The
// library tells the four kinds apart by the name of the location.
func timeText(t time.Time) string {
	switch t.Location().String() {
	case "datetime-local":
		return t.Format("2006-01-02T15:04:05.999999999")
	case "date-local":
		return t.Format("2006-01-02")
	case "time-local":
		return t.Format("15:04:05.999999999")
	}
	return t.Format(time.RFC3339Nano)
}
