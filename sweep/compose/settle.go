package compose

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// resolveDeferred includes the configs whose names are computed from choices,
// one at a time until no more can be: one may make the choice that another
// waits for.
func (b *builder) resolveDeferred(root *inclusion) error {
	for b.deferred > 0 {
		progress, err := b.resolveOne(root)
		if err != nil {
			return err
		}
		if !progress {
			return b.unresolved(root)
		}
	}
	return nil
}

func (b *builder) resolveOne(in *inclusion) (bool, error) {
	for _, k := range in.kids {
		if k.dropped {
			continue
		}
		if k.deferred {
			if config, pick, ok := b.computed(k); ok {
				k.config, k.pick, k.deferred = config, pick, false
				b.deferred--
				if err := checkPath(k.from, "config", append([]string{k.config + k.group}, pick.options...)...); err != nil {
					return false, err
				}
				return true, b.expand(k, k.seen)
			}
			continue
		}
		if ok, err := b.resolveOne(k); ok || err != nil {
			return ok, err
		}
	}
	return false, nil
}

var choiceRef = regexp.MustCompile(`\$\{\s*([^{}]*?)\s*\}`)

// computed fills the choices into an inclusion's name; ok is false if one of
// them is not known (yet).
func (b *builder) computed(in *inclusion) (config string, p pick, ok bool) {
	ok = true
	fill := func(s string) string {
		return choiceRef.ReplaceAllStringFunc(s, func(m string) string {
			option := b.known[choiceRef.FindStringSubmatch(m)[1]]
			if option == "" || strings.Contains(option, "${") {
				ok = false
				return m
			}
			return option
		})
	}
	config, p = fill(in.config), in.pick
	if in.group != "" {
		p = one(fill(in.pick.option()))
		ok = ok && !strings.Contains(p.option(), "${")
	}
	return config, p, ok && !strings.Contains(config, "${")
}

// unresolved is the error for the first name that cannot be computed.
func (b *builder) unresolved(in *inclusion) error {
	for _, k := range in.kids {
		if k.dropped {
			continue
		}
		if !k.deferred {
			if err := b.unresolved(k); err != nil {
				return err
			}
			continue
		}
		var names []string
		for key, option := range b.known {
			if option != "" {
				names = append(names, key)
			}
		}
		slices.Sort(names)
		fix := "no group is chosen"
		if len(names) > 0 {
			fix = "chosen groups: " + strings.Join(names, ", ")
		}
		return fail(ClassInterpKey, k.from, fix, "%s refers to a group that is not chosen", k.describe())
	}
	return nil
}

// prune walks the finished tree in its order, drops what a lenient file
// repeats and refuses other repetitions.
func (b *builder) prune(root *inclusion) error {
	groups := map[string]*inclusion{}
	configs := map[string]bool{}
	var visit func(in *inclusion) error
	visit = func(in *inclusion) error {
		if in.dropped || in.self {
			return nil
		}
		if in.group != "" {
			key := in.key()
			if first, ok := groups[key]; ok {
				if in.again {
					in.dropped = true
					return nil
				}
				return fail(ClassDuplicate, in.from, duplicateFix(in, key), "the group %s is chosen twice, first at %s", key, first.from)
			}
			groups[key] = in
		} else {
			where := in.path() + "@" + in.finalPkg(true)
			if in.again && configs[where] {
				in.dropped = true
				return nil
			}
			configs[where] = true
		}
		for _, k := range in.kids {
			if err := visit(k); err != nil {
				return err
			}
		}
		return nil
	}
	return visit(root)
}

func duplicateFix(in *inclusion, key string) string {
	if in.external {
		return fmt.Sprintf("to choose another option write %s=%s without +", key, in.pick)
	}
	e := *in
	e.override, e.group = true, "/"+in.groupPath()
	return "to choose another option write " + e.describe() + " at the end of the list"
}

