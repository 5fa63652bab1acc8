package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/launcher/pool"
	"orch/launcher/slurm"
	"orch/report"
	"orch/sweep"
	"orch/sweep/dispatch"
	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
	"orch/trainer/command"
	"orch/trainer/nn"
)

// The concrete backends, trainers and report formats: a new one is one line here.
var (
	backends = launcher.Registry{pool.Backend, slurm.Backend}
	trainers = []trainer.Trainer{nn.New(), command.New()}
	formats  = []report.Format{report.HTML, report.PDF, report.Markdown, report.Notebook, report.LaTeX, report.CSV, report.Figures, report.JSON}
)

// trainerFor returns who executes a config: the program of its [task], or the
// trainer that it names.
func trainerFor(config override.Value) (trainer.Trainer, error) {
	name := "command"
	if _, ok := config.Lookup("task"); !ok {
		v, ok := config.Lookup("trainer")
		if !ok {
			return nil, &trainer.ParamError{Key: "trainer", Problem: `the config names no trainer and has no [task]: write trainer = "nn", or [task] command = [...] for a program of your own`}
		}
		if name, ok = v.Str(); !ok {
			return nil, &trainer.ParamError{Key: "trainer", Value: v, Problem: "is " + v.Text() + ", want a string"}
		}
	}
	var names []string
	for _, t := range trainers {
		if t.Name() == name {
			return t, nil
		}
		names = append(names, t.Name())
	}
	return nil, &trainer.ParamError{Key: "trainer", Value: override.StringValue(name),
		Problem: fmt.Sprintf("no trainer %q; there are %q", name, names), Nearest: override.Nearest(name, names)}
}

// checkConfig judges a run's resolved config before anything starts.
func checkConfig(config override.Value) []error {
	t, err := trainerFor(config)
	if err != nil {
		return []error{err}
	}
	return t.Check(config)
}

// parseLauncher decodes a resolved [launcher] table and judges all its keys.
func parseLauncher(table override.Value) (launcher.Spec, []error) {
	m, ok := table.Any().(map[string]any)
	if !ok {
		m = map[string]any{}
	}
	maps.DeleteFunc(m, func(_ string, v any) bool { return v == nil }) // launcher.timeout=null: without
	return backends.ParseSpec(m)
}

// machines opens each launcher once: resource requests that differ only in
// what a worker needs share one.
type machines struct {
	p      *program
	tree   *results.Tree
	detach bool
	grace  time.Duration // that workers of this machine need to let their programs save; 0: the pool's own
	open   map[string]launcher.Launcher

	builtIn bool // all runs train built-in networks, which can do without GPUs
}

func (m *machines) get(ctx context.Context, table override.Value) (launcher.Launcher, launcher.Spec, error) {
	spec, errs := parseLauncher(table)
	if len(errs) > 0 {
		return nil, spec, errs[0]
	}
	if why := m.withoutGPU(spec); why != "" {
		if spec.RequireGPU {
			return nil, spec, usage("launcher.require_gpu is true, and no GPU can be used here: %s", why)
		}
		if !m.p.gpuNoted {
			m.p.gpuNoted = true
			m.p.log.Warn().Str("why", why).Msg("no GPU here: training on the CPU; launcher.require_gpu = true refuses instead")
		}
		spec.GPUs = 0
	}
	if _, given := spec.Options["grace"]; !given && m.grace > 0 && spec.Backend == pool.Backend.Name {
		spec.Options = maps.Clone(spec.Options)
		if spec.Options == nil {
			spec.Options = map[string]any{}
		}
		spec.Options["grace"] = m.grace.String()
	}
	key := fmt.Sprint(spec.Backend, spec.Options, spec.GPUsShare)
	if l, ok := m.open[key]; ok {
		return l, spec, nil
	}
	l, err := backends.Open(ctx, launcher.Setup{Spec: spec, StateDir: m.tree.BackendDir(spec.Backend), Detach: m.detach})
	if err != nil {
		return nil, spec, err
	}
	if shared, ok := launcher.As[launcher.Bounder](l); ok {
		l = launcher.Politely(l, m.p.memories.of(spec.Backend, shared.Machine()))
	}
	if m.open == nil {
		m.open = map[string]launcher.Launcher{}
	}
	m.open[key] = l
	return l, spec, nil
}

// askAhead begins to ask the machines of a plan's requests that others use too
// what runs there, which the first Step needs to know: until then there is enough
// to do. What it returns gives up. Without a results tree yet, in which launchers
// remember the cluster's limits, there would be more to ask: then it does not begin.
func (p *program) askAhead(c *cli.Context, plan *sweep.Plan) (stop func()) {
	ours := func(g results.Group) bool {
		spec, _ := parseLauncher(g.Launcher)
		return spec.Backend == pool.Backend.Name
	}
	shared := slices.DeleteFunc(slices.Clone(plan.Groups), ours)
	if len(shared) == 0 {
		return func() {}
	}
	tree, err := results.Open(resultsRoot(c))
	if err != nil {
		return func() {} // told by who needs it
	}
	ctx, cancel := context.WithCancel(p.ctx)
	m := &machines{p: p, tree: tree}
	var asked []*launcher.Memory
	var answers []<-chan struct{}
	for _, g := range shared {
		l, _, err := m.get(ctx, g.Launcher)
		if err != nil {
			continue // told by who needs it
		}
		if p, ok := launcher.As[*launcher.Polite](l); ok && !slices.Contains(asked, p.Memory()) {
			asked = append(asked, p.Memory())
			answers = append(answers, p.Ahead(ctx))
		}
	}
	return func() {
		cancel()
		for _, done := range answers {
			<-done
		}
		m.close()
		tree.Close()
	}
}

