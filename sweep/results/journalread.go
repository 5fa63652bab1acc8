package results

import (
	"bytes"
	"io"
	"os"
	"slices"
	"strings"
)

const journalSuffix = ".jsonl"

// journalsOf returns the names of the journals of a worker: the first, and
// those it began after a failed write or fsync.
func (s *Sweep) journalsOf(worker string) ([]string, error) {
	names, err := list(s.dir, "journals")
	if err != nil {
		return nil, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return journalOwner(n) != worker })
	slices.Sort(names)
	return names, nil
}

// journalOwner returns the worker that writes the journal of this name, or
// nothing if it is no journal's name.
func journalOwner(name string) string {
	base, ok := strings.CutSuffix(name, journalSuffix)
	if !ok {
		return ""
	}
	worker, _, _ := strings.Cut(base, "+")
	return worker
}

// readJournal calls f with every intact line of a journal from an offset on, and
// its offset. It returns the offset behind the last whole line; what follows is
// a line still being written, or a torn one. A damaged line goes to bad, if
// given, and hides nothing after it.
func readJournal(dir *os.Root, name string, from int64, f func(at int64, line []byte, r Record), bad func(at int64, why string)) (next int64, err error) {
	if bad == nil {
		bad = func(int64, string) {}
	}
	return readLines(dir, "journals/"+name, from, func(at int64, line []byte) {
		body, ok := checkLine(line)
		if !ok {
			bad(at, "a damaged line: its checksum does not match")
			return
		}
		r, err := parseRecord(body)
		if err != nil {
			bad(at, "a line that orch did not write: "+err.Error())
			return
		}
		f(at, line, r)
	}, func(at int64) { bad(at, "a line longer than 1 MiB") })
}

// chunk is how much of a file is read at a time.
const chunk = 1 << 20

// readLines calls line with every whole line of a file from an offset on, without
// its newline, and with where it begins. It returns the offset behind the last
// whole line. A line longer than maxLine, be it a gigabyte, goes to long by its
// offset alone.
func readLines(dir *os.Root, name string, from int64, line func(at int64, b []byte), long func(at int64)) (next int64, err error) {
	return readChunks(dir, name, from, func(at int64, b []byte) { splitLines(at, b, line, long) }, long)
}

// splitLines calls line with every line of b, which begins at an offset and ends
// with a newline; see [readLines].
func splitLines(at int64, b []byte, line func(at int64, b []byte), long func(at int64)) {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i > maxLine {
			long(at)
		} else {
			line(at, b[:i])
		}
		b, at = b[i+1:], at+int64(i+1)
	}
}

// readChunks calls whole with every piece of a file from an offset on, as read:
// some lines, the last with its newline, and where they begin. The bytes are
// never written to again, so strings may point into them. For the rest see
// [readLines].
func readChunks(dir *os.Root, name string, from int64, whole func(at int64, b []byte), long func(at int64)) (next int64, err error) {
	f, size, err := openFile(dir, name)
	if err != nil {
		return from, err
	}
	defer f.Close()
	var kept []byte   // begins a line
	skipping := false // in a line that is too long
	for at := from; ; {
		end := at + int64(len(kept))
		if end >= size {
			return at, nil
		}
		b := make([]byte, len(kept)+int(min(size-end, chunk)))
		copy(b, kept)
		n, err := f.ReadAt(b[len(kept):], end)
		b = b[:len(kept)+n]
		if skipping {
			if i := bytes.IndexByte(b, '\n'); i >= 0 {
				b, at, skipping = b[i+1:], at+int64(i+1), false
			}
		}
		if i := bytes.LastIndexByte(b, '\n') + 1; i > 0 {
			whole(at, b[:i:i])
			b, at = b[i:], at+int64(i)
		}
		if len(b) > maxLine && !skipping {
			long(at)
			skipping = true
		}
		if skipping {
			b, at = nil, at+int64(len(b))
		}
		kept = b
		if err == io.EOF || n == 0 && err == nil {
			return at, nil
		}
		if err != nil {
			return at, err
		}
	}
}

// openFile opens a regular file of the tree for reading. It waits for nothing: a
// FIFO that someone left there must not hang who reads the folder.
func openFile(dir *os.Root, name string) (f *os.File, size int64, err error) {
	if f, err = open(dir, name, os.O_RDONLY|nonblock); err != nil {
		return nil, 0, err
	}
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &DamagedError{name, "it is no regular file"}
	}
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, st.Size(), nil
}

// maxWhole bounds the files that are read whole, plans aside.
const maxWhole = 64 << 20

// readWhole returns the content of a small file.
func readWhole(dir *os.Root, name string) ([]byte, error) {
	f, size, err := openFile(dir, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if size > maxWhole {
		return nil, &DamagedError{name, "it is far too large"}
	}
	b := make([]byte, size)
	n, err := f.ReadAt(b, 0)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}
