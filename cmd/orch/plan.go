package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/sweep"
	"orch/sweep/override"
	"orch/sweep/results"
)

func planCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "plan",
		Usage:       "show what submit would do, and do nothing",
		ArgsUsage:   "SWEEP.toml [KEY=VALUE...]",
		Description: "The axes, the number of runs, the first and last ones, the resource requests, and what has results already.",
		Flags: append(planFlags(), jsonFlag(),
			&cli.BoolFlag{Name: "all", Usage: "list every run"},
			&cli.BoolFlag{Name: "show", Usage: "print the resolved config of the first run"},
		),
		Action: func(c *cli.Context) error { return p.plan(c) },
	}
}

// planJSON is the schema orch.plan/1.
type planJSON struct {
	Schema string      `json:"schema"`
	Name   string      `json:"name"`
	Axes   []axisJSON  `json:"axes"`
	Runs   runsJSON    `json:"runs"`
	Groups []groupJSON `json:"groups"`
	List   []planRun   `json:"list"`
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
	x, err := p.expand(c, primary, c.Args().Tail(), true, fileSweepName(path))
	if err != nil {
		return err
	}
	out, err := describe(x, resultsRoot(c))
	if err != nil {
		return err
	}
	switch {
	case c.Bool("json"):
		return p.printJSON(out)
	case c.Bool("show"):
		return p.showFirst(x.plan)
	}
	p.printPlan(out, c.Bool("all"))
	return nil
}

// describe compares a plan with what the results tree has.
func describe(x *experiment, root string) (*planJSON, error) {
	states, err := knownStates(root, x.name)
	if err != nil {
		return nil, err
	}
	out := &planJSON{Schema: "orch.plan/1", Name: x.name, Axes: []axisJSON{}, Groups: []groupJSON{}, List: []planRun{}}
	for _, a := range x.plan.Axes {
		out.Axes = append(out.Axes, axisJSON(a))
	}
	for _, g := range x.plan.Groups {
		out.Groups = append(out.Groups, groupJSON{g.Runs, g.Launcher})
	}
	for spec, err := range x.plan.Specs() {
		if err != nil {
			return nil, err
		}
		state, known := states[spec.ID]
		switch {
		case !known:
			state = "new"
			out.Runs.New++
		case state == results.StateDone:
			out.Runs.Done++
		case state == results.StateFailed:
			out.Runs.Failed++
		default:
			out.Runs.Open++
		}
		out.Runs.Total++
		out.List = append(out.List, planRun{spec.ID, spec.Name, string(state)})
	}
	return out, nil
}

// knownStates returns the states of the runs that a sweep has already.
func knownStates(root, name string) (map[string]results.RunStateName, error) {
	states := map[string]results.RunStateName{}
	tree, err := results.Open(root)
	if err != nil {
		return states, nil // nothing there yet; submit would say what is wrong with it
	}
	defer tree.Close()
	s, err := tree.Sweep(name)
	if err != nil {
		return states, nil
	}
	defer s.Close()
	sn, err := s.Snapshot()
	if err != nil {
		return nil, err
	}
	for _, st := range sn.Derive() {
		if len(st.Run.Tries) > 0 {
			states[st.Run.ID] = st.State
		}
	}
	return states, nil
}

func (p *program) printPlan(out *planJSON, all bool) {
	w := p.stdout
	fmt.Fprintf(w, "sweep %s: %d runs", out.Name, out.Runs.Total)
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
		if r := []rune(list); len(r) > 70 {
			list = string(r[:67]) + "..."
		}
		rows = append(rows, []string{a.Key, list, fmt.Sprint(len(a.Values))})
	}
	if len(out.Axes) > 0 {
		fmt.Fprint(w, alignTable(rows, !p.outTTY), "\n")
	}
	const few = 3
	rows = [][]string{{"run", "state"}}
	for i, r := range out.List {
		if !all && len(out.List) > 2*few+1 && i == few {
			rows = append(rows, []string{fmt.Sprintf("... %d more (--all lists them)", len(out.List)-2*few), ""})
		}
		if all || len(out.List) <= 2*few+1 || i < few || i >= len(out.List)-few {
			rows = append(rows, []string{r.Name, r.State})
		}
	}
	fmt.Fprint(w, alignTable(rows, !p.outTTY), "\n")
	for _, g := range out.Groups {
		fmt.Fprintf(w, "%d runs on %s\n", g.Runs, strings.TrimSpace(g.Launcher.Text()))
	}
}

// showFirst prints the first run's resolved config.
func (p *program) showFirst(plan *sweep.Plan) error {
	h := plan.Header()
	for spec, err := range plan.Specs() {
		if err != nil {
			return err
		}
		config, err := spec.Config(&h)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "# %s\n%s", spec.Name, config.AppendTOML(nil))
		break
	}
	return nil
}
