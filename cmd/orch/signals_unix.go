//go:build unix

package main

import (
	"os"
	"syscall"
)

// warnings are signals that ask to leave in time and never insist: Slurm sends
// USR1 some minutes before a job's time is up, and TERM when it is.
var warnings = []os.Signal{syscall.SIGUSR1}
