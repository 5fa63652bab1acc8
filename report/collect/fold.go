package collect

import (
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
)

// Options of a fold.
type Options struct {
	Series bool // also the metric rows of the counted attempts
}

// Fold computes a sweep's tables from a snapshot of its tree. It is a pure
// function of what the snapshot has read.
func Fold(sn *results.Snapshot, o Options) (*Tables, error) {
	t := &Tables{Sweep: sn.Sweep().Name}
	if h := sn.Plan.Header(); h != nil {
		t.Header = *h
	}
	for _, seg := range sn.Plan.Segments {
		t.Segments = append(t.Segments, seg.Header)
	}
	if err := t.submissions(sn); err != nil {
		return nil, err
	}
	states := sn.Derive()
	t.rows(states)
	if o.Series {
		counted := countedBlocks(states) // by run: block and generation of its counted attempt; "" without one
		resumed := curves(states)
		in := places{runs: t.Runs}
		names := map[string]string{} // of metrics: one copy of each
		err := sn.Sweep().Rows(func(r results.Row) {
			i := in.of(r.Run)
			if i < 0 || counted[i] == "" {
				return
			}
			c := resumed[i]
			if c == nil && counted[i] != r.Block {
				return
			}
			for _, m := range r.Metrics {
				name, ok := names[m.Name]
				if !ok {
					name = strings.Clone(m.Name)
					names[name] = name
				}
				if n := len(t.Series); n == cap(t.Series) { // append grows big slices by a quarter, and copies too often
					t.Series = slices.Grow(t.Series, max(n, 1024))
				}
				p := Point{Run: t.Runs[i].ID, Step: r.Step, Name: name, Value: m.Value}
				if c != nil {
					c.add(r.Block, p)
					continue
				}
				t.Series = append(t.Series, p)
			}
		}, func(p results.Problem) { t.Problems = append(t.Problems, Problem(p)) })
		if err != nil {
			return nil, err
		}
		for _, i := range slices.Sorted(maps.Keys(resumed)) {
			t.Series = append(t.Series, resumed[i].joined()...)
		}
	}
	for _, p := range sn.Problems {
		t.Problems = append(t.Problems, Problem(p))
	}
	slices.SortFunc(t.Problems, func(a, b Problem) int {
		if c := strings.Compare(a.File, b.File); c != 0 {
			return c
		}
		return int(a.Offset - b.Offset)
	})
	return t, nil
}

// rows fills the tables of runs and attempts, a stretch of runs on each core.
func (t *Tables) rows(states []results.RunState) {
	t.Runs = make([]Run, len(states))
	const stretch = 8 << 10
	parts := make([]struct {
		attempts []Attempt // its part of t.Attempts
		problems []Problem
	}, (len(states)+stretch-1)/stretch)
	n := 0
	for i := range states {
		n += len(states[i].Attempts)
	}
	t.Attempts = make([]Attempt, n)
	next, room := make(chan int, len(parts)), t.Attempts
	for i := range parts {
		n := 0
		for _, st := range states[i*stretch : min(len(states), (i+1)*stretch)] {
			n += len(st.Attempts)
		}
		parts[i].attempts, room = room[:n], room[n:]
		next <- i
	}
	close(next)
	var all sync.WaitGroup
	for range min(len(parts), runtime.GOMAXPROCS(0)) {
		all.Go(func() {
			for k := range next {
				p, readers := &parts[k], deltas{}
				attempts := p.attempts
				for i := k * stretch; i < min(len(states), (k+1)*stretch); i++ {
					st := &states[i]
					var err error
					if t.Runs[i], err = runRow(st, readers); err != nil {
						p.problems = append(p.problems, Problem{File: "plans", Text: err.Error()})
					}
					for a := range st.Attempts {
						attempts[a] = attemptRow(st, &st.Attempts[a], a == st.Counted)
					}
					attempts = attempts[len(st.Attempts):]
				}
			}
		})
	}
	all.Wait()
	for i := range parts {
		t.Problems = append(t.Problems, parts[i].problems...)
	}
}

