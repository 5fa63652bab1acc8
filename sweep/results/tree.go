package results

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"
)

// Format is the version of the tree's format that this package writes. It
// reads this one and all before.
const Format = 1

// settingsFile names the file that makes a folder a results tree.
const settingsFile = "ORCH-TREE"

// Settings are the properties of a tree, fixed when it is made. The times are
// there so that an administrator, or a test, can set them; nobody else needs to.
type Settings struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// DirCache is D in seconds: how long any host's listing of a folder may be
	// old. Negative: each holder finds out from its own mount.
	DirCache float64 `json:"dir_cache"`
	Silence  float64 `json:"silence"` // seconds without growth of a journal until its holder counts as dead
	Beat     float64 `json:"beat"`    // seconds between heartbeats of an idle journal
}

// DefaultSettings returns the settings of a new tree.
func DefaultSettings() Settings {
	return Settings{Format: Format, DirCache: -1, Silence: 300, Beat: 60}
}

// Tree is a results tree: the folder that holds every sweep.
type Tree struct {
	Settings
	path string
	root *os.Root
}

// NewerError says that a tree was written by a later version of orch.
type NewerError struct {
	Path string
	Got  int
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("%s: tree format %d is newer than this orch (%d): install a later orch", e.Path, e.Got, Format)
}

// NoTreeError says that a folder is no results tree.
type NoTreeError struct{ Path string }

func (e *NoTreeError) Error() string {
	return fmt.Sprintf("%s is no results tree (no %s file): give the right folder with --results or $ORCH_RESULTS, or submit something first", e.Path, settingsFile)
}

// Open opens the results tree in a folder.
func Open(path string) (*Tree, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(abs)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &NoTreeError{path}
	}
	if err != nil {
		return nil, fmt.Errorf("open results tree: %w", err)
	}
	var b []byte
	err = Again(func() (err error) {
		b, err = root.ReadFile(settingsFile)
		return err
	})
	if err != nil {
		root.Close()
		if errors.Is(err, fs.ErrNotExist) {
			return nil, &NoTreeError{path}
		}
		return nil, fmt.Errorf("open results tree: %w", err)
	}
	t := &Tree{path: abs, root: root}
	if err := json.Unmarshal(b, &t.Settings); err != nil {
		root.Close()
		return nil, fmt.Errorf("%s: damaged: %w", filepath.Join(path, settingsFile), err)
	}
	if t.Format > Format {
		root.Close()
		return nil, &NewerError{path, t.Format}
	}
	return t, nil
}

// Create opens the results tree in a folder, after making it if need be. Two
// processes may do so at once; both get the same tree.
func Create(path string, s Settings) (*Tree, error) {
	t, err := Open(path)
	var none *NoTreeError
	if !errors.As(err, &none) {
		return t, err
	}
	if err := Again(func() error { return os.MkdirAll(path, dirMode) }); err != nil {
		return nil, fmt.Errorf("make results tree: %w", err)
	}
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, fmt.Errorf("make results tree: %w", err)
	}
	defer root.Close()
	s.Format, s.ID, s.Created = Format, randomHex(16), time.Now().UTC().Truncate(time.Second)
	b, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	if _, err := putNew(root, settingsFile, append(b, '\n')); err != nil {
		return nil, fmt.Errorf("make results tree in %s: %w", path, err)
	}
	return Open(path)
}

// Close releases the tree's folder handle.
func (t *Tree) Close() error { return t.root.Close() }

// Path returns the tree's absolute folder.
func (t *Tree) Path() string { return t.path }

// DirCacheTime returns D for this process: how old its listing may be.
func (t *Tree) DirCacheTime() time.Duration {
	if t.DirCache >= 0 {
		return time.Duration(t.DirCache * float64(time.Second))
	}
	return dirCache(t.path)
}

// sweepName is what a sweep may be called: it becomes a folder and part of job
// names, so it holds nothing that a shell or a scheduler reads as syntax.
// It has at most 64 bytes, which the expression leaves out: {0,63} is compiled to
// 63 copies at every start of orch.
var sweepName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// reserved names of the tree's root that no sweep can have.
var reserved = []string{"bin", "backends", settingsFile}

// CheckSweepName says what is wrong with a sweep's name.
func CheckSweepName(name string) error {
	if len(name) > 64 || !sweepName.MatchString(name) {
		return fmt.Errorf("sweep name %q: want 1 to 64 of A-Z a-z 0-9 . _ - and a letter or digit first", name)
	}
	if slices.Contains(reserved, name) {
		return fmt.Errorf("sweep name %q is reserved: take another", name)
	}
	return nil
}

// Sweeps returns the names of the tree's sweeps, sorted.
func (t *Tree) Sweeps() ([]string, error) {
	names, err := list(t.root, ".")
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool {
		if CheckSweepName(n) != nil {
			return true
		}
		st, err := t.root.Stat(n + "/plans")
		return err != nil || !st.IsDir()
	})
	slices.Sort(names)
	return names, nil
}

// Sweep is one sweep's folder.
type Sweep struct {
	Name string
	tree *Tree
	dir  *os.Root
}

// ErrNoSweep is wrapped by errors about sweeps that do not exist.
var ErrNoSweep = errors.New("no such sweep")

// Sweep opens a sweep. The error wraps ErrNoSweep if there is none.
func (t *Tree) Sweep(name string) (*Sweep, error) {
	if err := CheckSweepName(name); err != nil {
		return nil, err
	}
	dir, err := t.root.OpenRoot(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %q", ErrNoSweep, name)
	}
	if err != nil {
		return nil, fmt.Errorf("open sweep: %w", err)
	}
	return &Sweep{Name: name, tree: t, dir: dir}, nil
}

// CreateSweep opens a sweep, after making its folders if need be.
func (t *Tree) CreateSweep(name string) (*Sweep, error) {
	if err := CheckSweepName(name); err != nil {
		return nil, err
	}
	for _, folder := range []string{"plans", "subs", "claims", "fences", "orders", "journals", "series", "observations", "runs"} {
		if err := Again(func() error { return t.root.MkdirAll(name+"/"+folder, dirMode) }); err != nil {
			return nil, fmt.Errorf("make sweep: %w", err)
		}
	}
	if err := errors.Join(syncDir(t.root, name), syncDir(t.root, ".")); err != nil {
		return nil, fmt.Errorf("make sweep: %w", err)
	}
	return t.Sweep(name)
}

// Close releases the sweep's folder handle.
func (s *Sweep) Close() error { return s.dir.Close() }

// Tree returns the tree that the sweep is in.
func (s *Sweep) Tree() *Tree { return s.tree }

// Path returns the sweep's absolute folder.
func (s *Sweep) Path() string { return filepath.Join(s.tree.path, s.Name) }

// Collected opens the folder of the sweep's tables, made if need be. Everything
// in it can be deleted: a fold writes the same bytes again.
func (s *Sweep) Collected() (*os.Root, error) {
	if err := Again(func() error { return s.dir.Mkdir("collected", dirMode) }); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make collected/: %w", err)
	}
	return s.dir.OpenRoot("collected")
}

// BackendDir returns the absolute folder in which a launcher's backend may keep
// what it must remember between processes. It is not made.
func (t *Tree) BackendDir(backend string) string {
	return filepath.Join(t.path, "backends", safeName(backend))
}
