package results

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Series is the file of a worker's metric rows, kept apart from its journal so
// that status and the table of runs never read them. One writer; safe for
// concurrent use by the runs of the worker. The file is made with the first
// row. Rows reach the file when [Series.Flush] is called or the buffer is full.
// After a failed write they wait for the next, which may go to a new file.
type Series struct {
	sweep  *Sweep
	worker string

	mu    sync.Mutex
	f     *os.File
	files int // that were begun
	buf   []byte
	lost  error // the first by which rows were lost
}

// Row is one line of a series: the metrics of a run after a step.
type Row struct {
	Time    int64
	Run     string
	Block   string // "<block>.<generation>"
	Step    int64
	Metrics []Metric
}

// seriesBuffer is how many bytes of rows wait at most, and seriesBacklog while
// they cannot be written.
const (
	seriesBuffer  = 64 << 10
	seriesBacklog = 1 << 20
)

// OpenSeries prepares the series of a worker; nothing is written yet.
func (s *Sweep) OpenSeries(worker string) *Series {
	return &Series{sweep: s, worker: worker}
}

// Append adds a row. An error is one of the file: the run itself goes on, and the
// row waits, as long as not too many do.
func (w *Series) Append(r Row) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	r.Time = now()
	w.buf = r.appendLine(w.buf)
	if len(w.buf) >= seriesBuffer {
		return w.flush()
	}
	return nil
}

// Flush writes the rows that wait.
func (w *Series) Flush() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush()
}

func (w *Series) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	err := w.write()
	if err != nil && len(w.buf) >= seriesBacklog {
		w.lost, w.buf = cmp.Or(w.lost, err), w.buf[:0]
	}
	return err
}

// write writes what waits. Where a write has failed the file may end in half a
// line, so another one goes on, with all lines that are not whole in this one. A
// full disk that took whole lines alone has done no harm: its file goes on.
func (w *Series) write() error {
	if w.f == nil {
		name := w.worker
		if w.files > 0 {
			name = fmt.Sprintf("%s+%d", name, w.files)
		}
		if w.files == tries {
			return fmt.Errorf("series %s: %d files have failed", w.worker, tries)
		}
		f, err := open(w.sweep.dir, "series/"+name+journalSuffix, os.O_WRONLY|os.O_CREATE|os.O_APPEND)
		if err != nil {
			return err
		}
		w.f = f
		w.files++
	}
	n, err := w.f.Write(w.buf)
	whole := bytes.LastIndexByte(w.buf[:n], '\n') + 1
	w.buf = append(w.buf[:0], w.buf[whole:]...)
	full := errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
	if err != nil && !(full && whole == n) {
		w.f.Close()
		w.f = nil
	}
	return err
}

// Close flushes and syncs the series. It returns the first error by which rows
// were lost.
func (w *Series) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.flush()
	if err != nil { // a new file may do better
		err = w.flush()
	}
	err = cmp.Or(w.lost, err)
	if w.f != nil {
		if err == nil {
			err = w.f.Sync()
		}
		if cerr := w.f.Close(); err == nil {
			err = cerr
		}
		w.f = nil
	}
	return err
}

func (r *Row) appendLine(b []byte) []byte {
	from := len(b)
	b = append(b, `{"t":`...)
	b = strconv.AppendInt(b, r.Time, 10)
	b = append(b, `,"r":`...)
	b = appendString(b, r.Run)
	b = append(b, `,"b":`...)
	b = appendString(b, r.Block)
	b = append(b, `,"n":`...)
	b = strconv.AppendInt(b, r.Step, 10)
	b = append(b, `,"m":{`...)
	for i, m := range r.Metrics {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendString(b, m.Name)
		b = append(b, ':')
		b = appendNumber(b, m.Value)
	}
	b = append(b, '}')
	return sealLine(b, from)
}

// rowParser parses many rows with few allocations; see recordParser.
type rowParser struct {
	shared  bool
	metrics []Metric
}

