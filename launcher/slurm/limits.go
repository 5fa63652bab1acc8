package slurm

import (
	"cmp"
	"context"
	"strconv"
	"strings"

	"orch/launcher"
)

// limits are what `scontrol show config` says that matters to us.
type limits struct {
	asked    bool
	maxArray int // the largest array index is one less; 0: unknown
	// tracks says that no process of a job can outlive it: the cluster keeps
	// each job in a control group. Other ways lose processes that leave their
	// session (proctrack/pgid) or whose parent died first (proctrack/linuxproc).
	tracks bool
}

// defaultMaxArray is Slurm's own default of MaxArraySize (slurm.conf(5)).
const defaultMaxArray = 1001

// ask learns the cluster's limits, once. A controller that does not answer is
// asked again next time.
func (s *Slurm) ask(ctx context.Context) limits {
	s.mu.Lock()
	l := s.limits
	s.mu.Unlock()
	if l.asked {
		return l
	}
	a := s.run(ctx, deadline, queryEnv(), "scontrol", "show", "config")
	if a.err != nil || a.code != 0 {
		return limits{}
	}
	l = parseConfig(a.stdout)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.limits = l
	return l
}

// parseConfig reads the lines "Key = value" of scontrol.
func parseConfig(text string) limits {
	l := limits{asked: true}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(line, "=")
		value = strings.TrimSpace(value)
		switch strings.TrimSpace(key) {
		case "MaxArraySize":
			if n, err := strconv.Atoi(value); err == nil && n > 0 {
				l.maxArray = n
			}
		case "ProctrackType":
			l.tracks = strings.Contains(value, "cgroup") || strings.Contains(value, "cray")
		}
	}
	return l
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
	return min(n, cmp.Or(s.limits.maxArray, defaultMaxArray)), true
}
