package report

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"orch/report/collect"
)

// allTables are the sweeps of the golden tests.
func allTables() map[string]*collect.Tables {
	return map[string]*collect.Tables{"depth": depth(), "troubled": troubled(), "exploratory": exploratory(), "hostile": hostileSweep(), "single": single(), "nothing": nothing(), "sets": overSets("data")}
}

// Equal results give equal bytes, whatever else this process has drawn before.
func TestEveryFormatRepeats(t *testing.T) {
	for _, name := range []string{"depth", "hostile"} {
		for _, f := range []Format{HTML, PDF, Markdown, Notebook, LaTeX, CSV, Figures, JSON} {
			first, err := f.Render(Build(allTables()[name]))
			if err != nil {
				t.Fatalf("%s as %s: %v", name, f.Name, err)
			}
			second, err := f.Render(Build(allTables()[name]))
			if err != nil || len(first) != len(second) {
				t.Fatalf("%s as %s: %d files, then %d, %v", name, f.Name, len(first), len(second), err)
			}
			for i := range first {
				if first[i].Name != second[i].Name || !bytes.Equal(first[i].Data, second[i].Data) {
					t.Errorf("%s as %s: %s differs when it is rendered again", name, f.Name, first[i].Name)
				}
			}
		}
	}
}

func TestPDFIsComplete(t *testing.T) {
	files, err := PDF.Render(Build(depth()))
	if err != nil {
		t.Fatal(err)
	}
	b := files[0].Data
	for _, want := range []string{"%PDF-", "/Outlines", "/EmbeddedFile", "results.csv", "/ToUnicode", "/Lang", "(D:20261101103000", "%%EOF"} {
		if !bytes.Contains(b, []byte(want)) && !bytes.Contains(b, []byte(utf16(want))) {
			t.Errorf("report.pdf has no %s", want)
		}
	}
	dests := regexp.MustCompile(`/Dest \[(\d+) 0 R */XYZ`).FindAllSubmatch(b, -1)
	if len(dests) < 8 {
		t.Errorf("report.pdf has %d bookmarks, want one a section", len(dests))
	}
	for _, d := range dests {
		if !regexp.MustCompile(`(?m)^` + string(d[1]) + ` 0 obj\s*<</Type /Page\b`).Match(b) {
			t.Errorf("a bookmark leads to object %s, which is no page", d[1])
		}
	}
	if n := bytes.Count(b, []byte("/Subtype /Image")); n != 0 {
		t.Errorf("report.pdf has %d bitmaps, want vectors only", n)
	}
}

func utf16(s string) string {
	var b strings.Builder
	for _, c := range []byte(s) {
		b.WriteString("\x00" + string(rune(c)))
	}
	return b.String()
}

// Nothing of a table leaves the page, whatever is in it.
func TestColumnsFit(t *testing.T) {
	for name, tables := range allTables() {
		for _, b := range compose(Build(tables)).blocks {
			if b.kind != tableBlock {
				continue
			}
			total := 0.0
			widths := columns(b.table, cellSize, columnGap, textWidth)
			for j, w := range widths {
				total += w
				for _, row := range b.table.rows {
					for _, line := range flow(row[j], cellSize, w+0.01) {
						if got := lineWidth(line, cellSize); got > w+0.1 && len(line) > 0 {
							t.Errorf("%s, table %s, column %d: a line is %.1f wide, its column %.1f", name, b.table.name, j, got, w)
						}
					}
				}
			}
			if total += columnGap * float64(len(widths)-1); total > textWidth+0.1 {
				t.Errorf("%s: table %s is %.0f wide, the page has %.0f", name, b.table.name, total, textWidth)
			}
		}
	}
}

func TestMathInline(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`x \in [0,16]^{64} \mapsto y \in \{0,\dots,9\}`, `_x_ ∈ [0, 16]^64^ ↦ _y_ ∈ {0, …, 9}`},
		{`-\log p(y|x)`, `−log _p_(_y_|_x_)`},
		{`\theta_i \le \frac{1}{n}`, `θ~i~ ≤ 1/_n_`}, {`\min_x \frac{a+b}{2}`, `min~x~ (_a_+_b_)/2`},
		{`\mathbb{R}^d`, `ℝ^d^`}, {`\foo{x`, `\foo_x_`}, {``, ``}, {`x^`, `_x_`}, {strings.Repeat("{", 100), ``},
	} {
		got := ""
		for _, p := range mathInline(c.in) {
			mark := map[look]string{italic: "_", super: "^", sub: "~"}[p.look]
			got += mark + p.s + mark
		}
		if got != c.want && len(c.in) < 90 {
			t.Errorf("mathInline(%s) = %s, want %s", c.in, got, c.want)
		}
	}
}

func FuzzFlow(f *testing.F) {
	f.Add("a b", `x^{2_{3}} \frac`, 50.0)
	f.Add("averyveryverylongword 卷積 😀", "$", 7.0)
	f.Fuzz(func(t *testing.T, s, math string, width float64) {
		if !(width > 1 && width < 1e4) || len(s)+len(math) > 2000 {
			return
		}
		for _, line := range flow(join(text(s), mathInline(math)), 10, width) {
			if len(line) > 1 && lineWidth(line, 10) > width*1.01+30 {
				t.Errorf("flow(%q) at %v gives a line of %v", s, width, lineWidth(line, 10))
			}
		}
	})
}
