package results

import (
	"bytes"
	"os"
	"strings"
	"testing"
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
		told = told || f.Harm && strings.Contains(f.Text, "no end of run "+st.Run.Name)
	}
	if !told {
		t.Error("fsck does not name the run")
	}
}
