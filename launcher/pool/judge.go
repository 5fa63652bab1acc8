package pool

import (
	"context"
	"slices"
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

// where compares a record's origin with this process's. A starter that could not
// tell its own start time could not tell its workers' either.
func (r record) where(self origin) where {
	switch {
	case r.bad != nil || r.Start == "" || r.Host != self.Host || r.Machine != self.Machine:
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
	search := false
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
			w.State, w.Reason = launcher.Ended, "the process that was to start it is gone"
			w.End.Proof = canScan
			search = true
		case alive(rec.pid, rec.start):
			w.State = launcher.Running
		case watched:
			w.State, w.Reason = launcher.Running, "ending" // its starter is about to write down how
		default:
			w.State, w.Reason = launcher.Ended, "gone, and so is the process that could have seen how it ended"
			w.End.Proof = true
			search = true
		}
		if r.cancel && w.State == launcher.Ended && !rec.ended {
			w.End.Cause = launcher.Cancelled
			w.Reason = "cancelled; " + w.Reason
		}
		out[i] = w
	}
	if search && !r.closed && canScan {
		j.search(ctx, r, out)
	}
	return out
}

// search looks at what the end of a starter leaves open: it may have died
// right after starting a worker, and workers that are gone may have left
// processes behind. If there is nothing, that is noted for ever.
func (j *judge) search(ctx context.Context, r record, out []launcher.Worker) {
	left := false
	for pass := range 2 {
		for i, rec := range r.workers {
			w := &out[i]
			if rec.ended || w.State != launcher.Ended || !w.End.Proof {
				left = left || w.State != launcher.Ended || !w.End.Proof && !rec.ended
				continue
			}
			x, found := j.find(ctx, pass, r.Nonce, i)
			switch {
			case !found:
				continue
			case rec.pid == 0:
				w.State, w.End, w.PID = launcher.Running, launcher.End{}, x.pid
				w.Reason = "found by its environment: the process that started it died"
			default:
				// The kernel killed the workers of a foreground pool with their starter,
				// but not what their programs had started (reap would have).
				if pass == 0 && !r.Detach && len(killStrays(func(nonce string, n int) bool { return nonce == r.Nonce && n == i })) == 0 {
					continue
				}
				w.End.Proof = false
				w.Reason += "; what it started still runs"
			}
			left = true
		}
	}
	if ctx.Err() != nil { // the second look came too early to prove anything
		for i := range out {
			if !r.workers[i].ended {
				out[i].End.Proof = false
			}
		}
		return
	}
	if !left {
		j.p.mark(r.key(), closedSuffix)
	}
}

// secondLook costs a process that finds a starter that died half-way, once.
const secondLook = 200 * time.Millisecond

// find looks for a worker among all processes that carry a nonce. The
// second pass is a moment later than the first: between fork and exec a
// process still shows its parent's environment. That is microseconds, but on a
// busy machine the child may have to wait for its turn.
func (j *judge) find(ctx context.Context, pass int, nonce string, index int) (process, bool) {
	for len(j.scans) <= pass {
		if len(j.scans) > 0 {
			t := time.NewTimer(secondLook)
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
		if x.nonce == nonce && x.index == index && (best.pid == 0 || x.leader && !best.leader) {
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
	return r.over() || !slices.ContainsFunc(r.workers, func(w recorded) bool {
		return !w.ended && (w.pid == 0 || alive(w.pid, w.start))
	})
}