// withoutGPU says why built-in networks that ask for GPUs of this machine are
// trained on its CPU, or "". On a cluster each worker finds out where it starts.
func (m *machines) withoutGPU(spec launcher.Spec) string {
	if !m.builtIn || spec.GPUs == 0 || spec.Backend != pool.Backend.Name || nn.CUDA() {
		return ""
	}
	return m.p.gpuMissing()
}

// workers returns how many workers of a request fit the machine.
func (m *machines) workers(table override.Value) (n, parallel int, known bool, err error) {
	l, spec, err := m.get(m.p.ctx, table)
	if err != nil {
		return 0, 0, false, err
	}
	n = 1
	if s, ok := launcher.As[launcher.Sizer](l); ok {
		if n, ok = s.Fit(spec.Resources()); !ok {
			return 0, 0, false, &dispatch.TooBigError{Err: usage("not even one worker with %d CPUs, %d MiB and %d GPUs fits on this machine: lower launcher.threads, launcher.mem or launcher.gpus",
				spec.CPUs, spec.MemMiB, spec.GPUs)}
		}
	}
	if spec.Workers > 0 {
		n = min(n, spec.Workers)
	}
	return n, spec.Parallel, spec.RunTime > 0, nil
}

// allowed is workers for a request that nobody typed: one that no partition could
// serve, as far as is known, is none.
func (m *machines) allowed(table override.Value) (n, parallel int, known bool, err error) {
	spec, problems := parseLauncher(table)
	if spec.Backend == slurm.Backend.Name && len(problems) == 0 {
		cluster, _ := spec.Options["cluster"].(string)
		if ps, ok := slurm.RememberedPartitions(m.tree.BackendDir(spec.Backend), cluster); ok {
			if err := slurm.Judge(ps, spec); err != nil {
				return 0, 0, false, &dispatch.TooBigError{Err: err}
			}
		}
	}
	return m.workers(table)
}

func (m *machines) close() {
	for _, l := range m.open {
		if c, ok := l.(io.Closer); ok {
			if err := c.Close(); err != nil {
				m.p.log.Warn().Err(err).Msg("close launcher")
			}
		}
	}
}

// dispatcher prepares Steps of a sweep. mayStart says whether this process may
// start workers that live and die with it.
func (p *program) dispatcher(s *results.Sweep, sn *results.Snapshot, mayStart bool) (*dispatch.Dispatcher, func()) {
	m := &machines{p: p, tree: s.Tree(), builtIn: trainBuiltIn(basesOf(sn)), grace: poolGrace(basesOf(sn))}
	d := &dispatch.Dispatcher{
		Sweep: s, Snapshot: sn, Launcher: m.get, Workers: m.allowed,
		MayStart: func(spec launcher.Spec) bool { return mayStart || spec.Backend != pool.Backend.Name },
		Worker: func(key string, spec launcher.Spec) (argv, env []string, err error) {
			exe, err := os.Executable()
			if err != nil {
				return nil, nil, fmt.Errorf("find this program: %w", err)
			}
			if exe, err = filepath.EvalSymlinks(exe); err != nil {
				return nil, nil, fmt.Errorf("find this program: %w", err)
			}
			if spec.Backend != pool.Backend.Name { // it starts later, elsewhere
				if exe, err = p.frozen(s.Tree()); err != nil {
					return nil, nil, err
				}
			}
			argv = workerArgv(exe, p, s.Tree().Path(), s.Name, key, spec)
			if g := sn.Plan.Group(key); m.builtIn && g != nil {
				asked, _ := parseLauncher(g.Launcher)
				if asked.GPUs > 0 {
					more, err := p.gpuArgs(s.Tree(), spec, asked.GPUs, m.withoutGPU(asked))
					if err != nil {
						return nil, nil, err
					}
					argv = append(argv, more...)
				}
			}
			return argv, nil, nil
		},
	}
	return d, m.close
}

// workerArgv is the command line of a worker that serves a resource request.
func workerArgv(exe string, p *program, root, sweep, key string, spec launcher.Spec) []string {
	argv := []string{exe, "--log-level=" + p.log.GetLevel().String(), "worker", "--results=" + root, "--sweep=" + sweep, "--group=" + key,
		"--parallel=" + strconv.Itoa(spec.Parallel), "--threads=" + strconv.Itoa(spec.Threads)}
	for _, limit := range []struct {
		flag string
		d    time.Duration
	}{{"time", spec.Time}, {"leave", leaveBefore(spec)}, {"run-time", spec.RunTime}, {"timeout", spec.Timeout}, {"stall", spec.Stall}} {
		if limit.d > 0 {
			argv = append(argv, "--"+limit.flag+"="+limit.d.Round(time.Millisecond).String())
		}
	}
	if spec.RunsPerWorker > 0 {
		argv = append(argv, "--max-runs="+strconv.Itoa(spec.RunsPerWorker))
	}
	return argv
}

// leaveBefore is how long before the end of its allocation a worker has its runs
// save and leave: as long before as Slurm would warn it, and never more than a
// quarter of its life. 0: the worker's own default.
func leaveBefore(spec launcher.Spec) time.Duration {
	warn, err := launcher.ParseTime(spec.Options["warn"])
	if err != nil || spec.Time == 0 {
		return 0
	}
	return min(warn, spec.Time/4)
}
