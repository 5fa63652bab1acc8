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
		q := step().Quiet(name)
		if most := time.Duration((bootSeconds() - begin) * float64(time.Second)); q > most {
			t.Errorf("quiet for %v, want at most the %v since it began", q, most)
		}
	}
	quietSince(bootSeconds())
	deadline := time.Now().Add(2 * time.Minute)
	for step().Quiet(name) < 50*time.Millisecond {
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