// countedBlocks returns by run the block and generation of the attempt that
// counts, as metric rows name it.
func countedBlocks(states []results.RunState) []string {
	counted := make([]string, len(states))
	var block, full string // of the run before
	gen := -1
	for i := range states {
		st := &states[i]
		if st.Counted < 0 {
			continue
		}
		a := &st.Attempts[st.Counted]
		if a.Block != block || a.Gen != gen {
			block, gen, full = a.Block, a.Gen, results.GenName(a.Block, a.Gen)
		}
		counted[i] = full
	}
	return counted
}

// submissions adds what was asked of launchers; one that nobody finished writing
// has no intent and is left out.
func (t *Tables) submissions(sn *results.Snapshot) error {
	subs, err := sn.Sweep().Submissions()
	if err != nil {
		return err
	}
	for _, s := range subs {
		if s.Intent == nil {
			continue
		}
		row := Submission{Number: s.Number, Key: s.Intent.Key, Backend: s.Intent.Backend, Launcher: s.Intent.Launcher, Workers: s.Intent.Workers, Time: s.Intent.Time.UTC()}
		if a := s.Answer; a != nil {
			row.Accepted, row.Job, row.Reason = a.Accepted, a.Job, a.Reason
		}
		t.Submissions = append(t.Submissions, row)
	}
	return nil
}

// deltas holds a reader for every segment.
type deltas map[*results.Header]*results.DeltaReader

func (d deltas) of(h *results.Header) *results.DeltaReader {
	if d[h] == nil {
		d[h] = h.DeltaReader()
	}
	return d[h]
}

func runRow(st *results.RunState, d deltas) (Run, error) {
	h := &st.Run.Segment.Header
	row := Run{ID: st.Run.ID, Name: st.Run.Name, Dropped: !st.Run.Planned, State: string(st.State), Attempts: len(st.Attempts),
		spec: st.Run.Spec, header: h, deltas: d.of(h)}
	var err error
	row.Swept, err = row.deltas.AppendSwept(make([]override.Field, 0, len(h.Axes)), row.spec)
	if st.Counted < 0 {
		if st.Order != nil {
			row.Message = st.Order.Cause
		}
		return row, err
	}
	end, a := st.End, st.Attempts[st.Counted]
	row.Class, row.Seconds, row.Message = end.Class, end.Seconds, end.Message
	byName := func(a, b Metric) int { return strings.Compare(a.Name, b.Name) }
	if row.Metrics = end.Metrics; !slices.IsSortedFunc(row.Metrics, byName) {
		row.Metrics = slices.Clone(row.Metrics) // the record's own stay in the order of their first report
		slices.SortFunc(row.Metrics, byName)
	}
	if a.Holder != nil {
		row.Host, row.Code = a.Holder.Host, a.Holder.Orch
	}
	row.Arithmetic = st.Arithmetic()
	return row, err
}

// folder is path.Join of names that are clean, which nearly all are.
func folder(run, attempt string) string {
	if attempt == "" || strings.ContainsAny(attempt, "./") {
		return path.Join("runs", run, attempt)
	}
	return "runs/" + run + "/" + attempt
}

func attemptRow(st *results.RunState, a *results.AttemptState, counted bool) Attempt {
	row := Attempt{Run: st.Run.ID, Folder: folder(st.Run.Name, a.Folder), Class: a.Class, Counted: counted}
	if a.Holder != nil {
		row.Worker, row.Host, row.Submission = a.Holder.Name, a.Holder.Host, a.Holder.Key
	}
	if a.Start != nil {
		row.Start = time.UnixMilli(a.Start.Time).UTC()
	}
	if e := a.End; e != nil {
		row.Seconds, row.Exit, row.Signal, row.Message, row.MaxRSS, row.CPU = e.Seconds, e.Exit, e.Signal, e.Message, e.MaxRSS, e.CPU
	}
	return row
}
