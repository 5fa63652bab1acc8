package code

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Bounds of a copy: code is small, and what is not small is not code.
const (
	maxFiles = 10_000
	maxBytes = 100 << 20
	maxLinks = 2_000
)

// Tree says what a copy of a working tree consists of. Paths are relative to
// Root, with slashes, sorted.
type Tree struct {
	Root   string   // absolute: the work tree's top, or the folder itself without git
	Prefix string   // the folder that was asked about, relative to Root; "" if it is Root
	Files  []string // what is copied: regular files and symbolic links
	Links  []string // files and folders that become links to the originals
}

// List finds what a copy of the working tree around a folder consists of. Only,
// if there is any, names the files and folders of dir that are copied, as paths
// or patterns such as "*.py". Leave are absolute folders that are neither
// copied nor linked: the results.
func List(ctx context.Context, dir string, only, leave []string) (*Tree, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, err
	}
	for _, p := range only {
		if _, err := path.Match(p, "x"); err != nil || !filepath.IsLocal(p) {
			return nil, fmt.Errorf("%q: want a file or folder inside %s, or a pattern such as \"*.py\"", p, dir)
		}
	}
	l := &lister{t: &Tree{Root: dir}, only: only, leave: leave}
	names, err := l.candidates(ctx, dir)
	if err != nil {
		return nil, err
	}
	if err := l.choose(names); err != nil {
		return nil, err
	}
	if len(only) > 0 && len(l.t.Files) == 0 {
		return nil, fmt.Errorf("none of %q is a file in %s that is not ignored", only, dir)
	}
	return l.t, l.link()
}

type lister struct {
	t           *Tree
	only, leave []string
	sizes       map[string]int64 // by first component: what it weighs
}

// candidates lists the files that may be copied.
func (l *lister) candidates(ctx context.Context, dir string) ([]string, error) {
	top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		// Ended by a signal, of the deadline most likely: it has not said that
		// there is no work tree, and without it what is ignored would be copied.
		return nil, err
	case err != nil:
		return l.walk()
	}
	if len(l.only) == 0 {
		l.t.Root = strings.TrimSuffix(string(top), "\n")
		if l.t.Prefix, err = filepath.Rel(l.t.Root, dir); err != nil {
			return nil, err
		}
		if l.t.Prefix == "." {
			l.t.Prefix = ""
		}
		l.t.Prefix = filepath.ToSlash(l.t.Prefix)
	}
	out, err := git(ctx, l.t.Root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	if err != nil {
		return nil, err
	}
	return strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"), nil
}

// walk lists the files of a folder that is in no git work tree.
func (l *lister) walk() ([]string, error) {
	var names []string
	err := filepath.WalkDir(l.t.Root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(l.t.Root, file)
		switch {
		case !d.IsDir():
			names = append(names, filepath.ToSlash(rel))
		case rel != "." && (leftover(d.Name()) || l.left(file) || environment(file) || d.Name()[0] == '.'):
			return filepath.SkipDir
		}
		// One more than can be copied is enough to refuse, with the names of the
		// largest so far; a home folder has millions.
		if len(names) > 10*maxFiles {
			return fs.SkipAll
		}
		return nil
	})
	return names, err
}

// leftover reports whether a name is of what tools leave behind, which is
// neither copied nor linked: a linked cache would be shared with the original.
func leftover(name string) bool {
	switch name {
	case ".git", "__pycache__", ".ipynb_checkpoints", ".mypy_cache", ".pytest_cache", ".ruff_cache":
		return true
	}
	return strings.HasSuffix(name, ".pyc")
}

// environment reports whether a folder is a Python environment.
func environment(dir string) bool {
	for _, mark := range []string{"pyvenv.cfg", "conda-meta"} {
		if _, err := os.Lstat(filepath.Join(dir, mark)); err == nil {
			return true
		}
	}
	return false
}

