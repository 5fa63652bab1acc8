package slurm

import (
	"context"
	"strconv"
	"strings"

	"orch/launcher"
)

// limits are what `scontrol show config` says that bounds a job.
type limits struct {
	asked    bool
	maxArray int // the largest array index is one less
}

// defaultMaxArray is Slurm's own default of MaxArraySize (slurm.conf(5)).
const defaultMaxArray = 1001

// maxArray asks once how many workers one array may have.
func (s *Slurm) maxArray(ctx context.Context) int {
	s.mu.Lock()
	l := s.limits
	s.mu.Unlock()
	if !l.asked {
		a := s.run(ctx, deadline, queryEnv(), "scontrol", "show", "config")
		if a.err == nil && a.code == 0 {
			l = limits{asked: true, maxArray: parseConfig(a.stdout)}
			s.mu.Lock()
			s.limits = l
			s.mu.Unlock()
		}
	}
	if l.maxArray <= 0 {
		return defaultMaxArray
	}
	return l.maxArray
}

// parseConfig finds MaxArraySize; 0 if it is not there, or 0 (arrays are off).
func parseConfig(text string) int {
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, "=")
		if strings.TrimSpace(key) == "MaxArraySize" {
			n, err := strconv.Atoi(strings.TrimSpace(value))
			if err == nil && n > 0 {
				return n
			}
		}
	}
	return 0
}

// Fit implements [launcher.Sizer]: how many workers one job may have, which is
// what the user caps and the cluster allows. Whether they run at once is the
// scheduler's affair; those that wait start when there is room, as long as
// there is work. Before the first Jobs or Submit it takes Slurm's default for
// the cluster's limit.
func (s *Slurm) Fit(launcher.Resources) (int, bool) {
	n := s.opt.MaxWorkers
	if n <= 0 {
		n = DefaultMaxWorkers
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if m := s.limits.maxArray; m > 0 {
		return min(n, m), true
	}
	return min(n, defaultMaxArray), true
}
