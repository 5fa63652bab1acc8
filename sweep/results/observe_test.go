package results

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// A chain of short-lived processes on one host adds up a silence, and growth of
// the journal ends it.
func TestObservationsOutliveTheProcess(t *testing.T) {
	s := newSweep(t, 4, 1, false)
	b := openBoard(t, s)
	far := Self()
	far.Host, far.Boot = "elsewhere", "another boot"
	j, err := s.OpenJournal(far)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	h, err := b.Claim(func() (*Journal, error) { return j, nil })
	if err != nil {
		t.Fatal(err)
	}
	step := func() *Observations { // what a Step of a new process does
		t.Helper()
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		o, err := s.Observations()
		if err != nil {
			t.Fatal(err)
		}
		o.Look(sn)
		if err := o.Save(); err != nil {
			t.Fatal(err)
		}
		return o
	}
	name := j.Holder().Name
	quietSince := func(begin float64) { // no longer than that, however long the look takes
		t.Helper()
		q := step().Quiet(ofHolder(name))
		if most := time.Duration((bootSeconds() - begin) * float64(time.Second)); q > most {
			t.Errorf("quiet for %v, want at most the %v since it began", q, most)
		}
	}
	quietSince(bootSeconds())
	deadline := time.Now().Add(2 * time.Minute)
	for step().Quiet(ofHolder(name)) < 50*time.Millisecond {
		if time.Now().After(deadline) {
			t.Fatal("the silence does not add up")
		}
	}
	if files, _ := os.ReadDir(filepath.Join(s.Path(), "observations")); len(files) != 1 {
		t.Errorf("%d files, want one: a process replaces what it merged", len(files))
	}
	o := step()
	if o.Knows(h.Block, h.Gen) {
		t.Error("a fence is known that nobody made")
	}
	o.Fenced(h.Block, h.Gen)
	if err := o.Save(); err != nil {
		t.Fatal(err)
	}
	if o := step(); !o.Knows(h.Block, h.Gen) {
		t.Error("the fence was forgotten")
	}
	begin := bootSeconds()
	do(t, j, h, h.Runs[0], Done) // a new beginning
	quietSince(begin)
	for _, r := range h.Runs[1:] {
		do(t, j, h, r, Done)
	}
	if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
		t.Fatal(err)
	}
	step()
	if files, _ := os.ReadDir(filepath.Join(s.Path(), "observations")); len(files) != 0 {
		t.Errorf("%d files, want none when there is nothing to remember", len(files))
	}
}

// ofHolder is a claim of which only this host's earlier processes know anything.
func ofHolder(name string) OpenClaim {
	return OpenClaim{Claim: &Claim{Holder: Holder{Name: name}}}
}

// A holder that the scheduler had stopped is silent from when it goes on.
func TestPausedHolderIsNotSilent(t *testing.T) {
	o := &Observations{data: observed{Workers: map[string]seen{"w": {1, bootSeconds() - 3600}}}}
	c := ofHolder("w")
	if q := o.Quiet(c); q < time.Hour {
		t.Errorf("quiet for %v, want an hour", q)
	}
	o.Pause("w", true)
	o.fresh = false
	if o.Pause("w", true); o.fresh {
		t.Error("what is known is written again")
	}
	if q := o.Quiet(c); q != 0 {
		t.Errorf("quiet for %v while it cannot speak", q)
	}
	o.Pause("w", false)
	if q := o.Quiet(c); q > time.Minute {
		t.Errorf("quiet for %v right after it goes on", q)
	}
	o.data.Paused["w"] -= 600
	if q := o.Quiet(c); q < 10*time.Minute || q > 20*time.Minute {
		t.Errorf("quiet for %v, want the ten minutes since it goes on", q)
	}
	other := &Observations{data: observed{Workers: map[string]seen{}, Paused: map[string]float64{"w": 0}}}
	other.merge(o.data)
	if q := other.Quiet(c); q != 0 {
		t.Errorf("quiet for %v, although it may stand still", q)
	}
	if o.merge(observed{Paused: map[string]float64{"w": bootSeconds()}}); o.Quiet(c) > time.Minute {
		t.Error("of two, the one that waits longer does not count")
	}
}
