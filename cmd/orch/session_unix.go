//go:build unix

package main

import (
	"os/exec"
	"syscall"
)

// ownSession makes a command independent of this terminal.
func ownSession(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} }
