package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"orch/sweep/override"
	"orch/sweep/results"
)

// sweepGrid is the table of sweeps for programs.
func sweepGrid(out statusJSON) *grid {
	g := &grid{heads: []string{"sweep", "runs", "done", "failed", "running", "queued", "held", "cancelled", "lost", "eta_seconds", "eta_low", "eta_high", "last_word"}}
	g.right = make([]bool, len(g.heads))
	for i := 1; i < len(g.heads)-1; i++ {
		g.right[i] = true
	}
	for _, s := range out.Sweeps {
		row := []cell{{value: override.StringValue(s.Name)}}
		if s.Unreadable != "" { // no number would be true
			g.rows = append(g.rows, append(row, make([]cell, len(g.heads)-1)...))
			continue
		}
		for _, n := range []int{s.Runs.Total, s.Runs.Done, s.Runs.Failed, s.Runs.Running, s.Runs.Queued, s.Runs.Held, s.Runs.Cancelled, s.Lost} {
			row = append(row, cell{value: override.IntValue(int64(n))})
		}
		if e := s.ETA; e != nil {
			for _, x := range []float64{e.Seconds, e.Low, e.High} {
				row = append(row, cell{value: override.FloatValue(float64(int64(x*10+0.5)) / 10)})
			}
		} else {
			row = append(row, cell{}, cell{}, cell{})
		}
		last := cell{}
		if s.LastWord != nil {
			last.value = override.StringValue(s.LastWord.Format(time.RFC3339))
		}
		g.rows = append(g.rows, append(row, last))
	}
	return g
}

// stateWords are the counts of a sweep in the order in which they are shown.
func stateWords(s sweepStatus) []countedState {
	c := s.Runs
	return []countedState{
		{c.Done, string(results.StateDone)}, {c.Running - s.Lost, string(results.StateRunning)}, {c.Queued - s.Retrying, string(results.StateQueued)},
		{s.Retrying, wordRetrying}, {c.Failed, string(results.StateFailed)}, {s.Lost, wordLost}, {c.Held, string(results.StateHeld)},
		{c.Cancelled, string(results.StateCancelled)},
	}
}

type countedState struct {
	n    int
	word string
}

// countWords lists the states that occur.
func countWords(c results.Counts) string {
	var words []string
	for _, w := range stateWords(sweepStatus{Runs: c}) {
		if w.n > 0 {
			words = append(words, fmt.Sprintf("%d %s", w.n, w.word))
		}
	}
	return strings.Join(words, "  ")
}

// sweepLines prints a line a sweep on a terminal, and what needs attention.
func (p *program) sweepLines(out statusJSON, views []*view) {
	if len(out.Sweeps) == 0 {
		fmt.Fprintln(p.stdout, "no sweeps yet: orch submit sweep.toml makes one")
		return
	}
	longest := 0
	for _, s := range out.Sweeps {
		longest = max(longest, len(s.Name))
	}
	columns := width(p.stdout)
	for i, s := range out.Sweeps {
		fmt.Fprintln(p.stdout, p.sweepLine(s, views[i], longest, columns))
	}
	p.attention(p.stdout, out)
}

// sweepLine fits a sweep's line to the terminal: with a bar where there is
// room, else the counts with commas.
func (p *program) sweepLine(s sweepStatus, v *view, longest, columns int) string {
	if s.Unreadable != "" {
		return fmt.Sprintf("%-*s  cannot be read", longest, s.Name)
	}
	var words, painted []string
	for _, w := range stateWords(s) {
		if w.n > 0 {
			t := fmt.Sprintf("%d %s", w.n, w.word)
			words, painted = append(words, t), append(painted, p.paint(looks[w.word].colour, t))
		}
	}
	var tails []string // what is estimated and how old it is, the longest first
	if s.ETA != nil {
		tails = append(tails, s.ETA.String(), "ETA "+about(seconds(s.ETA.Seconds)))
	} else {
		tails = append(tails, "")
	}
	if s.Runs.Running > 0 && !v.lastWord.IsZero() {
		last := "last word " + span(v.now.Sub(v.lastWord)) + " ago"
		tails = append([]string{strings.TrimSpace(tails[0] + "  " + last)}, tails...)
	}
	head := fmt.Sprintf("%-*s  %5d runs  ", longest, s.Name, s.Runs.Total)
	fit := func(cells int, tail string) (string, bool) {
		line, length := head, utf8.RuneCountInString(head)
		if cells > 0 {
			line, length = line+p.paintBar(bar(s.Runs, cells))+"  ", length+cells+2
		}
		line += strings.Join(painted, "  ")
		length += utf8.RuneCountInString(strings.Join(words, "  "))
		if tail != "" {
			line, length = line+"  "+tail, length+2+utf8.RuneCountInString(tail)
		}
		return line, length <= columns
	}
	for _, sizes := range [][]int{{16, 8}, {0}} { // rather no details than no bar
		for _, tail := range tails {
			for _, cells := range sizes {
				if line, ok := fit(cells, tail); ok {
					return line
				}
			}
		}
	}
	if s.Runs.Done > 0 {
		painted = painted[1:]
	}
	line := strings.Join(append([]string{fmt.Sprintf("%s %d/%d done", s.Name, s.Runs.Done, s.Runs.Total)}, painted...), ", ")
	if s.ETA != nil {
		line += ", " + tails[len(tails)-1]
	}
	return line
}

