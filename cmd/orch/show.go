package main

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"orch/sweep/override"
	"orch/sweep/results"
)

func showCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show one run: how it ended, its metrics, attempts and config",
		ArgsUsage:   "RUN",
		Description: runHelp,
		Flags:       []cli.Flag{resultsFlag(), jsonFlag()},
		Action:      func(c *cli.Context) error { return p.show(c) },
	}
}

func (p *program) show(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("orch show wants one run: orch status --runs lists them; @last is the newest")
	}
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	f, err := findRun(tree, c.Args().First())
	if err != nil {
		return err
	}
	defer f.sweep.Close()
	config, err := f.st.Run.Config()
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(runJSON(f, config))
	}
	p.printRun(p.stdout, f, config)
	return nil
}

// printRun prints a run for people: how it is, when and where it ran, what it
// measured, its attempts, the code, and its config.
func (p *program) printRun(w io.Writer, f found, config override.Value) {
	s, st := f.sweep, f.st
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "%s  %s\n", p.paint(dim, fmt.Sprintf("%-8s", name)), fmt.Sprintf(format, args...))
	}
	row := runRow{v: f.view, st: st, word: f.word(st)}
	line("run", "%s", st.Run.Name)
	line("id", "%s", st.Run.ID)
	line("sweep", "%s", s.Name)
	line("state", "%s", p.paint(looks[row.word].colour, withSymbol(row.word)))
	if r := textOf(row.reason()); r != "" {
		line("why", "%s", r)
	}
	if v := row.elapsed(); !v.IsNull() {
		x, _ := v.Float()
		line("time", "%s", span(seconds(x)))
	}
	if st.End != nil {
		if st.End.CPU > 0 {
			line("cpu", "%s", span(seconds(st.End.CPU)))
		}
		if st.End.MaxRSS > 0 {
			line("memory", "%s at most", bytesText(st.End.MaxRSS))
		}
		for _, m := range st.End.Metrics {
			line("metric", "%s = %.6g", m.Name, m.Value)
		}
	}
	if v := row.step(); !v.IsNull() {
		line("saved", "checkpoint of step %s", v.Text())
	}
	if st.Order != nil {
		line("order", "%s: %s", st.Order.Action, oneLine(st.Order.Cause))
	}
	for i, a := range st.Attempts {
		state := a.Class.String()
		if a.Class == results.NoEnd {
			state = row.word
		}
		if i == st.Counted {
			state += ", counted"
		}
		if a.Start != nil {
			state += ", began " + time.UnixMilli(a.Start.Time).UTC().Format(time.RFC3339)
		}
		if a.Holder != nil {
			state += " on " + a.Holder.Host
			if a.Holder.Job != "" {
				state += " in job " + a.Holder.Job
			}
		}
		if used := usedBy(a.End); used != "" {
			state += ": " + used
		}
		line("attempt", "%s: %s", a.Folder, state)
		line("", "%s", s.AttemptPath(st.Run.Name, a.Folder))
	}
	var code []string
	for _, x := range codeOf(f) {
		switch name, v := x.Key.Text(), x.Val; {
		case v.IsNull():
		case name == "orch" || name == "go":
			code = append(code, v.Text())
		case name == "commit":
			code = append(code, "commit "+clipHash(v.Text()))
		case name == "dirty" && v.Bool():
			code = append(code, "with changes")
		}
	}
	line("code", "%s", strings.Join(code, ", "))
	fmt.Fprintf(w, "\n%s", config.AppendTOML(nil))
	if n := len(st.Attempts); n > 0 && st.State == results.StateFailed {
		log := filepath.Join(s.AttemptPath(st.Run.Name, row.attempt().Folder), results.LogFile)
		if tail := lastLines(log, 10); len(tail) > 0 {
			fmt.Fprintf(w, "\nlast lines of its log (orch logs %s/%s):\n", s.Name, st.Run.Name)
			for _, l := range tail {
				fmt.Fprintf(w, "  %s\n", oneLine(l))
			}
		}
	}
}

// usedBy says how an attempt's program ended and what it used, as far as known.
func usedBy(end *results.Record) string {
	if end == nil {
		return ""
	}
	var parts []string
	switch {
	case end.Signal != "":
		parts = append(parts, "signal "+end.Signal)
	case end.Exit != 0:
		parts = append(parts, fmt.Sprintf("exit code %d", end.Exit))
	}
	if end.CPU > 0 {
		parts = append(parts, span(seconds(end.CPU))+" of CPU time")
	}
	if end.MaxRSS > 0 {
		parts = append(parts, bytesText(end.MaxRSS)+" of memory")
	}
	return strings.Join(parts, ", ")
}

// runJSON is the schema orch.run/1: later versions only add members.
func runJSON(f found, config override.Value) any {
	type attempt struct {
		Folder  string `json:"folder"`
		Class   string `json:"class"`
		Counted bool   `json:"counted"`
		Host    string `json:"host,omitempty"`
		Job     string `json:"job,omitempty"`
		Started string `json:"started,omitempty"`

		Seconds float64 `json:"seconds,omitempty"`
		Exit    int     `json:"exit,omitempty"`
		Signal  string  `json:"signal,omitempty"`
		CPU     float64 `json:"cpu_seconds,omitempty"`
		MaxRSS  int64   `json:"max_rss,omitempty"` // bytes, of the largest process
		Message string  `json:"message,omitempty"`
	}
	s, st := f.sweep, f.st
	out := struct {
		Schema    string              `json:"schema"`
		Sweep     string              `json:"sweep"`
		Name      string              `json:"name"`
		ID        string              `json:"id"`
		State     string              `json:"state"`
		Word      string              `json:"word"` // the state, with lost and retrying told apart
		Class     string              `json:"class,omitempty"`
		Message   string              `json:"message,omitempty"`
		Seconds   float64             `json:"seconds,omitempty"`
		Metrics   map[string]*float64 `json:"metrics"`
		Nonfinite map[string]string   `json:"nonfinite,omitempty"`
		Attempts  []attempt           `json:"attempts"`
		Code      override.Value      `json:"code"`
		Config    override.Value      `json:"config"`
	}{Schema: "orch.run/1", Sweep: s.Name, Name: st.Run.Name, ID: st.Run.ID, State: string(st.State), Word: f.word(st),
		Metrics: map[string]*float64{}, Attempts: []attempt{}, Code: override.MapValue(codeOf(f)...), Config: config}
	if st.End != nil {
		out.Class, out.Message, out.Seconds = st.End.Class.String(), st.End.Message, st.End.Seconds
		out.Metrics, out.Nonfinite = finiteMetrics(st.End.Metrics)
	}
	for i, a := range st.Attempts {
		x := attempt{Folder: filepath.Join("runs", st.Run.Name, a.Folder), Class: a.Class.String(), Counted: i == st.Counted}
		if a.Holder != nil {
			x.Host, x.Job = a.Holder.Host, a.Holder.Job
		}
		if a.Start != nil {
			x.Started = time.UnixMilli(a.Start.Time).UTC().Format(time.RFC3339)
		}
		if e := a.End; e != nil {
			x.Seconds, x.Exit, x.Signal, x.CPU, x.MaxRSS, x.Message = e.Seconds, e.Exit, e.Signal, e.CPU, e.MaxRSS, e.Message
		}
		out.Attempts = append(out.Attempts, x)
	}
	return out
}