// unused refuses choices and deletions that met nothing.
func (b *builder) unused(root *inclusion) error {
	inUse := b.inUse(root)
	for _, key := range sortedBySeq(b.choices) {
		c := b.choices[key]
		if c.used || c.soft {
			continue
		}
		if c.err != nil {
			return c.err
		}
		group, _, _ := strings.Cut(key, "@")
		var others []string
		for _, k := range inUse {
			if g, _, _ := strings.Cut(k, "@"); g == group {
				others = append(others, k)
			}
		}
		var fix string
		switch {
		case len(others) > 0:
			fix = "chosen are " + strings.Join(others, ", ")
		case c.external && b.src.IsGroup(group):
			fix = fmt.Sprintf("to choose it in addition write +%s=%s", key, c.pick)
		default:
			if fix = didYouMean(key, inUse); fix == "" {
				fix = "it must come after the choice that it overrides"
			}
		}
		return fail(ClassNoGroup, c.from, fix, "%s: the group %s is not in any defaults list", c.text, key)
	}
	for _, key := range sortedKeys(b.deletions) {
		if d := b.deletions[key]; !d.used {
			if option, ok := b.known[key]; ok && d.only {
				return fail(ClassDelete, d.from, fmt.Sprintf("write ~%s or ~%s=%s", key, key, option), "%s: the choice of %s is %q, not %q", d.text, key, option, d.option)
			}
			return fail(ClassNoGroup, d.from, didYouMean(key, inUse), "%s: %s is not in any defaults list", d.text, key)
		}
	}
	return nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func sortedBySeq(m map[string]*choice) []string {
	keys := sortedKeys(m)
	slices.SortStableFunc(keys, func(a, b string) int { return m[a].seq - m[b].seq })
	return keys
}

// inUse returns the keys of all choices of the tree.
func (b *builder) inUse(in *inclusion) []string {
	var keys []string
	in.visit(func(k *inclusion) {
		if k.group != "" {
			keys = append(keys, k.key())
		}
	})
	return keys
}

// visit calls f for the inclusion and all below it, in order, dropped ones
// left out.
func (in *inclusion) visit(f func(*inclusion)) {
	if in.dropped {
		return
	}
	f(in)
	for _, k := range in.kids {
		k.visit(f)
	}
}

// mandatory is the error for an option that is ???.
func (b *builder) mandatory(in *inclusion) error {
	if in.group == "" {
		return fail(ClassMandatory, in.from, "name a config", `"???" is no config`)
	}
	fix := "there are no options in " + b.src.folders()
	if options := b.src.Options(in.groupPath()); len(options) > 0 {
		fix = fmt.Sprintf("such as %s=%s; options: %s", in.key(), options[0], strings.Join(options, ", "))
	}
	return fail(ClassMandatory, in.from, fix, "a %s must be chosen", in.key())
}

// notFound is the error for a config or option that does not exist.
func (b *builder) notFound(in *inclusion) error {
	at := in.from
	if in.picked != nil {
		at = in.picked.from
	}
	group := in.groupPath()
	// An element of a list of options is a config in a group's folder.
	asOption := in.group != "" || in.parent != nil && in.parent.pick.several
	name := in.path()[strings.LastIndexByte(in.path(), '/')+1:]
	if in.group != "" {
		name = in.pick.option()
	}
	options := b.src.Options(group)
	fix := didYouMean(name, options)
	if bare, ok := strings.CutSuffix(strings.TrimSuffix(name, ".yaml"), ".toml"); (ok || bare != name) && slices.Contains(options, bare) {
		fix = fmt.Sprintf("write %s, without the extension", bare)
	}
	if asOption {
		switch {
		case !b.src.IsGroup(group):
			if fix = didYouMean(group, b.src.Groups()); fix == "" {
				fix = "groups: " + strings.Join(b.src.Groups(), ", ")
			}
			return fail(ClassNoOption, at, fix, "no group %q in %s", group, b.src.folders())
		case fix == "" && len(options) > 0:
			fix = "options: " + strings.Join(options, ", ")
		}
		return fail(ClassNoOption, at, fix, "no option %q in the group %s", name, group)
	}
	if fix == "" && len(options) > 0 {
		fix = "there are " + strings.Join(options, ", ")
	}
	return fail(ClassNoConfig, at, fix, "no config %q in %s", in.path(), b.src.folders())
}
