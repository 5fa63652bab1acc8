package main

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"orch/sweep/code"
	"orch/sweep/override"
)

func diffCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "diff",
		Usage:       "show in what two runs differ: config, code, results",
		ArgsUsage:   "RUN RUN",
		Description: "Only what differs, unless --all. Exit code 1 if config or code differ.\n" + runHelp,
		Flags: append([]cli.Flag{resultsFlag(),
			&cli.BoolFlag{Name: "all", Usage: "what is equal, too"},
			&cli.BoolFlag{Name: "patch", Aliases: []string{"p"}, Usage: "also how the files of the code differ, as a patch"},
		}, outputFlags()...),
		Action: func(c *cli.Context) error { return p.diff(c) },
	}
}

// difference is a line of orch diff, and of the schema orch.diff/1.
type difference struct {
	Part  string         `json:"part"` // "config", "code", "result"
	Key   string         `json:"key"`
	A     override.Value `json:"a"` // null: it has none
	B     override.Value `json:"b"`
	Equal bool           `json:"equal"`
}

func (p *program) diff(c *cli.Context) error {
	if c.NArg() != 2 {
		return usage("orch diff wants two runs: orch diff RUN RUN")
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
	var runs [2]found
	for i := range runs {
		if runs[i], err = findRun(tree, c.Args().Get(i)); err != nil {
			return err
		}
		defer runs[i].sweep.Close()
	}
	lines, err := differences(runs[0], runs[1])
	if err != nil {
		return err
	}
	changes, patch, err := codeChanges(p.ctx, runs[0], runs[1], c.Bool("patch"))
	if err != nil {
		fmt.Fprintf(p.stderr, "orch: the files of the code cannot be compared: %v\n", err)
	}
	lines = withFiles(lines, changes)
	unlike := slices.ContainsFunc(lines, func(d difference) bool { return !d.Equal && d.Part != "result" })
	if !c.Bool("all") {
		lines = slices.DeleteFunc(lines, func(d difference) bool { return d.Equal })
	}
	a, b := runs[0].sweep.Name+"/"+runs[0].st.Run.Name, runs[1].sweep.Name+"/"+runs[1].st.Run.Name
	switch {
	case format == "json":
		for i := range lines {
			lines[i].A, lines[i].B = finite(lines[i].A), finite(lines[i].B)
		}
		err = p.printJSON(struct {
			Schema string       `json:"schema"`
			A      string       `json:"a"`
			B      string       `json:"b"`
			Lines  []difference `json:"lines"`
			Patch  string       `json:"patch,omitempty"`
		}{"orch.diff/1", a, b, lines, string(patch)})
	case len(lines) == 0 && format == "table":
		fmt.Fprintf(p.stdout, "%s and %s have the same config, code and results\n", a, b)
	default:
		g := &grid{heads: []string{"part", "key", a, b}, right: make([]bool, 4)}
		for _, d := range lines {
			colour := yellow
			if d.Equal {
				colour = dim
			}
			g.rows = append(g.rows, []cell{{value: override.StringValue(d.Part)}, {value: override.StringValue(d.Key)},
				{value: d.A, text: d.shown(runs[0], d.A)}, {value: d.B, text: d.shown(runs[1], d.B), colour: colour}})
		}
		err = g.print(p, format, !c.Bool("no-header"))
	}
	if err != nil {
		return err
	}
	if len(patch) > 0 && (format == "table" || format == "tsv") {
		fmt.Fprintf(p.stdout, "\n%s", patch)
	}
	if unlike {
		return quiet(exitFailed)
	}
	return nil
}

// shown returns how a value looks to people.
func (d difference) shown(f found, v override.Value) string {
	if d.Part != "result" {
		return ""
	}
	return (&runRow{v: f.view, st: f.st, word: f.word(f.st)}).shown(d.Key, v, 6)
}

// differences compares two runs: resolved configs leaf by leaf, the code that
// their segments and workers recorded, and the ends.
func differences(a, b found) ([]difference, error) {
	var lines []difference
	add := func(part, key string, x, y override.Value) {
		if !x.IsNull() || !y.IsNull() {
			lines = append(lines, difference{part, key, x, y, x.Equal(y)})
		}
	}
	x, err := a.st.Run.Config()
	if err != nil {
		return nil, err
	}
	y, err := b.st.Run.Config()
	if err != nil {
		return nil, err
	}
	get := func(v override.Value, key string) override.Value {
		if w, ok := v.Get(key); ok {
			return w
		}
		return override.NullValue()
	}
	keys := leaves("", x)
	for _, k := range leaves("", y) {
		if !slices.Contains(keys, k) {
			keys = append(keys, k)
		}
	}
	for _, k := range keys {
		add("config", k, get(x, k), get(y, k))
	}
	px, py := codeOf(a), codeOf(b)
	for i := range px {
		add("code", px[i].Key.Text(), px[i].Val, py[i].Val)
	}
	rx, ry := &runRow{v: a.view, st: a.st, word: a.word(a.st)}, &runRow{v: b.view, st: b.st, word: b.word(b.st)}
	for _, name := range []string{"state", "class", "exit", "signal", "elapsed", "cpu", "mem", "node", "attempts", "reason"} {
		v, _ := rx.cell(name)
		w, _ := ry.cell(name)
		add("result", name, v, w)
	}
	for _, name := range metricNames(a.st, b.st) {
		add("result", name, metricOf(a.st, name), metricOf(b.st, name))
	}
	return lines, nil
}

// withFiles adds the files that are not the same in the code of both runs,
// behind what else is known of the code.
func withFiles(lines []difference, changes []code.Change) []difference {
	at := len(lines)
	for i, d := range lines {
		if d.Part == "code" {
			at = i + 1
		}
	}
	var files []difference
	for _, c := range changes {
		d := difference{Part: "code", Key: c.Path, A: override.StringValue("has it"), B: override.StringValue("has it")}
		switch c.How {
		case "added":
			d.A = override.NullValue()
		case "deleted":
			d.B = override.NullValue()
		default:
			d.B = override.StringValue("has another")
		}
		files = append(files, d)
	}
	return slices.Insert(lines, at, files...)
}
