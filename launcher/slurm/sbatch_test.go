package slurm

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/launcher"
)

// What sbatch leaves behind, as measured on Slurm 22.05 (and by report on 20.11
// to 25.05), and what it must be taken for.
func TestJudgeSbatch(t *testing.T) {
	const failed = "sbatch: error: Batch job submission failed: "
	for _, x := range []struct {
		name           string
		code           int
		err            error
		stdout, stderr string
		want           string // id, refused, limited or unknown
		advice         string // part of it
	}{
		{name: "accepted", stdout: "215\n", want: "215"},
		{name: "with its cluster", stdout: "215;alpha\n", want: "215"},
		{name: "federated id", stdout: "2147483650;a.b-c\n", want: "2147483650"},
		{name: "no newline", stdout: "215", want: "215"},
		{name: "site wrapper", stdout: "Welcome to Alpha\nquota 12%\n215\n", want: "215"},
		{name: "wrapper talks on", stdout: "215\nhave a nice day\n", want: "215"},
		{name: "two numbers", stdout: "3\n215\n", want: "215"},
		{name: "carriage return", stdout: "215\r\n", want: "215"},
		{name: "queue was full", stdout: "215\n", stderr: "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n", want: "215"},
		{name: "warning", stdout: "215\n", stderr: "sbatch: warning: can't honor --ntasks-per-node\n", want: "215"},
		{name: "stdout was full", stdout: "", want: "unknown"},
		{name: "no number", stdout: "Submitted batch job 215\n", want: "unknown"},
		{name: "zero", stdout: "0\n", want: "unknown"},

		{name: "controller stopped", code: 1, stderr: failed + "Socket timed out on send/recv operation\n", want: "unknown"},
		{name: "controller dead", code: 1, stderr: failed + "Unable to contact slurm controller (connect failure)\n", want: "unknown"},
		{name: "rejected by a reset", code: 1, stderr: failed + "Connection reset by peer\n", want: "unknown"},
		{name: "zero bytes", code: 1, stderr: failed + "Zero Bytes were transmitted or received\n", want: "unknown"},
		{name: "no word", code: 1, want: "unknown"},
		{name: "deadline", code: -1, err: context.DeadlineExceeded, want: "unknown"},
		{name: "deadline while retrying", code: -1, err: context.DeadlineExceeded,
			stderr: "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n", want: "unknown"},
		{name: "killed", code: -1, err: errors.New("signal: killed"), want: "unknown"},

		{name: "queue full", code: 1, stderr: "sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying\n" + failed + "Resource temporarily unavailable\n", want: "limited"},
		{name: "queue full, and left alone", code: 1, stderr: "sbatch: error: Slurm job queue full, sleeping and retrying\n", want: "limited"},
		{name: "no job record", code: 1, stderr: failed + "Unable to create job record, try again\n", want: "limited"},
		{name: "QOS submit limit", code: 1, stderr: "sbatch: error: QOSMaxSubmitJobPerUserLimit\n" + failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "limited"},
		{name: "association submit limit", code: 1, stderr: "sbatch: error: AssocMaxSubmitJobLimit\n" + failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "limited"},
		{name: "policy without a word", code: 1, stderr: failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "limited"},
		{name: "the controller's disk is full", code: 1, stderr: failed + "I/O error writing script/environment to file\n", want: "limited"},
		{name: "partition drains", code: 1, stderr: failed + "Required partition not available (inactive or drain)\n", want: "limited"},

		{name: "walltime of a QOS", code: 1, stderr: "sbatch: error: QOSMaxWallDurationPerJobLimit\n" + failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "refused", advice: "lower launcher.time"},
		{name: "a QOS for GPUs", code: 1, stderr: "sbatch: error: QOSMinGRES\n" + failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "refused", advice: "raise launcher.gpus"},
		{name: "a worker larger than a user's share", code: 1, stderr: "sbatch: error: QOSMaxCpuPerUserLimit\n" + failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "refused", advice: "launcher.cpus"},
		{name: "an account's submit limit", code: 1, stderr: "sbatch: error: AssocGrpSubmitJobsLimit\n" + failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "limited"},
		{name: "an account's used-up minutes", code: 1, stderr: "sbatch: error: AssocGrpCPUMinutesLimit\n" + failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "limited"},
		{name: "enforced partition limits", code: 1, stderr: failed + "Requested partition configuration not available now\n", want: "refused", advice: "launcher.time"},
		{name: "too many CPUs", code: 1, stderr: failed + "More processors requested than permitted\n", want: "refused", advice: "launcher.threads"},
		{name: "memory of a partition", code: 1, stderr: failed + "Memory required by task is not available\n", want: "refused", advice: "launcher.mem"},
		{name: "CPUs per job", code: 1, stderr: "sbatch: error: QOSMaxCpuPerJobLimit\n" + failed + "Job violates accounting/QOS policy (job submit limit, user's size and/or time limits)\n", want: "refused", advice: "launcher.cpus"},
		{name: "memory by CPU", code: 1, stderr: "sbatch: error: lua: Requesting memory by node is not supported. Use --mem-per-cpu.\n" + failed + "Memory specification can not be satisfied\n", want: "refused", advice: `mem_as = "cpu"`},
		{name: "no memory, please", code: 1, stderr: "sbatch: error: You cannot submit a job requesting memory parameters\n" + failed + "Unspecified error\n", want: "refused", advice: `mem_as = "none"`},
		{name: "partition", code: 1, stderr: "sbatch: error: invalid partition specified: nope\n" + failed + "Invalid partition name specified\n", want: "refused", advice: "sinfo -s"},
		{name: "array", code: 1, stderr: failed + "Invalid job array specification\n", want: "refused", advice: "MaxArraySize"},
		{name: "memory", code: 1, stderr: "sbatch: error: Memory specification can not be satisfied\n" + failed + "Requested node configuration is not available\n", want: "refused", advice: "launcher.mem"},
		{name: "nodes", code: 1, stderr: failed + "Requested node configuration is not available\n", want: "refused", advice: "launcher.cpus"},
		{name: "gres", code: 1, stderr: failed + "Invalid generic resource (gres) specification\n", want: "refused", advice: "sinfo -o '%P %G'"},
		{name: "account", code: 1, stderr: failed + "Invalid account or account/partition combination specified\n", want: "refused", advice: "launcher.account"},
		{name: "QOS", code: 1, stderr: failed + "Invalid qos specification\n", want: "refused", advice: "launcher.qos"},
		{name: "group", code: 1, stderr: failed + "User's group not permitted to use this partition\n", want: "refused", advice: "launcher.partition"},
		{name: "nice", code: 1, stderr: "sbatch: error: Invalid --nice value\n", want: "refused", advice: "launcher.extra"},
		{name: "no file", code: 1, stderr: "sbatch: error: Unable to open file F\n", want: "refused"},
		{name: "no script", code: 1, stderr: "sbatch: error: This does not look like a batch script.  The first\n", want: "refused"},
		{name: "empty", code: 1, stderr: "sbatch: error: Batch script is empty!\n", want: "refused"},
		{name: "DOS", code: 1, stderr: "sbatch: error: Batch script contains DOS line breaks (\\r\\n)\n", want: "refused"},
		{name: "too long", code: 1, stderr: failed + "Pathname of a file, directory or other parameter too long\n", want: "refused", advice: "shorter"},
		{name: "time", code: 255, stderr: "sbatch: error: Invalid --time specification\n", want: "refused", advice: "launcher.time"},
		{name: "option", code: 255, stderr: "sbatch: unrecognized option '--foo=1'\nTry \"sbatch --help\" for more information\n", want: "refused", advice: "launcher.extra"},
		{name: "root's option", code: 255, stderr: "sbatch: error: --uid only permitted by root user\n", want: "refused"},
		{name: "site's plugin", code: 1, stderr: "sbatch: error: You must name a project.\n" + failed + "Unspecified error\n", want: "refused"},
		{name: "bad configuration", code: 1, stderr: "sbatch: fatal: Unable to process configuration file\n", want: "refused", advice: "SLURM_CONF"},
		{name: "munge", code: 1, stderr: failed + "Protocol authentication error\n", want: "refused", advice: "munge"},
	} {
		t.Run(x.name, func(t *testing.T) {
			id, err := judgeSbatch(answer{code: x.code, err: x.err, stdout: x.stdout, stderr: x.stderr})
			var refused *launcher.Refused
			var limited *launcher.Limited
			got := "unknown"
			switch {
			case err == nil:
				got = id
			case errors.As(err, &refused):
				got = "refused"
				if !strings.Contains(refused.Advice, x.advice) {
					t.Errorf("advice: got %q, want %q in it", refused.Advice, x.advice)
				}
				if refused.Reason == "" {
					t.Error("refused without a reason")
				}
			case errors.As(err, &limited):
				got = "limited"
			}
			if got != x.want {
				t.Errorf("got %s (%v), want %s", got, err, x.want)
			}
			if x.err != nil && !errors.Is(err, x.err) {
				t.Errorf("got %v, want it to wrap %v", err, x.err)
			}
		})
	}
}

