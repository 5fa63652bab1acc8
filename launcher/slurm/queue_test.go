package slurm

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"orch/launcher"
)

// Every way in which squeue shows a worker, and what it means.
func TestParseQueueLine(t *testing.T) {
	const key = "orch-s-1"
	ended := func(c launcher.Cause, proof bool) launcher.Worker {
		return launcher.Worker{State: launcher.Ended, End: launcher.End{Cause: c, Proof: proof}}
	}
	exit := func(code int) launcher.Worker {
		w := ended(launcher.Exited, true)
		w.End.Code = code
		return w
	}
	killed := func(signal string) launcher.Worker {
		w := ended(launcher.Signaled, true)
		w.End.Signal = signal
		return w
	}
	pending := launcher.Worker{State: launcher.Pending}
	stuck := launcher.Worker{State: launcher.Pending, Stuck: true}
	running := launcher.Worker{State: launcher.Running}
	paused := launcher.Worker{State: launcher.Running, Paused: true}
	for _, x := range []struct {
		state, status, node, reason string
		want                        launcher.Worker // State, Stuck and End
		words                       string          // part of Reason
	}{
		{"PENDING", "0", "", "None", pending, "not looked at"},
		{"PENDING", "0", "", "Resources", pending, "free nodes (Resources)"},
		{"PENDING", "0", "", "Priority", pending, "priority"},
		{"PENDING", "0", "", "BeginTime", pending, "start time"},
		{"PENDING", "0", "", "Dependency", pending, "another job"},
		{"PENDING", "0", "", "JobArrayTaskLimit", pending, "throttle"},
		{"PENDING", "0", "", "QOSMaxJobsPerUserLimit", pending, "at once"},
		{"PENDING", "0", "", "AssocGrpCpuLimit", pending, "at once"},
		{"PENDING", "0", "", "AssocGrpCPURunMinutesLimit", pending, "smaller launcher.time"},
		{"PENDING", "0", "", "AssocGrpCPUMinutesLimit", stuck, "time"},
		{"PENDING", "0", "", "QOSMaxCpuPerJobLimit", stuck, "single job"},
		{"PENDING", "0", "", "PartitionDown", stuck, "down"},
		{"PENDING", "0", "", "PartitionTimeLimit", stuck, "launcher.time"},
		{"PENDING", "0", "", "PartitionConfig", stuck, "launcher.nodes"},
		{"PENDING", "0", "", "DependencyNeverSatisfied", stuck, "failed"},
		{"PENDING", "0", "", "ReqNodeNotAvail, UnavailableNodes:n2", pending, "n2"},
		{"PENDING", "0", "", "ReqNodeNotAvail,_UnavailableNodes:n2", pending, "sinfo -R"},
		{"PENDING", "0", "", "ReqNodeNotAvail, Reserved for maintenance", pending, "smaller launcher.time"},
		{"PENDING", "0", "", "ReqNodeNotAvail,_May_be_reserved_for_other_job", pending, "kept for"},
		{"PENDING", "0", "", "Nodes required for job are DOWN, DRAINED or reserved for jobs in higher priority partitions", pending, "waits: the nodes"},
		{"PENDING", "0", "", "Job's account not known, so it can't use this partition (acc allows foo)", stuck, "launcher.account"},
		{"PENDING", "0", "", "Job's account not permitted to use this partition (acc allows foo not dev)", stuck, "launcher.account"},
		{"PENDING", "0", "", "Job's QOS not permitted to use this partition (acc allows long not normal)", stuck, "launcher.qos"},
		{"PENDING", "0", "", "QOSMinCpuNotSatisfied", stuck, "launcher.threads"},
		{"PENDING", "0", "", "QOSMinGRES", stuck, "launcher.gpus"},
		{"PENDING", "0", "", "JobHeldUser", stuck, "scontrol release"},
		{"PENDING", "0", "", "JobHeldAdmin", stuck, "administrator"},
		{"PENDING", "0", "", "launch failed requeued held", stuck, "held"},
		{"PENDING", "0", "", "launch_failed_requeued_held", stuck, "held"},
		{"PENDING", "0", "", "BadConstraints", stuck, "constraint"},
		{"PENDING", "0", "", "SomethingOfTomorrow", pending, "SomethingOfTomorrow"},
		{"PENDING", "0", "", "a|b", pending, "a|b"},
		{"CONFIGURING", "0", "n1", "None", pending, "starting up"},
		{"REQUEUED", "0", "", "None", pending, "queue"},
		{"REQUEUE_FED", "0", "", "None", pending, "queue"},
		{"REQUEUE_HOLD", "0", "", "job requeued in held state", stuck, "release"},
		{"SPECIAL_EXIT", "0", "", "None", stuck, "release"},
		{"RESV_DEL_HOLD", "0", "", "None", stuck, "reservation"},

		{"RUNNING", "0", "n1", "None", running, ""},
		{"SIGNALING", "0", "n1", "None", running, ""},
		{"RESIZING", "0", "n1", "None", running, ""},
		{"STAGE_OUT", "0", "n1", "None", running, ""},
		{"COMPLETING", "1792", "n1", "None", launcher.Worker{State: launcher.Running, Leaving: true}, "cleaned up"},
		{"STOPPED", "0", "n1", "None", paused, "stopped"},
		{"SUSPENDED", "0", "n1", "None", paused, "suspended"},
		{"EXPEDITING", "0", "n1", "None", running, "EXPEDITING"},
		{"POWER_UP_NODE", "0", "n1", "None", running, "POWER_UP_NODE"},
		{"REVOKED", "0", "", "None", launcher.Worker{}, "sibling"},
		{"", "0", "", "None", launcher.Worker{}, ""},

		{"COMPLETED", "0", "n1", "None", exit(0), "exit code 0"},
		{"FAILED", "1792", "n1", "NonZeroExitCode", exit(7), "exit code 7"},
		{"FAILED", "7:0", "n1", "NonZeroExitCode", exit(7), "exit code 7"},
		{"FAILED", "11264", "n1", "NonZeroExitCode", exit(44), "exit code 44"},
		{"FAILED", "35072", "n1", "NonZeroExitCode", exit(137), "exit code 137"},
		{"FAILED", "32512", "n1", "NonZeroExitCode", exit(127), "exit code 127"},
		{"FAILED", "65280", "n1", "NonZeroExitCode", exit(255), "exit code 255"},
		{"FAILED", "9", "n1", "JobLaunchFailure", killed("SIGKILL"), "SIGKILL"},
		{"FAILED", "0:9", "n1", "JobLaunchFailure", killed("SIGKILL"), "SIGKILL"},
		{"FAILED", "139", "n1", "JobLaunchFailure", killed("SIGSEGV"), "SIGSEGV"}, // with a core
		{"FAILED", "15", "n1", "None", killed("SIGTERM"), "SIGTERM"},
		{"FAILED", "4021", "n1", "JobLaunchFailure", ended(launcher.SetupFailed, true), "log"}, // 0:53 as squeue has it
		{"FAILED", "0:53", "n1", "JobLaunchFailure", ended(launcher.SetupFailed, true), "no log"},
		{"FAILED", "60", "n1", "JobLaunchFailure", ended(launcher.SetupFailed, true), "setup lines"},
		{"FAILED", "61", "n1", "JobLaunchFailure", ended(launcher.SetupFailed, true), "executed"},
		{"FAILED", "0:62", "n1", "JobLaunchFailure", ended(launcher.SetupFailed, true), "folders"},
		{"FAILED", "0", "n1", "JobLaunchFailure", ended(launcher.SetupFailed, true), "could not start"},
		{"FAILED", "0", "n1", "AssociationJobLimit", ended(launcher.EndUnknown, false), "AssociationJobLimit"},
		{"OUT_OF_MEMORY", "0:125", "n1", "OutOfMemory", ended(launcher.OutOfMemory, true), "launcher.mem"},
		{"TIMEOUT", "15", "n1", "TimeLimit", ended(launcher.OutOfTime, true), "time"},
		{"TIMEOUT", "0:9", "n1", "TimeLimit", ended(launcher.OutOfTime, true), "time"},
		{"TIMEOUT", "0", "n1", "TimeLimit", ended(launcher.OutOfTime, false), "time"},
		{"DEADLINE", "0", "", "DeadLine", ended(launcher.OutOfTime, true), "deadline"},
		{"NODE_FAIL", "0", "n1", "NodeDown", ended(launcher.NodeLost, false), "n1"},
		{"NODE_FAIL", "9", "n1", "NodeDown", ended(launcher.NodeLost, false), "n1"},
		{"BOOT_FAIL", "0", "n1", "None", ended(launcher.NodeLost, false), "n1"},
		{"PREEMPTED", "15", "n1", "None", ended(launcher.Preempted, true), "preempted"},
		{"PREEMPTED", "0", "n1", "None", ended(launcher.Preempted, false), "preempted"},
		{"CANCELLED", "15", "n1", "None", ended(launcher.Cancelled, true), "cancelled"},
		{"CANCELLED by 1000", "0:15", "n1", "None", ended(launcher.Cancelled, true), "cancelled"},
		{"CANCELLED+", "0:15", "n1", "None", ended(launcher.Cancelled, true), "cancelled"},
		{"CANCELLED", "0", "", "Priority", ended(launcher.Cancelled, true), "cancelled"},   // pending
		{"CANCELLED", "0", "n1", "None", ended(launcher.Cancelled, false), "cancelled"},    // nobody has heard of the process
		{"LAUNCH_FAILED", "0", "n1", "None", ended(launcher.SetupFailed, false), "launch"}, // 24.05
		{"RECONFIG_FAIL", "0", "n1", "None", ended(launcher.SetupFailed, false), "reconfig"},
	} {
		line := fmt.Sprintf("12|7|%s|%s|%s|%s|%s|", x.state, x.status, x.node, x.reason, key)
		ws, bad := parseQueue(line + "\n")
		if bad > 0 || len(ws) != 1 {
			t.Errorf("%s: got %d workers, %d bad lines", line, len(ws), bad)
			continue
		}
		got := ws[0]
		want := x.want
		want.Job, want.Key, want.Index = "12", key, 7
		want.Host, want.Reason = got.Host, got.Reason
		if got != want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", line, got, want)
		}
		if !strings.Contains(got.Reason, x.words) {
			t.Errorf("%s: reason %q, want %q in it", line, got.Reason, x.words)
		}
		if (got.Stuck || got.State == launcher.Pending || got.State == launcher.Ended) && got.Reason == "" {
			t.Errorf("%s: no reason for people", line)
		}
	}
}

