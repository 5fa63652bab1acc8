package results

import (
	"bytes"
	"runtime"
	"unsafe"
)

// part is what some lines of a journal say, parsed apart from everything else:
// the pieces of all journals are parsed on several cores and put together in
// order.
type part struct {
	journal  string
	worker   *Holder
	newest   int64 // Time of the last record
	gens     []partGen
	problems []Problem
	holes    []hole
}

// hole is a line with zero bytes in it. No writer of a journal writes them: a
// part of the line is not on the file server yet, or never will be.
type hole struct{ from, to int64 }

// maxHoles bounds how many of a journal are looked at again.
const maxHoles = 16

// partGen is what a part says about one generation.
type partGen struct {
	full    string
	records []evidence
	mark    int64 // up to where marks cover it
}

// inBackground returns a function that parses lines in the background, on as
// many cores as there are, and hands out the result once it is asked for. It
// blocks while all are busy: pieces of a huge file do not pile up.
func inBackground[T any](parse func(file string, at int64, b []byte) T) func(file string, at int64, b []byte) (wait func() T) {
	slots := make(chan struct{}, cores())
	return func(file string, at int64, b []byte) func() T {
		const small = 64 << 10
		if len(b) < small {
			p := parse(file, at, b)
			return func() T { return p }
		}
		slots <- struct{}{}
		done := make(chan T, 1)
		go func() {
			done <- parse(file, at, b)
			<-slots
		}()
		return func() T { return <-done }
	}
}

func cores() int { return min(8, runtime.GOMAXPROCS(0)) }

func longLine(journal string, at int64) Problem {
	return Problem{"journals/" + journal, at, "a line longer than 1 MiB"}
}

// parsePart parses whole lines, which begin at an offset of the journal. The
// records' strings point into b, which must not change any more.
func parsePart(journal string, at int64, b []byte) *part {
	p := &part{journal: journal}
	problem := func(at int64, why string) {
		p.problems = append(p.problems, Problem{"journals/" + journal, at, why})
	}
	index := map[string]int{} // of gens
	last := -1                // in gens: lines of a block follow one another
	gen := func(full string) *partGen {
		if last < 0 || p.gens[last].full != full {
			i, ok := index[full]
			if !ok {
				if !saneGen(full) {
					return nil
				}
				i = len(p.gens)
				index[full] = i
				p.gens = append(p.gens, partGen{full: full})
			}
			last = i
		}
		return &p.gens[last]
	}
	// Records are kept for good, so they are made many at a time.
	const slab = 128
	var free []Record
	in := recordParser{shared: true}
	splitLines(at, b, func(at int64, line []byte) {
		body, ok := checkLine(line)
		if !ok {
			problem(at, "a damaged line: its checksum does not match")
			if len(p.holes) < maxHoles && bytes.IndexByte(line, 0) >= 0 {
				p.holes = append(p.holes, hole{at, at + int64(len(line))})
			}
			return
		}
		if len(free) == 0 {
			free = make([]Record, slab)
		}
		r := &free[0]
		if err := in.parse(r, body); err != nil {
			problem(at, "a line that orch did not write: "+err.Error())
			*r = Record{}
			return
		}
		p.newest = r.Time
		switch {
		case r.Kind == RecordWorker:
			if p.worker == nil {
				p.worker = r.Worker
			}
			if r.Worker != nil && r.Worker.Name != journalOwner(journal) {
				problem(at, "it is the journal of "+r.Worker.Name)
			}
		case r.Kind == RecordMark:
			for _, full := range r.Blocks {
				if g := gen(full); g != nil {
					g.mark = max(g.mark, r.Offset)
				}
			}
		case r.Block != "" && r.Kind != RecordUnknown:
			g := gen(r.Block)
			if g == nil {
				problem(at, "a record of no block")
				break
			}
			r.Block = g.full
			g.records = append(g.records, evidence{journal, at, r})
			free = free[1:]
			return
		}
		*r = Record{}
	}, func(at int64) { p.problems = append(p.problems, longLine(journal, at)) })
	return p
}

// textOf returns b as a string without a copy; b must not change any more.
func textOf(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
