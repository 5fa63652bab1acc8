package collect

import (
	"io"
	"math"
	"slices"
	"strings"

	"orch/sweep/override"
	"orch/sweep/results"
)

// nonfinite names a value that is no finite number: nan, inf or -inf; else it
// is empty.
func nonfinite(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return string(override.AppendFloat(nil, f))
	}
	return ""
}

// lines begins a .jsonl with its first line: the schema's name and version, the
// sweep, how many rows follow, and what more adds.
func (t *Tables) lines(w io.Writer, kind string, rows int, more func(j *jsonl)) *jsonl {
	j := &jsonl{out: output{w: w}}
	j.begin().str("schema", "orch."+kind+"/1").str("sweep", t.Sweep).int("rows", int64(rows))
	if more != nil {
		more(j)
	}
	j.end()
	return j
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
		c.Bool(r.Planned())
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
	j := t.lines(w, "runs", len(t.Runs), nil)
	for i := range t.Runs {
		r := &t.Runs[i]
		j.begin().str("id", r.ID).str("name", r.Name).bool("planned", r.Planned()).str("state", r.State).str("class", className(r.Class)).
			fields("swept", r.Swept)
		j.open("metrics")
		finite := true
		for _, m := range r.Metrics {
			j.name(m.Name)
			j.number(m.Value)
			finite = finite && nonfinite(m.Value) == ""
		}
		j.close()
		if !finite {
			j.open("nonfinite")
			for _, m := range r.Metrics {
				if mark := nonfinite(m.Value); mark != "" {
					j.name(m.Name)
					j.out.b = appendText(j.out.b, mark)
				}
			}
			j.close()
		}
		j.int("attempts", int64(r.Attempts)).float("seconds", r.ended()).str("host", r.Host).str("code", r.Code).str("message", r.Message)
		j.end()
	}
	return j.out.flush()
}

func (t *Tables) attemptsCSV(w io.Writer) error {
	c := NewCSV(w, "run", "folder", "class", "counted", "worker", "host", "start", "seconds", "exit", "signal", "max_rss", "cpu_seconds", "message")
	for _, a := range t.Attempts {
		c.Text(a.Run)
		c.Text(a.Folder)
		c.Text(className(a.Class))
		c.Bool(a.Counted)
		c.Text(a.Worker)
		c.Text(a.Host)
		c.time(a.Start)
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
	j := t.lines(w, "attempts", len(t.Attempts), nil)
	for i := range t.Attempts {
		a := &t.Attempts[i]
		j.begin().str("run", a.Run).str("folder", a.Folder).str("class", className(a.Class)).
			bool("counted", a.Counted).str("worker", a.Worker).str("host", a.Host).
			time("start", a.Start).float("seconds", a.Seconds).int("exit", int64(a.Exit)).str("signal", a.Signal).
			int("max_rss", a.MaxRSS).float("cpu_seconds", a.CPU).str("message", a.Message)
		j.end()
	}
	return j.out.flush()
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
		c.word(nonfinite(value)) // a word of ours: -inf needs no apostrophe
		c.End()
	})
	return c.Flush()
}

func (t *Tables) metricsJSON(w io.Writer) error {
	n := len(t.Series)
	for i := range t.Runs {
		n += len(t.Runs[i].Metrics)
	}
	j := t.lines(w, "metrics", n, nil)
	t.long(func(run, name string, step int64, final bool, value float64) {
		j.begin().str("run", run)
		if final {
			j.null("step")
		} else {
			j.int("step", step)
		}
		j.str("metric", name).float("value", value)
		if mark := nonfinite(value); mark != "" {
			j.str("nonfinite", mark)
		}
		j.end()
	})
	return j.out.flush()
}

// planned returns the runs of the plan.
func (t *Tables) planned() []*Run {
	runs := make([]*Run, 0, len(t.Runs))
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
	j := t.lines(w, "plan", len(runs), func(j *jsonl) {
		j.key("axes")
		j.out.b = append(j.out.b, '[')
		for i, a := range t.Header.Axes {
			if i > 0 {
				j.out.b = append(j.out.b, ',')
			}
			j.begin().str("key", a.Key).value("values", override.ListValue(a.Values...))
			j.out.b = append(j.out.b, '}')
		}
		j.out.b = append(j.out.b, ']')
		j.value("study", t.Header.Study).raw("provenance", marshal(p))
	})
	for _, r := range runs {
		j.begin().str("id", r.ID).str("name", r.Name).fields("swept", r.Swept)
		j.key("config")
		j.out.b = r.appendConfig(j.out.b)
		j.end()
	}
	return j.out.flush()
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
	j := t.lines(w, "problems", len(t.Problems), nil)
	for _, p := range t.Problems {
		j.begin().str("file", p.File).int("offset", p.Offset).str("text", p.Text)
		j.end()
	}
	return j.out.flush()
}
