package command

import (
	"io"
	"os"
	"sync/atomic"
	"time"

	"orch/sweep/results"
	"orch/trainer"
)

// sink is where a program's output goes: straight into the log if that is a
// file, else through a pipe and a goroutine.
type sink struct {
	child *os.File // what the program writes to

	// A file.
	path string // for reading it again
	from int64  // the program's output begins here

	// A pipe.
	pipe   *os.File
	copied chan struct{} // closed when the copying is over
	size   atomic.Int64
	scan   *scanner // nil without patterns
	tail   tail
}

func openSink(r *trainer.Run, patterns []*pattern) (*sink, error) {
	if f, ok := r.Log.(*os.File); ok {
		info, err := f.Stat()
		if err != nil {
			return nil, err
		}
		if info.Mode().IsRegular() {
			return &sink{child: f, path: f.Name(), from: info.Size()}, nil
		}
	}
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	s := &sink{child: pw, pipe: pr, copied: make(chan struct{})}
	if len(patterns) > 0 {
		s.scan = &scanner{patterns: patterns}
	}
	go s.copy(r.Log)
	return s, nil
}

func (s *sink) copy(to io.Writer) {
	defer close(s.copied)
	buf := make([]byte, 32<<10)
	for {
		n, err := s.pipe.Read(buf)
		if n > 0 {
			// A log that cannot be written must not stop the program, nor
			// hide its metrics.
			to.Write(buf[:n])
			s.tail.Write(buf[:n])
			if s.scan != nil {
				s.scan.Write(buf[:n])
			}
			s.size.Add(int64(n))
		}
		if err != nil {
			return
		}
	}
}

// drain is how long the rest of a pipe may take after the program's end. Only
// a descendant that left the process group can still hold it open then. What a
// reader that is slower has not read is lost.
const drain = 10 * time.Second

// close ends the copying. Nothing of the sink changes after it.
func (s *sink) close() {
	if s.pipe == nil {
		return
	}
	s.child.Close()
	s.pipe.SetReadDeadline(time.Now().Add(drain))
	<-s.copied
	s.pipe.Close()
}

// length returns how long the log is by now.
func (s *sink) length() int64 {
	if s.pipe != nil {
		return s.size.Load()
	}
	info, err := s.child.Stat()
	if err != nil {
		return 0
	}
	return info.Size()
}

// search looks for patterns in what the program wrote.
func (s *sink) search(patterns []*pattern) error {
	if s.pipe != nil {
		if s.scan != nil {
			s.scan.end()
		}
		return nil
	}
	return results.Again(func() error { // the last match counts, so searching twice does no harm
		f, err := os.Open(s.path)
		if err != nil {
			return err
		}
		defer f.Close()
		return scanLog(f, s.from, patterns)
	})
}

// tailBytes returns the end of what the program wrote.
func (s *sink) tailBytes() (text []byte, err error) {
	if s.pipe != nil {
		return s.tail.bytes(), nil
	}
	err = results.Again(func() error {
		f, err := os.Open(s.path)
		if err != nil {
			return err
		}
		defer f.Close()
		text, err = readTail(f, s.from)
		return err
	})
	return text, err
}
