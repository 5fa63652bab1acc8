package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/launcher/slurm"
	"orch/sweep/dispatch"
	"orch/sweep/override"
	"orch/sweep/results"
)

// A follower is a small job that starts when the workers' jobs have ended, makes
// a Step, and adds the next follower until nothing is left; the last one writes
// the tables and the report. So a sweep goes on to its report on a cluster that
// has neither cron nor a place for a daemon.
//
// It may die at any point. Before it does anything it submits its own successor,
// which waits for its end; the better one that waits for the workers replaces
// that. Each is numbered in the tree and named like the workers' jobs,
// so an answer of sbatch that got lost is found again, and of several followers
// that live the one with the highest number goes on and the others leave.

// Bounds of the chain.
const (
	followLinks = 2000             // followers of one sweep
	followIdle  = 40               // in a row during which no run ended: with the waits below more than a day
	followFirst = time.Minute      // wait until the next one where no job can be waited for,
	followMost  = 60 * time.Minute // doubled each time that nothing happened, to at most this
	followTime  = 30 * time.Minute // of one follower
	followMem   = 2048             // MiB: the tables of 100,000 runs with 20 metric rows each take 740
	followJobs  = 40               // jobs that one can wait for: the newest
)

func followCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "follow",
		Usage:       "make a Step, and add a job that does so again until nothing is left (internal)",
		Description: "What orch submit --report leaves behind on a scheduler.",
		Hidden:      true,
		Flags: []cli.Flag{resultsFlag(), &cli.StringFlag{Name: "sweep", Required: true, Usage: "`NAME` of the sweep"},
			&cli.IntFlag{Name: "number", Usage: "of this follower"},
			&cli.IntFlag{Name: "ended", Usage: "runs that had ended when it was added"},
			&cli.IntFlag{Name: "idle", Usage: "followers in a row that saw no run end"},
		},
		Action: func(c *cli.Context) error { return p.followOnce(c) },
	}
}

// follower adds followers to a sweep.
type follower struct {
	p        *program
	s        *results.Sweep
	m        *machines
	launcher override.Value
	number   int // of this process; 0: submit itself
	idle     int
	leave    <-chan struct{}
}

// newFollower returns nil if the sweep uses no scheduler.
func (p *program) newFollower(s *results.Sweep, sn *results.Snapshot) *follower {
	for _, key := range sn.Plan.Keys() {
		g := sn.Plan.Group(key)
		if g == nil {
			continue
		}
		if spec, _ := parseLauncher(g.Launcher); spec.Backend == slurm.Backend.Name {
			return &follower{p: p, s: s, m: &machines{p: p, tree: s.Tree()}, launcher: g.Launcher}
		}
	}
	return nil
}

// followerOptions are the launcher's own keys of a follower: it runs this
// program alone, so it needs no GPU, no setup and no mail.
func followerOptions(options map[string]any) map[string]any {
	o := maps.Clone(options)
	for _, key := range []string{"gres", "gpu_type", "setup", "wrap", "constraint", "nodelist", "throttle", "warn"} {
		delete(o, key)
	}
	extra, _ := o["extra"].([]any)
	extra = slices.DeleteFunc(slices.Clone(extra), func(w any) bool {
		s, _ := w.(string)
		return strings.HasPrefix(s, "--mail") || strings.HasPrefix(s, "--dependency") || strings.HasPrefix(s, "--begin")
	})
	o["extra"] = extra
	if part, ok := o["report_partition"].(string); ok && part != "" {
		o["partition"] = part
	}
	return o
}

