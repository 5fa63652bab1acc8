package compose

import (
	"fmt"
	"slices"
	"strings"

	"orch/sweep/override"
)

// classify splits overrides into choices of groups, which it notes in the
// builder, and values, which it returns. A key is a group's if there is such a
// folder; a table is always a value ("training={lr:0.1}").
func (b *builder) classify(inputs []Input) ([]Input, error) {
	var values []Input
	for _, in := range inputs {
		key := in.Key
		if key == "launcher.name" && b.launcher && in.Op != override.Delete {
			key = "launcher" // as in a file, naming it is choosing it
		}
		group := b.src.IsGroup(key)
		switch {
		case in.Op == override.Delete && (group || !in.HasPackage && b.src.has(key)):
			if in.HasValue && !in.Value.IsNull() && in.Value.Kind() != override.String {
				return nil, groupType("~"+key, in.Value, in.From)
			}
			option, _ := in.Value.Str()
			k := key
			if in.HasPackage {
				k = choiceKey(key, globalPkg(in.Package))
			}
			b.deletions[k] = &deletion{option: option, only: in.HasValue && !in.Value.IsNull(), from: in.From, text: in.text()}
		case !group || in.Value.Kind() == override.Map:
			if fix := ofHydra(key); fix != "" && strings.Contains(key, "/") {
				return nil, fail(ClassNoGroup, in.From, fix, "%s: orch has no hydra configs", in.text())
			}
			if in.HasPackage || strings.Contains(key, "/") {
				return nil, fail(ClassNoGroup, in.From, didYouMean(key, b.src.Groups()), "%s: no group %q in %s", in.text(), key, b.src.folders())
			}
			values = append(values, in)
		default:
			if err := b.choose(key, in, len(values)); err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}

// choose notes an override that chooses options of a group. values is how many
// value overrides stand before it. What is no name of an option is an error
// only if the group turns out to be in use.
func (b *builder) choose(group string, in Input, values int) error {
	switch in.Op {
	case override.Extend:
		return fail(ClassGroupType, in.From, "write the whole list of options", "%s: %s is a group", in.text(), in.key())
	case override.ForceAdd:
		err := fail(ClassForceGroup, in.From, fmt.Sprintf("write +%s=%s for a group that has no choice yet, else %s=%s", in.key(), in.Value.Text(), in.key(), in.Value.Text()), "%s: ++ does not choose options of a group", in.text())
		if group == "launcher" || in.HasPackage {
			return err
		}
		b.choices[group] = &choice{from: in.From, text: in.text(), external: true, seq: len(b.choices), in: in, before: values, err: err}
		return nil
	}
	p, err := parsePick(in.key(), in.Value, in.From)
	if in.Op == override.Add && err != nil {
		return err
	}
	if in.Op == override.Add && (group != "launcher" || in.HasPackage) {
		if p.null {
			return groupType(in.key(), in.Value, in.From)
		}
		e := entry{group: group, pick: p, external: true, from: in.From, pkg: in.Package, hasPkg: in.HasPackage}
		b.appends = append(b.appends, e)
		return checkPath(in.From, "group", p.options...)
	}
	key := group
	if in.HasPackage {
		key = choiceKey(group, globalPkg(in.Package))
	}
	if p.null {
		err = groupType(in.key(), in.Value, in.From)
	}
	soft := key == "launcher"
	if soft && err != nil {
		return err
	}
	b.choices[key] = &choice{pick: p, from: in.From, text: in.text(), external: true, soft: soft, seq: len(b.choices), in: in, before: values, err: err}
	return nil
}

// globalPkg returns the package of an override's @package from the top.
func globalPkg(pkg string) string {
	return strings.TrimPrefix(strings.TrimPrefix(pkg, "_global_"), ".")
}

// fallBack makes overrides that met no choice overrides of values, where there
// is such a value: ~training or training=null, when training is also the name
// of a folder that this config does not use (one of the shipped configs, say).
// ++training=1 is one too where only the shipped configs have that folder.
func (b *builder) fallBack(root *node, primary string, values *[]Input) {
	choices := sortedBySeq(b.choices)
	slices.SortStableFunc(choices, func(x, y string) int { return b.choices[y].before - b.choices[x].before })
	for _, key := range choices {
		c := b.choices[key]
		force := c.in.Op == override.ForceAdd
		if c.used || c.soft || !c.external || c.in.Op != override.Change && !force || c.in.HasPackage {
			continue
		}
		// The name of an option where there is a table was meant as a choice,
		// unless the group is none of this config's own.
		old := root.get(strings.Split(key, "."))
		_, chosen := b.known[key]
		value := old != nil && (c.err != nil && !force || old.kind == leaf) || (old != nil || force) && b.src.Below(key, primary)
		if !chosen && value {
			c.used = true
			*values = slices.Insert(*values, c.before, c.in)
		}
	}
	for _, key := range sortedKeys(b.deletions) {
		d := b.deletions[key]
		_, chosen := b.known[key]
		if !d.used && !chosen && !d.only && root.get(strings.Split(key, ".")) != nil {
			d.used = true
			o := override.Override{Op: override.Delete, Key: key, Text: d.text}
			*values = append([]Input{{o, d.from}}, *values...)
		}
	}
}

// text returns the override as written, for messages.
func (in Input) text() string {
	if in.Text != "" {
		return in.Text
	}
	switch in.Op {
	case override.Add:
		return "+" + in.key() + "=" + in.Value.Text()
	case override.ForceAdd:
		return "++" + in.key() + "=" + in.Value.Text()
	case override.Delete:
		return "~" + in.key()
	}
	return in.key() + "=" + in.Value.Text()
}

func (in Input) key() string {
	if in.HasPackage {
		return in.Key + "@" + in.Package
	}
	return in.Key
}

// ofHydra says what to type instead of an override of Hydra's own config, whose
// users know these by heart; "" for every other key. Added with a plus, such a
// key would silently do nothing.
func ofHydra(key string) string {
	rest, ok := strings.CutPrefix(strings.ReplaceAll(key, "/", "."), "hydra.")
	if !ok {
		return ""
	}
	for _, w := range []struct{ key, fix string }{
		{"launcher", "write " + strings.TrimPrefix(strings.TrimPrefix(key, "hydra/"), "hydra.") + "=..."},
		{"mode", "write --multirun"},
		{"sweeper", "axes are keys of [sweep]: write sweep.KEY=..., or KEY=a,b with --multirun"},
		{"run.dir", "write --results=FOLDER; orch names what is in it"},
		{"sweep", "write --results=FOLDER; orch names what is in it"},
		{"job.name", "write --name=NAME"},
		{"verbose", "write --log-level=debug"},
	} {
		if rest == w.key || strings.HasPrefix(rest, w.key+".") {
			return w.fix
		}
	}
	return "leave it out"
}

// With returns the config with one more value override. It never chooses a
// group.
func (c *Config) With(o override.Override, from Origin) (*Config, error) {
	d := *c
	if err := d.apply(Input{o, from}); err != nil {
		return nil, err
	}
	return &d, nil
}

// apply applies a value override.
func (c *Config) apply(in Input) error {
	path := strings.Split(in.Key, ".")
	if in.Key == "" {
		path = nil
	}
	if fix := ofHydra(in.Key); fix != "" && c.root.child("hydra") == nil {
		return fail(ClassNoKey, in.From, fix, "%s: orch has no hydra config", in.text())
	}
	if in.Op == override.Delete {
		return c.remove(in, path)
	}
	n := valueNode(in.Value, in.From)
	if len(path) == 0 && n.kind != table {
		return fail(ClassMerge, in.From, "name a key: KEY=VALUE", "%s: the whole config cannot become %s", in.text(), aKind(n))
	}
	if in.Op == override.Extend {
		old := c.root.get(path)
		if old == nil {
			return noKey(c.root, in.Key, in)
		}
		if old.kind != list {
			return fail(ClassMerge, in.From, "", "%s: %s is %s, not a list", in.text(), in.Key, aKind(old))
		}
		longer := old.clone()
		longer.kids = append(longer.kids, n.kids...)
		n = longer
	}
	if in.Key == "env" {
		if names, ok := declared(n); ok {
			return c.declare(names)
		}
	}
	if in.Op == override.Add {
		if err := c.mayAdd(in, path); err != nil {
			return err
		}
	}
	u := update{root: c.root, in: in, strict: in.Op == override.Change || in.Op == override.Extend, path: path}
	root, err := u.set(c.root, 0, n)
	if err != nil {
		return err
	}
	c.root = root
	return nil
}

// declare adds names to the variables that the config may read.
func (c *Config) declare(names []string) error {
	env := make(map[string]bool, len(c.env)+len(names))
	for name := range c.env {
		env[name] = true
	}
	for _, name := range names {
		env[name] = true
	}
	c.env = env
	return nil
}

// mayAdd refuses + on a value that exists; tables merge and lists replace.
func (c *Config) mayAdd(in Input, path []string) error {
	old := c.root.get(path)
	if old == nil || old.isNull() || old.missing() || in.Value.Kind() == override.Map || in.Value.Kind() == override.List {
		return nil
	}
	plain := strings.TrimPrefix(in.text(), "+")
	return fail(ClassKeyExists, in.From, fmt.Sprintf("write %s to change it, ++ to set it either way", plain), "%s: %s exists already (%s)", in.text(), in.Key, old.from)
}

// update sets a value at a path.
type update struct {
	root   *node
	in     Input
	path   []string
	strict bool // every key must exist
}

// set returns n with the value v at the path from its i-th key on.
func (u *update) set(n *node, i int, v *node) (*node, error) {
	if i == len(u.path) {
		return u.replace(n, v, u.in.Key)
	}
	key := u.path[i]
	switch {
	case n.kind == list:
		if _, ok := n.element(key); !ok {
			return nil, u.noElement(n, i)
		}
	case n.kind == leaf:
		// Below a plain value there is nothing to change; adding below one
		// makes it a table.
		if u.strict || n.expr != nil {
			return nil, u.noKey()
		}
		n = newTable(u.in.From)
	}
	kid := n.child(key)
	if kid == nil {
		if u.strict {
			return nil, u.noKey()
		}
		if i == len(u.path)-1 {
			return n.with(key, v), nil
		}
		kid = newTable(u.in.From)
	}
	kid, err := u.set(kid, i+1, v)
	if err != nil {
		return nil, err
	}
	return n.with(key, kid), nil
}

// replace returns what v makes of the existing n: tables merge, a table and a
// list exclude each other, everything else is replaced, whatever its type.
func (u *update) replace(n, v *node, path string) (*node, error) {
	if n.kind != table || v.kind != table {
		if n.kind == list && v.kind == table || n.kind == table && v.kind == list {
			return nil, fail(ClassMerge, u.in.From, "delete it first with ~"+path, "%s: %s is %s and cannot become %s", u.in.text(), path, aKind(n), aKind(v))
		}
		return v, nil
	}
	c := n.clone()
	for i, key := range v.keys {
		j := c.at(key)
		if j < 0 {
			if u.strict {
				return nil, noKey(u.root, joinPath(path, key), u.in)
			}
			c.set(key, v.kids[i])
			continue
		}
		kid := v.kids[i]
		if kid.missing() {
			continue // as in files: ??? hides nothing
		}
		kid, err := u.replace(c.kids[j], kid, joinPath(path, key))
		if err != nil {
			return nil, err
		}
		c.kids[j] = kid
	}
	return c, nil
}

func (u *update) noKey() error { return noKey(u.root, u.in.Key, u.in) }

func (u *update) noElement(n *node, i int) error {
	at := strings.Join(u.path[:i], ".")
	fix := fmt.Sprintf("its elements are %s.0 to %s.%d", at, at, len(n.kids)-1)
	if len(n.kids) == 0 {
		fix = "it is empty"
	}
	if strings.Trim(u.path[i], "0123456789") != "" {
		return fail(ClassNoKey, u.in.From, fix, "%s: %s is a list and has no key %q", u.in.text(), at, u.path[i])
	}
	return fail(ClassIndex, u.in.From, fix, "%s: %s has %d elements", u.in.text(), at, len(n.kids))
}

// noKey is the error for a key that does not exist. It proposes the nearest
// key that does, or says what there is; it never proposes to add the key,
// since a typo that was added would silently do nothing.
func noKey(root *node, key string, in Input) error {
	fix := meant(key, allPaths(root))
	if fix == "" {
		path := strings.Split(key, ".")
		n, known := root, 0
		for known < len(path) {
			kid := n.child(path[known])
			if kid == nil {
				break
			}
			n, known = kid, known+1
		}
		switch {
		case n.kind == table && len(n.keys) > 0 && known > 0:
			fix = fmt.Sprintf("%s has %s", strings.Join(path[:known], "."), some(n.keys))
		case n.kind == table && len(n.keys) > 0:
			fix = "there are " + some(n.keys)
		case known > 0:
			fix = fmt.Sprintf("%s is %s", strings.Join(path[:known], "."), aKind(n))
		}
	}
	return fail(ClassNoKey, in.From, fix, "%s: no key %q in the config", in.text(), key)
}

// some lists names, not too many.
func some(names []string) string {
	if len(names) > 12 {
		return strings.Join(names[:12], ", ") + ", ..."
	}
	return strings.Join(names, ", ")
}

// remove applies ~key and ~key=value; ~key=null is ~key, as in Hydra and as for
// groups.
func (c *Config) remove(in Input, path []string) error {
	old := c.root.get(path)
	if old == nil || len(path) == 0 {
		return noKey(c.root, in.Key, in)
	}
	if in.HasValue && !in.Value.IsNull() {
		have := old.value()
		if v, err := newResolver(c.src, c.env, c.root).node(old, path); err == nil {
			have = v
		}
		if !looseEqual(have, in.Value) {
			return fail(ClassDelete, in.From, fmt.Sprintf("write ~%s to delete it whatever its value", in.Key), "%s: %s is %s (%s)", in.text(), in.Key, have.Text(), old.from)
		}
	}
	c.root = c.root.without(path)
	return nil
}

// without returns n without the existing value at the path.
func (n *node) without(path []string) *node {
	if len(path) > 1 {
		return n.with(path[0], n.child(path[0]).without(path[1:]))
	}
	c := n.clone()
	i, _ := c.element(path[0])
	if c.kind == table {
		i = c.at(path[0])
	}
	c.remove(i)
	return c
}

// looseEqual compares as Python does: 1 is 1.0.
func looseEqual(a, b override.Value) bool {
	if x, ok := a.Float(); ok {
		y, ok := b.Float()
		return ok && x == y
	}
	if a.Kind() == override.List && b.Kind() == override.List && a.Len() == b.Len() {
		for i, e := range a.List() {
			if !looseEqual(e, b.List()[i]) {
				return false
			}
		}
		return true
	}
	return a.Equal(b)
}
