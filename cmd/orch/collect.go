package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"orch/report/collect"
	"orch/sweep/results"
)

func collectCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "collect",
		Usage:     "harvest results into tables",
		ArgsUsage: "[SWEEP...]",
		Description: "Closes the blocks of dead workers, tops up workers of schedulers, and writes collected/*.csv and *.jsonl.\n" +
			"Any time, from any host that sees the tree, twice at once, from cron.",
		Flags:  []cli.Flag{resultsFlag(), jsonFlag()},
		Action: func(c *cli.Context) error { return p.collect(c) },
	}
}

func (p *program) collect(c *cli.Context) error {
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	sweeps, err := openSweeps(tree, c.Args().Slice())
	if err != nil {
		return err
	}
	out := statusJSON{Schema: "orch.status/1", Time: time.Now().UTC().Truncate(time.Second), Sweeps: []sweepStatus{}}
	var errs []error
	for _, s := range sweeps {
		st, err := p.collectOne(s)
		s.Close()
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", s.Name, err))
			continue
		}
		out.Sweeps = append(out.Sweeps, st)
		if !c.Bool("json") {
			fmt.Fprintf(p.stdout, "%s: %d of %d runs done", s.Name, st.Runs.Done, st.Runs.Total)
			if st.Runs.Failed > 0 {
				fmt.Fprintf(p.stdout, ", %d failed", st.Runs.Failed)
			}
			fmt.Fprintf(p.stdout, "; tables in %s\n", filepath.Join(s.Path(), "collected"))
		}
	}
	if c.Bool("json") {
		if err := p.printJSON(out); err != nil {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

func (p *program) collectOne(s *results.Sweep) (sweepStatus, error) {
	sn, err := s.Snapshot()
	if err != nil {
		return sweepStatus{}, err
	}
	step, close := p.dispatcher(s, sn, false)
	defer close()
	if _, err := step.Step(p.ctx); err != nil {
		p.log.Warn().Err(err).Str("sweep", s.Name).Msg("the Step was not complete; the tables show what is known")
	}
	t, err := fold(s, sn)
	if err != nil {
		return sweepStatus{}, err
	}
	st := newView(s, sn).status()
	st.Problems = len(t.Problems)
	return st, nil
}

// fold computes a sweep's tables and writes them to collected/.
func fold(s *results.Sweep, sn *results.Snapshot) (*collect.Tables, error) {
	t, err := collect.Fold(sn, collect.Options{Series: true})
	if err != nil {
		return nil, err
	}
	dir, err := s.Collected()
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return t, t.Write(collect.Into(dir))
}

// openReport returns the folder of a sweep's report, made if need be.
func openReport(s *results.Sweep, out string) (string, error) {
	if out == "" {
		out = filepath.Join(s.Path(), "report")
	}
	return out, os.MkdirAll(out, 0o700)
}
