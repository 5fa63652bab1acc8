package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/sweep/results"
)

func statusCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "status",
		Usage:       "show what runs, what waits and what failed",
		ArgsUsage:   "[SWEEP...]",
		Description: "Reads the results tree and nothing else; it never starts or ends anything.",
		Flags:       []cli.Flag{resultsFlag(), jsonFlag()},
		Action:      func(c *cli.Context) error { return p.status(c) },
	}
}

// statusJSON is the schema orch.status/1: later versions only add members.
type statusJSON struct {
	Schema string        `json:"schema"`
	Sweeps []sweepStatus `json:"sweeps"`
}

type sweepStatus struct {
	Name     string         `json:"name"`
	Runs     results.Counts `json:"runs"`
	Failures []failureGroup `json:"failures"`
	Problems int            `json:"problems"`
}

// failureGroup is a set of failed runs with one cause.
type failureGroup struct {
	Class   string   `json:"class"`
	Exit    int      `json:"exit"`
	Message string   `json:"message"`
	Runs    []string `json:"runs"`
}

func (p *program) status(c *cli.Context) error {
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	sweeps, err := openSweeps(tree, c.Args().Slice())
	if err != nil {
		return err
	}
	out := statusJSON{Schema: "orch.status/1", Sweeps: []sweepStatus{}}
	for _, s := range sweeps {
		sn, err := s.Snapshot()
		s.Close()
		if err != nil {
			return fmt.Errorf("sweep %s: %w", s.Name, err)
		}
		states := sn.Derive()
		out.Sweeps = append(out.Sweeps, sweepStatus{s.Name, results.Count(states), groupFailures(states), len(sn.Problems)})
	}
	if c.Bool("json") {
		return p.printJSON(out)
	}
	p.printStatus(out)
	return nil
}

// printJSON prints one JSON document on stdout.
func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.stdout)
	e.SetEscapeHTML(false)
	if p.outTTY {
		e.SetIndent("", "  ")
	}
	return e.Encode(v)
}

// groupFailures puts failed runs with the same class, exit code and message
// together, in the order of their first run.
func groupFailures(states []results.RunState) []failureGroup {
	groups := []failureGroup{}
	index := map[string]int{}
	for _, st := range states {
		if st.State != results.StateFailed || !st.Run.Planned {
			continue
		}
		key := fmt.Sprint(st.End.Class, st.End.Exit, st.End.Message)
		i, ok := index[key]
		if !ok {
			i = len(groups)
			index[key] = i
			groups = append(groups, failureGroup{Class: st.End.Class.String(), Exit: st.End.Exit, Message: st.End.Message})
		}
		groups[i].Runs = append(groups[i].Runs, st.Run.Name)
	}
	return groups
}

func (p *program) printStatus(out statusJSON) {
	if !p.outTTY {
		fmt.Fprintln(p.stdout, "sweep\truns\tdone\tfailed\trunning\tqueued\theld\tcancelled")
		for _, s := range out.Sweeps {
			r := s.Runs
			fmt.Fprintf(p.stdout, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\n", s.Name, r.Total, r.Done, r.Failed, r.Running, r.Queued, r.Held, r.Cancelled)
		}
	} else {
		longest := 5
		for _, s := range out.Sweeps {
			longest = max(longest, len(s.Name))
		}
		for _, s := range out.Sweeps {
			fmt.Fprintf(p.stdout, "%-*s  %5d runs  %s  %s\n", longest, s.Name, s.Runs.Total, bar(s.Runs, 16), countWords(s.Runs))
		}
		if len(out.Sweeps) == 0 {
			fmt.Fprintln(p.stdout, "no sweeps yet")
		}
	}
	for _, s := range out.Sweeps {
		for _, f := range s.Failures {
			names := strings.Join(f.Runs[:min(3, len(f.Runs))], ", ")
			if more := len(f.Runs) - 3; more > 0 {
				names += fmt.Sprintf(" and %d more", more)
			}
			fmt.Fprintf(p.stderr, "x %s: %d %s: %s\n  %s  -> orch show %s\n", s.Name, len(f.Runs), f.Class, oneLine(f.Message), names, f.Runs[0])
		}
		if s.Problems > 0 {
			fmt.Fprintf(p.stderr, "! %s: %d damaged or foreign entries in the tree -> orch collect lists them in collected/problems.csv\n", s.Name, s.Problems)
		}
	}
}

// countWords lists the states that occur.
func countWords(c results.Counts) string {
	var words []string
	for _, w := range []struct {
		n    int
		name string
	}{{c.Done, "done"}, {c.Running, "running"}, {c.Queued, "queued"}, {c.Failed, "failed"}, {c.Held, "held"}, {c.Cancelled, "cancelled"}} {
		if w.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", w.n, w.name))
		}
	}
	return strings.Join(words, "  ")
}

// bar draws the share of runs that ended.
func bar(c results.Counts, cells int) string {
	full := 0
	if c.Total > 0 {
		full = cells * (c.Done + c.Failed + c.Cancelled) / c.Total
	}
	on, off := "█", "░"
	if !utf8Locale() {
		on, off = "#", "."
	}
	return strings.Repeat(on, full) + strings.Repeat(off, cells-full)
}

// oneLine makes text safe for a line of a terminal: no control characters, and
// a bounded length.
func oneLine(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return ' '
		}
		return r
	}, s)
	if r := []rune(s); len(r) > 200 {
		s = string(r[:200]) + "..."
	}
	return strings.TrimSpace(s)
}
