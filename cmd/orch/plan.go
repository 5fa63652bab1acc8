package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/launcher/slurm"
	"orch/sweep/dispatch"
	"orch/sweep/override"
	"orch/sweep/results"
)

func planCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "plan",
		Usage:     "show what submit would do, and do nothing",
		ArgsUsage: "SWEEP.toml [KEY=VALUE...]",
		Description: "The axes, the number of runs, the first and last ones, the resource requests,\n" +
			"what has results already, what it may cost, and which runs an earlier plan of\n" +
			"the same name did not have, or had. --show prints the resolved config of the\n" +
			"first run, --show=RUN of another, with the file and line of each value.\n" +
			"The schemas of --json are orch.plan/1 and orch.config/1.",
		Flags: append(append(planFlags(), configFlags()...), jsonFlag(),
			&cli.BoolFlag{Name: "all", Usage: "list every run"},
			optionalFlag("show", "", "print a `RUN`'s config and where its values come from"),
		),
		Action: func(c *cli.Context) error { return p.plan(c) },
	}
}

// planJSON is the schema orch.plan/1: later versions only add members.
type planJSON struct {
	Schema   string        `json:"schema"`
	Name     string        `json:"name"`
	Axes     []axisJSON    `json:"axes"`
	Runs     runsJSON      `json:"runs"`
	Groups   []groupJSON   `json:"groups"`
	Estimate *estimateJSON `json:"estimate"` // null: there is nothing to estimate from
	Diff     *diffJSON     `json:"diff"`     // null: there is no earlier plan of this name
	List     []planRun     `json:"list"`
}

type axisJSON struct {
	Key    string           `json:"key"`
	Values []override.Value `json:"values"`
}

type runsJSON struct {
	Total  int `json:"total"`
	Done   int `json:"done"`
	Failed int `json:"failed"`
	New    int `json:"new"`
	Open   int `json:"open"`
}

type groupJSON struct {
	Runs     int            `json:"runs"`
	Launcher override.Value `json:"launcher"`
	CPUs     int            `json:"cpus"` // of one worker
	MemMiB   int            `json:"mem_mib"`
	GPUs     int            `json:"gpus"`
	Parallel int            `json:"parallel"` // runs that one worker executes at once
	Workers  int            `json:"workers"`  // that are asked for at first; 0: not known here
	Round    *roundJSON     `json:"round"`    // null: a worker's time has no end
}

// roundJSON is what the workers take at most before they are asked for again.
type roundJSON struct {
	Seconds   float64 `json:"seconds"` // of each
	CoreHours float64 `json:"core_hours"`
	GPUHours  float64 `json:"gpu_hours"`
}

// diffJSON compares with the runs that the sweep has planned.
type diffJSON struct {
	New     []string `json:"new"`
	Dropped []string `json:"dropped"`
}

type planRun struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
}

func (p *program) plan(c *cli.Context) error {
	if c.NArg() == 0 {
		return usage("orch plan wants a sweep file: orch plan sweep.toml")
	}
	path := c.Args().First()
	primary, err := readSweepFile(path)
	if err != nil {
		return err
	}
	args, run := c.Args().Tail(), optional(c, "show")
	if c.IsSet("cfg") || c.IsSet("info") {
		return p.printConfig(c, primary, args)
	}
	if c.IsSet("show") {
		args, run = splitRun(args, run)
	}
	plan, err := p.expand(c, primary, args, true)
	if err != nil {
		return err
	}
	x, err := p.settle(c, plan, primary.Text, fileSweepName(path))
	if err != nil {
		return err
	}
	if c.IsSet("show") {
		return p.showPlanned(c, x.plan, run)
	}
	out, err := describe(x, resultsRoot(c), c.Bool("json") || c.Bool("all"))
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(out)
	}
	p.printPlan(out, c.Bool("all"))
	return nil
}

// splitRun takes from the overrides the word that can be none: the run to show.
func splitRun(args []string, run string) (overrides []string, word string) {
	for _, a := range args {
		if run == "" && !strings.ContainsAny(a, "=~") {
			run = a
			continue
		}
		overrides = append(overrides, a)
	}
	return overrides, run
}

// few is how many of the first and of the last runs are listed.
const few = 3

