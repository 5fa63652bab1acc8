package results

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Modes of everything in a tree.
const (
	dirMode  = 0o700
	fileMode = 0o600
)

// tempPrefix begins the name of a file that is not yet published. Readers skip
// such names; a crash may leave them behind and fsck counts them.
const tempPrefix = ".t-"

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand, Go 1.24)
	return hex.EncodeToString(b)
}

// putNew publishes a file whole and only if the name is free: the first writer
// wins. It writes a temporary file in the same folder, syncs it, and link()s it
// to its name; the folder is synced before putNew returns. won is false if the
// name was taken by other content.
//
// A reply of link() may be lost (NFS): then the error says "exists", or EIO,
// although our file has the name. So errors are settled by reading what is
// there; data must hold something unique, such as a nonce. What is not there to
// be read is linked again: that is harmless if it was linked before, and makes a
// client forget that it believes the name to be free.
func putNew(dir *os.Root, name string, data []byte) (won bool, err error) {
	folder := path.Dir(name)
	temp, err := writeTemp(dir, folder, data)
	if err != nil {
		return false, fmt.Errorf("publish %s: %w", name, err)
	}
	defer dir.Remove(temp)
	for n := range tries {
		if err = dir.Link(temp, name); err == nil {
			return true, syncDir(dir, folder)
		}
		there, rerr := dir.ReadFile(name)
		switch {
		case rerr == nil && bytes.Equal(there, data): // ours: the reply was lost
			return true, syncDir(dir, folder)
		case rerr == nil:
			return false, nil
		case !unanswered(err) && !errors.Is(err, fs.ErrExist):
			return false, fmt.Errorf("publish %s: %w", name, err)
		}
		time.Sleep(time.Duration(n) * 5 * time.Millisecond)
	}
	return false, fmt.Errorf("publish %s: %w", name, err)
}

// writeTemp writes a temporary file and returns its name. One that cannot be
// made for certain is left behind, and another name is tried.
func writeTemp(dir *os.Root, folder string, data []byte) (temp string, err error) {
	for range tries {
		temp = path.Join(folder, tempPrefix+randomHex(8))
		if err = writeFile(dir, temp, data); err == nil {
			return temp, nil
		}
		dir.Remove(temp)
		if !unanswered(err) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	var p *fs.PathError
	if errors.As(err, &p) { // its path is the temporary name, other each time
		err = p.Err
	}
	return "", err
}

// writeOwn writes a file that nobody else knows of yet, anew if it failed: what a
// failed fsync leaves cannot be trusted.
func writeOwn(dir *os.Root, name string, data []byte) (err error) {
	for range tries {
		if err = writeFile(dir, name, data); err == nil {
			return nil
		}
		dir.Remove(name)
		if !unanswered(err) && !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return err
}

// makeTemp makes a folder that gets its name by a rename when it is complete.
func makeTemp(dir *os.Root, parent string) (temp string, err error) {
	err = Again(func() error {
		temp = parent + "/" + tempPrefix + randomHex(8)
		err := dir.Mkdir(temp, dirMode)
		if errors.Is(err, fs.ErrExist) { // ours: the reply was lost
			return nil
		}
		return err
	})
	return temp, err
}

// writeFile creates a new file with this content and syncs it.
func writeFile(dir *os.Root, name string, data []byte) error {
	f, err := dir.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// list returns the names in a folder, unpublished ones left out, in directory
// order. A folder that does not exist is empty. The directory is opened anew
// each time: that is what makes network file systems look again.
func list(dir *os.Root, folder string) ([]string, error) {
	f, err := open(dir, folder, os.O_RDONLY)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	names, err := f.Readdirnames(-1)
	f.Close()
	kept := names[:0]
	for _, n := range names {
		if !strings.HasPrefix(n, ".") {
			kept = append(kept, n)
		}
	}
	return kept, err
}

// sortedList is [list] in name order.
func sortedList(dir *os.Root, folder string) ([]string, error) {
	names, err := list(dir, folder)
	slices.Sort(names)
	return names, err
}
