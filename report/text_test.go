package report

import (
	"strings"
	"testing"
	"unicode"
)

// Whatever a program calls its runs: every line of a table has as many cells as
// its header, and no tag, escape sequence or link of theirs survives.
func TestHostileMarkdown(t *testing.T) {
	for _, tables := range [](func() *Report){func() *Report { return Build(hostileSweep()) }, func() *Report { return Build(troubled()) }} {
		files, err := Markdown.Render(tables())
		if err != nil {
			t.Fatal(err)
		}
		text := string(files[0].Data)
		for _, bad := range []string{"<script", "<img", "<b>", "<i>", "<log", "\x1b", "\u202e", "[x](", "\n# heading", "\n# not"} {
			if strings.Contains(text, bad) {
				t.Errorf("the report contains %q", bad)
			}
		}
		columns := 0
		for _, line := range strings.Split(text, "\n") {
			if !strings.HasPrefix(line, "|") {
				columns = 0
				continue
			}
			n := strings.Count(strings.ReplaceAll(strings.ReplaceAll(line, `\\`, ""), `\|`, ""), "|")
			if columns != 0 && n != columns {
				t.Errorf("a line has %d cells where the header has %d: %s", n-1, columns-1, line)
			}
			columns = n
		}
	}
}

func FuzzMarkdownText(f *testing.F) {
	for _, s := range []string{"", "plain", "a|b", `\|`, "<script>", "a\nb", "\x1b[31mred\x1b[0m", "\x1b]8;;http://x\x07y\x1b]8;;\x07", "`", "# h", "_a_", "snake_case", "\xff", "é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		out := mdText(s)
		if strings.ContainsAny(out, "<>\n\r") || strings.ContainsFunc(out, unicode.IsControl) {
			t.Errorf("mdText(%q) = %q holds a tag or a line break", s, out)
		}
		bare := strings.ReplaceAll(out, `\\`, "")
		for _, c := range "|`*[]$" {
			if strings.Count(bare, string(c)) != strings.Count(bare, `\`+string(c)) {
				t.Errorf("mdText(%q) = %q holds a bare %c", s, out, c)
			}
		}
		if cell := code(s); strings.Count(strings.ReplaceAll(strings.ReplaceAll(cell, `\\`, ""), `\|`, ""), "|") > 0 {
			t.Errorf("code(%q) = %q ends a cell", s, cell)
		}
	})
}

func TestFormulas(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"formula", `x \in \R^d`, "$$\nx \\in \\R^d\n$$"},
		{"comparison is no tag", `a<b`, "a&lt;b"},
		{"comparison in a formula", `a_1<b`, "$$\na_1\\lt b\n$$"},
		{"prose around formulas", `find $f<g$ with <b>`, `find $f\lt g$ with &lt;b&gt;`},
		{"prose", `find the best`, `find the best`},
	} {
		if got := mdFormula(c.in); got != c.want {
			t.Errorf("%s: mdFormula(%q) = %q, want %q", c.name, c.in, got, c.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, c := range []struct {
		sizes, halves []float64
		x             float64
		want          string
	}{
		{[]float64{0.93}, []float64{0.0087}, 0.931234, "0.9312"},
		{[]float64{93.1}, []float64{1.2}, 93.1234, "93.1"},
		{[]float64{12345}, []float64{300}, 12345.6, "12346"},
		{[]float64{0.93}, nil, 0.931234, "0.9312"},
		{[]float64{1.5e-7}, []float64{2e-9}, 1.5234e-7, "1.523e-07"},
		{[]float64{3e9}, []float64{1e8}, 3.14e9, "3.14e+09"},
		{[]float64{0.93}, []float64{0.01}, -0.0001, "0.000"},
		{nil, nil, 0, "0.0"},
	} {
		if got := chooseNumbers(c.sizes, c.halves).format(c.x); got != c.want {
			t.Errorf("%v ± %v: %v is printed %q, want %q", c.sizes, c.halves, c.x, got, c.want)
		}
	}
}

func TestSummaryFitsTheTerminal(t *testing.T) {
	for _, width := range []int{40, 60, 80} {
		var b strings.Builder
		if err := Build(troubled()).Summary(&b, width); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")
		for _, line := range lines {
			if n := len([]rune(line)); n > width {
				t.Errorf("at width %d a line has %d letters: %s", width, n, line)
			}
		}
		if !strings.Contains(b.String(), "criterion inconclusive:") || !strings.Contains(b.String(), "(2 of 5)") {
			t.Errorf("at width %d the summary lacks its facts:\n%s", width, b.String())
		}
	}
}