// Lines that squeue prints and that are no workers of ours, or no lines.
func TestParseQueueForeign(t *testing.T) {
	for _, x := range []struct {
		name, text   string
		workers, bad int
	}{
		{"nothing", "", 0, 0},
		{"no array", "1|N/A|RUNNING|0|n1|None|bash|\n", 1, 0}, // a worker of nobody's key, or ours where arrays are switched off
		{"bracket form", "12|5-10%2|PENDING|0||None|k|\n12|9997,9999-10000%1|PENDING|0||None|k|\n12|1-598:3|PENDING|0||None|k|\n", 0, 0},
		{"cut at 64 bytes", "12|1,3,5,7,9,11,13,15,17,19,21,23,25,27,29,31,33,35,37,39,41,43,…64,81,1|PENDING|0||None|k|\n", 0, 0},
		{"another's name", "3|0|RUNNING|0|n1|None|my job|\n", 0, 0},
		{"name with a bar", "3|0|RUNNING|0|n1|None|a|b|\n", 1, 0}, // reads as reason "None|a", name "b": of no key of ours
		{"name with a newline", "3|0|RUNNING|0|n1|None|a\nb|\n", 0, 2},
		{"too few columns", "3|0|RUNNING|\n", 0, 1},
		{"cluster's heading", "CLUSTER: alpha\n1|0|RUNNING|0|n1|None|k|\n", 1, 1},
		{"error among lines", "slurm_load_jobs error: Invalid job id specified\n", 0, 1},
		{"no number", "x|0|RUNNING|0|n1|None|k|\n", 0, 1},
		{"status of letters", "1|0|RUNNING|abc|n1|None|k|\n", 0, 1},
		{"record of a refusal", "27|0|FAILED|1||BadConstraints|k|\n", 0, 0},
		{"padded", "1   |0  |RUNNING   |0  |n1  |None  |k   |\n", 1, 0},
		{"huge index", "1|99999999999999999999|RUNNING|0|n1|None|k|\n", 0, 0},
	} {
		ws, bad := parseQueue(x.text)
		if len(ws) != x.workers || bad != x.bad {
			t.Errorf("%s: got %d workers, %d bad lines, want %d, %d (%+v)", x.name, len(ws), bad, x.workers, x.bad, ws)
		}
	}
}

