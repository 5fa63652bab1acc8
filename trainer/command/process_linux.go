package command

import (
	"syscall"

	"golang.org/x/sys/unix"
)

const rssUnit = 1 << 10 // getrusage(2): kilobytes

// canPeek: waitid can wait for a process and leave it a zombie.
const canPeek = true

func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// waitExited returns when the process has ended, and leaves it a zombie.
func waitExited(pid int) {
	for unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil) == unix.EINTR {
	}
}
