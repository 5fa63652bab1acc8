package results

import (
	"bytes"
	"os"
	"testing"
)

// punch zeroes the last end record of a journal, as if it were not on the file
// server yet, and returns what fills the hole.
func punch(t *testing.T, s *Sweep, j *Journal) (fill func()) {
	t.Helper()
	path := s.Path() + "/journals/" + j.name
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	holed := bytes.Clone(whole)
	from := bytes.LastIndex(holed, []byte(`{"k":"end"`))
	to := from + bytes.IndexByte(holed[from:], '\n')
	clear(holed[from : to+1]) // its newline too: it runs into the next line
	put := func(b []byte, at int) {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(b, int64(at)); err != nil {
			t.Fatal(err)
		}
	}
	put(holed[from:to+1], from)
	return func() { put(whole[from:to+1], from) }
}

// A worker reads a journal for one seal while another block's record in it is not
// all there yet. When that counts later it must not be executed again.
func TestBoardReadsNoHole(t *testing.T) {
	s := newSweep(t, 6, 1, false) // blocks of 3, 2 and 1 runs
	j := openJournal(t, s)
	b := openBoard(t, s)
	first, second := mustClaim(t, b, j), mustClaim(t, b, j)
	if len(first.Runs) < 2 || len(second.Runs) < 2 {
		t.Fatalf("blocks of %d and %d runs, want more", len(first.Runs), len(second.Runs))
	}
	do(t, j, first, first.Runs[0], Done)
	if _, err := j.Seal(first.Block, first.Gen, len(first.Runs)-1); err != nil {
		t.Fatal(err)
	}
	do(t, j, second, second.Runs[0], Done)
	if err := j.Append(Record{Kind: RecordBeat}); err != nil {
		t.Fatal(err)
	}
	fill := punch(t, s, j)
	other, k := openBoard(t, s), openJournal(t, s)
	if h := mustClaim(t, other, k); h.Block != first.Block || len(h.Runs) != len(first.Runs)-1 {
		t.Fatalf("claimed %s with %d runs, want what is left of %s", h.Block, len(h.Runs), first.Block)
	}
	fill()
	if _, err := j.Seal(second.Block, second.Gen, len(second.Runs)-1); err != nil {
		t.Fatal(err)
	}
	if err := other.Refresh(); err != nil {
		t.Fatal(err)
	}
	h := mustClaim(t, other, k)
	if h.Block != second.Block || len(h.Runs) != len(second.Runs)-1 {
		t.Errorf("claimed %s with %d runs, want the %d left of %s: one has counted", h.Block, len(h.Runs), len(second.Runs)-1, second.Block)
	}
}

// A long-lived reader that has seen a hole sees what fills it.
func TestSnapshotReadsHolesAgain(t *testing.T) {
	s := newSweep(t, 6, 1, false)
	j := openJournal(t, s)
	h := mustClaim(t, openBoard(t, s), j)
	for _, r := range h.Runs {
		do(t, j, h, r, Done)
	}
	if _, err := j.Mark(); err != nil {
		t.Fatal(err)
	}
	fill := punch(t, s, j)
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if c := Count(sn.Derive()); c.Done >= len(h.Runs) || len(sn.Problems) == 0 {
		t.Errorf("with a hole: %+v, problems %v; want fewer done and the hole reported", c, sn.Problems)
	}
	if changed, err := sn.Refresh(); err != nil || changed {
		t.Errorf("Refresh = %v, %v; want no change while the hole is there", changed, err)
	}
	fill()
	if changed, err := sn.Refresh(); err != nil || !changed {
		t.Errorf("Refresh = %v, %v; want a change", changed, err)
	}
	if c := Count(sn.Derive()); c.Done != len(h.Runs) || len(sn.Problems) != 0 {
		t.Errorf("filled: %+v, problems %v; want all done and no problem", c, sn.Problems)
	}
}
