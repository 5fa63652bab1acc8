//go:build unix && !linux

package command

import (
	"runtime"
	"syscall"
)

// getrusage(2): bytes on macOS, kilobytes on the BSDs.
var rssUnit = func() int64 {
	if runtime.GOOS == "darwin" {
		return 1
	}
	return 1 << 10
}()

func sysProcAttr() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// canPeek is false: golang.org/x/sys has waitid for Linux only. The group is
// killed right after the program was reaped.
const canPeek = false

func waitExited(pid int) (bySignal bool) { return false }

// onlyZombies is not known here: a zombie of a group counts as alive.
func onlyZombies(pgid int) bool { return false }
