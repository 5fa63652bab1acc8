//go:build unix

package slurm_test

import (
	"testing"
	"time"

	"orch/launcher"
	"orch/launcher/launchertest"
	"orch/launcher/slurm"
)

var resources = launcher.Resources{CPUs: 1, MemMiB: 100, Time: time.Hour}

// TestLauncher holds the launcher to the contract, on a real Slurm.
func TestLauncher(t *testing.T) {
	// 8 workers at once. proctrack/linuxproc, which deploy/slurm-dev has, loses
	// children whose parent was killed; pgid keeps those, and real clusters
	// (cgroup) keep all.
	cluster(t, "--nodes", "4", "--conf", "ProctrackType=proctrack/pgid")
	var calls func() int
	launchertest.Run(t, launchertest.Suite{
		Open: func(t testing.TB, _ string) launcher.Launcher {
			s, err := slurm.Open(slurm.Options{})
			if err != nil {
				t.Fatal(err)
			}
			calls = s.Calls
			return s
		},
		Resources: resources,
		Patience:  patience,
		Poll:      200 * time.Millisecond,
		Many:      40,
		Calls:     func() int { return calls() },
		Pending: func(r *launcher.Request) {
			r.Options = map[string]any{"partition": "short"} // 5 minutes
			r.Resources.Time = time.Hour
		},
		Outlives:      true,
		LosesSessions: true,
	})
}
