package hydra

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// Options are what a caller may choose of an import.
type Options struct {
	// Rename gives top-level keys other names, where Hydra's mean something
	// else to orch: {"name": "run_name"}. What refers to them follows.
	Rename map[string]string
}

// File is one file to write.
type File struct {
	Path string // "model/net2.toml", with slashes
	From string // the file of the Hydra folder it was made of
	Text []byte
}

// Result is an import: nothing has been written yet.
type Result struct {
	Files []File // in the order of their paths
	Notes []Note // in the order of files and lines
}

// ErrNone says that a folder holds no Hydra config.
var ErrNone = errors.New("no Hydra config folder")

// Import converts all configs of a folder. A file that cannot be read as YAML
// is a [Note], so that the others come over. The error is [ErrNone], or that
// of reading the folder.
func Import(dir fs.FS, opts Options) (*Result, error) {
	imp := &importer{rename: opts.Rename, env: map[string]bool{}, files: map[string]bool{}}
	r := &Result{}
	sources, err := imp.find(dir, r)
	if err != nil {
		return nil, err
	}
	var configs []*config
	for _, name := range sources {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, err
		}
		f := newConfig(imp, name)
		if err := f.read(string(text)); err != nil {
			f.lost(0, "mend it and import again, or write the TOML yourself", "cannot be read: %v", err)
			r.Notes = append(r.Notes, f.notes.list...)
			continue
		}
		configs = append(configs, f)
	}
	for _, f := range configs {
		f.parts(f.body)
	}
	made := map[string]string{}
	for _, f := range configs {
		for _, out := range f.finish(configs) {
			if other := made[out.Path]; other != "" {
				f.lost(0, "rename one of them", "%s becomes %s, as this does", other, out.Path)
				continue
			}
			made[out.Path] = out.From
			r.Files = append(r.Files, out)
		}
		r.Notes = append(r.Notes, f.notes.list...)
	}
	slices.SortFunc(r.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	r.Notes = sortNotes(r.Notes)
	return r, nil
}

// importer is what all files of an import share.
type importer struct {
	rename map[string]string
	env    map[string]bool // variables that configs read
	files  map[string]bool // configs of the folder, without extension
}

func (imp *importer) has(name string) bool { return imp.files[name] }

func (imp *importer) declared() []string { return slices.Sorted(maps.Keys(imp.env)) }

// renamed returns the key that a reference is to.
func (imp *importer) renamed(ref string) string {
	end := strings.IndexAny(ref, ".[")
	if end < 0 {
		end = len(ref)
	}
	if to := imp.rename[ref[:end]]; to != "" {
		return to + ref[end:]
	}
	return ref
}

// find returns the YAML files of a folder. Hidden folders hold what earlier
// runs left (.hydra) and what is no config (.git).
func (imp *importer) find(dir fs.FS, r *Result) ([]string, error) {
	var names []string
	top, nested := 0, 0
	err := fs.WalkDir(dir, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		switch {
		case d.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "__pycache__"):
			return fs.SkipDir
		case d.IsDir() || strings.HasPrefix(base, "."):
		case strings.HasSuffix(name, ".yml"):
			r.Notes = append(r.Notes, Note{File: name, Lost: true, What: "Hydra reads no .yml files", Do: "rename it to .yaml if it is a config"})
		case strings.HasSuffix(name, ".yaml"):
			names = append(names, name)
			imp.files[strings.TrimSuffix(name, ".yaml")] = true
			if strings.Contains(name, "/") {
				nested++
			} else {
				top++
			}
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(names) == 0:
		return nil, fmt.Errorf("%w: it has no .yaml file", ErrNone)
	case top == 0:
		for _, name := range names {
			if sub, _, _ := strings.Cut(name, "/"); slices.Contains([]string{"config", "configs", "conf"}, sub) {
				return nil, fmt.Errorf("%w: it has no .yaml file of its own; did you mean its folder %s?", ErrNone, sub)
			}
		}
	}
	return names, nil
}

func newConfig(imp *importer, file string) *config {
	name := strings.TrimSuffix(file, ".yaml")
	group := path.Dir(name)
	if group == "." {
		group = ""
	}
	return &config{notes: &notes{file: file}, imp: imp, name: name, group: group}
}

