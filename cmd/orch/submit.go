package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/report"
	"orch/report/collect"
	"orch/sweep/dispatch"
	"orch/sweep/results"
)

func submitCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "submit",
		Usage:     "expand a sweep file into runs and execute them",
		ArgsUsage: "SWEEP.toml [KEY=VALUE...]",
		Description: "With the launcher joblib it starts workers on this machine and shows their progress until all runs have ended.\n" +
			"Submitting a file again runs only what has no result. Ctrl-C leaves cleanly; submit the file again to go on.",
		Flags: append(append(planFlags(), runFlags()...),
			&cli.BoolFlag{Name: "dry-run", Usage: "print the exact commands and scripts, and do nothing"}),
		Action: func(c *cli.Context) error { return p.submit(c) },
	}
}

func (p *program) submit(c *cli.Context) error {
	if c.NArg() == 0 {
		return usage("orch submit wants a sweep file: orch submit sweep.toml")
	}
	provenance := p.lookAround()
	path := c.Args().First()
	primary, err := readSweepFile(path)
	if err != nil {
		return err
	}
	for _, word := range c.Args().Tail() {
		if st, err := os.Stat(word); strings.HasSuffix(word, ".toml") && err == nil && st.Mode().IsRegular() {
			return usage("%s: orch submit takes one sweep file, and after it KEY=VALUE: submit the files one after the other", word)
		}
	}
	plan, err := p.expand(c, primary, c.Args().Tail(), true)
	if err != nil {
		return err
	}
	if !c.Bool("dry-run") {
		defer p.askAhead(c, plan)()
	}
	x, err := p.settle(c, plan, primary.Text, fileSweepName(path))
	if err != nil {
		return err
	}
	if c.Bool("dry-run") {
		return p.dryRun(x, resultsRoot(c))
	}
	return p.execute(c, x, results.KindPlan, provenance)
}

// execute publishes a plan and drives it to its end.
func (p *program) execute(c *cli.Context, x *experiment, kind results.Kind, provenance func() scene) error {
	var chosen []report.Format
	if c.Bool("report") {
		var err error
		if chosen, err = p.reportFormats(c); err != nil { // now, not after a night of runs
			return err
		}
	}
	if os.Geteuid() == 0 {
		fmt.Fprintln(p.stderr, "orch: running as root: the results will belong to root")
	}
	for _, line := range unheard(x.plan.Groups) {
		fmt.Fprintf(p.stderr, "orch: %s\n", line)
	}
	tree, err := results.Create(resultsRoot(c), results.DefaultSettings())
	if err != nil {
		return treeError(resultsRoot(c), err)
	}
	defer tree.Close()
	s, err := tree.CreateSweep(x.name)
	if err != nil {
		return err
	}
	defer s.Close()
	m := &machines{p: p, tree: tree, builtIn: trainBuiltIn(x.plan.Bases)}
	pub, err := dispatch.Publish(s, x.plan, dispatch.Publication{Kind: kind, Rerun: c.Bool("rerun"), Part: kind == results.KindPlan && c.NArg() > 1, Source: x.source, Workers: m.workers, Late: func(o *dispatch.Publication) {
		from := provenance()
		from.Data = dataOf(x.plan.Bases, from.Dir)
		o.Provenance, o.Changes = from.Provenance, from.changes
		p.copyCode(o, s, from.Dir, x.plan.Bases)
	}})
	m.close()
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stderr, "orch: %s\n", published(x.name, pub))
	sn, err := s.Snapshot()
	if err != nil {
		return err
	}
	if outlive(sn) && !c.Bool("wait") {
		out, err := p.send(s, sn)
		if dispatch.IsAway(err) && out != nil && out.Started == 0 && out.Left > 0 {
			return fmt.Errorf("%w; the runs are in the tree, and no worker is asked for yet: the same command does that when the scheduler answers, and so does orch collect", err)
		}
		if err != nil && (out == nil || out.Started == 0) {
			return err
		}
		// One request may be refused and the workers of another be on their way.
		switch {
		case out.Started > 0:
			fmt.Fprintf(p.stdout, "%d %s asked for; orch status %s shows %s, orch collect moves on what is left\n", out.Started, plural(out.Started, "worker", "workers"), s.Name, plural(out.Started, "it", "them"))
		case out.Left > 0:
			fmt.Fprintf(p.stdout, "no more workers asked for; orch status %s says what runs and waits, and why\n", s.Name)
		}
		if p.tellStopped(s, out) && out.Left == 0 {
			if err != nil {
				return err
			}
			return quiet(exitSomeFailed)
		}
		if c.Bool("report") && out.Left > 0 {
			return errors.Join(err, p.followSweep(s, sn, out))
		}
		if err != nil || !c.Bool("report") {
			return err
		}
	}
	if c.Bool("detach") {
		return p.detach(s, c.Duration("timeout"), chosen)
	}
	out, err := p.drive(s, sn, c.Duration("timeout"))
	if errors.Is(err, dispatch.ErrInterrupted) {
		t, _, ferr := p.finish(s, sn, pub.IDs)
		if ferr == nil {
			what := "the same command goes on with the rest"
			if outlive(sn) && mayHaveWorkers(s) {
				what = "the workers go on; orch cancel " + s.Name + " ends them"
			}
			fmt.Fprintf(p.stderr, "orch: interrupted with %d of %d runs done; %s\n", done(t), len(t.Runs), what)
		}
		return errors.Join(quiet(exitInterrupted), ferr)
	}
	if err != nil {
		return err
	}
	t, whole, err := p.finish(s, sn, pub.IDs)
	if err != nil {
		return err
	}
	p.summary(t, s)
	if c.Bool("report") {
		dir, err := writeReport(whole, s, chosen)
		if err != nil {
			return err
		}
		fmt.Fprintf(p.stdout, "report   %s\n", dir)
	}
	if cancelled := p.tellStopped(s, out); cancelled || anyFailed(t) {
		return quiet(exitSomeFailed)
	}
	return nil
}

