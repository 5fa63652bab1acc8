package report

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"orch/report/collect"
	"orch/sweep/override"
	"orch/sweep/results"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// sweepOf builds tables: every combination of the axes is a done run without
// metrics, last axis fastest, as a plan has them.
func sweepOf(study any, axes ...results.Axis) *collect.Tables {
	v, err := override.FromAny(study)
	if err != nil {
		panic(err)
	}
	t := &collect.Tables{Sweep: "depth"}
	t.Header = results.Header{Format: 1, Kind: results.KindPlan, Sweep: "depth", Axes: axes, Study: v}
	t.Header.Provenance = results.Provenance{
		Time: time.Date(2026, 11, 1, 10, 30, 0, 0, time.UTC), Host: "login1", User: "ada", Dir: "/home/ada/thesis",
		Command: []string{"orch", "submit", "sweep.toml", "--launcher=slurm"}, Orch: "0.1.0", Binary: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		Go: "go1.26", Commit: "c5b4722e0d",
	}
	combine := [][]override.Field{nil}
	for _, a := range axes {
		var next [][]override.Field
		for _, fields := range combine {
			for _, v := range a.Values {
				next = append(next, append(slices.Clone(fields), override.Field{Key: override.StringValue(a.Key), Val: v}))
			}
		}
		combine = next
	}
	for i, fields := range combine {
		t.Runs = append(t.Runs, collect.Run{ID: fmt.Sprintf("%08x", i), Name: fmt.Sprintf("depth-%02d", i), State: "done", Class: results.Done,
			Swept: fields, Attempts: 1, Seconds: 20 + float64(i), Host: fmt.Sprintf("n%d", i%2), Code: "0.1.0 9f86d081"})
		t.Attempts = append(t.Attempts, collect.Attempt{Run: t.Runs[i].ID, Folder: fmt.Sprintf("runs/depth-%02d/a1", i), Class: results.Done, Counted: true, Seconds: 20 + float64(i)})
	}
	return t
}

func words(key string, values ...string) results.Axis {
	a := results.Axis{Key: key}
	for _, v := range values {
		a.Values = append(a.Values, override.StringValue(v))
	}
	return a
}

func ints(key string, n int) results.Axis {
	a := results.Axis{Key: key}
	for i := range n {
		a.Values = append(a.Values, override.IntValue(int64(i)))
	}
	return a
}

// measure gives run i the metrics f(i), sorted by name.
func measure(t *collect.Tables, names []string, f func(i int) []float64) *collect.Tables {
	for i := range t.Runs {
		t.Runs[i].Metrics = nil
		for j, v := range f(i) {
			t.Runs[i].Metrics = append(t.Runs[i].Metrics, collect.Metric{Name: names[j], Value: v})
		}
	}
	return t
}

func end(t *collect.Tables, i int, state string, class results.Class, message string) {
	r := &t.Runs[i]
	r.State, r.Class, r.Message, r.Metrics = state, class, message, nil
	if class == results.NoEnd {
		r.Host, r.Code, r.Seconds, r.Attempts = "", "", 0, 0
	}
}

type object = map[string]any

// depthStudy is the study of the sweep file in the design.
func depthStudy() object {
	return object{
		"question":   "Does depth help on digits at a fixed budget of three epochs?",
		"formal":     `x \in [0,16]^{64} \mapsto y \in \{0,\dots,9\}`,
		"hypothesis": "net5 reaches a higher test accuracy than net2",
		"baseline":   object{"model": "net2", "why": "the smallest network of the family"},
		"metrics": []any{
			object{"name": "test.accuracy", "goal": "maximize", "definition": "share of the test split classified correctly, after the last epoch"},
			object{"name": "test.loss", "goal": "minimize", "unit": "nat", "definition": "mean negative log-likelihood $-\\log p(y|x)$ on the test split"},
		},
		"success": object{"compare": "model", "candidate": "net5", "metric": "test.accuracy", "pair_by": []any{"seed"}, "test": "paired-t", "alpha": 0.05, "min_effect": 0.005},
	}
}

var accuracies = [][]float64{ // by model, by seed: multiples of 1/360
	{0.902778, 0.911111, 0.897222, 0.908333, 0.905556},
	{0.930556, 0.936111, 0.919444, 0.938889, 0.927778},
	{0.936111, 0.913889, 0.941667, 0.933333, 0.925},
}

func depth() *collect.Tables {
	t := sweepOf(depthStudy(), words("model", "net2", "net5", "net7"), ints("seed", 5), results.Axis{Key: "training.epochs", Values: []override.Value{override.IntValue(3)}})
	return measure(t, []string{"test.accuracy", "test.loss", "train.seconds"}, func(i int) []float64 {
		a := accuracies[i/5][i%5]
		return []float64{a, 2.3 * (1 - a), 11 + float64(i)/7}
	})
}

