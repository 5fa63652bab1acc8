package command

import (
	"fmt"
	"maps"
	"slices"

	"orch/sweep/results"
)

// earlier is what the attempts measured from whose checkpoint a run goes on.
// Their metrics files hold more than their workers had the time to read; the
// program itself does not measure those steps again.
type earlier struct {
	rows map[string][]point // by metric, in the order of its steps
	last map[string]float64 // values without a step, and the last of each metric

	points  int // so many are kept in all
	dropped int // so many were too many
}

// maxEarlier bounds the points that are kept, to some 20 MB of memory.
const maxEarlier = 1 << 20

type point struct {
	step int64
	x    float64
}

// measuredBefore reads the metrics files of an attempt's folder and of those
// that it may have resumed from itself. What cannot be read is left out: it was
// reported at the end of that attempt.
func measuredBefore(attempt string) *earlier {
	all := &earlier{rows: map[string][]point{}, last: map[string]float64{}}
	for _, dir := range append(results.EarlierAttempts(attempt), attempt) {
		one := &earlier{rows: map[string][]point{}, points: all.points}
		g := &gathered{to: one, dir: dir}
		t := tailer{g: g}
		t.end()
		for name, rows := range one.rows {
			all.rows[name] = append(before(all.rows[name], rows[0].step), rows...)
		}
		all.points, all.dropped = one.points, all.dropped+one.dropped
		maps.Copy(all.last, g.results)
	}
	return all
}

// before returns the points with a smaller step: one that a later attempt
// measured again counts no more.
func before(points []point, step int64) []point {
	return slices.DeleteFunc(points, func(p point) bool { return p.step >= step })
}

// Log implements [trainer.Metrics].
func (e *earlier) Log(step int64, name string, x float64) {
	if e.points++; e.points > maxEarlier {
		e.dropped++
		return
	}
	e.rows[name] = append(e.rows[name], point{step, x})
}

// Result implements [trainer.Metrics].
func (*earlier) Result(string, float64) {}

// Checkpoint implements [trainer.Metrics].
func (*earlier) Checkpoint(int64, string) {}

// until reports what was measured of a metric before a step: the program goes
// on with it there.
func (g *gathered) until(name string, step int64) {
	if g.earlier == nil {
		return
	}
	for _, p := range before(g.earlier.rows[name], step) {
		g.to.Log(p.step, name, p.x)
	}
	delete(g.earlier.rows, name)
}

// inherit takes what the program did not measure again until its end.
func (g *gathered) inherit() {
	if g.earlier == nil {
		return
	}
	if n := g.earlier.dropped; n > 0 {
		g.bad(metricsFile, fmt.Errorf("%d rows of earlier attempts are more than are carried over", n))
	}
	for _, name := range slices.Sorted(maps.Keys(g.earlier.rows)) {
		for _, p := range g.earlier.rows[name] {
			g.to.Log(p.step, name, p.x)
		}
	}
	for name, x := range g.earlier.last {
		if _, ok := g.results[name]; !ok {
			if err := g.set(name, x); err != nil {
				g.bad(metricsFile, err)
			}
		}
	}
}
