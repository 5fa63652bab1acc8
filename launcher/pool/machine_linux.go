package pool

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// allotted returns how many CPUs of this node belong to the Slurm job in which
// this process runs (sbatch(1), OUTPUT ENVIRONMENT VARIABLES); 0: not said.
// Clusters that do not confine their jobs show them the whole node, of which
// others use the rest. Memory is for the cluster to hold jobs to: what a job
// got without asking is often too little for launcher.mem as it is shipped.
func allotted() int {
	if os.Getenv("SLURM_JOB_ID") == "" {
		return 0
	}
	n, _ := strconv.Atoi(os.Getenv("SLURM_CPUS_ON_NODE"))
	return n
}

// cores counts the cores this process may use: its affinity mask, the quota of
// its control group, and what Slurm gave its job.
func cores() int {
	n := runtime.NumCPU()
	if job := allotted(); job > 0 {
		n = min(n, job)
	}
	for _, dir := range cgroupDirs("cpu") {
		quota, period := "", ""
		if f := strings.Fields(firstLine(dir + "/cpu.max")); len(f) == 2 { // version 2
			quota, period = f[0], f[1]
		} else {
			quota, period = firstLine(dir+"/cpu.cfs_quota_us"), firstLine(dir+"/cpu.cfs_period_us")
		}
		q, err1 := strconv.Atoi(quota)
		p, err2 := strconv.Atoi(period)
		if err1 == nil && err2 == nil && q > 0 && p > 0 {
			n = min(n, max(1, (q+p-1)/p))
		}
	}
	return n
}

// memory returns the MiB this process may use: the machine's, or less in a
// control group with a limit.
func memory() int {
	b, _ := os.ReadFile("/proc/meminfo")
	mib := 0
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) >= 2 && f[0] == "MemTotal:" {
			kib, _ := strconv.Atoi(f[1])
			mib = kib / 1024
		}
	}
	for _, dir := range cgroupDirs("memory") {
		for _, name := range []string{"/memory.max", "/memory.limit_in_bytes"} {
			if n, err := strconv.ParseInt(firstLine(dir+name), 10, 64); err == nil && n > 0 {
				if limit := int(n >> 20); mib == 0 || limit < mib {
					mib = limit
				}
			}
		}
	}
	return mib
}

// cgroupDirs returns the folders of this process's control group and those
// above it, nearest first, for one controller in version 1 or 2. In a
// container the path in /proc may be the host's; then only its end is found,
// or the mount itself.
func cgroupDirs(controller string) []string {
	b, _ := os.ReadFile("/proc/self/cgroup")
	var dirs []string
	for l := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(l), ":", 3)
		if len(f) != 3 {
			continue
		}
		var roots []string
		switch {
		case f[1] == "":
			roots = []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}
		case slices.Contains(strings.Split(f[1], ","), controller):
			roots = []string{"/sys/fs/cgroup/" + f[1], "/sys/fs/cgroup/" + controller}
		}
		for _, root := range roots {
			for path := filepath.Clean("/" + f[2]); ; path = filepath.Dir(path) {
				if dir := filepath.Join(root, path); !slices.Contains(dirs, dir) {
					dirs = append(dirs, dir)
				}
				if path == "/" {
					break
				}
			}
		}
	}
	return dirs
}

// oomCounter tells a worker killed for lack of memory from one killed by
// someone: the kernel counts its kills for each control group, and workers are
// in that of this process.
type oomCounter struct {
	file string
	seen int64
}

func newOOMCounter() oomCounter {
	for _, dir := range cgroupDirs("memory") {
		for _, name := range []string{"/memory.events", "/memory.oom_control"} {
			if n, ok := readOOM(dir + name); ok {
				return oomCounter{file: dir + name, seen: n}
			}
		}
	}
	return oomCounter{}
}

// tookOne says whether the kernel has killed a process since the last one that
// was asked about; each kill explains one worker.
func (c *oomCounter) tookOne() bool {
	n, ok := readOOM(c.file)
	if !ok || n <= c.seen {
		return false
	}
	c.seen++
	return true
}

// readOOM reads "oom_kill N" from a control group's events.
func readOOM(file string) (int64, bool) {
	if file == "" {
		return 0, false
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) == 2 && f[0] == "oom_kill" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// gpus lists the NVIDIA GPUs by their device files, which needs no driver call.
func gpus() []string {
	files, _ := filepath.Glob("/dev/nvidia[0-9]*")
	var nums []int
	for _, f := range files {
		if n, err := strconv.Atoi(strings.TrimPrefix(f, "/dev/nvidia")); err == nil {
			nums = append(nums, n)
		}
	}
	slices.Sort(nums)
	out := make([]string, len(nums))
	for i := range nums {
		out[i] = strconv.Itoa(i) // CUDA numbers what it sees from 0, also in a container with /dev/nvidia3 alone
	}
	return out
}