// parse reads the body of an intact line into a zero row.
func (p *rowParser) parse(r *Row, body []byte) error {
	s := scanner{b: body, shared: p.shared}
	return s.object(func(key []byte) error {
		switch string(key) {
		case "t":
			return s.intInto(&r.Time)
		case "r":
			return s.strInto(&r.Run)
		case "b":
			return s.strInto(&r.Block)
		case "n":
			return s.intInto(&r.Step)
		case "m":
			if p.shared && cap(p.metrics)-len(p.metrics) < 16 {
				p.metrics = make([]Metric, 0, 256)
			}
			from := len(p.metrics)
			err := s.object(func(name []byte) error {
				m := Metric{Name: s.text(name)}
				err := s.floatInto(&m.Value)
				p.metrics = append(p.metrics, m)
				return err
			})
			r.Metrics = p.metrics[from:len(p.metrics):len(p.metrics)]
			return err
		}
		return s.skip()
	})
}

// Rows calls f with every intact row of every worker's series, file by file in
// name order, and the files of a worker in the order in which it began them.
// Damaged lines go to bad. Rows of attempts that do not count are among them: see
// [State.Counts].
//
// The strings of a row point into a megabyte of the file: who keeps them in
// numbers keeps copies.
func (s *Sweep) Rows(f func(Row), bad func(Problem)) error {
	if bad == nil {
		bad = func(Problem) {}
	}
	names, err := sortedList(s.dir, "series")
	if err != nil {
		return err
	}
	slices.SortStableFunc(names, func(a, b string) int {
		first := func(n string) string { return journalOwner(n) + journalSuffix }
		return cmp.Or(strings.Compare(first(a), first(b)), len(a)-len(b), strings.Compare(a, b))
	})
	parse := inBackground(parseRows)
	var waiting []func() *rows // parsed ahead, in order
	hand := func() {
		p := waiting[0]()
		waiting = waiting[1:]
		for i := range p.rows {
			f(p.rows[i])
		}
		for _, x := range p.problems {
			bad(x)
		}
	}
	for _, name := range names {
		file := "series/" + name
		count := 0
		bad := func(p Problem) {
			if count++; count > maxProblems+1 {
				return
			} else if count > maxProblems {
				p = tooMany(file, p.Offset)
			}
			bad(p)
		}
		if journalOwner(name) == "" {
			bad(Problem{file, 0, foreign})
			continue
		}
		_, err := readChunks(s.dir, file, 0, func(at int64, b []byte) {
			waiting = append(waiting, parse(file, at, b))
			if len(waiting) > cores() {
				hand()
			}
		}, func(at int64) { bad(longRow(file, at)) })
		if err != nil {
			bad(Problem{file, 0, err.Error()})
		}
	}
	for len(waiting) > 0 {
		hand()
	}
	return nil
}

// rows is what some lines of a series hold.
type rows struct {
	rows     []Row
	problems []Problem
}

func longRow(file string, at int64) Problem { return Problem{file, at, "a row longer than 1 MiB"} }

// parseRows parses whole lines, which never change any more.
func parseRows(file string, at int64, b []byte) *rows {
	p := &rows{rows: make([]Row, 0, len(b)/128)}
	in := rowParser{shared: true}
	splitLines(at, b, func(at int64, line []byte) {
		body, ok := checkLine(line)
		if !ok {
			p.problems = append(p.problems, Problem{file, at, "a damaged row: its checksum does not match"})
			return
		}
		var r Row
		if err := in.parse(&r, body); err != nil {
			p.problems = append(p.problems, Problem{file, at, "a row that orch did not write: " + err.Error()})
			return
		}
		p.rows = append(p.rows, r)
	}, func(at int64) { p.problems = append(p.problems, longRow(file, at)) })
	return p
}

// foreign is what readers say of entries whose names or kinds are not orch's.
const foreign = "orch did not make this file"

// Problem is something wrong with a file of the tree that hides nothing else.
type Problem struct {
	File   string // relative to the sweep
	Offset int64
	Text   string
}