// add submits the next follower, to start when these jobs have ended and so much
// time has passed.
func (f *follower) add(ctx context.Context, after []string, wait time.Duration, ended, idle int) (job string, err error) {
	l, spec, err := f.m.get(ctx, f.launcher)
	if err != nil {
		return "", err
	}
	exe, err := f.p.frozen(f.s.Tree())
	if err != nil {
		return "", err
	}
	options := followerOptions(spec.Options)
	extra := options["extra"].([]any)
	if len(after) > 0 {
		extra = append(extra, afterAny(after))
	}
	if wait > 0 {
		extra = append(extra, fmt.Sprintf("--begin=now+%d", int(wait.Seconds())))
	}
	options["extra"] = extra
	limit := followTime
	if spec.Time > 0 {
		limit = min(limit, spec.Time)
	}
	for {
		subs, err := f.s.Followers()
		if err != nil {
			return "", err
		}
		last := 0
		if len(subs) > 0 {
			last = subs[len(subs)-1].Number
		}
		if last >= followLinks {
			return "", fmt.Errorf("%d jobs have followed this sweep, which is enough: orch submit --report begins anew with a sweep of another name", last)
		}
		argv := []string{exe, "--log-level=" + f.p.log.GetLevel().String(), "follow", "--results=" + f.s.Tree().Path(), "--sweep=" + f.s.Name,
			"--number=" + strconv.Itoa(last+1), "--ended=" + strconv.Itoa(ended), "--idle=" + strconv.Itoa(idle)}
		in := results.Intent{Key: fmt.Sprintf("orch-%.24s-r%s", f.s.Name, strings.ToLower(rand.Text()[:15])), Backend: spec.Backend,
			Launcher: f.launcher, Workers: 1, Argv: argv, By: results.Self()}
		sub, err := f.s.Follow(last, in)
		if errors.Is(err, results.ErrTaken) { // where listings are cached it may not be seen yet
			select {
			case <-ctx.Done():
				return "", ctx.Err()
			case <-time.After(time.Second):
			}
			continue
		}
		if err != nil {
			return "", err
		}
		job, err := l.Submit(ctx, launcher.Request{Key: in.Key, Workers: 1, Argv: argv, Dir: f.s.Path(), LogDir: sub.Dir(),
			Resources: launcher.Resources{CPUs: 1, MemMiB: followMem, Time: limit}, Options: options})
		var limited *launcher.Limited
		switch {
		case err == nil:
			return job, sub.Record(results.Answer{Accepted: true, Job: job, How: "submit"})
		case errors.As(err, &limited) || launcher.IsRefused(err):
			return "", errors.Join(fmt.Errorf("add the job that reports: %w", err), sub.Record(results.Answer{How: "submit", Reason: err.Error()}))
		}
		return "", fmt.Errorf("add the job that reports: %w (whether it exists is not known yet)", err)
	}
}

// afterAny is the option of sbatch that waits for the end of jobs. It takes their
// numbers; the IDs of a cluster that is named end with its name.
func afterAny(ids []string) string {
	option := "--dependency=afterany"
	for _, id := range ids {
		number, _, _ := strings.Cut(id, ";")
		option += ":" + number
	}
	return option
}

// newest reports whether no later follower is, or may be, there, and notes the
// launcher of this one.
func (f *follower) newest() (bool, error) {
	subs, err := f.s.Followers()
	if err != nil {
		return false, err
	}
	for _, sub := range subs {
		switch {
		case sub.Number > f.number && (sub.Answer == nil || sub.Answer.Accepted):
			return false, nil
		case sub.Number == f.number && sub.Intent != nil:
			f.launcher = sub.Intent.Launcher
		}
	}
	if f.launcher.IsNull() {
		return false, fmt.Errorf("follower %d was never submitted", f.number)
	}
	return true, nil
}

// workersJobs are the newest jobs of workers that wait or run.
func workersJobs(out *dispatch.Outcome) []string {
	jobs := slices.Compact(slices.Sorted(slices.Values(out.Jobs)))
	return jobs[max(0, len(jobs)-followJobs):]
}

// followOnce is what a follower's job does.
func (p *program) followOnce(c *cli.Context) error {
	leave, unlisten := p.listen()
	defer unlisten()
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	s, err := tree.Sweep(c.String("sweep"))
	if err != nil {
		return err
	}
	defer s.Close()
	f := &follower{p: p, s: s, m: &machines{p: p, tree: tree}, number: c.Int("number"), idle: c.Int("idle"), leave: leave}
	defer f.m.close()
	if ok, err := f.newest(); err != nil || !ok {
		p.log.Info().Int("number", f.number).Msg("a later job follows the sweep")
		return err
	}
	// If this process dies, or cannot read the tree just now, the next one takes
	// its place.
	self := cmp.Or(os.Getenv("SLURM_ARRAY_JOB_ID"), os.Getenv("SLURM_JOB_ID"))
	spare := ""
	if self != "" {
		wait := min(followMost, followFirst/6<<min(f.idle, 10)) // what kills it once may do so again
		if spare, err = f.add(p.ctx, []string{self}, wait, c.Int("ended"), f.idle+1); err != nil {
			p.log.Warn().Err(err).Msg("no job takes over if this one dies")
		}
	}
	sn, err := s.Snapshot()
	if err != nil {
		return err
	}
	over, err := f.step(sn, c.Int("ended"))
	if err != nil && !over {
		return err // the spare one tries again
	}
	if spare != "" {
		if l, _, err := f.m.get(p.ctx, f.launcher); err == nil {
			if err := l.Cancel(p.ctx, spare); err != nil {
				p.log.Warn().Err(err).Str("job", spare).Msg("it finds nothing to do and leaves")
			}
		}
	}
	if !over {
		return nil
	}
	return errors.Join(err, f.report(sn))
}

