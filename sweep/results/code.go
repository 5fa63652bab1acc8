package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Code is a copy of a working tree that the programs of a segment's runs start
// in, so that an edit after submit changes nothing.
type Code struct {
	Hash   string `json:"hash"`             // of its files: code/<hash> is its folder
	Prefix string `json:"prefix,omitempty"` // where in it programs start
	Root   string `json:"root"`             // what it is a copy of
	Files  int    `json:"files"`
	Bytes  int64  `json:"bytes"`
}

// codeFolder holds the copies of a sweep, each named by its content.
const codeFolder = "code"

// KeepCode copies files of a working tree into the sweep, unless it has a copy
// with the same content, and puts links to the originals beside them. Files and
// links are paths relative to root, with slashes. Copied files are read-only;
// the folders are not, for what programs and interpreters leave there.
//
// The copy is complete and synced before it gets its name. What it is named by
// is what was copied, also if somebody edits meanwhile.
func (s *Sweep) KeepCode(root, prefix string, files, links []string) (*Code, error) {
	from, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("copy code: %w", err)
	}
	defer from.Close()
	k := &codeCopy{sweep: s, from: from, code: &Code{Prefix: prefix, Root: root}}
	err = k.keep(files, links)
	if err != nil {
		return nil, fmt.Errorf("copy code of %s: %w", root, err)
	}
	return k.code, nil
}

// CodeHash returns what [Sweep.KeepCode] would call a copy of these files.
func CodeHash(root string, files []string) (string, error) {
	from, err := os.OpenRoot(root)
	if err != nil {
		return "", err
	}
	defer from.Close()
	k := &codeCopy{from: from, code: &Code{}}
	return k.read(files, "")
}

type codeCopy struct {
	sweep *Sweep
	from  *os.Root
	code  *Code
}