// describe compares a plan with what the results tree has. Unless all are
// wanted it lists the first and the last runs: of a million, the names alone
// are 100 MB.
func describe(x *experiment, root string, all bool) (*planJSON, error) {
	old, err := earlier(root, x.name)
	if err != nil {
		return nil, err
	}
	if old != nil {
		defer old.sweep.Close()
	}
	out := &planJSON{Schema: "orch.plan/1", Name: x.name, Axes: []axisJSON{}, Groups: []groupJSON{}, List: []planRun{}}
	for _, a := range x.plan.Axes {
		out.Axes = append(out.Axes, axisJSON(a))
	}
	for _, g := range x.plan.Groups {
		spec, _ := parseLauncher(g.Launcher) // judged before
		out.Groups = append(out.Groups, newGroupJSON(g, spec))
	}
	known := map[string]*results.RunState{}
	if old != nil {
		out.Diff = &diffJSON{New: []string{}, Dropped: []string{}}
		for i := range old.states {
			known[old.states[i].Run.ID] = &old.states[i]
		}
	}
	cost := newCosts(x.plan, old)
	planned := map[string]bool{}
	for spec, err := range x.plan.Specs() {
		if err != nil {
			return nil, err
		}
		if old != nil {
			planned[spec.ID] = true
		}
		st := known[spec.ID]
		state := "new"
		switch {
		case st == nil || len(st.Run.Tries) == 0:
			out.Runs.New++
		case st.State == results.StateDone:
			out.Runs.Done++
			state = string(st.State)
		case st.State == results.StateFailed:
			out.Runs.Failed++
			state = string(st.State)
		default:
			out.Runs.Open++
			state = string(st.State)
		}
		if st == nil || st.State != results.StateDone && st.State != results.StateFailed {
			cost.add(&spec)
		}
		if out.Diff != nil && (st == nil || !st.Run.Planned) {
			out.Diff.New = append(out.Diff.New, spec.Name)
		}
		out.Runs.Total++
		out.List = append(out.List, planRun{spec.ID, spec.Name, state})
		if n := len(out.List); !all && n > 2*few+1 {
			out.List = slices.Delete(out.List, few, few+1)
		}
	}
	if old != nil {
		for _, st := range old.states {
			if st.Run.Planned && !planned[st.Run.ID] {
				out.Diff.Dropped = append(out.Diff.Dropped, st.Run.Name)
			}
		}
	}
	out.Estimate = cost.estimate()
	return out, nil
}

// earlier returns what is known of the sweep of this name, nil if there is none.
func earlier(root, name string) (*view, error) {
	tree, err := results.Open(root)
	if err != nil {
		return nil, nil // nothing there yet; submit would say what is wrong with it
	}
	defer tree.Close()
	s, err := tree.Sweep(name)
	if err != nil {
		return nil, nil
	}
	sn, err := s.Snapshot()
	if err != nil {
		s.Close()
		return nil, err
	}
	if len(sn.Plan.Runs) == 0 {
		s.Close()
		return nil, nil
	}
	return newView(s, sn), nil
}