// mayHaveWorkers reports whether a scheduler was asked for workers and has not said
// no, as far as is known.
func mayHaveWorkers(s *results.Sweep) bool {
	subs, err := s.Submissions()
	return err != nil || slices.ContainsFunc(subs, func(x *results.Submission) bool { return x.Answer == nil || x.Answer.Accepted })
}

// tellStopped says what an order keeps from running, and reports whether the
// sweep as a whole is cancelled: what was asked for just now will not happen.
func (p *program) tellStopped(s *results.Sweep, out *dispatch.Outcome) (cancelled bool) {
	for _, st := range out.States {
		if st.State == results.StateHeld && st.Order != nil {
			fmt.Fprintf(p.stderr, "orch: %d %s held: %s\n", out.Counts.Held, plural(out.Counts.Held, "run is", "runs are"), oneLine(st.Order.Cause))
			break
		}
	}
	for _, st := range out.States {
		if st.State == results.StateCancelled && st.Order != nil && st.Order.OfSweep() && st.Order.Action == results.ActionCancel {
			n := out.Counts.Cancelled
			fmt.Fprintf(p.stderr, "orch: %d %s cancelled (%s): orch retry %s opens them again\n", n, plural(n, "run is", "runs are"), oneLine(st.Order.Cause), s.Name)
			return true
		}
	}
	return false
}

// published says in a sentence what submitting did.
func published(name string, pub *dispatch.Published) string {
	s := fmt.Sprintf("sweep %s: %d %s", name, pub.Total, plural(pub.Total, "run", "runs"))
	for _, part := range []struct {
		n    int
		text string
	}{{pub.New, "new"}, {pub.Again, "to run again"}, {pub.Open, "open"}, {pub.Done, "done already"}, {pub.Failed, "failed before (orch retry opens them)"}, {pub.Dropped, "no longer planned"}} {
		if part.n > 0 {
			s += fmt.Sprintf(", %d %s", part.n, part.text)
		}
	}
	if pub.OtherCode > 0 {
		s += fmt.Sprintf(" (%d of them with other code)", pub.OtherCode)
	}
	if pub.New+pub.Again+pub.Open == 0 {
		s += "; nothing to run"
	}
	return s
}

// finish folds the sweep. mine has of its runs those that this command is about,
// for the terminal; a report is of the whole, whoever writes it.
func (p *program) finish(s *results.Sweep, sn *results.Snapshot, ids []string) (mine, whole *collect.Tables, err error) {
	if _, err := sn.Refresh(); err != nil {
		return nil, nil, err
	}
	whole, err = fold(s, sn)
	if err != nil {
		return nil, nil, err
	}
	about := map[string]bool{}
	for _, id := range ids {
		about[id] = true
	}
	part := *whole
	part.Runs = slices.DeleteFunc(slices.Clone(whole.Runs), func(r collect.Run) bool { return !about[r.ID] })
	return &part, whole, nil
}

func done(t *collect.Tables) int {
	n := 0
	for _, r := range t.Runs {
		if r.State == string(results.StateDone) {
			n++
		}
	}
	return n
}

func anyFailed(t *collect.Tables) bool {
	return slices.ContainsFunc(t.Runs, func(r collect.Run) bool { return r.State == string(results.StateFailed) })
}

// manyRuns is from how many runs on the summary lists only the failed ones.
const manyRuns = 60

// summary prints how the runs ended, the comparison, and where everything is.
func (p *program) summary(t *collect.Tables, s *results.Sweep) {
	p.listRuns(t)
	w := 0
	if p.outTTY {
		w = width(p.stdout)
	}
	if err := report.Summary(p.stdout, t, w); err != nil {
		p.log.Warn().Err(err).Msg("print summary")
	}
	fmt.Fprintf(p.stdout, "\nresults  %s\ntables   %s\n", s.Path(), filepath.Join(s.Path(), "collected"))
	if len(t.Runs) > 0 && offline(s, t.Runs[len(t.Runs)-1].Name) {
		fmt.Fprintf(p.stdout, "wandb    wandb sync %s/runs/*/*/wandb/offline-run-*\n", s.Path())
	}
}

// offline reports whether a run left something that W&B has not uploaded.
func offline(s *results.Sweep, run string) bool {
	found, _ := filepath.Glob(filepath.Join(s.AttemptPath(run, "*"), "wandb", "offline-run-*"))
	return len(found) > 0
}
