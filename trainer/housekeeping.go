package trainer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"orch/sweep/results"
)

// housekeeping marks, beats, and carries fences, cancels and the request to
// leave to the runs.
func (w *Worker) housekeeping(ctx context.Context, leave <-chan struct{}) {
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	var deadline <-chan time.Time
	if !w.Deadline.IsZero() {
		timer := time.NewTimer(time.Until(w.Deadline) - w.Leave)
		defer timer.Stop()
		deadline = timer.C
	}
	beat := time.Duration(w.Sweep.Tree().Beat * float64(time.Second))
	looked := time.Now()
	ticked := looked
	stop := w.stop
	for {
		select {
		case <-ctx.Done():
			return
		case <-leave:
			leave = nil
			w.leave()
		case <-deadline:
			w.Log.Info().Msg("the time of the allocation is nearly up: leaving")
			w.leave()
		case <-stop:
			stop = nil
			w.mu.Lock()
			for a := range w.live {
				a.askToLeave()
			}
			w.mu.Unlock()
		case <-tick.C:
			now := time.Now()
			if late := now.Sub(ticked) - markEvery; late > markEvery {
				w.excuse(late)
			}
			ticked = now
			w.mu.Lock()
			j := w.journal
			w.mu.Unlock()
			if j == nil {
				continue
			}
			if beat > 0 && j.Quiet() > beat {
				if err := j.Beat(); err != nil {
					w.fail(err)
				}
			}
			w.mark()
			w.watch()
			if time.Since(looked) > lookEvery {
				looked = time.Now()
				w.obey()
			}
		}
	}
}

// mark marks and abandons what was found fenced.
func (w *Worker) mark() {
	fenced, err := w.journal.Mark()
	if err != nil {
		w.fail(err)
	}
	w.abandon(fenced)
}

// abandon ends the runs of generations that someone else closes.
func (w *Worker) abandon(fenced []string) {
	if len(fenced) == 0 {
		return
	}
	w.Log.Warn().Strs("blocks", fenced).Msg("taken over by another process that believed this worker dead; abandoning")
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.live {
		if slices.Contains(fenced, a.full) {
			a.end(errFenced)
		}
	}
}

// obey looks for fences and orders that concern the runs that execute now.
func (w *Worker) obey() {
	fenced, err := w.journal.Look()
	if err != nil {
		w.Log.Warn().Err(err).Msg("cannot look for fences")
	}
	w.abandon(fenced)
	orders, err := w.Sweep.Orders(nil)
	if err != nil {
		w.Log.Warn().Err(err).Msg("cannot read orders")
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.live {
		if orders.Cancelled(a.run.ID) {
			a.end(errCancelled)
		}
	}
}

// Why an attempt's context was ended.
var (
	errFenced    = errors.New("taken over")
	errCancelled = errors.New("cancelled")
	errTimeout   = errors.New("timeout")
	errStall     = errors.New("stall")
)

// Graced reports whether a run whose context has ended has the time to save and
// leave: it took too long or said nothing, and nobody waits for its worker.
func Graced(ctx context.Context) bool {
	cause := context.Cause(ctx)
	return errors.Is(cause, errTimeout) || errors.Is(cause, errStall)
}

// watch ends the runs that take too long or say nothing any more.
func (w *Worker) watch() {
	if w.Timeout == 0 && w.Stall == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.live {
		switch {
		case w.Timeout > 0 && time.Since(a.begin) > w.Timeout:
			a.end(errTimeout)
		case w.Stall > 0 && time.Since(a.lastSign()) > w.Stall:
			a.end(errStall)
		}
	}
}

// excuse moves the last signs of life by the time in which this worker did not
// come to look. A scheduler that suspends a job (scontrol suspend, PreemptMode
// SUSPEND), Ctrl-Z and a machine that stands still stop a worker's runs with it.
func (w *Worker) excuse(late time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.live {
		a.mu.Lock()
		a.sign = a.sign.Add(late)
		if now := time.Now(); a.sign.After(now) { // it began meanwhile, or spoke
			a.sign = now
		}
		a.mu.Unlock()
	}
}

// policy returns the retry policy of a segment. Submit has judged it; what is
// not understood all the same leaves the defaults.
func (w *Worker) policy(h *results.Header) results.RetryPolicy {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.rules[h]
	if !ok {
		p, _ = results.ParseRetryPolicy(h.Retry)
		w.rules[h] = p
	}
	return p
}

// countError counts a failure and holds the sweep when it is one of many alike:
// a typo must not burn ten thousand runs overnight.
func (w *Worker) countError(r results.HeldRun, end results.Record, policy results.RetryPolicy) {
	switch end.Class {
	case results.Failed, results.BadSetup, results.NoResult:
	default:
		return
	}
	if policy.HoldAfter == 0 {
		return
	}
	by := w.journal.Holder().Name
	n, err := w.Sweep.CountError(end.Class, end.Exit, end.Message, policy.HoldAfter, by)
	if err == nil && n >= policy.HoldAfter {
		err = w.Sweep.Give(results.ActionHold, "", fmt.Sprintf("%d runs ended alike (%s: %s); when it is mended: orch retry %s", n, end.Class, end.Message, w.Sweep.Name), by)
		w.leave()
	}
	if err != nil {
		w.Log.Warn().Err(err).Str("run", r.Run.Name).Msg("cannot count the error")
	}
}
