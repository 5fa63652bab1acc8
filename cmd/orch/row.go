package main

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
)

// runRow is one run as status lists it. Cells are found by column name: a fixed
// column, an axis, a metric, or any dotted key of the run's config.
type runRow struct {
	v    *view
	st   *results.RunState
	word string
}

func (v *view) rows() []runRow {
	rows := make([]runRow, len(v.states))
	for i := range v.states {
		rows[i] = runRow{v: v, st: &v.states[i], word: v.words[i]}
	}
	return rows
}

// fixedColumns are the columns that every run has, in the order of -o wide.
var fixedColumns = []struct {
	name  string
	right bool
	cell  func(r *runRow) override.Value
}{
	{"sweep", false, func(r *runRow) override.Value { return override.StringValue(r.v.sweep.Name) }},
	{"run", false, func(r *runRow) override.Value { return override.StringValue(r.st.Run.Name) }},
	{"id", false, func(r *runRow) override.Value { return override.StringValue(r.st.Run.ID) }},
	{"state", false, func(r *runRow) override.Value { return override.StringValue(r.word) }},
	{"class", false, (*runRow).class},
	{"exit", true, func(r *runRow) override.Value {
		return r.end(func(e *results.Record) override.Value { return override.IntValue(int64(e.Exit)) })
	}},
	{"signal", false, func(r *runRow) override.Value {
		return r.end(func(e *results.Record) override.Value { return text(e.Signal) })
	}},
	{"step", true, (*runRow).step},
	{"elapsed", true, (*runRow).elapsed},
	{"cpu", true, func(r *runRow) override.Value {
		return r.end(func(e *results.Record) override.Value { return positive(e.CPU) })
	}},
	{"mem", true, func(r *runRow) override.Value {
		return r.end(func(e *results.Record) override.Value { return bytesCell(e.MaxRSS) })
	}},
	{"started", false, func(r *runRow) override.Value {
		if a := r.attempt(); a != nil && a.Start != nil {
			return timeText(a.Start.Time)
		}
		return override.NullValue()
	}},
	{"ended", false, func(r *runRow) override.Value {
		return r.end(func(e *results.Record) override.Value { return timeText(e.Time) })
	}},
	{"attempts", true, func(r *runRow) override.Value { return override.IntValue(int64(len(r.st.Attempts))) }},
	{"attempt", false, func(r *runRow) override.Value {
		if a := r.attempt(); a != nil {
			return text(a.Folder)
		}
		return override.NullValue()
	}},
	{"job", false, func(r *runRow) override.Value {
		return r.holder(func(h *results.Holder) override.Value { return text(h.Job) })
	}},
	{"node", false, func(r *runRow) override.Value {
		return r.holder(func(h *results.Holder) override.Value { return text(h.Host) })
	}},
	{"worker", false, func(r *runRow) override.Value {
		return r.holder(func(h *results.Holder) override.Value { return text(h.Name) })
	}},
	{"reason", false, (*runRow).reason},
}

func isFixed(name string) bool {
	for _, c := range fixedColumns {
		if c.name == name {
			return true
		}
	}
	return false
}

// cell returns the value of a column; ok is false if the run has none of that
// name.
func (r *runRow) cell(name string) (v override.Value, ok bool) {
	for _, c := range fixedColumns {
		if c.name == name {
			return c.cell(r), true
		}
	}
	if r.st.End != nil {
		for _, m := range r.st.End.Metrics {
			if m.Name == name {
				return override.FloatValue(m.Value), true
			}
		}
	}
	spec, h := r.st.Run.Spec, &r.st.Run.Segment.Header
	if spec.Base < len(h.Choices) {
		if v, ok := h.Choices[spec.Base].Lookup(name); ok {
			return v, true
		}
	}
	return r.v.deltas.of(h).Get(spec, name)
}

// deltas holds a reader for every segment: of 100,000 configs that differ in two
// numbers, none is built.
type deltas map[*results.Header]*results.DeltaReader

func (d deltas) of(h *results.Header) *results.DeltaReader {
	if d[h] == nil {
		d[h] = h.DeltaReader()
	}
	return d[h]
}

func (r *runRow) attempt() *results.AttemptState {
	switch n := len(r.st.Attempts); {
	case n == 0:
		return nil
	case r.st.Counted >= 0:
		return &r.st.Attempts[r.st.Counted]
	default:
		return &r.st.Attempts[n-1]
	}
}

func (r *runRow) end(f func(*results.Record) override.Value) override.Value {
	if r.st.End == nil {
		return override.NullValue()
	}
	return f(r.st.End)
}

func (r *runRow) holder(f func(*results.Holder) override.Value) override.Value {
	if a := r.attempt(); a != nil && a.Holder != nil {
		return f(a.Holder)
	}
	return override.NullValue()
}

func (r *runRow) class() override.Value {
	if a := r.attempt(); a != nil && a.Class != results.NoEnd {
		return override.StringValue(a.Class.String())
	}
	return override.NullValue()
}

func (r *runRow) step() override.Value {
	if a := r.attempt(); a != nil && a.Checkpoint != nil {
		return override.IntValue(a.Checkpoint.Step)
	}
	return override.NullValue()
}

// elapsed is what a run took, or has taken until now by its worker's clock, in
// seconds.
func (r *runRow) elapsed() override.Value {
	if r.st.End != nil {
		return override.FloatValue(r.st.End.Seconds)
	}
	if a := r.attempt(); a != nil && a.Start != nil && r.word == string(results.StateRunning) {
		return override.FloatValue(max(0, r.v.now.Sub(time.UnixMilli(a.Start.Time)).Round(time.Millisecond).Seconds()))
	}
	return override.NullValue()
}

