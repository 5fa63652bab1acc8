package results

import (
	"errors"
	"os"
	"syscall"
	"time"
)

// tries is how often a call is made that a file server may have failed to answer.
// A submit makes hundreds: where every fifth reply is lost, one in 400,000 calls
// is still without an answer after eight, 0.14 s later.
const tries = 8

// Again calls f until it succeeds, eight times at most, as long as its error is
// one with which network file systems pass on their own troubles and not those
// of the file: EIO after a reply that was lost, ESTALE for a handle that the
// server has forgotten. f must bear being repeated after it was done and the
// answer was lost. It is no remedy for fsync: see [Journal].
func Again(f func() error) (err error) {
	for n := range tries {
		if err = f(); !unanswered(err) {
			return err
		}
		time.Sleep(time.Duration(n) * 5 * time.Millisecond)
	}
	return err
}

func unanswered(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ESTALE)
}

// open opens a file, or a folder; see [Again].
func open(dir *os.Root, name string, flag int) (f *os.File, err error) {
	err = Again(func() error {
		f, err = dir.OpenFile(name, flag, fileMode)
		return err
	})
	return f, err
}
