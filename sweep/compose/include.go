package compose

import (
	"fmt"
	"path"
	"strings"
)

// inclusion is a node of the defaults tree: a config at its place. The tree is
// built from the end to the start of each list, so that of several choices for
// one group the last registers first and wins.
type inclusion struct {
	entry
	parent   *inclusion
	base     string // group of the including file
	basePkg  string // package of the including file
	file     *file
	kids     []*inclusion
	dropped  bool // deleted, absent though optional, or there already
	again    bool // of a lenient file: may repeat an earlier choice
	deferred bool // its name is computed and not known yet
	seen     int  // how many overrides had registered when it was reached
	picked   *choice
}

// groupPath returns the group, absolute, without slash in front.
func (in *inclusion) groupPath() string {
	g := in.group
	if g == "" {
		g = path.Dir(in.config)
		if g == "." {
			g = ""
		}
	}
	switch {
	case strings.HasPrefix(g, "/"):
		return g[1:]
	case strings.HasPrefix(in.config, "/"), in.external, in.base == "":
		return g
	case g == "":
		return in.base
	}
	return in.base + "/" + g
}

// path returns the config's path from the top: "model/net2".
func (in *inclusion) path() string {
	if in.group != "" {
		return in.groupPath() + "/" + in.pick.option()
	}
	return strings.TrimPrefix(path.Join("/", in.groupPath(), path.Base(in.config)), "/")
}

// finalPkg returns the package of the inclusion: where its keys land. What the
// entry says is relative to the including file's package, what the file says
// is absolute; _global_ starts at the top.
func (in *inclusion) finalPkg(withHeader bool) string {
	rel := in.group
	if rel == "" {
		rel = path.Dir(in.config)
		if rel == "." || rel == "/" {
			rel = ""
		}
	}
	rel = strings.ReplaceAll(strings.TrimPrefix(rel, "/"), "/", ".")
	pkg := rel
	switch {
	case in.hasPkg:
		pkg = special(in.pkg, rel)
	case withHeader && in.file != nil && in.file.hasPkg:
		group := strings.ReplaceAll(in.groupPath(), "/", ".")
		if in.file.pkg == "_here_" {
			pkg = ""
		} else {
			pkg = "_global_." + special(in.file.pkg, group)
		}
	}
	base := in.basePkg
	if in.external {
		base = ""
	}
	pkg = strings.Trim(base+"."+pkg, ".")
	if !strings.Contains(pkg, "_global_") {
		return pkg
	}
	parts := strings.Split(pkg, ".")
	for i := len(parts) - 1; i >= 0; i-- {
		if parts[i] == "_global_" {
			return strings.Join(parts[i+1:], ".")
		}
	}
	return pkg
}

// special replaces the words of a package that stand for others.
func special(pkg, group string) string {
	parts := strings.Split(pkg, ".")
	kept := parts[:0]
	for _, p := range parts {
		switch p {
		case "_here_", "":
			continue
		case "_group_":
			p = group
		}
		kept = append(kept, p)
	}
	return strings.Join(kept, ".")
}

// key is the name of the choice: the group, with @package if that is not the
// group's usual one.
func (in *inclusion) key() string {
	return choiceKey(in.groupPath(), in.finalPkg(false))
}

func choiceKey(group, pkg string) string {
	switch pkg {
	case strings.ReplaceAll(group, "/", "."):
		return group
	case "":
		return group + "@_global_"
	}
	return group + "@" + pkg
}

// choice is what an override, a later file or [launcher] name wants of a group.
type choice struct {
	pick     pick
	from     Origin
	text     string // as written, for the message if there is nothing to choose
	external bool   // by an override
	soft     bool   // nothing to override is no error
	used     bool
	seq      int   // order of registration
	err      error // why it is no choice of a group that is in use
	in       Input // of an override
	before   int   // how many value overrides stand before it
}

