package hydra

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"orch/sweep/override"
)

// table is a YAML mapping: its entries in order, with their comments.
type table struct {
	entries []*entry
}

type entry struct {
	key     string
	val     value
	line    int
	head    []string // comment lines above, each with its "#"
	comment string   // behind the value, with its "#"
}

// value is a table, a list, or a scalar.
type value struct {
	table  *table
	list   []value // if isList
	isList bool
	scalar override.Value
	line   int
}

func scalarOf(v override.Value, line int) value { return value{scalar: v, line: line} }

// str returns the text of a string.
func (v value) str() (string, bool) {
	if v.table != nil || v.isList {
		return "", false
	}
	return v.scalar.Str()
}

// text returns a scalar as a person would type it.
func (v value) text() string {
	switch {
	case v.table != nil:
		return "a table"
	case v.isList:
		return "a list"
	}
	return v.scalar.Text()
}

func (v value) isNull() bool { return v.table == nil && !v.isList && v.scalar.IsNull() }

func (t *table) get(key string) *entry {
	if t == nil {
		return nil
	}
	for _, e := range t.entries {
		if e.key == key {
			return e
		}
	}
	return nil
}

// take removes an entry and returns it, nil if there is none.
func (t *table) take(key string) *entry {
	e := t.get(key)
	if e != nil {
		t.entries = slices.DeleteFunc(t.entries, func(x *entry) bool { return x == e })
	}
	return e
}

func (t *table) add(e *entry) { t.entries = append(t.entries, e) }

// set adds a scalar.
func (t *table) set(key string, v override.Value, comment string) {
	t.add(&entry{key: key, val: scalarOf(v, 0), comment: comment})
}

// Bounds of one file, well above what a person writes: aliases can turn a
// kilobyte into a million nodes.
const (
	maxBytes = 1 << 20
	maxNodes = 200_000
	maxDepth = 60
)

// reader builds tables of YAML nodes.
type reader struct {
	*notes
	nodes int
}

// document parses a YAML file. An empty one is an empty table, as for Hydra.
func (n *notes) document(text []byte) (*table, []string, error) {
	if len(text) > maxBytes {
		return nil, nil, errors.New("larger than 1 MiB")
	}
	dec := yaml.NewDecoder(strings.NewReader(string(text)))
	var doc, second yaml.Node
	if err := dec.Decode(&doc); err != nil {
		if strings.Contains(err.Error(), "EOF") {
			return &table{}, comments(string(text)), nil
		}
		return nil, nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if dec.Decode(&second) == nil {
		return nil, nil, errors.New("more than one YAML document in the file")
	}
	r := &reader{notes: n}
	v, err := r.value(doc.Content[0], 0)
	if err != nil {
		return nil, nil, err
	}
	head := comments(doc.HeadComment)
	if v.isNull() {
		return &table{}, head, nil
	}
	if v.table == nil {
		return nil, nil, fmt.Errorf("line %d: the file is no table of keys", v.line)
	}
	return v.table, head, nil
}

func (r *reader) value(node *yaml.Node, depth int) (value, error) {
	if r.nodes++; r.nodes > maxNodes || depth > maxDepth {
		return value{}, fmt.Errorf("line %d: too many or too deeply nested values", node.Line)
	}
	switch node.Kind {
	case yaml.AliasNode:
		return r.value(node.Alias, depth+1)
	case yaml.SequenceNode:
		v := value{isList: true, line: node.Line}
		for _, c := range node.Content {
			e, err := r.value(c, depth+1)
			if err != nil {
				return v, err
			}
			v.list = append(v.list, e)
		}
		return v, nil
	case yaml.MappingNode:
		t, err := r.mapping(node, depth)
		return value{table: t, line: node.Line}, err
	}
	return scalarOf(r.scalar(node), node.Line), nil
}

func (r *reader) mapping(node *yaml.Node, depth int) (*table, error) {
	t := &table{}
	var merged []*entry
	for i := 0; i+1 < len(node.Content); i += 2 {
		k, c := node.Content[i], node.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.Value == "<<" && k.Style == 0 {
			m, err := r.merge(c, depth)
			if err != nil {
				return nil, err
			}
			merged = append(merged, m...)
			continue
		}
		if k.Kind == yaml.AliasNode {
			k = k.Alias
		}
		if k.Kind != yaml.ScalarNode {
			return nil, fmt.Errorf("line %d: a key must be a single value", k.Line)
		}
		key := k.Value
		if k.Style == 0 {
			// true: and yes: are one key for Hydra, and null: is one, too.
			if v := (&notes{}).scalar(k); v.Kind() != override.String {
				key = v.Text()
				r.look(k.Line, "refer to it as a text", "the key %s is a %s for Hydra; keys are texts in orch", k.Value, v.Kind())
			}
		}
		if t.get(key) != nil {
			return nil, fmt.Errorf("line %d: the key %s a second time", k.Line, key)
		}
		v, err := r.value(c, depth+1)
		if err != nil {
			return nil, err
		}
		e := &entry{key: key, val: v, line: k.Line, head: comments(k.HeadComment), comment: firstLine(c.LineComment, k.LineComment)}
		t.add(e)
	}
	for _, e := range merged {
		if t.get(e.key) == nil {
			t.add(e)
		}
	}
	return t, nil
}

// merge returns the entries that "<<" brings: of one mapping or of several, of
// which the first that has a key wins.
func (r *reader) merge(node *yaml.Node, depth int) ([]*entry, error) {
	v, err := r.value(node, depth+1)
	if err != nil {
		return nil, err
	}
	sources := []value{v}
	if v.isList {
		sources = v.list
	}
	var out []*entry
	for _, s := range sources {
		if s.table == nil {
			return nil, fmt.Errorf("line %d: << wants a mapping", node.Line)
		}
		for _, e := range s.table.entries {
			if !slices.ContainsFunc(out, func(x *entry) bool { return x.key == e.key }) {
				c := *e
				c.head, c.comment = nil, ""
				out = append(out, &c)
			}
		}
	}
	return out, nil
}

// comments returns the lines of a comment.
func comments(s string) []string {
	var list []string
	for _, line := range strings.Split(s, "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			list = append(list, line)
		}
	}
	return list
}

func firstLine(texts ...string) string {
	for _, t := range texts {
		if list := comments(t); len(list) > 0 {
			return list[0]
		}
	}
	return ""
}
