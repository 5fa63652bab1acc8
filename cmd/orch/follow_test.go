package main

import "testing"

// sbatch knows the jobs to wait for by their numbers; on a cluster that is named
// an ID has its name too.
func TestAfterAny(t *testing.T) {
	for want, ids := range map[string][]string{
		"--dependency=afterany:12":    {"12"},
		"--dependency=afterany:12:13": {"12;big", "13;big"},
	} {
		if got := afterAny(ids); got != want {
			t.Errorf("afterAny(%q) = %s, want %s", ids, got, want)
		}
	}
}
