package results

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// A run whose counted end is damaged later is not stuck: it has failed, a retry
// opens it, and fsck says why.
func TestUnreadableEnd(t *testing.T) {
	s := finished(t)
	names, err := sortedList(s.dir, "journals")
	if err != nil {
		t.Fatal(err)
	}
	path := s.Path() + "/journals/" + names[0]
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[bytes.Index(b, []byte(`{"k":"end"`))+8] ^= 1
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	st := sn.Derive()[0]
	if st.State != StateFailed || st.End == nil || st.End.Class != Lost || st.Counted != -1 {
		t.Errorf("state %s, end %+v, counted %d; want failed as lost", st.State, st.End, st.Counted)
	}
	if c := Count(sn.Derive()); c.Done != c.Total-1 {
		t.Errorf("counts = %+v, want the others done", c)
	}
	told := false
	for _, f := range check(t, s) {
		told = told || f.Harm() && strings.Contains(f.Text, "no end of run "+st.Run.Name)
	}
	if !told {
		t.Error("fsck does not name the run")
	}
}

// A host that caches files may see a seal before it sees all of the journal that
// the seal counts. What it does not see is no loss, until its caches have had
// their time.
func TestSealBeforeItsJournal(t *testing.T) {
	s := finished(t)
	names, err := sortedList(s.dir, "journals")
	if err != nil {
		t.Fatal(err)
	}
	path := s.Path() + "/journals/" + names[0]
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	last := bytes.LastIndex(whole[:bytes.LastIndex(whole, []byte(`"k":"end"`))], []byte("\n")) + 1
	if err := os.WriteFile(path, whole[:last], 0o600); err != nil {
		t.Fatal(err)
	}
	s.tree.DirCache = 3600
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if c := Count(sn.Derive()); c.Failed != 0 || c.Done == c.Total {
		t.Errorf("counts = %+v, want some not done yet and none failed", c)
	}
	if open := sn.OpenClaims(); len(open) != 0 {
		t.Errorf("%d claims are open, want none: there is a seal", len(open))
	}
	told := false
	for _, f := range check(t, s) {
		told = told || f.Harm() && strings.Contains(f.Text, "check again")
	}
	if !told {
		t.Error("fsck does not say that it may be the cache")
	}
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := sn.Refresh(); err != nil {
		t.Fatal(err)
	}
	if c := Count(sn.Derive()); c.Done != c.Total {
		t.Errorf("counts = %+v once the journal is whole, want all done", c)
	}

	// The same with a journal that stays short: then it is damage.
	if err := os.WriteFile(path, whole[:last], 0o600); err != nil {
		t.Fatal(err)
	}
	s.tree.DirCache = 0.2
	if sn, err = s.Snapshot(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); Count(sn.Derive()).Failed == 0; {
		if time.Now().After(deadline) {
			t.Fatalf("counts = %+v, want the runs without an end failed", Count(sn.Derive()))
		}
		if _, err := sn.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
}

// A holder that ends a run and seals while a reader is between the journals and
// the claims has lost nothing, also where no file is cached.
func TestSealAfterItsJournalWasRead(t *testing.T) {
	s := newSweep(t, 3, 1, true)
	s.tree.DirCache = 0
	b, j := openBoard(t, s), openJournal(t, s)
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	read := func(f func() (bool, error)) {
		t.Helper()
		if _, err := f(); err != nil {
			t.Fatal(err)
		}
	}
	end := func() {
		t.Helper()
		h := mustClaim(t, b, j)
		do(t, j, h, h.Runs[0], Done)
		if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
			t.Fatal(err)
		}
	}
	want := func(done int) {
		t.Helper()
		sn.states = nil
		if c := Count(sn.Derive()); c.Done != done || c.Failed != 0 {
			t.Errorf("counts = %+v, want %d done and none failed", c, done)
		}
	}
	read(sn.readJournals)
	end()
	read(sn.readClaims)
	want(0)
	read(sn.readJournals) // as in readAgain, and it happens once more
	end()
	read(sn.readClaims)
	want(1)
	for full, early := range sn.early {
		if early.again {
			t.Errorf("%s is called short although no journal was read since it was seen", full)
		}
	}
	read(sn.readAgain)
	want(2)
	if len(sn.early) != 0 {
		t.Errorf("early = %v once the journals were read, want none", sn.early)
	}
}