// builder builds the defaults tree.
type builder struct {
	src       *Source
	choices   map[string]*choice
	deletions map[string]*deletion
	appends   []entry           // by overrides, to the primary's list
	known     map[string]string // key -> option, for computed options
	launcher  bool              // there is a group of that name
	deferred  int
	count     int
}

type deletion struct {
	option string
	only   bool // this option alone, not any
	from   Origin
	text   string
	used   bool
}

// maxIncludes bounds the defaults tree: files that include two others each
// would otherwise make 2^n of them.
const maxIncludes = 10_000

// register notes a choice unless a later one is there.
func (b *builder) register(key string, c *choice) {
	if _, ok := b.choices[key]; !ok {
		c.seq = len(b.choices)
		b.choices[key] = c
	}
}

// overridden returns the choice for an inclusion, if somebody after it made one.
func (b *builder) overridden(in *inclusion, eligible int) *choice {
	if in.group == "" {
		return nil
	}
	if c := b.choices[in.key()]; c != nil && c.seq < eligible {
		return c
	}
	return nil
}

// all makes every registered choice eligible.
const all = int(^uint(0) >> 1)

// expand reads an inclusion's file and builds what is below it.
func (b *builder) expand(in *inclusion, eligible int) error {
	if b.count++; b.count > maxIncludes {
		return fail(ClassTooLarge, in.from, "", "more than %d configs included", maxIncludes)
	}
	if done, err := b.open(in); done || err != nil {
		return err
	}
	f := in.file
	list := f.defaults
	if !hasSelf(list) {
		list = append(list[:len(list):len(list)], entry{self: true, from: Origin{File: f.label}})
	}
	if in.parent == nil {
		list = append(list[:len(list):len(list)], b.appends...)
	}
	children := make([]*inclusion, len(list))
	var last *inclusion // the last "override" seen
	for i, e := range list {
		k := &inclusion{entry: e, parent: in, base: in.groupPath(), basePkg: in.finalPkg(true), again: f.lenient && !e.external}
		b.atTop(k)
		children[i] = k
		switch {
		case e.override:
			last = k
			if eligible != all {
				return fail(ClassOverrideOrder, e.from, "move it to a file that is included by its plain name", "no \"override\" in a config whose own name is computed")
			}
		case last != nil && !e.self && !e.external && !(f.lenient && e.group != ""):
			return fail(ClassOverrideOrder, last.from, "move it to the end of the list", "\"override %s\" stands before %s", last.key(), k.describe())
		}
	}
	for i := len(children) - 1; i >= 0; i-- {
		k := children[i]
		var err error
		switch {
		case k.self:
			b.nameLauncher(in)
		case k.override:
			b.register(k.key(), &choice{pick: k.pick, from: k.from, text: k.describe()})
			k.dropped = true
		default:
			err = b.child(k, eligible)
		}
		if err != nil {
			return err
		}
	}
	in.kids = children
	return nil
}

// open loads the inclusion's file; done says that nothing is below it.
func (b *builder) open(in *inclusion) (done bool, err error) {
	if in.pick.null {
		return true, nil
	}
	for p := in.parent; p != nil; p = p.parent {
		if p.file != nil && in.file == nil && p.file.name != "" && p.file.name == in.path() {
			if in.again {
				in.dropped = true // a preset that names the config it changes
				return true, nil
			}
			return true, fail(ClassCycle, in.from, "remove it", "%s includes itself", in.path())
		}
	}
	if in.file == nil && !in.isMissing() {
		if in.file, err = b.src.load(in.path()); err != nil {
			return true, err
		}
	}
	if d := b.deletions[in.deleteKey()]; d != nil && (!d.only || d.option == in.pick.option()) {
		d.used, in.dropped = true, true
		return true, nil
	}
	if in.group != "" && !in.pick.several {
		if key := in.key(); b.known[key] == "" {
			b.known[key] = in.pick.option()
		}
	}
	switch {
	case in.isMissing():
		return true, b.mandatory(in)
	case in.file == nil && in.optional && (in.picked == nil || !in.picked.external):
		in.dropped = true
		return true, nil
	case in.file == nil:
		return true, b.notFound(in)
	}
	return false, nil
}