// left reports whether a path is one of those to leave out, or inside of one.
func (l *lister) left(file string) bool {
	for _, dir := range l.leave {
		if file == dir || strings.HasPrefix(file, dir+string(filepath.Separator)) {
			return true
		}
	}
	return false
}

// wanted reports whether only, if there is any, names a file.
func (l *lister) wanted(name string) bool {
	for _, p := range l.only {
		p = path.Clean(p)
		if name == p || p == "." || strings.HasPrefix(name, p+"/") {
			return true
		}
		if ok, _ := path.Match(p, name); ok {
			return true
		}
		if ok, _ := path.Match(p, path.Base(name)); ok && !strings.Contains(p, "/") {
			return true
		}
	}
	return len(l.only) == 0
}

// choose fills Files from the candidates, within the bounds.
func (l *lister) choose(names []string) error {
	slices.Sort(names)
	l.sizes = map[string]int64{}
	var bytes int64
	count := 0
	for _, name := range names {
		file := filepath.Join(l.t.Root, filepath.FromSlash(name))
		if name == "" || !l.wanted(name) || secret(name) || leftover(path.Base(name)) || l.left(file) {
			continue
		}
		info, err := os.Lstat(file)
		switch {
		case errors.Is(err, fs.ErrNotExist): // tracked, but deleted
			continue
		case err != nil:
			return err
		case !info.Mode().IsRegular() && info.Mode()&fs.ModeSymlink == 0: // a submodule, a pipe
			continue
		}
		first, _, _ := strings.Cut(name, "/")
		l.sizes[first] += info.Size()
		bytes += info.Size()
		if count++; count <= maxFiles {
			l.t.Files = append(l.t.Files, name)
		}
	}
	if bytes > maxBytes || count > maxFiles {
		return &TooLargeError{Root: l.t.Root, Files: count, Bytes: bytes, Largest: l.largest()}
	}
	return nil
}

// largest returns the heaviest entries of the root, with their sizes.
func (l *lister) largest() []string {
	var names []string
	for n := range l.sizes {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(cmp.Compare(l.sizes[b], l.sizes[a]), cmp.Compare(a, b)) })
	for i, n := range names[:min(3, len(names))] {
		names[i] = fmt.Sprintf("%s %.1f MB", n, float64(l.sizes[n])/1e6)
	}
	return names[:min(3, len(names))]
}

// TooLargeError says that a working tree is no mere code.
type TooLargeError struct {
	Root    string
	Files   int
	Bytes   int64
	Largest []string
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("the working tree %s has %d files with %.1f MB to copy, at most %d files and %d MB are (largest: %s)",
		e.Root, e.Files, float64(e.Bytes)/1e6, maxFiles, maxBytes>>20, strings.Join(e.Largest, ", "))
}

// link fills Links: what else is in the folders that the copy has.
func (l *lister) link() error {
	folders := map[string]bool{".": true}
	copied := map[string]bool{}
	for _, name := range l.t.Files {
		copied[name] = true
		for dir := path.Dir(name); !folders[dir]; dir = path.Dir(dir) {
			folders[dir] = true
		}
	}
	for dir := l.t.Prefix; dir != "" && dir != "."; dir = path.Dir(dir) {
		folders[dir] = true // the program starts there
	}
	for dir := range folders {
		entries, err := os.ReadDir(filepath.Join(l.t.Root, filepath.FromSlash(dir)))
		if err != nil {
			return err
		}
		for _, e := range entries {
			name := path.Join(dir, e.Name())
			if !copied[name] && !folders[name] && !leftover(e.Name()) && !l.left(filepath.Join(l.t.Root, filepath.FromSlash(name))) {
				l.t.Links = append(l.t.Links, name)
			}
		}
		if len(l.t.Links) > maxLinks {
			return fmt.Errorf("folder %s has too many files that are not copied: more than %d links; move what is no code into a folder of its own", filepath.Join(l.t.Root, dir), maxLinks)
		}
	}
	slices.Sort(l.t.Links)
	return nil
}
