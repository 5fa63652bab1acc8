package sweep

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"orch/sweep/results"
)

// wide is a config of the size of a real one: about 40 keys, 1 KB.
func wide() map[string]string {
	var b strings.Builder
	for i := range 24 {
		fmt.Fprintf(&b, "option_%02d = \"a value of usual length %d\"\n", i, i)
	}
	return map[string]string{"training/base.toml": "epochs = 1\nlr = 0.1\nbatch = 32\nmomentum = 0.9\nclip = 1.0\n" + b.String()}
}

// gridRequest is a sweep of six keys.
func gridRequest(runs int, more string) Request {
	lens := map[int][6]int{
		1_000: {2, 5, 2, 5, 5, 2}, 10_000: {2, 5, 2, 5, 10, 10}, 100_000: {10, 10, 2, 5, 10, 10}, 1_000_000: {10, 10, 10, 10, 10, 10},
	}[runs]
	text := "name = \"grid\"\ndefaults = [\"train\"]\n" + more + "\n[sweep]\n" + fmt.Sprintf(`
"training.lr" = "geomspace(1e-4, 1e-1, %d)"
"training.batch" = "range(0,%d)"
"training.momentum" = "linspace(0, 0.9, %d)"
"training.clip" = "range(0,%d)"
"training.epochs" = "range(0,%d)"
seed = "range(0,%d)"
`, lens[0], lens[1], lens[2], lens[3], lens[4], lens[5])
	req := file(text)
	req.Source = testSource(wide())
	req.MaxRuns = 2_000_000
	return req
}

func BenchmarkExpand(b *testing.B) {
	for _, runs := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(runs), func(b *testing.B) { benchExpand(b, gridRequest(runs, ""), runs) })
	}
	b.Run("100000-computed", func(b *testing.B) {
		benchExpand(b, gridRequest(100_000, `tag = "${training.lr}-${training.batch}-${seed}"`), 100_000)
	})
}

func benchExpand(b *testing.B, req Request, runs int) {
	b.ReportAllocs()
	for b.Loop() {
		p, err := Expand(req)
		if err != nil {
			b.Fatal(err)
		}
		if p.Len() != runs {
			b.Fatalf("%d runs, want %d", p.Len(), runs)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(runs), "ns/run")
}

func BenchmarkSpecs(b *testing.B) {
	const runs = 100_000
	p, err := Expand(gridRequest(runs, ""))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, err := range p.Specs() {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(runs), "ns/run")
}

// BenchmarkPlan is all that submitting does for its runs: compose, check,
// expand, name them by what they compute, and write the segment to a tree.
func BenchmarkPlan(b *testing.B) {
	for _, runs := range []int{10_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(runs), func(b *testing.B) {
			tree, err := results.Create(b.TempDir(), results.DefaultSettings())
			if err != nil {
				b.Fatal(err)
			}
			defer tree.Close()
			req := gridRequest(runs, "")
			b.ReportAllocs()
			for n := 0; b.Loop(); n++ {
				s, err := tree.CreateSweep(fmt.Sprint("s", n))
				if err != nil {
					b.Fatal(err)
				}
				req.Source = testSource(wide()) // files are read again, as by a new process
				p, err := Expand(req)
				if err != nil {
					b.Fatal(err)
				}
				h := p.Header()
				for i := range h.Groups {
					h.Groups[i].Key, h.Groups[i].Workers = results.GroupKey(h.Groups[i].Launcher), 2
				}
				if _, err := s.Publish(h, p.Specs(), nil, 0); err != nil {
					b.Fatal(err)
				}
				if err := s.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(runs), "ns/run")
		})
	}
}

// A million runs, planned and streamed, fit 256 MiB.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("a million runs")
	}
	for name, req := range map[string]Request{
		"six axes": gridRequest(1_000_000, ""),
		"one axis": func() Request {
			r := file("defaults = [\"train\"]\n[sweep]\nseed = \"range(0,1000000)\"\n")
			r.MaxRuns = 1_000_000
			return r
		}(),
	} {
		t.Run(name, func(t *testing.T) {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC() // what pools hold goes with the second
			runtime.ReadMemStats(&m)
			before := int64(m.HeapAlloc)
			p := expand(t, req)
			most, n := int64(0), 0
			for _, err := range p.Specs() {
				if err != nil {
					t.Fatal(err)
				}
				if n++; n%250_000 == 0 {
					runtime.GC()
					runtime.ReadMemStats(&m)
					most = max(most, int64(m.HeapAlloc)-before)
				}
			}
			if n != 1_000_000 {
				t.Errorf("%d runs, want 1,000,000", n)
			}
			if most > 256<<20 {
				t.Errorf("the plan holds %d MiB, want at most 256", most>>20)
			}
			t.Logf("the plan holds %d MiB", most>>20)
		})
	}
}

func TestTooLarge(t *testing.T) {
	tests := []struct{ name, text string }{
		{"10^12", "[sweep]\na = \"range(0,100000)\"\nb = \"range(0,10000000)\"\n"},
		{"overflow", "[sweep]\na = \"range(0,9000000000000000000)\"\nb = \"range(0,9000000000000000000)\"\nc = \"range(0,9000000000000000000)\"\n"},
		{"one axis", "[sweep]\na = \"range(0,1,1e-12)\"\n"},
		{"hidden by an empty axis", "[sweep]\na = \"range(0,1000000000000)\"\nb = []\n"},
		{"blocks", "[[sweep]]\na = \"range(0,60000)\"\n[[sweep]]\na = \"range(0,60000)\"\n"},
		{"linspace", "[sweep]\na = \"linspace(0,1,1000000000000)\"\n"},
		{"seeds", "[sweep]\nseeds = 1000000000000\n"},
		{"samples", "[sweep]\na = [1, 2]\nsamples = 1000000000000\n"},
		{"samples of a huge axis", "[sweep]\na = \"range(0,1000000000000)\"\nsamples = 3\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			took := time.Duration(math.MaxInt64) // at best: the machine may stand still for a while
			for try := 0; try < 5 && took > 100*time.Millisecond; try++ {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				start := time.Now()
				_, err := Expand(file("defaults = [\"train\"]\n" + test.text))
				took = min(took, time.Since(start))
				runtime.ReadMemStats(&after)
				if err == nil || !strings.Contains(err.Error(), "--max-runs") && !strings.Contains(err.Error(), "interval") {
					t.Fatalf("error %v, want a refusal that says what to do", err)
				}
				if grown := after.TotalAlloc - before.TotalAlloc; grown > 64<<20 {
					t.Fatalf("%d MiB allocated before the refusal, want under 64", grown>>20)
				}
			}
			if took > time.Second {
				t.Errorf("refused after %v at best, want a few milliseconds", took)
			}
		})
	}
}
