package results

import (
	"slices"
	"testing"
)

// A write that fails costs no rows, of this run or of later ones: they go to a
// new file, each once.
func TestSeriesGoesOnAfterAFailedWrite(t *testing.T) {
	s := newSweep(t, 1, 1, true)
	w := s.OpenSeries("w")
	for step := range int64(4) {
		if err := w.Append(Row{Run: "r", Block: "1-0-0.0", Step: step, Metrics: []Metric{{"loss", 1}}}); err != nil {
			t.Fatal(err)
		}
		if step == 1 {
			w.f.Close() // as a file that its server has forgotten
			if w.Flush() == nil {
				t.Fatal("no error of a file that is closed")
			}
			continue
		}
		if err := w.Flush(); err != nil {
			t.Errorf("step %d: %v", step, err)
		}
	}
	if err := w.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	var steps []int64
	if err := s.Rows(func(r Row) { steps = append(steps, r.Step) }, func(p Problem) { t.Errorf("problem: %+v", p) }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(steps, []int64{0, 1, 2, 3}) {
		t.Errorf("steps %v, want all once and in order", steps)
	}
	names, err := sortedList(s.dir, "series")
	if err != nil || len(names) != 2 || names[0] != "w+1.jsonl" {
		t.Errorf("files %v, %v; want two", names, err)
	}
}
