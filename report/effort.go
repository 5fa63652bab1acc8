package report

import (
	"time"

	"orch/report/collect"
	"orch/sweep/override"
)

// Effort is what the sweep cost, all attempts together. Times on other machines
// are by their clocks: good enough to show, never to decide.
type Effort struct {
	Seconds     float64 // of all attempts
	Lost        float64 // of them, those whose attempt does not count
	CPUSeconds  float64 // user and system time, where the attempts measured it
	Asked       float64 // worker seconds asked of launchers: workers times their time limit; 0 if none has one
	AskedCPU    float64 // the same times the CPUs of a worker
	AskedGPU    float64 // the same times the GPUs of a worker
	Submissions int
	Workers     int
	Wait        float64 // median seconds from a submission to its first run's start; 0 if unknown
	Waits       int     // submissions that Wait rests on
}

func effortOf(t *collect.Tables) Effort {
	e := Effort{Submissions: len(t.Submissions)}
	first := map[string]time.Time{}
	for _, a := range t.Attempts {
		e.Seconds += a.Seconds
		e.CPUSeconds += a.CPU
		if !a.Counted {
			e.Lost += a.Seconds
		}
		if x, ok := first[a.Submission]; a.Submission != "" && !a.Start.IsZero() && (!ok || a.Start.Before(x)) {
			first[a.Submission] = a.Start
		}
	}
	var waits []float64
	for _, s := range t.Submissions {
		if !s.Accepted {
			continue
		}
		e.Workers += s.Workers
		limit := duration(s.Launcher, "time") * float64(s.Workers)
		e.Asked += limit
		e.AskedCPU += limit * number(s.Launcher, "cpus", number(s.Launcher, "threads", 1)*number(s.Launcher, "parallel", 1))
		e.AskedGPU += limit * number(s.Launcher, "gpus", 0)
		if x, ok := first[s.Key]; ok && x.After(s.Time) {
			waits = append(waits, x.Sub(s.Time).Seconds())
		}
	}
	if e.Waits = len(waits); e.Waits > 0 {
		e.Wait = median(waits)
	}
	return e
}

func number(table override.Value, key string, otherwise float64) float64 {
	if v, ok := table.Lookup(key); ok {
		if f, ok := v.Float(); ok {
			return f
		}
	}
	return otherwise
}

// duration reads a duration such as "2h" in seconds; 0 if there is none.
func duration(table override.Value, key string) float64 {
	v, _ := table.Lookup(key)
	s, _ := v.Str()
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0
	}
	return d.Seconds()
}