func (in *inclusion) isMissing() bool {
	return in.group != "" && in.pick.option() == "???" || path.Base(in.config) == "???"
}

func (in *inclusion) deleteKey() string {
	if in.group == "" {
		return in.path()
	}
	return in.key()
}

// child settles one entry of a list that is neither _self_ nor an override.
func (b *builder) child(k *inclusion, eligible int) error {
	if c := b.overridden(k, eligible); c != nil {
		c.used = true
		if c.err != nil {
			return c.err
		}
		k.pick, k.picked = c.pick, c
		if err := checkPath(c.from, "group", c.pick.options...); err != nil {
			return err
		}
	} else if k.again && k.group != "" {
		b.register(k.key(), &choice{pick: k.pick, from: k.from, soft: true})
	}
	if k.pick.several {
		if d := b.deletions[k.key()]; d != nil {
			// Hydra finds nothing to delete here either.
			return fail(ClassNoGroup, d.from, fmt.Sprintf("to choose none write %s=[]", k.key()), "%s: ~ takes out a single choice, and %s has a list of options", d.text, k.key())
		}
		for _, option := range k.pick.options {
			o := &inclusion{parent: k, base: k.base, basePkg: k.basePkg, again: k.again}
			o.entry = entry{config: k.group + "/" + option, pkg: k.pkg, hasPkg: k.hasPkg, optional: k.optional, external: k.external, from: k.from}
			if k.picked != nil {
				o.from = k.picked.from
			}
			k.kids = append(k.kids, o)
		}
		for i := len(k.kids) - 1; i >= 0; i-- {
			if err := b.expand(k.kids[i], eligible); err != nil {
				return err
			}
		}
		return nil
	}
	if strings.Contains(k.config+k.pick.option(), "${") {
		k.deferred, k.seen = true, min(eligible, len(b.choices))
		b.deferred++
		return nil
	}
	return b.expand(k, eligible)
}

// atTop makes a relative name of a preset absolute if it only exists there.
// Presets lie under experiment/, but what they choose lies at the top.
func (b *builder) atTop(k *inclusion) {
	if !k.again || k.self || k.base == "" {
		return
	}
	switch {
	case k.group != "" && !strings.HasPrefix(k.group, "/"):
		if !b.src.IsGroup(k.groupPath()) && b.src.IsGroup(k.group) {
			k.group = "/" + k.group
		}
	case k.config != "" && !strings.HasPrefix(k.config, "/"):
		if !b.src.has(k.path()) && b.src.has(k.config) {
			k.config = "/" + k.config
		}
	}
}

// nameLauncher notes the launcher that a file's [launcher] table names.
func (b *builder) nameLauncher(in *inclusion) {
	name, at := launcherName(in)
	if name == "" || !b.launcher {
		return
	}
	p := one(name)
	b.register("launcher", &choice{pick: p, from: at, soft: true})
}

// launcherName returns the string launcher.name of a file whose keys land at
// the top.
func launcherName(in *inclusion) (string, Origin) {
	if in.finalPkg(true) != "" {
		return "", Origin{}
	}
	if n := in.file.body.get([]string{"launcher", "name"}); n != nil {
		s, _ := n.val.Str()
		return s, n.from
	}
	return "", Origin{}
}

func hasSelf(list []entry) bool {
	for _, e := range list {
		if e.self {
			return true
		}
	}
	return false
}

// describe names the entry as a file would write it, for messages.
func (in *inclusion) describe() string {
	if in.group == "" {
		return `"` + in.config + `"`
	}
	key := in.group
	if in.hasPkg {
		key += "@" + in.pkg
	}
	if in.override {
		key = "override " + key
	}
	return `{"` + key + `" = "` + in.pick.String() + `"}`
}
