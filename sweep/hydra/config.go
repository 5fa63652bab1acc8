package hydra

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"orch/sweep/override"
)

// config is one file on its way.
type config struct {
	*notes
	imp          *importer
	name         string // "model/net2"
	group        string // "model"; "" at the top
	pkg          string // what the header says
	hasPkg       bool
	head         []string // the file's comment
	body         *table
	list         []item // of defaults
	launcherName string // chosen of hydra/launcher
	launcherLine int
	launcher     *table // hydra.launcher
	sweep        *table // hydra.sweeper.params
	sweepLine    int
	multirun     bool
}

var header = regexp.MustCompile(`^\s*#\s*@`)

// readHeader finds "# @package x" as Hydra does: in the lines before the first
// that is neither empty nor such a comment.
func (f *config) readHeader(text string) {
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "":
			continue
		case !header.MatchString(line):
			if m := lateHeader.FindStringIndex(text); m != nil && !f.hasPkg {
				f.look(1+strings.Count(text[:m[0]], "\n"), "if it was meant, write it as the key package", "the header is below other lines, where Hydra ignores it; so it is ignored")
			}
			return
		}
		words := strings.Fields(strings.TrimLeft(strings.TrimSpace(line), "# "))
		if len(words) != 2 || words[0] != "@package" {
			f.lost(i+1, "", "the header %s", strings.TrimSpace(line))
			continue
		}
		f.pkg, f.hasPkg = words[1], true
		if strings.Contains(f.pkg, "_name_") {
			f.lost(i+1, "write the package out", "_name_ in the package, which Hydra dropped in 1.2")
		}
	}
}

var lateHeader = regexp.MustCompile(`(?m)^[ \t]*#[ \t]*@package[ \t]`)

// global reports whether the file's keys land at the top.
func (f *config) global() bool {
	if f.hasPkg {
		return f.pkg == "_global_" || f.pkg == ""
	}
	return f.group == ""
}

// land returns the dotted package of the file as far as it can be told.
func (f *config) land() string {
	switch {
	case !f.hasPkg || f.pkg == "_group_":
		return strings.ReplaceAll(f.group, "/", ".")
	case f.pkg == "_here_":
		return ""
	}
	return strings.TrimPrefix(strings.TrimPrefix(f.pkg, "_global_"), ".")
}

// parts takes apart what Hydra has in one file: the defaults list, its own
// settings, and the config.
func (f *config) parts(t *table) {
	f.body = t
	if e := t.take("defaults"); e != nil {
		f.defaults(e.val)
	}
	// The hydra table, wherever the file lands.
	switch land := f.land(); {
	case f.global():
		if e := t.take("hydra"); e != nil {
			f.hydra(e.val)
		}
	case land == "hydra" || strings.HasPrefix(land, "hydra."):
		inner := t
		f.body = &table{}
		path := strings.Split(land, ".")
		for i := len(path) - 1; i >= 1; i-- {
			inner = &table{entries: []*entry{{key: path[i], val: value{table: inner}, line: 1}}}
		}
		f.hydra(value{table: inner})
	}
	f.reserved()
	f.rename()
	f.values(f.body)
}

// words are top-level keys that mean something to orch.
var words = map[string]string{
	"name":     "the name of the sweep, the same for all its runs",
	"task":     "the program that a run is",
	"study":    "the question of a sweep",
	"sweep":    "the axes of a sweep",
	"retry":    "when a failed run is tried again",
	"volatile": "keys that do not change results",
	"launcher": "where runs are executed",
	"trainer":  "who executes a run",
}

// reserved notes keys that have another meaning in orch.
func (f *config) reserved() {
	for _, e := range slices.Clone(f.body.entries) {
		if f.imp.rename[e.key] != "" && f.global() {
			continue
		}
		do := fmt.Sprintf("import again with --rename %s=NEW, which also changes what refers to it", e.key)
		switch meaning := words[e.key]; {
		case e.key == "package":
			f.lost(e.line, do, "the key package: it is the file's package in orch")
			f.body.take(e.key)
		case e.key == "defaults":
		case !f.global():
		case e.key == "env" && e.val.isList:
			f.lost(e.line, do, "the list env: it declares variables of the environment in orch")
			f.body.take(e.key)
		case e.key == "name" && !strings.Contains(e.val.text(), "${"):
			f.look(e.line, "", "name is %s in orch", meaning)
		case meaning != "":
			f.lost(e.line, do, "the key %s, kept as it was, is %s in orch", e.key, meaning)
		}
	}
}

