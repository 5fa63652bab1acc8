// Command orch runs machine-learning experiments on laptops and Slurm clusters:
// it expands a sweep file into runs, starts workers for them, and turns what
// they leave in the results tree into tables and a report. See README.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
)

func main() {
	asked := newInterrupts()
	ctx, stop := asked.notify(context.Background())
	out := &output{file: os.Stdout}
	code := run(ctx, asked, os.Args, out, os.Stderr)
	stop()
	if code == exitOK && out.err != nil {
		fmt.Fprintf(os.Stderr, "orch: not all was printed: %v\n", out.err)
		code = exitFailed
	}
	os.Exit(code)
}

// output is standard output. It remembers that something could not be written,
// which no line of text is worth asking about, so that the exit code tells a
// script whose disk is full. A pipe that nobody reads any more is no failure.
type output struct {
	file *os.File
	err  error
}

func (o *output) Write(b []byte) (int, error) {
	n, err := o.file.Write(b)
	if err != nil && o.err == nil && !errors.Is(err, syscall.EPIPE) {
		o.err = err
	}
	return n, err
}

// Fd is that of the file.
func (o *output) Fd() uintptr { return o.file.Fd() }
