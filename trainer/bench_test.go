package trainer

import (
	"context"
	"sync"
	"testing"
)

// BenchmarkWorker is what 10,000 runs that do nothing cost in two workers, all
// in: claims, folder, frozen config, log, start and end records, marks, seals.
// No process is started for a run.
func BenchmarkWorker(b *testing.B) {
	const n = 10_000
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		s := newSweep(b, n)
		b.StartTimer()
		var all sync.WaitGroup
		for range 2 {
			all.Go(func() {
				if _, err := newWorker(s, func(context.Context, *Run) error { return nil }).Run(b.Context(), nil); err != nil {
					b.Error(err)
				}
			})
		}
		all.Wait()
		b.StopTimer()
		if _, c := states(b, s); c.Done != n {
			b.Fatalf("counts %+v", c)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "us/run")
}
