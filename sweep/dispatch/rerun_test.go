package dispatch

import (
	"slices"
	"strings"
	"testing"

	"orch/sweep/override"
	"orch/sweep/results"
)

// A rerun of what was not submitted, or not like that, is also a plan, as without
// --rerun: with its study, and without the runs that the file has no more.
func TestRerunIsAPlan(t *testing.T) {
	study := func(alpha string) string { return "[study]\nquestion = \"" + alpha + "?\"\n" }
	for _, c := range []struct {
		kind    results.Kind
		planned int // after the edit
	}{{results.KindPlan, 2}, {results.KindAdd, 3}} {
		t.Run(string(c.kind), func(t *testing.T) {
			f := newFixture(t)
			text := strings.Replace(twelve, "range(0,12)", "1,2", 1)
			kinds := func() (all []results.Kind) {
				p, err := f.s.Plan()
				if err != nil {
					t.Fatal(err)
				}
				for _, seg := range p.Segments {
					all = append(all, seg.Kind)
				}
				return all
			}
			if pub := f.publishAs(text+study("first"), c.kind, true); pub.New != 2 || pub.Again != 0 || !slices.Equal(kinds(), []results.Kind{c.kind}) {
				t.Fatalf("the first submission = %+v, segments %v, want two new runs in a %s", pub, kinds(), c.kind)
			}
			if pub := f.publishAs(text+study("first"), c.kind, true); pub.Segment != 0 || pub.Open != 2 {
				t.Errorf("a rerun of runs that wait = %+v, want nothing", pub)
			}
			if _, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {}); err != nil {
				t.Fatal(err)
			}
			edited := strings.Replace(text, "1,2", "2,3", 1) + study("second")
			pub := f.publishAs(edited, c.kind, true)
			if pub.New != 1 || pub.Again != 1 || pub.Dropped != 3-c.planned {
				t.Errorf("the edited file = %+v, want one run new, one again", pub)
			}
			if got, want := kinds(), []results.Kind{c.kind, c.kind, results.KindRerun}; !slices.Equal(got, want) {
				t.Errorf("segments %v, want %v", got, want)
			}
			p, err := f.s.Plan()
			if err != nil {
				t.Fatal(err)
			}
			if h := p.Header(); p.Planned != c.planned || !strings.Contains(h.Study.Text(), "second") {
				t.Errorf("%d runs are planned for the study %s, want %d for the second", p.Planned, h.Study.Text(), c.planned)
			}
			if _, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {}); err != nil {
				t.Fatal(err)
			}
			n := f.executed()
			times := map[string]int{}
			for name, k := range n {
				_, rest, _ := strings.Cut(name, "-")
				x, _, _ := strings.Cut(rest, "-")
				times[x] = k
			}
			if len(times) != 3 || times["x1"] != 1 || times["x2"] != 2 || times["x3"] != 1 {
				t.Errorf("executed %v, want x1 once, x2 twice, x3 once", n)
			}
			f.sound()
		})
	}
}

// Of those who ask for a rerun at once, one gets it; the others see runs that
// wait already.
func TestRerunsAtOnce(t *testing.T) {
	f := newFixture(t)
	text := strings.Replace(twelve, "range(0,12)", "1,2", 1)
	f.publish(text, results.KindPlan)
	if _, err := f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {}); err != nil {
		t.Fatal(err)
	}
	edited := strings.Replace(text, "1,2", "1,2,3", 1)
	again := make(chan int)
	for range 4 {
		plan := f.plan(edited)
		go func() {
			pub, err := Publish(f.s, plan, Publication{Kind: results.KindPlan, Rerun: true, Workers: func(override.Value) (int, int, bool, error) { return 2, 1, false, nil }})
			if err != nil {
				t.Error(err)
				pub = &Published{}
			}
			again <- pub.Again
		}()
	}
	sum := 0
	for range 4 {
		sum += <-again
	}
	p, err := f.s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	if n := len(p.Segments); sum != 2 || n != 3 || p.Segments[1].Kind != results.KindPlan || p.Segments[2].Kind != results.KindRerun {
		t.Errorf("%d runs get another try in %d segments, want 2 in a plan, its successor and a rerun", sum, n)
	}
}
