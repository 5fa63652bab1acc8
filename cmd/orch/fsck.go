package main

import (
	"fmt"
	"path"

	"github.com/urfave/cli/v2"

	"orch/report/collect"
	"orch/sweep/results"
)

func fsckCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "fsck",
		Usage:       "check that nothing in the results tree is lost, doubled or damaged",
		ArgsUsage:   "[SWEEP...]",
		Description: "Reads every file anew and tests the tree's invariants. Exit code 0 only if all hold.",
		Flags:       []cli.Flag{resultsFlag(), jsonFlag()},
		Action:      func(c *cli.Context) error { return p.fsck(c) },
	}
}

func (p *program) fsck(c *cli.Context) error {
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	sweeps, err := openSweeps(tree, c.Args().Slice())
	if err != nil {
		return err
	}
	type finding struct {
		Sweep     string `json:"sweep"` // empty: the file is the tree's
		File      string `json:"file"`
		Offset    int64  `json:"offset"`
		Harm      bool   `json:"harm"`
		Invariant string `json:"invariant,omitempty"` // the one that is broken
		Text      string `json:"text"`
	}
	type invariant struct {
		Text  string `json:"text"`
		Holds bool   `json:"holds"`
	}
	out := struct {
		Schema     string      `json:"schema"`
		Findings   []finding   `json:"findings"`
		Invariants []invariant `json:"invariants"`
	}{"orch.fsck/1", []finding{}, nil}
	broken := map[results.Invariant]int{}
	harm := 0
	for _, s := range sweeps {
		found, err := checkSweep(s)
		s.Close()
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		for _, f := range found {
			if f.Harm() {
				harm++
				broken[f.Breaks]++
			}
			out.Findings = append(out.Findings, finding{s.Name, f.File, f.Offset, f.Harm(), f.Breaks.String(), f.Text})
		}
	}
	if c.NArg() == 0 {
		remains, err := tree.Remains()
		if err != nil {
			return err
		}
		for _, r := range remains {
			out.Findings = append(out.Findings, finding{File: r.Path,
				Text: fmt.Sprintf("the rest of sweep %s that was removed, %s: orch prune deletes it", r.Sweep, bytesText(r.Bytes))})
		}
	}
	for _, i := range results.Invariants() {
		out.Invariants = append(out.Invariants, invariant{i.String(), broken[i] == 0})
	}
	if c.Bool("json") {
		if err := p.printJSON(out); err != nil {
			return err
		}
	} else {
		for _, f := range out.Findings {
			mark := "litter"
			if f.Harm {
				mark = "HARM"
			}
			fmt.Fprintf(p.stdout, "%s\t%s:%d\t%s\n", mark, path.Join(f.Sweep, f.File), f.Offset, oneLine(f.Text))
		}
		for _, i := range results.Invariants() {
			if n := broken[i]; n > 0 {
				fmt.Fprintf(p.stdout, "BROKEN %d times: %s\n", n, i)
			} else {
				fmt.Fprintf(p.stdout, "holds: %s\n", i)
			}
		}
		litter := len(out.Findings) - harm
		fmt.Fprintf(p.stdout, "%d %s checked: %d %s an invariant, %d %s of litter\n", len(sweeps), plural(len(sweeps), "sweep", "sweeps"),
			harm, plural(harm, "finding that breaks", "findings that break"), litter, plural(litter, "piece", "pieces"))
	}
	if harm > 0 {
		return quiet(exitFailed)
	}
	return nil
}

// checkSweep tests a sweep's tree, and that its tables, if they say that they are
// of this tree, have the bytes that it gives.
func checkSweep(s *results.Sweep) ([]results.Finding, error) {
	found, err := s.Check()
	if err != nil {
		return found, err
	}
	if _, ok := noted(s); !ok { // older than the tree, or none: the next collect writes them
		return found, nil
	}
	sn, err := s.Snapshot()
	if err != nil {
		return found, nil // which Check has told
	}
	t, err := collect.Fold(sn, collect.Options{Series: true})
	if err != nil {
		return found, err
	}
	names, err := t.Differ(s)
	if _, ok := noted(s); !ok { // written anew while they were compared
		return found, err
	}
	for _, name := range names {
		found = append(found, results.Finding{File: "collected/" + name, Breaks: results.TablesMatch,
			Text: "it is not what the tree gives: orch collect --rebuild writes it anew"})
	}
	return found, err
}