func (p *program) printPlan(out *planJSON, all bool) {
	w := p.stdout
	fmt.Fprintf(w, "sweep %s: %d %s", out.Name, out.Runs.Total, plural(out.Runs.Total, "run", "runs"))
	for _, part := range []struct {
		n    int
		text string
	}{{out.Runs.New, "new"}, {out.Runs.Done, "done already"}, {out.Runs.Open, "open"}, {out.Runs.Failed, "failed before"}} {
		if part.n > 0 {
			fmt.Fprintf(w, ", %d %s", part.n, part.text)
		}
	}
	fmt.Fprint(w, "\n\n")
	rows := [][]string{{"axis", "values", ""}}
	for _, a := range out.Axes {
		var texts []string
		for _, v := range a.Values {
			texts = append(texts, v.Text())
		}
		list := strings.Join(texts, ", ")
		if p.outTTY {
			list = clip(list, max(20, width(p.stdout)-40))
		}
		rows = append(rows, []string{a.Key, list, fmt.Sprint(len(a.Values))})
	}
	if len(out.Axes) > 0 {
		fmt.Fprint(w, alignTable(rows, !p.outTTY), "\n")
	}
	rows = [][]string{{"run", "state"}}
	for i, r := range out.List {
		if more := out.Runs.Total - len(out.List); more > 0 && i == few {
			rows = append(rows, []string{fmt.Sprintf("... %d more (--all lists them)", more+1), ""})
			continue
		}
		rows = append(rows, []string{r.Name, r.State})
	}
	fmt.Fprint(w, alignTable(rows, !p.outTTY), "\n")
	for _, g := range out.Groups {
		fmt.Fprintf(w, "%d %s on %s\n", g.Runs, plural(g.Runs, "run", "runs"), g)
		if line := g.round(); line != "" {
			fmt.Fprintf(w, "workers  %s\n", line)
		}
	}
	if e := out.Estimate; e != nil {
		line := "cost     " + e.String()
		if p.outTTY {
			line = wrapped(line, width(w), "         ")
		}
		fmt.Fprintln(w, line)
	}
	if d := out.Diff; d != nil && len(d.New)+len(d.Dropped) > 0 {
		fmt.Fprintf(w, "\nagainst the plan that %s has: %d new, %d no longer planned\n", out.Name, len(d.New), len(d.Dropped))
		for _, part := range []struct {
			sign  string
			names []string
		}{{"+", d.New}, {"-", d.Dropped}} {
			for i, n := range part.names {
				if i == 2*few && !all {
					fmt.Fprintf(w, "%s ... %d more\n", part.sign, len(part.names)-i)
					break
				}
				fmt.Fprintf(w, "%s %s\n", part.sign, n)
			}
		}
	}
}

// newGroupJSON describes a resource request. How many workers fit this machine
// is the pool's to say when they start; on a scheduler it is what the runs
// deserve and the user allows.
func newGroupJSON(g results.Group, spec launcher.Spec) groupJSON {
	j := groupJSON{Runs: g.Runs, Launcher: g.Launcher, CPUs: spec.CPUs, MemMiB: spec.MemMiB, GPUs: spec.GPUs, Parallel: spec.Parallel}
	if spec.Backend != slurm.Backend.Name {
		return j
	}
	most := slurm.DefaultMaxWorkers
	if n, ok := launcher.Int(spec.Options["max_workers"]); ok && n > 0 {
		most = n
	}
	j.Workers = min(most, dispatch.First(spec, g.Runs))
	if spec.Time > 0 {
		h := spec.Time.Hours() * float64(j.Workers*max(1, spec.Nodes))
		j.Round = &roundJSON{Seconds: spec.Time.Seconds(), CoreHours: h * float64(spec.CPUs*max(1, spec.Tasks)), GPUHours: h * float64(spec.GPUs)}
	}
	return j
}

// round says how many workers the group may have and what they may take.
func (g groupJSON) round() string {
	if g.Workers == 0 {
		return ""
	}
	s := fmt.Sprint(g.Workers)
	if r := g.Round; r != nil {
		s += fmt.Sprintf(", which may take %s core hours", hours(r.CoreHours))
		if r.GPUHours > 0 {
			s += fmt.Sprintf(" and %s GPU hours", hours(r.GPUHours))
		}
		s += " before others are asked for; they leave when nothing is left"
	}
	return s
}

// String says what one worker of the group gets.
func (g groupJSON) String() string {
	name := "the launcher"
	if v, ok := g.Launcher.Lookup("name"); ok {
		name = v.Text()
	}
	parts := []string{fmt.Sprintf("%s: %d %s", name, g.CPUs, plural(g.CPUs, "CPU", "CPUs"))}
	if g.MemMiB > 0 {
		parts = append(parts, bytesText(int64(g.MemMiB)<<20)+" memory")
	}
	if g.GPUs > 0 {
		parts = append(parts, fmt.Sprintf("%d %s", g.GPUs, plural(g.GPUs, "GPU", "GPUs")))
	}
	if v, ok := g.Launcher.Lookup("time"); ok {
		parts = append(parts, v.Text())
	}
	each := "a worker"
	if g.Parallel > 1 {
		each = fmt.Sprintf("a worker, which executes %d at once", g.Parallel)
	}
	return strings.Join(parts, ", ") + " " + each
}