func TestParsePast(t *testing.T) {
	text := strings.Join([]string{
		"215_3|FAILED|3:0|n1|None|orch-a",
		"215_4|CANCELLED by 1000|0:0|None assigned|None|orch-a",
		"215_5|PREEMPTED|0:0|n1|None|orch-a", // its first try
		"215_5|PENDING|0:0|None assigned|BeginTime|orch-a",
		"216_0|OUT_OF_MEMORY|0:125|n2|None|orch-b",
		"216_1|NODE_FAIL|0:0|n2|None|orch-b",
		"216_2|TIMEOUT|0:0|n2|None|orch-b",
		"216_3|FAILED|0:53|n2|None|orch-b",
		"217|COMPLETED|0:0|n2|None|plain",
		"218_[0-3]|PENDING|0:0|None assigned|None|orch-c",
		"junk",
	}, "\n") + "\n"
	ws, bad := parsePast(text)
	var got []string
	for _, w := range ws {
		got = append(got, fmt.Sprintf("%s %s.%d %s %s %d %t", w.Key, w.Job, w.Index, w.State, w.End.Cause, w.End.Code, w.End.Proof))
	}
	want := []string{
		"orch-a 215.3 ended exited 3 true",
		"orch-a 215.4 ended cancelled 0 true",
		"orch-a 215.5 pending ended 0 false",
		"orch-b 216.0 ended out of memory 0 true",
		"orch-b 216.1 ended node lost 0 false",
		"orch-b 216.2 ended out of time 0 false",
		"orch-b 216.3 ended setup failed 0 true",
		"plain 217.0 ended exited 0 true",
	}
	if bad != 1 || strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%d bad lines, got\n%s\nwant 1,\n%s", bad, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// An answer that cannot be read is not an empty queue.
func TestUnreadable(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the commands are shell scripts")
	}
	bin := t.TempDir()
	for _, name := range []string{"sbatch", "squeue", "sacct", "scontrol"} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\ncat \"${0%/*}/says\"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(Options{Bin: bin})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		name, text string
		queue      bool // squeue's answer is one
		past       bool
	}{
		{"empty", "", true, true},
		{"a greeting", "Welcome to Alpha\nCLUSTER: big\n", true, true},
		{"other columns", "job 12|RUNNING\njob 13|RUNNING\n", false, false},
		{"one row among others", "x|y\n12|0|RUNNING|0|n1|None|k|\n", true, false},
		{"a job of another kind", "x|y\n12|[0-3]|PENDING|0||None|k|\n", true, false},
	} {
		if err := os.WriteFile(filepath.Join(bin, "says"), []byte(x.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Jobs(t.Context()); (err == nil) != x.queue {
			t.Errorf("%s: Jobs = %v, want an answer: %t", x.name, err, x.queue)
		}
		if _, err := s.Past(t.Context(), time.Now(), "k"); (err == nil) != x.past {
			t.Errorf("%s: Past = %v, want an answer: %t", x.name, err, x.past)
		}
	}
}

func TestParseConfig(t *testing.T) {
	for text, want := range map[string]limits{
		"":                                   {},
		"MaxArraySize            = 11\n":     {MaxArray: 11},
		"MaxArraySize            = 0\n":      {MaxArray: 1, NoArrays: true},
		"MaxArraySize = many\nMaxJobCount=1": {},
		"Configuration data as of 2026\nMaxArraySize            = 10001\nProctrackType           = proctrack/cgroup\n": {MaxArray: 10001, Tracks: true},
		"ProctrackType           = proctrack/linuxproc\n":                                                              {},
	} {
		if got := parseConfig(text); got != want {
			t.Errorf("parseConfig(%q) = %+v, want %+v", text, got, want)
		}
	}
}

func FuzzSqueue(f *testing.F) {
	for _, name := range []string{"squeue-22.05.txt"} {
		b, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("12|7|CANCELLED by 1000|0:15|n1|a|b|k|\n\x00|\n")
	f.Fuzz(func(t *testing.T, text string) {
		ws, bad := parseQueue(text)
		if len(ws)+bad > strings.Count(text, "\n")+1 {
			t.Fatalf("%d workers and %d bad lines in %d lines", len(ws), bad, strings.Count(text, "\n")+1)
		}
		for _, w := range ws {
			checkWorker(t, w)
		}
	})
}

func FuzzSacct(f *testing.F) {
	f.Add("215_3|FAILED|3:0|n1|None|orch-a\n215_5|PREEMPTED|0:0|n1|None|orch-a\n")
	f.Add("218_[0-3]|PENDING|0:0|None assigned|None|orch-c\n")
	f.Fuzz(func(t *testing.T, text string) {
		ws, _ := parsePast(text)
		for _, w := range ws {
			checkWorker(t, w)
		}
	})
}

// checkWorker holds whatever text said to what a Worker may be.
func checkWorker(t *testing.T, w launcher.Worker) {
	t.Helper()
	switch {
	case !isID(w.Job) || !isKey(w.Key) || w.Index < 0:
		t.Fatalf("no worker: %+v", w)
	case w.State != launcher.Ended && w.End != launcher.End{}:
		t.Fatalf("an end without having ended: %+v", w)
	case w.Stuck && w.State != launcher.Pending:
		t.Fatalf("stuck but not pending: %+v", w)
	case w.End.Cause == launcher.NodeLost && w.End.Proof:
		t.Fatalf("a proof from a lost node: %+v", w)
	}
}

// BenchmarkQueue reads what squeue says of 10,000 array tasks.
func BenchmarkQueue(b *testing.B) {
	const n = 10_000
	var text strings.Builder
	for i := range n {
		if i < 500 {
			fmt.Fprintf(&text, "2|%d|RUNNING|0|n%d|None|orch-sweep-abcdefghijklmnop|\n", i, i%7)
		} else {
			fmt.Fprintf(&text, "2|%d|PENDING|0||JobHeldUser|orch-sweep-abcdefghijklmnop|\n", i)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if ws, bad := parseQueue(text.String()); len(ws) != n || bad != 0 {
			b.Fatalf("%d workers, %d bad lines", len(ws), bad)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/task")
}
