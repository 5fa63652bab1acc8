package data

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// A table is a text file with a header, its fields separated by comma,
// semicolon or tab (whichever the header has most of), quoted as in RFC 4180,
// gzipped or not. One column is the target. A column of numbers is a feature;
// a column with any text becomes a feature for each text in it, which is 1
// where the row has that text ("one-hot"), in sorted order.

// maxCells bounds the numbers of a table after one-hot: 2^28 take 1 GiB.
const maxCells = 1 << 28

func tableFiles(s Spec) ([]string, error) {
	if s.File == "" {
		return nil, errors.New("data.file is empty: set it to the table's file")
	}
	paths := []string{filepath.Join(s.Dir, s.File)}
	if s.TestFile != "" {
		paths = append(paths, filepath.Join(s.Dir, s.TestFile))
	}
	for _, p := range paths {
		if _, err := os.Stat(p); err != nil {
			return nil, fmt.Errorf("%w: set data.dir and data.file to the table", err)
		}
	}
	return paths, nil
}

func readTables(s Spec, paths []string) (*Source, error) {
	var tables []*table
	for _, p := range paths {
		t, err := readTableFile(p)
		if err != nil {
			return nil, err
		}
		if len(tables) > 0 && !slices.Equal(t.header, tables[0].header) {
			return nil, fmt.Errorf("%s: columns %q, but %s has %q", p, t.header, paths[0], tables[0].header)
		}
		tables = append(tables, t)
	}
	sets, err := encode(s, tables)
	if err != nil {
		return nil, err
	}
	src := &Source{All: sets[0]}
	if len(sets) > 1 {
		src.Test = sets[1]
	}
	return src, nil
}

// table is a file as text.
type table struct {
	path   string
	header []string
	rows   [][]string
	lines  []int // on which each row begins
}

func readTableFile(path string) (*table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	t, err := readTable(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	t.path = path
	return t, nil
}

func readTable(r io.Reader) (*table, error) {
	br := bufio.NewReaderSize(r, 1<<16)
	if head, err := br.Peek(2); err == nil && head[0] == 0x1f && head[1] == 0x8b {
		zr, err := gzip.NewReader(br)
		if err != nil {
			return nil, err
		}
		br = bufio.NewReaderSize(zr, 1<<16)
	}
	if head, _ := br.Peek(3); string(head) == "\ufeff" { // the mark that some programs begin UTF-8 with
		br.Discard(3)
	}
	head, _ := br.Peek(1 << 12)
	line, _, _ := bytes.Cut(head, []byte("\n"))
	c := csv.NewReader(br)
	for _, sep := range []string{";", "\t"} {
		if bytes.Count(line, []byte(sep)) > bytes.Count(line, []byte(string(c.Comma))) {
			c.Comma = rune(sep[0])
		}
	}
	c.TrimLeadingSpace = c.Comma != '\t'
	t := new(table)
	for {
		row, err := c.Read()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err // names the line
		}
		if t.header == nil {
			for i := range row {
				row[i] = strings.TrimSpace(row[i])
			}
			t.header = row
			continue
		}
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
		l, _ := c.FieldPos(0)
		t.rows, t.lines = append(t.rows, row), append(t.lines, l)
	}
	if len(t.rows) == 0 {
		return nil, errors.New("no rows below the header")
	}
	return t, nil
}

