package dispatch

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orch/launcher"
	"orch/sweep/override"
	"orch/sweep/results"
)

// Dispatcher makes Steps for one sweep. It is not safe for concurrent use; two
// Dispatchers, in one process or on two hosts, are.
type Dispatcher struct {
	Sweep    *results.Sweep
	Snapshot *results.Snapshot

	// Launcher opens the launcher of a resource request, the same value for
	// the same backend: its Jobs are asked once a Step.
	Launcher func(ctx context.Context, table override.Value) (launcher.Launcher, launcher.Spec, error)

	// MayStart says whether this process may start workers of a backend. A
	// foreground pool's workers live and die with the process that asked for
	// them, so only submit starts those.
	MayStart func(spec launcher.Spec) bool

	// Worker returns the command line of a worker for a resource request.
	Worker func(key string, spec launcher.Spec) (argv, env []string, err error)

	// Workers says how many workers a request can have; see [Publication]. nil:
	// the sweep's retry policy is left to other Steps.
	Workers func(table override.Value) (workers, parallel int, known bool, err error)

	seen       *results.Observations
	remembered time.Time         // when observations were saved last
	barren     map[string]int    // by key: submissions in a row whose workers claimed nothing
	claims     int               // generations claimed when the last submission was made
	open       map[string]opened // by key
	unasked    map[string]bool   // by submission key: ours that failed before any worker was asked for
}

type opened struct {
	launcher.Launcher
	spec launcher.Spec
}

// Outcome is what a Step found and did.
type Outcome struct {
	States  []results.RunState
	Counts  results.Counts
	Workers int      // alive or waiting to start, as far as the launchers know
	Jobs    []string // IDs of jobs with such workers, by backend order
	Started int      // workers asked for in this Step
	Closed  int      // generations of dead workers sealed in this Step
	Waiting int      // generations whose grace time is not over
	Left    int      // runs that are neither ended nor stopped by an order
	Notes   []string // what a person should know
}

// look derives the states of the runs.
func (o *Outcome) look(sn *results.Snapshot) {
	o.States = sn.Derive()
	o.Counts = results.Count(o.States)
	o.Left = 0
	for _, st := range o.States {
		if st.State == results.StateQueued || st.State == results.StateRunning {
			o.Left++
		}
	}
}

// Over reports whether nothing is left that a later Step or a worker could do.
func (o *Outcome) Over() bool { return o.Left == 0 && o.Workers == 0 && o.Waiting == 0 }

// ErrBarren is wrapped when workers end again and again without claiming
// anything: something is wrong with the setup, not with a run.
var ErrBarren = errors.New("workers end without beginning any run")

// maxBarren is how many submissions in a row may achieve nothing.
const maxBarren = 3

// Step moves the sweep forward once. Errors of one resource group do not keep
// the others from going on; they come back joined.
func (d *Dispatcher) Step(ctx context.Context) (*Outcome, error) {
	if d.barren == nil {
		d.barren, d.open, d.unasked = map[string]int{}, map[string]opened{}, map[string]bool{}
	}
	if _, err := d.Snapshot.Refresh(); err != nil {
		return nil, err
	}
	subs, err := d.Sweep.Submissions()
	if err != nil {
		return nil, err
	}
	var errs []error
	jobs, err := d.jobs(ctx, subs)
	if err != nil {
		errs = append(errs, err)
	}
	if err := d.reconcile(subs, jobs); err != nil {
		errs = append(errs, err)
	}
	out := &Outcome{}
	if err := d.bury(jobs, out); err != nil {
		errs = append(errs, err)
	}
	if out.Closed > 0 {
		if _, err := d.Snapshot.Refresh(); err != nil {
			return nil, err
		}
	}
	out.look(d.Snapshot)
	if err := d.again(out); err != nil {
		errs = append(errs, err)
	}
	d.count(subs, jobs, out)
	if err := d.topUp(ctx, subs, jobs, out); err != nil {
		errs = append(errs, err)
	}
	return out, errors.Join(errs...)
}

// workers is what the launchers say, by submission key.
type workers map[string][]launcher.Worker

// add adds what a launcher says of a worker. Two launchers of one machine may
// know the same one; the one that has seen more of its life is right.
func (w workers) add(x launcher.Worker) {
	for i, y := range w[x.Key] {
		if y.Index == x.Index && y.Job == x.Job {
			if x.State > y.State || x.State == y.State && x.End.Proof {
				w[x.Key][i] = x
			}
			return
		}
	}
	w[x.Key] = append(w[x.Key], x)
}

func (w workers) alive(key string) int {
	n := 0
	for _, x := range w[key] {
		if x.State == launcher.Pending || x.State == launcher.Running {
			n++
		}
	}
	return n
}

// launcherFor opens the launcher that serves a key now.
func (d *Dispatcher) launcherFor(ctx context.Context, key string) (opened, error) {
	if o, ok := d.open[key]; ok {
		return o, nil
	}
	g := d.Snapshot.Plan.Group(key)
	if g == nil {
		return opened{}, fmt.Errorf("resource group %s is in no plan", key)
	}
	l, spec, err := d.Launcher(ctx, g.Launcher)
	if err != nil {
		return opened{}, err
	}
	d.open[key] = opened{l, spec}
	return d.open[key], nil
}