// rename gives top-level keys the names that the caller wants.
func (f *config) rename() {
	if !f.global() {
		return
	}
	for _, e := range f.body.entries {
		if to := f.imp.rename[e.key]; to != "" {
			e.key = to
		}
	}
}

// hydra takes Hydra's own settings apart.
func (f *config) hydra(v value) {
	if v.table == nil {
		return
	}
	for _, e := range v.table.entries {
		switch {
		case e.key == "launcher" && e.val.table != nil:
			f.launcher = e.val.table
			if f.launcherLine == 0 {
				f.launcherLine = e.line
			}
		case e.key == "mode":
			f.multirun = strings.EqualFold(strings.TrimPrefix(e.val.text(), "RunMode."), "MULTIRUN")
		case e.key == "sweeper" && e.val.table != nil:
			f.sweeper(e.val.table)
		case e.val.table != nil && (e.key == "job" || e.key == "run" || e.key == "sweep"):
			for _, k := range e.val.table.entries {
				f.setting(e.key+"."+k.key, k)
			}
		default:
			f.setting(e.key, e)
		}
	}
}

// settings says what becomes of Hydra's own settings.
var settings = map[string]string{
	"run.dir":         "runs lie in the results tree: --results or $ORCH_RESULTS chooses it, orch names the folders",
	"sweep.dir":       "runs lie in the results tree: --results or $ORCH_RESULTS chooses it, orch names the folders",
	"sweep.subdir":    "orch names the folders of runs, so that no two share one",
	"output_subdir":   "the resolved config is runs/NAME/a0/config.toml",
	"job.name":        "the name of a sweep is `name` in its file, or --name",
	"job.chdir":       "orch never changes the directory; [task] workdir does",
	"job.env_set":     "write the variables into [task.env]",
	"job.env_copy":    "workers on this machine have the environment of orch submit; write others into [task.env]",
	"job.config":      "orch names runs itself, short and unique",
	"job_logging":     "not needed: each attempt has its log.txt",
	"hydra_logging":   "not needed: orch logs to stderr, --log-level chooses how much",
	"verbose":         "--log-level=debug",
	"callbacks":       "orch journals how each run ended: orch status, orch show RUN, orch collect",
	"searchpath":      "copy the configs into one folder, or give one by --config-dir",
	"help":            "orch help",
	"sweeper._target": "",
}

func (f *config) setting(key string, e *entry) {
	if e.key == "_target_" {
		return
	}
	do, ok := settings[key]
	if !ok {
		do = "orch has no such setting"
	}
	f.lost(e.line, do, "hydra.%s", key)
}

// sweeper takes the axes out of hydra.sweeper.
func (f *config) sweeper(t *table) {
	for _, e := range t.entries {
		switch {
		case e.key == "params" && e.val.table != nil:
			f.sweep, f.sweepLine = &table{}, e.line
			for _, p := range e.val.table.entries {
				f.axis(p)
			}
		case e.key == "params" && e.val.isNull(), e.key == "_target_":
		case e.key == "max_batch_size":
			f.lost(e.line, "not needed: workers take runs as they become free", "hydra.sweeper.max_batch_size")
		default:
			f.lost(e.line, "[sweep] has samples, zip, exclude and include instead", "hydra.sweeper.%s", e.key)
		}
	}
}

