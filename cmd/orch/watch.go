package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"orch/sweep/results"
)

// watched are the sweeps that status looks at, again and again if it must:
// what was read of a sweep is kept, and a refresh reads what is new.
type watched struct {
	tree  *results.Tree
	names []string // as asked for; none: all there are, new ones too
	open  map[string]*results.Snapshot
	views []*view
}

// refresh looks again. It reports whether anything is new. If no sweep was asked
// for, one that cannot be read hides no other, and is tried again the next time.
func (w *watched) refresh() (changed bool, err error) {
	names := w.names
	if len(names) == 0 {
		if names, err = w.tree.Sweeps(); err != nil {
			return false, err
		}
	}
	var views []*view
	for _, n := range names {
		sn, c, err := w.look(n)
		switch {
		case err == nil:
			views = append(views, newView(sn.Sweep(), sn))
		case len(w.names) > 0:
			return changed, err
		case removed(w.tree, n):
			if sn != nil {
				sn.Sweep().Close()
				delete(w.open, n)
			}
		default:
			views = append(views, unreadableView(n, err))
		}
		changed = changed || c
	}
	changed = changed || len(views) != len(w.views)
	w.views = views
	return changed, nil
}

// look reads what is new in a sweep.
func (w *watched) look(name string) (sn *results.Snapshot, changed bool, err error) {
	if sn = w.open[name]; sn != nil {
		if changed, err = sn.Refresh(); err != nil {
			err = fmt.Errorf("sweep %s: %w", name, err)
		}
		return sn, changed, err
	}
	sweeps, err := openSweeps(w.tree, []string{name})
	if err != nil {
		return nil, false, err
	}
	if sn, err = sweeps[0].Snapshot(); err != nil {
		sweeps[0].Close()
		return nil, false, fmt.Errorf("sweep %s: %w", name, err)
	}
	w.open[name] = sn
	return sn, true, nil
}

func (w *watched) close() {
	for _, sn := range w.open {
		sn.Sweep().Close()
	}
}

func (w *watched) over() bool {
	for _, v := range w.views {
		if !v.over() {
			return false
		}
	}
	return true
}

// watch looks until nothing runs or waits. On a terminal it redraws; elsewhere
// it prints one line per change, and --wait prints the status at the end.
func (p *program) watch(c *cli.Context, w *watched, format string) error {
	every, err := time.ParseDuration(optional(c, "watch"))
	if err != nil || every <= 0 {
		return usage("--watch=%s: want a time such as 5s", optional(c, "watch"))
	}
	var timeout <-chan time.Time
	if d := c.Duration("timeout"); d > 0 {
		t := time.NewTimer(d)
		defer t.Stop()
		timeout = t.C
	}
	quietly := !c.IsSet("watch")
	if quietly {
		every = min(every, time.Second)
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	screen := &redrawn{p: p}
	log := &changeLog{p: p, seen: map[string]string{}}
	for {
		if _, err := w.refresh(); err != nil {
			return err
		}
		over := w.over()
		switch {
		case quietly:
		case p.outTTY && !dumb():
			if err := screen.draw(func(q *program) error { return q.printStatus(c, w.views, format) }); err != nil {
				return err
			}
		default:
			log.print(w.views)
		}
		if over {
			break
		}
		select {
		case <-p.ctx.Done():
			return quiet(exitInterrupted)
		case <-timeout:
			return &codeError{exitTimeout, fmt.Errorf("runs are still left after %s", c.Duration("timeout"))}
		case <-tick.C:
		}
	}
	if !quietly {
		return unreadable(w.views)
	}
	if err := p.printStatus(c, w.views, format); err != nil {
		return err
	}
	if err := unreadable(w.views); err != nil {
		return err
	}
	for _, v := range w.views {
		if results.Count(v.states).Failed > 0 {
			return quiet(exitSomeFailed)
		}
	}
	return nil
}

// redrawn is a part of a terminal that is drawn again in place.
type redrawn struct {
	p    *program
	rows int    // of the terminal that it takes now
	last string // what it shows
}

// draw lets f print to a program whose output is caught, and shows that. What is
// higher than the terminal is cut off: lines that have scrolled away cannot be
// drawn again.
func (r *redrawn) draw(f func(*program) error) error {
	var buf bytes.Buffer
	q := *r.p
	q.stdout = &terminalBuffer{Buffer: &buf, of: r.p}
	if err := f(&q); err != nil {
		return err
	}
	text := buf.String()
	if text == r.last {
		return nil
	}
	columns, most := width(r.p.stdout), height(r.p)-2
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	rows := 0
	for i, l := range lines {
		n := 1 + max(0, utf8.RuneCountInString(escapes.ReplaceAllString(l, ""))-1)/columns // the terminal breaks long lines
		if rows+n > most && most > 1 {
			lines = append(lines[:i:i], fmt.Sprintf("... %d more lines", len(lines)-i))
			rows++
			break
		}
		rows += n
	}
	var out strings.Builder
	if r.rows > 0 {
		fmt.Fprintf(&out, "\x1b[%dA\r\x1b[J", r.rows)
	}
	out.WriteString(strings.Join(lines, "\n") + "\n")
	r.last, r.rows = text, rows
	_, err := fmt.Fprint(r.p.stdout, out.String())
	return err
}

// escapes are the sequences that take no room: those of paint.
var escapes = regexp.MustCompile(`\x1b\[[0-9;]*m`)

// terminalBuffer catches what is meant for a terminal, and has its width.
type terminalBuffer struct {
	*bytes.Buffer
	of *program
}

func height(p *program) int {
	if f, ok := p.stdout.(interface{ Fd() uintptr }); ok {
		if _, rows, err := term.GetSize(int(f.Fd())); err == nil {
			return rows
		}
	}
	return 24
}

// changeLog prints a line for every run that changed its state, with tabs:
// time, sweep, run, state, reason.
type changeLog struct {
	p     *program
	begun bool
	seen  map[string]string // by sweep and run
}

func (l *changeLog) print(views []*view) {
	now := time.Now().UTC().Format(time.RFC3339)
	if !l.begun {
		fmt.Fprintln(l.p.stdout, "time\tsweep\trun\tstate\treason")
	}
	for _, v := range views {
		if v.err != nil {
			if name, why := v.noted.Name, oneLine(v.noted.Unreadable); l.seen[name] != why {
				l.seen[name] = why
				fmt.Fprintf(l.p.stdout, "%s\t%s\t\tcannot be read\t%s\n", now, name, why)
			}
			continue
		}
		first := true
		for _, r := range v.rows() {
			key := v.sweep.Name + "/" + r.st.Run.ID
			old, known := l.seen[key]
			first = first && !known
			if l.seen[key] = r.word; old == r.word || !known && (!l.begun || r.word == string(results.StateQueued)) {
				continue
			}
			fmt.Fprintf(l.p.stdout, "%s\t%s\t%s\t%s\t%s\n", now, v.sweep.Name, r.st.Run.Name, r.word, strings.ReplaceAll(textOf(r.reason()), "\t", " "))
		}
		if first { // where it stood at the first look
			s := v.status()
			fmt.Fprintf(l.p.stdout, "%s\t%s\t\t\t%d runs  %s\n", now, s.Name, s.Runs.Total, countWords(s.Runs))
		}
	}
	l.begun = true
}