// encode turns tables with the same columns into sets with the same features.
func encode(s Spec, tables []*table) ([]*Set, error) {
	header := tables[0].header
	target := slices.Index(header, s.Target)
	if target < 0 {
		return nil, fmt.Errorf("%s: no column %q: set data.target to one of %q", tables[0].path, s.Target, header)
	}
	for _, name := range s.Drop {
		if !slices.Contains(header, name) {
			return nil, fmt.Errorf("%s: data.drop has %q, which is none of the columns %q", tables[0].path, name, header)
		}
	}
	sets := make([]*Set, len(tables))
	for i := range sets {
		sets[i] = new(Set)
	}
	var columns [][][]float32 // [feature][table][row]
	cells := 0
	for j, name := range header {
		if j == target || slices.Contains(s.Drop, name) {
			continue
		}
		features, err := encodeColumn(tables, j)
		if err != nil {
			return nil, err
		}
		columns = append(columns, features...)
		for _, t := range tables {
			cells += len(features) * len(t.rows)
		}
		if cells > maxCells {
			return nil, fmt.Errorf("%s: more than %d numbers up to column %q: leave columns out with data.drop", tables[0].path, maxCells, name)
		}
	}
	if len(columns) == 0 {
		return nil, fmt.Errorf("%s: no column but the target %q", tables[0].path, s.Target)
	}
	for i, t := range tables {
		sets[i].Shape = []int{len(columns)}
		sets[i].values = make([]float32, 0, len(columns)*len(t.rows))
		for r := range t.rows {
			for _, c := range columns {
				sets[i].values = append(sets[i].values, c[i][r])
			}
		}
	}
	if s.Numbers {
		for i, t := range tables {
			for r, row := range t.rows {
				x, err := number(row[target])
				if err != nil {
					return nil, t.bad(r, target, "which is no number: set data.task to \"classification\" or data.target to another column")
				}
				sets[i].targets = append(sets[i].targets, x)
			}
		}
		return sets, nil
	}
	names := texts(tables, target)
	if len(names) < 2 || len(names) > maxClasses {
		return nil, fmt.Errorf("%s: column %q has %d different values, want 2 to %d classes; for numbers set data.task to \"regression\"", tables[0].path, s.Target, len(names), maxClasses)
	}
	for i, t := range tables {
		sets[i].Classes, sets[i].Names = len(names), names
		for r, row := range t.rows {
			if row[target] == "" {
				return nil, t.bad(r, target, "which is no class: fill it in or leave the row out")
			}
			c, _ := slices.BinarySearchFunc(names, row[target], compare)
			sets[i].labels = append(sets[i].labels, byte(c))
		}
	}
	return sets, nil
}

// bad is an error about one cell.
func (t *table) bad(row, column int, what string) error {
	return fmt.Errorf("%s:%d: column %q is %q, %s", t.path, t.lines[row], t.header[column], t.rows[row][column], what)
}

// number reads a finite number.
func number(text string) (float32, error) {
	x, err := strconv.ParseFloat(text, 32)
	if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
		return 0, errors.New("no number")
	}
	return float32(x), nil
}

// encodeColumn returns the features of column j of all tables.
func encodeColumn(tables []*table, j int) ([][][]float32, error) {
	isText := false
	values := make([][]float32, len(tables))
	for i, t := range tables {
		for r, row := range t.rows {
			x, err := number(row[j])
			if row[j] == "" || strings.EqualFold(row[j], "nan") {
				return nil, t.bad(r, j, "a missing value: fill it in, leave the row out, or the column with data.drop")
			}
			isText = isText || err != nil
			values[i] = append(values[i], x)
		}
	}
	if !isText {
		return [][][]float32{values}, nil
	}
	all := texts(tables, j)
	if len(all) > 1000 {
		t := tables[0]
		return nil, fmt.Errorf("%s: column %q has %d different texts: leave it out with data.drop", t.path, t.header[j], len(all))
	}
	features := make([][][]float32, len(all))
	for k, text := range all {
		features[k] = make([][]float32, len(tables))
		for i, t := range tables {
			features[k][i] = make([]float32, len(t.rows))
			for r, row := range t.rows {
				if row[j] == text {
					features[k][i][r] = 1
				}
			}
		}
	}
	return features, nil
}

// texts returns the different texts of a column: numbers by size, then others
// by the alphabet.
func texts(tables []*table, j int) []string {
	seen := map[string]bool{}
	for _, t := range tables {
		for _, row := range t.rows {
			seen[row[j]] = true
		}
	}
	var all []string
	for text := range seen {
		all = append(all, text)
	}
	slices.SortFunc(all, compare)
	return all
}

func compare(a, b string) int {
	x, errX := number(a)
	y, errY := number(b)
	switch {
	case errX == nil && errY == nil && x != y:
		if x < y {
			return -1
		}
		return 1
	case errX == nil && errY != nil:
		return -1
	case errX != nil && errY == nil:
		return 1
	}
	return strings.Compare(a, b)
}
