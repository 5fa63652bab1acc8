package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"orch/launcher"
	"orch/sweep/results"
)

// workers is what the launchers say, by submission key.
type workers map[string][]launcher.Worker

// listed reports whether a machine lists workers of a submission that may still
// write, whatever they are worth.
func (w workers) listed(key string) bool {
	return slices.ContainsFunc(w[key], func(x launcher.Worker) bool { return x.Alive() })
}

// alive returns how many workers of a submission hold work or may take some.
func (d *Dispatcher) alive(key string, jobs workers) int {
	n := 0
	for i := range jobs[key] {
		if d.counts(&jobs[key][i]) {
			n++
		}
	}
	return n
}

// counts reports whether a worker holds work or may take some. One that leaves
// takes none any more, and may be listed for hours where an epilog hangs; what it
// holds is its own until it is buried.
func (d *Dispatcher) counts(w *launcher.Worker) bool {
	if !w.Alive() || !w.Leaving {
		return w.Alive()
	}
	return slices.ContainsFunc(d.Snapshot.OpenClaims(), func(c results.OpenClaim) bool { return c.Holder.Key == w.Key && c.Holder.Index == w.Index })
}

// place tells the workers of a submission apart.
type place struct {
	job   string
	index int
}

// gather puts together what several launchers say. Two launchers of one machine
// may know the same worker; the one that has seen more of its life is right.
type gather struct {
	by workers // their lists belong to launchers, unless at has the key
	at map[string]map[place]int
}

func newGather() *gather { return &gather{workers{}, map[string]map[place]int{}} }

// add takes over what a launcher says. The workers of a job mostly follow each
// other in the list, which then is kept as it is: there may be many thousands.
func (g *gather) add(list []launcher.Worker) {
	for len(list) > 0 {
		n := stretch(list)
		if key := list[0].Key; g.by[key] == nil {
			g.by[key] = list[:n:n]
		} else {
			for i := range n {
				g.merge(&list[i])
			}
		}
		list = list[n:]
	}
}

// stretch returns how many workers at the beginning of a list are of one job, and
// none of them twice: their indices rise, or fall.
func stretch(list []launcher.Worker) int {
	n := 1
	for falls := false; n < len(list) && list[n].Key == list[0].Key && list[n].Job == list[0].Job; n++ {
		if n == 1 {
			falls = list[1].Index < list[0].Index
		}
		if list[n].Index == list[n-1].Index || list[n].Index < list[n-1].Index != falls {
			break
		}
	}
	return n
}

func (g *gather) merge(x *launcher.Worker) {
	at := g.at[x.Key]
	if at == nil {
		at = map[place]int{}
		g.at[x.Key] = at
		g.by[x.Key] = slices.Clone(g.by[x.Key])
		for i, y := range g.by[x.Key] {
			at[place{y.Job, y.Index}] = i
		}
	}
	p := place{x.Job, x.Index}
	if i, again := at[p]; again {
		if y := &g.by[x.Key][i]; x.State > y.State || x.State == y.State && x.End.Proof {
			*y = *x
		}
		return
	}
	at[p] = len(g.by[x.Key])
	g.by[x.Key] = append(g.by[x.Key], *x)
}

