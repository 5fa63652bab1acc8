package launcher

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
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

// Memory is what the processes of a user on one host remember together of a
// machine, in a file. It is a cache: whoever cannot read or write it asks.
type Memory struct {
	file string
	now  func() time.Time

	mu   sync.Mutex
	info os.FileInfo // of the file that s came from
	s    remembered
}

type remembered struct {
	Version int           `json:"v"`
	Asked   time.Time     `json:"asked"`   // when the list was asked for; zero: there is none
	Tried   time.Time     `json:"tried"`   // when the machine was last asked for a list
	Every   time.Duration `json:"every"`   // wait between two questions, longer after trouble
	Trouble string        `json:"trouble"` // why the last question had no answer
	Spare   float64       `json:"spare"`   // allowance left at Tried
	Calls   []time.Time   `json:"calls"`   // the newest questions of any kind
	Workers workerList    `json:"workers"`
	Added   []added       `json:"added"` // submitted since Asked
}

type added struct {
	At      time.Time  `json:"at"`
	Workers workerList `json:"workers"`
}

const memoryVersion = 2

// workerList is written as stretches of workers that differ in their index only:
// ten thousand tasks of an array that waits are one.
type workerList []Worker

type stretch struct {
	Worker
	N int `json:"n"` // workers, of which the index counts up
}

// stretchMost bounds what a damaged file can ask for.
const stretchMost = 1 << 20

// MarshalJSON implements [json.Marshaler].
func (l workerList) MarshalJSON() ([]byte, error) {
	list := []stretch{}
	for _, w := range l {
		if n := len(list); n > 0 {
			next := list[n-1].Worker
			if next.Index += list[n-1].N; next == w {
				list[n-1].N++
				continue
			}
		}
		list = append(list, stretch{w, 1})
	}
	return json.Marshal(list)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (l *workerList) UnmarshalJSON(b []byte) error {
	var list []stretch
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*l = nil
	for _, s := range list {
		if s.N < 1 || s.N > stretchMost-len(*l) {
			return fmt.Errorf("a stretch of %d workers", s.N)
		}
		for range s.N {
			*l = append(*l, s.Worker)
			s.Index++
		}
	}
	return nil
}

// NewMemory returns the memory that is kept in a file, whose folder is made when
// needed. Without a file only this process remembers.
func NewMemory(file string) *Memory {
	return &Memory{file: file, now: time.Now, s: remembered{Version: memoryVersion, Every: politeEvery, Spare: politeAllowance}}
}

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
	Again   time.Duration // when it will be asked again
}

func (e *NotAskedError) Error() string {
	return fmt.Sprintf("%s; asking again in %v", e.Trouble, e.Again.Round(time.Second))
}

// Jobs implements [Launcher]: see [Polite].
func (p *Polite) Jobs(ctx context.Context) ([]Worker, error) { return p.jobs(ctx, false, 0) }

// Now is Jobs with an answer not older than most, if the allowance has it.
func (p *Polite) Now(ctx context.Context, most time.Duration) ([]Worker, error) {
	return p.jobs(ctx, true, most)
}

// Reset forgets that the machine was in trouble: somebody is waiting who wants
// to know.
func (p *Polite) Reset() {
	p.m.mu.Lock()
	defer p.m.mu.Unlock()
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
		return nil, &NotAskedError{m.s.Trouble, m.s.Every - since}
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

// forget makes the next Jobs ask.
func (m *Memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	m.called(m.now())
	m.s.Asked = time.Time{}
	m.save()
}

// Recent returns how many calls to the machine the processes of this user on
// this host have made in a stretch of time until now, of which not more than
// the last 64 are known.
func (m *Memory) Recent(stretch time.Duration) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	n := 0
	for _, t := range m.s.Calls {
		if age := m.now().Sub(t); age >= 0 && age < stretch {
			n++
		}
	}
	return n
}

func (m *Memory) called(now time.Time) {
	m.s.Calls = append(m.s.Calls, now)
	if n := len(m.s.Calls); n > politeCalls {
		m.s.Calls = slices.Delete(m.s.Calls, 0, n-politeCalls)
	}
}

// load takes over what another process has written. Every save makes a new
// file, so whether it is the one that is known already can be told without
// reading it.
func (m *Memory) load() {
	if m.file == "" {
		return
	}
	info, err := os.Stat(m.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && m.info != nil: // deleted: nothing is known
		m.info, m.s = nil, remembered{Version: memoryVersion, Every: politeEvery, Spare: politeAllowance}
		return
	case err != nil || m.info != nil && os.SameFile(info, m.info) && info.ModTime().Equal(m.info.ModTime()), info.Size() > politeMaxBytes:
		return
	}
	b, err := os.ReadFile(m.file)
	var s remembered
	if err != nil || json.Unmarshal(b, &s) != nil || s.Version != memoryVersion ||
		s.Every < politeEvery || s.Every > politeMost || math.IsNaN(s.Spare) {
		return
	}
	m.info, m.s = info, s
}

// save is for politeness only: if it fails, others ask for themselves.
func (m *Memory) save() {
	if m.file == "" {
		return
	}
	b, err := json.Marshal(m.s)
	if err != nil || len(b) > politeMaxBytes || os.MkdirAll(filepath.Dir(m.file), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(m.file), ".tmp-*") // mode 0600
	if err != nil {
		return
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), m.file)
	}
	if err != nil {
		os.Remove(f.Name())
		return
	}
	m.info, _ = os.Stat(m.file)
}
