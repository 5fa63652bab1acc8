//go:build unix

package slurm

import (
	"os/exec"
	"syscall"
)

// ownGroup makes a command lead a process group, which its deadline kills.
func ownGroup(c *exec.Cmd) {
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
}
