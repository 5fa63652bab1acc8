package compose

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"

	"orch/sweep/override"
)

// Template is a config with holes: what a sweep needs to make a million runs
// without composing a million times. It is immutable and safe for concurrent
// use.
type Template struct {
	cfg        *Config
	keys       []templateKey
	dependents []dependent // computed values that change with the keys, in order of the tree
	simple     bool        // nothing depends on the keys, and no key is a table or in another
	base       override.Value
}

// templateKey is one of a template's keys.
type templateKey struct {
	in    Input
	path  []string
	name  override.Value // the key as a delta's field has it
	table bool           // the config has a table there, so that a table merges
}

// dependent is a computed value that changes with the keys.
type dependent struct {
	path []string
	name override.Value
}

// Prepare returns a template for runs that differ in the values of some keys:
// dotted paths as in overrides. They must exist; with "+" in front a key must
// not, with "++" it may. Everything in the config that does not change with
// the keys is resolved and checked here, and its errors are returned.
//
// Prepare costs about as much as [Config.Resolve]. [Template.Apply] costs some
// hundred nanoseconds if no value depends on the keys, else some microseconds
// for each that does.
func (c *Config) Prepare(keys []string) (*Template, error) {
	t := &Template{cfg: c}
	for _, key := range keys {
		k, err := c.templateKey(key)
		if err != nil {
			return nil, err
		}
		t.keys = append(t.keys, k)
	}
	p := preparation{t: t, r: newResolver(c.src, c.env, c.root), dependent: map[string]bool{}, errs: map[string]error{}}
	p.r.deps = map[string]map[string]struct{}{}
	c.root.walk(nil, p.inspect)
	p.close()
	if err := p.firstError(); err != nil {
		return nil, err
	}
	t.base = p.base(c.root, nil)
	t.simple = len(t.dependents) == 0
	for i, k := range t.keys {
		t.simple = t.simple && !k.table && !slices.ContainsFunc(t.keys[:i], func(o templateKey) bool { return related(o.in.Key, k.in.Key) })
	}
	return t, nil
}

func (c *Config) templateKey(key string) (templateKey, error) {
	o := override.Override{Op: override.Change, HasValue: true}
	switch {
	case strings.HasPrefix(key, "++"):
		o.Op = override.ForceAdd
	case strings.HasPrefix(key, "+"):
		o.Op = override.Add
	}
	o.Key = strings.TrimLeft(key, "+")
	k := templateKey{path: strings.Split(o.Key, "."), name: override.StringValue(o.Key)}
	k.in = Input{o, Origin{Text: "axis " + key}}
	old := c.root.get(k.path)
	k.table = old != nil && old.kind == table
	switch {
	case o.Op == override.Change && old == nil:
		k.in.Text = key
		u := update{root: c.root, in: k.in, strict: true, path: k.path}
		_, err := u.set(c.root, 0, leafNode(override.NullValue(), k.in.From))
		return k, err
	case o.Op == override.Add:
		k.in.Text = key
		if err := c.mayAdd(k.in, k.path); err != nil {
			return k, err
		}
	}
	return k, nil
}

// walk calls f for every leaf below n with its path, which f must not keep.
func (n *node) walk(path []string, f func(path []string, leaf *node)) {
	switch n.kind {
	case table:
		for i, k := range n.kids {
			k.walk(append(path, n.keys[i]), f)
		}
	case list:
		for i, k := range n.kids {
			k.walk(append(path, strconv.Itoa(i)), f)
		}
	default:
		f(path, n)
	}
}

// preparation finds out what depends on what.
type preparation struct {
	t         *Template
	r         *resolver
	leaves    []dependent // all computed values
	dependent map[string]bool
	errs      map[string]error // of values that cannot be resolved as they are
	order     []string         // of errs
}

