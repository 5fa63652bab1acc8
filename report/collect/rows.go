package collect

import (
	"bufio"
	"io"
	"math"
	"slices"
	"strings"

	"orch/sweep/override"
	"orch/sweep/results"
)

// object is one JSON object of a .jsonl, with its members in the order in which
// they are added.
type object struct{ b []byte }

func newObject() *object { return &object{[]byte{'{'}} }

func (o *object) key(k string) {
	if len(o.b) > 1 {
		o.b = append(o.b, ',')
	}
	o.b = override.StringValue(k).AppendJSON(o.b)
	o.b = append(o.b, ':')
}

func (o *object) raw(k string, json []byte) *object {
	o.key(k)
	o.b = append(o.b, json...)
	return o
}

func (o *object) value(k string, v override.Value) *object { return o.raw(k, v.AppendJSON(nil)) }
func (o *object) str(k, s string) *object                  { return o.value(k, override.StringValue(s)) }
func (o *object) int(k string, n int64) *object            { return o.value(k, override.IntValue(n)) }

// float adds a number; null where it is not finite.
func (o *object) float(k string, f float64) *object {
	if name := nonfinite(f); name != "" {
		return o.value(k, override.NullValue())
	}
	return o.value(k, override.FloatValue(f))
}

func (o *object) end() []byte { return append(o.b, '}') }

// nonfinite names a value that is no finite number: nan, inf or -inf; else it
// is empty.
func nonfinite(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return string(override.AppendFloat(nil, f))
	}
	return ""
}

// jsonl writes one object a line. Its writer keeps the first error for Flush.
type jsonl struct{ w *bufio.Writer }

func newLines(w io.Writer, header *object) *jsonl {
	j := &jsonl{bufio.NewWriter(w)}
	j.add(header)
	return j
}

func (j *jsonl) add(o *object) {
	j.w.Write(append(o.end(), '\n'))
}

// lines writes a header and n rows.
func lines(w io.Writer, header *object, n int, row func(i int) *object) error {
	j := newLines(w, header)
	for i := range n {
		j.add(row(i))
	}
	return j.w.Flush()
}

// Columns of runs.csv before and after those of swept keys and metrics.
var (
	runColumns  = []string{"id", "name", "planned", "state", "class"}
	tailColumns = []string{"attempts", "seconds", "host", "code", "message", "nonfinite"}
)

// WriteRuns writes runs.csv: a run a line, with the swept keys and the final
// metrics as columns. A key or metric that is called like another column gets
// the prefix "config." or "metric.".
func (t *Tables) WriteRuns(w io.Writer) error {
	keys, metrics := t.SweptKeys(), t.MetricNames()
	taken := map[string]bool{}
	for _, c := range slices.Concat(runColumns, tailColumns) {
		taken[c] = true
	}
	header := slices.Clone(runColumns)
	add := func(prefix string, names []string) {
		for _, n := range names {
			for taken[n] {
				n = prefix + n
			}
			taken[n] = true
			header = append(header, n)
		}
	}
	add("config.", keys)
	add("metric.", metrics)
	c := NewCSV(w, append(header, tailColumns...)...)
	for i := range t.Runs {
		r := &t.Runs[i]
		c.Text(r.ID)
		c.Text(r.Name)
		c.Value(override.BoolValue(r.Planned()))
		c.Text(r.State)
		c.Text(className(r.Class))
		for _, k := range keys {
			if v, ok := r.Setting(k); ok {
				c.Value(v)
			} else {
				c.Empty()
			}
		}
		var marks []string
		for _, name := range metrics {
			v, ok := r.Metric(name)
			if !ok {
				c.Empty()
				continue
			}
			c.Number(v)
			if mark := nonfinite(v); mark != "" {
				marks = append(marks, name+"="+mark)
			}
		}
		c.Int(int64(r.Attempts))
		c.Number(r.ended())
		c.Text(r.Host)
		c.Text(r.Code)
		c.Text(r.Message)
		c.Text(strings.Join(marks, " "))
		c.End()
	}
	return c.Flush()
}

// ended returns the run's duration, NaN while there is none.
func (r *Run) ended() float64 {
	if r.Class == results.NoEnd {
		return math.NaN()
	}
	return r.Seconds
}

func (t *Tables) runsJSON(w io.Writer) error {
	return lines(w, t.header("runs", len(t.Runs)), len(t.Runs), func(i int) *object {
		r := &t.Runs[i]
		o := newObject().str("id", r.ID).str("name", r.Name).value("planned", override.BoolValue(r.Planned())).str("state", r.State).str("class", className(r.Class)).
			value("swept", override.MapValue(r.Swept...))
		metrics, marks := newObject(), newObject()
		for _, m := range r.Metrics {
			metrics.float(m.Name, m.Value)
			if mark := nonfinite(m.Value); mark != "" {
				marks.str(m.Name, mark)
			}
		}
		o.raw("metrics", metrics.end())
		if len(marks.b) > 1 {
			o.raw("nonfinite", marks.end())
		}
		return o.int("attempts", int64(r.Attempts)).float("seconds", r.ended()).str("host", r.Host).str("code", r.Code).str("message", r.Message)
	})
}

