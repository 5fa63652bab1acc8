package collect

import (
	"cmp"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"
	"unicode"

	"orch/sweep/results"
)

// Write writes the tables as runs, attempts, metrics, plan and problems, each
// as .csv for spreadsheets and data frames and as .jsonl for programs. Equal
// tables give equal bytes: rows are sorted, numbers have one format, times are
// UTC. replace must publish a file whole, in place of an older one; see [Into].
//
//	runs      a run a line: swept keys and final metrics are columns
//	attempts  an execution a line, also those that do not count
//	metrics   long form: run, step, metric, value; no step is the final value
//	plan      the planned runs; in the .jsonl with header and whole configs
//	problems  what was wrong with the tree
//
// The first line of a .jsonl is an object with the schema's name and version,
// such as {"schema":"orch.runs/1",...}: within a version members are only
// added. JSON has no NaN: such a value is null and a member "nonfinite" says
// which. In CSV its cell is empty and the column nonfinite says which.
func (t *Tables) Write(replace func(name string, write func(io.Writer) error) error) error {
	for _, f := range t.sorted().files() {
		if err := replace(f.name, f.write); err != nil {
			return fmt.Errorf("write table %s: %w", f.name, err)
		}
	}
	return nil
}

// table is a file of the tables and what writes its bytes.
type table struct {
	name  string
	write func(io.Writer) error
}

// files lists the tables, the largest first: then none is waited for alone.
func (t *Tables) files() []table {
	return []table{
		{"plan.jsonl", t.planJSON}, {"metrics.jsonl", t.metricsJSON}, {"attempts.jsonl", t.attemptsJSON}, {"runs.jsonl", t.runsJSON},
		{"metrics.csv", t.metricsCSV}, {"attempts.csv", t.attemptsCSV}, {"runs.csv", t.WriteRuns}, {"plan.csv", t.planCSV},
		{"problems.csv", t.problemsCSV}, {"problems.jsonl", t.problemsJSON},
	}
}

// Into returns a replace for [Tables.Write] that writes into a folder: a
// temporary name, fsync, rename, fsync of the folder. Readers see the old file
// or the new one; of two writers at once the later rename wins, and both wrote
// a whole table.
func Into(dir *os.Root) func(name string, write func(io.Writer) error) error {
	return func(name string, write func(io.Writer) error) (err error) {
		temp := ".t-" + rand.Text()
		f, err := create(dir, temp)
		if err != nil {
			return err
		}
		defer func() {
			if err != nil {
				dir.Remove(temp)
			}
		}()
		if err = write(f); err == nil {
			err = f.Sync()
		}
		st, serr := f.Stat()
		if err = errors.Join(err, serr, f.Close()); err != nil {
			return err
		}
		if err = rename(dir, temp, name, st); err != nil {
			return err
		}
		d, err := dir.Open(".")
		if err != nil {
			return err
		}
		defer d.Close()
		if err := d.Sync(); err != nil && !errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, os.ErrInvalid) {
			return fmt.Errorf("sync folder: %w", err)
		}
		return nil
	}
}

// create makes a temporary file, whose name nobody else has.
func create(dir *os.Root, temp string) (f *os.File, err error) {
	err = results.Again(func() error {
		f, err = dir.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		return err
	})
	return f, err
}

// rename gives a temporary file its name. It may have it although the answer was
// an error: the reply may be lost, and the second try does not find the old name.
func rename(dir *os.Root, temp, name string, file fs.FileInfo) error {
	return results.Again(func() error {
		err := dir.Rename(temp, name)
		if err == nil {
			return nil
		}
		if st, serr := dir.Lstat(name); serr == nil && os.SameFile(st, file) {
			return nil
		}
		return err
	})
}

// sorted returns the tables in the order of the files: attempts and series in
// the order of their runs. The receiver stays as it is.
func (t *Tables) sorted() *Tables {
	x := *t
	in := places{runs: t.Runs}
	byRun := func(a, b string) int {
		i, j := in.of(a), in.of(b)
		if i < 0 && j < 0 {
			return cmp.Compare(a, b)
		}
		return cmp.Compare(uint(i), uint(j)) // unknown runs, -1, at the end
	}
	attempts := func(a, b Attempt) int {
		if a.Run != b.Run {
			return byRun(a.Run, b.Run)
		}
		return cmp.Or(natural(a.Folder, b.Folder), cmp.Compare(a.Worker, b.Worker), a.Start.Compare(b.Start))
	}
	x.Attempts = sortedCopy(t.Attempts, attempts)
	x.Series = in.group(t.Series)
	x.Problems = sortedCopy(t.Problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Offset, b.Offset), cmp.Compare(a.Text, b.Text))
	})
	return &x
}