// inspect resolves one leaf, noting what it looked at and what went wrong: a
// value that is ??? or cannot be computed is no error if the keys change it.
func (p *preparation) inspect(path []string, n *node) {
	key := pathKey(path)
	if n.expr != nil {
		p.leaves = append(p.leaves, dependent{slices.Clone(path), override.StringValue(key)})
	}
	if _, err := p.r.node(n, clonePath(path)); err != nil {
		p.errs[key] = err
		p.order = append(p.order, key)
	}
}

// close finds the computed values that depend on the keys, directly or through
// others. A value that looked at a table depends on everything below it, and
// one that looked at a value below a key depends on the key.
func (p *preparation) close() {
	exact, inside := map[string][]string{}, map[string][]string{} // path -> who looked at it, or at something in it
	for name, deps := range p.r.deps {
		for dep := range deps {
			exact[dep] = append(exact[dep], name)
			for top := range prefixes(dep) {
				inside[top] = append(inside[top], name)
			}
		}
	}
	var changed []string
	mark := func(names []string) {
		for _, name := range names {
			if !p.dependent[name] {
				p.dependent[name] = true
				changed = append(changed, name)
			}
		}
	}
	spread := func(path string) {
		mark(inside[path])
		mark(exact[path])
		for top := range prefixes(path) {
			mark(exact[top])
		}
	}
	for _, k := range p.t.keys {
		spread(k.in.Key)
	}
	for len(changed) > 0 {
		path := changed[len(changed)-1]
		changed = changed[:len(changed)-1]
		spread(path)
	}
	seen := map[string]bool{}
	for _, l := range p.leaves {
		if !p.dependent[l.name.Text()] || p.set(l.name.Text()) {
			continue
		}
		if l = addressable(l); !seen[l.name.Text()] {
			seen[l.name.Text()] = true
			p.t.dependents = append(p.t.dependents, l)
		}
	}
}

// prefixes yields the paths above a path, but not the top.
func prefixes(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for i := range len(path) {
			if path[i] == '.' && !yield(path[:i]) {
				return
			}
		}
	}
}

// addressable returns the table that a value is in, if the value's own path
// cannot be written with dots.
func addressable(d dependent) dependent {
	for i, k := range d.path {
		if strings.Contains(k, ".") {
			return dependent{d.path[:i], override.StringValue(strings.Join(d.path[:i], "."))}
		}
	}
	return d
}

// set reports whether a path is, or is below, one of the keys.
func (p *preparation) set(path string) bool {
	return slices.ContainsFunc(p.t.keys, func(k templateKey) bool { return below(path, k.in.Key) && !k.table || path == k.in.Key })
}

// related reports whether one path is the other or below it.
func related(a, b string) bool { return below(a, b) || below(b, a) }

func below(path, top string) bool {
	return strings.HasPrefix(path, top) && (len(path) == len(top) || path[len(top)] == '.')
}

// firstError returns the first error that the keys cannot mend.
func (p *preparation) firstError() error {
	for _, path := range p.order {
		mended := p.dependent[path] || slices.ContainsFunc(p.t.keys, func(k templateKey) bool { return below(path, k.in.Key) })
		if !mended {
			return p.errs[path]
		}
	}
	return nil
}

// base resolves the tree; what cannot be resolved stays as written.
func (p *preparation) base(n *node, path []string) override.Value {
	switch n.kind {
	case table:
		fields := make([]override.Field, len(n.kids))
		for i, k := range n.kids {
			fields[i] = override.Field{Key: override.StringValue(n.keys[i]), Val: p.base(k, append(path, n.keys[i]))}
		}
		return override.MapValue(fields...)
	case list:
		vs := make([]override.Value, len(n.kids))
		for i, k := range n.kids {
			vs[i] = p.base(k, append(path, strconv.Itoa(i)))
		}
		return override.ListValue(vs...)
	}
	if v, err := p.r.node(n, clonePath(path)); err == nil {
		return v
	}
	return n.val
}

// Base returns the resolved config without any of the keys set. A value that
// has a meaning only with them, such as ???, is as written; every delta of
// Apply replaces it.
func (t *Template) Base() override.Value { return t.base }

