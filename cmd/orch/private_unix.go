//go:build unix

package main

import (
	"fmt"
	"os"
	"syscall"
)

// ownFolder refuses a folder in which another user could put a socket of theirs
// under our name.
func ownFolder(dir string) error {
	st, err := os.Stat(dir)
	if err != nil {
		return err
	}
	sys, ok := st.Sys().(*syscall.Stat_t)
	if ok && int(sys.Uid) != os.Getuid() {
		return fmt.Errorf("%s belongs to another user", dir)
	}
	if st.Mode().Perm()&0o022 != 0 {
		return fmt.Errorf("%s has mode %v, so others can write there", dir, st.Mode().Perm())
	}
	return nil
}

// privateMode lets nothing be made that others can open, until the answer is
// called: a socket is there before its mode can be set.
func privateMode() (restore func()) {
	old := syscall.Umask(0o077)
	return func() { syscall.Umask(old) }
}
