package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Waste is something below runs/ or code/ that a sweep does not need any more:
// a run's folder holds only what people and programs left there, never what the
// protocol rests on.
type Waste struct {
	Kind    WasteKind
	Run     string // name
	Attempt string // folder
	Path    string // relative to the sweep
	Files   int
	Bytes   int64
}

// WasteKind says what a Waste is.
type WasteKind string

// The kinds of waste.
const (
	// WasteCheckpoints are the checkpoints of the attempt that is a done run's
	// result: nothing will resume from them.
	WasteCheckpoints WasteKind = "checkpoints"
	// WasteAttempt is an attempt of an ended run other than the one that
	// counts: its log, its checkpoints, what the program left.
	WasteAttempt WasteKind = "attempt"
	// WasteCode is a copy of code that no result came from and no run will use.
	WasteCode WasteKind = "code"
)

var codeName = regexp.MustCompile(`^code/[0-9a-f]{16}$`)

var attemptName = regexp.MustCompile(`^(r[0-9]+)?a[0-9]+$`)

// Waste finds what can be removed, in the order of the states. Runs that may
// still go on keep everything, since a later attempt resumes from an earlier
// one. Names that orch did not make are left alone.
func (s *Sweep) Waste(plan *Plan, states []RunState) ([]Waste, error) {
	list, err := s.spareCode(plan, states)
	if err != nil {
		return nil, err
	}
	begun, err := nameSet(s.dir, "runs")
	if err != nil {
		return nil, fmt.Errorf("list runs: %w", err)
	}
	for _, st := range states {
		if st.End == nil || st.Counted < 0 || !begun[st.Run.Name] {
			continue
		}
		counted := st.Attempts[st.Counted].Folder
		folder := "runs/" + st.Run.Name
		names, err := sortedList(s.dir, folder)
		if err != nil {
			return nil, fmt.Errorf("list attempts of %s: %w", st.Run.Name, err)
		}
		if !slices.Contains(names, counted) {
			continue // then it is not clear which of the others people rely on
		}
		for _, n := range names {
			w := Waste{Kind: WasteAttempt, Run: st.Run.Name, Attempt: n, Path: folder + "/" + n}
			switch {
			case !attemptName.MatchString(n):
				continue
			case n == counted && st.State == StateDone:
				w.Kind, w.Path = WasteCheckpoints, w.Path+"/"+CheckpointsDir
			case n == counted:
				continue
			}
			info, err := s.dir.Lstat(w.Path)
			if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
				continue // a link leads to where somebody else decides
			}
			if err != nil {
				return nil, fmt.Errorf("size of %s: %w", w.Path, err)
			}
			if w.Files, w.Bytes, err = s.size(w.Path); err != nil {
				return nil, err
			}
			if w.Files > 0 || w.Kind == WasteAttempt {
				list = append(list, w)
			}
		}
	}
	return list, nil
}

func nameSet(dir *os.Root, folder string) (map[string]bool, error) {
	names, err := list(dir, folder)
	set := make(map[string]bool, len(names))
	for _, n := range names {
		set[n] = true
	}
	return set, err
}

// size counts the files below a path and their bytes; nothing if there is
// nothing. Links are counted, not followed.
func (s *Sweep) size(name string) (files int, bytes int64, err error) {
	err = fs.WalkDir(s.dir.FS(), name, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			files++
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("size of %s: %w", name, err)
	}
	return files, bytes, nil
}

// Prune removes a piece of waste. It refuses any path but that of an attempt's
// folder, of its checkpoints, or of a copy of code.
func (s *Sweep) Prune(w Waste) error {
	if w.Kind == WasteCode && codeName.MatchString(w.Path) {
		// Without its name first: half of a copy would be taken for the whole.
		temp := codeFolder + "/" + tempPrefix + randomHex(8)
		err := s.dir.Rename(w.Path, temp)
		if err == nil {
			err = removeAll(s.dir, temp)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // another prune was first
			return fmt.Errorf("prune %s: %w", w.Path, err)
		}
		return nil
	}
	attempt := path.Join("runs", w.Run, w.Attempt)
	if w.Path != attempt && w.Path != attempt+"/"+CheckpointsDir || path.Dir(path.Dir(attempt)) != "runs" || !attemptName.MatchString(w.Attempt) {
		return fmt.Errorf("prune %q: not the folder of an attempt", w.Path)
	}
	if err := removeAll(s.dir, w.Path); err != nil {
		return fmt.Errorf("prune %s: %w", w.Path, err)
	}
	return nil
}

// Size counts the files of the whole sweep and their bytes.
func (s *Sweep) Size() (files int, bytes int64, err error) { return s.size(".") }

// removedPrefix begins the name of a sweep that is being removed. Such names are
// no sweep names, so a removal that was cut short leaves nothing that looks
// like a sweep; the next one finishes it.
const removedPrefix = ".removed-"

// Remove removes a sweep with everything in it. It is renamed first, so that it
// is gone at once and as a whole for everyone. The caller has made sure that no
// worker is alive. [ErrInUse] says that the sweep is gone, but not yet all of
// its bytes.
func (t *Tree) Remove(name string) error {
	if err := CheckSweepName(name); err != nil {
		return err
	}
	if _, err := t.root.Stat(name + "/plans"); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %q", ErrNoSweep, name)
	}
	if err := t.root.Rename(name, removedPrefix+name+"-"+randomHex(4)); err != nil {
		return fmt.Errorf("remove sweep %s: %w", name, err)
	}
	if err := syncDir(t.root, "."); err != nil {
		return fmt.Errorf("remove sweep %s: %w", name, err)
	}
	return t.sweepUp()
}

// sweepUp deletes what removals left.
func (t *Tree) sweepUp() error {
	f, err := t.root.Open(".")
	if err != nil {
		return err
	}
	names, err := f.Readdirnames(-1)
	f.Close()
	errs := []error{err}
	for _, n := range names {
		if strings.HasPrefix(n, removedPrefix) {
			err := removeAll(t.root, n)
			if errors.Is(err, ErrInUse) {
				err = fmt.Errorf("%s: %w; the next removal deletes the rest", filepath.Join(t.path, n), err)
			}
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// ErrInUse: another process still makes or holds files in a folder that is
// being removed.
var ErrInUse = errors.New("another process still has files in it")

// removeAll removes a folder that others may still write into: a collector that
// opened the sweep before has the tables of its fold to write. What it makes
// between the listing and the rmdir shows as a folder that is not empty. So
// does, on NFS, a file that it holds open.
func removeAll(dir *os.Root, name string) error {
	wait := time.Millisecond
	for range 12 { // 4 s: a fold of 100,000 runs is written in less
		err := dir.RemoveAll(name)
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.EBUSY) {
			return err
		}
		time.Sleep(wait)
		wait *= 2
	}
	return ErrInUse
}
