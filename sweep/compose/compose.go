package compose

import (
	"slices"
	"strings"

	"orch/sweep/override"
)

// Primary is the config that composing starts from: one of the layers by
// name, or a file given by its path and text.
type Primary struct {
	Name string // "train" is train.toml of the first layer that has it
	Path string // of a sweep file, as shown in origins; its keys land at the top
	Text []byte // of the file at Path
}

// Input is an override with its origin.
type Input struct {
	override.Override
	From Origin
}

// Inputs gives several overrides the same origin.
func Inputs(from Origin, overrides ...override.Override) []Input {
	in := make([]Input, len(overrides))
	for i, o := range overrides {
		in[i] = Input{o, from}
	}
	return in
}

// Config is a composed config. It is immutable: whatever changes it returns
// another, which shares what is the same. It is safe for concurrent use.
type Config struct {
	root     *node
	src      *Source
	env      map[string]bool
	choices  []Choice
	defaults []Entry
}

// Choice is what is chosen of a group.
type Choice struct {
	Group   string   // "model"
	Package string   // where it lands; "model" unless chosen with @
	Key     string   // what an override calls it: "model", "model@encoder"
	Options []string // more than one if chosen as a list; empty if null
	From    Origin
}

// Entry is a line of the defaults tree, in the order in which the files were
// merged: a config's entries follow it, one level deeper, and its own keys are
// where its "_self_" stands.
type Entry struct {
	Depth   int
	Config  string // "model/net2"; the path of a sweep file
	Self    bool   // the place of the config's own keys
	Key     string // of the choice, if it is one: "model", "model@encoder"
	Package string // empty at the top
	From    Origin // where the entry was written
}

// Compose composes a config from the command line's overrides. They must
// carry no sweeps. Errors are [*Error]s where the user is to blame.
func (s *Source) Compose(p Primary, overrides []override.Override) (*Config, error) {
	return s.ComposeInputs(p, Inputs(CommandLine, overrides...))
}

