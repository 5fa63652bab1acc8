package results

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"slices"
	"strconv"

	"orch/sweep/override"
)

// Segment is a plan segment as read from the tree.
type Segment struct {
	Header
	Runs []RunSpec
	// Blocks are the segment's blocks, by group and index.
	Blocks [][]Block

	planned []*PlannedRun // by index into Runs; set by the Plan that has the segment
}

const (
	planFile    = "plan.jsonl"
	sweepFile   = "sweep.toml"
	changesFile = "changes.diff"
)

// Publish writes a new plan segment and returns its number. The folder is
// complete before it gets its name, and the name goes to the first writer: if
// another submit published a segment meanwhile, Publish returns ErrChanged and
// nothing has happened; the caller reads the plan again and decides anew.
//
// after is the number of the newest segment that the caller knew (0: none);
// source is the sweep file as given, or nil. Publish sets Header.Format,
// Number, Sweep and the groups' Runs, Workers from the specs.
func (s *Sweep) Publish(h Header, specs iter.Seq2[RunSpec, error], source []byte, after int) (int, error) {
	numbers, err := s.segmentNumbers()
	if err != nil {
		return 0, err
	}
	if newest(numbers) != after {
		return 0, ErrChanged
	}
	h.Format, h.Number, h.Sweep = Format, after+1, s.Name
	temp, err := makeTemp(s.dir, "plans")
	if err != nil {
		return 0, fmt.Errorf("publish plan: %w", err)
	}
	err = s.writeSegment(temp, h, specs, source)
	if err == nil {
		// rename() onto an existing, non-empty folder fails, so this is a
		// first-writer-wins step like link().
		name := "plans/" + strconv.Itoa(h.Number)
		if err = s.dir.Rename(temp, name); err != nil {
			numbers, lerr := s.segmentNumbers()
			_, serr := s.dir.Stat(name)
			if serr == nil || lerr == nil && newest(numbers) > after {
				err = ErrChanged // by another, or by us and the reply was lost: the plan says
			}
		}
	}
	if err != nil {
		s.dir.RemoveAll(temp)
		if errors.Is(err, ErrChanged) {
			return 0, err
		}
		return 0, fmt.Errorf("publish plan: %w", err)
	}
	return h.Number, syncDir(s.dir, "plans")
}

// ErrChanged says that someone else changed the plan in the meantime.
var ErrChanged = errors.New("the plan changed meanwhile")

func newest(numbers []int) int {
	if len(numbers) == 0 {
		return 0
	}
	return numbers[len(numbers)-1]
}

