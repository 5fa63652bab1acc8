package main

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"orch/sweep/override"
	"orch/sweep/results"
)

func TestColour(t *testing.T) {
	for _, tt := range []struct {
		mode string
		env  map[string]string
		want bool // off a terminal
	}{
		{"auto", nil, false},
		{"always", nil, true},
		{"never", nil, false},
		{"auto", map[string]string{"FORCE_COLOR": "1"}, true},
		{"auto", map[string]string{"FORCE_COLOR": "0"}, false},
		{"auto", map[string]string{"CLICOLOR_FORCE": "1"}, true},
		{"auto", map[string]string{"CLICOLOR_FORCE": "1", "NO_COLOR": "1"}, false},
		{"auto", map[string]string{"CLICOLOR_FORCE": "1", "TERM": "dumb"}, true},
		{"always", map[string]string{"NO_COLOR": "1"}, true},
		{"never", map[string]string{"FORCE_COLOR": "1"}, false},
	} {
		for _, name := range []string{"NO_COLOR", "CLICOLOR_FORCE", "FORCE_COLOR", "CLICOLOR", "TERM"} {
			t.Setenv(name, tt.env[name])
		}
		if got := colour(tt.mode, new(bytes.Buffer)); got != tt.want {
			t.Errorf("colour(%q) with %v = %v, want %v", tt.mode, tt.env, got, tt.want)
		}
	}
}

func TestSpans(t *testing.T) {
	for _, tt := range []struct {
		d           time.Duration
		span, about string
	}{
		{-time.Second, "0s", "0s"},
		{12 * time.Millisecond, "12ms", "0s"},
		{1234 * time.Millisecond, "1.2s", "1s"},
		{43 * time.Second, "43s", "43s"},
		{131 * time.Second, "2m11s", "2m"},
		{3*time.Hour + 12*time.Minute, "3h12m", "3h10m"},
		{2*time.Hour + 58*time.Minute, "2h58m", "3h"},
		{102 * time.Hour, "4d06h", "4.2d"},
	} {
		if got := span(tt.d); got != tt.span {
			t.Errorf("span(%v) = %q, want %q", tt.d, got, tt.span)
		}
		if got := about(max(0, tt.d)); got != tt.about {
			t.Errorf("about(%v) = %q, want %q", tt.d, got, tt.about)
		}
	}
}

