package slurm

import (
	"maps"
	"slices"
	"strings"
)

// CancelLine is what a person types to end these jobs (IDs as of Submit), or only
// their workers that have not started: a job is an array, and others of it may be
// at work. Numbers alone would mean another job on another cluster, and in an ID
// the ";" before the cluster's name ends a command of the shell.
func CancelLine(onlyPending bool, ids ...string) string {
	on := byCluster(ids)
	var commands []string
	for _, cluster := range slices.Sorted(maps.Keys(on)) {
		words := []string{"scancel"}
		if onlyPending {
			words = append(words, pendingOnly)
		}
		words = append(words, Options{Cluster: cluster}.elsewhere()...)
		commands = append(commands, strings.Join(append(words, on[cluster]...), " "))
	}
	return strings.Join(commands, " && ")
}

// pendingOnly makes scancel leave alone what runs.
const pendingOnly = "--state=PENDING"

// byCluster returns the numbers of jobs by the cluster that they are on, "" for
// this machine's own.
func byCluster(ids []string) map[string][]string {
	on := map[string][]string{}
	for _, id := range ids {
		if m := farForm.FindStringSubmatch(id); m != nil {
			on[m[2]] = append(on[m[2]], m[1])
		}
	}
	return on
}
