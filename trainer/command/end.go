package command

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"orch/sweep/results"
	"orch/trainer"
)

// end is everything known about a program that ended.
type end struct {
	ending
	why     reason
	task    *task
	owes    bool     // something is owed at all
	missing []string // what is owed and not there
	logTail []byte   // if it failed
	oomFile string   // where the kernel counted an out-of-memory kill meanwhile
	oomKill bool
}

// judge returns the run's end as [trainer.Trainer.Train] does.
func (e *end) judge() error {
	good := e.exit == 0 && e.signal == ""
	fail := func(class results.Class, err error) error {
		return &trainer.Failure{Class: class, Exit: e.exit, Signal: e.signal, Err: err}
	}
	switch e.why {
	case timedOut:
		return fail(results.Timeout, fmt.Errorf("ran longer than task.timeout = %v", e.task.timeout))
	case stalled:
		return fail(results.Stall, fmt.Errorf("neither log nor metrics grew for task.stall = %v", e.task.stall))
	case stopped:
		// Programs that catch the signal, save and exit with 0 are common. So
		// an exit code of 0 alone proves nothing here; a run that repeats
		// finished work is cheaper than one that counts half of it.
		if good && e.owes && len(e.missing) == 0 {
			return nil
		}
		return fail(results.Preempted, fmt.Errorf("asked to leave, and left with %s", e.how()))
	}
	if good {
		if len(e.missing) == 0 {
			return nil
		}
		return fail(results.NoResult, fmt.Errorf("exit code 0, but it owes %s", strings.Join(e.missing, "; ")))
	}
	message := lastLine(e.logTail)
	if killed := e.signal == "SIGKILL" || e.exit == 128+9; killed && e.oomKill {
		return fail(results.OutOfMemory, fmt.Errorf("killed while the kernel counted an out-of-memory kill (%s); ask for more memory", e.oomFile))
	}
	if line := outOfMemoryText(e.logTail); line != "" {
		return fail(results.OutOfMemory, errors.New(line))
	}
	switch {
	case message == "":
		message = e.how() + ", and nothing on its log"
	case e.signal != "" || signals[e.exit-128] != "":
		message = e.how() + "; its log ends: " + message // which says nothing of what killed it
	}
	if e.signal != "" && e.signal == e.task.saveSignal {
		message = "task.checkpoint_signal " + e.signal + " ended it: it has no handler, or not yet, or a shell got the signal (begin the command with exec, or have the shell trap it)"
	}
	if e.task.shell && (e.exit == 126 || e.exit == 127) {
		return fail(results.BadSetup, errors.New(message)) // sh found no such program
	}
	return fail(results.Failed, errors.New(message))
}

func (e *end) how() string {
	if e.signal != "" {
		return "signal " + e.signal
	}
	if name := signals[e.exit-128]; name != "" { // as shells tell it
		return fmt.Sprintf("exit code %d (%s)", e.exit, name)
	}
	return fmt.Sprintf("exit code %d", e.exit)
}

// signals are those that end programs, by their numbers on Linux.
var signals = map[int]string{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
	11: "SIGSEGV", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ"}

// fromLog takes the patterns' values and returns what is missing of them. A
// metric that came another way is not. An error says that the log, though it is
// there, cannot be read: then nobody knows what is missing.
func (g *gathered) fromLog(log *sink, patterns []*pattern) (missing []string, unread error) {
	if len(patterns) == 0 {
		return nil, nil
	}
	err := log.search(patterns)
	if err != nil {
		g.bad(results.LogFile, err)
	}
	for _, p := range patterns {
		x, err := p.value()
		if err == nil {
			if err := g.set(p.metric, x); err != nil {
				g.bad("task.metrics", err)
			}
			continue
		}
		if _, ok := g.results[p.metric]; !ok {
			missing = append(missing, fmt.Sprintf("metric %s: %v", p.metric, err))
		}
	}
	if err != nil && len(missing) > 0 && !errors.Is(err, fs.ErrNotExist) {
		return missing, fmt.Errorf("look for metrics in the log: %w", err)
	}
	return missing, nil
}
