package results

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func bootID() string {
	b, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return strings.TrimSpace(string(b))
}

func machineID() string {
	b, _ := os.ReadFile("/etc/machine-id")
	return strings.TrimSpace(string(b))
}

// startTime returns field 22 of /proc/PID/stat (proc_pid_stat(5)): clock ticks
// from boot to the start of the process. It is empty if there is no such
// process, or only its zombie: a zombie writes nothing any more.
func startTime(pid int) string {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The name, field 2, stands in parentheses and may hold anything.
	f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(f) < 20 || f[0] == "X" || f[0] == "Z" && threads(pid) <= 1 {
		return ""
	}
	return f[19]
}

// threads counts a process's threads: one whose first thread alone has ended
// shows as a zombie while the others go on.
func threads(pid int) int {
	entries, err := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
	if err != nil {
		return 0
	}
	return len(entries)
}

// pidNamespace names the space in which a pid means something: containers on
// one machine share its boot ID, and may share a host name, but not their pids.
func pidNamespace() string {
	s, _ := os.Readlink("/proc/self/ns/pid")
	return s
}

func clocks() (boot, mono time.Duration) {
	return clock(unix.CLOCK_BOOTTIME), clock(unix.CLOCK_MONOTONIC)
}

func clock(id int32) time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(id, &ts) != nil {
		return 0
	}
	return time.Duration(ts.Nano())
}

// dirCache returns D for a folder: how long a listing may be old. It is 0 on
// file systems of this machine and acdirmax (nfs(5), default 60 s) elsewhere.
func dirCache(dir string) time.Duration {
	const unknown = 60 * time.Second
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) != nil {
		return unknown
	}
	switch uint32(st.Type) {
	case unix.EXT4_SUPER_MAGIC, unix.XFS_SUPER_MAGIC, unix.BTRFS_SUPER_MAGIC, unix.TMPFS_MAGIC,
		unix.OVERLAYFS_SUPER_MAGIC, unix.F2FS_SUPER_MAGIC, 0x2fc12fc1 /* zfs */, unix.RAMFS_MAGIC, 0x3153464a /* jfs */, unix.REISERFS_SUPER_MAGIC:
		return 0
	case unix.NFS_SUPER_MAGIC:
		return nfsDirCache(dir, unknown)
	}
	return unknown
}

func nfsDirCache(dir string, unknown time.Duration) time.Duration {
	b, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return unknown
	}
	best, d := -1, unknown
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) < 5 || len(f[4]) <= best || dir != f[4] && !strings.HasPrefix(dir, strings.TrimSuffix(f[4], "/")+"/") {
			continue
		}
		best, d = len(f[4]), unknown
		for _, o := range strings.Split(f[len(f)-1], ",") {
			if o == "noac" {
				d = 0
			}
			if s, ok := strings.CutPrefix(o, "acdirmax="); ok {
				if n, err := strconv.Atoi(s); err == nil {
					d = time.Duration(n) * time.Second
				}
			}
		}
	}
	return d
}
