package main

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/sweep/override"
	"orch/sweep/results"
)

func yesFlag() cli.Flag {
	return &cli.BoolFlag{Name: "yes", Aliases: []string{"y"}, Usage: "do not ask; required where nobody can be asked"}
}

func pruneCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "prune",
		Usage:     "free space: checkpoints of finished runs, uncounted attempts, old copies of code",
		ArgsUsage: "[SWEEP...]",
		Description: "Shows sizes and asks first. It removes files below runs/ and code/ only: every result,\n" +
			"every counted log and all that the tables come from stays. Runs that may\n" +
			"go on keep their checkpoints; failed runs keep the attempt that counts.\n" +
			"Without names and kinds it also finishes an orch rm that was cut short.",
		Flags: []cli.Flag{resultsFlag(), yesFlag(),
			&cli.BoolFlag{Name: "checkpoints", Usage: "only checkpoints"},
			&cli.BoolFlag{Name: "attempts", Usage: "only attempts that do not count"},
			&cli.BoolFlag{Name: "code", Usage: "only copies of code that no run needs"},
			&cli.BoolFlag{Name: "dry-run", Usage: "show the sizes and remove nothing"},
		},
		Action: func(c *cli.Context) error { return p.prune(c) },
	}
}

func (p *program) prune(c *cli.Context) error {
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	sweeps, err := openSweeps(tree, c.Args().Slice())
	if err != nil {
		return err
	}
	for _, s := range sweeps {
		defer s.Close()
	}
	type part struct {
		s     *results.Sweep
		waste []results.Waste
	}
	var parts []part
	picked := c.Bool("checkpoints") || c.Bool("attempts") || c.Bool("code")
	g := &grid{heads: []string{"sweep", "what", "runs", "files", "size"}, right: []bool{false, false, true, true, true}}
	var all int64
	for _, s := range sweeps {
		v, err := p.idle(s, "prune")
		var busy *busyError
		if errors.As(err, &busy) && c.NArg() == 0 { // of all sweeps: those that can be pruned
			fmt.Fprintf(p.stderr, "orch: left alone: %v\n", err)
			continue
		}
		if err != nil {
			return err
		}
		waste, err := s.Waste(v.sn.Plan, v.states)
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		var kept []results.Waste
		for _, kind := range []results.WasteKind{results.WasteCheckpoints, results.WasteAttempt, results.WasteCode} {
			if flag := map[results.WasteKind]string{results.WasteCheckpoints: "checkpoints", results.WasteAttempt: "attempts", results.WasteCode: "code"}[kind]; picked && !c.Bool(flag) {
				continue
			}
			runs, files, bytes := map[string]bool{}, 0, int64(0)
			for _, w := range waste {
				if w.Kind == kind {
					kept = append(kept, w)
					runs[w.Run] = true
					files += w.Files
					bytes += w.Bytes
				}
			}
			if len(runs) > 0 {
				what, n := "checkpoints of finished runs", override.IntValue(int64(len(runs)))
				switch kind {
				case results.WasteAttempt:
					what = "attempts that do not count"
				case results.WasteCode:
					what, n = "copies of code that no run needs", override.NullValue()
				}
				g.rows = append(g.rows, []cell{{value: override.StringValue(s.Name)}, {value: override.StringValue(what)}, {value: n},
					{value: override.IntValue(int64(files))}, {value: override.IntValue(bytes), text: bytesText(bytes)}})
				all += bytes
			}
		}
		if len(kept) > 0 {
			parts = append(parts, part{s, kept})
		}
	}
	var remains []results.Remains
	if c.NArg() == 0 && !picked {
		if remains, err = tree.Remains(); err != nil {
			return err
		}
	}
	for _, r := range remains {
		g.rows = append(g.rows, []cell{{value: override.StringValue(r.Sweep)}, {value: override.StringValue("the rest of a removed sweep")}, {value: override.NullValue()},
			{value: override.IntValue(int64(r.Files))}, {value: override.IntValue(r.Bytes), text: bytesText(r.Bytes)}})
		all += r.Bytes
	}
	if len(g.rows) == 0 {
		fmt.Fprintln(p.stdout, "nothing to prune")
		return nil
	}
	if err := g.aligned(p, true, 0); err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return nil
	}
	if err := p.confirm(c, fmt.Sprintf("remove %s?", bytesText(all))); err != nil {
		return err
	}
	var errs []error
	freed := int64(0)
	for _, part := range parts {
		v, err := p.idle(part.s, "prune") // somebody may have submitted while the user thought
		if err != nil {
			errs = append(errs, err)
			continue
		}
		still, err := part.s.Waste(v.sn.Plan, v.states)
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", part.s.Name, err))
			continue
		}
		for _, w := range part.waste {
			if !slices.ContainsFunc(still, func(x results.Waste) bool { return x.Path == w.Path }) {
				continue
			}
			if err := part.s.Prune(w); err != nil {
				errs = append(errs, fmt.Errorf("sweep %s: %w", part.s.Name, err))
				continue
			}
			freed += w.Bytes
		}
	}
	if len(remains) > 0 {
		if err := tree.SweepUp(); err != nil {
			errs = append(errs, err)
		} else {
			for _, r := range remains {
				freed += r.Bytes
			}
		}
	}
	fmt.Fprintf(p.stdout, "freed %s\n", bytesText(freed))
	return errors.Join(errs...)
}

func rmCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "rm",
		Usage:       "remove sweeps with all their results",
		ArgsUsage:   "SWEEP...",
		Description: "Shows sizes and asks first. There is no way back.",
		Flags:       []cli.Flag{resultsFlag(), yesFlag()},
		Action:      func(c *cli.Context) error { return p.rm(c) },
	}
}

func (p *program) rm(c *cli.Context) error {
	if c.NArg() == 0 {
		return usage("orch rm wants sweeps: orch status lists them")
	}
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	sweeps, err := openSweeps(tree, c.Args().Slice())
	if err != nil {
		return err
	}
	for _, s := range sweeps {
		defer s.Close()
	}
	g := &grid{heads: []string{"sweep", "runs", "done", "files", "size"}, right: []bool{false, true, true, true, true}}
	for _, s := range sweeps {
		v, err := p.idle(s, "rm")
		if err != nil {
			return err
		}
		files, bytes, err := s.Size()
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		done := 0 // also of what the last plan no longer has: it all goes
		for _, st := range v.states {
			if st.End != nil && st.End.Class == results.Done {
				done++
			}
		}
		g.rows = append(g.rows, []cell{{value: override.StringValue(s.Name)}, {value: override.IntValue(int64(len(v.states)))}, {value: override.IntValue(int64(done))},
			{value: override.IntValue(int64(files))}, {value: override.IntValue(bytes), text: bytesText(bytes)}})
	}
	if err := g.aligned(p, true, 0); err != nil {
		return err
	}
	names := strings.Join(c.Args().Slice(), ", ")
	if err := p.confirm(c, fmt.Sprintf("remove %s with all results?", names)); err != nil {
		return err
	}
	var errs []error
	for _, s := range sweeps {
		if _, err := p.idle(s, "rm"); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := tree.Remove(s.Name); errors.Is(err, results.ErrInUse) {
			fmt.Fprintf(p.stderr, "orch: %v\n", err) // the sweep is gone all the same
		} else if err != nil {
			errs = append(errs, err)
			continue
		}
		os.RemoveAll(filepath.Join(tree.BackendDir("cron"), s.Name)) // what was told of it
		fmt.Fprintf(p.stdout, "removed %s\n", s.Name)
	}
	return errors.Join(errs...)
}

// busyError says that a worker may still write into a sweep.
type busyError struct {
	sweep, verb string
	worker      results.Holder
	known       bool // it is alive; else it may be
}

func (e *busyError) Error() string {
	who := fmt.Sprintf("worker %s (host %s, pid %d)", e.worker.Name, e.worker.Host, e.worker.PID)
	if e.known {
		return fmt.Sprintf("sweep %s: %s is alive: orch cancel %s ends it, then orch %s again", e.sweep, who, e.sweep, e.verb)
	}
	return fmt.Sprintf("sweep %s: %s may be alive, which cannot be seen from here: orch collect closes what it holds once it is dead, then orch %s again", e.sweep, who, e.verb)
}

// idle looks at a sweep and refuses if a worker is, or may be, alive.
func (p *program) idle(s *results.Sweep, verb string) (*view, error) {
	sn, err := s.Snapshot()
	if err != nil {
		return nil, fmt.Errorf("sweep %s: %w", s.Name, err)
	}
	for _, c := range sn.OpenClaims() {
		if fate := c.Holder.Fate(); fate != results.FateDead {
			return nil, &codeError{exitFailed, &busyError{s.Name, verb, c.Holder, fate == results.FateAlive}}
		}
	}
	return newView(s, sn), nil
}

// confirm asks on a terminal; elsewhere --yes must have been given.
func (p *program) confirm(c *cli.Context, question string) error {
	if c.Bool("yes") {
		return nil
	}
	if !isTerminal(p.stdout) || !isTerminal(os.Stdin) {
		return usage("nobody can be asked here, so nothing was removed: --yes removes it")
	}
	fmt.Fprintf(p.stdout, "%s [y/N] ", question)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case a := <-answer:
		if a == "y" || a == "yes" {
			return nil
		}
		fmt.Fprintln(p.stdout, "nothing was removed")
		return quiet(exitFailed)
	case <-p.ctx.Done():
		fmt.Fprintln(p.stdout, "\nnothing was removed")
		return quiet(exitInterrupted)
	}
}
