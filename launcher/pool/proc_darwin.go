package pool

import (
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// What Linux can and macOS cannot: see a process's environment, look at a
// child's end without reaping it.
const (
	canScan = false
	canPeek = false
)

func hasEnded(int) bool { return true }

// attributes make a worker the leader of its own session; see proc_linux.go.
// macOS has no signal for the death of a parent.
func attributes(bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true}
}

func here() origin {
	host, _ := os.Hostname()
	machine, _ := unix.Sysctl("kern.uuid")
	boot, _ := unix.Sysctl("kern.bootsessionuuid")
	return origin{Host: host, Machine: machine, Boot: boot}
}

// zombie is SZOMB of sys/proc.h.
const zombie = 5

func startTime(pid int) string {
	k, err := unix.SysctlKinfoProc("kern.proc.pid", pid)
	if err != nil || int(k.Proc.P_pid) != pid || k.Proc.P_stat == zombie {
		return ""
	}
	return fmt.Sprintf("%d.%06d", k.Proc.P_starttime.Sec, k.Proc.P_starttime.Usec)
}

func alive(pid int, start string) bool { return start != "" && startTime(pid) == start }

func strays(func(string, int) bool) []process { return nil }

func killStrays(func(string, int) bool) []process { return nil }

func cores() int { return runtime.NumCPU() }

func memory() int {
	n, _ := unix.SysctlUint64("hw.memsize")
	return int(n >> 20)
}

func gpus() []string { return nil }

// oomCounter: macOS does not tell.
type oomCounter struct{}

func newOOMCounter() oomCounter { return oomCounter{} }

func (*oomCounter) tookOne() bool { return false }
