package main

import (
	"fmt"
	"path/filepath"

	"orch/launcher"
	"orch/sweep/dispatch"
	"orch/sweep/results"
)

// dryRun shows what submit would ask of the machine, and asks and writes nothing.
func (p *program) dryRun(x *experiment, root string) error {
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	for i, g := range x.plan.Groups {
		spec, errs := parseLauncher(g.Launcher)
		if len(errs) > 0 {
			return asUsage(errs[0])
		}
		if why := (&machines{p: p, builtIn: trainBuiltIn(x.plan.Bases)}).withoutGPU(spec); why != "" && !spec.RequireGPU {
			spec.GPUs = 0
		}
		state := "" // what is remembered of the cluster, if there is a tree
		if tree, err := results.Open(root); err == nil {
			state = tree.BackendDir(spec.Backend)
			tree.Close()
		}
		l, err := backends.Open(p.ctx, launcher.Setup{Spec: spec, StateDir: state})
		if err != nil {
			return err
		}
		workers := max(1, (g.Runs+spec.Parallel-1)/spec.Parallel)
		if spec.Workers > 0 {
			workers = min(workers, spec.Workers)
		}
		if shared, ok := launcher.As[launcher.Bounder](l); ok {
			job, user := shared.Bounds()
			workers = dispatch.First(spec, g.Runs)
			for _, most := range []int{job, user} {
				if most > 0 {
					workers = min(workers, most)
				}
			}
		}
		if s, ok := launcher.As[launcher.Sizer](l); ok {
			n, ok := s.Fit(spec.Resources())
			if !ok {
				return usage("not even one worker with %d CPUs, %d MiB and %d GPUs fits", spec.CPUs, spec.MemMiB, spec.GPUs)
			}
			workers = min(workers, n)
		}
		fmt.Fprintf(p.stdout, "# request %d of %d: %d %s, %d %s by %s\n", i+1, len(x.plan.Groups), g.Runs, plural(g.Runs, "run", "runs"), workers, plural(workers, "worker", "workers"), spec.Backend)
		argv := workerArgv(filepath.Join(root, "bin", "orch-..."), p, root, x.name, results.GroupKey(g.Launcher), spec)
		dir := filepath.Join(root, x.name)
		if v, ok := launcher.As[launcher.Previewer](l); ok {
			text, err := v.Preview(launcher.Request{Key: fmt.Sprintf("orch-%.24s-...", x.name), Workers: workers, Argv: argv, Dir: dir,
				LogDir: filepath.Join(dir, "subs", "1"), Resources: spec.Resources(), Options: spec.Options})
			if err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, text)
			continue
		}
		fmt.Fprintf(p.stdout, "%q\n\n", argv)
	}
	return nil
}
