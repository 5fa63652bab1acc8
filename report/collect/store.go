package collect

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"sync"

	"orch/sweep/results"
)

// storedFile names the file that says what the tables beside it were made of. It
// can be deleted, as they can.
const storedFile = ".fold.json"

// stored is its content.
type stored struct {
	Format int `json:"v"`
	// Of names everything that the tables depend on; it is compared and never
	// looked into.
	Of     string          `json:"of"`
	Tables []tableFile     `json:"tables"`
	Note   json.RawMessage `json:"note,omitempty"`
}

// tableFile identifies a file. Of two collectors at once one may replace tables
// after the other has written storedFile: then the files are not those that it
// names, and the next collect writes all anew. The same holds for a table that
// somebody edited or deleted, or that a power cut left short.
type tableFile struct {
	Name  string `json:"name"`
	Size  int64  `json:"size"`
	Time  int64  `json:"time"` // of modification, in nanoseconds; compared for equality alone
	Inode uint64 `json:"inode"`
}

// storedFormat changes with anything that changes the bytes of tables.
const storedFormat = 1

func identify(name string, st fs.FileInfo) tableFile {
	return tableFile{name, st.Size(), st.ModTime().UnixNano(), inode(st)}
}

// Store writes the tables into the sweep's collected/, some at a time, and notes
// that they were made of what "of" names: see [results.Sweep.Fingerprint], taken
// before what was folded was read, with the version of orch added. note is given
// back by [Stored].
func (t *Tables) Store(s *results.Sweep, of string, note any) error {
	dir, err := s.Collected()
	if err != nil {
		return err
	}
	defer dir.Close()
	files := t.sorted().files()
	x := stored{Format: storedFormat, Of: of, Tables: make([]tableFile, len(files))}
	if x.Note, err = json.Marshal(note); err != nil {
		return fmt.Errorf("note of tables: %w", err)
	}
	// Encoding takes a core, syncing takes the disk: while one table is synced
	// the next is encoded.
	encoding := make(chan struct{}, runtime.GOMAXPROCS(0))
	errs := make([]error, len(files))
	var all sync.WaitGroup
	for i, f := range files {
		encoding <- struct{}{}
		all.Go(func() {
			var err error
			x.Tables[i], err = put(dir, f, func() { <-encoding })
			if err != nil {
				errs[i] = fmt.Errorf("write table %s: %w", f.name, err)
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	slices.SortFunc(x.Tables, func(a, b tableFile) int { return cmp.Compare(a.Name, b.Name) })
	// Into also syncs the folder, with the tables' names.
	return Into(dir)(storedFile, func(w io.Writer) error { return json.NewEncoder(w).Encode(x) })
}

// put publishes a table, as [Into] does but for the folder's fsync. encoded is
// called when the bytes are handed to the system.
func put(dir *os.Root, table table, encoded func()) (file tableFile, err error) {
	temp := ".t-" + rand.Text()
	f, err := create(dir, temp)
	if err != nil {
		encoded()
		return file, err
	}
	defer func() {
		if err != nil {
			dir.Remove(temp)
		}
	}()
	err = table.write(f)
	encoded()
	if err == nil {
		err = f.Sync()
	}
	st, serr := f.Stat()
	if err = errors.Join(err, serr, f.Close()); err != nil {
		return file, err
	}
	return identify(table.name, st), rename(dir, temp, table.name, st)
}

// Differ returns the names of the stored tables that are not these.
func (t *Tables) Differ(s *results.Sweep) (names []string, err error) {
	dir, err := s.Tables()
	if err != nil || dir == nil {
		return nil, err
	}
	defer dir.Close()
	err = t.Write(func(name string, write func(io.Writer) error) error {
		want, got := sha256.New(), sha256.New()
		if err := write(want); err != nil {
			return err
		}
		f, err := dir.Open(name)
		if err == nil {
			_, err = io.Copy(got, f)
			f.Close()
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if !bytes.Equal(want.Sum(nil), got.Sum(nil)) {
			names = append(names, name)
		}
		return nil
	})
	return names, err
}

// Stored returns the note of the tables in collected/, if they were made of what
// "of" names and are all there, unchanged. It writes nothing.
func Stored(s *results.Sweep, of string, note any) (ok bool) {
	dir, err := s.Tables()
	if err != nil || dir == nil {
		return false
	}
	defer dir.Close()
	b, err := dir.ReadFile(storedFile)
	var x stored
	if err != nil || json.Unmarshal(b, &x) != nil || x.Format != storedFormat || x.Of != of || len(x.Tables) != len(new(Tables).files()) {
		return false
	}
	for _, want := range x.Tables {
		st, err := dir.Lstat(want.Name)
		if err != nil || identify(want.Name, st) != want {
			return false
		}
	}
	return json.Unmarshal(x.Note, note) == nil
}