// reason says why a run is in its state, where the state alone does not.
func (r *runRow) reason() override.Value {
	switch a := r.attempt(); {
	case r.word == wordLost:
		return override.StringValue("its worker is gone")
	case r.st.State == results.StateFailed || r.st.State == results.StateCancelled && r.st.End != nil:
		return text(why(r.st.End))
	case r.st.Order != nil && (r.st.State == results.StateHeld || r.st.State == results.StateCancelled):
		return text(r.st.Order.Cause)
	case r.word == wordRetrying:
		return override.StringValue("attempt " + a.Folder + ": " + a.Class.String())
	}
	return override.NullValue()
}

// why says in a line how a run ended that has no result. The class of a
// program's own error says nothing that its message does not.
func why(end *results.Record) string {
	switch {
	case end.Message == "":
		return end.Class.String()
	case end.Class == results.Failed || end.Class == results.Cancelled:
		return oneLine(end.Message)
	}
	return end.Class.String() + ": " + oneLine(end.Message)
}

// shown returns how a cell looks to people, empty for its value's own text:
// times and sizes with units, metrics with so many digits. Values of the config
// stay as they were written.
func (r *runRow) shown(column string, v override.Value, digits int) string {
	x, isNumber := v.Float()
	switch {
	case column == "state":
		return withSymbol(r.word)
	case !isNumber:
	case column == "elapsed" || column == "cpu":
		return span(seconds(x))
	case column == "mem":
		return bytesText(int64(x))
	case v.Kind() == override.Float && !metricOf(r.st, column).IsNull():
		return fmt.Sprintf("%.*g", digits, x)
	}
	return ""
}

// text is a string cell, null if there is nothing to say.
func text(s string) override.Value {
	if s == "" {
		return override.NullValue()
	}
	return override.StringValue(s)
}

func positive(x float64) override.Value {
	if x <= 0 {
		return override.NullValue()
	}
	return override.FloatValue(x)
}

func bytesCell(n int64) override.Value {
	if n <= 0 {
		return override.NullValue()
	}
	return override.IntValue(n)
}

func timeText(unixMilli int64) override.Value {
	return override.StringValue(time.UnixMilli(unixMilli).UTC().Format(time.RFC3339))
}

// axes returns the swept keys that have several values.
func (v *view) axes() []string {
	var names []string
	for _, seg := range v.sn.Plan.Segments {
		for _, a := range seg.Axes {
			if len(a.Values) > 1 && !slices.Contains(names, a.Key) {
				names = append(names, a.Key)
			}
		}
	}
	return names
}

// metrics returns the names of final metrics: those that runs owe first, then
// the others in the order in which they appear.
func (v *view) metrics() (owed, all []string) {
	if h := v.sn.Plan.Header(); h != nil {
		owed = h.Owes
	}
	all = slices.Clone(owed)
	seen := map[string]bool{}
	for _, n := range all {
		seen[n] = true
	}
	for _, st := range v.states {
		if st.End == nil {
			continue
		}
		for _, m := range st.End.Metrics {
			if !seen[m.Name] {
				seen[m.Name] = true
				all = append(all, m.Name)
			}
		}
	}
	return owed, all
}

// MarshalJSON writes every fixed column that has a value, the swept keys and the
// metrics. JSON has no NaN: such a metric is null and named under "nonfinite".
func (r runRow) MarshalJSON() ([]byte, error) {
	out := map[string]any{}
	for _, c := range fixedColumns {
		if v := c.cell(&r); !v.IsNull() {
			out[c.name] = v
		}
	}
	axes := map[string]override.Value{}
	for _, name := range r.v.axes() {
		if v, ok := r.cell(name); ok {
			axes[name] = v
		}
	}
	out["axes"] = axes
	if r.st.End != nil {
		out["metrics"], out["nonfinite"] = finiteMetrics(r.st.End.Metrics)
	}
	return json.Marshal(out)
}

// finiteMetrics splits metrics into those that JSON has numbers for, with nulls
// for the others, and the names of what the others are.
func finiteMetrics(metrics []results.Metric) (numbers map[string]*float64, nonfinite map[string]string) {
	numbers, nonfinite = map[string]*float64{}, map[string]string{}
	for _, m := range metrics {
		if math.IsNaN(m.Value) || math.IsInf(m.Value, 0) {
			numbers[m.Name], nonfinite[m.Name] = nil, string(override.AppendFloat(nil, m.Value))
			continue
		}
		numbers[m.Name] = &m.Value
	}
	return numbers, nonfinite
}

// known lists the column names that filter, sort and columns may use, for "did
// you mean".
func (v *view) known() []string {
	var names []string
	for _, c := range fixedColumns {
		names = append(names, c.name)
	}
	_, metrics := v.metrics()
	names = slices.Concat(names, v.axes(), metrics)
	if len(v.states) > 0 {
		r := v.states[0].Run
		if config, err := r.Config(); err == nil {
			names = append(names, leaves("", config)...)
		}
	}
	return names
}

// leaves returns the dotted paths of a config's values.
func leaves(prefix string, config override.Value) []string {
	var names []string
	for _, f := range config.Fields() {
		name := strings.TrimPrefix(prefix+"."+f.Key.Text(), ".")
		if f.Val.Kind() == override.Map && f.Val.Len() > 0 {
			names = append(names, leaves(name, f.Val)...)
			continue
		}
		names = append(names, name)
	}
	return names
}

// textOf is a cell's text, empty for null.
func textOf(v override.Value) string {
	if v.IsNull() {
		return ""
	}
	return v.Text()
}
