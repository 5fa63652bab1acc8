package results

import (
	"fmt"
	"os"
	"testing"
)

// bigSweep makes a finished sweep of n runs that w workers did.
func bigSweep(b *testing.B, n, w int) *Sweep {
	b.Helper()
	s := newSweep(b, n, w, false)
	journals := make([]*Journal, w)
	for i := range journals {
		journals[i] = openJournal(b, s)
	}
	board := openBoard(b, s)
	for i := 0; ; i++ {
		j := journals[i%w]
		h, err := board.Claim(func() (*Journal, error) { return j, nil })
		if err != nil {
			b.Fatal(err)
		}
		if h == nil {
			return s
		}
		for _, r := range h.Runs {
			do(b, j, h, r, Done)
		}
		if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSnapshot reads a finished sweep of 100,000 runs from its raw files
// and derives every run's state: what status and the first collect do.
func BenchmarkSnapshot(b *testing.B) {
	s := bigSweep(b, 100_000, 8)
	b.ReportAllocs()
	for b.Loop() {
		sn, err := s.Snapshot()
		if err != nil {
			b.Fatal(err)
		}
		if c := Count(sn.Derive()); c.Done != 100_000 {
			b.Fatalf("counts %+v", c)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/100_000, "ns/run")
}

// BenchmarkRefresh looks at the same sweep again when nothing is new.
func BenchmarkRefresh(b *testing.B) {
	s := bigSweep(b, 100_000, 8)
	sn, err := s.Snapshot()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if changed, err := sn.Refresh(); changed || err != nil {
			b.Fatal(changed, err)
		}
	}
}

// BenchmarkRun is what the tree costs a run: start and end records, marks,
// claims and seals, of a worker that does nothing else.
func BenchmarkRun(b *testing.B) {
	for _, n := range []int{10_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				s := newSweep(b, n, 2, false)
				j := openJournal(b, s)
				b.StartTimer()
				board := openBoard(b, s)
				for {
					h, err := board.Claim(func() (*Journal, error) { return j, nil })
					if err != nil {
						b.Fatal(err)
					}
					if h == nil {
						break
					}
					for _, r := range h.Runs {
						do(b, j, h, r, Done)
						if j.Unmarked() >= 64 {
							if _, err := j.Mark(); err != nil {
								b.Fatal(err)
							}
						}
					}
					if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				os.RemoveAll(s.Path())
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/run")
		})
	}
}
