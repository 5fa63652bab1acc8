package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
	"github.com/urfave/cli/v2"

	"orch/configs"
	"orch/launcher"
	"orch/report"
	"orch/sweep"
	"orch/sweep/compose"
	"orch/sweep/results"
)

// defaultLauncher is used where nothing chooses one.
const defaultLauncher = "joblib"

// experiment is what submit, train and plan have in common: a composed and
// expanded sweep, and where it belongs.
type experiment struct {
	plan   *sweep.Plan
	name   string
	source []byte // the sweep file as given, nil without one
}

// planFlags are the flags that decide what is planned.
func planFlags() []cli.Flag {
	return []cli.Flag{
		resultsFlag(), configDirFlag(),
		&cli.StringFlag{Name: "launcher", Usage: "`NAME`: joblib, slurm, slurmgpu or your own"},
		&cli.StringFlag{Name: "name", Usage: "`NAME` of the sweep, instead of the file's"},
		&cli.IntFlag{Name: "max-runs", Value: sweep.DefaultMaxRuns, Usage: "refuse more than `N` runs"},
		&cli.BoolFlag{Name: "allow-empty", Usage: "a plan without any run is no error"},
	}
}

// runFlags are the flags that decide how a plan is executed.
func runFlags() []cli.Flag {
	return []cli.Flag{
		&cli.BoolFlag{Name: "report", Usage: "write the report at the end"},
		&cli.BoolFlag{Name: "rerun", Usage: "run all again; earlier results no longer count"},
		&cli.BoolFlag{Name: "detach", Usage: "return at once; workers here go on after logout"},
		&cli.BoolFlag{Name: "wait", Usage: "on a cluster: stay until all runs have ended"},
		&cli.DurationFlag{Name: "timeout", DefaultText: "none", Usage: "leave after `TIME`: exit code 5"},
	}
}

// source returns the config search path: --config-dir or ./configs, then the
// configs inside the binary.
func (p *program) source(c *cli.Context) (*compose.Source, error) {
	s := &compose.Source{Env: os.LookupEnv, Now: time.Now()}
	dir := configDir(c)
	st, err := os.Stat(dir)
	switch {
	case err == nil && st.IsDir():
		s.Layers = append(s.Layers, compose.Layer{Label: filepath.ToSlash(dir), FS: withoutProfiles{os.DirFS(dir), dir}})
	case c.String("config-dir") != "":
		return nil, usage("--config-dir %s: no such folder", dir)
	}
	s.Layers = append(s.Layers, compose.Layer{Label: "embedded", FS: configs.FS})
	here, err := findCluster(dir)
	if here != nil {
		s.Place = &here.place
	}
	return s, err
}

// sourceFor is source for a primary config. A sweep file that runs a program
// and builds on no config is left alone with its keys: of the shipped groups it
// sees the launchers only, so that its axis "model" means what it says there.
func (p *program) sourceFor(c *cli.Context, primary compose.Primary) (*compose.Source, error) {
	s, err := p.source(c)
	if err == nil && isProgram(primary.Text) {
		shipped := &s.Layers[len(s.Layers)-1]
		shipped.FS = onlyLaunchers{shipped.FS}
	}
	return s, err
}

// isProgram reports whether a sweep file has a [task] and no defaults list.
func isProgram(text []byte) bool {
	var f struct{ Task, Defaults any }
	_, err := toml.Decode(string(text), &f)
	return err == nil && f.Task != nil && f.Defaults == nil
}

// onlyLaunchers is a config folder of which only the group launcher shows.
type onlyLaunchers struct{ fs.FS }

func (o onlyLaunchers) Open(name string) (fs.File, error) {
	if name != "." && name != "launcher" && !strings.HasPrefix(name, "launcher/") {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return o.FS.Open(name)
}

func (o onlyLaunchers) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(o.FS, name)
	if name == "." {
		entries = slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return e.Name() != "launcher" })
	}
	return entries, err
}

// readSweepFile reads the sweep file that a command was given. A folder, a
// missing file or a file of gigabytes is the user's mistake.
func readSweepFile(path string) (compose.Primary, error) {
	const most = 1 << 20
	st, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		hint := ""
		if dir := filepath.Dir(path); true {
			entries, _ := os.ReadDir(dir)
			var names []string
			for _, e := range entries {
				if strings.HasSuffix(e.Name(), ".toml") {
					names = append(names, e.Name())
				}
			}
			hint = didYouMean(filepath.Base(path), names)
		}
		return compose.Primary{}, usage("no sweep file %s%s", path, hint)
	case err != nil:
		return compose.Primary{}, usage("sweep file: %w", err)
	case !st.Mode().IsRegular():
		return compose.Primary{}, usage("%s is no file: orch submit wants a sweep file such as sweep.toml", path)
	case st.Size() > most:
		return compose.Primary{}, usage("%s has %d bytes; a sweep file may have %d", path, st.Size(), most)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return compose.Primary{}, usage("sweep file: %w", err)
	}
	return compose.Primary{Path: filepath.ToSlash(path), Text: b}, nil
}

