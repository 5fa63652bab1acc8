package hydra

import (
	"strings"

	"orch/sweep/override"
)

// writer writes tables as TOML, in the order of the entries.
type writer struct{ b strings.Builder }

// table writes a table. Plain keys must stand before the [tables] in TOML; a
// table with a plain key behind it is written with dotted keys, so that the
// order stays.
func (w *writer) table(path string, t *table) {
	last := 0 // entries from here on are tables
	for i, e := range t.entries {
		if !e.isTable() {
			last = i + 1
		}
	}
	for _, e := range t.entries[:last] {
		w.dotted("", e)
	}
	for _, e := range t.entries[last:] {
		header := join(path, tomlKey(e.key))
		inner := e.val.table
		if w.b.Len() > 0 {
			w.b.WriteByte('\n')
		}
		w.head(e)
		if !inner.implied() || len(e.head) > 0 || e.comment != "" {
			w.b.WriteString("[" + header + "]" + tail(e.comment) + "\n")
		} else {
			// Its tables' headers say it; no blank line for one that is not there.
			s := w.b.String()
			w.b.Reset()
			w.b.WriteString(strings.TrimSuffix(s, "\n"))
			if s != "" {
				w.b.WriteByte('\n')
			}
		}
		w.table(header, inner)
	}
}

func (e *entry) isTable() bool { return e.val.table != nil }

// implied reports whether a table holds nothing but tables.
func (t *table) implied() bool {
	for _, e := range t.entries {
		if !e.isTable() {
			return false
		}
	}
	return len(t.entries) > 0
}

// dotted writes an entry below a dotted key.
func (w *writer) dotted(path string, e *entry) {
	key := join(path, tomlKey(e.key))
	w.head(e)
	if t := e.val.table; t != nil && len(t.entries) > 0 {
		for _, kid := range t.entries {
			w.dotted(key, kid)
		}
		return
	}
	w.b.WriteString(key + " = " + inline(e.val) + tail(e.comment) + "\n")
}

func (w *writer) head(e *entry) {
	for _, line := range e.head {
		w.b.WriteString(line + "\n")
	}
}

func tail(comment string) string {
	if comment == "" {
		return ""
	}
	return "  " + comment
}

// inline writes a value as it stands behind a key. A list that would be long
// has a line for each element.
func inline(v value) string {
	switch {
	case v.table != nil:
		parts := make([]string, len(v.table.entries))
		for i, e := range v.table.entries {
			parts[i] = tomlKey(e.key) + " = " + flat(e.val)
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case v.isList:
		s := flat(v)
		if len(s) <= 80 {
			return s
		}
		var b strings.Builder
		b.WriteString("[\n")
		for _, e := range v.list {
			b.WriteString("  " + flat(e) + ",\n")
		}
		return b.String() + "]"
	}
	return v.scalar.TOML()
}

// flat is inline on one line, as TOML wants it inside {}.
func flat(v value) string {
	if !v.isList {
		return inline(v)
	}
	parts := make([]string, len(v.list))
	for i, e := range v.list {
		parts[i] = flat(e)
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// tomlKey quotes a key where TOML wants it.
func tomlKey(key string) string {
	for _, r := range key {
		if r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return quote(key)
		}
	}
	if key == "" {
		return `""`
	}
	return key
}

func quote(s string) string { return override.QuotedValue(s).TOML() }
