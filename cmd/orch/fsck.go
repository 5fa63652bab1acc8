package main

import (
	"fmt"

	"github.com/urfave/cli/v2"
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
		Sweep  string `json:"sweep"`
		File   string `json:"file"`
		Offset int64  `json:"offset"`
		Harm   bool   `json:"harm"`
		Text   string `json:"text"`
	}
	out := struct {
		Schema   string    `json:"schema"`
		Findings []finding `json:"findings"`
	}{"orch.fsck/1", []finding{}}
	harm := 0
	for _, s := range sweeps {
		found, err := s.Check()
		s.Close()
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		for _, f := range found {
			if f.Harm {
				harm++
			}
			out.Findings = append(out.Findings, finding{s.Name, f.File, f.Offset, f.Harm, f.Text})
		}
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
			fmt.Fprintf(p.stdout, "%s\t%s/%s:%d\t%s\n", mark, f.Sweep, f.File, f.Offset, oneLine(f.Text))
		}
		fmt.Fprintf(p.stdout, "%d sweeps checked: %d invariants broken, %d pieces of litter\n", len(sweeps), harm, len(out.Findings)-harm)
	}
	if harm > 0 {
		return quiet(exitFailed)
	}
	return nil
}
