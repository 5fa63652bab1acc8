//go:build unix

package launchertest

import "syscall"

// newSession takes a process out of its parent's session and group.
func newSession() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
