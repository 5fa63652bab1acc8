package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
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
			"Any time, from any host that sees the tree, twice at once, from cron.\n" +
			"A sweep that has ended, and of which nothing is new, costs a listing; --rebuild writes its tables all the same.",
		Flags: []cli.Flag{resultsFlag(), jsonFlag(),
			&cli.BoolFlag{Name: "rebuild", Usage: "read everything and write all tables anew"},
			&cli.BoolFlag{Name: "cron", Usage: "print nothing unless something got worse"},
			&cli.DurationFlag{Name: "jitter", Value: 20 * time.Second, Usage: "with --cron: first wait up to `TIME`"}},
		Action: func(c *cli.Context) error {
			if c.Bool("cron") {
				if c.Bool("json") || c.Bool("rebuild") {
					return usage("--cron goes with neither --json nor --rebuild")
				}
				return p.cron(c)
			}
			return p.collect(c)
		},
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
		st, step, err := p.collectOne(s, c.Bool("rebuild"))
		s.Close()
		if step != nil {
			p.log.Warn().Err(step).Str("sweep", s.Name).Msg("the Step was not complete; the tables show what is known")
		}
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

// collectOne makes a Step and folds. step is what kept the Step from being
// complete; the tables show what is known all the same.
func (p *program) collectOne(s *results.Sweep, rebuild bool) (st sweepStatus, step, err error) {
	if n, ok := noted(s); ok && n.Settled && !rebuild {
		n.Status.Problems = n.Problems
		return n.Status, nil, nil
	}
	sn, err := s.Snapshot()
	if err != nil {
		return sweepStatus{}, step, err
	}
	d, close := p.dispatcher(s, sn, false)
	defer close()
	_, step = d.Step(p.ctx)
	if n, ok := noted(s); ok && !rebuild { // the tables are what they would be
		if _, err := sn.Refresh(); err != nil {
			return sweepStatus{}, step, err
		}
		st = newView(s, sn).status()
		st.Problems = n.Problems
		return st, step, nil
	}
	t, err := fold(s, sn)
	if err != nil {
		return sweepStatus{}, step, err
	}
	st = newView(s, sn).status()
	st.Problems = len(t.Problems)
	return st, step, nil
}

// fold computes a sweep's tables and writes them to collected/.
func fold(s *results.Sweep, sn *results.Snapshot) (*collect.Tables, error) {
	t, store, err := compute(s, sn)
	if err != nil {
		return nil, err
	}
	return t, store()
}

// compute is fold for those who may not write; store does it.
func compute(s *results.Sweep, sn *results.Snapshot) (t *collect.Tables, store func() error, err error) {
	of, err := s.Fingerprint()
	if err != nil {
		return nil, nil, err
	}
	if _, err := sn.Refresh(); err != nil {
		return nil, nil, err
	}
	if t, err = collect.Fold(sn, collect.Options{Series: true}); err != nil {
		return nil, nil, err
	}
	return t, func() error {
		v := newView(s, sn)
		return t.Store(s, of+tablesBy(), note{Settled: v.settled(), Status: v.status(), Problems: len(t.Problems)})
	}, nil
}

// readOnly reports whether an error says that a tree is only to be read: an
// archive, or another person's.
func readOnly(err error) bool {
	return errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS)
}

// note is what is kept with the tables, for as long as the tree is as it was.
type note struct {
	// Settled: every run has ended or is stopped, and nobody holds anything, so
	// neither a Step nor the time that passes changes the status.
	Settled  bool        `json:"settled"`
	Status   sweepStatus `json:"status"`
	Problems int         `json:"problems"` // with those of the metric rows
}

// noted returns the note of a sweep's tables, if they are what a fold would write.
func noted(s *results.Sweep) (n note, ok bool) {
	of, err := s.Fingerprint()
	return n, err == nil && collect.Stored(s, of+tablesBy(), &n)
}

// tablesBy tells the tables of one orch from those of another.
func tablesBy() string { return " " + version + " " + commit() }

// settled reports whether nothing can change without a new file in the tree.
func (v *view) settled() bool {
	if !v.over() || len(v.sn.OpenClaims()) > 0 {
		return false
	}
	subs, err := v.sweep.Submissions()
	return err == nil && !slices.ContainsFunc(subs, func(x *results.Submission) bool { return x.Answer == nil })
}

// openReport returns the folder of a sweep's report, made if need be.
func openReport(s *results.Sweep, out string) (string, error) {
	if out == "" {
		out = filepath.Join(s.Path(), "report")
	}
	return out, os.MkdirAll(out, 0o700)
}
