package pool

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"

	"orch/launcher"
)

// machine is what this machine offers.
type machine struct {
	cores   int      // that this process may use
	memMiB  int      // of the machine or its container; 0: unknown
	devices []string // GPUs, as CUDA_VISIBLE_DEVICES names them
}

func thisMachine(devices []string) machine {
	if devices == nil {
		devices = visibleDevices()
	}
	return machine{cores: cores(), memMiB: memory(), devices: devices}
}

// deviceForm is a device in CUDA_VISIBLE_DEVICES: a number, or the beginning of an
// identifier (CUDA C++ Programming Guide, environment variables).
var deviceForm = regexp.MustCompile(`^([0-9]+|(GPU|MIG)-.+)$`)

// visibleDevices obeys a CUDA_VISIBLE_DEVICES that is set, as by Slurm.
func visibleDevices() []string {
	v, set := os.LookupEnv("CUDA_VISIBLE_DEVICES")
	if !set {
		return gpus()
	}
	var out []string
	for _, d := range strings.Split(v, ",") {
		d = strings.TrimSpace(d)
		if !deviceForm.MatchString(d) {
			break // CUDA ignores all that follows an invalid one, such as Slurm's NoDevFiles
		}
		out = append(out, d)
	}
	return out
}

// refuses says why this machine can never run a worker with these requests,
// and what to do about it; or nothing.
func (m machine) refuses(r launcher.Resources) (why, advice string) {
	switch {
	case r.Nodes > 1 || r.Tasks > 1:
		return fmt.Sprintf("%d nodes and %d tasks for one worker, and the pool has one machine", max(1, r.Nodes), max(1, r.Tasks)),
			"use a Slurm launcher, or drop launcher.nodes and launcher.tasks"
	case m.memMiB > 0 && r.MemMiB > m.memMiB:
		return fmt.Sprintf("a worker asks for %d MiB, and this machine has %d", r.MemMiB, m.memMiB), "lower launcher.mem"
	case r.GPUs > len(m.devices):
		return fmt.Sprintf("a worker asks for %d GPUs, and this machine has %d", r.GPUs, len(m.devices)),
			"lower launcher.gpus, or name the GPUs in CUDA_VISIBLE_DEVICES"
	}
	return "", ""
}

// Fit implements [launcher.Sizer]. One worker always fits if the machine has
// the memory and GPUs for it, even if it asks for more threads than there are
// cores: that is slow, not impossible.
func (p *Pool) Fit(r launcher.Resources) (int, bool) {
	return p.machine.fit(p.opt.NJobs, p.opt.GPUsShare, r)
}

// fit counts the workers that joblib's n_jobs allows, fewer if they would not
// have their CPUs, memory or GPUs. A positive n_jobs above the number of cores
// is the user's word: then so many single-threaded workers share the cores.
func (m machine) fit(nJobs, share int, r launcher.Resources) (int, bool) {
	if why, _ := m.refuses(r); why != "" {
		return 0, false
	}
	n := nJobs
	if n < 0 {
		n = max(1, m.cores+1+nJobs) // joblib: effective_n_jobs
	}
	budget := max(m.cores, n)
	if nJobs < 0 {
		budget = n // the cores left out stay free
	}
	n = min(n, budget/max(1, r.CPUs))
	if r.MemMiB > 0 && m.memMiB > 0 {
		n = min(n, m.memMiB/r.MemMiB)
	}
	if r.GPUs > 0 {
		// A worker's GPUs are different ones, so share x devices places do for
		// share x (devices / GPUs) workers at least, and all of them at most.
		n = min(n, len(m.devices)*share/r.GPUs)
	}
	return max(1, n), true
}

// takeGPUs chooses the GPUs of each worker of a job: always those with the
// fewest workers, in the order of the list. Workers of other processes count
// too. p.mu is held.
func (p *Pool) takeGPUs(req launcher.Request, foreign []record) ([][]string, error) {
	chosen := make([][]string, req.Workers)
	want := req.Resources.GPUs
	if want == 0 {
		return chosen, nil
	}
	used := map[string]int{}
	for _, j := range p.jobs {
		for i := range j.workers {
			if w := &j.workers[i]; w.State != launcher.Ended {
				for _, d := range w.gpus {
					used[d]++
				}
			}
		}
	}
	for _, r := range foreign {
		if p.jobs[r.key()] != nil || r.where(p.self) != thisBoot {
			continue
		}
		for _, w := range r.workers {
			if !w.ended && w.pid != 0 && len(w.gpus) > 0 && alive(w.pid, w.start) {
				for _, d := range w.gpus {
					used[d]++
				}
			}
		}
	}
	for i := range chosen {
		free := slices.Clone(p.machine.devices)
		slices.SortStableFunc(free, func(a, b string) int { return used[a] - used[b] })
		for _, d := range free[:want] {
			if used[d] >= p.opt.GPUsShare {
				return nil, &launcher.Limited{Reason: fmt.Sprintf("%d workers with %d GPUs each, and too few of the %d GPUs are free",
					req.Workers, want, len(free))}
			}
			used[d]++
		}
		chosen[i] = free[:want]
	}
	return chosen, nil
}
