package launcher

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A Launcher starts, lists and cancels workers on some machine. It knows
// workers and the jobs they come in, never runs.
//
// All methods may be called concurrently, by several processes at once.
// Methods return within their context's deadline and leave no goroutine or
// process behind but the workers asked for. Retrying is the caller's business.
type Launcher interface {
	// Submit starts a job of req.Workers equal workers and returns its ID as
	// soon as the machine has accepted it. A *Refused error means that nothing
	// was started and asking again is useless; a *Limited error that nothing
	// was started and asking later may work; any other error that the outcome
	// is unknown: the job may exist, and Jobs will tell by req.Key. Submit
	// never starts a second job by itself.
	Submit(ctx context.Context, req Request) (id string, err error)

	// Jobs returns every worker of this user that the machine still knows, in
	// no order, with one call to the machine whatever their number. A worker
	// that is absent is not thereby over: the machine may have forgotten it,
	// or not know it yet. Others may have been given the same slice: it is to be
	// read only.
	Jobs(ctx context.Context) ([]Worker, error)

	// Cancel asks the machine to end these jobs (IDs as of Submit) with all
	// their workers, pending or running. Unknown and ended IDs are no error.
	Cancel(ctx context.Context, ids ...string) error
}

// Request asks for one job.
type Request struct {
	Key       string   // unique name, chosen before: [A-Za-z0-9._-]{1,64}
	Workers   int      // how many, numbered from 0
	Argv      []string // the program each worker executes; absolute path first
	Env       []string // NAME=value added to the worker's environment
	Dir       string   // working directory, absolute
	LogDir    string   // existing folder for the job's script and the workers' output, absolute
	Resources Resources
	Options   map[string]any // the backend's own keys of the launcher's config
	Avoid     []string       // nodes, as Worker.Host names them, not to use if the machine can choose
	// Inherited is what an [Inheritor] said in another process, whose environment the
	// workers are to find instead of this one's; nil: this one's.
	Inherited []string
}

// Variables that every backend sets in the environment of its workers.
const (
	// EnvIndex is the variable by which a worker knows its number in the job.
	EnvIndex = "ORCH_WORKER_INDEX"
	// EnvKey holds Request.Key. Whatever a worker starts inherits it, so that
	// the processes of a job can be found when all else is lost.
	EnvKey = "ORCH_JOB_KEY"
	// EnvJob is the job's ID as of Submit and EnvNode the node's name as of
	// Worker.Host, where the machine knows them only when the job runs.
	EnvJob  = "ORCH_JOB_ID"
	EnvNode = "ORCH_NODE"
	// EnvSpent is how many seconds of Resources.Time had passed when the worker's
	// program was started: on modules, environments, images.
	EnvSpent = "ORCH_JOB_SPENT"
)

// Resources are what one worker may use.
type Resources struct {
	CPUs   int
	MemMiB int // 0: not limited
	GPUs   int
	Nodes  int           // 0 or 1: one node
	Tasks  int           // tasks per worker on several nodes; 0 or 1: one
	Time   time.Duration // 0: not limited
}

// State says where in its life a worker is.
type State uint8

// The states, in the order of a worker's life.
const (
	Unknown State = iota // the machine does not say
	Pending
	Running
	Ended
)

func (s State) String() string {
	return [...]string{"unknown", "pending", "running", "ended"}[min(s, Ended)]
}

// Worker is one worker as the machine sees it.
type Worker struct {
	Job    string // ID as of Submit
	Key    string // Request.Key
	Index  int
	State  State
	Reason string // the machine's words: why it waits, why it ended
	Stuck  bool   // pending, and will never start by itself
	Paused bool   // running, and stands still until the machine lets it go on
	// Leaving: counted as running, and its program has ended or is being ended. The
	// machine cleans up after it, which may take hours, and does not say yet how it
	// ended.
	Leaving bool
	Host    string
	PID     int // local backends only
	End     End // valid when Ended
}

// Alive reports whether the machine says that the worker waits or runs.
func (w *Worker) Alive() bool { return w.State == Pending || w.State == Running }

// Cause is how a worker ended, as far as the machine knows.
type Cause uint8

