//go:build !unix

package launchertest

import "syscall"

// newSession: there are none here.
func newSession() *syscall.SysProcAttr { return nil }
