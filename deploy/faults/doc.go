// Package faults holds tests that do to the real orch binary what clusters and
// laptops do to it: kill -9 at any time and at any system call, disks that are
// full or fail, stopped and resumed processes, damaged and foreign files, power
// cuts, clocks that jump. It exports nothing.
//
// After each fault the same promises are tested (see rig.settle):
//
//   - a plain resubmit finishes the sweep: no run is stuck;
//   - what was seen as done before the fault is done with the very same metrics,
//     from the same attempt: nothing is lost, nothing is counted twice;
//   - orch fsck finds no invariant broken;
//   - an independent reader, testdata/recount.py, counts the same from the raw
//     files (where python3 is installed);
//   - no process is left.
//
// The default counts suit every commit; ORCH_LONG=1 runs the full ones. Each test
// prints a line with its figures. What needs root or a tool says so and skips.
package faults
