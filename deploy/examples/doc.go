// Package examples holds programs that were written without orch in mind, the
// sweeps over them, and the test that runs both: on this machine and on a real
// Slurm, undisturbed and killed in the middle, with the same results.
package examples
