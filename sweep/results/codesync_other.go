//go:build !linux

package results

import (
	"errors"
	"io/fs"
	"os"
)

// syncAll makes everything below a folder durable, file by file.
func syncAll(dir *os.Root, folder string) error {
	return fs.WalkDir(dir.FS(), folder, func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return syncDir(dir, name)
		case !d.Type().IsRegular():
			return nil
		}
		f, err := dir.Open(name)
		if err != nil {
			return err
		}
		return errors.Join(f.Sync(), f.Close())
	})
}
