package command

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"orch/sweep/override"
	"orch/trainer"
)

const (
	maxRow     = 1 << 20  // a longer line of $ORCH_METRICS is skipped
	maxFinal   = 16 << 20 // a larger metrics.json is not read
	maxMetrics = 10_000   // different names in one run
	maxName    = 200      // bytes of a name
	maxBytes   = 900_000  // of all metrics of a run in its end record: a line of a journal has at most 1 MiB
	maxDepth   = 16       // nesting of tables
)

// gathered is what a run measured so far, and what of it could not be read.
type gathered struct {
	to      trainer.Metrics
	dir     string             // the run's folder
	results map[string]float64 // last value of each name
	bytes   int                // that these take in a journal, at most
	step    int64              // of the last row that had one
	ckpts   int                // how many checkpoints were reported
	named   *named             // the last one that was named and is not reported yet
	earlier *earlier           // nil on a fresh start

	garbled int
	first   string // what was wrong with the first garbled thing
}

func (g *gathered) bad(where string, err error) {
	g.garbled++
	if g.first == "" {
		g.first = where + ": " + readable([]byte(err.Error()))
	}
}

// set keeps the last value of a metric.
func (g *gathered) set(name string, x float64) error {
	if err := checkName(name); err != nil {
		return err
	}
	if _, ok := g.results[name]; !ok {
		if len(g.results) >= maxMetrics {
			return fmt.Errorf("more than %d different metrics", maxMetrics)
		}
		n := len(override.QuotedValue(name).AppendJSON(nil)) + 32 // a number, and what stands around it
		if g.bytes+n > maxBytes {
			return fmt.Errorf("the metrics' names take more than %d bytes in all", maxBytes)
		}
		g.bytes += n
	}
	if g.results == nil {
		g.results = map[string]float64{}
	}
	g.results[name] = x
	return nil
}

// report hands the last values over, in the order of their names.
func (g *gathered) report() {
	names := make([]string, 0, len(g.results))
	for name := range g.results {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		g.to.Result(name, g.results[name])
	}
}

// field is one member of a row, with its dotted name.
type field struct {
	name string
	x    float64
}

// row takes one line of $ORCH_METRICS.
func (g *gathered) row(line []byte) error {
	obj, err := decodeObject(line)
	if err != nil {
		return err
	}
	step, hasStep := int64(0), false
	if v, ok := obj["step"]; ok && v != nil {
		x, ok := number(v)
		if !ok || x != math.Trunc(x) || math.Abs(x) > 1<<53 {
			return errors.New("step is no whole number")
		}
		step, hasStep = int64(x), true
		g.step = step
	}
	if file, ok := obj["checkpoint"].(string); ok {
		if err := g.name(step, file); err != nil {
			return err
		}
	}
	var fields []field
	name, isName := obj["name"].(string)
	value, hasValue := obj["value"]
	if isName && hasValue {
		x, ok := number(value)
		if !ok {
			return fmt.Errorf("the value of %.40q is no number", name)
		}
		fields = append(fields, field{name, x})
	} else {
		delete(obj, "step")
		fields = flatten("", obj, nil, 0)
		if _, ok := obj["checkpoint"]; !ok && len(fields) == 0 {
			return errors.New("no number in it")
		}
	}
	for _, f := range fields {
		if err := g.set(f.name, f.x); err != nil {
			return err
		}
		if hasStep {
			g.until(f.name, step)
			g.to.Log(step, f.name, f.x)
		}
	}
	return nil
}

// final reads metrics.json, if the program left one.
func (g *gathered) final() {
	f, err := openRegular(filepath.Join(g.dir, finalFile))
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	if err != nil {
		g.bad(finalFile, err)
		return
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFinal+1))
	if err == nil && len(b) > maxFinal {
		err = fmt.Errorf("larger than %d MiB", maxFinal>>20)
	}
	if err != nil {
		g.bad(finalFile, err)
		return
	}
	obj, err := decodeObject(b)
	if err != nil {
		g.bad(finalFile, err)
		return
	}
	for _, f := range flatten("", obj, nil, 0) {
		if err := g.set(f.name, f.x); err != nil {
			g.bad(finalFile, err)
			return
		}
	}
}

// flatten lists the numbers of nested objects by dotted name, sorted.
// Booleans count as 0 and 1; strings, lists and null are no metrics.
func flatten(prefix string, obj map[string]any, fields []field, depth int) []field {
	names := make([]string, 0, len(obj))
	for name := range obj {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		switch v := obj[name].(type) {
		case map[string]any:
			if depth < maxDepth {
				fields = flatten(prefix+name+".", v, fields, depth+1)
			}
		default:
			if x, ok := number(v); ok {
				fields = append(fields, field{prefix + name, x})
			}
		}
	}
	return fields
}

func number(v any) (float64, bool) {
	switch v := v.(type) {
	case json.Number:
		return parseNumber(v.String())
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case string:
		// Only the words for what JSON cannot say; "3" may be a label.
		switch strings.ToLower(strings.TrimLeft(v, "+-")) {
		case "nan", "inf", "infinity":
			return parseNumber(v)
		}
	}
	return 0, false
}

// decodeObject reads one JSON object, in which NaN and Infinity may stand
// without quotes as Python and others write them.
func decodeObject(b []byte) (map[string]any, error) {
	d := json.NewDecoder(bytes.NewReader(quoteWords(b)))
	d.UseNumber()
	var obj map[string]any
	if err := d.Decode(&obj); err != nil {
		return nil, err
	}
	if obj == nil {
		return nil, errors.New("is null, want an object")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	return obj, nil
}

// quoteWords puts the bare words NaN, Infinity and -Infinity (also inf, nan,
// Inf) into quotes, outside strings.
func quoteWords(b []byte) []byte {
	if !bytes.ContainsAny(b, "NIin") {
		return b
	}
	var out []byte // nil as long as nothing changed
	from := 0
	for i := 0; i < len(b); {
		switch c := b[i]; {
		case c == '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
			i++
		case c == '-' || c == '+' || letter(c):
			begin := i
			for i++; i < len(b) && letter(b[i]); i++ {
			}
			switch strings.ToLower(string(b[begin:i][:min(i-begin, 10)])) {
			case "nan", "-nan", "+nan", "inf", "-inf", "+inf", "infinity", "-infinity", "+infinity":
				out = append(out, b[from:begin]...)
				out = append(out, '"')
				out = append(out, b[begin:i]...)
				out = append(out, '"')
				from = i
			}
		default:
			i++
		}
	}
	if out == nil {
		return b
	}
	return append(out, b[from:]...)
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }
