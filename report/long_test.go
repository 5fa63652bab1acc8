package report

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orch/report/collect"
)

// These tests hold the outputs against the programs that read them. They run
// with ORCH_LONG=1, each where its program is installed (Debian: chromium,
// texlive-latex-base, texlive-latex-recommended, python3-nbformat,
// poppler-utils).
func program(t *testing.T, name string) string {
	t.Helper()
	if os.Getenv("ORCH_LONG") == "" {
		t.Skip("ORCH_LONG is not set")
	}
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed", name)
	}
	return path
}

// write renders formats of a sweep into a folder of its own.
func write(t *testing.T, tables *collect.Tables, formats ...Format) string {
	t.Helper()
	dir := t.TempDir()
	r := Build(tables)
	for _, f := range formats {
		files, err := f.Render(r)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range files {
			path := filepath.Join(dir, x.Name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, x.Data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// withSteps adds learning curves.
func withSteps(t *collect.Tables) *collect.Tables {
	for i, r := range t.Runs {
		for s := range 20 {
			t.Series = append(t.Series, collect.Point{Run: r.ID, Step: int64(10 * s), Name: "val</script>.loss_%$#&{}~^\\", Value: float64(i%7+1) / float64(s+1)})
		}
	}
	return t
}

// A browser shows the page: charts are drawn, no script fails, the policy is
// kept, and no request is made; with 10,000 runs too.
func TestChromium(t *testing.T) {
	chromium := program(t, "chromium")
	many := sweepOf(nil, ints("width", 20), ints("depth", 10), ints("seed", 50))
	measure(many, []string{"test.accuracy"}, func(i int) []float64 { return []float64{float64(i*7919%1009) / 1009} })
	for name, tables := range map[string]*collect.Tables{"depth": depth(), "hostile": hostileSweep(), "10,000 runs": many} {
		dir := write(t, withSteps(tables), HTML)
		log := filepath.Join(dir, "net.json")
		cmd := exec.Command(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--user-data-dir="+filepath.Join(dir, "profile"), "--disable-component-update", "--disable-background-networking",
			"--enable-logging=stderr", "--log-net-log="+log, "--virtual-time-budget=5000", "--dump-dom", "file://"+filepath.Join(dir, "report.html"))
		var messages strings.Builder
		cmd.Stderr = &messages
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, messages.String())
		}
		dom := string(out)
		if !strings.Contains(dom, `<figure class="live">`) || !strings.Contains(dom, `<canvas`) {
			t.Errorf("%s: no live chart was drawn", name)
		}
		if !strings.Contains(dom, `type="search"`) {
			t.Errorf("%s: the list of runs has no filter", name)
		}
		for _, line := range strings.Split(messages.String(), "\n") {
			if strings.Contains(line, "CONSOLE") {
				t.Errorf("%s: the console says %s", name, line)
			}
		}
		net, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(net), `"url":"`)[1:] {
			url, _, _ := strings.Cut(part, `"`)
			if initiator := strings.Contains(part[:min(len(part), 400)], "report.html"); !strings.HasPrefix(url, "file:") && initiator {
				t.Errorf("%s: the page asked for %s", name, url)
			}
		}
	}
}

// pdfTeX takes every table and figure, whatever the names.
func TestLaTeXCompiles(t *testing.T) {
	pdflatex := program(t, "pdflatex")
	for name, tables := range allTables() {
		dir := write(t, withSteps(tables), LaTeX, Figures)
		var b strings.Builder
		b.WriteString("\\documentclass{article}\\usepackage{booktabs}\\usepackage[T1]{fontenc}\\usepackage{graphicx}\\begin{document}\n")
		for _, pattern := range []string{"tables/*.tex", "fig/*.pdf"} {
			files, err := filepath.Glob(filepath.Join(dir, pattern))
			if err != nil || len(files) == 0 && !(name == "nothing" || pattern == "tables/*.tex") {
				t.Fatalf("%s: %d files match %s, %v", name, len(files), pattern, err)
			}
			for _, f := range files {
				rel, _ := filepath.Rel(dir, f)
				command := "\\input{%s}\n\n"
				if strings.HasSuffix(f, ".pdf") {
					command = "\\includegraphics{%s}\n\n"
				}
				fmt.Fprintf(&b, command, rel)
			}
		}
		b.WriteString("\\end{document}\n")
		if err := os.WriteFile(filepath.Join(dir, "all.tex"), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(pdflatex, "-halt-on-error", "-interaction=nonstopmode", "-no-shell-escape", "all.tex")
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out[max(0, len(out)-1500):])
		}
	}
}

// The notebook is valid, and its cells run with Python's standard library.
func TestNotebookRuns(t *testing.T) {
	program(t, "python3")
	python := "/usr/bin/python3" // Debian's, which has Debian's nbformat
	for name, tables := range allTables() {
		dir := write(t, tables, Notebook)
		cmd := exec.Command(python, "-c", `
import json, sys
nb = json.load(open("report.ipynb"))
try:
    import nbformat
    nbformat.validate(nbformat.read(open("report.ipynb"), 4))
except ImportError:
    pass
sys.modules["matplotlib"] = None
scope = {}
for c in nb["cells"]:
    if c["cell_type"] == "code":
        exec("".join(c["source"]), scope)
`)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
		if name == "depth" && !strings.Contains(string(out), "net5 minus net2: 0.02556  t(4) = 15.8  n = 5 pairs") {
			t.Errorf("%s: the notebook says\n%s", name, out)
		}
	}
}

// Poppler reads every page, its text and what is attached.
func TestPopplerReads(t *testing.T) {
	pdftotext := program(t, "pdftotext")
	start := time.Now()
	for name, tables := range allTables() {
		dir := write(t, withSteps(tables), PDF)
		out, err := exec.Command(pdftotext, filepath.Join(dir, "report.pdf"), "-").CombinedOutput()
		if err != nil || strings.Contains(string(out), "Syntax") {
			t.Errorf("%s: %v\n%s", name, err, out[:min(len(out), 2000)])
		}
		if name == "depth" && (!strings.Contains(string(out), "Criterion met.") || !strings.Contains(string(out), "0.9306 ± 0.0094")) {
			t.Errorf("%s: the text lacks the verdict or the table", name)
		}
	}
	t.Logf("took %v", time.Since(start).Round(time.Millisecond))
}
