package compose

import (
	"slices"
	"strconv"
	"strings"

	"orch/sweep/override"
)

// node is a value with its origin: a leaf, a list or a map. Nodes are
// immutable once they are part of a parsed file or a Config, so that files,
// configs and their variants share them; every change copies the path to it.
type node struct {
	kind nodeKind
	val  override.Value // of a leaf
	expr *expr          // of a leaf that is an interpolation
	from Origin
	keys []string // of a map, in order
	kids []*node  // of a map, like keys; of a list, its elements

	// Position of each key, made for maps of many keys only: a linear search
	// through a file of 50,000 keys, for each of them, would take minutes.
	index map[string]int
}

type nodeKind uint8

const (
	leaf nodeKind = iota
	list
	table
)

const indexFrom = 24 // keys of a map that are searched one by one

// leafNode makes a leaf; strings that hold "${" are parsed here, once.
func leafNode(v override.Value, from Origin) *node {
	n := &node{val: v, from: from}
	if s, ok := v.Str(); ok && strings.Contains(s, "${") {
		n.expr = parseExpr(s)
	}
	return n
}

// valueNode makes the node of a whole value, all of it from one origin.
func valueNode(v override.Value, from Origin) *node {
	switch v.Kind() {
	case override.List:
		n := &node{kind: list, from: from, kids: make([]*node, 0, v.Len())}
		for _, e := range v.List() {
			n.kids = append(n.kids, valueNode(e, from))
		}
		return n
	case override.Map:
		n := &node{kind: table, from: from}
		for _, f := range v.Fields() {
			n.set(f.Key.Text(), valueNode(f.Val, from))
		}
		return n
	}
	return leafNode(v, from)
}

// value returns the node as a value, interpolations as written.
func (n *node) value() override.Value {
	switch n.kind {
	case list:
		vs := make([]override.Value, len(n.kids))
		for i, k := range n.kids {
			vs[i] = k.value()
		}
		return override.ListValue(vs...)
	case table:
		fs := make([]override.Field, len(n.kids))
		for i, k := range n.kids {
			fs[i] = override.Field{Key: override.StringValue(n.keys[i]), Val: k.value()}
		}
		return override.MapValue(fs...)
	}
	return n.val
}

// missing reports whether the node is ???.
func (n *node) missing() bool {
	s, ok := n.val.Str()
	return n.kind == leaf && ok && s == "???"
}

func (n *node) isNull() bool { return n.kind == leaf && n.val.IsNull() }

// at returns the position of a key in a map, -1 if there is none.
func (n *node) at(key string) int {
	if n.index != nil {
		if i, ok := n.index[key]; ok {
			return i
		}
		return -1
	}
	return slices.Index(n.keys, key)
}

// child returns a map's or list's child, nil if there is none.
func (n *node) child(key string) *node {
	switch n.kind {
	case table:
		if i := n.at(key); i >= 0 {
			return n.kids[i]
		}
	case list:
		if i, ok := n.element(key); ok {
			return n.kids[i]
		}
	}
	return nil
}

// element returns the position of a list's element written as a decimal.
func (n *node) element(key string) (int, bool) {
	i, err := strconv.Atoi(key)
	return i, err == nil && i >= 0 && i < len(n.kids) && key[0] != '+'
}

// get returns the node at a path, nil if there is none.
func (n *node) get(path []string) *node {
	for _, key := range path {
		if n = n.child(key); n == nil {
			return nil
		}
	}
	return n
}

// clone returns a copy whose own keys and children may be changed.
func (n *node) clone() *node {
	c := *n
	c.keys, c.kids = slices.Clone(n.keys), slices.Clone(n.kids)
	if n.index != nil {
		c.index = make(map[string]int, len(n.index))
		for i, k := range c.keys {
			c.index[k] = i
		}
	}
	return &c
}

// set sets a key of a map that is not shared yet.
func (n *node) set(key string, kid *node) {
	if i := n.at(key); i >= 0 {
		n.kids[i] = kid
		return
	}
	n.keys, n.kids = append(n.keys, key), append(n.kids, kid)
	if n.index != nil {
		n.index[key] = len(n.keys) - 1
	} else if len(n.keys) > indexFrom {
		n.index = make(map[string]int, 2*indexFrom)
		for i, k := range n.keys {
			n.index[k] = i
		}
	}
}

// remove removes the i-th key or element of a node that is not shared yet.
func (n *node) remove(i int) {
	n.kids = slices.Delete(n.kids, i, i+1)
	if n.kind != table {
		return
	}
	n.keys = slices.Delete(n.keys, i, i+1)
	if n.index != nil {
		clear(n.index)
		for i, k := range n.keys {
			n.index[k] = i
		}
	}
}

// with returns a copy of n with the existing child key replaced.
func (n *node) with(key string, kid *node) *node {
	c := n.clone()
	if c.kind == list {
		i, _ := c.element(key)
		c.kids[i] = kid
		return c
	}
	c.set(key, kid)
	return c
}

// newTable returns an empty map.
func newTable(from Origin) *node { return &node{kind: table, from: from} }

// wrap returns n placed under a dotted package.
func (n *node) wrap(pkg string) *node {
	if pkg == "" {
		return n
	}
	parts := strings.Split(pkg, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		t := newTable(n.from)
		t.set(parts[i], n)
		n = t
	}
	return n
}

// merge returns a with b laid over it: maps merge key by key, everything else
// is replaced. A ??? of b does not hide a value of a, and a list cannot take
// the place of a map in silence, nor a map that of a list.
func merge(a, b *node, path string) (*node, error) {
	if a.kind != table || b.kind != table {
		switch {
		case b.missing():
			return a, nil
		case a.kind == list && b.kind == table, a.kind == table && b.kind == list:
			return nil, fail(ClassMerge, b.from, "give it another name, or delete the one", "%s: %s cannot be merged with the %s of %s", path, aKind(b), kindName(a), a.from)
		}
		return b, nil
	}
	c := a.clone()
	for i, key := range b.keys {
		kid := b.kids[i]
		if j := c.at(key); j >= 0 {
			m, err := merge(c.kids[j], kid, joinPath(path, key))
			if err != nil {
				return nil, err
			}
			c.kids[j] = m
			continue
		}
		c.set(key, kid)
	}
	return c, nil
}

func kindName(n *node) string {
	switch n.kind {
	case list:
		return "list"
	case table:
		return "table"
	}
	return n.val.Kind().String()
}

// aKind is kindName with its article.
func aKind(n *node) string {
	if k := kindName(n); k == "int" {
		return "an int"
	} else if k != "null" {
		return "a " + k
	}
	return "null"
}

func joinPath(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// pathKey joins a path so that no two paths give the same text: a dot inside a
// key, such as an axis "training.epochs" of a sweep file, is escaped.
func pathKey(path []string) string {
	for i, k := range path {
		if strings.ContainsAny(k, `.\`) {
			path = slices.Clone(path)
			for ; i < len(path); i++ {
				path[i] = keyEscaper.Replace(path[i])
			}
			break
		}
	}
	return strings.Join(path, ".")
}

var keyEscaper = strings.NewReplacer(`.`, `\.`, `\`, `\\`)

// splitPath splits a dotted path; a path may also index lists as xs[0].
func splitPath(path string) []string {
	if path == "" {
		return nil
	}
	if strings.IndexByte(path, '[') >= 0 {
		path = strings.ReplaceAll(strings.ReplaceAll(path, "[", "."), "]", "")
		path = strings.TrimPrefix(path, ".")
	}
	return strings.Split(path, ".")
}
