package trainer

import (
	"slices"
	"time"
)

const (
	// telling is how many finished runs say how long a run takes.
	telling = 3
	// longest is the quantile of their durations that another run is expected
	// not to exceed.
	longest = 0.9
)

// fits reports whether another run may be begun: the worker may begin one, and it
// is expected to end before the worker has to leave. While nobody knows how long
// a run takes, any time that is left will do: what is cut short goes on from its
// checkpoint. The time is counted on this machine's monotonic clock.
func (w *Worker) fits() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.mayBegin()
}

// begin is fits for a run that is begun now.
func (w *Worker) begin() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.mayBegin() {
		return false
	}
	w.begun++
	return true
}

func (w *Worker) mayBegin() bool {
	if w.MaxRuns > 0 && w.begun >= w.MaxRuns {
		return false
	}
	if w.Deadline.IsZero() {
		return true
	}
	left := time.Until(w.Deadline) - w.Leave
	need := w.expected()
	if need > w.whole || w.begun == 0 {
		// It fits no worker, so it needs several, and each should take it far. Or
		// this worker is as fresh as any will be, and none would begin a run that
		// lasts as long as a worker but for the moment it takes to get here.
		need = min(need, w.whole/2)
	}
	return left > 0 && left >= need
}

// expected returns how long a run takes, 0 if nobody knows.
func (w *Worker) expected() time.Duration {
	if w.RunTime > 0 || len(w.took) < telling {
		return w.RunTime
	}
	i := min(int(longest*float64(len(w.took))), len(w.took)-1)
	return time.Duration(w.took[i] * float64(time.Second))
}

// ended notes how long a finished run took.
func (w *Worker) ended(seconds float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.Deadline.IsZero() || len(w.took) >= 1000 { // that many say it well enough
		return
	}
	i, _ := slices.BinarySearch(w.took, seconds)
	w.took = slices.Insert(w.took, i, seconds)
}