func (t *Tables) attemptsCSV(w io.Writer) error {
	c := NewCSV(w, "run", "folder", "class", "counted", "worker", "host", "start", "seconds", "exit", "signal", "max_rss", "cpu_seconds", "message")
	for _, a := range t.Attempts {
		c.Text(a.Run)
		c.Text(a.Folder)
		c.Text(className(a.Class))
		c.Value(override.BoolValue(a.Counted))
		c.Text(a.Worker)
		c.Text(a.Host)
		c.Text(utc(a.Start))
		c.Number(a.Seconds)
		c.Int(int64(a.Exit))
		c.Text(a.Signal)
		c.Int(a.MaxRSS)
		c.Number(a.CPU)
		c.Text(a.Message)
		c.End()
	}
	return c.Flush()
}

func (t *Tables) attemptsJSON(w io.Writer) error {
	return lines(w, t.header("attempts", len(t.Attempts)), len(t.Attempts), func(i int) *object {
		a := &t.Attempts[i]
		return newObject().str("run", a.Run).str("folder", a.Folder).str("class", className(a.Class)).
			value("counted", override.BoolValue(a.Counted)).str("worker", a.Worker).str("host", a.Host).
			str("start", utc(a.Start)).float("seconds", a.Seconds).int("exit", int64(a.Exit)).str("signal", a.Signal).
			int("max_rss", a.MaxRSS).float("cpu_seconds", a.CPU).str("message", a.Message)
	})
}

// long calls row for every line of the long metrics table: the series of a run,
// then its final values, which have no step.
func (t *Tables) long(row func(run, name string, step int64, final bool, value float64)) {
	series := t.Series
	flush := func(until func(p Point) bool) {
		for len(series) > 0 && !until(series[0]) {
			p := series[0]
			row(p.Run, p.Name, p.Step, false, p.Value)
			series = series[1:]
		}
	}
	for i := range t.Runs {
		r := &t.Runs[i]
		flush(func(p Point) bool { return p.Run != r.ID })
		for _, m := range r.Metrics {
			row(r.ID, m.Name, 0, true, m.Value)
		}
	}
	flush(func(Point) bool { return false })
}

func (t *Tables) metricsCSV(w io.Writer) error {
	c := NewCSV(w, "run", "step", "metric", "value", "nonfinite")
	t.long(func(run, name string, step int64, final bool, value float64) {
		c.Text(run)
		if final {
			c.Empty()
		} else {
			c.Int(step)
		}
		c.Text(name)
		c.Number(value)
		c.row = append(c.row, nonfinite(value)) // a word of ours: -inf needs no apostrophe
		c.End()
	})
	return c.Flush()
}

func (t *Tables) metricsJSON(w io.Writer) error {
	n := len(t.Series)
	for i := range t.Runs {
		n += len(t.Runs[i].Metrics)
	}
	j := newLines(w, t.header("metrics", n))
	t.long(func(run, name string, step int64, final bool, value float64) {
		o := newObject().str("run", run)
		if final {
			o.value("step", override.NullValue())
		} else {
			o.int("step", step)
		}
		o.str("metric", name).float("value", value)
		if mark := nonfinite(value); mark != "" {
			o.str("nonfinite", mark)
		}
		j.add(o)
	})
	return j.w.Flush()
}

// planned returns the runs of the plan.
func (t *Tables) planned() []*Run {
	var runs []*Run
	for i := range t.Runs {
		if t.Runs[i].Planned() {
			runs = append(runs, &t.Runs[i])
		}
	}
	return runs
}

func (t *Tables) planCSV(w io.Writer) error {
	keys := t.SweptKeys()
	header := []string{"id", "name"}
	for _, k := range keys {
		if k == "id" || k == "name" {
			k = "config." + k
		}
		header = append(header, k)
	}
	c := NewCSV(w, header...)
	for _, r := range t.planned() {
		c.Text(r.ID)
		c.Text(r.Name)
		for _, k := range keys {
			if v, ok := r.Setting(k); ok {
				c.Value(v)
			} else {
				c.Empty()
			}
		}
		c.End()
	}
	return c.Flush()
}

func (t *Tables) planJSON(w io.Writer) error {
	runs := t.planned()
	p := t.Header.Provenance
	p.Time = p.Time.UTC()
	axes := []byte{'['}
	for i, a := range t.Header.Axes {
		if i > 0 {
			axes = append(axes, ',')
		}
		axes = append(axes, newObject().str("key", a.Key).value("values", override.ListValue(a.Values...)).end()...)
	}
	h := t.header("plan", len(runs)).raw("axes", append(axes, ']')).value("study", t.Header.Study).raw("provenance", marshal(p))
	return lines(w, h, len(runs), func(i int) *object {
		r := runs[i]
		return newObject().str("id", r.ID).str("name", r.Name).value("swept", override.MapValue(r.Swept...)).value("config", r.Config)
	})
}

func (t *Tables) problemsCSV(w io.Writer) error {
	c := NewCSV(w, "file", "offset", "text")
	for _, p := range t.Problems {
		c.Text(p.File)
		c.Int(p.Offset)
		c.Text(p.Text)
		c.End()
	}
	return c.Flush()
}

func (t *Tables) problemsJSON(w io.Writer) error {
	return lines(w, t.header("problems", len(t.Problems)), len(t.Problems), func(i int) *object {
		p := &t.Problems[i]
		return newObject().str("file", p.File).int("offset", p.Offset).str("text", p.Text)
	})
}