// What will pass is no refusal, after which the sweep would ask no more.
func TestFolderTrouble(t *testing.T) {
	for err, refused := range map[error]bool{syscall.ENOENT: true, syscall.EACCES: true, syscall.EIO: false, syscall.ESTALE: false, syscall.ENOSPC: false} {
		got := folderTrouble(&fs.PathError{Op: "open", Path: "/l/k.sh", Err: err}, "words", "advice")
		var later *launcher.Limited
		if launcher.IsRefused(got) != refused || errors.As(got, &later) == refused {
			t.Errorf("%v: %v, want refused %t and else later", err, got, refused)
		}
	}
}

func TestJudgeScancel(t *testing.T) {
	for _, x := range []struct {
		name string
		a    answer
		ok   bool
	}{
		{"done", answer{}, true},
		{"over", answer{code: 1, stderr: "scancel: error: Kill job error on job id 23: Invalid job id specified\n"}, true},
		{"ending", answer{code: 1, stderr: "scancel: error: Kill job error on job id 23: Job/step already completing or completed\n"}, true},
		{"someone else's now", answer{code: 210, stderr: "scancel: error: Kill job error on job id 9: Access/permission denied\n"}, true},
		{"controller dead", answer{code: 8, stderr: "scancel: error: Kill job error on job id 32: Unable to contact slurm controller (connect failure)\n"}, false},
		{"one of two", answer{code: 1, stderr: "scancel: error: Kill job error on job id 23: Invalid job id specified\nscancel: error: Kill job error on job id 32: Socket timed out on send/recv operation\n"}, false},
		{"no word", answer{code: 1}, false},
		{"deadline", answer{code: -1, err: context.DeadlineExceeded}, false},
	} {
		if err := judgeScancel(x.a); (err == nil) != x.ok {
			t.Errorf("%s: got %v, want success: %t", x.name, err, x.ok)
		}
	}
}

