// Command orch runs machine-learning experiments on laptops and Slurm clusters:
// it expands a sweep file into runs, starts workers for them, and turns what
// they leave in the results tree into tables and a report. See README.md.
package main

import (
	"context"
	"os"
)

func main() {
	asked := newInterrupts()
	ctx, stop := asked.notify(context.Background())
	code := run(ctx, asked, os.Args, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
