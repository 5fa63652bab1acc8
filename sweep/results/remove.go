package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Size counts the files of the whole sweep and their bytes.
func (s *Sweep) Size() (files int, bytes int64, err error) { return treeSize(s.dir, ".") }

// removedPrefix begins the name of a sweep that is being removed. Such names are
// no sweep names, so a removal that was cut short leaves nothing that looks
// like a sweep; orch prune or the next removal finishes it.
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
	return t.SweepUp()
}

// Remains is what is left of a sweep whose removal was cut short, or goes on.
type Remains struct {
	Path  string // relative to the tree
	Sweep string // the name that it had
	Files int
	Bytes int64
}

// Remains lists what removals left, in the order of their names.
func (t *Tree) Remains() ([]Remains, error) {
	names, err := t.removed()
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", t.path, err)
	}
	var found []Remains
	for _, n := range names {
		sweep := strings.TrimPrefix(n, removedPrefix)
		if i := strings.LastIndexByte(sweep, '-'); i > 0 {
			sweep = sweep[:i]
		}
		r := Remains{Path: n, Sweep: sweep}
		if r.Files, r.Bytes, err = treeSize(t.root, n); err != nil {
			return nil, err
		}
		found = append(found, r)
	}
	return found, nil
}

// SweepUp deletes what removals left. [ErrInUse] is as for [Tree.Remove].
func (t *Tree) SweepUp() error {
	names, err := t.removed()
	errs := []error{err}
	for _, n := range names {
		err := removeAll(t.root, n)
		if errors.Is(err, ErrInUse) {
			err = fmt.Errorf("%s: %w; orch prune deletes the rest", filepath.Join(t.path, n), err)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// removed lists the folders of sweeps that were removed, in name order.
func (t *Tree) removed() ([]string, error) {
	f, err := t.root.Open(".")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	names, err := f.Readdirnames(-1)
	names = slices.DeleteFunc(names, func(n string) bool { return !strings.HasPrefix(n, removedPrefix) })
	slices.Sort(names)
	return names, err
}

// ErrInUse: another process still makes or holds files in a folder that is
// being removed.
var ErrInUse = errors.New("another process still has files in it")

// removeAll removes a folder that others may still write into: a collector that
// opened the sweep before has the tables of its fold to write. What it makes
// between the listing and the rmdir shows as a folder that is not empty. So
// does, on NFS, a file that it holds open.
func removeAll(dir *os.Root, name string) error {
	wait, unlocked := time.Millisecond, false
	for range 12 { // 4 s: a fold of 100,000 runs is written in less
		err := dir.RemoveAll(name)
		if errors.Is(err, fs.ErrPermission) && !unlocked {
			unlock(dir, name)
			unlocked = true
			continue
		}
		if !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.EBUSY) {
			return err
		}
		time.Sleep(wait)
		wait *= 2
	}
	return ErrInUse
}

// unlock gives the user back the folders below a path that a program has closed:
// caches of packages and of data are read-only, so that nothing in them can be
// deleted. What cannot be changed is the removal's to tell.
func unlock(dir *os.Root, name string) {
	fs.WalkDir(dir.FS(), name, func(at string, d fs.DirEntry, err error) error { // before it lists a folder
		if d == nil || !d.IsDir() || err != nil {
			return nil
		}
		if info, err := d.Info(); err == nil && info.Mode()&0o700 != 0o700 {
			dir.Chmod(at, info.Mode().Perm()|0o700)
		}
		return nil
	})
}

// treeSize counts the files below a path and their bytes; nothing if there is
// nothing, and nothing of folders that may not be listed. Links are counted, not
// followed.
func treeSize(dir *os.Root, name string) (files int, bytes int64, err error) {
	err = fs.WalkDir(dir.FS(), name, func(_ string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
			return nil
		}
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
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
