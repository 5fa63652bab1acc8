package launcher

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Polite is a wrapper around the launcher of a machine that is shared with
// others: it remembers what the machine said of the user's workers, so that all
// sweeps and all processes of the user on this host together ask about twice a
// minute, and ever less often while the machine is slow or silent.
//
// Jobs returns what was last said if that is not older than Every, with the
// jobs that were submitted since. Now asks again if there is a reason to, from
// a small allowance. Submit and Cancel always reach the machine.
type Polite struct {
	Launcher
	m    *Memory
	then time.Time // when the answer was given that Jobs returned last
	mu   sync.Mutex
}

var _ Unwrapper = (*Polite)(nil)

// Manners of [Memory].
const (
	politeEvery = 30 * time.Second // twice a minute
	politeSlow  = 5 * time.Second  // an answer that takes longer comes from a machine in trouble
	politeMost  = 5 * time.Minute  // the longest wait between two questions
	// An allowance of questions out of turn: that many at once, and one more
	// each time that a turn passes.
	politeAllowance = 6
	politeMaxBytes  = 8 << 20 // of the file; more is not worth reading again
	politeCalls     = 64      // times of questions that are kept
)

// Politely wraps a launcher. All launchers of one machine share a memory.
func Politely(l Launcher, m *Memory) *Polite { return &Polite{Launcher: l, m: m} }

// Memory returns the memory that the launcher shares with others of its machine.
func (p *Polite) Memory() *Memory { return p.m }

// Unwrap implements [Unwrapper].
func (p *Polite) Unwrap() Launcher { return p.Launcher }

// JustSubmitted is the Reason of pending workers that no answer shows yet.
const JustSubmitted = "just submitted"

// NotAskedError says that the machine was not asked, since it was in trouble a
// moment ago.
type NotAskedError struct {
	Trouble string
	Again   time.Time // when it will be asked again
}

// Error gives the time of day, not the seconds that are left: who watches sees
// the same text until then, and can say it once.
func (e *NotAskedError) Error() string {
	return fmt.Sprintf("%s; asking again at %s", e.Trouble, e.Again.Local().Format(time.TimeOnly))
}

// Jobs implements [Launcher]: see [Polite].
func (p *Polite) Jobs(ctx context.Context) ([]Worker, error) { return p.jobs(ctx, false, 0) }

// Now is Jobs with an answer not older than most, if the allowance has it.
func (p *Polite) Now(ctx context.Context, most time.Duration) ([]Worker, error) {
	return p.jobs(ctx, true, most)
}

// Ahead asks what Jobs, after a Reset, will ask later in this process: what the
// caller does meanwhile takes as long. The answer, and that there was none,
// serves the next Reset and Jobs, which wait for it. done is closed when the
// question is over; ending ctx ends it.
func (p *Polite) Ahead(ctx context.Context) (done <-chan struct{}) {
	p.Reset()
	over := make(chan struct{})
	asking := &early{}
	p.m.mu.Lock() // until there is an answer
	p.m.ahead = asking
	go func() {
		defer close(over)
		defer p.m.mu.Unlock()
		_, asking.err = p.ask(ctx, false, 0)
		if ctx.Err() != nil {
			p.m.ahead = nil
		}
	}()
	return over
}

// Reset forgets that the machine was in trouble: somebody is waiting who wants
// to know.
func (p *Polite) Reset() {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
	if p.m.ahead != nil { // that was a moment ago
		return
	}
	p.m.load()
	if p.m.s.Trouble != "" {
		p.m.s.Trouble, p.m.s.Every = "", politeEvery
		p.m.save()
	}
}

// Age returns how old the answer is that Jobs or Now returned last.
func (p *Polite) Age() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.m.now().Sub(p.then)
}

func (p *Polite) jobs(ctx context.Context, urgent bool, most time.Duration) ([]Worker, error) {
	m := p.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if asked := m.ahead; asked != nil {
		m.ahead = nil
		if asked.err != nil {
			return nil, asked.err
		}
	}
	return p.ask(ctx, urgent, most)
}

// ask is jobs; the caller has the memory's mutex.
func (p *Polite) ask(ctx context.Context, urgent bool, most time.Duration) ([]Worker, error) {
	m := p.m
	m.load()
	now := m.now()
	age, since := now.Sub(m.s.Asked), now.Sub(m.s.Tried)
	spare := min(politeAllowance, m.s.Spare+float64(since)/float64(politeEvery))
	have := !m.s.Asked.IsZero() && age >= 0
	switch {
	case urgent && have && age <= most:
		return p.known(), nil
	case urgent && spare >= 1 && m.s.Every <= politeEvery:
	case have && age < m.s.Every:
		return p.known(), nil
	case m.s.Trouble != "" && since >= 0 && since < m.s.Every:
		return nil, &NotAskedError{m.s.Trouble, m.s.Tried.Add(m.s.Every)}
	}
	before := m.s.Asked
	list, err := p.Launcher.Jobs(ctx)
	if ctx.Err() != nil { // says nothing of the machine
		return list, err
	}
	took := m.now().Sub(now)
	m.load() // what others wrote meanwhile stays
	m.called(now)
	if m.s.Asked.After(now) && !m.s.Asked.Equal(before) { // another process has a newer answer
		m.save()
		return p.known(), nil
	}
	m.s.Spare, m.s.Tried = spare, now
	if urgent {
		m.s.Spare = max(0, spare-1)
	}
	if err != nil || took > politeSlow {
		m.s.Every = min(2*max(m.s.Every, politeEvery), politeMost)
	} else {
		m.s.Every = politeEvery
	}
	if err != nil {
		m.s.Trouble, m.s.Asked, m.s.Workers = err.Error(), time.Time{}, nil
		m.save()
		return nil, err
	}
	m.s.Trouble, m.s.Asked, m.s.Workers = "", now, list
	m.s.Added = slices.DeleteFunc(m.s.Added, func(a added) bool { return a.At.Before(now) })
	m.save()
	return p.known(), nil
}

// known returns the list with what was submitted since.
func (p *Polite) known() []Worker {
	p.mu.Lock()
	p.then = p.m.s.Asked
	p.mu.Unlock()
	all := slices.Clip([]Worker(p.m.s.Workers)) // a copy only if there is more
	for _, a := range p.m.s.Added {
		all = append(all, a.Workers...)
	}
	return all
}

// Submit implements [Launcher].
func (p *Polite) Submit(ctx context.Context, req Request) (string, error) {
	id, err := p.Launcher.Submit(ctx, req)
	m := p.m
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	now := m.now()
	m.called(now)
	var limited *Limited
	switch {
	case err == nil:
		a := added{At: now}
		for i := range req.Workers {
			a.Workers = append(a.Workers, Worker{Job: id, Key: req.Key, Index: i, State: Pending, Reason: JustSubmitted})
		}
		m.s.Added = append(m.s.Added, a)
	case IsRefused(err) || errors.As(err, &limited):
	default: // it may be there: the next question tells
		m.s.Asked = time.Time{}
	}
	m.save()
	return id, err
}

// Cancel implements [Launcher].
func (p *Polite) Cancel(ctx context.Context, ids ...string) error {
	defer p.m.forget()
	return p.Launcher.Cancel(ctx, ids...)
}

// Withdraw implements [Withdrawer] where the launcher does.
func (p *Polite) Withdraw(ctx context.Context, ids ...string) error {
	w, ok := As[Withdrawer](p.Launcher)
	if !ok {
		return nil
	}
	defer p.m.forget()
	return w.Withdraw(ctx, ids...)
}
