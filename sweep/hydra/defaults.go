package hydra

import (
	"path"
	"slices"
	"strings"
)

// item is an entry of a defaults list, as orch writes it.
type item struct {
	text  string // "_self_", a config
	key   string // or the key of a choice: "override /model@enc"
	pick  value
	head  []string
	group string // absolute, of a choice
	isNew bool   // a choice that is no override
}

// defaults converts the list under `defaults`.
func (f *config) defaults(v value) {
	if v.isNull() {
		return
	}
	if !v.isList {
		f.lost(v.line, "write a list", "defaults is no list")
		return
	}
	for _, e := range v.list {
		switch {
		case e.table == nil && !e.isList && !e.isNull():
			f.include(e)
		case e.table != nil && len(e.table.entries) > 0:
			f.choice(e)
		default:
			f.lost(e.line, "", "an entry of defaults that names nothing")
		}
	}
}

// include converts an entry that names a config.
func (f *config) include(v value) {
	s := v.text()
	name, _, _ := strings.Cut(s, "@")
	file := f.absolute(name)
	switch {
	case s == "_self_":
		f.list = append(f.list, item{text: s})
	case f.group == "hydra/launcher" && launchers[path.Base(file)] != nil:
		f.launcherName, f.launcherLine = path.Base(file), v.line
	case strings.HasPrefix(file, "hydra/"):
		f.lost(v.line, "", "%q: orch has no hydra configs", s)
	case strings.Contains(s, "${"):
		out, lost, do := f.interpolations(s)
		if lost != "" {
			f.lost(v.line, do, "defaults: %s", lost)
			return
		}
		f.list = append(f.list, item{text: out})
	default:
		if !f.imp.has(file) {
			f.missing(v.line, s, file)
		}
		f.list = append(f.list, item{text: s})
	}
}

// missing notes an entry that names a file that is not in the folder. The
// entry stays: without it a part of the config would be missing in silence.
func (f *config) missing(line int, entry, file string) {
	f.lost(line, "if it is a structured config or comes from another search path, write its keys to "+file+".toml; else remove the entry",
		"defaults: %s: there is no %s.yaml in the folder, and composing fails until there is", entry, file)
}

// choice converts {GROUP: OPTION}.
func (f *config) choice(v value) {
	e := v.table.entries[0]
	words := strings.Fields(e.key)
	if len(words) == 0 {
		f.lost(v.line, "", "an entry of defaults that names no group")
		return
	}
	// The form of Hydra 1.0: {model: net2, optional: true}.
	for _, more := range v.table.entries[1:] {
		if more.key == "optional" && more.val.text() == "true" {
			words = append([]string{"optional"}, words...)
			continue
		}
		f.lost(more.line, "one entry is one choice: begin another with -", "defaults: %s: %s, the second key of an entry", more.key, more.val.text())
	}
	group, _, _ := strings.Cut(words[len(words)-1], "@")
	abs := f.absolute(group)
	it := item{key: strings.Join(words, " "), pick: e.val, head: e.head, group: abs, isNew: !slices.Contains(words, "override")}
	if abs == "hydra" || strings.HasPrefix(abs, "hydra/") {
		f.hydraChoice(e, abs)
		return
	}
	options := []value{e.val}
	if e.val.isList {
		options = e.val.list
	}
	kept := options[:0:0]
	for _, o := range options {
		s := o.text()
		switch {
		case o.isNull() || s == "???":
		case strings.Contains(s, "${"):
			out, lost, do := f.interpolations(s)
			if lost != "" {
				f.lost(e.line, do, "defaults: %s: %s", e.key, lost)
				continue
			}
			o = quoted(out, o.line)
		case !slices.Contains(words, "optional") && !f.imp.has(path.Join(abs, s)):
			f.missing(e.line, e.key+": "+s, path.Join(abs, s))
			o = quoted(s, o.line)
		default:
			o = quoted(s, o.line) // an option's name is a text: 1 is 1.yaml
		}
		kept = append(kept, o)
	}
	if len(kept) == 0 && len(options) > 0 {
		return
	}
	if e.val.isList {
		it.pick.list = kept
	} else {
		it.pick = kept[0]
	}
	f.list = append(f.list, it)
}

// hydraChoice converts the choice of one of Hydra's own groups.
func (f *config) hydraChoice(e *entry, group string) {
	name := e.val.text()
	switch group {
	case "hydra/launcher":
		f.launcherName, f.launcherLine = name, e.line
	case "hydra/sweeper":
		if name != "basic" {
			f.lost(e.line, "[sweep] samples = n draws at random; interval(a,b) and tag(log,...) are understood", "the sweeper %s", name)
		}
	case "hydra/job_logging", "hydra/hydra_logging":
		f.lost(e.line, "not needed: each attempt has its log.txt, and orch logs to stderr (--log-level)", "%s: %s", e.key, name)
	case "hydra/callbacks":
		f.lost(e.line, "orch journals how each run ended: orch status, orch show RUN", "%s: %s", e.key, name)
	default:
		f.lost(e.line, "", "%s: %s: orch has no hydra configs", e.key, name)
	}
}

// absolute returns a group or config from the top, without slash in front.
func (f *config) absolute(name string) string {
	if strings.HasPrefix(name, "/") {
		return strings.TrimPrefix(name, "/")
	}
	return path.Join(f.group, name)
}

// write appends the list as TOML.
func (f *config) writeDefaults(b *strings.Builder) {
	if len(f.list) == 0 {
		return
	}
	b.WriteString("defaults = [")
	long := len(f.list) > 3
	for _, it := range f.list {
		long = long || len(it.head) > 0
	}
	for i, it := range f.list {
		text := quote(it.text)
		if it.key != "" {
			text = "{" + tomlKey(it.key) + " = " + flat(it.pick) + "}"
		}
		switch {
		case long:
			for _, line := range it.head {
				b.WriteString("\n  " + line)
			}
			b.WriteString("\n  " + text + ",")
		case i > 0:
			b.WriteString(", " + text)
		default:
			b.WriteString(text)
		}
	}
	if long {
		b.WriteByte('\n')
	}
	b.WriteString("]\n")
}
