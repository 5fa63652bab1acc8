package results

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testdata/tree-format-1 was written by orch when format 1 was new: a worker was
// killed and taken over (its seal has a tail), a run was cancelled before it began,
// one of two failed runs was retried. Every later orch must read exactly this from
// it. The files are frozen: never write them anew.
func TestReadsFormat1(t *testing.T) {
	s := format1(t)
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(sn.Problems) > 0 {
		t.Errorf("problems: %v", sn.Problems)
	}
	var got []string
	for _, st := range sn.Derive() {
		line := fmt.Sprintf("%s %s", st.Run.Name, st.State)
		if st.State == StateDone {
			line += fmt.Sprintf(" acc=%v sealed=%v", st.End.Metrics[0].Value, st.Sealed)
		}
		for i, a := range st.Attempts {
			counted := ""
			if i == st.Counted {
				counted = "*"
			}
			line += fmt.Sprintf(", %s %s.%d %s%s", a.Folder, a.Block, a.Gen, a.Class, counted)
		}
		got = append(got, line)
	}
	want := []string{
		"0000-c1-s0-beef done acc=0.1 sealed=true, a0 1-0-0.0 done*",
		"0001-c1-s1-fcb2 done acc=0.11 sealed=true, a0 1-0-0.0 done*",
		"0002-c1-s2-2349 done acc=0.12 sealed=true, a0 1-0-0.0 failed, r1a0 2-0-0.0 done*",
		"0003-c1-s3-028a done acc=0.13 sealed=true, a0 1-0-0.0 lost, a1 1-0-0.1 done*",
		"0004-c2-s0-839d done acc=0.2 sealed=true, a0 1-0-1.0 done*",
		"0005-c2-s1-28af done acc=0.21 sealed=true, a0 1-0-1.0 done*",
		"0006-c2-s2-8706 failed, a0 1-0-2.0 failed*",
		"0007-c2-s3-b2c9 cancelled",
	}
	if !slices.Equal(got, want) {
		t.Errorf("runs:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}

	seal, err := s.readSeal("1-0-0", 0)
	if err != nil {
		t.Fatal(err)
	}
	if seal.Self || seal.Class != Lost || len(seal.Journals) != 1 || seal.Journals[0].Upto != 734 || len(seal.Journals[0].Tail) != 4 {
		t.Errorf("the takeover's seal = %+v, want class lost, one journal up to 734 with a tail of 4 lines", seal)
	}
	end := sn.Derive()[6].End
	if end.Class != Failed || end.Exit != 7 || end.Message != "no luck" {
		t.Errorf("the failed run's end = %+v, want failed, exit 7, no luck", end)
	}
	h := sn.Plan.Header()
	if sn.Plan.Newest() != 2 || h.Kind != KindPlan || len(h.Axes) != 2 || !slices.Equal(h.Owes, []string{"acc"}) || h.Groups[0].Workers != 1 {
		t.Errorf("plan %d, header %+v", sn.Plan.Newest(), h)
	}
	config, err := sn.Derive()[5].Run.Spec.Config(h)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := config.Get("c"); c.Text() != "2" {
		t.Errorf("c of the sixth run = %s, want 2", c.Text())
	}
	subs, err := s.Submissions()
	if err != nil || len(subs) != 3 || subs[0].Answer == nil || !subs[0].Answer.Accepted {
		t.Errorf("submissions = %+v, %v, want 3, accepted", subs, err)
	}
	source, err := s.Source(1)
	if err != nil || !strings.HasPrefix(string(source), `name = "frozen"`) {
		t.Errorf("sweep file = %q, %v", source, err)
	}
	for _, f := range check(t, s) {
		t.Errorf("fsck: %+v", f)
	}
}

// A tree that a later orch wrote is refused with what to do about it.
func TestRefusesNewerFormat(t *testing.T) {
	s := format1(t)
	if err := os.WriteFile(filepath.Join(s.tree.path, settingsFile), []byte(`{"format":2,"id":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	var newer *NewerError
	if _, err := Open(s.tree.path); !errors.As(err, &newer) || !strings.Contains(err.Error(), "install a later orch") {
		t.Errorf("Open = %v, want a refusal that says what to install", err)
	}
}

// format1 returns a copy of the frozen tree's sweep. Folders without files are not
// in the repository.
func format1(t *testing.T) *Sweep {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("testdata/tree-format-1")); err != nil {
		t.Fatal(err)
	}
	for _, empty := range []string{"series", "observations"} {
		if err := os.Mkdir(filepath.Join(dir, "frozen", empty), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	tree, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := tree.Sweep("frozen")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); tree.Close() })
	return s
}
