package trainer

import (
	"sync"

	"orch/sweep/results"
)

// recorder turns what a trainer measures into journal and series lines.
type recorder struct {
	worker *Worker
	run    string
	block  string
	alive  func() // called at each sign of life

	mu      sync.Mutex
	results []results.Metric
	row     results.Row // of the current step, until the next begins
	cpu     float64
	rss     int64
}

var _ Metrics = (*recorder)(nil)

// maxRowMetrics bounds a row, whose line may not be longer than 1 MiB: a program
// may measure at one step for ever.
const maxRowMetrics = 1000

// Log implements [Metrics]. Consecutive values of one step become one row.
func (r *recorder) Log(step int64, name string, value float64) {
	r.alive()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.row.Metrics) > 0 && r.row.Step != step || len(r.row.Metrics) >= maxRowMetrics {
		r.flush()
	}
	r.row.Step = step
	r.row.Metrics = append(r.row.Metrics, results.Metric{Name: name, Value: value})
}

// flush hands the row to the series. The series tries again what it could not
// write, and the worker reports what was lost when it closes; a run does not fail
// for its curves.
func (r *recorder) flush() {
	if len(r.row.Metrics) == 0 {
		return
	}
	r.row.Run, r.row.Block = r.run, r.block
	r.worker.series.Append(r.row)
	r.row.Metrics = r.row.Metrics[:0]
}

// Result implements [Metrics].
func (r *recorder) Result(name string, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.results {
		if r.results[i].Name == name {
			r.results[i].Value = value
			return
		}
	}
	r.results = append(r.results, results.Metric{Name: name, Value: value})
}

// Checkpoint implements [Metrics]. The rows before it reach the series first:
// an attempt that resumes here does not measure them again.
func (r *recorder) Checkpoint(step int64, file string) {
	r.alive()
	r.mu.Lock()
	r.flush()
	r.worker.series.Flush()
	r.mu.Unlock()
	err := r.worker.journal.Append(results.Record{Kind: results.RecordCheckpoint, Run: r.run, Block: r.block, Step: step, File: file})
	if err != nil {
		r.worker.Log.Warn().Err(err).Str("run", r.run).Msg("checkpoint not journaled")
	}
}

// Alive notes a sign of life that is no row of the series: a value without a
// step, for instance.
func (r *recorder) Alive() { r.alive() }

// Usage sets what the run used, as far as its trainer can tell.
func (r *recorder) Usage(cpuSeconds float64, maxRSS int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cpu, r.rss = cpuSeconds, maxRSS
}

// finish puts the final metrics into the end record and the last rows into the
// series, before the end is journaled.
func (r *recorder) finish(end *results.Record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.flush()
	r.worker.series.Flush()
	end.Metrics, end.CPU, end.MaxRSS = r.results, r.cpu, r.rss
}

// missing returns which of the owed metrics were not reported.
func (r *recorder) missing(owed []string) []string {
	var missing []string
next:
	for _, name := range owed {
		for _, m := range r.results {
			if m.Name == name {
				continue next
			}
		}
		missing = append(missing, name)
	}
	return missing
}
