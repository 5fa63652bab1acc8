package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"orch/launcher"
	"orch/sweep/results"
)

// patienceAbsent is for how long a healthy scheduler must not know a job before
// the job is taken to be over, or never to have existed: longer than the deadline
// of its submission, by one observer's clock. Tests have less.
var patienceAbsent = 3 * time.Minute

// historyEvery bounds how often a process asks for records of past jobs.
const historyEvery = time.Minute

// reconcile notes what became of every submission, and finds out about those
// without an answer: by the job's unique name among the jobs there are, then in
// the machine's records, then by the claims of its workers. A job that none of
// them knows is unknown, and counts as one that may still come, until all have
// been silent for long. It is never asked for again blindly; and should it come
// after all, its workers find nothing to claim.
func (d *Dispatcher) reconcile(ctx context.Context, subs []*results.Submission, jobs workers, out *Outcome) error {
	var errs []error
	claimers := d.Snapshot.Claimers()
	past := d.past(ctx, subs, jobs, out)
	for _, sub := range subs {
		if sub.Intent == nil {
			continue
		}
		key := sub.Intent.Key
		found, how := jobs[key], "found by name"
		if len(found) == 0 && len(past[key]) > 0 {
			found, how = past[key], "found in the accounting database"
		}
		for _, w := range past[key] { // for burying
			if w.State == launcher.Ended && !hasIndex(jobs[key], w.Index) {
				jobs[key] = append(jobs[key], w)
			}
		}
		gone := d.note(sub, jobs[key])
		if sub.Answer != nil {
			continue
		}
		h := claimers[key]
		var a results.Answer
		switch {
		case len(found) > 0:
			a = results.Answer{Accepted: true, Job: found[0].Job, How: how}
		case h != nil:
			a = results.Answer{Accepted: true, Job: h.Job, How: "a worker of it has claimed work"}
		case sub.Intent.Backend == "pool" && sub.Intent.By.Fate() == results.FateDead:
			// A pool's job is known on its host from before its first worker
			// starts, so one that is not known has none.
			a = results.Answer{How: "submitter died", Reason: "its submitter died before it started any worker"}
		case d.unasked[key]:
			a = results.Answer{How: "submit", Reason: "its submitter could not start any worker"}
		case gone:
			a = results.Answer{How: "reconciled", Reason: fmt.Sprintf("no job of this name in %v, and no worker: it was not submitted", patienceAbsent)}
		default:
			continue
		}
		errs = append(errs, sub.Record(a))
	}
	return errors.Join(errs...)
}

func hasIndex(ws []launcher.Worker, index int) bool {
	for i := range ws {
		if ws[i].Index == index {
			return true
		}
	}
	return false
}

// machineOf returns what the machine of a submission said in this Step, nil if
// it was not asked.
func (d *Dispatcher) machineOf(sub *results.Submission) *said {
	o, ok := d.open[sub.Intent.Group]
	if !ok {
		return nil
	}
	if _, polite := launcher.As[*launcher.Polite](o.Launcher); !polite {
		return nil
	}
	return d.said[o.Launcher]
}

// tellStuck notes the jobs that will never start by themselves: who waits for
// them waits in vain.
func (out *Outcome) tellStuck(subs []*results.Submission, jobs workers) {
	for _, sub := range subs {
		if sub.Intent == nil || out.Left == 0 {
			continue
		}
		rows := jobs[sub.Intent.Key]
		if i := slices.IndexFunc(rows, func(w launcher.Worker) bool { return w.Stuck }); i >= 0 {
			out.Notes = append(out.Notes, fmt.Sprintf("stuck: job %s will not start: %s", rows[i].Job, rows[i].Reason))
		}
	}
}

// note writes down what a scheduler says of a submission's workers: for status,
// which must not ask, and for later Steps, when the scheduler has forgotten. It
// reports whether none is left. The pool of this machine needs no such memory.
func (d *Dispatcher) note(sub *results.Submission, rows []launcher.Worker) (gone bool) {
	key := sub.Intent.Key
	absent := "absent " + key
	machine := d.machineOf(sub)
	if machine == nil || sub.Answer != nil && !sub.Answer.Accepted && len(rows) == 0 {
		d.seen.Forget(absent)
		return false
	}
	old := d.seen.Queue(key)
	if machine.err != nil {
		d.seen.Forget(absent) // only a healthy scheduler's silence means anything
		return old != nil && old.Gone
	}
	if old != nil && old.Gone && len(rows) == 0 {
		return true
	}
	q := &results.Queue{At: time.Now().Add(-machine.age).UTC().Truncate(time.Second)}
	if old != nil {
		q.Over, q.Bad, q.Fine = slices.Clone(old.Over), slices.Clone(old.Bad), old.Fine
	}
	for _, w := range rows {
		switch w.State {
		case launcher.Pending:
			q.Pending++
			if q.Waits == nil {
				q.Waits = map[string]int{}
			}
			q.Waits[w.Reason]++
			if w.Stuck {
				q.Stuck = w.Reason
			}
		case launcher.Running:
			q.Running++
			if w.Paused {
				q.Paused++
			}
		case launcher.Ended:
			e := results.Ending{Index: w.Index, Class: Class(w.End), Node: w.Host, Words: w.Reason}
			if w.End.Cause == launcher.Exited && w.End.Code == 0 {
				e.Class = results.Done
			}
			q.Ended(e)
		}
	}
	switch {
	case q.Pending+q.Running > 0:
		d.seen.Forget(absent)
	case q.Ends() >= sub.Intent.Workers:
		q.Gone = true
		d.seen.Forget(absent)
	default:
		q.Gone = old != nil && old.Gone || d.seen.Since(absent)-machine.age > patienceAbsent || d.hasLeft(sub, machine.age)
		if q.Gone {
			d.seen.Forget(absent)
		}
	}
	d.seen.SetQueue(key, q)
	return q.Gone
}

// clockSlack is how much the clocks of a cluster's hosts may differ: munge takes
// no credential that is more than five minutes from its own clock, munged(8).
const clockSlack = 10 * time.Minute

// hasLeft says of a job that a healthy scheduler does not list that it has left the
// queue: its number was given out so long ago that it would be listed, and none
// of its workers holds anything. Another process, or host, may have seen its end.
func (d *Dispatcher) hasLeft(sub *results.Submission, age time.Duration) bool {
	if sub.Answer == nil || !sub.Answer.Accepted || sub.Answer.How != "submit" {
		return false
	}
	for _, c := range d.Snapshot.OpenClaims() {
		if c.Holder.Key == sub.Intent.Key {
			return false
		}
	}
	slack, self := clockSlack, results.Self()
	if by := sub.Intent.By; by.Host == self.Host && by.Boot == self.Boot {
		slack = 0
	}
	return time.Since(sub.Answer.Time)-age > patienceAbsent+slack
}

// unseen returns how many workers of a submission may live that no scheduler
// has shown yet.
func (d *Dispatcher) unseen(sub *results.Submission, jobs workers) int {
	in, q := sub.Intent, d.seen.Queue(sub.Intent.Key)
	switch {
	case sub.Answer != nil && !sub.Answer.Accepted, jobs.listed(in.Key), q != nil && q.Gone:
		return 0
	case d.machineOf(sub) == nil && (sub.Answer != nil || !mayExist(sub)): // a pool knows all its workers
		return 0
	}
	if q == nil {
		return in.Workers
	}
	return max(0, in.Workers-q.Ends())
}

// past asks the machine's records, if it keeps any, about workers that the
// scheduler does not know: whole submissions, and holders of open claims. They
// say more, and sooner, than silence does; a Step is complete without them.
func (d *Dispatcher) past(ctx context.Context, subs []*results.Submission, jobs workers, out *Outcome) workers {
	missing := map[string]bool{}
	for _, c := range d.Snapshot.OpenClaims() {
		if rows := jobs[c.Holder.Key]; c.Holder.Key != "" && !hasIndex(rows, c.Holder.Index) {
			missing[c.Holder.Key] = true
		}
	}
	ask := map[launcher.Historian][]string{}
	since := map[launcher.Historian]time.Time{}
	for _, sub := range subs {
		if sub.Intent == nil {
			continue
		}
		key := sub.Intent.Key
		q := d.seen.Queue(key)
		absent := len(jobs[key]) == 0 && (sub.Answer == nil || sub.Answer.Accepted) && (q == nil || !q.Gone)
		machine := d.machineOf(sub)
		if machine == nil || !absent && !missing[key] {
			continue
		}
		// The record lags, so a job that was seen a moment ago is not asked for;
		// nor is one before an answer has come that could show it.
		if !missing[key] && machine.err == nil && sub.Answer == nil && d.seen.Since("absent "+key) <= machine.age {
			continue
		}
		h, ok := launcher.As[launcher.Historian](d.open[sub.Intent.Group].Launcher)
		if !ok {
			continue
		}
		ask[h] = append(ask[h], key)
		// An hour is for clocks that differ.
		if t := sub.Intent.Time.Add(-time.Hour); since[h].IsZero() || t.Before(since[h]) {
			since[h] = t
		}
	}
	if len(ask) == 0 || time.Since(d.history) < historyEvery {
		return nil
	}
	d.history = time.Now()
	found := workers{}
	for h, keys := range ask {
		list, err := h.Past(ctx, since[h], keys...)
		if err != nil && !errors.Is(err, launcher.ErrNoRecord) {
			out.Notes = append(out.Notes, fmt.Sprintf("the record of past jobs does not answer, so the ends of some workers are known later: %v", err))
		}
		for _, w := range list {
			found[w.Key] = append(found[w.Key], w)
		}
	}
	return found
}