// Dependents returns the dotted paths of the computed values that change with
// the keys, in the order of the config.
func (t *Template) Dependents() []string {
	paths := make([]string, len(t.dependents))
	for i, d := range t.dependents {
		paths[i] = d.name.Text()
	}
	return paths
}

// Apply returns what a run with these values, one for each key, has other than
// the base: dotted paths and resolved values, the keys first. A table assigned
// to a table merges, and the delta then names the leaves.
func (t *Template) Apply(values []override.Value) ([]override.Field, error) {
	if len(values) != len(t.keys) {
		return nil, fmt.Errorf("%d values for %d keys", len(values), len(t.keys))
	}
	if t.plain(values) {
		delta := make([]override.Field, len(values))
		for i, v := range values {
			delta[i] = override.Field{Key: t.keys[i].name, Val: v}
		}
		return delta, nil
	}
	return t.applyAll(values)
}

// plain reports whether the values are the whole delta.
func (t *Template) plain(values []override.Value) bool {
	if !t.simple {
		return false
	}
	for _, v := range values {
		if !plainValue(v) {
			return false
		}
	}
	return true
}

// plainValue reports whether v replaces what was there and stays as it is.
func plainValue(v override.Value) bool {
	switch v.Kind() {
	case override.String:
		s, _ := v.Str()
		return s != "???" && !strings.Contains(s, "${")
	case override.List:
		return !slices.ContainsFunc(v.List(), func(e override.Value) bool { return !plainValue(e) })
	}
	return v.Kind() != override.Map
}

// applyAll sets the keys in a copy of the tree and resolves what changes.
func (t *Template) applyAll(values []override.Value) ([]override.Field, error) {
	root := t.cfg.root
	for i, v := range values {
		k := &t.keys[i]
		in := k.in
		in.Value = v
		var err error
		u := update{root: root, in: in, strict: in.Op == override.Change, path: k.path}
		if root, err = u.set(root, 0, valueNode(v, in.From)); err != nil {
			return nil, err
		}
	}
	r := newResolver(t.cfg.src, t.cfg.env, root)
	delta := make([]override.Field, 0, len(values)+len(t.dependents))
	for i, v := range values {
		k := &t.keys[i]
		if k.table && v.Kind() == override.Map {
			var err error
			if delta, err = leaves(delta, r, root, k.path, v); err != nil {
				return nil, err
			}
			continue
		}
		v, err := r.node(root.get(k.path), clonePath(k.path))
		if err != nil {
			return nil, err
		}
		delta = append(delta, override.Field{Key: k.name, Val: v})
	}
	for _, d := range t.dependents {
		n := root.get(d.path)
		if n == nil || n.kind == leaf && n.expr == nil {
			continue // a key has replaced it or what it was in
		}
		v, err := r.node(n, clonePath(d.path))
		if err != nil {
			return nil, err
		}
		delta = append(delta, override.Field{Key: d.name, Val: v})
	}
	return delta, nil
}

// leaves appends the resolved values at the leaves of v, a table laid over the
// one at path. Below a key that holds a dot no path can point, so the table
// above it is given whole.
func leaves(delta []override.Field, r *resolver, root *node, path []string, v override.Value) ([]override.Field, error) {
	n := root.get(path)
	dotted := slices.ContainsFunc(n.keys, func(k string) bool { return strings.Contains(k, ".") })
	if v.Kind() != override.Map || v.Len() == 0 || dotted {
		if v.Kind() == override.Map && v.Len() == 0 && n.kind == table && len(n.keys) > 0 {
			return delta, nil // an empty table changes nothing
		}
		val, err := r.node(n, clonePath(path))
		return append(delta, override.Field{Key: override.StringValue(strings.Join(path, ".")), Val: val}), err
	}
	for _, f := range v.Fields() {
		var err error
		if delta, err = leaves(delta, r, root, append(clonePath(path), f.Key.Text()), f.Val); err != nil {
			return nil, err
		}
	}
	return delta, nil
}
