package command

import (
	"bytes"
	"io"
	"os"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// A line longer than this is searched in pieces, each of which repeats the
	// last overlap bytes of the one before.
	window  = 256 << 10
	overlap = 4 << 10

	// How much of the end of a log is looked at for its last line and for
	// what it says about memory.
	tailSize = 16 << 10

	// maxMessage bounds the line of a log that becomes a failure's message.
	maxMessage = 500
)

// scanner searches a log for patterns as it streams through, whatever its size
// and the length of its lines, in [window] bytes of memory.
type scanner struct {
	patterns  []*pattern
	window    int    // 0: [window]; smaller in tests
	buf       []byte // not searched yet; after a cut it begins with the overlap
	continued bool   // buf begins in the middle of a line
}

// Write takes the next bytes of the log. It never fails.
func (s *scanner) Write(b []byte) (int, error) {
	n := len(b)
	for len(b) > 0 {
		k := copy(s.room(), b)
		s.take(k)
		b = b[k:]
	}
	return n, nil
}

// room returns where the next bytes belong; it is never empty.
func (s *scanner) room() []byte {
	if s.buf == nil {
		if s.window == 0 {
			s.window = window
		}
		s.buf = make([]byte, 0, s.window)
	}
	return s.buf[len(s.buf):cap(s.buf)]
}

// take says that n bytes are in the room.
func (s *scanner) take(n int) {
	s.buf = s.buf[:len(s.buf)+n]
	if len(s.buf) == cap(s.buf) {
		s.cut()
	}
}

// cut searches the whole lines of a full buffer and keeps the rest.
func (s *scanner) cut() {
	if end := lastEnd(s.buf); end >= 0 {
		s.search(s.buf[:end])
		s.continued = false
		s.keep(end + 1)
		return
	}
	s.search(s.buf)
	s.continued = true
	s.keep(len(s.buf) - min(overlap, s.window/2))
}

func (s *scanner) keep(from int) {
	s.buf = s.buf[:copy(s.buf, s.buf[from:])]
}

// end searches what is left.
func (s *scanner) end() {
	if len(s.buf) > 0 {
		s.search(s.buf)
		s.buf = s.buf[:0]
	}
}

func (s *scanner) search(text []byte) {
	for _, p := range s.patterns {
		p.search(text, s.continued)
	}
}

// scanLog searches the file from an offset on for the patterns.
func scanLog(f *os.File, from int64, patterns []*pattern) error {
	s := &scanner{patterns: patterns}
	for {
		n, err := f.ReadAt(s.room(), from)
		from += int64(n)
		s.take(n)
		if err != nil {
			s.end()
			if err == io.EOF {
				err = nil
			}
			return err
		}
	}
}

// lastEnd returns the place of the last byte that ends a line, or -1.
func lastEnd(b []byte) int {
	n := lastByte(b, '\n')
	if r := lastByte(b[n+1:], '\r'); r >= 0 {
		return n + 1 + r
	}
	return n
}

// lastByte is bytes.LastIndexByte, but fast where c is missing: only the search
// from the front uses vector instructions.
func lastByte(b []byte, c byte) int {
	if bytes.IndexByte(b, c) < 0 {
		return -1
	}
	return bytes.LastIndexByte(b, c)
}

// tail is a writer that remembers the last [tailSize] bytes.
type tail struct{ buf []byte }

func (t *tail) Write(b []byte) (int, error) {
	t.buf = append(t.buf, b[max(0, len(b)-tailSize):]...)
	if len(t.buf) > 4*tailSize {
		t.buf = t.buf[:copy(t.buf, t.buf[len(t.buf)-tailSize:])]
	}
	return len(b), nil
}

func (t *tail) bytes() []byte { return t.buf[max(0, len(t.buf)-tailSize):] }

// readTail reads the last [tailSize] bytes of a file, but nothing before from.
func readTail(f *os.File, from int64) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	from = max(from, info.Size()-tailSize)
	b := make([]byte, max(0, info.Size()-from))
	n, err := f.ReadAt(b, from)
	if err == io.EOF {
		err = nil
	}
	return b[:n], err
}

// lastLine returns the last line with something to read on it, without
// terminal escapes and control bytes, and at most [maxMessage] bytes of it.
func lastLine(text []byte) string {
	for len(text) > 0 {
		begin := lastEnd(text) + 1
		if line := readable(text[begin:]); line != "" {
			return line
		}
		text = text[:max(0, begin-1)]
	}
	return ""
}

// readable makes a line of a log fit for a terminal, a table and a web page.
func readable(line []byte) string {
	var b strings.Builder
	for len(line) > 0 && b.Len() < maxMessage {
		if n := escapeLen(line); n > 0 {
			line = line[n:]
			continue
		}
		r, n := utf8.DecodeRune(line)
		line = line[n:]
		switch {
		case r == '\t':
			b.WriteByte(' ')
		case r == utf8.RuneError && n == 1, !unicode.IsGraphic(r):
			// Control bytes, also those that turn the direction of text.
		default:
			b.WriteRune(r)
		}
	}
	s := strings.TrimSpace(b.String())
	if len(line) > 0 && s != "" {
		s += "..."
	}
	return s
}

// escapeLen returns the length of the terminal escape that b begins with, or 0
// (ECMA-48: CSI sequences, OSC strings, two-byte escapes).
func escapeLen(b []byte) int {
	if len(b) < 2 || b[0] != 0x1b {
		return 0
	}
	switch b[1] {
	case '[':
		for i := 2; i < len(b); i++ {
			if b[i] >= 0x40 && b[i] <= 0x7e {
				return i + 1
			}
		}
		return len(b)
	case ']':
		for i := 2; i < len(b); i++ {
			if b[i] == 0x07 {
				return i + 1
			}
			if b[i] == 0x1b && i+1 < len(b) && b[i+1] == '\\' {
				return i + 2
			}
		}
		return len(b)
	}
	return 2
}
