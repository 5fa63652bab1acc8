package main

import (
	"errors"
	"fmt"
	"strings"

	"orch/sweep/results"
)

// Words that stand for runs wherever a run is wanted, alone or behind "SWEEP/".
const (
	lastRun   = "@last"   // the run that was started last
	failedRun = "@failed" // the run that failed last; every failed run where several can be given
)

const runHelp = "RUN is a run's name or ID, or the beginning of either, or SWEEP/RUN;\n" +
	"@last is the run that was started last, @failed the one that failed last."

// found is a run with the sweep it is in.
type found struct {
	*view
	st *results.RunState
}

// findRun finds the one run that a word names. The caller closes its sweep.
func findRun(tree *results.Tree, word string) (found, error) {
	matches, err := findRuns(tree, word)
	if err != nil {
		return found{}, err
	}
	if len(matches) > 1 && !strings.HasSuffix(word, failedRun) {
		var some []string
		for _, m := range matches[:min(4, len(matches))] {
			some = append(some, m.sweep.Name+"/"+m.st.Run.Name)
		}
		if len(matches) > len(some) {
			some = append(some, "...")
		}
		closeFound(matches, nil)
		return found{}, usage("%q fits %d runs: %s: type more of the name", word, len(matches), strings.Join(some, ", "))
	}
	newest := matches[0]
	for _, m := range matches[1:] {
		if m.st.End.Time > newest.st.End.Time {
			newest = m
		}
	}
	closeFound(matches, newest.sweep)
	return newest, nil
}

// closeFound closes the sweeps of matches but one.
func closeFound(matches []found, keep *results.Sweep) {
	for _, m := range matches {
		if m.sweep != keep {
			m.sweep.Close()
		}
	}
}

// findRuns finds the runs that a word names: the one with this name or ID, else
// all that begin with it; of @failed every failed one. None is an error.
func findRuns(tree *results.Tree, word string) ([]found, error) {
	names, err := tree.Sweeps()
	if err != nil {
		return nil, err
	}
	all := names
	run := word
	if sweep, rest, ok := strings.Cut(word, "/"); ok {
		names, run = []string{sweep}, rest
	}
	var exact, begin []found
	for _, n := range names {
		s, err := tree.Sweep(n)
		if errors.Is(err, results.ErrNoSweep) {
			return nil, usage("no sweep %q in %s%s", n, tree.Path(), sweepHint(n, all))
		}
		if err != nil {
			return nil, asUsage(err)
		}
		sn, err := s.Snapshot()
		if err != nil {
			s.Close()
			return nil, fmt.Errorf("sweep %s: %w", n, err)
		}
		v := newView(s, sn)
		used := false
		for i := range v.states {
			m := found{v, &v.states[i]}
			switch r := m.st.Run; {
			case run == failedRun && m.st.State == results.StateFailed, r.Name == run, r.ID == run:
				exact, used = append(exact, m), true
			case run == lastRun:
				if started(m.st) > 0 && (len(begin) == 0 || started(m.st) > started(begin[0].st)) {
					closeFound(begin, s)
					begin, used = []found{m}, true
				}
			case run != "" && run != failedRun && (strings.HasPrefix(r.Name, run) || strings.HasPrefix(r.ID, run)):
				begin, used = append(begin, m), true
			}
		}
		if !used {
			s.Close()
		}
	}
	switch {
	case len(exact) > 0:
		return exact, nil
	case len(begin) > 0:
		return begin, nil
	case run == lastRun:
		return nil, usage("%s: no run has been started yet", word)
	case run == failedRun:
		return nil, usage("%s: no run has failed", word)
	}
	return nil, &codeError{exitUsage, &noRunError{word}}
}

// noRunError says that a word names no run.
type noRunError struct{ word string }

func (e *noRunError) Error() string {
	return fmt.Sprintf("no run begins with %q: orch status --runs lists them", e.word)
}

// started returns when a run's newest attempt began, by its worker's clock.
func started(st *results.RunState) int64 {
	t := int64(0)
	for _, a := range st.Attempts {
		if a.Start != nil {
			t = max(t, a.Start.Time)
		}
	}
	return t
}
