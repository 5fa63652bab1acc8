package pool

import (
	"context"
	"time"

	"orch/launcher"
)

// where says what a record's pids are worth here.
type where uint8

const (
	elsewhere   where = iota // another host or container: nothing can be said
	thisBoot                 // pid and start time identify a process
	earlierBoot              // this machine has been restarted since: all is over
	namesake                 // a host of this name was, and only the name says that it is this one
)

// where compares a record's origin with this process's.
func (r record) where(self origin) where {
	switch {
	case r.bad != nil || r.Host != self.Host || r.Machine != self.Machine:
		return elsewhere
	case r.Boot != self.Boot && self.Machine == "":
		return namesake
	case r.Boot != self.Boot:
		return earlierBoot
	case r.PIDs != self.PIDs:
		return elsewhere
	}
	return thisBoot
}

// judge turns the records of other processes into states. It looks through the
// process table at most twice, and only if a starter died half-way.
type judge struct {
	p     *Pool
	scans [][]process
}

func (p *Pool) judge() *judge { return &judge{p: p} }

// workers returns the workers of a job as far as its record and the process
// table tell.
func (j *judge) workers(ctx context.Context, r record) []launcher.Worker {
	if r.bad != nil {
		return []launcher.Worker{{Job: r.key(), Key: r.key(), Reason: r.bad.Error()}}
	}
	at := r.where(j.p.self)
	watched := at == thisBoot && !r.left && alive(r.PID, r.Start)
	out := make([]launcher.Worker, len(r.workers))
	lost := false // the starter died before it wrote down all that it started
	for i, rec := range r.workers {
		w := launcher.Worker{Job: r.ID, Key: r.key(), Index: i, Host: r.Host, PID: rec.pid}
		switch {
		case rec.ended:
			w.State, w.End, w.Reason = launcher.Ended, rec.end, rec.reason
		case at == elsewhere:
			w.Reason = "only host " + r.Host + " can tell"
		case at == earlierBoot || at == namesake:
			w.State, w.Reason = launcher.Ended, "host "+r.Host+" has been restarted"
			w.End.Proof = at == earlierBoot
		case rec.pid == 0 && watched:
			w.State, w.Reason = launcher.Pending, "being started"
		case rec.pid == 0:
			lost = true
		case alive(rec.pid, rec.start):
			w.State = launcher.Running
		case watched:
			w.State, w.Reason = launcher.Running, "ending" // its starter is about to write down how
		default:
			w.State, w.End.Proof = launcher.Ended, true
			w.Reason = "gone, and so is the process that could have seen how it ended"
			if r.cancel {
				w.End.Cause, w.Reason = launcher.Cancelled, "cancelled"
			}
		}
		out[i] = w
	}
	if lost {
		j.search(ctx, r, out)
	}
	return out
}

// search settles the workers that are not on record, of a starter that is
// gone: it may have died right after starting one.
func (j *judge) search(ctx context.Context, r record, out []launcher.Worker) {
	var missing int
	for pass := range 2 {
		missing = 0
		for i, rec := range r.workers {
			w := &out[i]
			if rec.pid != 0 || rec.ended || w.State == launcher.Running {
				continue
			}
			if !r.closed {
				if x, ok := j.find(ctx, pass, r.key(), i); ok {
					w.State, w.PID = launcher.Running, x.pid
					w.Reason = "found by its environment: the process that started it died"
					continue
				}
			}
			missing++
		}
		if missing == 0 || r.closed {
			break
		}
	}
	if ctx.Err() != nil {
		return // the second look did not take place: unknown
	}
	for i, rec := range r.workers {
		if w := &out[i]; rec.pid == 0 && !rec.ended && w.State != launcher.Running {
			w.State, w.Reason = launcher.Ended, "the process that was to start it is gone"
			w.End = launcher.End{Proof: canScan}
			if r.cancel {
				w.End.Cause = launcher.Cancelled
			}
		}
	}
	if missing == countMissing(r) && !r.closed && canScan {
		j.p.mark(r.key(), closedSuffix)
	}
}

func countMissing(r record) (n int) {
	for _, rec := range r.workers {
		if rec.pid == 0 && !rec.ended {
			n++
		}
	}
	return n
}

// find looks for a worker among all processes that carry a job's key. The
// second pass is a moment later than the first: between fork and exec a
// process still shows its parent's environment.
func (j *judge) find(ctx context.Context, pass int, key string, index int) (process, bool) {
	for len(j.scans) <= pass {
		if len(j.scans) > 0 {
			t := time.NewTimer(20 * time.Millisecond)
			select {
			case <-t.C:
			case <-ctx.Done():
				t.Stop()
			}
		}
		j.scans = append(j.scans, strays(func(string, int) bool { return true }))
	}
	var best process
	for _, x := range j.scans[pass] {
		if x.key == key && x.index == index && (best.pid == 0 || x.leader && !best.leader) {
			best = x
		}
	}
	return best, best.pid != 0
}

// finished says that a record tells of nothing that could still live, without
// searching for it.
func (j *judge) finished(r record) bool {
	switch r.where(j.p.self) {
	case earlierBoot, namesake:
		return true
	case elsewhere:
		return r.over()
	}
	for _, w := range r.workers {
		if !w.ended && (w.pid == 0 && !r.closed || w.pid != 0 && alive(w.pid, w.start)) {
			return false
		}
	}
	return true
}
