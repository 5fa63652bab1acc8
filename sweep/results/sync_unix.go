//go:build unix

package results

import (
	"os"
	"syscall"
)

// modesMatter: permission bits say who may write.
const modesMatter = true

// nonblock makes open() of a FIFO return at once.
const nonblock = syscall.O_NONBLOCK

// syncDir makes the names in a folder durable.
func syncDir(dir *os.Root, folder string) error {
	f, err := open(dir, folder, os.O_RDONLY)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}
