package main

import (
	"fmt"
	"os/user"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/sweep/dispatch"
	"orch/sweep/results"
)

func cancelCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "cancel",
		Usage:       "end runs that execute and never start those that wait",
		ArgsUsage:   "SWEEP|RUN...",
		Description: "Workers obey within seconds. orch retry opens cancelled runs again.",
		Flags:       []cli.Flag{resultsFlag()},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return usage("orch cancel wants a sweep or runs: orch status lists the sweeps")
			}
			return p.eachTarget(c, func(s *results.Sweep, runs []*results.RunState) error {
				who := userName()
				if runs == nil {
					fmt.Fprintf(p.stdout, "%s: cancelled\n", s.Name)
					return s.Give(results.ActionCancel, "", "cancelled by "+who, who)
				}
				for _, run := range runs {
					if run.End != nil {
						fmt.Fprintf(p.stdout, "%s: ended already (%s)\n", run.Run.Name, run.State)
						continue
					}
					fmt.Fprintf(p.stdout, "%s: cancelled\n", run.Run.Name)
					if err := s.Give(results.ActionCancel, run.Run.ID, "cancelled by "+who, who); err != nil {
						return err
					}
				}
				return nil
			})
		},
	}
}

func retryCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "retry",
		Usage:     "open runs again that failed or were cancelled",
		ArgsUsage: "SWEEP|RUN...",
		Description: "Of a sweep it opens every run that ended without a result, and lets go what was cancelled or held.\n" +
			"Submit the sweep file again to execute them on this machine.",
		Flags: []cli.Flag{resultsFlag(), &cli.BoolFlag{Name: "failed", Usage: "of a sweep only runs that failed, not cancelled ones"}},
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return usage("orch retry wants a sweep or runs: orch status lists the sweeps")
			}
			return p.eachTarget(c, func(s *results.Sweep, runs []*results.RunState) error { return p.retry(c, s, runs) })
		},
	}
}

func (p *program) retry(c *cli.Context, s *results.Sweep, runs []*results.RunState) error {
	m := &machines{p: p, tree: s.Tree()}
	defer m.close()
	who := userName()
	cause := "orch retry by " + who
	if runs == nil {
		if err := s.Give(results.ActionGo, "", cause, who); err != nil {
			return err
		}
	}
	r, err := dispatch.Retry(s, func(st results.RunState) bool {
		if runs != nil {
			return slices.ContainsFunc(runs, func(r *results.RunState) bool { return r.Run.ID == st.Run.ID })
		}
		return st.State == results.StateFailed || !c.Bool("failed") && (st.State == results.StateCancelled || st.State == results.StateHeld)
	}, cause, dispatch.Publication{Provenance: p.provenance(), Workers: m.workers})
	if err != nil {
		return fmt.Errorf("sweep %s: %w", s.Name, err)
	}
	fmt.Fprintf(p.stdout, "%s: %d runs get another try, %d are let go; orch submit of the same file executes them\n", s.Name, r.Again, r.Freed)
	return nil
}

// eachTarget calls f for every sweep that the arguments name or have runs of; of
// a whole sweep runs is nil.
func (p *program) eachTarget(c *cli.Context, f func(s *results.Sweep, runs []*results.RunState) error) error {
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	names, err := tree.Sweeps()
	if err != nil {
		return err
	}
	for _, word := range c.Args().Slice() {
		isSweep := false
		for _, n := range names {
			isSweep = isSweep || n == word
		}
		if isSweep {
			s, err := tree.Sweep(word)
			if err != nil {
				return err
			}
			err = f(s, nil)
			s.Close()
			if err != nil {
				return err
			}
			continue
		}
		runs, err := findRuns(tree, word)
		if err == nil && len(runs) > 1 && !strings.HasSuffix(word, failedRun) {
			closeFound(runs, nil)
			_, err = findRun(tree, word) // says that it is not clear
		}
		if err != nil {
			return err
		}
		for from := 0; from < len(runs) && err == nil; {
			var of []*results.RunState // runs of one sweep follow each other
			s := runs[from].sweep
			for ; from < len(runs) && runs[from].sweep == s; from++ {
				of = append(of, runs[from].st)
			}
			err = f(s, of)
		}
		closeFound(runs, nil)
		if err != nil {
			return err
		}
	}
	return nil
}

func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "somebody"
}
