package command

import (
	"bytes"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

const rssUnit = 1 << 10 // getrusage(2): kilobytes

// canPeek: waitid can wait for a process and leave it a zombie.
const canPeek = true

func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// waitExited returns when the process has ended, and leaves it a zombie. It
// reports whether a signal ended it.
func waitExited(pid int) (bySignal bool) {
	const killed, dumped = 2, 3 // CLD_KILLED and CLD_DUMPED of sigaction(2)
	var info unix.Siginfo
	for unix.Waitid(unix.P_PID, pid, &info, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
	return info.Code == killed || info.Code == dumped
}

// onlyZombies reports whether every process of a group is a zombie, which
// kill(2) counts as alive. In a container whose first process reaps nobody
// they stay for ever. See proc_pid_stat(5) for the fields.
func onlyZombies(pgid int) bool {
	proc, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	if err != nil {
		return false
	}
	group := []byte(strconv.Itoa(pgid))
	for _, name := range names {
		if name[0] < '0' || name[0] > '9' {
			continue
		}
		b, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // ended meanwhile
		}
		// pid (name) state ppid pgrp; the name may hold spaces and parentheses.
		f := bytes.Fields(b[bytes.LastIndexByte(b, ')')+1:])
		if len(f) > 2 && bytes.Equal(f[2], group) && f[0][0] != 'Z' && f[0][0] != 'X' {
			return false
		}
	}
	return true
}
