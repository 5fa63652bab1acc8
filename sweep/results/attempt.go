package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// AttemptDir is the folder of one attempt, open for its worker.
type AttemptDir struct {
	Path string // absolute
	dir  *os.Root
}

// AttemptName returns the folder name of an attempt: "a<g>" for generation g of
// a run's first block, "r<n>a<g>" when it is the n-th retry. It depends only on
// the plan and the claim, so no two attempts can share it and nobody needs to
// look for a free number.
func AttemptName(retry, gen int) string {
	if retry == 0 {
		return fmt.Sprintf("a%d", gen)
	}
	return fmt.Sprintf("r%da%d", retry, gen)
}

// EarlierAttempts returns the folders of the attempts before this one whose
// checkpoints it may have resumed from, oldest first: those of lower generations
// of the same try. They need not exist.
func EarlierAttempts(attempt string) []string {
	folder, name := filepath.Split(attempt)
	if !attemptName.MatchString(name) {
		return nil
	}
	at := strings.LastIndexByte(name, 'a') + 1
	gen, err := strconv.Atoi(name[at:])
	if err != nil {
		return nil
	}
	var list []string
	for g := range gen {
		list = append(list, filepath.Join(folder, name[:at]+strconv.Itoa(g)))
	}
	return list
}

// MakeAttempt makes the folder runs/<run>/<attempt>.
func (s *Sweep) MakeAttempt(run, attempt string) (*AttemptDir, error) {
	// One folder opened after the other would be 10 µs faster in memory, and one
	// round trip (the attributes of the run's folder) slower on a file server.
	name := "runs/" + run + "/" + attempt
	// Most runs have one attempt, so the outer folder is made first: to find out
	// that it is missing would be one more question to a file server.
	// An existing folder is ours: only the holder of the generation makes it,
	// and a reply may have been lost.
	var dir *os.Root
	err := Again(func() error {
		err := s.dir.Mkdir("runs/"+run, dirMode)
		if err == nil || errors.Is(err, fs.ErrExist) {
			err = s.dir.Mkdir(name, dirMode)
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		dir, err = s.dir.OpenRoot(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("make attempt folder: %w", err)
	}
	return &AttemptDir{filepath.Join(s.Path(), "runs", run, attempt), dir}, nil
}

// Names of the files that orch itself puts into an attempt's folder.
const (
	ConfigFile     = "config.toml"
	LogFile        = "log.txt"
	CheckpointsDir = "ckpt"
)

// WriteConfig freezes the attempt's resolved config. It is for people and
// programs; orch itself never reads it back, so it is not synced.
func (a *AttemptDir) WriteConfig(toml []byte) error {
	return Again(func() error { return a.dir.WriteFile(ConfigFile, toml, fileMode) })
}

// OpenLog creates the attempt's log for appending.
func (a *AttemptDir) OpenLog() (*os.File, error) {
	return open(a.dir, LogFile, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
}

// Close releases the folder handle.
func (a *AttemptDir) Close() error { return a.dir.Close() }

// AttemptPath returns the absolute folder of an attempt, whether or not it exists.
func (s *Sweep) AttemptPath(run, attempt string) string {
	return filepath.Join(s.Path(), "runs", run, attempt)
}
