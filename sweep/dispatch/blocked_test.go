package dispatch

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orch/sweep/results"
)

// Who holds a run cannot be told once its claim is damaged. Steps say so, and a
// rerun makes a new attempt, which counts alone whatever the old holder still does.
func TestDamagedClaim(t *testing.T) {
	f := newFixture(t)
	text := strings.Replace(twelve, "range(0,12)", "1", 1)
	f.publish(text, results.KindPlan)
	p, err := f.s.Plan()
	if err != nil {
		t.Fatal(err)
	}
	b, err := f.s.Board(p.Keys()[0])
	if err != nil {
		t.Fatal(err)
	}
	j, err := f.s.OpenJournal(results.Self())
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	h, err := b.Claim(func() (*results.Journal, error) { return j, nil })
	if err != nil || h == nil {
		t.Fatal(h, err)
	}
	full := results.GenName(h.Block, h.Gen)
	write := func(r results.Record) {
		t.Helper()
		r.Run, r.Block = h.Runs[0].Run.ID, full
		if err := j.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	write(results.Record{Kind: results.RecordStart, Folder: h.Runs[0].Attempt})
	if err := os.WriteFile(filepath.Join(f.s.Path(), "claims", full), []byte("noise\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := f.dispatcher().Step(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(out.Notes, func(n string) bool {
		return strings.HasPrefix(n, "claims/"+full+" cannot be read") && strings.Contains(n, h.Runs[0].Run.Name) && strings.Contains(n, "--rerun")
	}) {
		t.Errorf("notes = %q, want one that names the file and what to do", out.Notes)
	}
	if pub := f.publish(text, results.KindPlan); pub.Segment != 0 || pub.Open != 1 {
		t.Errorf("a plain submit = %+v, want it to leave the run alone", pub)
	}
	if pub := f.publishAs(text, results.KindPlan, true); pub.Again != 1 || pub.Open != 0 {
		t.Fatalf("rerun = %+v, want the run again", pub)
	}
	if out, err = f.dispatcher().Drive(t.Context(), nil, func(*Outcome) {}); err != nil || out.Counts.Done != 1 {
		t.Fatalf("after the rerun: %+v, %v; want the run done", out.Counts, err)
	}

	// The old holder lived, and ends too.
	write(results.Record{Kind: results.RecordEnd, Class: results.Done})
	if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
		t.Fatal(err)
	}
	sn, err := f.s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if st := sn.Derive()[0]; st.State != results.StateDone || st.Attempts[st.Counted].Segment != 2 || len(sn.Blocked()) != 0 {
		t.Errorf("state = %+v, blocked %v; want done by the rerun", st, sn.Blocked())
	}
	found, err := f.s.Check()
	if err != nil || slices.ContainsFunc(found, func(x results.Finding) bool { return x.Breaks == results.CountedOnce }) {
		t.Errorf("fsck: %v, %v; want nothing counted twice", found, err)
	}
}