// axis converts one of hydra.sweeper.params, which Hydra writes behind "key="
// and reads in its grammar.
func (f *config) axis(p *entry) {
	key, line := p.key, p.line
	switch {
	case strings.HasPrefix(key, "~"):
		f.lost(line, "delete the key in the config", "the sweeper parameter %s", key)
		return
	case key == "hydra/launcher":
		f.lost(line, "a sweep has one launcher: [launcher] name", "an axis over launchers")
		return
	case strings.HasPrefix(key, "hydra.launcher."):
		f.lost(line, "write it as an axis launcher.KEY with orch's name of the key", "the axis %s", key)
		return
	case strings.HasPrefix(key, "hydra."):
		f.lost(line, "", "the axis %s: orch has no hydra config", key)
		return
	}
	root, rest, dotted := strings.Cut(key, ".")
	if to := f.imp.rename[root]; to != "" {
		key = to
		if dotted {
			key += "." + rest
		}
	}
	if slices.Contains(sweepWords, key) {
		key = "+" + key // the word means something in [sweep]
	}
	ax := &entry{key: key, line: line, head: p.head, comment: p.comment, val: p.val}
	text := p.val.text()
	switch {
	case p.val.table != nil:
		f.lost(line, "make each of its keys an axis", "the axis %s, whose value is a table", key)
		return
	case p.val.isList:
		f.look(line, "for an axis of its elements remove the outer brackets", "the axis %s is one value for Hydra, a list", key)
		ax.val = value{isList: true, list: []value{p.val}}
	case strings.Contains(text, "${hydra"):
		f.lost(line, "orch has no hydra config", "the axis %s: %s", key, text)
		return
	case p.val.scalar.Kind() == override.String:
		v, sweep, err := override.ParseValue(text)
		switch {
		case err != nil:
			f.lost(line, "orch explain shows how such texts are understood", "the axis %s: %q is no value: %v", key, text, firstOf(err))
			return
		case sweep == nil && v.Kind() == override.List:
			ax.val = value{isList: true, list: []value{scalarOf(v, line)}}
		case sweep == nil && v.Kind() == override.Map:
			// A table would be one of axes; and TOML has it in braces only in a list.
			ax.val = scalarOf(override.ListValue(v), line)
		case sweep == nil:
			ax.val = scalarOf(v, line)
			if s, ok := v.Str(); ok && strings.ContainsAny(s, "(,") {
				ax.val = value{isList: true, list: []value{scalarOf(v, line)}} // a text, not a sweep
			}
		case sweep.Kind == override.Interval:
			f.look(line, "draw from it with samples = n in [sweep]", "the axis %s is an interval, of which a grid cannot be made", key)
		}
	}
	f.sweep.add(ax)
}

// sweepWords are the keys of [sweep] that are no axes.
var sweepWords = []string{"seeds", "zip", "exclude", "include", "samples", "sample_seed"}

func firstOf(err error) string {
	s, _, _ := strings.Cut(err.Error(), "\n")
	return s
}

func quoted(s string, line int) value { return scalarOf(override.QuotedValue(s), line) }

// file returns the config as TOML.
func (f *config) file() File {
	var b strings.Builder
	for _, line := range f.head {
		b.WriteString(line + "\n")
	}
	if f.hasPkg && !(strings.HasPrefix(f.name, "experiment/") && f.pkg == "_global_") {
		b.WriteString("package = " + quote(f.pkg) + "\n")
	}
	if !f.hasPkg && strings.HasPrefix(f.name, "experiment/") {
		b.WriteString("package = \"_group_\"  # as in Hydra: the file had no \"# @package _global_\"\n")
		f.look(1, `remove package = "_group_" if its keys are meant for the top`, "a preset without a package header: its keys land under %s", strings.ReplaceAll(f.group, "/", "."))
	}
	f.writeDefaults(&b)
	if env := f.imp.declared(); f.group == "" && f.global() && len(env) > 0 {
		if own := f.body.get("env"); own != nil {
			f.lost(own.line, "import again with --rename env=NEW, which also changes what refers to it", "the key env: it declares variables of the environment in orch, and the configs read some")
			f.body.take("env")
		}
		list := value{isList: true}
		for _, name := range env {
			list.list = append(list.list, quoted(name, 0))
		}
		b.WriteString("env = " + inline(list) + "  # variables that configs may read\n")
	}
	if b.Len() > 0 && len(f.body.entries) > 0 {
		b.WriteByte('\n')
	}
	w := &writer{}
	w.table("", f.body)
	b.WriteString(w.b.String())
	return File{Path: f.name + ".toml", From: f.notes.file, Text: []byte(strings.TrimLeft(b.String(), "\n"))}
}

// option is the name of the file without folder.
func (f *config) option() string { return path.Base(f.name) }
