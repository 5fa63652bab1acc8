package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v2"

	"orch/sweep/results"
)

func statusCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "status",
		Usage:     "show what runs, what waits and what failed",
		ArgsUsage: "[SWEEP...]",
		Description: "Reads the results tree and nothing else; it never starts or ends anything.\n" +
			"A line a sweep, then what needs attention. --runs lists the runs:\n" +
			"   --filter 'state=failed training.lr<1e-3 reason~memory': = != < <= > >=,\n" +
			"   and ~ !~ for a pattern; commas mean any of\n" +
			"   --sort -elapsed,run with - for descending\n" +
			"   --columns run,state,seed,val.loss of sweep, run, id, state, class, exit,\n" +
			"   signal, step, elapsed, cpu, mem, started, ended, attempts, attempt, job,\n" +
			"   node, worker, reason, any metric, any key of the config\n" +
			"--watch ends when nothing runs or waits. --json: schema orch.status/1, to\n" +
			"which later versions only add.",
		Flags: append([]cli.Flag{resultsFlag(),
			&cli.BoolFlag{Name: "runs", Usage: "list the runs"},
			&cli.StringFlag{Name: "filter", Usage: "list runs that meet all `CONDITIONS`"},
			&cli.StringFlag{Name: "sort", Usage: "list runs sorted by `COLUMNS`"},
			&cli.StringFlag{Name: "columns", Usage: "list runs with these `COLUMNS`"},
			optionalFlag("watch", "2s", "show changes, every 2s or --watch=`TIME`"),
			&cli.BoolFlag{Name: "wait", Usage: "until nothing runs or waits; 3 if runs failed"},
			&cli.DurationFlag{Name: "timeout", DefaultText: "none", Usage: "exit code 5 after `TIME`"},
		}, outputFlags()...),
		Action: func(c *cli.Context) error { return p.status(c) },
	}
}

// statusJSON is the schema orch.status/1: later versions only add members.
type statusJSON struct {
	Schema string        `json:"schema"`
	Time   time.Time     `json:"time"` // when the tree was read
	Sweeps []sweepStatus `json:"sweeps"`
}

func (p *program) status(c *cli.Context) error {
	format, err := p.format(c)
	if err != nil {
		return err
	}
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	names := c.Args().Slice()
	if c.IsSet("watch") || c.Bool("wait") || listsRuns(c) {
		w := &watched{tree: tree, names: names, open: map[string]*results.Snapshot{}}
		defer w.close()
		if c.IsSet("watch") || c.Bool("wait") {
			return p.watch(c, w, format)
		}
		if _, err := w.refresh(); err != nil {
			return err
		}
		return cmp.Or(p.printStatus(c, w.views, format), unreadable(w.views))
	}
	views, err := glance(tree, names)
	if err != nil {
		return err
	}
	return cmp.Or(p.printStatus(c, views, format), unreadable(views))
}

// glance sums up the sweeps, all if none is named: then one that cannot be read
// hides no other, and says so itself. Two at a time are looked at:
// while one waits for its files, or is at what only one core can do, another
// is read. More would only take memory, since a sweep is read on all cores.
func glance(tree *results.Tree, names []string) ([]*view, error) {
	named := len(names) > 0
	if !named {
		var err error
		if names, err = tree.Sweeps(); err != nil {
			return nil, err
		}
	}
	const atOnce = 2
	views, errs := make([]*view, len(names)), make([]error, len(names))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(atOnce, len(names)) {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(len(names)); i = next.Add(1) - 1 {
				views[i], errs[i] = glanceAt(tree, names[i])
				switch {
				case named || errs[i] == nil:
				case removed(tree, names[i]):
					errs[i] = nil
				default:
					views[i], errs[i] = unreadableView(names[i], errs[i]), nil
				}
			}
		})
	}
	wg.Wait()
	for i, err := range errs {
		switch {
		case errors.Is(err, results.ErrNoSweep):
			_, hint := openSweeps(tree, names[i:i+1]) // says what there is
			return nil, cmp.Or(hint, asUsage(err))
		case err != nil:
			return nil, err
		}
	}
	return slices.DeleteFunc(views, func(v *view) bool { return v == nil }), nil
}

// removed reports whether a sweep that was there is not any more.
func removed(tree *results.Tree, name string) bool {
	names, err := tree.Sweeps()
	return err == nil && !slices.Contains(names, name)
}

// glanceAt sums one sweep up. What is noted of a settled sweep will do, and the
// sum is all that is kept: the next sweep can have the memory.
func glanceAt(tree *results.Tree, name string) (*view, error) {
	s, err := tree.Sweep(name)
	if errors.Is(err, results.ErrNoSweep) {
		return nil, err
	}
	if err != nil {
		return nil, asUsage(err)
	}
	defer s.Close()
	if n, ok := noted(s); ok && n.Settled {
		return &view{sweep: s, noted: &n.Status}, nil
	}
	sn, err := s.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("sweep %s: %w", name, err)
	}
	v := newView(s, sn)
	sum := v.status()
	return &view{sweep: s, noted: &sum, lastWord: v.lastWord, now: v.now}, nil
}

// printStatus prints one look at the sweeps.
func (p *program) printStatus(c *cli.Context, views []*view, format string) error {
	header := !c.Bool("no-header")
	if listsRuns(c) {
		return p.printRuns(c, views, format, header)
	}
	out := statusOf(views)
	switch format {
	case "json":
		return p.printJSON(out)
	case "table":
		if p.outTTY {
			p.sweepLines(out, views)
			return nil
		}
	}
	if err := sweepGrid(out).print(p, format, header); err != nil {
		return err
	}
	if format == "tsv" || format == "table" {
		p.attention(p.stderr, out)
	}
	return nil
}

// listsRuns reports whether runs are asked for, not only sweeps.
func listsRuns(c *cli.Context) bool {
	return c.Bool("runs") || c.IsSet("filter") || c.IsSet("sort") || c.IsSet("columns")
}

func statusOf(views []*view) statusJSON {
	out := statusJSON{Schema: "orch.status/1", Time: time.Now().UTC().Truncate(time.Second), Sweeps: []sweepStatus{}}
	for _, v := range views {
		out.Sweeps = append(out.Sweeps, v.status())
	}
	return out
}

// printRuns prints the table of runs.
func (p *program) printRuns(c *cli.Context, all []*view, format string, header bool) error {
	views := slices.DeleteFunc(slices.Clone(all), func(v *view) bool { return v.err != nil })
	rows, err := selectRows(views, c.String("filter"), c.String("sort"))
	if err != nil {
		return err
	}
	if format == "json" {
		out := statusOf(all)
		for i := range out.Sweeps {
			out.Sweeps[i].List = []runRow{}
			for _, r := range rows {
				if r.v == all[i] {
					out.Sweeps[i].List = append(out.Sweeps[i].List, r)
				}
			}
		}
		return p.printJSON(out)
	}
	var columns []string
	if c.IsSet("columns") {
		columns, err = columnList(views, c.String("columns"))
	} else {
		columns = defaultColumns(views, format)
	}
	if err != nil {
		return err
	}
	if err := runGrid(rows, columns, format).print(p, format, header); err != nil {
		return err
	}
	if n := total(views); p.outTTY && format == "table" && len(rows) != n {
		fmt.Fprintf(p.stdout, "%s\n", p.paint(dim, fmt.Sprintf("%d of %d runs", len(rows), n)))
	}
	return nil
}

func total(views []*view) int {
	n := 0
	for _, v := range views {
		n += len(v.states)
	}
	return n
}
