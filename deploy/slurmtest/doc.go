// Package slurmtest starts a real Slurm for tests, by deploy/slurm-dev, and
// holds the tests that drive the real orch binary on one: every way in which a
// job can end, daemons that are killed or stopped, limits, lost nodes, hostile
// names. launcher/slurm tests the launcher alone; these tests see what a user
// sees, from orch submit to the tables.
//
// After each of them the same promises are tested (see rig.sound): orch fsck
// finds nothing broken, an independent reader counts the same from the raw
// files, each run is counted exactly once, and orch says in the right words how
// a run ended or why it waits.
//
// orch runs on a login node where the machine allows (another host name, as
// root), so that nothing is concluded from the fact that all processes are on
// one machine. The clusters are without an accounting database, where jobs lose
// sight of some processes (proctrack/linuxproc), and with one, where control
// groups hold them.
//
// Most of a test's time is Slurm's own (a time limit is at least a minute), so
// they run at once, each in a results tree of its own. ORCH_LONG=1 runs the full
// counts, and every case on both kinds of cluster.
package slurmtest
