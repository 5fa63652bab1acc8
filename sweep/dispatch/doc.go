// Package dispatch moves a sweep forward: one [Dispatcher.Step] reads the
// results tree, asks the launcher once what its workers do, closes the blocks
// of dead workers and starts workers for the work that is left.
//
// A Step holds no state that matters: what it needs it reads from the tree and
// the launcher, and what it decides it writes as first-writer-wins files. So
// any number of processes may make Steps at once: submit does, so does collect
// from the login node's cron. Two that decide the same thing at the same time
// meet at the submission number, which only one of them can take.
//
// The end of a worker ([launcher.End]) and the end of a run ([results.Class])
// are two closed sets; this package is the only place that maps one onto the
// other.
package dispatch
