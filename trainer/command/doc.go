// Package command runs any external program as a run: a Python script, a
// compiled simulator, a shell pipeline. The program needs no library and no
// change; the [task] table of its config says how to call it and what it owes.
//
//	[task]
//	command = ["python3", "fit.py", "--c={c}", "--seed={seed}"]
//	outputs = ["model.pt"]                  # files the run owes, relative to its folder
//	[task.metrics]
//	accuracy = 'accuracy = (\S+)'          # on the log; the last match is the value
//	[task.env]
//	DATA = "/data/{dataset}"
//
//	[sweep]
//	c = [0.01, 1.0]
//	seed = "range(0,3)"
//
// # Calling the program
//
// The command is a list of words, executed without a shell: whatever a value
// holds (spaces, quotes, newlines), it stays inside its word. In a word, {key}
// is replaced by the value of any dotted key of the run's config; lists and
// tables become JSON. {{ and }} are literal braces. These names are filled in
// when the run starts:
//
//	{run_dir}      the attempt's own folder; everything the program keeps belongs there
//	{name} {id}    the run
//	{threads}      how many threads it may use
//	{gpus}         its devices, as in CUDA_VISIBLE_DEVICES
//	{config}       path of the run's whole config as TOML
//	{config_json}  the same as JSON; the file is written only if this is used
//	{resume}       folder with the checkpoints of an earlier attempt, or nothing
//
// With shell = true the command is one string for sh -c, and values are quoted
// for the place where they stand. There a shell variable is ${{HOME}}. The
// program starts in the folder where submit was typed; workdir changes that.
//
// With snapshot = true it starts in the same place of a copy of the code that was
// made at submit, so that an edit changes nothing for runs that still wait. The
// copy has what git tracks or would track (package orch/sweep/code has the
// rules), or with snapshot = ["src", "*.py"] what is listed; all else is there as
// a link. It is shared and its files are read-only: what a program writes belongs
// into its run folder. A package that Python finds elsewhere, by PYTHONPATH or
// pip install -e, is not the copied one.
//
// # What the program is told
//
// It inherits the user's environment and finds, besides [task.env], which wins
// over all of these:
//
//	ORCH_RUN_DIR ORCH_RUN_ID ORCH_RUN_NAME ORCH_SWEEP ORCH_CONFIG ORCH_THREADS
//	ORCH_SUBMIT_DIR where submit was typed
//	ORCH_GPUS       as {gpus}, if orch deals them
//	ORCH_SEED       if the config has a seed
//	ORCH_METRICS    a file to append metrics to, see below
//	ORCH_CKPT_DIR   an existing folder for checkpoints
//	ORCH_RESUME     as {resume}; set, but empty, on a fresh start
//	CUDA_VISIBLE_DEVICES, OMP_NUM_THREADS and its kin
//	PYTHONUNBUFFERED=1, so that the log of a killed script is whole
//	WANDB_RUN_GROUP WANDB_NAME WANDB_DIR WANDB_MODE=offline
//	MLFLOW_EXPERIMENT_NAME TENSORBOARD_LOGDIR
//
// The last three lines do not replace what the user has exported. A worker also
// sees to it that orch is in PATH, for orch metric.
//
// # Metrics
//
// Ways back, which may be mixed; a pattern wins over metrics.json, which wins
// over $ORCH_METRICS:
//
//   - a regular expression on the log, matched line by line (a carriage return
//     ends a line too, so progress bars work). Its first group, or the one
//     named value, is the number; the last match counts.
//   - JSON lines appended to the file $ORCH_METRICS, {"step":5,"loss":0.3} or
//     {"name":"loss","value":0.3,"step":5}. Rows with a step make a series,
//     visible while the run goes on, and their last value is the result. NaN
//     and Infinity are read in the spelling of Python's json.
//     {"checkpoint":"ckpt/5.pt","step":5} says that this file is complete.
//   - orch metric loss=0.3 --step 5, called by the program: it appends such a
//     line ([Append]). Calls may come at the same time.
//   - a JSON file $ORCH_RUN_DIR/metrics.json, left at the end: {"test":
//     {"accuracy":0.9}} is the metric test.accuracy. Lists and strings in it are
//     not metrics.
//
// deploy/orch_metrics.py writes the second kind from Python without any
// dependency. Lines that cannot be read are counted and named at the end of
// the run's log; they never fail a run.
//
// # How a run ends
//
// A run is done if the program exits with 0 and left every pattern's value and
// every output. Anything else is a [trainer.Failure] of one of these classes:
//
//	NoResult     exit 0, but something owed is missing; the message names it
//	Failed       another exit code or a signal; the message is the log's last line
//	OutOfMemory  it was killed and the kernel counted an out-of-memory kill, or it
//	             failed and the end of its log speaks of exhausted memory
//	BadSetup     it could not start: no such program, no such folder
//	Timeout      it ran longer than task.timeout
//	Stall        neither log nor metrics file grew for task.stall
//	Preempted    it was asked to leave
//
// Asked to leave (preemption, the allocation's end, Ctrl-C), the program's
// whole process group gets stop_signal ("SIGTERM") and has stop_grace ("10s")
// to write a checkpoint into $ORCH_CKPT_DIR (under a name ending in .tmp until
// it is complete). It should then exit with another code than 0: a program that
// owes something, leaves all of it and exits with 0 is believed to be done. A run
// that takes too long or falls silent gets SIGTERM and has as long.
//
// A program that saves when it is told to, and goes on, gets checkpoint_signal =
// "SIGUSR1" first, it alone and not its children, which such a signal would kill.
// The stop signal follows as soon as it names a checkpoint, at the latest after
// stop_grace. With checkpoint_every = "10m" it is told that often.
//
// Whatever of its process group is left when the program ends is killed. A
// descendant that made a session of its own (setsid) escapes that; under Slurm
// the job's cgroup takes care of it.
//
// # Platforms
//
// On Linux the program dies with the worker, also if that is killed with
// SIGKILL; elsewhere it can outlive it. On Windows only the program itself can
// be ended, not its descendants, and stopping it is killing it; signals and
// the evidence of out-of-memory kills are not available, and shell = true
// needs an sh in PATH.
package command
