package pool

import (
	"bytes"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"orch/launcher"
)

// canScan: processes can be found by their environment.
const canScan = true

// attributes make a worker the leader of its own session, where nothing that it
// runs has a terminal: what asks for a password fails, and is not stopped for
// ever in the background of somebody's shell. In the foreground the kernel kills
// it with the thread that started it.
func attributes(detach bool) *syscall.SysProcAttr {
	if detach {
		return &syscall.SysProcAttr{Setsid: true}
	}
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
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

// strays returns this user's living processes with a job's nonce in their
// environment, as far as match wants them; never this process.
func strays(match func(nonce string, index int) bool) []process {
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
		if err != nil || !bytes.Contains(env, []byte(envNonce+"=")) {
			continue
		}
		x := process{pid: pid, index: -1}
		for v := range bytes.SplitSeq(env, []byte{0}) {
			name, value, _ := strings.Cut(string(v), "=")
			switch name {
			case envNonce:
				x.nonce = value
			case launcher.EnvIndex:
				if n, err := strconv.Atoi(value); err == nil {
					x.index = n
				}
			}
		}
		if x.nonce == "" || !match(x.nonce, x.index) {
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
func killStrays(match func(nonce string, index int) bool) []process {
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
