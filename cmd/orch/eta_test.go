package main

import (
	"math"
	"strings"
	"testing"

	"orch/sweep/results"
)

// ofKind makes n runs of a base config in one state, which took so many seconds.
func ofKind(base, n int, state results.RunStateName, seconds ...float64) []results.RunState {
	var list []results.RunState
	for i := range n {
		run := &results.PlannedRun{Planned: true, Spec: &results.RunSpec{Base: base}, Segment: &results.Segment{}}
		st := results.RunState{Run: run, State: state, Counted: -1}
		if len(seconds) > 0 {
			st.End = &results.Record{Seconds: seconds[i%len(seconds)]}
		}
		list = append(list, st)
	}
	return list
}

func join(lists ...[]results.RunState) []results.RunState {
	var all []results.RunState
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

func TestEstimate(t *testing.T) {
	done, queued, running := results.StateDone, results.StateQueued, results.StateRunning
	for _, tt := range []struct {
		name         string
		states       []results.RunState
		atOnce       int
		want         bool
		seconds      float64
		low, high    float64
		lowHighKnown bool
	}{
		{"no finished run", ofKind(0, 3, queued), 2, false, 0, 0, 0, false},
		{"nobody works", join(ofKind(0, 3, done, 10), ofKind(0, 3, queued)), 0, false, 0, 0, 0, false},
		{"nothing left", ofKind(0, 3, done, 10), 2, false, 0, 0, 0, false},
		{"equal durations", join(ofKind(0, 4, done, 10), ofKind(0, 6, queued)), 2, true, 30, 30, 30, true},
		{"running ones are half over", join(ofKind(0, 4, done, 10), ofKind(0, 2, running), ofKind(0, 4, queued)), 2, true, 25, 25, 25, true},
		{"more workers than runs", join(ofKind(0, 4, done, 10), ofKind(0, 2, queued)), 50, true, 10, 10, 10, true},
		// Two kinds, each predicted by its own: 3*1 + 3*100 seconds of work.
		{"by kind", join(ofKind(0, 5, done, 1), ofKind(1, 5, done, 100), ofKind(0, 3, queued), ofKind(1, 3, queued)), 3, true, 101, 101, 101, true},
		// An unknown kind is predicted by all: mean 50.5.
		{"new kind", join(ofKind(0, 5, done, 1), ofKind(1, 5, done, 100), ofKind(2, 2, queued)), 1, true, 101, 0, 0, false},
		// 9, 11: mean 10, variance 2; 4 left: 40 +- 1.645*sqrt(2*(4+16/2)).
		{"spread", join(ofKind(0, 2, done, 9, 11), ofKind(0, 4, queued)), 1, true, 40, 40 - 1.645*math.Sqrt(24), 40 + 1.645*math.Sqrt(24), true},
	} {
		e := estimate(tt.states, tt.atOnce)
		if (e != nil) != tt.want {
			t.Errorf("%s: estimate = %v, want one: %v", tt.name, e, tt.want)
			continue
		}
		if e == nil {
			continue
		}
		near := func(a, b float64) bool { return math.Abs(a-b) < 1e-9*(1+math.Abs(b)) }
		if !near(e.Seconds, tt.seconds) || tt.lowHighKnown && (!near(e.Low, tt.low) || !near(e.High, tt.high)) {
			t.Errorf("%s: estimate = %+v, want %v (%v to %v)", tt.name, *e, tt.seconds, tt.low, tt.high)
		}
		if e.Low > e.Seconds || e.High < e.Seconds {
			t.Errorf("%s: the range %v to %v does not hold %v", tt.name, e.Low, e.High, e.Seconds)
		}
	}
}

func TestCauses(t *testing.T) {
	failed := func(name, message string, class results.Class, exit int) results.RunState {
		return results.RunState{Run: &results.PlannedRun{Name: name, Planned: true}, State: results.StateFailed,
			End: &results.Record{Class: class, Exit: exit, Message: message}}
	}
	groups := groupFailures([]results.RunState{
		failed("a", "no such file: /data/1/x.csv", results.Failed, 1),
		failed("b", "CUDA error at 0x7f3a9c00 (step 17)", results.Failed, 1),
		failed("c", "CUDA error at 0x55d0fe10 (step 4)", results.Failed, 1),
		failed("d", "no such file: /scratch/me/y.csv", results.Failed, 1),
		failed("e", "CUDA error at 0x1 (step 5)", results.Failed, 2),
		failed("f", "no such file: z.csv/", results.OutOfMemory, 1),
		failed("g", "CUDA error at 0xdeadbeef01 (step 99)", results.Failed, 1),
	})
	var got []string
	for _, g := range groups {
		got = append(got, strings.Join(g.Runs, ""))
	}
	if s := strings.Join(got, " "); s != "bcg ad e f" {
		t.Errorf("groups %q, want bcg ad e f", s)
	}
}
