package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
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
			if w.Files, w.Bytes, err = treeSize(s.dir, w.Path); err != nil {
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
