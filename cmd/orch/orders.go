package main

import (
	"errors"
	"fmt"
	"os"
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
			return p.eachTarget(c, c.Args().Slice(), func(s *results.Sweep, runs []*results.RunState) error {
				who := userName()
				if runs == nil {
					if left, err := unended(s); err != nil {
						return err
					} else if left {
						if err := s.Give(results.ActionCancel, "", "cancelled by "+who, who); err != nil {
							return err
						}
						fmt.Fprintf(p.stdout, "%s: cancelled\n", s.Name)
					} else {
						fmt.Fprintf(p.stdout, "%s: nothing runs or waits, so there is nothing to cancel\n", s.Name)
					}
					if err := p.unfollow(s); err != nil {
						p.log.Warn().Err(err).Msg("the job that waits to write the report finds nothing left when it starts, and reports that")
					}
					return p.takeBack(s)
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

// unended reports whether a sweep has runs that a cancel would stop. An order for
// a sweep that is over would only stop what is submitted later.
func unended(s *results.Sweep) (bool, error) {
	sn, err := s.Snapshot()
	if err != nil {
		return false, fmt.Errorf("sweep %s: %w", s.Name, err)
	}
	for _, st := range sn.Derive() {
		if st.State == results.StateQueued || st.State == results.StateRunning || st.State == results.StateHeld {
			return true, nil
		}
	}
	return false, nil
}

// takeBack makes the scheduler forget workers that wait in its queue for runs
// that nobody wants any more. Those that run obey the order by themselves.
func (p *program) takeBack(s *results.Sweep) error {
	sn, err := s.Snapshot()
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(sn.Plan.Keys(), func(key string) bool { return !inPool(sn, key) }) {
		return nil
	}
	d, closeAll := p.dispatcher(s, sn, false)
	defer closeAll()
	if _, err := d.Step(p.ctx); err != nil {
		p.log.Warn().Err(err).Str("sweep", s.Name).Msg("whether workers wait in the queue is not known; those that start find nothing to do and end")
	}
	return nil
}

func retryCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "retry",
		Usage:     "open runs again that failed or were cancelled",
		ArgsUsage: "[SWEEP|RUN...]",
		Description: "Of a sweep it opens every run that ended without a result, and lets go what was cancelled or held.\n" +
			"Submit the sweep file again to execute them on this machine.",
		Flags: []cli.Flag{resultsFlag(), &cli.BoolFlag{Name: "failed", Usage: "not what was cancelled; without SWEEP|RUN of all sweeps"}},
		Action: func(c *cli.Context) error {
			if c.NArg() > 0 {
				return p.eachTarget(c, c.Args().Slice(), func(s *results.Sweep, runs []*results.RunState) error { return p.retry(c, s, runs) })
			}
			if c.Bool("failed") {
				return p.retryAllFailed(c)
			}
			return usage("orch retry wants a sweep or runs, or --failed for all sweeps: orch status lists them")
		},
	}
}

// retryAllFailed opens what failed in any sweep of the tree.
func (p *program) retryAllFailed(c *cli.Context) error {
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	names, err := tree.Sweeps()
	tree.Close()
	if err != nil {
		return err
	}
	return p.eachTarget(c, names, func(s *results.Sweep, _ []*results.RunState) error {
		sn, err := s.Snapshot()
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		if counts := results.Count(sn.Derive()); counts.Failed+counts.Held == 0 {
			return nil
		}
		return p.retry(c, s, nil)
	})
}

func (p *program) retry(c *cli.Context, s *results.Sweep, runs []*results.RunState) error {
	sn, err := s.Snapshot()
	if err != nil {
		return err
	}
	m := &machines{p: p, tree: s.Tree(), builtIn: trainBuiltIn(basesOf(sn))}
	defer m.close()
	who := userName()
	cause := "orch retry by " + who
	orders, err := s.Orders(nil)
	if err != nil {
		return fmt.Errorf("sweep %s: %w", s.Name, err)
	}
	stopped := orders.Of("") // the sweep as a whole
	freed := 0               // runs that only this stopped
	// --failed leaves a cancel alone, but what failed often enough to hold the
	// sweep is not tried again while it is held.
	if stopped != nil && runs == nil && (!c.Bool("failed") || stopped.Action == results.ActionHold) {
		if err := s.Give(results.ActionGo, "", cause, who); err != nil {
			return err
		}
		stopped = nil
		for _, st := range sn.Derive() {
			if st.End == nil && st.Order != nil && orders.Own(st.Run.ID) == nil {
				freed++
			}
		}
	}
	o, err := p.retryFrom(s)
	if err != nil {
		return err
	}
	o.Workers = m.workers
	r, err := dispatch.Retry(s, func(st results.RunState) bool {
		if runs != nil {
			return slices.ContainsFunc(runs, func(r *results.RunState) bool { return r.Run.ID == st.Run.ID })
		}
		return st.State == results.StateFailed || !c.Bool("failed") && (st.State == results.StateCancelled || st.State == results.StateHeld)
	}, cause, o)
	if err != nil {
		return fmt.Errorf("sweep %s: %w", s.Name, err)
	}
	fmt.Fprintf(p.stdout, "%s: %d %s another try, %d %s let go; orch submit of the same file executes them\n", s.Name,
		r.Again, plural(r.Again, "run gets", "runs get"), r.Freed+freed, plural(r.Freed+freed, "is", "are"))
	if stopped != nil {
		fmt.Fprintf(p.stdout, "%s: nothing starts, for the sweep is stopped (%s: %s): orch retry %s lets it go\n", s.Name, stopped.Action, stopped.Cause, s.Name)
	}
	return nil
}

// retryFrom says with what code runs are tried again: with that which lies now
// where they were submitted from. Who retries has mended something.
func (p *program) retryFrom(s *results.Sweep) (dispatch.Publication, error) {
	plan, err := s.Plan()
	if err != nil {
		return dispatch.Publication{}, fmt.Errorf("sweep %s: %w", s.Name, err)
	}
	if len(plan.Segments) == 0 {
		return dispatch.Publication{Provenance: p.provenance("").Provenance}, nil
	}
	h := plan.Segments[len(plan.Segments)-1].Header
	from := p.provenance(h.Provenance.Dir)
	o := dispatch.Publication{Provenance: from.Provenance, Changes: from.changes}
	if h.Code != nil {
		if _, err := os.Stat(from.Dir); err != nil {
			fmt.Fprintf(p.stderr, "orch: %s cannot be seen from here, so the runs use the copy of the code that they have\n", from.Dir)
		} else {
			p.copyCode(&o, s, from.Dir, h.Bases)
		}
	}
	return o, nil
}

// eachTarget calls f for every sweep that the words name or have runs of; of a
// whole sweep runs is nil.
func (p *program) eachTarget(c *cli.Context, words []string, f func(s *results.Sweep, runs []*results.RunState) error) error {
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	names, err := tree.Sweeps()
	if err != nil {
		return err
	}
	for _, word := range words {
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
		var noRun *noRunError
		if errors.As(err, &noRun) && !strings.Contains(word, "/") {
			return usage("no sweep is called %q%s, and no run begins with it: orch status lists the sweeps, orch status --runs the runs", word, didYouMean(word, names))
		}
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
