package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"orch/sweep/results"
)

// Words for states that status tells apart and the results tree does not: they
// follow from who holds a run, which only a reader at a given moment can say.
const (
	wordLost     = "lost"     // running, but its worker is proven dead
	wordRetrying = "retrying" // queued again after an attempt that vanished or was asked to leave
)

// A look is how a state is shown: always the word, with a symbol where there
// is room. Colour only repeats what the word says.
type look struct {
	symbol, ascii string
	colour        string // one of the 16 colours every terminal has
}

const (
	green, yellow, red, blue, magenta, dim = "32", "33", "31", "34", "35", "2"
)

var looks = map[string]look{
	string(results.StateDone):      {"✓", "+", green},
	string(results.StateRunning):   {">", ">", blue},
	string(results.StateQueued):    {"·", ".", dim},
	wordRetrying:                   {"~", "~", yellow},
	string(results.StateFailed):    {"x", "x", red},
	wordLost:                       {"?", "?", magenta},
	string(results.StateCancelled): {"-", "-", dim},
	string(results.StateHeld):      {"=", "=", yellow},
	string(results.StateUnplanned): {" ", " ", dim},
}

// withSymbol returns "✓ done".
func withSymbol(word string) string {
	l, ok := looks[word]
	if !ok {
		return word
	}
	if utf8Locale() {
		return l.symbol + " " + word
	}
	return l.ascii + " " + word
}

// paint colours text for standard output.
func (p *program) paint(colourCode, text string) string {
	if !p.outColour || colourCode == "" {
		return text
	}
	return "\x1b[" + colourCode + "m" + text + "\x1b[0m"
}

// colour decides whether to: --color, then NO_COLOR, then CLICOLOR_FORCE or
// FORCE_COLOR, then whether it is a capable terminal.
func colour(mode string, w io.Writer) bool {
	switch {
	case mode == "always":
		return true
	case mode == "never", os.Getenv("NO_COLOR") != "":
		return false
	case set("CLICOLOR_FORCE") || set("FORCE_COLOR"):
		return true
	case os.Getenv("TERM") == "dumb" || os.Getenv("CLICOLOR") == "0":
		return false
	}
	return isTerminal(w)
}

func set(name string) bool {
	v := os.Getenv(name)
	return v != "" && v != "0"
}

// span writes a duration as people say it, two units at most: 43s, 2m11s,
// 3h10m, 4d06h.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%dms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd%02dh", int(d.Hours())/24, int(d.Hours())%24)
}

// about is span without the unit that an estimate cannot know.
func about(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()+0.5))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()+0.5))
	case d < 48*time.Hour:
		d = d.Round(10 * time.Minute)
		if d%time.Hour == 0 {
			return fmt.Sprintf("%dh", int(d.Hours()))
		}
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%.1fd", d.Hours()/24)
}

// bytes writes a size with the units of du -h.
func bytesText(n int64) string {
	units := []string{"B", "K", "M", "G", "T", "P"}
	x, u := float64(n), 0
	for x >= 1023.5 && u < len(units)-1 {
		x /= 1024
		u++
	}
	if u == 0 || x >= 99.95 {
		return fmt.Sprintf("%.0f%s", x, units[u])
	}
	return fmt.Sprintf("%.1f%s", x, units[u])
}

// clip shortens text to so many columns, with a mark that something is missing.
func clip(s string, columns int) string {
	if utf8.RuneCountInString(s) <= columns {
		return s
	}
	mark := "…"
	if !utf8Locale() {
		mark = "~"
	}
	if columns < 1 {
		return ""
	}
	return strings.TrimRight(string([]rune(s)[:columns-1]), " ") + mark
}
