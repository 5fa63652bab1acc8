package results

import (
	"os"

	"golang.org/x/sys/unix"
)

// syncAll makes everything below a folder durable: by one call for the whole
// file system, since code is thousands of small files.
func syncAll(dir *os.Root, folder string) error {
	f, err := dir.Open(folder)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}
