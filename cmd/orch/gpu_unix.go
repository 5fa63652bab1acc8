//go:build unix

package main

import (
	"os"
	"syscall"
)

// become replaces this process by another program; the process stays the same
// for who started it. It returns only an error.
func become(path string, args []string) error {
	return syscall.Exec(path, append([]string{path}, args[1:]...), os.Environ())
}
