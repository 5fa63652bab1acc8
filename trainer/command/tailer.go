package command

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"orch/sweep/results"
)

// tailer follows $ORCH_METRICS while the program appends to it.
type tailer struct {
	g       *gathered
	f       *os.File // nil until the file exists
	off     int64    // read so far
	rest    []byte   // a line that has no end yet
	skip    bool     // inside a line that is too long
	lines   int
	failing bool // an error of reading was noted
}

// poll reads what is new and reports whether anything was. It is cheap as long
// as the file does not exist.
func (t *tailer) poll() bool {
	if !t.replaced() {
		return t.read()
	}
	grew := t.read() // what was still appended to the old file
	t.f.Close()
	t.f, t.off, t.rest, t.skip = nil, 0, nil, false
	return t.read() || grew
}

// replaced reports whether another file has the name now: programs that write
// their whole file anew often do so under a temporary name.
func (t *tailer) replaced() bool {
	if t.f == nil {
		return false
	}
	was, err := t.f.Stat()
	if err != nil {
		return false
	}
	now, err := os.Stat(filepath.Join(t.g.dir, metricsFile))
	return err == nil && !os.SameFile(was, now)
}

func (t *tailer) read() bool {
	if t.f == nil {
		var f *os.File
		err := results.Again(func() (err error) {
			f, err = openRegular(filepath.Join(t.g.dir, metricsFile))
			return err
		})
		if err != nil {
			if !errors.Is(err, os.ErrNotExist) {
				t.note(err)
			}
			return false
		}
		t.f = f
	}
	if info, err := t.f.Stat(); err == nil && info.Size() < t.off {
		// The program began its file anew. Its rows count again.
		t.off, t.rest, t.skip = 0, nil, false
	}
	defer t.checkpoint()
	grew := false
	buf := make([]byte, 64<<10)
	for {
		n, err := t.f.ReadAt(buf, t.off)
		t.off += int64(n)
		grew = grew || n > 0
		t.take(buf[:n])
		if err != nil {
			if err != io.EOF {
				t.note(err)
			}
			return grew
		}
	}
}

func (t *tailer) checkpoint() {
	if err := t.g.checkpoint(); err != nil {
		t.g.bad(metricsFile, err)
	}
}

func (t *tailer) note(err error) {
	if !t.failing {
		t.failing = true
		t.g.bad(metricsFile, err)
	}
}

func (t *tailer) take(b []byte) {
	for len(b) > 0 {
		n := bytes.IndexByte(b, '\n')
		if n < 0 {
			if len(t.rest)+len(b) > maxRow {
				t.skip, t.rest = true, nil
			}
			if !t.skip {
				t.rest = append(t.rest, b...)
			}
			return
		}
		line := b[:n]
		if len(t.rest) > 0 {
			t.rest = append(t.rest, line...)
			line = t.rest
		}
		t.line(line)
		t.rest, t.skip = t.rest[:0], false
		b = b[n+1:]
	}
}

func (t *tailer) line(line []byte) {
	t.lines++
	where := fmt.Sprintf("%s:%d", metricsFile, t.lines)
	if t.skip || len(line) > maxRow {
		t.g.bad(where, fmt.Errorf("longer than %d MiB", maxRow>>20))
		return
	}
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return
	}
	if err := t.g.row(line); err != nil {
		t.g.bad(where, err)
	}
}

// end reads the rest after the program's end; a last line without a newline
// counts if it is whole.
func (t *tailer) end() {
	t.poll()
	if t.f == nil {
		return
	}
	if len(t.rest) > 0 || t.skip {
		t.line(t.rest)
		t.checkpoint()
	}
	t.f.Close()
}

// close is end without reading.
func (t *tailer) close() {
	if t.f != nil {
		t.f.Close()
	}
}
