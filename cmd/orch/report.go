package main

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"github.com/urfave/cli/v2"

	"orch/report"
	"orch/report/collect"
	"orch/sweep/results"
)

func reportCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "compare the results of a sweep, as Markdown and CSV",
		ArgsUsage: "[SWEEP...]",
		Description: "Folds first, then writes report/report.md and its tables into the sweep's folder, and prints the comparison.\n" +
			"Without a sweep: of every sweep.",
		Flags: []cli.Flag{
			resultsFlag(),
			&cli.StringFlag{Name: "out", Usage: "write into `FOLDER` instead (one sweep only)"},
			&cli.BoolFlag{Name: "check", Usage: "exit 0 if the success criterion is met, 4 if not met or inconclusive"},
		},
		Action: func(c *cli.Context) error { return p.report(c) },
	}
}

func (p *program) report(c *cli.Context) error {
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	sweeps, err := openSweeps(tree, c.Args().Slice())
	if err != nil {
		return err
	}
	if len(sweeps) == 0 {
		return usage("no sweeps in %s yet: orch submit makes one", tree.Path())
	}
	if c.IsSet("out") && len(sweeps) > 1 {
		return usage("--out wants one sweep; there are %d: name one", len(sweeps))
	}
	met := true
	for i, s := range sweeps {
		sn, err := s.Snapshot()
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		t, err := fold(s, sn)
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		w := 0
		if p.outTTY {
			w = width(p.stdout)
		}
		report.Summary(p.stdout, t, w)
		dir, err := writeReport(t, s, c.String("out"))
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		fmt.Fprintf(p.stdout, "\nreport   %s\n", dir)
		if v := report.Build(t).Verdict; v == nil || v.Outcome != report.Met {
			met = false
		}
		s.Close()
	}
	if c.Bool("check") && !met {
		return quiet(exitNotMet)
	}
	return nil
}

// writeReport writes all formats and returns the main file.
func writeReport(t *collect.Tables, s *results.Sweep, out string) (string, error) {
	dir, err := openReport(s, out)
	if err != nil {
		return "", err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	r := report.Build(t)
	put := collect.Into(root)
	for _, format := range formats {
		files, err := format.Render(r)
		if err != nil {
			return "", fmt.Errorf("report as %s: %w", format.Name, err)
		}
		for _, f := range files {
			if sub := path.Dir(f.Name); sub != "." {
				if err := root.MkdirAll(sub, 0o700); err != nil {
					return "", err
				}
			}
			err := put(f.Name, func(w io.Writer) error {
				_, err := w.Write(f.Data)
				return err
			})
			if err != nil {
				return "", fmt.Errorf("write %s: %w", f.Name, err)
			}
		}
	}
	return filepath.Join(dir, "report.md"), nil
}
