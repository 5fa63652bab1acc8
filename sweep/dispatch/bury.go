package dispatch

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"orch/launcher"
	"orch/sweep/results"
)

// bury closes the generations of dead holders: at once where death is proven,
// else after a fence and the grace time.
func (d *Dispatcher) bury(jobs workers, out *Outcome) error {
	seen := d.seen
	seen.Look(d.Snapshot)
	var errs []error
	self := results.Self()
	by := fmt.Sprintf("%s-%d", self.Host, self.PID)
	silence := time.Duration(d.Sweep.Tree().Silence * float64(time.Second))
	for _, c := range d.Snapshot.OpenClaims() {
		if c.Holder.Fate() == results.FateUnknown {
			seen.Pause(c.Holder.Name, paused(c, jobs))
		}
		c.Quiet = seen.Quiet(c)
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
	return errors.Join(errs...)
}

// paused reports whether the machine says that a holder stands still.
func paused(c results.OpenClaim, jobs workers) bool {
	return slices.ContainsFunc(jobs[c.Holder.Key], func(w launcher.Worker) bool { return w.Index == c.Holder.Index && w.Paused })
}

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
	if q := d.seen.Queue(c.Holder.Key); q != nil && !suspected { // the machine has forgotten what it said
		for _, e := range q.Bad {
			if e.Index == c.Holder.Index {
				suspected, class = true, e.Class
			}
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
