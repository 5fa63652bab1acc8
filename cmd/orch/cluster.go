package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/launcher/slurm"
	"orch/sweep/compose"
	"orch/sweep/override"
)

// cluster is a cluster profile: what everybody who submits from a machine needs
// and no sweep should have to say. deploy/slurm.md describes the file.
type cluster struct {
	name       string
	place      compose.Place
	partitions []slurm.Partition // as far as the profile says
}

// profileFile is a profile as written.
type profileFile struct {
	Match struct {
		Host any // glob, or a list of which one must fit
		File any // paths, of which one must exist
		Env  any // NAME or NAME=glob, of which one must hold
	}
	Launcher   map[string]any
	Partitions map[string]struct {
		Default bool
		MaxTime any `toml:"max_time"`
		Mem     any
		CPUs    int
		GPUs    *int
		Nodes   int
	}
}

// clusterFolder is the folder of profiles below each place.
const clusterFolder = "cluster"

// clusterFolders are where profiles lie, the strongest first: with the project,
// of the user, of the machine.
func clusterFolders(configDir string) []string {
	user := os.Getenv("XDG_CONFIG_HOME")
	if user == "" {
		user = filepath.Join(os.Getenv("HOME"), ".config")
	}
	return []string{filepath.Join(configDir, clusterFolder), filepath.Join(user, "orch", clusterFolder), filepath.Join("/etc/orch", clusterFolder)}
}

// findCluster returns the profile of this machine, nil if there is none: the
// one that $ORCH_CLUSTER names, else the first whose [match] holds.
func findCluster(configDir string) (*cluster, error) {
	want := os.Getenv("ORCH_CLUSTER")
	if want == "none" {
		return nil, nil
	}
	var all []string
	for i, dir := range clusterFolders(configDir) {
		files, _ := filepath.Glob(filepath.Join(dir, "*.toml"))
		for _, file := range files {
			name := strings.TrimSuffix(filepath.Base(file), ".toml")
			if i == 0 && !isProfile(file) {
				continue // an ordinary config group of that name
			}
			all = append(all, name)
			if want != "" && name != want {
				continue
			}
			c, matches, err := readCluster(file)
			if err != nil {
				return nil, asUsage(err)
			}
			if matches || name == want {
				return c, nil
			}
		}
	}
	if want != "" {
		return nil, usage("ORCH_CLUSTER=%s: no such cluster profile%s; profiles are cluster/*.toml in the config folder, ~/.config/orch and /etc/orch; ORCH_CLUSTER=none uses none", want, didYouMean(want, all))
	}
	return nil, nil
}

// isProfile tells profiles from the options of a config group that is called
// cluster too.
func isProfile(file string) bool {
	b, err := os.ReadFile(file)
	if err != nil {
		return false
	}
	var top map[string]any
	if _, err := toml.Decode(string(b), &top); err != nil {
		return false
	}
	_, ok := top["match"]
	return ok
}

func readCluster(file string) (c *cluster, matches bool, err error) {
	label := file
	if home := os.Getenv("HOME"); home != "" && strings.HasPrefix(file, home+"/") {
		label = "~" + strings.TrimPrefix(file, home)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, false, fmt.Errorf("cluster profile: %w", err)
	}
	c = &cluster{name: strings.TrimSuffix(filepath.Base(file), ".toml"), place: compose.Place{Label: filepath.ToSlash(label), Text: text, Tables: launcherTables}}
	if _, err := c.place.Parse(); err != nil {
		return nil, false, err
	}
	var f profileFile
	meta, err := toml.Decode(string(text), &f)
	if err != nil {
		return nil, false, fmt.Errorf("%s: %w", label, err)
	}
	at := func(path ...string) compose.Origin { return c.place.Line(path...) }
	var errs []error
	for _, key := range meta.Undecoded() {
		if key[0] == "launcher" {
			continue
		}
		known := []string{"match", "launcher", "partitions"}
		switch key[0] {
		case "match":
			known = []string{"host", "file", "env"}
		case "partitions":
			known = []string{"default", "max_time", "mem", "cpus", "gpus", "nodes"}
		}
		errs = append(errs, fmt.Errorf("%s: unknown key %q of a cluster profile%s", at(key...), key, didYouMean(key[len(key)-1], known)))
	}
	matches, err = f.matches()
	if err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", at("match"), err))
	}
	for _, name := range sortedKeys(f.Partitions) {
		p, x := slurm.Partition{Name: name}, f.Partitions[name]
		p.Default = x.Default
		kind := slurm.NodeKind{Count: x.Nodes, CPUs: x.CPUs}
		if x.GPUs != nil {
			kind.GPUs, kind.GPUsKnown = map[string]int{"": *x.GPUs}, true
		}
		var err1, err2 error
		if x.MaxTime != nil {
			p.MaxTime, err1 = launcher.ParseTime(x.MaxTime)
		}
		if x.Mem != nil {
			kind.MemMiB, err2 = launcher.ParseMem(x.Mem)
		}
		for _, e := range []struct {
			key string
			err error
		}{{"max_time", err1}, {"mem", err2}} {
			if e.err != nil {
				errs = append(errs, fmt.Errorf("%s: %s %w", at("partitions", name, e.key), e.key, e.err))
			}
		}
		p.Nodes = []slurm.NodeKind{kind}
		c.partitions = append(c.partitions, p)
	}
	errs = append(errs, f.checkLauncher(at)...)
	return c, matches, errors.Join(errs...)
}

