package dispatch

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"orch/launcher"
	"orch/sweep/override"
	"orch/sweep/results"
)

// scheduler is a launcher whose jobs do what the test says: the decisions of a
// Step about time-outs, limits and silence need no cluster, but they need all
// of a cluster's moods.
type scheduler struct {
	rows    []launcher.Worker // what squeue says
	past    []launcher.Worker // what sacct says
	deaf    error             // Jobs fails
	mute    error             // Past fails
	answers []error           // of the next submissions; then they are accepted
	limit   int               // most workers in the queue; 0: no limit
	perJob  int
	perUser int
	fit     int
	env     []string // of this process

	asked     []launcher.Request
	withdrawn []string
	number    int

	meanwhile func() // before Jobs answers
}

func (s *scheduler) Jobs(context.Context) ([]launcher.Worker, error) {
	if s.meanwhile != nil {
		s.meanwhile()
	}
	return slices.Clone(s.rows), s.deaf
}
func (s *scheduler) Cancel(context.Context, ...string) error { return nil }
func (s *scheduler) Fit(launcher.Resources) (int, bool)      { return s.fit, true }
func (s *scheduler) Bounds() (int, int)                      { return s.perJob, s.perUser }
func (s *scheduler) Inherited() []string                     { return s.env }
func (s *scheduler) Machine() string                         { return "test" }
func (s *scheduler) Withdraw(_ context.Context, ids ...string) error {
	s.withdrawn = append(s.withdrawn, ids...)
	return nil
}
func (s *scheduler) Past(_ context.Context, _ time.Time, keys ...string) ([]launcher.Worker, error) {
	if s.mute != nil {
		return nil, s.mute
	}
	if s.past == nil {
		return nil, launcher.ErrNoRecord
	}
	return slices.DeleteFunc(slices.Clone(s.past), func(w launcher.Worker) bool { return !slices.Contains(keys, w.Key) }), nil
}

func (s *scheduler) Submit(_ context.Context, r launcher.Request) (string, error) {
	s.asked = append(s.asked, r)
	if len(s.answers) > 0 {
		err := s.answers[0]
		s.answers = s.answers[1:]
		if err != nil {
			return "", err
		}
	}
	if s.limit > 0 && len(s.rows)+r.Workers > s.limit {
		return "", &launcher.Limited{Reason: "QOSMaxSubmitJobPerUserLimit"}
	}
	s.number++
	for i := range r.Workers {
		s.rows = append(s.rows, launcher.Worker{Job: fmt.Sprint(s.number), Key: r.Key, Index: i, State: launcher.Pending, Reason: "waits for free nodes (Resources)"})
	}
	return fmt.Sprint(s.number), nil
}

func (s *scheduler) end(key string, end launcher.End, host, words string) {
	for i := range s.rows {
		if s.rows[i].Key == key {
			s.rows[i].State, s.rows[i].End, s.rows[i].Host, s.rows[i].Reason = launcher.Ended, end, host, words
		}
	}
}

func (s *scheduler) workers() (sizes []int) {
	for _, r := range s.asked {
		sizes = append(sizes, r.Workers)
	}
	return sizes
}

func newScheduler() *scheduler { return &scheduler{perJob: 1000, perUser: 256, fit: 64} }

const onScheduler = `
ms = 20
[launcher]
backend = "slurm"
mem = "1G"
time = "1h"
[sweep]
x = "range(0,%d)"
`

// process is a Dispatcher as a new process has it, of cron for instance. The
// memory of the machine is its own, so it asks.
func (f *fixture) process(s *scheduler) *Dispatcher {
	f.t.Helper()
	sn, err := f.s.Snapshot()
	if err != nil {
		f.t.Fatal(err)
	}
	polite := launcher.Politely(s, launcher.NewMemory(""))
	return &Dispatcher{Sweep: f.s, Snapshot: sn,
		Launcher: func(_ context.Context, table override.Value) (launcher.Launcher, launcher.Spec, error) {
			spec, errs := launcher.ParseSpec(table.Any().(map[string]any))
			return polite, spec, errors.Join(errs...)
		},
		Worker: func(key string, _ launcher.Spec) ([]string, []string, error) {
			return []string{"/worker", key}, nil, nil
		},
	}
}

func (f *fixture) step(d *Dispatcher) *Outcome {
	f.t.Helper()
	out, err := d.Step(f.t.Context())
	if err != nil {
		f.t.Fatal(err)
	}
	return out
}

// work makes a worker of a submission execute runs that take no time, on a node
// of another machine, and leave. It returns its journal, open if it holds on.
func (f *fixture) work(key string, index, runs int, node string, class results.Class) {
	f.t.Helper()
	sn, err := f.s.Snapshot()
	if err != nil {
		f.t.Fatal(err)
	}
	group := sn.Plan.Keys()[0]
	for _, sub := range f.submissions() {
		if sub.Intent.Key == key {
			group = sub.Intent.Group
		}
	}
	board, err := f.s.Board(group)
	if err != nil {
		f.t.Fatal(err)
	}
	h := elsewhere()
	h.Key, h.Index, h.Node, h.Job = key, index, node, "1"
	j, err := f.s.OpenJournal(h)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { j.Close() })
	for range runs {
		held, err := board.Claim(func() (*results.Journal, error) { return j, nil })
		if err != nil || held == nil {
			f.t.Fatalf("Claim = %v, %v", held, err)
		}
		full := results.GenName(held.Block, held.Gen)
		for _, r := range held.Runs {
			if err := j.Append(results.Record{Kind: results.RecordStart, Run: r.Run.ID, Block: full, Folder: r.Attempt}); err != nil {
				f.t.Fatal(err)
			}
			if class == results.NoEnd {
				continue
			}
			if err := j.Append(results.Record{Kind: results.RecordEnd, Run: r.Run.ID, Block: full, Class: class, Seconds: 60}); err != nil {
				f.t.Fatal(err)
			}
		}
		if class != results.NoEnd {
			left := 0
			if !class.Final() {
				left = len(held.Runs)
			}
			if _, err := j.Seal(held.Block, held.Gen, left); err != nil {
				f.t.Fatal(err)
			}
		}
	}
}

func patient(t *testing.T, p time.Duration) {
	old := patienceAbsent
	patienceAbsent = p
	t.Cleanup(func() { patienceAbsent = old })
}

// limits sets how long the first "not now" keeps from asking.
func limits(t *testing.T, first time.Duration) {
	old := limitFirst
	limitFirst = first
	t.Cleanup(func() { limitFirst = old })
}

// replaced sets for how long workers of a replaced request are left alone.
func replaced(t *testing.T, d time.Duration) {
	old := replacedFor
	replacedFor = d
	t.Cleanup(func() { replacedFor = old })
}

// soon waits until a new process's Step has done it.
func (f *fixture) soon(s *scheduler, what string, ok func(*Outcome) bool) {
	f.t.Helper()
	end := time.Now().Add(soonEnough)
	for !ok(f.step(f.process(s))) {
		if time.Now().After(end) {
			f.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (f *fixture) submissions() []*results.Submission {
	f.t.Helper()
	subs, err := f.s.Submissions()
	if err != nil {
		f.t.Fatal(err)
	}
	return subs
}