func FuzzSbatchOutput(f *testing.F) {
	f.Add("215;alpha\n", "sbatch: error: x\n", 0)
	f.Add("", "sbatch: error: Batch job submission failed: Invalid qos specification\n", 1)
	f.Add("banner\n\x00\n12\n", "", 1)
	f.Fuzz(func(t *testing.T, stdout, stderr string, code int) {
		id, err := judgeSbatch(answer{code: code, stdout: stdout, stderr: stderr})
		if (id == "") == (err == nil) {
			t.Fatalf("id %q and error %v", id, err)
		}
		if id != "" && (!isID(id) || code != 0 || !strings.Contains(stdout, id)) {
			t.Fatalf("exit code %d, %q gave the number %q", code, stdout, id)
		}
		if err != nil && strings.TrimSpace(err.Error()) == "" {
			t.Fatal("an error without words")
		}
	})
}

// sbatch that waits for room in a full queue is ended while its first second
// proves that it has not asked again; one that says so later is left alone, and
// its last word counts. A shell that does not get to its first word in time is
// such a one: then another is tried.
func TestFullQueueIsNotWaitedFor(t *testing.T) {
	const said = "echo 'sbatch: error: Slurm temporarily unable to accept job, sleeping and retrying' >&2; "
	for name, x := range map[string]struct{ script, words string }{
		"at once": {said + "sleep 5; echo 215", "not now: Slurm temporarily unable to accept job"},
		"late":    {"sleep 1.2; " + said + "sleep 0.1; echo 'sbatch: error: the end' >&2; exit 1", "not now: Slurm temporarily unable to accept job; the end"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			if err := os.WriteFile(filepath.Join(bin, "sbatch"), []byte("#!/bin/sh\n"+x.script+"\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			s, err := Open(Options{Bin: bin})
			if err != nil {
				t.Fatal(err)
			}
			for try := 1; ; try++ {
				begin := time.Now()
				id, err := judgeSbatch(s.run(t.Context(), 5*time.Minute, os.Environ(), "sbatch"))
				if limited := new(launcher.Limited); errors.As(err, &limited) && err.Error() == x.words {
					return
				}
				if took := time.Since(begin); took < secondTry || try == 10 {
					t.Fatalf("sbatch says %q, %v after %v; want %q", id, err, took, x.words)
				}
			}
		})
	}
}
