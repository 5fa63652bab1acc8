package dispatch

import (
	"context"
	"errors"
	"time"

	"orch/launcher"
)

// ErrInterrupted says that the sweep was left before it was over, cleanly:
// submitting the same file again goes on with it.
var ErrInterrupted = errors.New("interrupted")

// Poll bounds how often Drive looks at the tree between events: fast enough for
// a progress bar, and never so often that looking takes more than a tenth of
// the time.
const (
	pollLeast = 100 * time.Millisecond
	pollMost  = 10 * time.Second
	pollShare = 10
)

// patience is how long Drive goes on while Steps fail and no worker lives: a disk
// that is full for longer needs a person, who must hear of it.
// Tests have less.
var patience = 10 * time.Second

// leastTries is how many Steps in a row must have failed besides: where one takes
// a second, the next begins when the patience is over.
const leastTries = 5

// Drive makes Steps until the sweep is over, and calls each after every one.
// It is the loop of a foreground submit. When leave is closed it asks the
// workers to leave, waits for them, and returns ErrInterrupted (at once and
// without asking them, if Stay is set); when ctx ends it returns at once, and
// whoever owns the launcher ends the workers.
func (d *Dispatcher) Drive(ctx context.Context, leave <-chan struct{}, each func(*Outcome)) (*Outcome, error) {
	leaving := false
	working := time.Now() // when the last Step made progress possible
	failed := 0           // Steps since
	for {
		changed := d.changes()
		begin := time.Now()
		out, err := d.Step(ctx)
		if err != nil && (out == nil || errors.Is(err, ErrBarren) || launcher.IsRefused(err) || ctx.Err() != nil) {
			return out, err
		}
		if err == nil || out.Workers > 0 || IsAway(err) {
			working, failed = begin, 0
		} else if failed++; failed >= leastTries && begin.Sub(working) > patience {
			return out, err
		}
		if err != nil {
			out.Notes = append(out.Notes, err.Error())
		}
		each(out)
		switch {
		case out.Over(): // also if it was to leave: the workers may have done the rest
			return out, nil
		case leaving && out.Workers == 0:
			return out, ErrInterrupted
		}
		wait := min(max(pollLeast, pollShare*time.Since(begin)), pollMost)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return out, ctx.Err()
		case <-leave:
			if d.Stay {
				timer.Stop()
				return out, ErrInterrupted
			}
			leave, leaving = nil, true
			d.MayStart = func(launcher.Spec) bool { return false }
			d.cancelWorkers(ctx, out)
		case <-changed:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// changes returns a channel that is closed when a worker of ours ends, if some
// launcher can tell.
func (d *Dispatcher) changes() <-chan struct{} {
	for _, o := range d.open {
		if n, ok := launcher.As[launcher.Notifier](o.Launcher); ok {
			return n.Changed()
		}
	}
	return nil
}

// cancelWorkers asks every worker of the sweep that this process may end to
// leave. Errors are not fatal: the loop sees who stays.
func (d *Dispatcher) cancelWorkers(ctx context.Context, out *Outcome) {
	done := map[launcher.Launcher]bool{}
	for _, o := range d.open {
		if !done[o.Launcher] {
			done[o.Launcher] = true
			if err := o.Cancel(ctx, out.Jobs...); err != nil {
				out.Notes = append(out.Notes, err.Error())
			}
		}
	}
}
