package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// Journal is the one file that a worker writes what happens to its runs. It is
// appended by this process only. Safe for concurrent use by the k runs of a
// worker.
type Journal struct {
	sweep  *Sweep
	holder Holder

	mu       sync.Mutex
	f        *os.File
	name     string   // file name of f
	names    []string // of all files so far, f's last
	size     int64    // bytes in f
	torn     bool     // f may end in half a line: nothing more may be written to it
	pending  []pendingLine
	toMark   int // records of held generations that no mark covers
	lastGrow time.Time
	held     map[string]*heldGen

	markMu sync.Mutex // one mark at a time; taken before mu
	clock  suspendClock
}

// pendingLine is a line that no fsync has covered yet.
type pendingLine struct {
	block string
	line  []byte
}

type heldGen struct {
	block  string
	gen    int
	fenced bool
	upto   map[string]int64 // by journal: what is known synced of it, for the seal
}

// OpenJournal begins the journal of a new worker. Its name comes from the host,
// the pid and chance, so no two workers share one.
func (s *Sweep) OpenJournal(h Holder) (*Journal, error) {
	if h.Name == "" {
		h.Name = fmt.Sprintf("%.32s-%d-%s", safeName(h.Host), h.PID, randomHex(3))
	}
	h.DirCache = s.tree.DirCacheTime().Seconds()
	j := &Journal{sweep: s, holder: h, held: map[string]*heldGen{}}
	j.clock.start()
	if err := j.open(); err != nil {
		return nil, fmt.Errorf("begin journal: %w", err)
	}
	return j, nil
}

// safeName replaces what may not stand in a file name of the tree.
func safeName(s string) string {
	b := []byte(s)
	for i, c := range b {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '.' && i > 0) {
			b[i] = '_'
		}
	}
	if len(b) == 0 {
		return "host"
	}
	return string(b)
}

// open begins the next file of the journal. With mu held, or before it is shared.
func (j *Journal) open() error {
	var name string
	f, err := (*os.File)(nil), error(nil)
	for range tries {
		name = j.holder.Name + journalSuffix
		if n := len(j.names); n > 0 {
			name = fmt.Sprintf("%s+%d%s", j.holder.Name, n, journalSuffix)
		}
		f, err = j.sweep.dir.OpenFile("journals/"+name, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, fileMode)
		if err == nil || !unanswered(err) && !errors.Is(err, fs.ErrExist) {
			break
		}
		// The name is this worker's alone, so it may have been made, and the
		// reply was lost. It stays empty; the next name is as good.
		j.names = append(j.names, name)
	}
	if err != nil {
		return err
	}
	if j.f != nil {
		j.f.Close()
	}
	j.f, j.name, j.size, j.torn = f, name, 0, true
	j.names = append(j.names, name)
	line := (&Record{Kind: RecordWorker, Time: now(), Worker: &j.holder}).appendLine(nil)
	for _, p := range j.pending { // what the old file may have lost
		line = append(line, p.line...)
	}
	n, err := f.Write(line)
	j.size += int64(n)
	if err != nil {
		return err
	}
	j.torn = false
	return syncDir(j.sweep.dir, "journals")
}

func now() int64 { return time.Now().UnixMilli() }

// Holder returns the identity that the journal is written under.
func (j *Journal) Holder() Holder { return j.holder }

// ErrFenced says that a generation is being closed by someone else: its holder
// must stop working on it.
var ErrFenced = errors.New("the block was taken over: this worker was believed dead")

// Append writes a record. A record of a generation that has been fenced, or
// that is not held, is refused with ErrFenced. After any other error the record
// is in no file for certain, and the worker must stop.
func (j *Journal) Append(r Record) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if r.Block != "" {
		if h := j.held[r.Block]; h == nil || h.fenced {
			return ErrFenced
		}
	}
	r.Time = now()
	if len(r.Message) > 4096 {
		r.Message = r.Message[:4096]
	}
	return j.write(r.Block, r.appendLine(nil))
}

// write appends a line with one system call. After a short or failed write the
// file may end in half a line; a new file takes over, with everything that no
// fsync has covered.
func (j *Journal) write(block string, line []byte) error {
	j.pending = append(j.pending, pendingLine{block, line})
	if block != "" {
		j.toMark++
	}
	var err error
	if !j.torn {
		var n int
		n, err = j.f.Write(line)
		j.size += int64(n)
		j.lastGrow = time.Now()
		if err == nil {
			return nil
		}
		j.torn = true
	}
	if err2 := j.open(); err2 != nil {
		return fmt.Errorf("write journal: %w", errors.Join(err, err2))
	}
	return nil
}

// Unmarked returns how many records of held blocks no mark covers.
func (j *Journal) Unmarked() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.toMark
}

// Quiet returns how long the journal has not grown.
func (j *Journal) Quiet() time.Duration {
	j.mu.Lock()
	defer j.mu.Unlock()
	return time.Since(j.lastGrow)
}

// Beat writes a heartbeat, so that others see the journal grow.
func (j *Journal) Beat() error { return j.Append(Record{Kind: RecordBeat}) }

