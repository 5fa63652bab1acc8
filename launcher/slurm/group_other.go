//go:build !unix

package slurm

import "os/exec"

// ownGroup: there is no Slurm here, so nothing to run either.
func ownGroup(*exec.Cmd) {}