func (k *codeCopy) keep(files, links []string) error {
	hash, err := k.read(files, "")
	if err != nil {
		return err
	}
	dir := k.sweep.dir
	name := codeFolder + "/" + hash
	if _, err := dir.Stat(name); err != nil {
		if err := dir.Mkdir(codeFolder, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		temp := codeFolder + "/" + tempPrefix + randomHex(8)
		defer dir.RemoveAll(temp)
		if err := dir.Mkdir(temp, dirMode); err != nil {
			return err
		}
		if hash, err = k.read(files, temp); err != nil {
			return err
		}
		name = codeFolder + "/" + hash
		if err := syncAll(dir, temp); err != nil {
			return err
		}
		// Another submit may have made the same copy; a folder with content is
		// not replaced by a rename.
		if err := dir.Rename(temp, name); err != nil {
			if _, serr := dir.Stat(name); serr != nil {
				return err
			}
		}
		if err := syncDir(dir, codeFolder); err != nil {
			return err
		}
	}
	k.code.Hash = hash
	if err := dir.MkdirAll(path.Join(name, k.code.Prefix), dirMode); err != nil {
		return err
	}
	for _, l := range links {
		if err := dir.Symlink(filepath.Join(k.code.Root, filepath.FromSlash(l)), name+"/"+l); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	return nil
}

// read hashes the files in order and copies them into a folder of the sweep if
// one is given. The hash covers names, contents and what may be executed.
func (k *codeCopy) read(files []string, into string) (string, error) {
	all := sha256.New()
	k.code.Files, k.code.Bytes = 0, 0
	made := map[string]bool{}
	for _, name := range files {
		info, err := k.from.Lstat(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // deleted meanwhile
		}
		if err != nil {
			return "", err
		}
		if parent := path.Dir(name); into != "" && !made[parent] {
			if err := k.sweep.dir.MkdirAll(path.Join(into, parent), dirMode); err != nil {
				return "", err
			}
			made[parent] = true
		}
		kind, content := "link", ""
		if info.Mode()&fs.ModeSymlink != 0 {
			if content, err = k.from.Readlink(name); err == nil && into != "" {
				err = k.sweep.dir.Symlink(content, path.Join(into, name))
			}
		} else {
			mode := fs.FileMode(0o400)
			if kind = "file"; info.Mode()&0o111 != 0 {
				kind, mode = "program", 0o500
			}
			var n int64
			content, n, err = k.file(name, into, mode)
			k.code.Bytes += n
		}
		if err != nil {
			return "", err
		}
		k.code.Files++
		fmt.Fprintf(all, "%s %q %q\n", kind, name, content)
	}
	return hex.EncodeToString(all.Sum(nil)[:8]), nil
}

// file hashes a file, and copies it.
func (k *codeCopy) file(name, into string, mode fs.FileMode) (sum string, n int64, err error) {
	src, err := k.from.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return "", 0, err
	}
	defer src.Close()
	if info, err := src.Stat(); err != nil || !info.Mode().IsRegular() {
		return "", 0, errors.Join(err, fmt.Errorf("%s is no regular file any more", name))
	}
	h := sha256.New()
	var to io.Writer = h
	if into != "" {
		dst, err := k.sweep.dir.OpenFile(path.Join(into, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
		if err != nil {
			return "", 0, err
		}
		defer func() { err = errors.Join(err, dst.Close()) }()
		to = io.MultiWriter(h, dst)
	}
	n, err = io.Copy(to, src)
	return hex.EncodeToString(h.Sum(nil)), n, err
}

// CodePath returns the absolute folder of a copy.
func (s *Sweep) CodePath(c *Code) string { return filepath.Join(s.Path(), codeFolder, c.Hash) }

// Workdir returns the folder in which the programs of a segment's runs start:
// where submit was typed, or the same place in the copy of the code.
func (s *Sweep) Workdir(h *Header) string {
	if h.Code == nil {
		return h.Provenance.Dir
	}
	return filepath.Join(s.CodePath(h.Code), filepath.FromSlash(h.Code.Prefix))
}

// Changes returns the patch against the commit that a segment was published
// with, nil if there is none.
func (s *Sweep) Changes(number int) ([]byte, error) {
	b, err := s.dir.ReadFile(fmt.Sprintf("plans/%d/%s", number, changesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

// spareCode finds the copies of code that neither a run which may still start
// nor a result needs, nor the next try of a run: that starts in the copy of its
// try before, or of the plan if that is newer.
func (s *Sweep) spareCode(plan *Plan, states []RunState) ([]Waste, error) {
	names, err := list(s.dir, codeFolder)
	if errors.Is(err, fs.ErrNotExist) || len(names) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list copies of code: %w", err)
	}
	segments := map[int]*Segment{}
	for _, seg := range plan.Segments {
		segments[seg.Number] = seg
	}
	needed := map[string]bool{}
	need := func(number int) {
		if seg := segments[number]; seg != nil && seg.Code != nil {
			needed[seg.Code.Hash] = true
		}
	}
	newest := 0
	if h := plan.Header(); h != nil {
		newest = h.Number
	}
	for _, st := range states {
		if st.Counted >= 0 {
			need(st.Attempts[st.Counted].Segment)
		}
		n := len(st.Run.Tries)
		if n == 0 {
			continue
		}
		last := st.Run.Tries[n-1].Block.Segment
		if st.Counted < 0 || st.End == nil {
			need(last)
		}
		if st.State != StateDone {
			need(max(last, newest))
		}
	}
	slices.Sort(names)
	var waste []Waste
	for _, n := range names {
		if needed[n] || strings.HasPrefix(n, tempPrefix) {
			continue
		}
		w := Waste{Kind: WasteCode, Path: codeFolder + "/" + n}
		if w.Files, w.Bytes, err = treeSize(s.dir, w.Path); err != nil {
			return nil, err
		}
		waste = append(waste, w)
	}
	return waste, nil
}