// expand composes and expands.
func (p *program) expand(c *cli.Context, primary compose.Primary, overrides []string, multirun bool) (*sweep.Plan, error) {
	source, err := p.sourceFor(c, primary)
	if err != nil {
		return nil, err
	}
	if l := c.String("launcher"); l != "" {
		overrides = append(overrides[:len(overrides):len(overrides)], "+launcher="+l)
	}
	overrides = launcherKeys(overrides)
	req := sweep.Request{
		Source: source, Primary: primary, Overrides: overrides, Env: envOverrides(), Multirun: multirun,
		Launcher: defaultLauncher, Checker: checkConfig, MaxRuns: c.Int("max-runs"), AllowEmpty: c.Bool("allow-empty"),
	}
	plan, err := sweep.Expand(req)
	return plan, asUsage(err)
}

// settle judges a plan by what sweep does not know, and gives it and its runs
// their names in the tree. fallback names the sweep where nothing else does.
func (p *program) settle(c *cli.Context, plan *sweep.Plan, source []byte, fallback string) (*experiment, error) {
	x := &experiment{plan: plan, name: plan.Name, source: source}
	if n := c.String("name"); n != "" {
		x.name = n
	}
	if x.name == "" {
		x.name = fallback
	}
	if err := results.CheckSweepName(x.name); err != nil {
		switch {
		case c.String("name") != "":
			err = fmt.Errorf("--name: %w", err)
		case plan.Name != "" && len(plan.Bases) > 0:
			err = fmt.Errorf("%s: %w", plan.Composed(0).Origin("name"), err)
		case plan.Name == "":
			err = fmt.Errorf("%w: this is the file's, which a line name = \"...\" in it or --name replaces", err)
		}
		return nil, asUsage(err)
	}
	if err := judge(plan); err != nil {
		return nil, asUsage(err)
	}
	if err := p.checkFits(c, plan); err != nil {
		return nil, asUsage(err)
	}
	// The tree knows the names that runs have already.
	known, next, err := knownNames(resultsRoot(c), x.name)
	if err != nil {
		return nil, treeError(resultsRoot(c), err)
	}
	if next > 0 {
		x.plan = x.plan.Named(known, next)
	}
	if note := graceNote(x.plan); note != "" {
		x.plan.Notes = append(x.plan.Notes, note)
	}
	for _, n := range x.plan.Notes {
		fmt.Fprintf(p.stderr, "orch: %s\n", n)
	}
	return x, nil
}

// launcherKeys lets a launcher's key be set that its file does not have:
// launcher.partition=short needs no + in front, since the launcher knows the key.
func launcherKeys(overrides []string) []string {
	known := launcherKeyNames("")
	list := slices.Clone(overrides)
	for i, o := range list {
		if key, _, ok := strings.Cut(strings.TrimPrefix(o, "launcher."), "="); ok && strings.HasPrefix(o, "launcher.") && key != "name" && key != "backend" && slices.Contains(known, key) {
			list[i] = "++" + o
		}
	}
	return list
}

// launcherKeyNames are the keys that a launcher with this backend may have, or,
// without one, with any.
func launcherKeyNames(backend string) []string {
	known := launcher.CommonKeys()
	for _, b := range backends {
		if backend == "" || b.Name == backend {
			known = append(known, b.Keys...)
		}
	}
	return known
}

// envOverrides are overrides from the environment: stronger than any file,
// weaker than the command line.
func envOverrides() []string {
	var list []string
	if l := os.Getenv("ORCH_LAUNCHER"); l != "" {
		list = append(list, "+launcher="+l)
	}
	return list
}

// judge checks what sweep does not know: the launcher's keys and the study.
func judge(plan *sweep.Plan) error {
	var errs []error
	for _, g := range plan.Groups {
		_, problems := parseLauncher(g.Launcher)
		errs = append(errs, problems...)
	}
	_, problems := results.ParseRetryPolicy(plan.Retry)
	errs = append(errs, problems...)
	if !plan.Study.IsNull() {
		study, problems := report.ParseStudy(plan.Study)
		errs = append(errs, problems...)
		if len(problems) == 0 {
			problems = study.CheckAxes(plan.Axes)
			errs = append(errs, problems...)
			if len(problems) == 0 && study.Success != nil {
				if err := study.CanDecide(study.Pairs(plan.Axes)); err != nil {
					errs = append(errs, fmt.Errorf("%w; '~study.success' on the command line explores without a verdict", err))
				}
			}
		}
	}
	for i, err := range errs {
		errs[i] = placed(plan, err)
	}
	return errors.Join(errs...)
}

// knownNames reads which runs a sweep has already, if it exists.
func knownNames(root, name string) (known func(id string) (string, bool), next int, err error) {
	tree, err := results.Open(root)
	var none *results.NoTreeError
	if errors.As(err, &none) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer tree.Close()
	s, err := tree.Sweep(name)
	if errors.Is(err, results.ErrNoSweep) {
		return nil, 0, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer s.Close()
	p, err := s.Plan()
	if err != nil {
		return nil, 0, err
	}
	return func(id string) (string, bool) {
		r := p.Lookup(id)
		if r == nil {
			return "", false
		}
		return r.Name, true
	}, len(p.Runs), nil
}

var notName = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// fileSweepName makes a sweep name of a file name.
func fileSweepName(path string) string {
	base := strings.TrimSuffix(filepath.Base(path), ".toml")
	return strings.Trim(notName.ReplaceAllString(base, "-"), "-.")
}
