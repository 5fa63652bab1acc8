package pool

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"orch/launcher"
)

// canScan: processes can be found by their environment.
const canScan = true

// attributes make a worker the leader of its own group, or session; in the
// foreground the kernel kills it with the thread that started it.
func attributes(detach bool) *syscall.SysProcAttr {
	if detach {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// canPeek: hasEnded can see the end of a child that is not reaped yet.
const canPeek = true

// hasEnded looks at a child without reaping it.
func hasEnded(pid int) bool {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch err {
		case nil:
			return info.Signo != 0
		case unix.EINTR:
			continue
		}
		return true // ECHILD: someone else reaped it
	}
}

// here returns where this process lives.
func here() origin {
	host, _ := os.Hostname()
	ns, _ := os.Readlink("/proc/self/ns/pid")
	return origin{Host: host, Machine: firstLine("/etc/machine-id"), Boot: firstLine("/proc/sys/kernel/random/boot_id"), PIDs: ns}
}

func firstLine(path string) string {
	b, _ := os.ReadFile(path)
	s, _, _ := strings.Cut(string(b), "\n")
	return strings.TrimSpace(s)
}

// stat is what /proc/PID/stat tells (proc_pid_stat(5)).
type stat struct {
	group int
	start string // clock ticks since boot
}

// readStat returns false if there is no such process, or only its zombie. A
// zombie whose other threads go on is none: the first thread ended alone.
func readStat(pid int) (stat, bool) {
	dir := "/proc/" + strconv.Itoa(pid)
	b, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return stat{}, false
	}
	// Field 2, the name, stands in parentheses and may hold anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 20 {
		return stat{}, false
	}
	if f[0] == "Z" || f[0] == "X" {
		if threads, _ := os.ReadDir(dir + "/task"); len(threads) < 2 {
			return stat{}, false
		}
	}
	group, _ := strconv.Atoi(f[2])
	return stat{group: group, start: f[19]}, true
}

// startTime returns when the process started, in the kernel's own unit; empty
// if it is not there. With the pid it names a process of this boot for ever.
func startTime(pid int) string {
	s, _ := readStat(pid)
	return s.start
}

// alive says whether this very process is there.
func alive(pid int, start string) bool {
	return start != "" && startTime(pid) == start
}

// strays returns this user's living processes with a job's key in their
// environment, as far as match wants them; never this process.
func strays(match func(key string, index int) bool) []process {
	dir, err := os.Open("/proc")
	if err != nil {
		return nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(-1)
	var found []process
	for _, name := range names {
		pid, err := strconv.Atoi(name)
		if err != nil || pid == os.Getpid() {
			continue
		}
		env, err := os.ReadFile("/proc/" + name + "/environ")
		if err != nil || !bytes.Contains(env, []byte(launcher.EnvKey+"=")) {
			continue
		}
		x := process{pid: pid, index: -1}
		for v := range bytes.SplitSeq(env, []byte{0}) {
			name, value, _ := strings.Cut(string(v), "=")
			switch name {
			case launcher.EnvKey:
				x.key = value
			case launcher.EnvIndex:
				if n, err := strconv.Atoi(value); err == nil {
					x.index = n
				}
			}
		}
		if x.key == "" || !match(x.key, x.index) {
			continue
		}
		info, err := os.Stat("/proc/" + name) // root can read everybody's
		if err != nil {
			continue
		}
		if s, ok := info.Sys().(*syscall.Stat_t); !ok || int(s.Uid) != os.Geteuid() {
			continue
		}
		s, ok := readStat(pid)
		if !ok {
			continue
		}
		x.start, x.leader = s.start, s.group == pid
		found = append(found, x)
	}
	return found
}

// killStrays kills what match wants and returns what would not die within a
// second. New ones may be started while the first are killed, so it looks
// until there are none.
func killStrays(match func(key string, index int) bool) []process {
	pause := time.Millisecond
	for {
		found := strays(match)
		if len(found) == 0 || pause > time.Second/2 {
			return found
		}
		for _, x := range found {
			x.leader = false // its group may not be ours
			killProcess(x)
		}
		time.Sleep(pause)
		pause *= 2
	}
}

// cores counts the cores this process may use: its affinity mask, and the
// quota of its control group.
func cores() int {
	n := runtime.NumCPU()
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
