package main

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"orch/report"
	"orch/sweep/dispatch"
	"orch/sweep/results"
)

// progress shows a sweep's progress on stderr: a bar that is redrawn on a
// terminal, else one line for each run that ended.
type progress struct {
	p     *program
	mu    sync.Mutex
	begin time.Time
	first int // runs that had ended before this process began
	seen  map[string]bool
	notes map[string]bool
	drawn bool
	bar   bool // stderr is a terminal that can draw one

	metric report.Metric // the study's first: the best so far is shown
	best   string
	record float64
}

func newProgress(p *program, header *results.Header) *progress {
	g := &progress{p: p, begin: time.Now(), first: -1, seen: map[string]bool{}, notes: map[string]bool{}, bar: p.errTTY && !dumb()}
	if header != nil {
		if study, errs := report.ParseStudy(header.Study); len(errs) == 0 && len(study.Metrics) > 0 {
			g.metric = study.Metrics[0]
		}
	}
	return g
}

// keepBest remembers the best value of the study's first metric. NaN never wins.
func (g *progress) keepBest(st results.RunState) {
	if g.metric.Name == "" || st.State != results.StateDone {
		return
	}
	for _, m := range st.End.Metrics {
		better := g.best == "" || g.metric.Goal == report.Maximize && m.Value > g.record || g.metric.Goal == report.Minimize && m.Value < g.record
		if m.Name == g.metric.Name && m.Value == m.Value && better {
			g.record, g.best = m.Value, fmt.Sprintf("best %s %.4g (%s)", m.Name, m.Value, st.Run.Name)
		}
	}
}

// say prints a line above the bar.
func (g *progress) say(text string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clear()
	fmt.Fprintf(g.p.stderr, "orch: %s\n", text)
}

func (g *progress) step(o *dispatch.Outcome) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, n := range o.Notes {
		if !g.notes[n] {
			g.notes[n] = true
			g.clear()
			fmt.Fprintf(g.p.stderr, "orch: %s\n", oneLine(n))
		}
	}
	ended := 0
	for _, st := range o.States {
		if st.End == nil {
			continue
		}
		ended++
		if g.seen[st.Run.ID] {
			continue
		}
		g.seen[st.Run.ID] = true
		g.keepBest(st)
		if g.first >= 0 && (!g.bar || st.State != results.StateDone) {
			g.clear()
			fmt.Fprintln(g.p.stderr, runLine(st))
		}
	}
	if g.first < 0 {
		g.first = ended
	}
	if g.bar {
		g.draw(o, ended)
	}
}

// dumb reports whether terminals of this session know no escape sequences, as
// the shell of an editor.
func dumb() bool { return os.Getenv("TERM") == "dumb" }

// runLine says in one line how a run ended.
func runLine(st results.RunState) string {
	if st.State != results.StateDone {
		return fmt.Sprintf("x %s  %s: %s", st.Run.Name, st.End.Class, oneLine(st.End.Message))
	}
	var metrics strings.Builder
	for _, m := range st.End.Metrics {
		if strings.HasPrefix(m.Name, "test.") || strings.HasPrefix(m.Name, "val.") || len(st.End.Metrics) <= 3 {
			fmt.Fprintf(&metrics, "  %s %.4g", m.Name, m.Value)
		}
	}
	return fmt.Sprintf("%s %s  %.1fs%s", tick(), st.Run.Name, st.End.Seconds, metrics.String())
}

func (g *progress) draw(o *dispatch.Outcome, ended int) {
	line := fmt.Sprintf("%s  %d/%d  %s", strings.Join(bar(o.Counts, 24), ""), ended, o.Counts.Total, countWords(o.Counts))
	if n := ended - g.first; n > 0 && o.Left > 0 {
		left := time.Since(g.begin) / time.Duration(n) * time.Duration(o.Left)
		line += "  about " + roundTime(left) + " left"
	}
	if g.best != "" {
		line += "  " + g.best
	}
	g.clear()
	if r := []rune(line); len(r) >= width(g.p.stderr) {
		line = string(r[:width(g.p.stderr)-1])
	}
	fmt.Fprint(g.p.stderr, line)
	g.drawn = true
}

// clear removes the bar, so that a line can be printed in its place.
func (g *progress) clear() {
	if g.drawn {
		fmt.Fprint(g.p.stderr, "\r\x1b[K")
		g.drawn = false
	}
}

func roundTime(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()+0.5))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()+0.5))
	}
	return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
}

func tick() string {
	if utf8Locale() {
		return "✓"
	}
	return "ok"
}

// utf8Locale reports whether the terminal is set to UTF-8, by the order in
// which locale(7) reads the variables.
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToLower(v)
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}
