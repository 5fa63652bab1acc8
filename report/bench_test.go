package report

import "testing"

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
