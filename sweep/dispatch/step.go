package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
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

	// Stay says that the workers outlive this process: Drive leaves them alone
	// when it is told to leave.
	Stay bool

	// Worker returns the command line of a worker for a resource request.
	Worker func(key string, spec launcher.Spec) (argv, env []string, err error)

	// Workers says how many workers a request can have; see [Publication]. nil:
	// the sweep's retry policy is left to other Steps.
	Workers func(table override.Value) (workers, parallel int, known bool, err error)

	// Insist says that somebody waits who may have mended what was wrong: a
	// machine in trouble is asked all the same, and earlier failures of the
	// setup count for nothing.
	Insist bool

	remembered time.Time         // when observations were saved last
	barren     map[string]int    // by key: submissions in a row whose workers claimed nothing
	claims     int               // generations claimed when the last submission was made
	open       map[string]opened // by key
	unasked    map[string]bool   // by submission key: ours that failed before any worker was asked for
	history    time.Time         // when a machine's record of past jobs was asked last
	stepped    bool              // not the first Step
	from       int               // newest submission before the first Step

	seen *results.Observations // what this host has seen, in this process and others
	// Of this Step:
	said map[launcher.Launcher]*said
	took map[string][]float64 // seconds that finished runs took, by key
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
	Due     bool     // the retry policy grants tries that could not be published just now
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
func (o *Outcome) Over() bool { return o.Left == 0 && o.Workers == 0 && o.Waiting == 0 && !o.Due }

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
	if d.seen == nil {
		d.seen, err = d.Sweep.Observations()
	} else {
		err = d.seen.Refresh()
	}
	if err != nil {
		return nil, err
	}
	if !d.stepped && len(subs) > 0 {
		d.from = subs[len(subs)-1].Number
	}
	var errs []error
	out := &Outcome{}
	out.look(d.Snapshot)
	jobs, err := d.jobs(ctx, subs, out)
	if err != nil {
		errs = append(errs, err)
	}
	forMemory(subs, jobs)
	if err := d.reconcile(ctx, subs, jobs, out); err != nil {
		errs = append(errs, err)
	}
	for _, sub := range subs {
		if out.Left > 0 && sub.Intent != nil && sub.Answer == nil && sub.Intent.Backend != "pool" {
			out.Notes = append(out.Notes, fmt.Sprintf("whether submission %d was accepted is not known yet: it was not, if no job of its name is seen for %v; until then nothing more is asked for", sub.Number, patienceAbsent))
		}
	}
	for _, b := range d.Snapshot.Blocked() {
		out.Notes = append(out.Notes, b.String())
	}
	out.tellStuck(subs, jobs)
	forMemory(subs, jobs) // what the records added
	if err := d.bury(jobs, out); err != nil {
		errs = append(errs, err)
	}
	// A scheduler takes its time to answer, and was asked after the tree was read:
	// workers that it says have ended may have done what seems to wait.
	if out.Closed > 0 || out.Left > 0 && someEnded(subs, jobs) {
		if _, err := d.Snapshot.Refresh(); err != nil {
			return nil, err
		}
	}
	out.look(d.Snapshot)
	if err := d.again(out); err != nil {
		errs = append(errs, err)
	}
	d.count(subs, jobs, out)
	if err := d.withdraw(ctx, subs, jobs, out); err != nil { // first: there may be room for others then
		errs = append(errs, err)
	}
	if err := d.topUp(ctx, subs, jobs, out); err != nil {
		errs = append(errs, err)
	}
	if d.seen.Pressing() || time.Since(d.remembered) > rememberEvery { // a loop need not write at every turn
		d.remembered = time.Now()
		errs = append(errs, d.seen.Save())
	}
	d.stepped = true
	return out, errors.Join(errs...)
}

// rememberEvery bounds how often a process that makes many Steps writes down
// what it has seen. A process that makes one writes at once. Tests have more.
var rememberEvery = 20 * time.Second

// count adds up the workers of this sweep that live.
func (d *Dispatcher) count(subs []*results.Submission, jobs workers, out *Outcome) {
	for _, sub := range subs {
		if sub.Intent == nil {
			continue
		}
		out.Workers += d.alive(sub.Intent.Key, jobs)
		for _, w := range jobs[sub.Intent.Key] {
			if d.counts(&w) && !slices.Contains(out.Jobs, w.Job) {
				out.Jobs = append(out.Jobs, w.Job)
			}
		}
	}
}
