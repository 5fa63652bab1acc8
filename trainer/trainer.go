package trainer

import (
	"context"
	"errors"
	"fmt"
	"io"

	"orch/sweep/override"
	"orch/sweep/results"
)

// A Trainer executes runs of one kind. It is used by several goroutines at
// once, each with a Run of its own.
type Trainer interface {
	// Name is what configs call the trainer: `trainer = "nn"`.
	Name() string

	// Check judges a resolved config without running it: unknown keys, wrong
	// types, values out of range. It returns every problem it finds, as
	// [*ParamError]s where one key is to blame. It is called for configs of
	// runs before anything is submitted and must not touch the disk.
	Check(config override.Value) []error

	// Train executes one attempt and returns when it is over: nil when the
	// run's work is finished, a [*Failure] with the class of the end, or any
	// other error, which counts as results.Failed. It reports metrics through
	// r and keeps everything else inside r.Dir.
	//
	// When r.Stop is closed it has a short grace (some seconds) to write a
	// checkpoint and return Preempted; when ctx ends it returns at once.
	Train(ctx context.Context, r *Run) error
}

// An Evaluator is a Trainer that can test again what a run has learned.
type Evaluator interface {
	Trainer
	// Evaluate tests a checkpoint on the test part that r.Config says, and
	// reports the results as Train does after training, into r.Metrics and
	// r.Dir. The checkpoint is "best" or "last" of the attempt whose folder is
	// r.Resume, or a file. A file that is not there is an [fs.ErrNotExist].
	Evaluate(ctx context.Context, r *Run, checkpoint string) error
}

// Run is one attempt as its trainer sees it.
type Run struct {
	Sweep   string
	ID      string
	Name    string
	Config  override.Value  // resolved
	Dir     string          // the attempt's own folder, absolute; it exists
	Workdir string          // a program's working directory: where submit was typed, or that place in a copy of the code
	Origin  string          // where submit was typed; empty is Workdir
	Resume  string          // folder of an earlier attempt's checkpoints, or empty
	Threads int             // at least 1
	GPUs    []string        // device names for CUDA_VISIBLE_DEVICES; nil is "not managed"
	GPU     GPU             // what was asked for
	Log     io.Writer       // the attempt's log; safe for concurrent use
	Env     []string        // extra NAME=value for a program
	Stop    <-chan struct{} // closed: write a checkpoint and leave

	Metrics Metrics
}

// GPU says whether a built-in training is meant to use one.
type GPU struct {
	Want    bool   // the launcher asks for GPUs
	Require bool   // without one the run is refused; else it happens on the CPU
	None    string // why this worker can use none, if that is known
}

// Metrics receives what a run measures. Safe for concurrent use.
type Metrics interface {
	// Log adds a row to the run's series: the value of a metric after a step.
	Log(step int64, name string, value float64)
	// Result sets a final metric of the run; the last value of a name counts.
	Result(name string, value float64)
	// Checkpoint says that a complete, synced checkpoint of this step lies in
	// a file of this name inside the run's folder.
	Checkpoint(step int64, file string)
}

// Failure is an end other than done.
type Failure struct {
	Class  results.Class
	Exit   int    // the program's exit code, if it had one
	Signal string // name of the signal that ended it, if one did
	Err    error  // what happened, for people; ends with the fix where there is one
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Err == nil {
		return f.Class.String()
	}
	return f.Class.String() + ": " + f.Err.Error()
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// ErrPreempted is what a trainer returns after it obeyed [Run.Stop].
var ErrPreempted = &Failure{Class: results.Preempted, Err: errors.New("asked to leave")}

// ParamError is a problem with one key of a config. The sweep adds the file
// and line where the value came from.
type ParamError struct {
	Key     string // dotted path
	Value   override.Value
	Problem string // "unknown key", "is -1, want at least 0"
	Nearest string // a key or value that exists and looks alike, or empty
}

// Error implements error.
func (e *ParamError) Error() string {
	s := fmt.Sprintf("%s: %s", e.Key, e.Problem)
	if e.Nearest != "" {
		s += fmt.Sprintf(" (did you mean %q?)", e.Nearest)
	}
	return s
}

// Path returns the dotted key; see [ParamError.Key].
func (e *ParamError) Path() string { return e.Key }