// sync makes everything written so far durable and returns the name of the
// file and the length that is covered. With markMu held.
//
// After a failed fsync the kernel may drop the dirty pages and report success
// the next time (the "fsyncgate" behaviour), so the same descriptor is never
// asked again: a new file gets the lines anew.
func (j *Journal) sync() (name string, upto int64, err error) {
	for try := 0; ; try++ {
		j.mu.Lock()
		if j.torn {
			if err := j.open(); err != nil {
				j.mu.Unlock()
				return "", 0, fmt.Errorf("sync journal: %w", err)
			}
		}
		f, name, upto, n := j.f, j.name, j.size, len(j.pending)
		j.mu.Unlock()
		err := f.Sync()
		j.mu.Lock()
		if err == nil && f == j.f {
			j.pending = slices.Delete(j.pending, 0, n)
			for _, h := range j.held {
				h.upto[name] = upto
			}
			j.mu.Unlock()
			return name, upto, nil
		}
		if err == nil { // a failed write changed the file meanwhile: sync the new one
			j.mu.Unlock()
			continue
		}
		if try == 3 {
			j.mu.Unlock()
			return "", 0, fmt.Errorf("sync journal: %w", err)
		}
		oerr := j.open()
		j.mu.Unlock()
		if oerr != nil {
			return "", 0, fmt.Errorf("sync journal: %w", errors.Join(err, oerr))
		}
	}
}

// Mark makes the records of the held generations count. The order is the
// protocol: note the length and sync, then list the fences afresh, then write
// the mark for what has no fence. It returns the generations found fenced,
// which the worker must abandon.
func (j *Journal) Mark() (fenced []string, err error) {
	j.markMu.Lock()
	defer j.markMu.Unlock()
	j.mu.Lock()
	covered := j.toMark
	j.mu.Unlock()
	if covered == 0 {
		return nil, nil
	}
	name, upto, err := j.sync()
	if err != nil {
		return nil, err
	}
	if d := j.clock.slept(); d > 0 {
		// The machine was suspended since the last mark: its directory cache
		// did not age, so what it shows may be older than D. Let it age.
		time.Sleep(time.Duration(j.holder.DirCache * float64(time.Second)))
	}
	fences, err := list(j.sweep.dir, "fences")
	if err != nil {
		return nil, fmt.Errorf("list fences: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	fenced = j.meet(fences)
	if j.name != name || j.torn {
		return fenced, nil // the next mark covers the new file
	}
	mark := Record{Kind: RecordMark, Time: now(), Offset: upto}
	for n, h := range j.held {
		if !h.fenced {
			mark.Blocks = append(mark.Blocks, n)
		}
	}
	if len(mark.Blocks) == 0 {
		j.toMark -= covered // all of generations that are closed
		return fenced, nil
	}
	slices.Sort(mark.Blocks)
	line := mark.appendLine(nil)
	n, err := j.f.Write(line)
	j.size += int64(n)
	j.lastGrow = time.Now()
	if err != nil {
		j.torn = true
		if err := j.open(); err != nil {
			return fenced, fmt.Errorf("write mark: %w", err)
		}
		return fenced, nil
	}
	j.toMark -= covered
	return fenced, nil
}

// Look lists the fences and returns the generations newly found fenced. A mark
// does the same, but there is none while nothing is written: a worker that was
// taken over in the middle of a long run must hear of it too.
func (j *Journal) Look() (fenced []string, err error) {
	fences, err := list(j.sweep.dir, "fences")
	if err != nil {
		return nil, fmt.Errorf("list fences: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.meet(fences), nil
}

// meet notes which held generations are fenced. With mu held.
func (j *Journal) meet(fences []string) (fenced []string) {
	for _, n := range fences {
		if h := j.held[n]; h != nil && !h.fenced {
			h.fenced = true
			fenced = append(fenced, n)
		}
	}
	return fenced
}

// hold registers a claimed generation.
func (j *Journal) hold(block string, gen int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.held[genName(block, gen)] = &heldGen{block: block, gen: gen, upto: map[string]int64{}}
}

// Seal closes a held generation from the holder's side: at its end, before a
// clean leave, or when it was found fenced. Nothing can be appended to it
// afterwards. left is the number of its runs without a final end. The seal that
// holds is returned: it may be a taker's.
func (j *Journal) Seal(block string, gen, left int) (*Seal, error) {
	full := genName(block, gen)
	j.mu.Lock()
	h := j.held[full]
	if h == nil {
		j.mu.Unlock()
		return nil, fmt.Errorf("seal %s: not held", full)
	}
	h.fenced = true // no more records
	j.mu.Unlock()

	j.markMu.Lock()
	defer j.markMu.Unlock()
	_, _, err := j.sync()
	j.mu.Lock()
	seal := &Seal{Block: block, Gen: gen, By: j.holder.Name, Self: true, Left: &left}
	for _, name := range j.names {
		sj := SealedJournal{Name: name, Upto: h.upto[name]}
		if name == j.name && err != nil {
			for _, p := range j.pending {
				if p.block == full {
					sj.Tail = append(sj.Tail, string(p.line[:len(p.line)-1]))
				}
			}
		}
		if sj.Upto > 0 || len(sj.Tail) > 0 {
			seal.Journals = append(seal.Journals, sj)
		}
	}
	j.mu.Unlock()
	winner, serr := j.sweep.putSeal(seal)
	if serr != nil {
		return nil, fmt.Errorf("seal %s: %w", full, serr)
	}
	j.mu.Lock()
	delete(j.held, full)
	j.mu.Unlock()
	return winner, nil
}

// Held returns the generations that are held and not sealed, sorted.
func (j *Journal) Held() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	var names []string
	for n := range j.held {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

// Close closes the journal's file. What is held stays held, for a taker.
func (j *Journal) Close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.f.Close()
}

// suspendClock tells how long the machine slept since it was last asked.
type suspendClock struct{ gap time.Duration }

func (c *suspendClock) start() {
	boot, mono := clocks()
	c.gap = boot - mono
}

func (c *suspendClock) slept() time.Duration {
	boot, mono := clocks()
	gap := boot - mono
	d := gap - c.gap
	c.gap = gap
	if d < time.Millisecond { // the two clocks are not read at one instant
		return 0
	}
	return d
}
