package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/sweep/override"
	"orch/sweep/results"
)

func showCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "show",
		Usage:       "show one run: how it ended, its metrics, attempts and config",
		ArgsUsage:   "RUN",
		Description: "RUN is a run's name or ID, or the beginning of either, or SWEEP/RUN.",
		Flags:       []cli.Flag{resultsFlag(), jsonFlag()},
		Action:      func(c *cli.Context) error { return p.show(c) },
	}
}

func (p *program) show(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("orch show wants one run: orch status lists sweeps, and their runs lie in <results>/<sweep>/runs/")
	}
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	s, st, err := findRun(tree, c.Args().First())
	if err != nil {
		return err
	}
	defer s.Close()
	config, err := st.Run.Spec.Config(&st.Run.Segment.Header)
	if err != nil {
		return err
	}
	if c.Bool("json") {
		return p.printJSON(runJSON(s, st, config))
	}
	p.printRun(p.stdout, s, st, config)
	return nil
}

// findRun finds the one run whose name or ID begins with a word.
func findRun(tree *results.Tree, word string) (*results.Sweep, results.RunState, error) {
	var none results.RunState
	names, err := tree.Sweeps()
	if err != nil {
		return nil, none, err
	}
	if sweep, run, ok := strings.Cut(word, "/"); ok {
		names, word = []string{sweep}, run
	}
	type match struct {
		s  *results.Sweep
		st results.RunState
	}
	var matches []match
	for _, n := range names {
		s, err := tree.Sweep(n)
		if err != nil {
			return nil, none, asUsage(err)
		}
		sn, err := s.Snapshot()
		if err != nil {
			return nil, none, err
		}
		for _, st := range sn.Derive() {
			if st.Run.Name == word || st.Run.ID == word { // exact beats prefix
				return s, st, nil
			}
			if strings.HasPrefix(st.Run.Name, word) || strings.HasPrefix(st.Run.ID, word) {
				matches = append(matches, match{s, st})
			}
		}
	}
	switch len(matches) {
	case 0:
		return nil, none, usage("no run begins with %q: orch status --json counts the runs, and <results>/<sweep>/collected/runs.csv lists them", word)
	case 1:
		return matches[0].s, matches[0].st, nil
	}
	var some []string
	for _, m := range matches[:min(4, len(matches))] {
		some = append(some, m.s.Name+"/"+m.st.Run.Name)
	}
	return nil, none, usage("%q fits %d runs: %s ...: type more of the name", word, len(matches), strings.Join(some, ", "))
}

func (p *program) printRun(w io.Writer, s *results.Sweep, st results.RunState, config override.Value) {
	fmt.Fprintf(w, "run      %s\nid       %s\nsweep    %s\nstate    %s\n", st.Run.Name, st.Run.ID, s.Name, st.State)
	if st.End != nil {
		if st.State != results.StateDone {
			fmt.Fprintf(w, "why      %s: %s\n", st.End.Class, oneLine(st.End.Message))
		}
		fmt.Fprintf(w, "seconds  %.3g\n", st.End.Seconds)
		for _, m := range st.End.Metrics {
			fmt.Fprintf(w, "metric   %s = %.6g\n", m.Name, m.Value)
		}
	}
	if st.Order != nil {
		fmt.Fprintf(w, "order    %s: %s\n", st.Order.Action, oneLine(st.Order.Cause))
	}
	for i, a := range st.Attempts {
		counted := ""
		if i == st.Counted {
			counted = ", counted"
		}
		state := a.Class.String()
		if a.Class == results.NoEnd {
			state = "running"
		}
		fmt.Fprintf(w, "attempt  %s: %s%s  %s\n", a.Folder, state, counted, filepath.Join(s.Path(), "runs", st.Run.Name, a.Folder))
	}
	fmt.Fprintf(w, "\n%s", config.AppendTOML(nil))
	if n := len(st.Attempts); n > 0 && st.State == results.StateFailed {
		log := filepath.Join(s.AttemptPath(st.Run.Name, st.Attempts[n-1].Folder), results.LogFile)
		if tail := lastLines(log, 10); tail != "" {
			fmt.Fprintf(w, "\nlast lines of %s:\n%s", log, tail)
		}
	}
}

// lastLines returns the last n lines of a file, made safe for a terminal.
func lastLines(path string, n int) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	const most = 16 << 10
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return ""
	}
	b := make([]byte, min(st.Size(), most))
	if _, err := f.ReadAt(b, st.Size()-int64(len(b))); err != nil && err != io.EOF {
		return ""
	}
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	var out strings.Builder
	for _, l := range lines[max(0, len(lines)-n):] {
		fmt.Fprintf(&out, "  %s\n", oneLine(l))
	}
	return out.String()
}

// runJSON is the schema orch.run/1.
func runJSON(s *results.Sweep, st results.RunState, config override.Value) any {
	type attempt struct {
		Folder  string `json:"folder"`
		Class   string `json:"class"`
		Counted bool   `json:"counted"`
		Host    string `json:"host,omitempty"`
	}
	out := struct {
		Schema   string                    `json:"schema"`
		Sweep    string                    `json:"sweep"`
		Name     string                    `json:"name"`
		ID       string                    `json:"id"`
		State    string                    `json:"state"`
		Class    string                    `json:"class,omitempty"`
		Message  string                    `json:"message,omitempty"`
		Seconds  float64                   `json:"seconds,omitempty"`
		Metrics  map[string]override.Value `json:"metrics"`
		Attempts []attempt                 `json:"attempts"`
		Config   override.Value            `json:"config"`
	}{Schema: "orch.run/1", Sweep: s.Name, Name: st.Run.Name, ID: st.Run.ID, State: string(st.State),
		Metrics: map[string]override.Value{}, Attempts: []attempt{}, Config: config}
	if st.End != nil {
		out.Class, out.Message, out.Seconds = st.End.Class.String(), st.End.Message, st.End.Seconds
		for _, m := range st.End.Metrics {
			out.Metrics[m.Name] = override.FloatValue(m.Value)
		}
	}
	for i, a := range st.Attempts {
		x := attempt{Folder: filepath.Join("runs", st.Run.Name, a.Folder), Class: a.Class.String(), Counted: i == st.Counted}
		if a.Holder != nil {
			x.Host = a.Holder.Host
		}
		out.Attempts = append(out.Attempts, x)
	}
	return out
}
