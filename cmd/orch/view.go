package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"orch/sweep/dispatch"
	"orch/sweep/results"
)

// view is what is known of a sweep at one moment: the states of its runs, and
// what follows from who holds them. It only reads.
type view struct {
	sweep    *results.Sweep
	sn       *results.Snapshot
	states   []results.RunState
	words    []string        // by run: its state, told apart as looks does
	dead     map[string]bool // workers that are proven dead and still hold something
	holding  map[string]bool // workers that hold something and may be alive
	atOnce   int             // generations that they hold: so many runs are executed at once
	lastWord time.Time       // newest journal line, by its writer's clock
	now      time.Time
	deltas   deltas
	noted    *sweepStatus // of a settled sweep, noted with its tables; then there is nothing else
	err      error        // why the sweep cannot be read; then noted says so
}

func newView(s *results.Sweep, sn *results.Snapshot) *view {
	v := &view{sweep: s, sn: sn, states: sn.Derive(), now: time.Now(), lastWord: sn.LastWord(""), dead: map[string]bool{}, holding: map[string]bool{}, deltas: deltas{}}
	for _, c := range sn.OpenClaims() {
		switch name := c.Holder.Name; {
		case v.dead[name]:
		case v.holding[name]:
			v.atOnce++
		case c.Holder.Fate() == results.FateDead:
			v.dead[name] = true
		default:
			v.holding[name] = true
			v.atOnce++
		}
	}
	v.words = make([]string, len(v.states))
	for i := range v.states {
		v.words[i] = v.word(&v.states[i])
	}
	return v
}

// unreadableView stands for a sweep that cannot be read, among others that can.
func unreadableView(name string, err error) *view {
	why := strings.TrimPrefix(err.Error(), "sweep "+name+": ") // which every line about it begins with
	st := sweepStatus{Name: name, Failures: []failureGroup{}, Unreadable: why}
	line := "it cannot be read: " + oneLine(why)
	var newer *results.NewerError
	if !errors.As(err, &newer) { // which says what to install
		line += " -> orch fsck " + name
	}
	st.Attention = []string{line}
	return &view{noted: &st, err: err, now: time.Now()}
}

