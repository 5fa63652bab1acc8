package main

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/urfave/cli/v2"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
)

func evalCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "eval",
		Usage:     "test a built-in model again, from a checkpoint that its run left",
		ArgsUsage: "RUN",
		Description: runHelp + "\n" +
			"Its test part is judged again with the parameters of --checkpoint: best are\n" +
			"those of the epoch with the lowest validation loss. The run stays as it is.\n" +
			"--classes prints the scores of each class, and what was taken for what.\n" +
			"--json: schema orch.eval/1, to which later versions only add.",
		Flags: append([]cli.Flag{resultsFlag(),
			&cli.StringFlag{Name: "checkpoint", Value: "best", Usage: "best, last, or a `FILE`"},
			&cli.BoolFlag{Name: "classes", Usage: "a line for each class instead of the metrics"},
		}, outputFlags()...),
		Action: func(c *cli.Context) error { return p.eval(c) },
	}
}

func (p *program) eval(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("orch eval wants one run: orch status --runs lists them; @last is the newest")
	}
	format, err := p.format(c)
	if err != nil {
		return err
	}
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	f, err := findRun(tree, c.Args().First())
	if err != nil {
		return err
	}
	defer f.sweep.Close()
	config, err := f.st.Run.Config()
	if err != nil {
		return err
	}
	t, err := trainerFor(config)
	if err != nil {
		return err
	}
	e, ok := t.(trainer.Evaluator)
	if !ok {
		return usage("%s: orch cannot evaluate the runs of trainer %q: only those of built-in models", f.st.Run.Name, t.Name())
	}
	a := (&runRow{v: f.view, st: f.st}).attempt()
	if a == nil {
		return usage("%s has not begun: there is nothing to evaluate", f.st.Run.Name)
	}
	// What the evaluation leaves does not belong in the tree.
	dir, err := os.MkdirTemp("", "orch-eval")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	got := &measured{}
	run := &trainer.Run{Sweep: f.sweep.Name, ID: f.st.Run.ID, Name: f.st.Run.Name, Config: config, Dir: dir, Workdir: f.st.Run.Segment.Provenance.Dir,
		Resume: f.sweep.AttemptPath(f.st.Run.Name, a.Folder), Threads: 1, Log: io.Discard, Metrics: got}
	if err := e.Evaluate(p.ctx, run, c.String("checkpoint")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("%w; a run leaves best after its first epoch and last if it took over 10 seconds, until orch prune removes them", err)
		}
		return fmt.Errorf("evaluate %s: %w", f.st.Run.Name, err)
	}
	classes, err := readClasses(filepath.Join(dir, "confusion.csv"))
	if err != nil {
		return err
	}
	if format == "json" {
		numbers, nonfinite := finiteMetrics(got.list)
		return p.printJSON(struct {
			Schema     string                      `json:"schema"`
			Sweep      string                      `json:"sweep"`
			Name       string                      `json:"name"`
			ID         string                      `json:"id"`
			Checkpoint string                      `json:"checkpoint"`
			Metrics    map[string]*float64         `json:"metrics"`
			Nonfinite  map[string]string           `json:"nonfinite,omitempty"`
			Classes    []map[string]override.Value `json:"classes"`
		}{"orch.eval/1", f.sweep.Name, f.st.Run.Name, f.st.Run.ID, c.String("checkpoint"), numbers, nonfinite, classes.objects()})
	}
	if c.Bool("classes") {
		if len(classes.rows) == 0 {
			return usage("%s has no classes: it predicts numbers, or training.confusion is false", f.st.Run.Name)
		}
		return classes.print(p, format, !c.Bool("no-header"))
	}
	g := &grid{heads: []string{"metric", "value"}, right: []bool{false, true}}
	for _, m := range got.list {
		g.rows = append(g.rows, []cell{{value: override.StringValue(m.Name)}, {value: override.FloatValue(m.Value), text: fmt.Sprintf("%.6g", m.Value)}})
	}
	return g.print(p, format, !c.Bool("no-header"))
}

// measured keeps the results of an evaluation in their order.
type measured struct {
	mu   sync.Mutex
	list []results.Metric
}

func (m *measured) Log(int64, string, float64) {}
func (m *measured) Checkpoint(int64, string)   {}
func (m *measured) Result(name string, value float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, results.Metric{Name: name, Value: value})
}

// readClasses reads the table of classes that an evaluation left, if it did.
func readClasses(file string) (*grid, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return new(grid), nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil || len(rows) == 0 {
		return new(grid), err
	}
	g := &grid{heads: rows[0], right: make([]bool, len(rows[0]))}
	for i := range g.right {
		g.right[i] = i > 0
	}
	for _, row := range rows[1:] {
		cells := make([]cell, len(row))
		for i, text := range row {
			cells[i].value = override.StringValue(text)
			if v, err := override.ParseJSON([]byte(text)); err == nil && i > 0 { // a number
				cells[i].value = v
			}
		}
		g.rows = append(g.rows, cells)
	}
	return g, nil
}

// objects returns each row as an object.
func (g *grid) objects() []map[string]override.Value {
	all := []map[string]override.Value{}
	for _, row := range g.rows {
		o := map[string]override.Value{}
		for i, c := range row {
			o[g.heads[i]] = c.value
		}
		all = append(all, o)
	}
	return all
}