// read parses the file; what is in it is understood later, when all files are
// known.
func (f *config) read(text string) error {
	text = strings.TrimPrefix(text, "\ufeff")
	body, head, err := f.document([]byte(text))
	if err != nil {
		return err
	}
	f.readHeader(text)
	isHeader := func(line string) bool { return header.MatchString(line) || lateHeader.MatchString(line) }
	f.head = slices.DeleteFunc(head, isHeader)
	for _, e := range body.entries {
		e.head = slices.DeleteFunc(e.head, isHeader)
	}
	f.body = body
	if len(body.entries) > 0 && body.entries[0].key == "defaults" {
		f.head = append(f.head, body.entries[0].head...)
	}
	return nil
}

// finish returns the files that a config becomes.
func (f *config) finish(all []*config) []File {
	switch {
	case f.group == "hydra/launcher", f.group == "launcher" && (f.launcher != nil || f.launcherName != ""):
		if f.sweep != nil {
			f.lost(f.sweepLine, "put the axes into a preset under experiment/", "hydra.sweeper.params in a launcher's file")
		}
		if out, ok := f.launcherFile(); ok {
			return []File{out}
		}
		return nil
	case f.group == "hydra" || strings.HasPrefix(f.group, "hydra/"):
		f.lost(0, "", "a config of Hydra itself")
		return nil
	case f.group == "launcher" && !f.hasPkg:
		f.lost(0, "rename the group: launcher is where runs are executed", "a group launcher that sets no launcher of Hydra")
		return nil
	}
	f.launcherTable()
	if f.sweep == nil {
		if f.multirun {
			f.look(0, "type --multirun with comma lists; a config that has [sweep] sweeps by itself", "hydra.mode MULTIRUN without axes")
		}
		return []File{f.file()}
	}
	sweep := &entry{key: "sweep", val: value{table: f.sweep}, line: f.sweepLine}
	f.values(f.sweep)
	if f.group != "" || f.multirun {
		f.primaries(all)
		f.body.add(sweep)
		if !f.multirun {
			f.look(f.sweepLine, "", "hydra.sweeper.params without hydra.mode MULTIRUN: Hydra used them with --multirun only, orch sweeps whenever the config is chosen")
		}
		return []File{f.file()}
	}
	// The axes of a primary config, which Hydra used with --multirun only:
	// orch would always sweep, so they become a sweep file of their own.
	preset := newConfig(f.imp, "experiment/"+f.name+"_sweep.yaml")
	preset.notes, preset.pkg, preset.hasPkg = f.notes, "_global_", true
	preset.list = []item{{text: f.name}}
	preset.body = &table{entries: []*entry{sweep}}
	f.look(f.sweepLine, fmt.Sprintf("orch submit experiment/%s_sweep.toml, or +experiment=%s_sweep", f.name, f.name), "the axes of %s are a sweep file of their own", f.name)
	return []File{f.file(), preset.file()}
}

// primaries makes a preset with axes a whole sweep file: its defaults begin
// with the primary config whose choices it overrides, if there is just one.
func (f *config) primaries(all []*config) {
	if f.group == "" {
		return
	}
	var fit []string
	for _, p := range all {
		if p.group != "" || !p.global() || len(p.list) == 0 {
			continue
		}
		fits := true
		for _, it := range f.list {
			if it.group == "" || it.isNew {
				continue
			}
			fits = fits && slices.ContainsFunc(p.list, func(x item) bool { return x.group == it.group && x.isNew })
		}
		for _, ax := range f.sweep.entries {
			if root, _, _ := strings.Cut(ax.key, "."); isGroup(f.imp, root) {
				fits = fits && slices.ContainsFunc(p.list, func(x item) bool { return x.group == root })
			}
		}
		if fits {
			fit = append(fit, p.name)
		}
	}
	if len(fit) != 1 {
		f.look(f.sweepLine, "begin its defaults with the primary config, and orch submit takes it as a sweep file", "it works as +%s=%s; of the primary configs %d fit", f.group, f.option(), len(fit))
		return
	}
	f.list = append([]item{{text: fit[0]}}, f.list...)
}

func isGroup(imp *importer, name string) bool {
	for file := range imp.files {
		if strings.HasPrefix(file, name+"/") {
			return true
		}
	}
	return false
}
