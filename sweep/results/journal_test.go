package results

import (
	"os"
	"testing"
)

// A write that fails half way, while no new file can be begun either, must not
// swallow the next record: it would be glued to the torn line, and a seal would
// call a block finished whose end nobody can read.
func TestTornJournal(t *testing.T) {
	for _, sync := range []bool{false, true} {
		s := newSweep(t, 2, 1, false) // blocks of 1 and 1
		b, j := openBoard(t, s), openJournal(t, s)
		h := mustClaim(t, b, j)
		do(t, j, h, h.Runs[0], NoEnd)

		if _, err := j.f.WriteString(`{"k":"end","t":1`); err != nil { // half a line
			t.Fatal(err)
		}
		full, err := os.Open(s.Path() + "/journals/" + j.name) // for reading: writes to it fail
		if err != nil {
			t.Fatal(err)
		}
		j.f.Close()
		j.f = full
		if err := os.Rename(s.Path()+"/journals", s.Path()+"/away"); err != nil { // and no file can be made
			t.Fatal(err)
		}
		beat := Record{Kind: RecordBeat}
		if err := j.Append(beat); err == nil {
			t.Fatal("Append succeeded although nothing can be written")
		}
		if err := os.Rename(s.Path()+"/away", s.Path()+"/journals"); err != nil {
			t.Fatal(err)
		}
		j.f, err = os.OpenFile(s.Path()+"/journals/"+j.name, os.O_WRONLY|os.O_APPEND, 0) // the disk has room again
		if err != nil {
			t.Fatal(err)
		}
		full.Close()

		if sync {
			if _, err := j.Mark(); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Append(Record{Kind: RecordEnd, Run: h.Runs[0].Run.ID, Block: genName(h.Block, h.Gen), Class: Done}); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
			t.Fatal(err)
		}
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if c := Count(sn.Derive()); c.Done != 1 {
			t.Errorf("counts = %+v, want 1 done (sync between: %v)", c, sync)
		}
	}
}
