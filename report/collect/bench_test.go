package collect

import (
	"fmt"
	"os"
	"testing"

	"orch/sweep/override"
	"orch/sweep/results"
)

// finishedSweep makes a sweep of n runs that one worker did, with rows metric rows each.
func finishedSweep(b testing.TB, n, rows int) *results.Sweep {
	return finishedSweepIn(b, b.TempDir(), "s", n, rows)
}

func finishedSweepIn(b testing.TB, root, name string, n, rows int) *results.Sweep {
	b.Helper()
	tree, err := results.Create(root, results.DefaultSettings())
	if err != nil {
		b.Fatal(err)
	}
	s, err := tree.CreateSweep(name)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close(); tree.Close() })
	field := func(k string, v override.Value) override.Field {
		return override.Field{Key: override.QuotedValue(k), Val: v}
	}
	l := override.MapValue(field("backend", override.QuotedValue("pool")))
	base := []override.Field{field("x", override.IntValue(0))}
	for i := range 30 { // a config of the usual size
		base = append(base, field(fmt.Sprint("parameter_", i), override.FloatValue(1.5*float64(i))))
	}
	h := results.Header{Kind: results.KindPlan, Axes: []results.Axis{{Key: "x"}},
		Bases:  []override.Value{override.MapValue(base...)},
		Groups: []results.Group{{Key: "k", Launcher: l, Workers: 4}}}
	_, err = s.Publish(h, func(yield func(results.RunSpec, error) bool) {
		for i := range n {
			r := results.RunSpec{ID: fmt.Sprintf("%024x", i), Name: fmt.Sprintf("%06d-x%d", i, i), Work: true, Delta: []override.Field{field("x", override.IntValue(int64(i)))}}
			if !yield(r, nil) {
				return
			}
		}
	}, nil, 0)
	if err != nil {
		b.Fatal(err)
	}
	j, err := s.OpenJournal(results.Self())
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	series := s.OpenSeries(j.Holder().Name)
	board, err := s.Board("k")
	if err != nil {
		b.Fatal(err)
	}
	for {
		held, err := board.Claim(func() (*results.Journal, error) { return j, nil })
		if err != nil {
			b.Fatal(err)
		}
		if held == nil {
			break
		}
		full := results.GenName(held.Block, held.Gen)
		for _, r := range held.Runs {
			j.Append(results.Record{Kind: results.RecordStart, Run: r.Run.ID, Block: full, Folder: r.Attempt})
			for step := range rows {
				series.Append(results.Row{Run: r.Run.ID, Block: full, Step: int64(step), Metrics: []results.Metric{{Name: "loss", Value: 1 / float64(step+1)}}})
			}
			j.Append(results.Record{Kind: results.RecordEnd, Run: r.Run.ID, Block: full, Class: results.Done, Seconds: 0.1, Metrics: []results.Metric{{Name: "acc", Value: 0.5}, {Name: "loss", Value: 0.25}}})
		}
		if _, err := j.Seal(held.Block, held.Gen, 0); err != nil {
			b.Fatal(err)
		}
	}
	if err := series.Close(); err != nil {
		b.Fatal(err)
	}
	return s
}

// TestTreeForBench makes trees of finished runs for deploy/bench, which times
// whole commands on them: $ORCH_BENCH_TREE is the folder, $ORCH_BENCH_SHAPE the
// numbers of sweeps, of runs in each and of metric rows a run.
func TestTreeForBench(t *testing.T) {
	root := os.Getenv("ORCH_BENCH_TREE")
	if root == "" {
		t.Skip("makes trees for deploy/bench: set ORCH_BENCH_TREE")
	}
	var sweeps, runs, rows int
	if _, err := fmt.Sscan(os.Getenv("ORCH_BENCH_SHAPE"), &sweeps, &runs, &rows); err != nil {
		t.Fatal("ORCH_BENCH_SHAPE: want three numbers:", err)
	}
	for i := range sweeps {
		finishedSweepIn(t, root, fmt.Sprintf("s%02d", i), runs, rows)
	}
}

// BenchmarkCollect is the first collect of a finished sweep: read everything,
// fold, and write all tables to disk.
func BenchmarkCollect(b *testing.B) {
	for _, rows := range []int{0, 20} {
		b.Run(fmt.Sprintf("100000runs/%drows", rows), func(b *testing.B) {
			s := finishedSweep(b, 100_000, rows)
			b.ReportAllocs()
			for b.Loop() {
				sn, err := s.Snapshot()
				if err != nil {
					b.Fatal(err)
				}
				t, err := Fold(sn, Options{Series: true})
				if err == nil {
					err = t.Store(s, "", nil)
				}
				if err != nil || len(t.Runs) != 100_000 || len(t.Series) != rows*100_000 {
					b.Fatal(err, len(t.Runs), len(t.Series))
				}
			}
		})
	}
}
