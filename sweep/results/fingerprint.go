package results

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"strconv"
)

// Fingerprint names what the sweep's tree holds, as far as tables depend on it:
// the names in plans/, claims/, fences/, orders/ and subs/ (each file there is
// published whole and never changes), and the names and lengths of journals and
// series, which only grow. While it is equal, a fold would give the same bytes,
// unless somebody changed files behind orch's back; orch fsck looks for that.
// It costs a listing of each folder and the opening of each worker's files.
//
// Take it before the Snapshot or Refresh that is folded: what comes in between
// then makes the next one differ.
func (s *Sweep) Fingerprint() (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "tree %d\x00%s\x00", Format, s.Name)
	for _, folder := range []string{"journals", "series"} { // before claims, as every reader
		if err := s.lengths(sum, folder); err != nil {
			return "", fmt.Errorf("fingerprint: %w", err)
		}
	}
	for _, folder := range []string{"plans", "claims", "fences", "orders", "subs"} {
		names, err := sortedList(s.dir, folder)
		if err != nil {
			return "", fmt.Errorf("fingerprint: %w", err)
		}
		fmt.Fprintf(sum, "%s %d\x00", folder, len(names))
		for _, n := range names {
			sum.Write(append([]byte(n), 0))
		}
		if folder != "subs" {
			continue
		}
		for _, n := range names { // what a submission lacks may come later
			files, err := sortedList(s.dir, "subs/"+n)
			if err != nil {
				files = []string{"not to be read"}
			}
			fmt.Fprintf(sum, "%q\x00", files)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// lengths adds the names and lengths of a folder's files. They are opened, since
// that is what makes network file systems look again.
func (s *Sweep) lengths(sum hash.Hash, folder string) error {
	names, err := sortedList(s.dir, folder)
	if err != nil {
		return err
	}
	fmt.Fprintf(sum, "%s %d\x00", folder, len(names))
	var b []byte
	for _, n := range names {
		length := "not to be read"
		if f, size, err := openFile(s.dir, folder+"/"+n); err == nil {
			f.Close()
			length = strconv.FormatInt(size, 10)
		}
		b = append(append(append(append(b[:0], n...), 0), length...), 0)
		sum.Write(b)
	}
	return nil
}

// Tables opens the folder of the sweep's tables for reading, nil if there is none.
func (s *Sweep) Tables() (*os.Root, error) {
	dir, err := s.dir.OpenRoot("collected")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return dir, err
}
