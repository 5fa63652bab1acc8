// Package slurm runs workers as array jobs of a Slurm cluster, through the
// commands that every user has: sbatch, squeue, scancel, and sacct where it
// works. It speaks their text, which is the same from Slurm 20.11 on, and
// needs no library, no REST server and no accounting database.
//
// # One job, one array
//
// A job of n workers is one array with the indices 0 to n-1, submitted by one
// sbatch, named after Request.Key. The name is the job's identity: sbatch may
// fail after the controller has accepted the job (a paused controller does
// that to every single one), its number may be lost, and numbers come again
// after a controller's restart. The name is found by the next squeue.
// MaxArraySize caps the index, so [Slurm.Bounds] says how many workers fit one
// job; dispatch asks again for the rest. Where it is 0 the cluster takes no
// arrays: then a job is one worker, whose index is 0.
//
// # What a worker's process is
//
// The batch process is the worker itself: the script ends in exec. So signals
// reach the worker and not a shell that waits, no srun and no Slurm command
// runs inside a job, and the exit code is the worker's. The script is the same
// for every job but for the key. Everything that a user wrote is in files
// beside it, found by generated names in the folder where the job starts:
//
//	KEY.sh       the script, no #SBATCH line in it
//	KEY.argv     working directory and command line, each ended by a NUL
//	KEY.setup    the user's setup lines (modules, conda, venv)
//	worker-I.log what worker I printed
//
// The job starts in the log folder (--chdir), so that no path with a percent
// sign or a newline is ever part of --output. A node that lacks the folder
// starts the script in /tmp without a word; the script notices, because KEY.argv
// is not there.
//
// # A failed setup
//
// Slurm remembers one number of a job that ended: its wait status. A script
// that cannot start the worker ends itself by a real-time signal that nothing
// else sends ([sigSetup] and its neighbours), so squeue alone tells "setup failed" from
// a worker that exited with any code.
//
// # What is asked, and how often
//
// [Slurm.Jobs] is one squeue for all workers of the user: never a list of
// numbers (one that is gone spoils the answer), never JSON (78 times the
// bytes, another shape in every release), one line for each array task. A
// worker that is absent is not over. [Slurm.Past] asks the accounting database,
// if there is one, about jobs that squeue has forgotten. [Slurm.Calls] counts.
//
// Every command gets a deadline, an absolute path, LC_ALL=C and an environment
// without the variables that change defaults (SQUEUE_STATES, SBATCH_PARTITION).
package slurm
