package compose

import (
	"fmt"
	"slices"
	"strings"

	"orch/sweep/override"
)

// entry is one entry of a defaults list, or a choice made by an override.
type entry struct {
	self     bool
	config   string // of an entry without a group: the config's path
	group    string // a leading slash makes either absolute
	pick     pick
	pkg      string // after @
	hasPkg   bool
	optional bool
	override bool
	external bool // appended by an override: absolute, at the top
	from     Origin
}

// pick is what is chosen of a group.
type pick struct {
	options []string
	several bool // written as a list, of any length
	null    bool // nothing, until somebody chooses
}

func one(option string) pick { return pick{options: []string{option}} }

// option returns the single option, empty for null, a list, and an entry that
// names a config.
func (p pick) option() string {
	if p.null || p.several || len(p.options) == 0 {
		return ""
	}
	return p.options[0]
}

// String returns the pick as an override would write it.
func (p pick) String() string {
	switch {
	case p.null:
		return "null"
	case p.several:
		return "[" + strings.Join(p.options, ",") + "]"
	}
	return p.options[0]
}

// parseDefaults reads the value of a file's key `defaults`.
func parseDefaults(n *node) ([]entry, error) {
	if n.kind != list {
		return nil, fail(ClassDefaults, n.from, `such as defaults = ["_self_", {model = "net2"}]`, "defaults must be a list, not %s", aKind(n))
	}
	entries := make([]entry, 0, len(n.kids))
	self := false
	for _, k := range n.kids {
		e, err := parseEntry(k)
		if err != nil {
			return nil, err
		}
		if e.self && self {
			return nil, fail(ClassDefaults, k.from, "keep one", `"_self_" twice in one defaults list`)
		}
		self = self || e.self
		entries = append(entries, e)
	}
	return entries, nil
}

func parseEntry(n *node) (entry, error) {
	e := entry{from: n.from}
	if s, ok := n.val.Str(); ok {
		e.config, e.pkg, e.hasPkg = strings.Cut(s, "@")
		e.self = s == "_self_"
		switch {
		case e.config == "_self_" && e.hasPkg:
			return e, fail(ClassDefaults, n.from, "use the top-level key package", "%q: _self_ has no package of its own", s)
		case strings.ContainsAny(s, " \t:="):
			return e, fail(ClassDefaults, n.from, `write {GROUP = "OPTION"} for a choice`, "%q is no name of a config", s)
		}
		return e, checkPath(e.from, "config", e.config)
	}
	if n.kind != table || len(n.keys) != 1 {
		return e, fail(ClassDefaults, n.from, `write "CONFIG" or {GROUP = "OPTION"}`, "an entry of defaults must be a string or a table of one key, not %s", n.value().Text())
	}
	words := strings.Fields(n.keys[0])
	if len(words) == 0 {
		return e, fail(ClassDefaults, n.from, `write {GROUP = "OPTION"}`, "an entry of defaults names no group")
	}
	for _, w := range words[:len(words)-1] {
		switch w {
		case "optional":
			e.optional = true
		case "override":
			e.override = true
		default:
			return e, fail(ClassDefaults, n.from, `only "optional" and "override" go before a group`, "unknown word %q in %q", w, n.keys[0])
		}
	}
	e.group, e.pkg, e.hasPkg = strings.Cut(words[len(words)-1], "@")
	var err error
	if e.pick, err = parsePick(n.keys[0], n.kids[0].value(), n.from); err != nil {
		return e, err
	}
	return e, checkPath(e.from, "group", append([]string{e.group}, e.pick.options...)...)
}

// parsePick reads the value of a choice, in a defaults list or an override.
func parsePick(key string, v override.Value, from Origin) (pick, error) {
	switch v.Kind() {
	case override.Null:
		return pick{null: true}, nil
	case override.String:
		s, _ := v.Str()
		return one(s), nil
	case override.List:
		p := pick{several: true}
		for _, o := range v.List() {
			s, ok := o.Str()
			if !ok {
				return p, groupType(key, o, from)
			}
			if strings.Contains(s, "${") {
				return p, fail(ClassDefaults, from, "write one option instead of a list", "%s: a list of options cannot be computed: %q", key, s)
			}
			p.options = append(p.options, s)
		}
		return p, nil
	}
	return pick{}, groupType(key, v, from)
}

func groupType(key string, v override.Value, from Origin) error {
	fix := "an option is a file's name"
	if v.IsNull() {
		fix = "to take the group out write ~" + key
	}
	if k := v.Kind(); k != override.Null && k != override.Map && k != override.List {
		fix = fmt.Sprintf("if %s is an option's name, put it in quotes", v.Text())
	}
	return fail(ClassGroupType, from, fix, "%s=%s: the choice of a group must be a string or a list of strings, not %s", key, v.Text(), aKind(valueNode(v, from)))
}

// checkPath refuses paths that would leave the config folders or mean
// different files on different systems.
func checkPath(from Origin, what string, paths ...string) error {
	for _, p := range paths {
		switch {
		case strings.Contains(p, `\`) && !strings.Contains(p, "${"):
			return fail(ClassDefaults, from, "use /", `%q: no backslash in the path of a %s`, p, what)
		case slices.Contains(strings.Split(p, "/"), ".."):
			return fail(ClassDefaults, from, "start at the top with a slash: /group", `%q: no ".." in the path of a %s`, p, what)
		case strings.Trim(p, "/") == "":
			return fail(ClassDefaults, from, "", "%q is no path of a %s", p, what)
		}
	}
	return nil
}