// unreadable returns an error if some of the sweeps cannot be read.
func unreadable(views []*view) error {
	var names []string
	for _, v := range views {
		if v.err != nil {
			names = append(names, v.noted.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d sweeps cannot be read: orch fsck %s", len(names), len(views), strings.Join(names, " "))
}

// word returns a run's state as people are told it.
func (v *view) word(st *results.RunState) string {
	switch n := len(st.Attempts); {
	case n == 0:
	case st.State == results.StateRunning:
		if h := st.Attempts[n-1].Holder; h != nil && v.dead[h.Name] {
			return wordLost
		}
	case st.State == results.StateQueued && st.Attempts[n-1].Segment == st.Run.Tries[len(st.Run.Tries)-1].Segment.Number:
		return wordRetrying
	}
	return string(st.State)
}

// over reports whether nothing waits, nothing runs, and the retry policy grants
// nothing that the next Step will publish.
func (v *view) over() bool {
	open := slices.ContainsFunc(v.states, func(st results.RunState) bool {
		return st.State == results.StateQueued || st.State == results.StateRunning
	})
	return !open && (v.sn == nil || len(dispatch.Granted(v.sn.Plan.Header(), v.states)) == 0)
}

// sweepStatus is a sweep in the schema orch.status/1.
type sweepStatus struct {
	Name      string         `json:"name"`
	Runs      results.Counts `json:"runs"`
	Failures  []failureGroup `json:"failures"`
	Problems  int            `json:"problems"`
	Lost      int            `json:"lost"`     // of the running ones
	Retrying  int            `json:"retrying"` // of the queued ones
	AtOnce    int            `json:"at_once"`  // runs that workers hold which may be alive
	ETA       *eta           `json:"eta"`
	LastWord  *time.Time     `json:"last_word"` // newest journal line, by its writer's clock
	Attention []string       `json:"attention"` // what else a person should look at
	List      []runRow       `json:"list,omitempty"`

	Unreadable string `json:"unreadable,omitempty"` // why nothing else is known of it
}

// status sums the view up.
func (v *view) status() sweepStatus {
	if v.noted != nil {
		return *v.noted
	}
	s := sweepStatus{Name: v.sweep.Name, Runs: results.Count(v.states), Failures: groupFailures(v.states), Problems: len(v.sn.Problems),
		AtOnce: v.atOnce, ETA: estimate(v.states, v.atOnce), Attention: []string{}}
	for _, w := range v.words {
		switch w {
		case wordLost:
			s.Lost++
		case wordRetrying:
			s.Retrying++
		}
	}
	if !v.lastWord.IsZero() {
		last := v.lastWord // alone: a pointer into the view would keep all of it
		s.LastWord = &last
	}
	const logsRead = 5 // a log is a file to open: only for groups that are shown
	byName := map[string]*results.RunState{}
	if len(s.Failures) > 0 {
		for i := range v.states {
			byName[v.states[i].Run.Name] = &v.states[i]
		}
	}
	for i := range s.Failures {
		if i < logsRead {
			s.Failures[i].Log = v.lastLogLine(byName[s.Failures[i].Runs[0]])
		}
	}
	s.Attention = append(s.Attention, v.attention(&s)...)
	return s
}

// attention says what keeps the sweep from going on, and what to type.
func (v *view) attention(s *sweepStatus) []string {
	var list []string
	if s.Lost > 0 {
		list = append(list, fmt.Sprintf("%d %s lost: the worker is gone -> %s", s.Lost, plural(s.Lost, "run is", "runs are"), v.goOn()))
	}
	var queues map[string]*results.Queue
	if s.Runs.Queued+s.Runs.Running > 0 {
		queues, _ = v.sweep.Queues() // without them less is said
	}
	if waiting := s.Runs.Queued; waiting > 0 {
		lines, known := v.queueLines(queues)
		if !known && v.atOnce == 0 && s.Lost == 0 {
			list = append(list, fmt.Sprintf("no worker holds %s%s", plural(waiting, "the queued run", fmt.Sprintf("any of the %d queued runs", waiting)), v.lastJob()))
		}
		list = append(list, lines...)
	}
	if line := v.pausedLine(queues); s.Runs.Running > 0 && line != "" {
		list = append(list, line)
	}
	if s.Runs.Held > 0 {
		cause := ""
		for _, st := range v.states {
			if st.State == results.StateHeld && st.Order != nil {
				cause = ": " + oneLine(st.Order.Cause)
				break
			}
		}
		line := fmt.Sprintf("%d %s held%s", s.Runs.Held, plural(s.Runs.Held, "run is", "runs are"), cause)
		if !strings.Contains(cause, "orch retry") { // workers that hold a sweep say what to do
			line += " -> orch retry " + s.Name
		}
		list = append(list, line)
	}
	silence := time.Duration(v.sweep.Tree().Silence * float64(time.Second))
	for _, name := range sortedKeys(v.holding) {
		if last := v.sn.LastWord(name); silence > 0 && !last.IsZero() && v.now.Sub(last) > silence {
			list = append(list, fmt.Sprintf("no word from worker %s for %s (by its clock) -> orch collect finds out whether it is dead", name, span(v.now.Sub(last))))
		}
	}
	if mixed := v.mixedArithmetic(); mixed != "" {
		list = append(list, "its runs were computed with arithmetic that differs in its last bits: "+mixed)
	}
	for _, b := range v.sn.Blocked() {
		list = append(list, b.String())
	}
	if s.Problems > 0 {
		list = append(list, fmt.Sprintf("%d damaged or foreign %s in the tree -> orch fsck %s", s.Problems, plural(s.Problems, "entry", "entries"), s.Name))
	}
	return list
}

// mixedArithmetic says how many finished built-in trainings were computed with
// what, if their machines round differently; see [results.RunState.Arithmetic].
func (v *view) mixedArithmetic() string {
	counts := map[string]int{}
	for i := range v.states {
		if st := &v.states[i]; st.State == results.StateDone {
			if a := st.Arithmetic(); a != "" {
				counts[a]++
			}
		}
	}
	if len(counts) < 2 || !trainBuiltIn(basesOf(v.sn)) {
		return ""
	}
	var list []string
	for _, name := range sortedKeys(counts) {
		list = append(list, fmt.Sprintf("%d by %s", counts[name], name))
	}
	return strings.Join(list, ", ")
}

// lastJob says what was last asked of a scheduler, or how to start workers here.
func (v *view) lastJob() string {
	subs, err := v.sweep.Submissions()
	if err == nil && len(subs) > 0 {
		if sub := subs[len(subs)-1]; sub.Intent != nil && sub.Answer != nil && sub.Answer.Accepted && sub.Intent.Backend != "pool" {
			return fmt.Sprintf(": job %s (%s) may still wait in the queue", sub.Answer.Job, sub.Intent.Backend)
		}
	}
	return " -> " + v.goOn()
}

// goOn is the command that makes the sweep go on: the one it was submitted with,
// without what would begin it anew.
func (v *view) goOn() string {
	for _, seg := range slices.Backward(v.sn.Plan.Segments) {
		if c := seg.Provenance.Command; (seg.Kind == results.KindPlan || seg.Kind == results.KindAdd) && len(c) > 1 {
			words := []string{"orch"}
			for _, w := range c[1:] {
				if flag, _, _ := strings.Cut(w, "="); flag != "--rerun" && flag != "-rerun" {
					words = append(words, shellWord(w))
				}
			}
			return strings.Join(words, " ")
		}
	}
	return "orch collect " + v.sweep.Name
}

// lastLogLine returns the last line of a run's log that its program wrote; orch
// adds lines of its own, which the message has already.
func (v *view) lastLogLine(st *results.RunState) string {
	if st == nil || len(st.Attempts) == 0 {
		return ""
	}
	a := st.Attempts[len(st.Attempts)-1]
	if st.Counted >= 0 {
		a = st.Attempts[st.Counted]
	}
	lines := lastLines(filepath.Join(v.sweep.AttemptPath(st.Run.Name, a.Folder), results.LogFile), 20)
	for _, l := range slices.Backward(lines) {
		if l = oneLine(l); l != "" && !strings.HasPrefix(l, "orch: ") {
			return l
		}
	}
	return ""
}

// shellWord quotes a word for a shell if it must be.
func shellWord(w string) string {
	if w != "" && !strings.ContainsFunc(w, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-./=,:+@%", r))
	}) {
		return w
	}
	return "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