// step makes a Step, and adds the next follower if anything is left. over says
// that this was the last one.
func (f *follower) step(sn *results.Snapshot, before int) (over bool, err error) {
	d, closeAll := f.p.dispatcher(f.s, sn, false)
	defer closeAll()
	out, err := f.settle(d)
	if out == nil {
		return false, err
	}
	for _, n := range out.Notes {
		f.p.log.Info().Msg(oneLine(n))
	}
	if err != nil {
		f.p.log.Warn().Err(err).Msg("the Step was not complete")
	}
	if out.Left == 0 && out.Waiting == 0 && !out.Due {
		return true, nil
	}
	ended := out.Counts.Done + out.Counts.Failed + out.Counts.Cancelled
	idle := f.idle + 1
	if ended != before {
		idle = 0
	}
	if idle > followIdle {
		return true, fmt.Errorf("no run has ended while %d jobs looked; what there is is reported: orch status %s says what is left, orch submit goes on", idle, f.s.Name)
	}
	wait := min(followMost, followFirst<<min(idle, 10))
	jobs := workersJobs(out)
	if len(jobs) > 0 {
		wait = min(wait, followFirst) / 6 // they are waited for, and two must not chase each other
	}
	_, err = f.add(f.p.ctx, jobs, wait, ended, idle)
	return false, err
}

// settle makes Steps until no more can be started, and for a moment longer while
// the last workers close what they hold.
func (f *follower) settle(d *dispatch.Dispatcher) (out *dispatch.Outcome, err error) {
	for end := time.Now().Add(30 * time.Second); ; {
		if out, err = d.Step(f.p.ctx); out == nil || f.p.ctx.Err() != nil {
			return out, err
		}
		holding := out.Left == 0 && out.Waiting > 0
		if out.Started == 0 && !holding || err != nil || time.Now().After(end) {
			return out, err
		}
		select {
		case <-f.leave:
			return out, err
		case <-time.After(time.Second):
		}
	}
}

// report writes the tables and the report.
func (f *follower) report(sn *results.Snapshot) error {
	if _, err := sn.Refresh(); err != nil {
		return err
	}
	t, err := fold(f.s, sn)
	if err != nil {
		return err
	}
	dir, err := writeReport(t, f.s, formats)
	if err == nil {
		f.p.log.Info().Str("folder", dir).Msg("report is written")
	}
	return err
}

// followSweep is what submit --report does on a scheduler after it has started
// the workers.
func (p *program) followSweep(s *results.Sweep, sn *results.Snapshot, out *dispatch.Outcome) error {
	f := p.newFollower(s, sn)
	if f == nil {
		return nil
	}
	defer f.m.close()
	if out.Left == 0 {
		return f.report(sn)
	}
	jobs := workersJobs(out)
	wait := followFirst
	if len(jobs) > 0 {
		wait = 0
	}
	job, err := f.add(p.ctx, jobs, wait, out.Counts.Done+out.Counts.Failed+out.Counts.Cancelled, 0)
	if err != nil {
		return fmt.Errorf("%w; the workers go on, and nothing follows them: type the same command again when there is room for one more job, or orch report %s at the end", err, s.Name)
	}
	fmt.Fprintf(p.stdout, "job %s follows the workers, starts more if need be, and at the end writes the report to %s/report/report.html\n", job, s.Path())
	return nil
}

// unfollow cancels the followers of a sweep that the scheduler still has.
func (p *program) unfollow(s *results.Sweep) error {
	subs, err := s.Followers()
	if err != nil || len(subs) == 0 {
		return err
	}
	m := &machines{p: p, tree: s.Tree()}
	defer m.close()
	byKey := map[string]bool{}
	var table override.Value
	for _, sub := range subs {
		if sub.Intent != nil && (sub.Answer == nil || sub.Answer.Accepted) {
			byKey[sub.Intent.Key], table = true, sub.Intent.Launcher
		}
	}
	if len(byKey) == 0 {
		return nil
	}
	l, _, err := m.get(p.ctx, table)
	if err != nil {
		return err
	}
	list, err := jobsNow(p.ctx, l) // by name: numbers come again
	if err != nil {
		return err
	}
	var ids []string
	for _, w := range list {
		if byKey[w.Key] && (w.State == launcher.Pending || w.State == launcher.Running) {
			ids = append(ids, w.Job)
		}
	}
	return l.Cancel(p.ctx, ids...)
}

// jobsNow asks for workers now, though it was asked a moment ago.
func jobsNow(ctx context.Context, l launcher.Launcher) ([]launcher.Worker, error) {
	if polite, ok := launcher.As[*launcher.Polite](l); ok {
		return polite.Now(ctx, 0)
	}
	return l.Jobs(ctx)
}

// frozen returns the tree's copy of this program.
func (p *program) frozen(t *results.Tree) (string, error) {
	exe, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find this program: %w", err)
	}
	return t.FreezeBinary(exe, binaryID())
}
