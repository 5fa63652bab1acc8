package dispatch

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"strings"

	"orch/launcher"
	"orch/sweep/results"
)

// topUp starts workers for the blocks that nobody holds. Groups share the
// machine: what the workers of one take, as a share of how many would fit, is
// gone for the others.
func (d *Dispatcher) topUp(ctx context.Context, subs []*results.Submission, jobs workers, out *Outcome) error {
	claimable := d.Snapshot.Claimable(out.States)
	alive, unknown := map[string]int{}, map[string]int{}
	ours := map[string]bool{} // submissions with workers among these
	for _, sub := range subs {
		if sub.Intent == nil {
			continue
		}
		key := sub.Intent.Group
		n := jobs.alive(sub.Intent.Key)
		alive[key] += n
		if n == 0 && sub.Answer == nil && mayExist(sub) { // counts as if it did
			unknown[key] += sub.Intent.Workers
			n = sub.Intent.Workers
		}
		ours[sub.Intent.Key] = n > 0
	}
	busy := map[string]map[string]bool{}
	for _, c := range d.Snapshot.OpenClaims() {
		if !ours[c.Holder.Key] { // another host's pool, or dead: it is none of those that may be idle
			continue
		}
		if busy[c.Key] == nil {
			busy[c.Key] = map[string]bool{}
		}
		busy[c.Key][c.Holder.Name] = true
	}
	used := map[launcher.Launcher]float64{} // share of the machine, by launcher
	for _, key := range d.Snapshot.Plan.Keys() {
		if o, ok := d.open[key]; ok && alive[key] > 0 {
			used[o.Launcher] += float64(alive[key]) / float64(d.fit(o, key))
		}
	}
	var errs []error
	for _, key := range d.Snapshot.Plan.Keys() {
		if claimable[key] == 0 {
			continue
		}
		o, ok := d.open[key]
		if !ok || d.MayStart != nil && !d.MayStart(o.spec) {
			continue
		}
		fit := d.fit(o, key)
		if fit == 0 {
			errs = append(errs, fmt.Errorf("not even one worker with %d cpus, %d MiB and %d gpus fits here: lower launcher.threads, launcher.mem or launcher.gpus",
				o.spec.CPUs, o.spec.MemMiB, o.spec.GPUs))
			continue
		}
		idle := max(0, alive[key]+unknown[key]-len(busy[key]))
		want := (claimable[key]+o.spec.Parallel-1)/o.spec.Parallel - idle
		room := int(math.Floor((1-used[o.Launcher])*float64(fit) + 1e-9))
		if o.spec.Workers > 0 {
			room = min(room, o.spec.Workers-alive[key]-unknown[key])
		}
		n := min(want, room)
		if n <= 0 {
			continue
		}
		if err := d.barrenCheck(key); err != nil {
			errs = append(errs, err)
			continue
		}
		if err := d.submit(ctx, subs, key, o, n, out); err != nil {
			if errors.Is(err, results.ErrTaken) {
				return errors.Join(errs...) // another Step is at it: look again next time
			}
			errs = append(errs, err)
			continue
		}
		used[o.Launcher] += float64(n) / float64(fit)
		return errors.Join(errs...) // one submission number was seen; the next Step goes on
	}
	return errors.Join(errs...)
}

// mayExist tells of a submission without an answer whether it can have workers
// that take work from ours. A pool's are on the host of its submitter: those of
// another host do not count here, and after its death there are none.
func mayExist(sub *results.Submission) bool {
	return sub.Intent.Backend != "pool" || sub.Intent.By.Fate() == results.FateAlive
}

// fit returns how many workers of a request the machine can run at once.
func (d *Dispatcher) fit(o opened, key string) int {
	if s, ok := launcher.As[launcher.Sizer](o.Launcher); ok {
		n, ok := s.Fit(o.spec.Resources())
		if !ok {
			return 0
		}
		return n
	}
	if g := d.Snapshot.Plan.Group(key); g != nil {
		return max(1, g.Workers/o.spec.Parallel)
	}
	return 1
}

// barrenCheck counts submissions in a row after which no worker had claimed
// anything: then it is the worker that does not start, not a run that fails.
// What fails after a claim is bounded by the cap on lost attempts.
func (d *Dispatcher) barrenCheck(key string) error {
	if n := d.Snapshot.Claims(); n > d.claims {
		d.claims = n
		clear(d.barren)
	}
	if d.barren[key]++; d.barren[key] > maxBarren {
		return fmt.Errorf("%w: %d submissions in a row; see the workers' logs in %s/subs/", ErrBarren, maxBarren, d.Sweep.Path())
	}
	return nil
}

func (d *Dispatcher) submit(ctx context.Context, subs []*results.Submission, key string, o opened, n int, out *Outcome) error {
	argv, env, err := d.Worker(key, o.spec)
	if err != nil {
		return err
	}
	last := 0
	if len(subs) > 0 {
		last = subs[len(subs)-1].Number
	}
	in := results.Intent{Key: jobKey(d.Sweep.Name), Group: key, Backend: o.spec.Backend, Workers: n, Argv: argv, By: results.Self()}
	if g := d.Snapshot.Plan.Group(key); g != nil {
		in.Launcher = g.Launcher
	}
	sub, err := d.Sweep.Submit(last, in)
	if err != nil {
		d.unasked[in.Key] = true // the intent may be in the tree all the same
		return err
	}
	job, err := o.Submit(ctx, launcher.Request{Key: in.Key, Workers: n, Argv: argv, Env: env,
		Dir: d.Sweep.Path(), LogDir: sub.Dir(), Resources: o.spec.Resources(), Options: o.spec.Options})
	var limited *launcher.Limited
	switch {
	case err == nil:
		out.Started += n
		out.Workers += n
		out.Jobs = append(out.Jobs, job)
		return sub.Record(results.Answer{Accepted: true, Job: job, How: "submit"})
	case errors.As(err, &limited):
		out.Notes = append(out.Notes, err.Error())
		return sub.Record(results.Answer{How: "submit", Reason: err.Error()})
	case launcher.IsRefused(err):
		return errors.Join(fmt.Errorf("start %d workers: %w", n, err), sub.Record(results.Answer{How: "submit", Reason: err.Error()}))
	}
	// A pool lists its job from before the first worker starts: one that it does
	// not list by the next Step has none. A scheduler may have it and not show it.
	d.unasked[in.Key] = o.spec.Backend == "pool"
	return fmt.Errorf("start %d workers: %w (whether they exist is not known yet)", n, err)
}

// jobKey names a job: unique, and readable in the scheduler's own lists.
func jobKey(sweep string) string {
	return fmt.Sprintf("orch-%.24s-%s", sweep, strings.ToLower(rand.Text()[:16]))
}