func (s *Sweep) segmentNumbers() ([]int, error) {
	names, err := list(s.dir, "plans")
	if err != nil {
		return nil, err
	}
	var numbers []int
	for _, n := range names {
		if i, err := strconv.Atoi(n); err == nil && i > 0 && strconv.Itoa(i) == n {
			numbers = append(numbers, i)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (s *Sweep) writeSegment(folder string, h Header, specs iter.Seq2[RunSpec, error], source []byte) error {
	if source != nil {
		if err := writeOwn(s.dir, folder+"/"+sweepFile, source); err != nil {
			return err
		}
	}
	if len(h.Changes) > 0 {
		if err := writeOwn(s.dir, folder+"/"+changesFile, h.Changes); err != nil {
			return err
		}
	}
	f, err := open(s.dir, folder+"/"+planFile, os.O_WRONLY|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return err
	}
	err = writePlan(f, h, specs)
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return syncDir(s.dir, folder)
}

// writePlan writes the lines of a plan: the runs first, since only they tell
// how many each group has, then the header, then the end with the hash of all
// bytes before it. One pass, constant memory.
func writePlan(w io.Writer, h Header, specs iter.Seq2[RunSpec, error]) error {
	sum := sha256.New()
	bw := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	n := 0
	var line []byte
	for r, err := range specs {
		if err != nil {
			return err
		}
		if r.Base >= len(h.Bases) || r.Group >= len(h.Groups) {
			return fmt.Errorf("run %s: base %d of %d, group %d of %d", r.ID, r.Base, len(h.Bases), r.Group, len(h.Groups))
		}
		if r.Work {
			h.Groups[r.Group].Runs++
		}
		line = r.appendLine(line[:0])
		bw.Write(line)
		n++
	}
	head, err := json.Marshal(struct {
		Kind string `json:"k"`
		Header
	}{"header", h})
	if err != nil {
		return err
	}
	bw.Write(head)
	bw.WriteByte('\n')
	if err := bw.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, `{"k":"end","header":%d,"runs":%d,"sha256":"%x"}`+"\n", len(head)+1, n, sum.Sum(nil))
	return err
}

func (r *RunSpec) appendLine(b []byte) []byte {
	b = append(b, `{"i":"`...)
	b = append(b, r.ID...)
	b = append(b, `","n":`...)
	b = appendString(b, r.Name)
	if r.Base != 0 {
		b = append(b, `,"c":`...)
		b = strconv.AppendInt(b, int64(r.Base), 10)
	}
	if r.Group != 0 {
		b = append(b, `,"g":`...)
		b = strconv.AppendInt(b, int64(r.Group), 10)
	}
	if r.Work {
		b = append(b, `,"w":1`...)
	}
	if len(r.Delta) > 0 {
		b = append(b, `,"d":`...)
		b = override.MapValue(r.Delta...).AppendJSON(b)
	}
	return append(b, "}\n"...)
}

// DamagedError says that a file that was published whole is not whole any more.
type DamagedError struct {
	File string // relative to the sweep
	Why  string
}

func (e *DamagedError) Error() string { return fmt.Sprintf("%s is damaged: %s", e.File, e.Why) }

// Segment reads a plan segment and checks it against its hash.
func (s *Sweep) Segment(number int) (*Segment, error) {
	name := fmt.Sprintf("plans/%d/%s", number, planFile)
	var b []byte
	err := Again(func() (err error) {
		b, err = s.dir.ReadFile(name)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	seg, err := parsePlan(b)
	var newer *NewerError
	if errors.As(err, &newer) {
		newer.Path = s.tree.path
		return nil, err
	}
	if err != nil {
		return nil, &DamagedError{name, err.Error()}
	}
	if seg.Number != number {
		return nil, &DamagedError{name, fmt.Sprintf("it says that it is segment %d", seg.Number)}
	}
	return seg, nil
}

// Source returns the sweep file of a segment as it was given.
func (s *Sweep) Source(number int) ([]byte, error) {
	b, err := s.dir.ReadFile(fmt.Sprintf("plans/%d/%s", number, sweepFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

func parsePlan(b []byte) (*Segment, error) {
	if len(b) == 0 || b[len(b)-1] != '\n' {
		return nil, errors.New("it does not end with a line")
	}
	endAt := bytes.LastIndexByte(b[:len(b)-1], '\n') + 1
	var end struct {
		Kind   string `json:"k"`
		Header int    `json:"header"`
		Runs   int    `json:"runs"`
		Sum    string `json:"sha256"`
	}
	if err := json.Unmarshal(b[endAt:], &end); err != nil || end.Kind != "end" {
		return nil, errors.New("its end line is missing")
	}
	if sum := sha256.Sum256(b[:endAt]); hex.EncodeToString(sum[:]) != end.Sum {
		return nil, errors.New("its hash does not match")
	}
	if end.Header < 1 || end.Header > endAt {
		return nil, errors.New("its end line is wrong")
	}
	seg := &Segment{Runs: make([]RunSpec, 0, min(end.Runs, endAt/20))}
	headAt := endAt - end.Header
	if err := json.Unmarshal(b[headAt:endAt], &seg.Header); err != nil {
		return nil, fmt.Errorf("its header: %w", err)
	}
	if seg.Format > Format {
		return nil, &NewerError{Got: seg.Format}
	}
	for rest := b[:headAt]; len(rest) > 0; {
		i := bytes.IndexByte(rest, '\n')
		r, err := parseRun(rest[:i])
		if err != nil {
			return nil, fmt.Errorf("run %d: %w", len(seg.Runs)+1, err)
		}
		if r.Base >= len(seg.Bases) || r.Group >= len(seg.Groups) || r.Base < 0 || r.Group < 0 {
			return nil, fmt.Errorf("run %d: no such base or group", len(seg.Runs)+1)
		}
		seg.Runs = append(seg.Runs, r)
		rest = rest[i+1:]
	}
	if len(seg.Runs) != end.Runs {
		return nil, fmt.Errorf("%d runs, its end says %d", len(seg.Runs), end.Runs)
	}
	seg.makeBlocks()
	return seg, nil
}

func parseRun(line []byte) (RunSpec, error) {
	var r RunSpec
	s := scanner{b: line, shared: true} // raw points into it anyway
	err := s.object(func(key []byte) error {
		var n int64
		var err error
		switch string(key) {
		case "i":
			err = s.strInto(&r.ID)
		case "n":
			err = s.strInto(&r.Name)
		case "c":
			err = s.intInto(&n)
			r.Base = int(n)
		case "g":
			err = s.intInto(&n)
			r.Group = int(n)
		case "w":
			err = s.intInto(&n)
			r.Work = n != 0
		case "d":
			r.raw, err = s.raw()
		default:
			err = s.skip()
		}
		return err
	})
	return r, err
}

// makeBlocks cuts each group's work runs into blocks.
func (g *Segment) makeBlocks() {
	work := make([][]int32, len(g.Groups))
	for i := range g.Runs {
		if r := &g.Runs[i]; r.Work {
			work[r.Group] = append(work[r.Group], int32(i))
		}
	}
	g.Blocks = make([][]Block, len(g.Groups))
	for k, runs := range work {
		for i, size := range blockSizes(len(runs), g.Groups[k].Workers, g.Groups[k].Single) {
			g.Blocks[k] = append(g.Blocks[k], Block{g.Number, k, i, runs[:size:size]})
			runs = runs[size:]
		}
	}
}