// checkLauncher judges the keys of [launcher] and of its tables, one for each
// launcher.
func (f *profileFile) checkLauncher(at func(...string) compose.Origin) []error {
	var errs []error
	judge := func(path []string, table map[string]any) {
		flat := map[string]any{"backend": "slurm"}
		for k, v := range table {
			if _, isTable := v.(map[string]any); !isTable {
				flat[k] = v
			}
		}
		_, problems := backends.ParseSpec(flat)
		for _, err := range problems {
			where := path
			var key *launcher.KeyError
			if errors.As(err, &key) {
				where = append(slices.Clone(path), strings.TrimPrefix(key.Key, "launcher."))
			}
			errs = append(errs, fmt.Errorf("%s: %w", at(where...), err))
		}
	}
	judge([]string{"launcher"}, f.Launcher)
	for name, v := range f.Launcher {
		if t, ok := v.(map[string]any); ok {
			judge([]string{"launcher", name}, t)
		}
	}
	return errs
}

// matches reports whether this is the machine that the profile is about: every
// condition that it has must hold. A profile without any is chosen by name only.
func (f *profileFile) matches() (bool, error) {
	host, _ := os.Hostname()
	short, _, _ := strings.Cut(host, ".")
	conditions := 0
	for _, x := range []struct {
		key   string
		value any
		holds func(string) (bool, error)
	}{
		{"host", f.Match.Host, func(glob string) (bool, error) {
			long, err := path.Match(glob, host)
			same, _ := path.Match(glob, short)
			return long || same, err
		}},
		{"file", f.Match.File, func(name string) (bool, error) {
			_, err := os.Stat(name)
			return err == nil, nil
		}},
		{"env", f.Match.Env, func(s string) (bool, error) {
			name, glob, valued := strings.Cut(s, "=")
			v, set := os.LookupEnv(name)
			if !valued || !set {
				return set, nil
			}
			return wildcard(glob, v)
		}},
	} {
		if x.value == nil {
			continue
		}
		conditions++
		list, err := stringList(x.value)
		if err != nil {
			return false, fmt.Errorf("match.%s %w", x.key, err)
		}
		any := false
		for _, s := range list {
			ok, err := x.holds(s)
			if err != nil {
				return false, fmt.Errorf("match.%s %q: %w", x.key, s, err)
			}
			any = any || ok
		}
		if !any {
			return false, nil
		}
	}
	return conditions > 0, nil
}

// wildcard is path.Match for text that is no path: * crosses slashes.
func wildcard(glob, s string) (bool, error) {
	const slash = "\x00"
	return path.Match(strings.ReplaceAll(glob, "/", slash), strings.ReplaceAll(s, "/", slash))
}

func stringList(v any) ([]string, error) {
	switch x := v.(type) {
	case string:
		return []string{x}, nil
	case []any:
		var list []string
		for _, e := range x {
			s, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("holds %v, want strings", e)
			}
			list = append(list, s)
		}
		return list, nil
	}
	return nil, fmt.Errorf("is %v, want a string or a list of strings", v)
}

// launcherTables are the tables of a profile that a launcher gets: a profile is
// about the cluster's launchers, not about those of the machine itself.
func launcherTables(name string, config override.Value) [][]string {
	option, ok := strings.CutPrefix(name, "launcher/")
	if !ok {
		return nil
	}
	if b, _ := config.Lookup("backend"); b.Text() != slurm.Backend.Name {
		return nil
	}
	return [][]string{{"launcher"}, {"launcher", option}}
}

// withoutProfiles is a config folder that does not show its cluster profiles,
// which are no config group.
type withoutProfiles struct {
	fs.FS
	dir string
}

func (o withoutProfiles) hides(name string) bool {
	return strings.HasPrefix(name, clusterFolder+"/") && isProfile(filepath.Join(o.dir, filepath.FromSlash(name)))
}

func (o withoutProfiles) Open(name string) (fs.File, error) {
	if o.hides(name) || name == clusterFolder && o.empty() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return o.FS.Open(name)
}

func (o withoutProfiles) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool {
		return o.hides(path.Join(name, e.Name())) || name == "." && e.Name() == clusterFolder && o.empty()
	}), err
}

// empty reports whether nothing but profiles is in the folder.
func (o withoutProfiles) empty() bool {
	files, _ := filepath.Glob(filepath.Join(o.dir, clusterFolder, "*"))
	return len(files) > 0 && !slices.ContainsFunc(files, func(f string) bool { return !isProfile(f) })
}

// configDir is --config-dir, else ./configs.
func configDir(c *cli.Context) string {
	if dir := c.String("config-dir"); dir != "" {
		return dir
	}
	return "configs"
}
