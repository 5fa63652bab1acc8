package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// FreezeBinary puts a copy of a program into the tree's bin/ folder, named by
// its content, and returns the copy's absolute path. Workers that start later,
// on other hosts or after the user has built a new version, run this one. id
// tells programs of different content apart; without one the content is read,
// which takes 30 ms and more.
func (t *Tree) FreezeBinary(program, id string) (string, error) {
	src, err := os.Open(program)
	if err != nil {
		return "", fmt.Errorf("freeze binary: %w", err)
	}
	defer src.Close()
	sum := sha256.New()
	st, err := src.Stat()
	if err != nil {
		return "", fmt.Errorf("freeze binary: %w", err)
	}
	size := st.Size()
	if id != "" {
		io.WriteString(sum, id)
	} else if size, err = io.Copy(sum, src); err != nil {
		return "", fmt.Errorf("freeze binary: %w", err)
	}
	hash := hex.EncodeToString(sum.Sum(nil)[:8])
	name := "bin/orch-" + hash
	path := filepath.Join(t.path, name)
	if st, err := t.root.Stat(name); err == nil && st.Size() == size {
		return path, t.callName(hash)
	}
	if err := t.root.Mkdir("bin", dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("freeze binary: %w", err)
	}
	temp := "bin/" + tempPrefix + randomHex(8)
	defer t.root.Remove(temp)
	dst, err := t.root.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o700)
	if err != nil {
		return "", fmt.Errorf("freeze binary: %w", err)
	}
	_, err = src.Seek(0, io.SeekStart)
	if err == nil {
		_, err = io.Copy(dst, src)
	}
	if err == nil {
		err = dst.Sync()
	}
	if err = errors.Join(err, dst.Close()); err == nil {
		err = Again(func() error { return t.root.Link(temp, name) })
		if errors.Is(err, fs.ErrExist) {
			err = nil // another submit froze the same bytes
		}
	}
	if err != nil {
		return "", fmt.Errorf("freeze binary: %w", err)
	}
	return path, errors.Join(t.callName(hash), syncDir(t.root, "bin"))
}

// callName makes bin/<hash>/orch, a link to the frozen binary under the name by
// which the programs of runs call it, alone in a folder that fits into a PATH.
func (t *Tree) callName(hash string) error {
	folder := "bin/" + hash
	if err := t.root.Mkdir(folder, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("freeze binary: %w", err)
	}
	if err := t.root.Symlink("../orch-"+hash, folder+"/orch"); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("freeze binary: %w", err)
	}
	return nil
}

// CallFolder returns the folder in which a binary can be called as orch, or
// nothing if there is none.
func CallFolder(binary string) string {
	folder, name := filepath.Split(binary)
	if hash, ok := strings.CutPrefix(name, "orch-"); ok {
		folder, name = filepath.Join(folder, hash), "orch"
	}
	if target, err := filepath.EvalSymlinks(filepath.Join(folder, "orch")); err != nil || name != "orch" || target != binary {
		return ""
	}
	return filepath.Clean(folder)
}