// bar draws the shares of runs that are done, failed, cancelled, and not yet any
// of these.
func bar(c results.Counts, cells int) []string {
	on, off := "█", "░"
	if !utf8Locale() {
		on, off = "#", "."
	}
	var parts []string
	ended, full := 0, 0
	for _, n := range []int{c.Done, c.Failed, c.Cancelled} {
		ended += n
		upto := 0
		if c.Total > 0 {
			upto = cells * ended / c.Total
		}
		parts = append(parts, strings.Repeat(on, upto-full))
		full = upto
	}
	return append(parts, strings.Repeat(off, cells-full))
}

func (p *program) paintBar(parts []string) string {
	s := ""
	for i, part := range parts {
		if part != "" {
			s += p.paint([]string{green, red, dim, dim}[i], part)
		}
	}
	return s
}

// attention prints what a person should look at: failures by cause, and what
// keeps a sweep from going on.
func (p *program) attention(w io.Writer, out statusJSON) {
	columns := 0 // off a terminal nothing is shortened
	if p.outTTY && w == p.stdout {
		columns = width(p.stdout)
	}
	print := func(colour, symbol, line string) {
		if columns > 0 {
			line = wrapped(line, columns-2, "    ")
		}
		if w == p.stdout {
			symbol = p.paint(colour, symbol)
		}
		fmt.Fprintf(w, "%s %s\n", symbol, line)
	}
	const groups = 5
	for _, s := range out.Sweeps {
		for i, f := range s.Failures {
			if i == groups {
				rest := 0
				for _, g := range s.Failures[i:] {
					rest += len(g.Runs)
				}
				fmt.Fprintf(w, "  and %d more with %d other causes -> orch status %s --filter state=failed\n", rest, len(s.Failures)-groups, s.Name)
				break
			}
			message := oneLine(f.Message)
			cause := f.Class
			switch {
			case f.Class == results.Failed.String() && message != "":
				cause = "failed: " + message
			case message != "":
				cause = "failed (" + cause + "): " + message
			default:
				cause = "failed: " + cause
			}
			print(red, "x", fmt.Sprintf("%s: %d %s %s", s.Name, len(f.Runs), plural(len(f.Runs), "run", "runs"), cause))
			if f.Log != "" && !strings.Contains(message, f.Log) {
				fmt.Fprintf(w, "  | %s\n", clipTo(f.Log, columns-4))
			}
			names := f.Runs[0]
			if more := len(f.Runs) - 1; more > 0 {
				names += fmt.Sprintf(" and %d more", more)
			}
			fmt.Fprintf(w, "  %s  -> orch logs %s\n", names, short(s.Name, f.Runs[0], out))
		}
		for _, a := range s.Attention {
			print(yellow, "!", s.Name+": "+a)
		}
	}
}

// short is how to name a run in a command: alone if that is clear.
func short(sweep, run string, out statusJSON) string {
	if len(out.Sweeps) > 1 {
		return sweep + "/" + run
	}
	return run
}

func clipTo(s string, columns int) string {
	if columns <= 0 {
		return s
	}
	return clip(s, columns)
}

// wrapped breaks a line at blanks, so that no line is longer; the later ones are
// indented.
func wrapped(s string, columns int, indent string) string {
	var b strings.Builder
	at := 0
	for i, word := range strings.Split(s, " ") {
		n := utf8.RuneCountInString(word)
		switch {
		case i == 0:
		case at+1+n > columns && at > len(indent):
			b.WriteString("\n" + indent)
			at = len(indent)
		default:
			b.WriteByte(' ')
			at++
		}
		b.WriteString(word)
		at += n
	}
	return b.String()
}

// defaultColumns are those of the table of runs: what differs between the runs,
// how they are and how they end, and last the reason.
func defaultColumns(views []*view, format string) []string {
	var axes, metrics []string
	add := func(list *[]string, names []string) {
		for _, n := range names {
			if !slices.Contains(*list, n) {
				*list = append(*list, n)
			}
		}
	}
	for _, v := range views {
		owed, all := v.metrics()
		if len(owed) == 0 || format == "wide" {
			owed = all
		}
		if format != "wide" && len(owed) > 3 {
			owed = owed[:3]
		}
		add(&axes, v.axes())
		add(&metrics, owed)
	}
	var columns []string
	for _, c := range fixedColumns {
		switch c.name {
		case "sweep":
			if len(views) < 2 && format == "table" {
				continue
			}
		case "id", "class", "exit", "signal", "cpu", "mem", "started", "ended", "attempts", "attempt", "worker":
			if format == "table" {
				continue
			}
		case "state":
			columns = append(columns, "state")
			add(&columns, axes)
			continue
		case "elapsed":
			add(&columns, metrics)
		}
		columns = append(columns, c.name)
	}
	return columns
}

// runGrid lays rows out in columns. Texts for people are made where a format
// shows them.
func runGrid(rows []runRow, columns []string, format string) *grid {
	g := &grid{heads: columns, right: make([]bool, len(columns)), rows: make([][]cell, len(rows))}
	forPeople := format == "table" || format == "wide" || format == "md"
	cells := make([]cell, len(rows)*len(columns))
	for i, name := range columns {
		for _, c := range fixedColumns {
			g.right[i] = g.right[i] || c.name == name && c.right
		}
	}
	for i := range rows {
		var row []cell
		row, cells = cells[:len(columns):len(columns)], cells[len(columns):]
		g.rows[i] = row
		for k, name := range columns {
			row[k].value, _ = rows[i].cell(name)
			if !forPeople {
				continue
			}
			v := row[k].value
			row[k].text = rows[i].shown(name, v, 4)
			if name == "state" {
				row[k].colour = looks[rows[i].word].colour
			} else if _, isNumber := v.Float(); isNumber {
				g.right[k] = true
			}
		}
	}
	return g
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