// said is what a launcher said in this Step.
type said struct {
	err   error         // it said nothing: nothing is started there
	age   time.Duration // of the answer
	users int           // workers of the user, of all sweeps, that wait or run, or may
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

// awayError says that a machine that others use too did not answer. It will, and
// meanwhile its workers go on.
type awayError struct{ error }

func (e *awayError) Unwrap() error { return e.error }

// IsAway reports whether a machine that others use too did not answer: nothing
// was asked of it, and asking later may work.
func IsAway(err error) bool {
	var away *awayError
	return errors.As(err, &away)
}

// keyPrefix begins the names of all jobs of orch.
const keyPrefix = "orch-"

// jobs asks every machine that this sweep has used, or will, once. A machine
// that others use too is not asked at all when nothing depends on its answer.
func (d *Dispatcher) jobs(ctx context.Context, subs []*results.Submission, out *Outcome) (workers, error) {
	g := newGather()
	d.said = map[launcher.Launcher]*said{}
	machine := map[*launcher.Memory]*said{}
	var errs []error
	settled := d.settled(subs, out)
	keys := d.Snapshot.Plan.Keys()
	for _, sub := range subs { // of requests that were edited since
		if sub.Intent == nil || slices.Contains(keys, sub.Intent.Group) || d.Snapshot.Plan.Group(sub.Intent.Group) == nil || sub.Answer != nil && !sub.Answer.Accepted {
			continue
		}
		if q := d.seen.Queue(sub.Intent.Key); q == nil || !q.Gone {
			keys = append(keys, sub.Intent.Group)
		}
	}
	for _, key := range keys {
		o, err := d.launcherFor(ctx, key)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if d.said[o.Launcher] != nil {
			continue
		}
		p, polite := launcher.As[*launcher.Polite](o.Launcher)
		if polite && machine[p.Memory()] != nil {
			d.said[o.Launcher] = machine[p.Memory()]
			continue
		}
		a := &said{}
		d.said[o.Launcher] = a
		var list []launcher.Worker
		switch {
		case !polite:
			list, a.err = o.Jobs(ctx)
		case settled:
			machine[p.Memory()] = a
			continue
		default:
			machine[p.Memory()] = a
			list, a.err = d.ask(ctx, p, subs, out)
			a.age = p.Age()
		}
		if a.err != nil {
			err := fmt.Errorf("list workers: %w", a.err)
			if polite {
				err = &awayError{err}
			}
			errs = append(errs, err)
		}
		g.add(list)
		for i := range list {
			if list[i].Alive() && strings.HasPrefix(list[i].Key, keyPrefix) {
				a.users++
			}
		}
	}
	return g.by, errors.Join(errs...)
}

// someEnded reports whether a machine says of a worker of the sweep that it ended.
func someEnded(subs []*results.Submission, jobs workers) bool {
	return slices.ContainsFunc(subs, func(sub *results.Submission) bool {
		return sub.Intent != nil && slices.ContainsFunc(jobs[sub.Intent.Key], func(w launcher.Worker) bool { return w.State == launcher.Ended })
	})
}

// settled reports whether no worker of the sweep's can be left and none is
// needed: then what a scheduler says changes nothing.
func (d *Dispatcher) settled(subs []*results.Submission, out *Outcome) bool {
	if out.Left > 0 || len(d.Snapshot.OpenClaims()) > 0 || len(Granted(d.Snapshot.Plan.Header(), out.States)) > 0 {
		return false
	}
	for _, sub := range subs {
		if sub.Intent == nil || sub.Answer != nil && !sub.Answer.Accepted {
			continue
		}
		if q := d.seen.Queue(sub.Intent.Key); q == nil || !q.Gone {
			return false
		}
	}
	return true
}

// recently is how old an answer may be when something has changed since.
const recently = 3 * time.Second

// ask asks a machine that remembers its answers. An answer of before is enough
// unless the tree shows that workers have ended since: fewer hold anything than
// are said to run, or nothing is left to do for them.
func (d *Dispatcher) ask(ctx context.Context, p *launcher.Polite, subs []*results.Submission, out *Outcome) ([]launcher.Worker, error) {
	if d.Insist && !d.stepped {
		p.Reset()
	}
	list, err := p.Jobs(ctx)
	if err != nil || p.Age() <= recently {
		return list, err
	}
	ours := map[string]bool{}
	for _, sub := range subs {
		if sub.Intent != nil {
			ours[sub.Intent.Key] = true
		}
	}
	alive, running := 0, 0
	claimers := d.Snapshot.Claimers()
	for _, w := range list {
		if ours[w.Key] && w.Alive() && !w.Leaving {
			alive++
			// Those that were submitted since have begun if one of them did.
			if w.State == launcher.Running || w.Reason == launcher.JustSubmitted && claimers[w.Key] != nil {
				running++
			}
		}
	}
	holders := map[string]bool{}
	for _, c := range d.Snapshot.OpenClaims() {
		holders[c.Holder.Name] = true
	}
	if alive > 0 && out.Left == 0 || running > len(holders) {
		return p.Now(ctx, recently)
	}
	return list, nil
}
