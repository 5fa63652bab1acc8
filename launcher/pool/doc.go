// Package pool runs workers on this machine, as joblib does: so many at a time
// as there are cores.
//
// # Foreground and detached
//
// A foreground pool's workers live no longer than the process that started
// them: [Pool.Close] ends them, and on Linux the kernel kills them when that
// process dies in any other way (PR_SET_PDEATHSIG, prctl(2)). A detached
// pool's workers lead sessions of their own and go on.
//
// A worker leads its process group; what is left of the group when it ends is
// killed with it, so a crashed worker leaves no training program behind.
//
// # What is remembered
//
// A job's ID is its key. With Options.StateDir every job is one small file,
// KEY.job: first a line that says who is about to start what (published whole
// and synced before the first process starts), then a line for every worker
// that started (pid and start time) and one for every worker that ended,
// appended by the process that started them and by no one else. KEY.cancel
// beside it says that someone asked for the end of the job, KEY.closed that
// nothing more of it can be found. Another process, or the same after a restart, judges a worker by
// pid and start time, which no two processes of one boot share:
//
//	its end is in the file                  ended, as the file says
//	another host, or another container      unknown
//	the same host after a restart           ended; nobody knows how
//	process is there                        running
//	process is gone                         ended; nobody knows how
//	not yet started, its starter alive      pending
//	not yet started, its starter gone       looked for by its environment
//
// The last line is for the moment between a process's start and the line that
// says so: every process of a job inherits a random name of the job in its
// environment, and on Linux /proc shows it. Lines of workers are not
// synced: what forgets them, a power cut, also ends the workers, and the boot
// ID tells.
//
// # Other systems
//
// On macOS nothing kills a foreground pool's workers if their parent is killed
// with SIGKILL, and processes that were never written down are not found. On
// Windows workers are ended without being asked first, a foreground pool's
// workers die with it (job objects), and a pool cancels only the worker itself
// and not its children when another process had started it. On both, a
// worker killed for lack of memory counts as killed.
package pool