func TestSizes(t *testing.T) {
	for n, want := range map[int64]string{0: "0B", 1023: "1023B", 1024: "1.0K", 1536: "1.5K", 102400: "100K", 1 << 20: "1.0M", 5 << 30: "5.0G"} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestClip(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	for _, tt := range []struct {
		s       string
		columns int
		want    string
	}{{"short", 5, "short"}, {"longer", 5, "long…"}, {"äöüß", 3, "äö…"}, {"a bcd", 3, "a…"}, {"x", 0, ""}} {
		if got := clip(tt.s, tt.columns); got != tt.want {
			t.Errorf("clip(%q, %d) = %q, want %q", tt.s, tt.columns, got, tt.want)
		}
	}
}

func TestWrapped(t *testing.T) {
	got := wrapped("one two three averyverylongword x", 12, "  ")
	want := "one two\n  three\n  averyverylongword\n  x"
	if got != want {
		t.Errorf("wrapped = %q, want %q", got, want)
	}
}

func TestShellSplit(t *testing.T) {
	for _, tt := range []struct {
		line   string
		want   []string
		quoted bool
	}{
		{"orch st", []string{"orch", "st"}, false},
		{"orch st ", []string{"orch", "st", ""}, false},
		{`orch 'a b' "c d`, []string{"orch", "a b", "c d"}, true},
		{`orch a\ b`, []string{"orch", "a b"}, false},
		{`orch ''`, []string{"orch", ""}, false},
		{"", []string{""}, false},
	} {
		got, quoted := shellSplit(tt.line)
		if !slices.Equal(got, tt.want) || quoted != tt.quoted {
			t.Errorf("shellSplit(%q) = %q, %v, want %q, %v", tt.line, got, quoted, tt.want, tt.quoted)
		}
	}
}

func TestPermute(t *testing.T) {
	app := newApp(&program{})
	for _, tt := range []struct{ args, want []string }{
		{[]string{"orch", "status", "s1", "--output", "json"}, []string{"orch", "status", "--output", "json", "--", "s1"}},
		{[]string{"orch", "status", "--watch", "s1"}, []string{"orch", "status", "--watch", "--", "s1"}},
		{[]string{"orch", "status", "s1", "--watch=5s", "-o", "csv"}, []string{"orch", "status", "--watch=5s", "-o", "csv", "--", "s1"}},
		{[]string{"orch", "logs", "r", "-f", "-n", "3"}, []string{"orch", "logs", "-f", "-n", "3", "--", "r"}},
		{[]string{"orch", "explain", "--", "-x"}, []string{"orch", "explain", "--", "-x"}},
	} {
		if got := permute(app, tt.args); !slices.Equal(got, tt.want) {
			t.Errorf("permute(%q) = %q, want %q", tt.args, got, tt.want)
		}
	}
}

// In a narrow terminal a table of runs still says in what state they are.
func TestNarrowTableKeepsStates(t *testing.T) {
	s := override.StringValue
	g := &grid{heads: []string{"sweep", "run", "state", "c", "reason"}, right: make([]bool, 5)}
	g.rows = [][]cell{
		{{value: s("slow")}, {value: s("0001-c0.01-s1-643b")}, {value: s("x failed")}, {value: s("0.01")}, {value: s("ValueError: could not convert string to float")}},
		{{value: s("slow")}, {value: s("0002-c0.01-s2-643c")}, {value: s("✓ done")}, {value: s("0.01")}, {}},
	}
	for _, columns := range []int{30, 40, 50, 60, 80, 200} {
		var out strings.Builder
		if err := g.aligned(&program{stdout: &out}, true, columns); err != nil {
			t.Fatal(err)
		}
		got := out.String()
		if !strings.Contains(got, "x failed") || !strings.Contains(got, "0001-c0.01-s1-643b") {
			t.Errorf("%d columns:\n%s\nwant runs and their states", columns, got)
		}
		if columns < 40 {
			continue // narrower than the first three columns
		}
		for line := range strings.Lines(got) {
			if n := utf8.RuneCountInString(strings.TrimRight(line, "\n")); n > columns && !strings.HasPrefix(line, "left out") {
				t.Errorf("%d columns: a line has %d:\n%s", columns, n, got)
			}
		}
	}
}

// A terminal without escape sequences gets lines, no bar that is redrawn.
func TestDumbTerminal(t *testing.T) {
	for term, want := range map[string]bool{"dumb": false, "xterm-256color": true} {
		t.Setenv("TERM", term)
		if got := newProgress(&program{errTTY: true}, nil).bar; got != want {
			t.Errorf("TERM=%s: a bar: %v, want %v", term, got, want)
		}
	}
}

// The bar shows in colour what the words say: how much of what ended has failed.
func TestBar(t *testing.T) {
	t.Setenv("LC_ALL", "C")
	for _, tt := range []struct {
		c    results.Counts
		want string
	}{
		{results.Counts{}, "|||........"},
		{results.Counts{Total: 8, Done: 4, Failed: 2, Cancelled: 1}, "####|##|#|."},
		{results.Counts{Total: 3, Failed: 3}, "|########||"},
		{results.Counts{Total: 1000, Done: 1, Failed: 998, Cancelled: 1}, "|#######|#|"},
	} {
		if got := strings.Join(bar(tt.c, 8), "|"); got != tt.want {
			t.Errorf("bar(%+v) = %s, want %s", tt.c, got, tt.want)
		}
	}
}