// The causes: a closed set, mapped onto the classes of runs in sweep/dispatch.
const (
	EndUnknown  Cause = iota // it is over; nobody knows how
	Exited                   // by itself, with an exit code
	Signaled                 // killed by a signal nobody explains
	OutOfMemory              // by the kernel or the scheduler
	OutOfTime                // the job's time was up
	Preempted                // for another job
	NodeLost                 // the node died under it
	SetupFailed              // the worker's program never ran
	Cancelled                // by the user or an administrator
)

func (c Cause) String() string {
	return [...]string{"ended", "exited", "killed", "out of memory", "out of time", "preempted", "node lost", "setup failed", "cancelled"}[min(c, Cancelled)]
}

// End is how a worker ended.
type End struct {
	Cause  Cause
	Code   int    // exit code, when Exited
	Signal string // when Signaled
	Proof  bool   // the machine vouches that no process of the worker is left
}

// Refused is a final no.
type Refused struct {
	Reason string // the machine's words
	Advice string // what to change or type
}

func (e *Refused) Error() string {
	if e.Advice == "" {
		return "refused: " + e.Reason
	}
	return fmt.Sprintf("refused: %s; %s", e.Reason, e.Advice)
}

// Limited is a "not now": a quota or queue limit.
type Limited struct{ Reason string }

func (e *Limited) Error() string { return "not now: " + e.Reason }

// Sizer is implemented by launchers that know how many workers can run at the
// same time.
type Sizer interface {
	// Fit returns how many workers with these requests can run at once on an
	// otherwise idle machine, at least 1; ok is false if not even one can.
	Fit(r Resources) (n int, ok bool)
}

// Notifier is implemented by launchers that learn of their workers' ends
// without being asked.
type Notifier interface {
	// Changed returns a channel that is closed when some worker's state
	// changes after the call. So: take the channel, call Jobs, act, wait.
	Changed() <-chan struct{}
}

// Historian is implemented by launchers whose machine keeps a record of jobs
// that Jobs has forgotten.
type Historian interface {
	// Past returns the workers of these keys that the record knows, since a
	// time before their submission. The record may lag: a worker that is absent
	// may live. A machine without a record gives an error that wraps ErrNoRecord.
	Past(ctx context.Context, since time.Time, keys ...string) ([]Worker, error)
}

// ErrNoRecord says that a machine keeps no record of past jobs.
var ErrNoRecord = errors.New("the machine keeps no record of past jobs")

// Previewer is implemented by launchers that can show what Submit would do.
type Previewer interface {
	// Preview returns, for people, the commands and scripts of a job, without
	// asking the machine or writing anything.
	Preview(req Request) (string, error)
}

// Bounder is implemented by launchers of machines that others use too: they
// bound what one job and one user may have.
type Bounder interface {
	// Bounds returns the most workers of one job, and the most workers of this
	// user, of all sweeps together, that may wait or run; 0: no bound.
	Bounds() (job, user int)

	// Machine names what the launcher talks to: two launchers of one machine see
	// the same workers.
	Machine() string
}

// Withdrawer is implemented by launchers that can take back what has not begun.
type Withdrawer interface {
	// Withdraw makes the machine forget the workers of these jobs that have not
	// started yet, and leaves the others alone.
	Withdraw(ctx context.Context, ids ...string) error
}

// Inheritor is implemented by launchers whose workers inherit part of the
// environment of the process that submits.
type Inheritor interface {
	// Inherited returns, as NAME=value in order, what decides in the environment of
	// this process which programs, libraries and modules its workers find. It can be
	// stored: nothing that looks like a secret is among it.
	Inherited() []string
}

// Counter is implemented by launchers that count what they ask of a machine
// that others share.
type Counter interface {
	// Calls returns how many calls this launcher has made so far.
	Calls() int
}

// Unwrapper is implemented by wrappers around a launcher.
type Unwrapper interface{ Unwrap() Launcher }

// As finds the first launcher in l's chain of wrappers that is a T.
func As[T any](l Launcher) (T, bool) {
	for l != nil {
		if t, ok := l.(T); ok {
			return t, true
		}
		u, ok := l.(Unwrapper)
		if !ok {
			break
		}
		l = u.Unwrap()
	}
	var zero T
	return zero, false
}

// IsRefused reports whether err says that a job was refused for good.
func IsRefused(err error) bool {
	var r *Refused
	return errors.As(err, &r)
}