// jobs asks every launcher that this sweep has used, or will, once.
func (d *Dispatcher) jobs(ctx context.Context, subs []*results.Submission) (workers, error) {
	w := workers{}
	asked := map[launcher.Launcher]bool{}
	var errs []error
	ask := func(l launcher.Launcher) {
		if asked[l] {
			return
		}
		asked[l] = true
		list, err := l.Jobs(ctx)
		if err != nil {
			errs = append(errs, fmt.Errorf("list workers: %w", err))
		}
		for _, x := range list {
			w.add(x)
		}
	}
	for _, key := range d.Snapshot.Plan.Keys() {
		o, err := d.launcherFor(ctx, key)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		ask(o.Launcher)
	}
	return w, errors.Join(errs...)
}

// reconcile finds out what became of submissions without an answer: the job's
// unique name tells. What cannot be told yet stays open, and is never asked for
// again blindly.
func (d *Dispatcher) reconcile(subs []*results.Submission, jobs workers) error {
	var errs []error
	for _, sub := range subs {
		if sub.Intent == nil || sub.Answer != nil {
			continue
		}
		var a results.Answer
		switch found := jobs[sub.Intent.Key]; {
		case len(found) > 0:
			a = results.Answer{Accepted: true, Job: found[0].Job, How: "found by name"}
		case sub.Intent.Backend == "pool" && sub.Intent.By.Fate() == results.FateDead:
			// A pool's job is known on its host from before its first worker
			// starts, so one that is not known has none.
			a = results.Answer{How: "submitter died", Reason: "its submitter died before it started any worker"}
		case d.unasked[sub.Intent.Key]:
			a = results.Answer{How: "submit", Reason: "its submitter could not start any worker"}
		default:
			continue
		}
		errs = append(errs, sub.Record(a))
	}
	return errors.Join(errs...)
}

// bury closes the generations of dead holders: at once where death is proven,
// else after a fence and the grace time.
func (d *Dispatcher) bury(jobs workers, out *Outcome) error {
	seen, err := d.observations()
	if err != nil {
		return err
	}
	seen.Look(d.Snapshot)
	var errs []error
	self := results.Self()
	by := fmt.Sprintf("%s-%d", self.Host, self.PID)
	silence := time.Duration(d.Sweep.Tree().Silence * float64(time.Second))
	for _, c := range d.Snapshot.OpenClaims() {
		c.Quiet = max(c.Quiet, seen.Quiet(c.Holder.Name))
		proven, suspected, class := d.judge(c, jobs, silence)
		if !proven && !suspected {
			continue
		}
		if !seen.Knows(c.Block, c.Gen) {
			if err := d.Sweep.Fence(c.Block, c.Gen, by); err != nil {
				errs = append(errs, err)
				continue
			}
		}
		grace := 2 * time.Duration(c.Holder.DirCache*float64(time.Second))
		if waited := seen.Fenced(c.Block, c.Gen); !proven && waited < grace {
			out.Waiting++
			continue
		}
		if _, err := d.Sweep.SealDead(c.Claim, by, class); err != nil {
			errs = append(errs, err)
			continue
		}
		out.Closed++
		out.Notes = append(out.Notes, fmt.Sprintf("worker %s is gone (%s): its unfinished runs are open again", c.Holder.Name, class))
	}
	if time.Since(d.remembered) > rememberEvery { // a loop need not write at every turn
		d.remembered = time.Now()
		errs = append(errs, seen.Save())
	}
	return errors.Join(errs...)
}

// observations returns what this host has seen, in this process and others.
func (d *Dispatcher) observations() (seen *results.Observations, err error) {
	if d.seen != nil {
		return d.seen, d.seen.Refresh()
	}
	d.seen, err = d.Sweep.Observations()
	return d.seen, err
}

// rememberEvery bounds how often a process that makes many Steps writes down
// what it has seen. A process that makes one writes at once.
const rememberEvery = 20 * time.Second

// judge weighs the evidence about a holder.
func (d *Dispatcher) judge(c results.OpenClaim, jobs workers, silence time.Duration) (proven, suspected bool, class results.Class) {
	class = results.Lost
	for _, w := range jobs[c.Holder.Key] {
		if w.Index != c.Holder.Index || w.PID != 0 && w.PID != c.Holder.PID {
			continue
		}
		if w.State == launcher.Ended {
			proven, suspected, class = w.End.Proof, true, Class(w.End)
		}
	}
	switch c.Holder.Fate() {
	case results.FateDead:
		proven = true
	case results.FateRebooted:
		suspected = true
	case results.FateUnknown:
		suspected = suspected || silence > 0 && c.Quiet > silence
	}
	return proven, suspected, class
}

// Class maps how a worker ended onto what that means for the run it held.
func Class(e launcher.End) results.Class {
	switch e.Cause {
	case launcher.OutOfMemory:
		return results.OutOfMemory
	case launcher.OutOfTime:
		return results.OutOfTime
	case launcher.Preempted:
		return results.Preempted
	case launcher.NodeLost:
		return results.NodeLost
	case launcher.SetupFailed:
		return results.BadSetup
	case launcher.Cancelled:
		return results.Cancelled
	}
	return results.Lost
}

// count adds up the workers of this sweep that live.
func (d *Dispatcher) count(subs []*results.Submission, jobs workers, out *Outcome) {
	for _, sub := range subs {
		if sub.Intent == nil {
			continue
		}
		if n := jobs.alive(sub.Intent.Key); n > 0 {
			out.Workers += n
			if sub.Answer != nil && sub.Answer.Job != "" {
				out.Jobs = append(out.Jobs, sub.Answer.Job)
			}
		}
	}
}
