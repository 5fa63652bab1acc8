package report

import (
	"fmt"
	"testing"

	"orch/report/collect"
	"orch/sweep/results"
)

// BenchmarkBuild reports on 10,000 runs: 20 x 10 x 50, exploratory, which
// compares most.
func BenchmarkBuild(b *testing.B) {
	t := sweepOf(nil, ints("width", 20), ints("depth", 10), ints("seed", 50))
	measure(t, []string{"test.accuracy", "test.loss", "train.loss"}, func(i int) []float64 {
		x := float64(i*7919%1009) / 1009
		return []float64{x, 1 - x*x, x * x}
	})
	b.ReportAllocs()
	for b.Loop() {
		r := Build(t)
		if _, err := Markdown.Render(r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(t.Runs))*float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkAllFormats writes everything that orch report writes: for 15 runs
// with 60 steps, and for 10,000 with 20.
func BenchmarkAllFormats(b *testing.B) {
	for _, size := range []struct {
		name  string
		axes  []results.Axis
		steps int
	}{
		{"15 runs", []results.Axis{words("model", "net2", "net5", "net7"), ints("seed", 5)}, 60},
		{"10000 runs", []results.Axis{ints("width", 20), ints("depth", 10), ints("seed", 50)}, 20},
	} {
		b.Run(size.name, func(b *testing.B) {
			t := sweepOf(nil, size.axes...)
			measure(t, []string{"test.accuracy", "test.loss", "train.loss"}, func(i int) []float64 {
				x := float64(i*7919%1009) / 1009
				return []float64{x, 1 - x*x, x * x}
			})
			for i, r := range t.Runs {
				for s := range size.steps {
					t.Series = append(t.Series, collect.Point{Run: r.ID, Step: int64(s), Name: "train.loss", Value: float64(i%17) / float64(s+1)},
						collect.Point{Run: r.ID, Step: int64(s), Name: "val.accuracy", Value: 1 - float64(i%13)/float64(s+10)})
				}
			}
			for b.Loop() {
				r := Build(t)
				for _, f := range []Format{HTML, PDF, Markdown, Notebook, LaTeX, CSV, Figures, JSON} {
					files, err := f.Render(r)
					if err != nil {
						b.Fatal(err)
					}
					bytes := 0
					for _, x := range files {
						bytes += len(x.Data)
					}
					b.ReportMetric(float64(bytes)/1024, fmt.Sprintf("KiB-%s", f.Name))
				}
			}
		})
	}
}