// troubled has everything that goes wrong in practice.
func troubled() *collect.Tables {
	t := depth()
	t.Runs[4].Name = "a|b <script>alert(1)</script>\n# heading `code` *bold* [x](javascript:y) \x1b[31mred \u202egnp"
	end(t, 6, "failed", results.OutOfMemory, "CUDA out of memory: tried to allocate 2 GiB | see <log>")
	end(t, 7, "failed", results.Failed, "exit 1: \x1b[31mTraceback\n  File \"fit.py\", line 3\nValueError: ||| <img src=x onerror=alert(1)>")
	end(t, 8, "queued", results.NoEnd, "")
	end(t, 12, "running", results.NoEnd, "")
	t.Runs[10].Metrics[1].Value = math.NaN()
	t.Runs[11].Metrics = t.Runs[11].Metrics[:1]
	t.Runs[13].Code = "0.1.1 aa17c2"
	t.Runs = append(t.Runs, collect.Run{ID: "ff", Name: "old", Dropped: true, State: "done", Class: results.Done, Metrics: []collect.Metric{{Name: "test.accuracy", Value: 1}}})
	t.Problems = []collect.Problem{{File: "journals/w1.jsonl", Offset: 4711, Text: "torn line"}}
	t.Header.Provenance.Dirty, t.Header.Provenance.DirtyHash = true, "0123456789abcdef"
	return t
}

func exploratory() *collect.Tables {
	c := results.Axis{Key: "c", Values: []override.Value{override.FloatValue(0.01), override.FloatValue(1)}}
	t := sweepOf(nil, c, words("kernel", "linear", "rbf"), ints("seed", 3))
	t.Sweep = "sk"
	return measure(t, []string{"accuracy", "fit_seconds", "version"}, func(i int) []float64 {
		return []float64{0.8 + 0.1*float64(i/6) + 0.013*float64(i%3) + 0.02*float64(i/3%2) + 0.001*float64(i*i%7), 0.5 + float64(i%5)/100, 2}
	})
}

func hostileSweep() *collect.Tables {
	t := sweepOf(object{"title": "<b>Depth</b> | # 1", "question": "Is <script>alert(1)</script> | worse?\n\n# not a heading", "formal": "a < b \\text{ <script>}",
		"metrics": []any{object{"name": "m|<i>", "goal": "minimize", "definition": "a | b <b>"}}},
		words("model|x", "a|b", "<script>alert(1)</script>", "line\nbreak", "=1+1", "`tick`", "$x$", "_u_", "# h", ""), ints("seed", 2))
	return measure(t, []string{"m|<i>"}, func(i int) []float64 { return []float64{float64(i*i) / 10} })
}

func single() *collect.Tables {
	t := sweepOf(nil, words("model", "net2", "net5"))
	return measure(t, []string{"test.accuracy"}, func(i int) []float64 { return []float64{0.9 + float64(i)/37} })
}

func nothing() *collect.Tables {
	t := depth()
	for i := range t.Runs {
		end(t, i, "queued", results.NoEnd, "")
	}
	return t
}

func TestGolden(t *testing.T) {
	for name, tables := range map[string]*collect.Tables{
		"depth": depth(), "troubled": troubled(), "exploratory": exploratory(), "hostile": hostileSweep(), "single": single(), "nothing": nothing(), "sets": overSets("data"),
	} {
		r := Build(tables)
		files := []File{}
		for _, f := range []Format{Markdown, CSV, LaTeX, JSON} {
			out, err := f.Render(r)
			if err != nil {
				t.Fatal(err)
			}
			files = append(files, out...)
		}
		for _, width := range []int{0, 60} {
			var b bytes.Buffer
			if err := r.Summary(&b, width); err != nil {
				t.Fatal(err)
			}
			files = append(files, File{fmt.Sprintf("summary-%d.txt", width), b.Bytes()})
		}
		for _, f := range files {
			if strings.HasPrefix(f.Name, "tables/") && strings.HasSuffix(f.Name, ".md") {
				if !strings.Contains(string(files[0].Data), strings.TrimRight(string(f.Data), "\n")) {
					t.Errorf("%s: %s is not the table of report.md", name, f.Name)
				}
				continue
			}
			checkGolden(t, filepath.Join("testdata", name, filepath.Base(f.Name)), f.Data)
		}
	}
}

func checkGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s:\ngot\n%s\nwant\n%s", path, got, want)
	}
}
