package command

import (
	"errors"
	"fmt"
	"strings"

	"orch/sweep/override"
)

// A template is text with {key} placeholders.
type template []part

// part is a stretch of literal text, or a placeholder.
type part struct {
	lit string
	key string // not empty: a placeholder
	at  place  // where in a shell command the placeholder stands
}

// Names that are filled in when a run starts; every other name is a key of the
// run's config.
var runtimeNames = []string{"run_dir", "name", "id", "threads", "gpus", "config", "config_json", "resume"}

// parseTemplate splits s at its placeholders.
func parseTemplate(s string) (template, error) {
	var t template
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			t = append(t, part{lit: lit.String()})
			lit.Reset()
		}
	}
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			lit.WriteByte(c)
			i++
		case c == '}':
			return nil, errors.New("has a } without {; write }} for a literal brace")
		case c == '{':
			n := strings.IndexAny(s[i+1:], "{}")
			if n < 0 || s[i+1+n] == '{' {
				return nil, errors.New("has a { without }; write {{ for a literal brace")
			}
			key := s[i+1 : i+1+n]
			if key == "" {
				return nil, errors.New("has an empty {}; name a key of the config, or write {{}} for literal braces")
			}
			flush()
			t = append(t, part{key: key})
			i += n + 1
		default:
			lit.WriteByte(c)
		}
	}
	flush()
	return t, nil
}

// uses reports whether the template has the placeholder {key}.
func (t template) uses(key string) bool {
	for _, p := range t {
		if p.key == key {
			return true
		}
	}
	return false
}

// values finds the text of a placeholder.
type values func(key string) (string, bool)

// fill replaces the placeholders. A text with a zero byte is refused, since no
// system can pass it to a program.
func (t template) fill(vals values) (string, error) {
	return t.fillWith(vals, func(p part, s string) (string, error) { return s, nil })
}

// fillShell is fill for a command that sh will read.
func (t template) fillShell(vals values) (string, error) {
	return t.fillWith(vals, func(p part, s string) (string, error) { return quote(s, p) })
}

func (t template) fillWith(vals values, encode func(part, string) (string, error)) (string, error) {
	var b strings.Builder
	for _, p := range t {
		s := p.lit
		if p.key != "" {
			v, ok := vals(p.key)
			if !ok {
				return "", fmt.Errorf("{%s} names no key of the config", p.key)
			}
			var err error
			if s, err = encode(p, v); err != nil {
				return "", err
			}
		}
		if strings.IndexByte(s, 0) >= 0 {
			return "", fmt.Errorf("{%s} holds a zero byte, which no program can be given", p.key)
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

// textOf returns a config value as a program gets it: scalars as a person
// would type them, lists and tables as JSON, so that they can be parsed.
func textOf(v override.Value) string {
	switch v.Kind() {
	case override.List, override.Map:
		return string(v.AppendJSON(nil))
	}
	return v.Text()
}

// lookup finds a dotted key in a config.
func lookup(config override.Value, key string) (override.Value, bool) {
	if v, ok := config.Lookup(key); ok {
		return v, true
	}
	return config.Get(key)
}

// keysOf lists every dotted key of a config, tables included.
func keysOf(config override.Value, prefix string, keys []string) []string {
	for _, f := range config.Fields() {
		key := prefix + f.Key.Text()
		keys = append(keys, key)
		keys = keysOf(f.Val, key+".", keys)
	}
	return keys
}

// nearest returns the name that looks most like s, or nothing if none does: at
// most a third of the letters may differ. A name whose last component is s
// (training.lr for lr) counts as one edit.
func nearest(s string, names []string) string {
	best, least := "", max(1, len(s)/3)+1
	for _, n := range names {
		d := distance(s, n)
		if strings.HasSuffix(n, "."+s) {
			d = 1
		}
		if d < least {
			best, least = n, d
		}
	}
	return best
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn a into b (optimal string alignment).
func distance(a, b string) int {
	rows := [3][]int{make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)}
	before, last, row := rows[0], rows[1], rows[2]
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return last[len(b)]
}
