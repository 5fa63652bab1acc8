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

// scanJournal calls f with every intact line of b and its offset in the file,
// of which b begins at base. It returns the offset behind the last whole line;
// what follows is a line still being written, or a torn one. A damaged line
// goes to bad, if given, and hides nothing after it.
func scanJournal(b []byte, base int64, f func(at int64, line []byte, r Record), bad func(at int64, why string)) (next int64) {
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n')
		if n < 0 {
			if len(b) > maxLine && bad != nil {
				bad(base, "a line longer than 1 MiB")
			}
			break
		}
		line := b[:n]
		switch body, ok := checkLine(line); {
		case n > maxLine:
			if bad != nil {
				bad(base, "a line longer than 1 MiB")
			}
		case !ok:
			if bad != nil {
				bad(base, "a damaged line: its checksum does not match")
			}
		default:
			r, err := parseRecord(body)
			if err == nil {
				f(base, line, r)
			} else if bad != nil {
				bad(base, "a line that orch did not write: "+err.Error())
			}
		}
		b = b[n+1:]
		base += int64(n + 1)
	}
	return base
}

// readFrom returns the bytes of a file from an offset to its end.
func readFrom(dir *os.Root, name string, offset int64) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read", Path: name, Err: os.ErrInvalid}
	}
	b := make([]byte, max(0, st.Size()-offset))
	n, err := f.ReadAt(b, offset)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}
