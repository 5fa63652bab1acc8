package main

import (
	"fmt"
	"time"

	"orch/sweep"
	"orch/sweep/override"
)

// graceNote says that a program may be given less time to save than its config
// promises: Slurm ends a job soon after it has warned the worker.
func graceNote(plan *sweep.Plan) string {
	var longest time.Duration
	for _, b := range plan.Bases {
		grace := durationAt(b, "task.stop_grace")
		if v, ok := b.Get("task.checkpoint_signal"); ok && !v.IsNull() {
			grace *= 2 // it is waited for that, then for the stop
		}
		longest = max(longest, grace)
	}
	for _, g := range plan.Groups {
		if warn := durationAt(g.Launcher, "warn"); warn > 0 && longest > warn {
			return fmt.Sprintf("task.stop_grace gives a program up to %v to save and leave, but the worker is told only %v before the job's time is up: launcher.warn=%v gives it all",
				longest, warn, longest)
		}
	}
	return ""
}

// poolGrace is how long a worker of this machine may take to leave: as long as
// its programs may take to save, and a moment to seal. 0 if there are none.
func poolGrace(bases []override.Value) time.Duration {
	var longest time.Duration
	for _, b := range bases {
		if v, ok := b.Get("task"); !ok || v.IsNull() {
			continue
		}
		grace := 10 * time.Second // as in trainer/command
		if v, ok := b.Get("task.stop_grace"); ok && !v.IsNull() {
			grace = durationAt(b, "task.stop_grace")
		}
		if v, ok := b.Get("task.checkpoint_signal"); ok && !v.IsNull() {
			grace *= 2
		}
		longest = max(longest, grace+5*time.Second)
	}
	return longest
}

// durationAt reads a duration of a table, 0 if there is none.
func durationAt(table override.Value, key string) time.Duration {
	v, ok := table.Get(key)
	if !ok {
		return 0
	}
	d, _ := time.ParseDuration(v.Text())
	return d
}
