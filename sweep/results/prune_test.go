package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// touch writes a file into a sweep's folder.
func touch(t *testing.T, s *Sweep, name, text string) {
	t.Helper()
	path := filepath.Join(s.Path(), filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// treeFiles lists the files of a sweep outside of runs/.
func treeFiles(t *testing.T, s *Sweep) []string {
	t.Helper()
	var names []string
	err := filepath.WalkDir(s.Path(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && !strings.Contains(path, "/runs/") {
			b, err := os.ReadFile(path)
			names = append(names, path+"\n"+string(b))
			return err
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// The newest plan's copy of the code is kept even if nothing of it has run: it is
// what the next try of a run starts in.
func TestNewestCodeIsNoWaste(t *testing.T) {
	s := newSweep(t, 1, 1, true)
	for i, hash := range []string{"00000000000000aa", "00000000000000bb"} {
		touch(t, s, "code/"+hash+"/fit.py", "print()")
		h := testHeader(1, true)
		h.Code = &Code{Hash: hash}
		runs := func(yield func(RunSpec, error) bool) {
			for r := range testRuns(1, 0) {
				r.Work = false // it has a try already
				yield(r, nil)
			}
		}
		if _, err := s.Publish(h, runs, nil, i+1); err != nil {
			t.Fatal(err)
		}
	}
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	waste, err := s.Waste(sn.Plan, sn.Derive())
	if err != nil {
		t.Fatal(err)
	}
	if len(waste) != 1 || waste[0].Path != "code/00000000000000aa" {
		t.Errorf("Waste = %v, want the copy of the plan before alone", waste)
	}
}

// A copy of code has its name only while it is whole: a submit would take what a
// killed prune had left of it for the copy.
func TestPrunedCodeIsNeverHalf(t *testing.T) {
	s := newSweep(t, 1, 1, true)
	const hash, n = "00000000000000aa", 1000
	for i := range n {
		touch(t, s, fmt.Sprintf("code/%s/%d.py", hash, i), "print()")
	}
	there := func(name string) bool {
		_, err := os.Stat(filepath.Join(s.Path(), "code", hash, name))
		return err == nil
	}
	done := make(chan error, 1)
	go func() { done <- s.Prune(Waste{Kind: WasteCode, Path: "code/" + hash}) }()
	for over := false; !over; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
		for i := 0; i < n; i += 100 {
			if name := fmt.Sprintf("%d.py", i); !there(name) && there("") {
				t.Fatalf("the copy has its name and no %s", name)
			}
		}
	}
	if names, err := os.ReadDir(filepath.Join(s.Path(), "code")); err != nil || len(names) > 0 {
		t.Errorf("code/ holds %v, %v, want nothing", names, err)
	}
}

func TestWaste(t *testing.T) {
	s := newSweep(t, 4, 1, true)
	b, j := openBoard(t, s), openJournal(t, s)
	for i, class := range []Class{Done, Failed, Preempted, Done} {
		h := mustClaim(t, b, j)
		do(t, j, h, h.Runs[0], class)
		if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
			t.Fatal(err)
		}
		name := "runs/" + h.Runs[0].Run.Name
		touch(t, s, name+"/a0/ckpt/last", "0123456789")
		touch(t, s, name+"/a0/log.txt", "log")
		touch(t, s, name+"/notes/mine", "a folder that orch did not make")
		if i < 3 {
			touch(t, s, name+"/r1a0/log.txt", "an attempt that does not count")
		}
	}
	last := filepath.Join(s.Path(), "runs", "0003-x3", "a0", "ckpt")
	if err := os.RemoveAll(last); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(t.TempDir(), last); err != nil { // kept on another disk
		t.Skip(err)
	}
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	waste, err := s.Waste(sn.Plan, sn.Derive())
	if err != nil {
		t.Fatal(err)
	}
	// Of the done run the checkpoints, of the failed one not; of the preempted
	// one, which may go on, nothing.
	want := []Waste{
		{WasteCheckpoints, "0000-x0", "a0", "runs/0000-x0/a0/ckpt", 1, 10},
		{WasteAttempt, "0000-x0", "r1a0", "runs/0000-x0/r1a0", 1, 30},
		{WasteAttempt, "0001-x1", "r1a0", "runs/0001-x1/r1a0", 1, 30},
	}
	if !slices.Equal(waste, want) {
		t.Fatalf("Waste = %v, want %v", waste, want)
	}
	before := treeFiles(t, s)
	for _, w := range waste {
		if err := s.Prune(w); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(s.Path(), w.Path)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is still there: %v", w.Path, err)
		}
	}
	if after := treeFiles(t, s); !slices.Equal(before, after) {
		t.Errorf("Prune touched files of the protocol:\nbefore %q\nafter  %q", before, after)
	}
	for _, kept := range []string{"0000-x0/a0/log.txt", "0000-x0/notes/mine", "0001-x1/a0/ckpt/last", "0002-x2/r1a0/log.txt", "0002-x2/a0/ckpt/last", "0003-x3/a0/log.txt"} {
		if _, err := os.Stat(filepath.Join(s.Path(), "runs", kept)); err != nil {
			t.Errorf("Prune took what is no waste: %v", err)
		}
	}
	if waste, err := s.Waste(sn.Plan, sn.Derive()); err != nil || len(waste) > 0 {
		t.Errorf("Waste after pruning = %v, %v, want none", waste, err)
	}
}

func TestPruneRefusesOtherPaths(t *testing.T) {
	s := newSweep(t, 1, 1, true)
	touch(t, s, "runs/r/a0/x", "")
	for _, w := range []Waste{
		{Run: "r", Attempt: "a0", Path: "journals"},
		{Run: "r", Attempt: "a0", Path: "runs/r"},
		{Run: "r", Attempt: "a0", Path: "runs/r/a0/x"},
		{Run: "..", Attempt: "a0", Path: "a0"},
		{Run: "../claims", Attempt: "a0", Path: "claims/a0"},
		{Run: "r", Attempt: "notes", Path: "runs/r/notes"},
		{Run: "r/s", Attempt: "a0", Path: "runs/r/s/a0"},
	} {
		if err := s.Prune(w); err == nil {
			t.Errorf("Prune(%+v) was accepted", w)
		}
	}
}

func TestRemove(t *testing.T) {
	s := newSweep(t, 3, 1, true)
	tree := s.Tree()
	touch(t, s, "runs/0000-x0/a0/log.txt", "log")
	// What an interrupted removal left: no sweep, and gone with the next one.
	if err := os.MkdirAll(filepath.Join(tree.Path(), removedPrefix+"old-00", "plans"), 0o700); err != nil {
		t.Fatal(err)
	}
	if names, err := tree.Sweeps(); err != nil || !slices.Equal(names, []string{"s"}) {
		t.Errorf("Sweeps = %v, %v, want [s]", names, err)
	}
	if err := tree.Remove("nosuch"); !errors.Is(err, ErrNoSweep) {
		t.Errorf("Remove of no sweep: %v, want ErrNoSweep", err)
	}
	if err := tree.Remove("bin"); err == nil {
		t.Error("Remove of a reserved name was accepted")
	}
	if err := tree.Remove("s"); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(tree.Path())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != settingsFile {
			t.Errorf("Remove left %s", e.Name())
		}
	}
}

// A collector that opened the sweep before its removal writes its tables into
// the renamed folder: what it makes between the listing and the rmdir must not
// be an error of the removal.
func TestRemoveBesideACollector(t *testing.T) {
	for range 30 {
		s := newSweep(t, 3, 1, true)
		collected, err := s.Collected()
		if err != nil {
			t.Fatal(err)
		}
		defer collected.Close()
		var writer sync.WaitGroup
		started := make(chan struct{})
		writer.Go(func() {
			for i := range 200 {
				f, err := collected.Create(fmt.Sprintf(".t-%d", i))
				if err != nil {
					return // the folder is gone
				}
				f.Close()
				if i == 10 {
					close(started)
				}
				time.Sleep(20 * time.Microsecond) // a fold does more than create files
			}
		})
		<-started
		err = s.Tree().Remove("s")
		writer.Wait()
		if err != nil {
			t.Fatal(err)
		}
		entries, err := os.ReadDir(s.Tree().Path())
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if e.Name() != settingsFile {
				t.Errorf("Remove left %s", e.Name())
			}
		}
	}
}
