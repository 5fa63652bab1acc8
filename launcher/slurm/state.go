package slurm

import (
	"fmt"
	"strings"

	"orch/launcher"
)

// A stage is what a state of Slurm's means to us.
type stage struct {
	state  launcher.State
	stuck  bool
	paused bool
	leaves bool
	words  string // for the reader, where the scheduler gives no reason
}

// stages are squeue's and sacct's states (squeue(1), JOB STATE CODES). Those
// that are not here are of a later Slurm, and taken for active: a worker that
// is wrongly thought alive costs patience, one wrongly thought dead a fence.
var stages = map[string]stage{
	"PENDING":      {state: launcher.Pending},
	"CONFIGURING":  {state: launcher.Pending, words: "its node is starting up"},
	"REQUEUED":     {state: launcher.Pending, words: "put back into the queue"},
	"REQUEUE_FED":  {state: launcher.Pending, words: "put back into the federation's queue"},
	"REQUEUE_HOLD": {state: launcher.Pending, stuck: true, words: "put back into the queue and held: scontrol release JOB"},
	"SPECIAL_EXIT": {state: launcher.Pending, stuck: true, words: "held after a special exit: scontrol release JOB"},
	"RESV_DEL_HOLD": {state: launcher.Pending, stuck: true,
		words: "held, since its reservation is gone: scontrol release JOB, or cancel it"},

	"RUNNING":    {state: launcher.Running},
	"SIGNALING":  {state: launcher.Running, words: "being signalled"},
	"RESIZING":   {state: launcher.Running, words: "changing its size"},
	"STAGE_OUT":  {state: launcher.Running, words: "staging out files"},
	"COMPLETING": {state: launcher.Running, leaves: true, words: "ending: its node is being cleaned up"}, // no end yet
	"STOPPED":    {state: launcher.Running, paused: true, words: "stopped, with its CPUs kept"},
	"SUSPENDED":  {state: launcher.Running, paused: true, words: "suspended by the scheduler"},

	"COMPLETED":     {state: launcher.Ended},
	"FAILED":        {state: launcher.Ended},
	"TIMEOUT":       {state: launcher.Ended},
	"DEADLINE":      {state: launcher.Ended},
	"OUT_OF_MEMORY": {state: launcher.Ended},
	"NODE_FAIL":     {state: launcher.Ended},
	"BOOT_FAIL":     {state: launcher.Ended},
	"PREEMPTED":     {state: launcher.Ended},
	"CANCELLED":     {state: launcher.Ended},
	"LAUNCH_FAILED": {state: launcher.Ended},
	"RECONFIG_FAIL": {state: launcher.Ended},

	"REVOKED": {state: launcher.Unknown, words: "its sibling on another cluster was taken"},
	"":        {state: launcher.Unknown},
}

// worker makes a row of squeue or sacct a worker.
func (r row) worker() launcher.Worker {
	st, known := stages[r.state]
	if !known {
		st = stage{state: launcher.Running, words: "state " + r.state}
	}
	w := launcher.Worker{Job: r.job, Key: r.name, Index: r.index, State: st.state, Stuck: st.stuck, Paused: st.paused, Leaving: st.leaves, Reason: st.words, Host: r.node}
	switch st.state {
	case launcher.Pending:
		w.Host = ""
		if st.words == "" || r.reason != "" && !st.stuck {
			w.Reason, w.Stuck = explain(r.reason)
		}
	case launcher.Ended:
		w.End, w.Reason = r.end()
	}
	return w
}

// end says how a job that is over ended. The scheduler vouches for the death
// of the worker's processes only if the node did: it has reported the batch
// process's end, which is what a status other than 0:0 shows where the end was
// ordered and did not come by itself. A lost node's processes may write on for
// minutes.
func (r row) end() (launcher.End, string) {
	never := r.node == "" // it had no node, so it had no process
	reported := r.status != status{}
	switch r.state {
	case "COMPLETED":
		return launcher.End{Cause: launcher.Exited, Proof: true}, "exit code 0"
	case "FAILED":
		return r.failed()
	case "OUT_OF_MEMORY":
		return launcher.End{Cause: launcher.OutOfMemory, Proof: true}, "used more memory than it asked for: raise launcher.mem"
	case "TIMEOUT":
		return launcher.End{Cause: launcher.OutOfTime, Proof: reported}, "its time was up"
	case "DEADLINE":
		return launcher.End{Cause: launcher.OutOfTime, Proof: reported || never}, "the job's deadline was over"
	case "PREEMPTED":
		return launcher.End{Cause: launcher.Preempted, Proof: reported}, "preempted for another job"
	case "CANCELLED":
		return launcher.End{Cause: launcher.Cancelled, Proof: reported || never}, "cancelled"
	case "NODE_FAIL":
		return launcher.End{Cause: launcher.NodeLost}, "its node " + orDash(r.node) + " failed or was not heard of"
	case "BOOT_FAIL":
		return launcher.End{Cause: launcher.NodeLost}, "its node " + orDash(r.node) + " did not start up"
	case "LAUNCH_FAILED", "RECONFIG_FAIL":
		return launcher.End{Cause: launcher.SetupFailed}, "the node could not start it: " + strings.ToLower(r.state)
	}
	return launcher.End{}, strings.ToLower(r.state)
}

// failed reads the status of a job that FAILED.
func (r row) failed() (launcher.End, string) {
	setup := func(words string) (launcher.End, string) {
		return launcher.End{Cause: launcher.SetupFailed, Proof: true}, words
	}
	node := orDash(r.node)
	switch sig := r.status.signal; sig {
	case 0:
	case sigNoLog:
		return setup("its log could not be opened on node " + node + ": the folder is missing there or not writable, so there is no log")
	case sigSetup:
		return setup("the setup lines failed on node " + node + ": see the worker's log")
	case sigProgram:
		return setup("the program cannot be executed on node " + node + ": see the worker's log")
	case sigFolder:
		return setup("node " + node + " does not see the job's folders: see the worker's log")
	default:
		return launcher.End{Cause: launcher.Signaled, Signal: signalName(sig), Proof: true}, "killed by " + signalName(sig)
	}
	switch {
	case r.status.code != 0:
		return launcher.End{Cause: launcher.Exited, Code: r.status.code, Proof: true}, fmt.Sprintf("exit code %d", r.status.code)
	case r.reason == "JobLaunchFailure":
		return setup("node " + node + " could not start it")
	}
	return launcher.End{}, "failed: " + orDash(r.reason)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// signalName names the signals of Linux: the jobs run there, wherever this
// runs.
func signalName(n int) string {
	names := map[int]string{1: "SIGHUP", 2: "SIGINT", 3: "SIGQUIT", 4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL",
		10: "SIGUSR1", 11: "SIGSEGV", 12: "SIGUSR2", 13: "SIGPIPE", 14: "SIGALRM", 15: "SIGTERM", 24: "SIGXCPU", 25: "SIGXFSZ"}
	if s, ok := names[n]; ok {
		return s
	}
	return fmt.Sprintf("signal %d", n)
}