// sortedCopy returns list if it is sorted, as what Fold returns mostly is, else
// a stably sorted copy.
func sortedCopy[T any](list []T, compare func(a, b T) int) []T {
	sorted := true
	for i := 1; i < len(list) && sorted; i++ { // forwards, unlike slices.IsSortedFunc: see places
		sorted = compare(list[i-1], list[i]) <= 0
	}
	if sorted {
		return list
	}
	list = slices.Clone(list)
	slices.SortStableFunc(list, compare)
	return list
}

// places finds the place of a run in the table of runs. What is asked for is
// mostly the run of the last time or the one after it.
type places struct {
	runs  []Run
	last  int
	index map[string]int // by ID; made when it is first needed
}

// of returns the place of a run, or -1.
func (p *places) of(id string) int {
	for i := p.last; i < min(p.last+2, len(p.runs)); i++ {
		if p.runs[i].ID == id {
			p.last = i
			return i
		}
	}
	if p.index == nil {
		p.index = make(map[string]int, len(p.runs))
		for i := range p.runs {
			p.index[p.runs[i].ID] = i
		}
	}
	i, ok := p.index[id]
	if !ok {
		return -1
	}
	p.last = i
	return i
}

// group returns the points by run, and within a run by name and step: dealt out
// in one pass, since there may be millions, then sorted a run at a time.
func (p *places) group(points []Point) []Point {
	place := make([]int32, len(points))
	ends := make([]int, len(p.runs)+1) // of each run's points; the last: of unknown runs
	for i := range points {
		at := p.of(points[i].Run)
		if at < 0 {
			at = len(p.runs)
		}
		place[i] = int32(at)
		ends[at]++
	}
	n := 0
	for i, k := range ends {
		ends[i], n = n, n+k
	}
	grouped := make([]Point, len(points))
	for i, at := range place {
		grouped[ends[at]] = points[i]
		ends[at]++
	}
	from := 0
	for i, end := range ends {
		group := grouped[from:end]
		from = end
		compare := func(a, b Point) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Step, b.Step)) }
		if i == len(p.runs) {
			compare = func(a, b Point) int {
				return cmp.Or(cmp.Compare(a.Run, b.Run), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Step, b.Step))
			}
		}
		if !slices.IsSortedFunc(group, compare) {
			slices.SortStableFunc(group, compare)
		}
	}
	return grouped
}

// natural compares names so that a2 comes before a10.
func natural(a, b string) int {
	digits := func(s string) int {
		n := 0
		for n < len(s) && unicode.IsDigit(rune(s[n])) {
			n++
		}
		return n
	}
	for a != "" && b != "" {
		if m, n := digits(a), digits(b); m > 0 && n > 0 {
			x, errX := strconv.ParseUint(a[:m], 10, 64)
			y, errY := strconv.ParseUint(b[:n], 10, 64)
			if errX == nil && errY == nil && x != y {
				return cmp.Compare(x, y)
			}
			if c := cmp.Compare(a[:m], b[:n]); c != 0 {
				return c
			}
			a, b = a[m:], b[n:]
			continue
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
	return cmp.Compare(len(a), len(b))
}

// appendUTC appends t in the one format of times in tables, the layout
// 2006-01-02T15:04:05.000Z, for years of four digits without going through it.
// The zero time is nothing.
func appendUTC(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	t = t.UTC()
	year, month, day := t.Date()
	if year < 1000 || year > 9999 {
		return t.AppendFormat(b, "2006-01-02T15:04:05.000Z")
	}
	hour, minute, second := t.Clock()
	two := func(n int, after byte) { b = append(b, byte('0'+n/10%10), byte('0'+n%10), after) }
	b = append(b, byte('0'+year/1000), byte('0'+year/100%10))
	two(year%100, '-')
	two(int(month), '-')
	two(day, 'T')
	two(hour, ':')
	two(minute, ':')
	two(second, '.')
	ms := t.Nanosecond() / 1e6
	return append(b, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// className is empty where nothing has ended.
func className(c results.Class) string {
	if c == results.NoEnd {
		return ""
	}
	return c.String()
}

// marshal is for our own structs of strings and numbers, which always encode.
func marshal(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("collect: " + err.Error())
	}
	return b
}