// ComposeInputs is [Source.Compose] for overrides of several origins. Of two
// for the same key the later wins.
func (s *Source) ComposeInputs(p Primary, inputs []Input) (*Config, error) {
	root, err := s.primary(p)
	if err != nil {
		return nil, err
	}
	b := &builder{src: s, choices: map[string]*choice{}, deletions: map[string]*deletion{}, known: map[string]string{}, launcher: s.IsGroup("launcher")}
	values, err := b.classify(inputs)
	if err != nil {
		return nil, err
	}
	if err := b.tree(root); err != nil {
		return nil, err
	}
	c := &Config{root: newTable(Origin{File: root.file.label}), src: s, env: map[string]bool{}}
	if err := b.merge(c, root); err != nil {
		return nil, err
	}
	b.fallBack(c.root, p.Name, &values)
	if err := b.unused(root); err != nil {
		return nil, err
	}
	c.describe(root)
	for _, in := range values {
		if err := c.apply(in); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// primary returns the root of the defaults tree.
func (s *Source) primary(p Primary) (*inclusion, error) {
	if p.Path == "" {
		root := &inclusion{entry: entry{config: p.Name, from: Origin{Text: "config " + p.Name}}}
		if err := checkPath(root.from, "config", p.Name); err != nil {
			return nil, err
		}
		return root, nil
	}
	f, err := s.sweepFile(p)
	if err != nil {
		return nil, err
	}
	return &inclusion{entry: entry{config: "_sweep_", from: Origin{File: p.Path}}, file: f}, nil
}

// sweepFile parses the file of a primary. The last one is kept: a sweep is
// composed once for each set of group options it sweeps over.
func (s *Source) sweepFile(p Primary) (*file, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sweep != nil && s.sweep.label == p.Path && s.sweepText == string(p.Text) {
		return s.sweep, nil
	}
	f, err := parseFile("", p.Path, p.Text)
	if err != nil {
		return nil, err
	}
	f.lenient = true
	if !f.hasPkg {
		f.pkg, f.hasPkg = "_global_", true
	}
	s.sweep, s.sweepText = f, string(p.Text)
	return f, nil
}

// tree builds the whole defaults tree below root.
func (b *builder) tree(root *inclusion) error {
	if err := b.expand(root, all); err != nil {
		return err
	}
	if err := b.resolveDeferred(root); err != nil {
		return err
	}
	if c := b.choices["launcher"]; c != nil && !slices.Contains(b.inUse(root), "launcher") {
		// Named by a [launcher] table or an override only. It comes first, so
		// that every file's [launcher] table lies over the option.
		l := &inclusion{entry: entry{group: "launcher", pick: c.pick, external: true, from: c.from}, parent: root, picked: c}
		c.used = true
		if err := checkPath(c.from, "group", c.pick.options...); err != nil {
			return err
		}
		if err := b.expand(l, all); err != nil {
			return err
		}
		root.kids = append([]*inclusion{l}, root.kids...)
	}
	return b.prune(root)
}

// merge lays the bodies of all included files over each other.
func (b *builder) merge(c *Config, root *inclusion) error {
	launcher := b.chosenLauncher(root)
	var err error
	root.visit(func(in *inclusion) {
		if err == nil && in.self {
			err = b.mergeBody(c, in.parent, launcher)
		}
	})
	if err != nil || launcher == nil {
		return err
	}
	if l := c.root.child("launcher"); l != nil && l.kind == table && launcher.pick.option() != "" {
		from := launcher.from
		if launcher.picked != nil {
			from = launcher.picked.from
		}
		name := leafNode(override.QuotedValue(launcher.pick.option()), from)
		c.root = c.root.with("launcher", l.with("name", name))
	}
	return nil
}

// chosenLauncher returns the inclusion that makes the launcher's choice.
func (b *builder) chosenLauncher(root *inclusion) (l *inclusion) {
	root.visit(func(in *inclusion) {
		if in.group != "" && in.key() == "launcher" {
			l = in
		}
	})
	return l
}

func (b *builder) mergeBody(c *Config, in *inclusion, launcher *inclusion) error {
	body, pkg := in.file.body, in.finalPkg(true)
	if pkg == "" {
		if names, ok := declared(body.child("env")); ok {
			for _, name := range names {
				c.env[name] = true
			}
			body = body.clone()
			body.remove(body.at("env"))
		}
		if name, _ := launcherName(in); name != "" && b.launcher {
			body = launcherTable(body, name, launcher, c.root)
		}
	}
	m, err := merge(c.root, body.wrap(pkg), "")
	c.root = m
	return err
}

// launcherTable returns the body with its [launcher] table cut down to what
// holds for the launcher that was chosen.
func launcherTable(body *node, name string, chosen *inclusion, root *node) *node {
	l := body.child("launcher").clone()
	l.remove(l.at("name"))
	if chosen == nil || chosen.pick.option() != name {
		have := root.child("launcher")
		for i := len(l.keys) - 1; i >= 0; i-- {
			if have == nil || have.child(l.keys[i]) == nil {
				l.remove(i)
			}
		}
	}
	if chosen == nil {
		body = body.clone()
		body.remove(body.at("launcher"))
		return body
	}
	return body.with("launcher", l)
}

// declared returns the names of a list of strings.
func declared(n *node) ([]string, bool) {
	if n == nil || n.kind != list {
		return nil, false
	}
	names := make([]string, len(n.kids))
	for i, k := range n.kids {
		s, ok := k.val.Str()
		if !ok {
			return nil, false
		}
		names[i] = s
	}
	return names, true
}

// describe notes choices and the defaults tree, for people.
func (c *Config) describe(root *inclusion) {
	var visit func(in *inclusion, depth int)
	visit = func(in *inclusion, depth int) {
		if in.dropped {
			return
		}
		e := Entry{Depth: depth, From: in.from, Self: in.self}
		switch {
		case in.self:
			e.Config, e.Package = in.parent.label(), in.parent.finalPkg(true)
		case in.group != "":
			e.Key, e.Package = in.key(), in.finalPkg(!in.pick.several)
			e.Config = in.label()
			ch := Choice{Group: in.groupPath(), Package: in.finalPkg(false), Key: e.Key, Options: in.pick.options, From: in.from}
			if in.picked != nil {
				ch.From = in.picked.from
			}
			c.choices = append(c.choices, ch)
		default:
			e.Config, e.Package = in.label(), in.finalPkg(true)
		}
		c.defaults = append(c.defaults, e)
		for _, k := range in.kids {
			visit(k, depth+1)
		}
	}
	visit(root, 0)
}

// label names the inclusion's file in the defaults tree.
func (in *inclusion) label() string {
	switch {
	case in.file != nil && in.file.name == "":
		return in.file.label
	case in.group != "" && (in.pick.null || in.pick.several):
		return in.groupPath() + "/" + in.pick.String()
	}
	return in.path()
}

// Tree returns the config with interpolations as written, keys in the order of
// their first appearance.
func (c *Config) Tree() override.Value { return c.root.value() }

// Resolve returns the config with every interpolation resolved. A value that
// is ???, a reference to nothing, in a circle or to an undeclared variable is
// an error that says where it was written.
func (c *Config) Resolve() (override.Value, error) {
	return newResolver(c.src, c.env, c.root).node(c.root, nil)
}

// Interpolated reports whether any value of the config is computed.
func (c *Config) Interpolated() bool {
	found := false
	c.root.walk(nil, func(_ []string, n *node) { found = found || n.expr != nil })
	return found
}

// Env returns the names of the environment variables that the config may
// read, sorted.
func (c *Config) Env() []string { return sortedKeys(c.env) }

// Choices returns the choices of all groups in the order of merging.
func (c *Config) Choices() []Choice { return slices.Clone(c.choices) }

// Defaults returns the defaults tree, line by line.
func (c *Config) Defaults() []Entry { return slices.Clone(c.defaults) }

// Origin returns where the value at a dotted path was written, or its nearest
// parent if there is no such value. A key that itself holds dots is found too.
func (c *Config) Origin(path string) Origin {
	n := c.root
	for path != "" {
		kid, rest := n.step(path)
		if kid == nil {
			break
		}
		n, path = kid, rest
	}
	return n.from
}

// OriginAt is [Config.Origin] for a path given key by key.
func (c *Config) OriginAt(path ...string) Origin {
	n := c.root
	for _, key := range path {
		kid := n.child(key)
		if kid == nil {
			break
		}
		n = kid
	}
	return n.from
}

// step returns the child that a dotted path goes through first, trying longer
// keys where a shorter one does not exist, and the rest of the path.
func (n *node) step(path string) (*node, string) {
	for end := 0; end <= len(path); end++ {
		if end < len(path) && path[end] != '.' {
			continue
		}
		if kid := n.child(path[:end]); kid != nil {
			return kid, strings.TrimPrefix(path[end:], ".")
		}
	}
	return nil, ""
}
