package dispatch

import (
	"slices"
	"time"

	"orch/launcher"
	"orch/sweep/override"
	"orch/sweep/results"
)

const (
	// worthwhile is how much work a worker of a scheduler should find: its start
	// costs the scheduler a second, and the queue's patience.
	worthwhile = 5 * time.Minute
	// While nobody knows how long a run takes, a worker should find a few of
	// them; but eight are started anyway, for runs that are few and long.
	guessRuns    = 4
	guessWorkers = 8
	// telling is how many finished runs say how long a run takes.
	telling = 3
)

// measure collects how long the finished runs of each resource request took.
func (d *Dispatcher) measure(states []results.RunState) {
	d.took = map[string][]float64{}
	for i := range states {
		st := &states[i]
		if st.State != results.StateDone || len(st.Run.Tries) == 0 {
			continue
		}
		key := d.Snapshot.Plan.Key(st.Run.Tries[len(st.Run.Tries)-1].Block)
		d.took[key] = append(d.took[key], st.End.Seconds)
	}
	for _, list := range d.took {
		slices.Sort(list)
	}
}

// runTime returns how long a run of a request takes: at the quantile q of those
// that finished, if there are enough, else what the user says; 0 if nobody knows.
func (d *Dispatcher) runTime(key string, stated time.Duration, q float64) time.Duration {
	list := d.took[key]
	if len(list) < telling {
		return stated
	}
	i := min(int(q*float64(len(list))), len(list)-1)
	return time.Duration(list[i] * float64(time.Second))
}

// enough returns how many more workers a request deserves for so many runs that
// wait, beside those that live, of which some hold nothing: enough to be done
// soon, few enough that each has minutes of work.
func (d *Dispatcher) enough(key string, o opened, runs, alive, idle int) int {
	parallel := max(1, o.spec.Parallel)
	if per := o.spec.RunsPerWorker; per > 0 {
		return (runs+per-1)/per - idle
	}
	all := (runs + parallel - 1) / parallel // a run for each slot
	if o.spec.Workers > 0 {
		return all - idle
	}
	took := d.runTime(key, o.spec.RunTime, 0.5)
	if list := d.took[key]; len(list) >= telling { // for a sum the mean counts
		sum := 0.0
		for _, s := range list {
			sum += s
		}
		took = time.Duration(sum / float64(len(list)) * float64(time.Second))
	}
	switch {
	case took == 0 && d.busyFor(key) > worthwhile, took >= worthwhile:
		// A worker that holds something does not come to these runs for long; and
		// when nothing has finished for minutes, runs are long.
		return all - idle
	}
	return deserved(all, took) - alive
}

// deserved returns how many workers so many slots' worth of runs are enough
// for, each of which takes so long; 0: nobody knows.
func deserved(all int, took time.Duration) int {
	switch {
	case took >= worthwhile:
		return all
	case took == 0:
		return min(all, max(guessWorkers, (all+guessRuns-1)/guessRuns))
	}
	work := time.Duration(all) * took
	return min(all, max(1, int((work+worthwhile-1)/worthwhile)))
}

// First returns how many workers the first Step asks a machine for that others
// use too, for so many runs of a request of which none has finished yet. What
// the user and the machine allow is not looked at.
func First(spec launcher.Spec, runs int) int {
	if per := spec.RunsPerWorker; per > 0 {
		return (runs + per - 1) / per
	}
	parallel := max(1, spec.Parallel)
	all := (runs + parallel - 1) / parallel
	if spec.Workers > 0 {
		return min(all, spec.Workers)
	}
	return deserved(all, spec.RunTime)
}

// busyFor returns for how long this host has seen workers of a request hold
// runs.
func (d *Dispatcher) busyFor(key string) time.Duration {
	tag := "busy " + key
	for _, c := range d.Snapshot.OpenClaims() {
		if c.Key == key {
			return d.seen.Since(tag)
		}
	}
	d.seen.Forget(tag)
	return 0
}

// oneByOne reports whether a request counts the runs of its workers, so that
// they must be claimed one by one.
func oneByOne(table override.Value) bool {
	v, ok := table.Lookup("runs_per_worker")
	if !ok {
		return false
	}
	n, ok := v.Int()
	return ok && n > 0
}
