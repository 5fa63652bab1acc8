package dispatch

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"orch/launcher"
	"orch/sweep/results"
)

// topUp starts workers for the blocks that nobody holds. Groups share the
// machine: what the workers of one take, as a share of how many would fit, is
// gone for the others.
func (d *Dispatcher) topUp(ctx context.Context, subs []*results.Submission, jobs workers, out *Outcome) error {
	t := &topUp{d: d, subs: subs, out: out, claimable: d.Snapshot.Claimable(out.States), busy: map[string]map[string]bool{},
		alive: map[string]int{}, used: map[launcher.Launcher]float64{}, avoid: map[string][]string{}}
	t.runs, _ = d.Snapshot.Open(out.States)
	d.measure(out.States)
	ours := map[string]bool{} // submissions with workers among these
	for _, sub := range subs {
		if sub.Intent == nil {
			continue
		}
		unseen := d.unseen(sub, jobs) // may exist, may not: counts as if it did
		n := d.alive(sub.Intent.Key, jobs) + unseen
		ours[sub.Intent.Key] = n > 0
		t.alive[sub.Intent.Group] += n
		if m := d.machineOf(sub); m != nil {
			m.users += unseen
			if unseen > 0 && m.err == nil && sub.Answer != nil && len(jobs[sub.Intent.Key]) == 0 && out.Left > 0 {
				out.Notes = append(out.Notes, fmt.Sprintf("job %s is not in the queue any more; until that has been so for %v its %s, which may still come, count", sub.Answer.Job, patienceAbsent, workersText(unseen)))
			}
		}
	}
	for _, c := range d.Snapshot.OpenClaims() {
		if !ours[c.Holder.Key] { // another host's pool, or dead: it is none of those that may be idle
			continue
		}
		if t.busy[c.Key] == nil {
			t.busy[c.Key] = map[string]bool{}
		}
		t.busy[c.Key][c.Holder.Name] = true
	}
	for _, key := range d.Snapshot.Plan.Keys() {
		if o, ok := d.open[key]; ok && t.alive[key] > 0 {
			t.used[o.Launcher] += float64(t.alive[key]) / float64(max(1, d.fit(o, key)))
		}
	}
	var errs []error
	for _, key := range d.Snapshot.Plan.Keys() {
		o, ok := d.open[key]
		if t.claimable[key] == 0 || !ok || d.MayStart != nil && !d.MayStart(o.spec) {
			continue
		}
		err := t.group(ctx, key, o)
		if errors.Is(err, results.ErrTaken) {
			break // another Step is at it: look again next time
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// topUp is one Step's view of what is there and what is wanted.
type topUp struct {
	d         *Dispatcher
	subs      []*results.Submission
	out       *Outcome
	claimable map[string]int // blocks, by key
	runs      map[string]int // runs that wait, by key
	busy      map[string]map[string]bool
	alive     map[string]int                // workers that live or may live, by key
	used      map[launcher.Launcher]float64 // share of the machine
	avoid     map[string][]string           // nodes, by key
}

// group starts what one resource request wants and may have.
func (t *topUp) group(ctx context.Context, key string, o opened) error {
	d := t.d
	machine := d.said[o.Launcher]
	if machine.err != nil {
		return nil // who does not know what runs must not start more; the error is told already
	}
	fit := d.fit(o, key)
	if fit == 0 {
		return fmt.Errorf("not even one worker with %d cpus, %d MiB and %d gpus fits here: lower launcher.threads, launcher.mem or launcher.gpus",
			o.spec.CPUs, o.spec.MemMiB, o.spec.GPUs)
	}
	parallel := max(1, o.spec.Parallel)
	idle := max(0, t.alive[key]-len(t.busy[key]))
	want := (t.claimable[key]+parallel-1)/parallel - idle
	room := int(math.Floor((1-t.used[o.Launcher])*float64(fit) + 1e-9))
	if o.spec.Workers > 0 {
		room = min(room, o.spec.Workers-t.alive[key])
	}
	shared, bounded := launcher.As[launcher.Bounder](o.Launcher)
	most := math.MaxInt // workers of one job
	if bounded {
		want = min(want, d.enough(key, o, t.runs[key], t.alive[key], idle))
		job, user := shared.Bounds()
		if job > 0 {
			most = job
		}
		if free := user - machine.users; user > 0 && free < min(want, room) {
			room = max(0, free)
			t.out.Notes = append(t.out.Notes, fmt.Sprintf("launcher.max_user allows you %s in the queue, and %d are there: no more than that are started until some have ended", workersText(user), user-free))
		}
	}
	n := min(want, room)
	if n <= 0 {
		return nil
	}
	if bounded {
		if err := t.held(key, o); err != nil {
			return err
		}
		if wait := d.limitedFor(t.subs, key); wait > 0 {
			t.out.Notes = append(t.out.Notes, fmt.Sprintf("still to ask for: %s; the scheduler said not now, and is asked again at %s", workersText(n), time.Now().Add(wait).Round(time.Second).Format(time.TimeOnly)))
			return nil
		}
	} else if err := d.barrenCheck(key); err != nil {
		return err
	}
	halved, try := 0, n
	if last := t.last(key); last != nil && last.Answer != nil && last.Answer.Limited {
		switch {
		case last.Intent.Workers == 1: // there was no room at all: a round that begins with all would be many questions, of one answer
			try = 1
		case last.Intent.Workers <= n: // the scheduler took so long to say no that there was no time for less
			n, halved = last.Intent.Workers/2, last.Intent.Halved+1
		}
	}
	for n > 0 {
		k := min(n, most, try)
		begin := time.Now()
		limited, err := t.submit(ctx, key, o, k, halved)
		switch {
		case errors.Is(err, results.ErrTaken): // nothing was asked for, so no worker can have failed
			d.barren[key] = max(0, d.barren[key]-1)
			return err
		case err != nil:
			return err
		case !limited:
			n, try = n-k, 2*k
			t.alive[key] += k
			t.used[o.Launcher] += float64(k) / float64(fit)
			machine.users += k
			if halved > 0 {
				return nil // that is all there is room for
			}
		case k == 1 || time.Since(begin) > limitFirst: // a full queue says so after two minutes
			return nil
		default:
			n, halved = k/2, halved+1
		}
	}
	return nil
}

// last returns the newest submission for a request, nil if there is none.
func (t *topUp) last(key string) *results.Submission {
	for _, sub := range slices.Backward(t.subs) {
		if sub.Intent != nil && sub.Intent.Group == key {
			return sub
		}
	}
	return nil
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
		return max(1, g.Workers/max(1, o.spec.Parallel))
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

// held is barrenCheck for schedulers, whose submissions are hours apart and made
// by many processes: it goes by what the tree says of them, and holds the sweep.
// A request that was refused is not made again either.
func (t *topUp) held(key string, o opened) error {
	d, n := t.d, 0
	claimers := d.Snapshot.Claimers()
	var last *results.Submission
	limited := false // since a refusal: then it is none any more
	for _, sub := range slices.Backward(t.subs) {
		in := sub.Intent
		if in == nil || in.Group != key || sub.Answer == nil {
			continue
		}
		if d.Insist && sub.Number <= d.from || in.Epoch != d.Snapshot.Orders.Epoch() {
			break
		}
		if sub.Answer.Limited {
			limited = true
		}
		if sub.Answer.Refused {
			if last == nil && !limited && !d.Insist {
				return fmt.Errorf("%s (asked before: submit the sweep again when it is mended)", sub.Answer.Reason)
			}
			break
		}
		if !sub.Answer.Accepted || d.seen.Noted(takenBackTag(sub)) {
			continue
		}
		q := d.seen.Queue(in.Key)
		if q == nil || !q.Gone || claimers[in.Key] != nil || q.Fine > 0 {
			break
		}
		if last == nil {
			last = sub
		}
		n++
	}
	if n < maxBarren {
		return nil
	}
	cause := fmt.Sprintf("%d jobs in a row began no run%s", n, lastWords(last, d.seen.Queue(last.Intent.Key)))
	if err := d.Sweep.Give(results.ActionHold, "", cause+"; when it is mended: orch retry "+d.Sweep.Name, "orch"); err != nil {
		return err
	}
	return fmt.Errorf("%w: %s", ErrBarren, cause)
}

// lastWords says how a worker of a submission ended that never began a run, with
// the end of its log.
func lastWords(sub *results.Submission, q *results.Queue) string {
	if q == nil || len(q.Bad) == 0 {
		return fmt.Sprintf("; see the logs in %s", sub.Dir())
	}
	e := q.Bad[0]
	s := fmt.Sprintf(": %s", cmp.Or(e.Words, e.Class.String()))
	log := filepath.Join(sub.Dir(), fmt.Sprintf("worker-%d.log", e.Index))
	if line := logEnd(log); line != "" {
		s += fmt.Sprintf(": %q (%s)", line, log)
	}
	return s
}

// submit asks for one job. It reports whether the machine said "not now".
func (t *topUp) submit(ctx context.Context, key string, o opened, n, halved int) (notNow bool, err error) {
	d := t.d
	spec := o.spec
	if spec.RunTime == 0 { // for the workers, who start no run that does not fit
		spec.RunTime = d.runTime(key, 0, 0.9)
	}
	argv, env, err := d.Worker(key, spec)
	if err != nil {
		return false, err
	}
	last := 0
	if len(t.subs) > 0 {
		last = t.subs[len(t.subs)-1].Number
	}
	in := results.Intent{Key: jobKey(d.Sweep.Name), Group: key, Backend: spec.Backend, Workers: n, Argv: argv,
		Halved: halved, Epoch: d.Snapshot.Orders.Epoch(), By: results.Self()}
	if g := d.Snapshot.Plan.Group(key); g != nil {
		in.Launcher = g.Launcher
	}
	if _, bounded := launcher.As[launcher.Bounder](o.Launcher); bounded {
		in.Avoid = t.nodes(key)
	}
	inherited := d.inherited(o, spec.Backend, t.subs)
	if d.Insist {
		in.Env = inherited
	}
	sub, err := d.Sweep.Submit(last, in)
	if err != nil {
		d.unasked[in.Key] = true // the intent may be in the tree all the same
		return false, err
	}
	t.subs = append(t.subs, sub)
	job, err := o.Submit(ctx, launcher.Request{Key: in.Key, Workers: n, Argv: argv, Env: env, Avoid: in.Avoid, Inherited: inherited,
		Dir: d.Sweep.Path(), LogDir: sub.Dir(), Resources: spec.Resources(), Options: spec.Options})
	var limited *launcher.Limited
	switch {
	case err == nil:
		t.out.Started += n
		t.out.Workers += n
		t.out.Jobs = append(t.out.Jobs, job)
		return false, sub.Record(results.Answer{Accepted: true, Job: job, How: "submit"})
	case errors.As(err, &limited):
		t.out.Notes = append(t.out.Notes, fmt.Sprintf("%s: %v", workersText(n), err))
		d.seen.Since(limitTag(sub))
		return true, sub.Record(results.Answer{How: "submit", Limited: true, Reason: err.Error()})
	case launcher.IsRefused(err):
		return false, errors.Join(fmt.Errorf("start %s: %w", workersText(n), err), sub.Record(results.Answer{How: "submit", Refused: true, Reason: err.Error()}))
	}
	// A pool lists its job from before the first worker starts: one that it does
	// not list by the next Step has none. A scheduler may have it and not show it.
	d.unasked[in.Key] = spec.Backend == "pool"
	return false, fmt.Errorf("start %s: %w (whether they exist is not known yet: the same command, or orch collect, finds out)", workersText(n), err)
}

// nodes returns the nodes that a request leaves out, and says so once a Step.
func (t *topUp) nodes(key string) []string {
	nodes, known := t.avoid[key]
	if !known {
		var why []string
		nodes, why = t.d.badNodes(key, t.subs, t.out.States)
		t.avoid[key] = nodes
		for _, w := range why {
			if !slices.Contains(t.out.Notes, w) {
				t.out.Notes = append(t.out.Notes, w)
			}
		}
	}
	return nodes
}

// takenBackTag is the name under which it is observed that workers of a
// submission were taken back: that they began no run is no sign of trouble.
func takenBackTag(sub *results.Submission) string { return fmt.Sprintf("taken back %d", sub.Number) }

// replacedFor is how long ago workers must have been asked for that are taken
// back while others are wanted: a plan that wants them may not be seen yet.
var replacedFor = time.Minute

// withdraw takes the workers back that have not started when nothing is left to
// begin, and nothing that runs will have to go on: they would find nothing, and
// until then stand in the queue. The same holds for those of a request that was
// replaced by another.
func (d *Dispatcher) withdraw(ctx context.Context, subs []*results.Submission, jobs workers, out *Outcome) error {
	over := true
	for i := range out.States {
		st := &out.States[i]
		if st.State == results.StateQueued || st.State == results.StateRunning && st.Order == nil {
			over = false
		}
	}
	wanted := sync.OnceValue(func() []string { return d.Snapshot.Claimants(out.States) })
	ids := map[launcher.Launcher][]string{}
	for _, sub := range subs {
		if sub.Intent == nil || d.machineOf(sub) == nil {
			continue
		}
		if !over && (time.Since(sub.Intent.Time) < replacedFor || slices.Contains(wanted(), sub.Intent.Group)) {
			continue
		}
		l := d.open[sub.Intent.Group].Launcher
		for _, w := range jobs[sub.Intent.Key] {
			if w.State != launcher.Pending {
				continue
			}
			out.Workers--
			d.machineOf(sub).users--
			d.seen.Since(takenBackTag(sub))
			if !slices.Contains(ids[l], w.Job) {
				ids[l] = append(ids[l], w.Job)
			}
		}
	}
	var errs []error
	for l, jobs := range ids {
		if w, ok := launcher.As[launcher.Withdrawer](l); ok {
			errs = append(errs, w.Withdraw(ctx, jobs...))
		}
	}
	return errors.Join(errs...)
}

// jobKey names a job: unique, and readable in the scheduler's own lists.
func jobKey(sweep string) string {
	return fmt.Sprintf(keyPrefix+"%.24s-%s", sweep, strings.ToLower(rand.Text()[:16]))
}

func workersText(n int) string {
	if n == 1 {
		return "1 worker"
	}
	return fmt.Sprintf("%d workers", n)
}
