package main

import (
	"math"
	"time"

	"orch/sweep/results"
)

// eta is an estimate of when a sweep is over, in seconds from now.
type eta struct {
	Seconds float64 `json:"seconds"`
	Low     float64 `json:"low"`  // the 90% prediction range of the work that is left
	High    float64 `json:"high"` //
	Runs    int     `json:"runs"` // finished runs that it rests on
}

// kindOfRun tells runs apart that take differently long: those of another
// model, say. It is the base config they come from.
type kindOfRun struct{ segment, base int }

// moments are the sums that mean and variance come from.
type moments struct {
	n        int
	sum, sq  float64
	greatest float64
}

func (m *moments) add(x float64) {
	m.n++
	m.sum += x
	m.sq += x * x
	m.greatest = max(m.greatest, x)
}

func (m moments) mean() float64 { return m.sum / float64(m.n) }

func (m moments) variance() float64 {
	if m.n < 2 {
		return m.mean() * m.mean() // one sample says little: take 100% spread
	}
	return max(0, (m.sq-m.sum*m.mean())/float64(m.n-1))
}

// estimate predicts the rest of a sweep from the durations of its finished
// runs, by kind of run where at least two of the kind have finished, and from
// how many runs are executed at once. nil without any of either. A running run
// is taken to be half over, so that no two machines' clocks are compared.
//
// The work left, n runs of a kind with k finished, has the mean n*m and the
// variance s^2*(n + n^2/k): that of the sum and that of not knowing the mean.
// The range is mean +- 1.645 deviations, divided by the runs at once; and it
// ends no earlier than one longest run, since the last one is never split.
func estimate(states []results.RunState, atOnce int) *eta {
	var all moments
	kinds := map[kindOfRun]moments{}
	left := map[kindOfRun]float64{}
	n := 0.0
	for _, st := range states {
		k := kindOfRun{st.Run.Segment.Number, st.Run.Spec.Base}
		switch st.State {
		case results.StateDone:
			m := kinds[k]
			m.add(st.End.Seconds)
			kinds[k] = m
			all.add(st.End.Seconds)
		case results.StateQueued:
			left[k]++
			n++
		case results.StateRunning:
			left[k] += 0.5
			n++
		}
	}
	if n == 0 || atOnce == 0 || all.n == 0 {
		return nil
	}
	mean, variance := 0.0, 0.0
	for k, n := range left {
		m := kinds[k]
		if m.n < 2 {
			m = all
		}
		mean += n * m.mean()
		variance += m.variance() * (n + n*n/float64(m.n))
	}
	w := min(float64(atOnce), n)
	deviation := 1.645 * math.Sqrt(variance)
	e := &eta{Seconds: mean / w, Low: max(0, mean-deviation) / w, High: (mean + deviation) / w, Runs: all.n}
	e.High = max(e.High, min(all.greatest, mean))
	return e
}

func (e *eta) String() string {
	return "ETA " + about(seconds(e.Seconds)) + " (" + about(seconds(e.Low)) + "-" + about(seconds(e.High)) + ")"
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }
