package slurm

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orch/launcher"
)

// How squeue and sacct show the same end of a job: testdata/ends.txt has what
// was seen on Slurm 22.05, with and without control groups, and the states that
// later releases document. Whichever of the two is asked, the worker must be
// said to have ended alike.
func TestBothViewsOfAnEnd(t *testing.T) {
	const key = "orch-s-1"
	b, err := os.ReadFile(filepath.Join("testdata", "ends.txt"))
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for i, line := range strings.Split(string(b), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		cases++
		f := strings.Split(line, ";")
		if len(f) != 5 {
			t.Fatalf("ends.txt:%d: %d fields, want 5", i+1, len(f))
		}
		for j := range f {
			f[j] = strings.TrimSpace(f[j])
		}
		name, queue, records, want, proof := f[0], f[1], f[2], f[3], f[4]
		if queue != "-" {
			q := strings.Fields(queue) // state, raw status, node, reason
			text := fmt.Sprintf("12|7|%s|%s|%s|%s|%s|\n", q[0], q[1], strings.Trim(q[2], "-"), q[3], key)
			ws, bad := parseQueue(text)
			checkEnd(t, name+", squeue", ws, bad, want, proof)
		}
		if records != "-" {
			text := ""
			for _, r := range strings.Split(records, " then ") {
				s := strings.Split(r, ",") // state, exit code, node, reason
				text += fmt.Sprintf("12_7|%s|%s|%s|%s|%s\n", s[0], s[1], s[2], s[3], key)
			}
			ws, bad := parsePast(text)
			if queue != "-" {
				proof = "?" // a record may know less of a lost process
			}
			checkEnd(t, name+", sacct", ws, bad, want, proof)
		}
	}
	if cases < 30 {
		t.Errorf("%d cases, want all of the file", cases)
	}
}

func checkEnd(t *testing.T, name string, ws []launcher.Worker, bad int, want, proof string) {
	t.Helper()
	if len(ws) != 1 || bad > 0 {
		t.Errorf("%s: %d workers, %d bad lines, want one worker", name, len(ws), bad)
		return
	}
	w := ws[0]
	got := w.State.String()
	if w.State == launcher.Ended {
		got = w.End.Cause.String()
		switch w.End.Cause {
		case launcher.Exited:
			got = fmt.Sprintf("exited %d", w.End.Code)
		case launcher.Signaled:
			got = "killed " + w.End.Signal
		}
	}
	if got != want {
		t.Errorf("%s: got %q (%s), want %q", name, got, w.Reason, want)
	}
	if p := fmt.Sprint(w.End.Proof); proof != "?" && p != proof {
		t.Errorf("%s: proof %s, want %s", name, p, proof)
	}
	if w.Reason == "" && w.State != launcher.Running {
		t.Errorf("%s: no words for people", name)
	}
}

// What the commands say when the controller is not there: never that there are
// no jobs.
func TestControllerAway(t *testing.T) {
	for _, x := range []struct{ name, stderr, words string }{
		{"stopped", "slurm_load_jobs error: Socket timed out on send/recv operation\n", "timed out"},
		{"dead", "slurm_load_jobs error: Unable to contact slurm controller (connect failure)\n", "connect failure"},
		{"database dead", "sacct: error: slurm_persist_conn_open_without_init: failed to open persistent connection to host:127.0.0.1:27143: Connection refused\n" +
			"sacct: error: Sending PersistInit msg: Connection refused\nsacct: error: Problem talking to the database: Connection refused\n", "the database"},
		{"no configuration", "squeue: error: s_p_parse_file: cannot stat file /x: No such file or directory, retrying in 1sec up to 60sec\nsqueue: fatal: Unable to process configuration file\n", "configuration file"},
		{"without a word", "", "exit code 1"},
	} {
		if err := (answer{code: 1, stderr: x.stderr}).failed("squeue"); err == nil || !strings.Contains(err.Error(), x.words) {
			t.Errorf("%s: got %v, want %q in it", x.name, err, x.words)
		}
	}
}

func FuzzScontrolConfig(f *testing.F) {
	f.Add("Configuration data as of 2026\nMaxArraySize            = 10001\nProctrackType           = proctrack/cgroup\n")
	f.Add("MaxArraySize = -1\nMaxArraySize=99999999999999999999\n=\n")
	f.Fuzz(func(t *testing.T, text string) {
		if l := parseConfig(text); l.MaxArray < 0 {
			t.Fatalf("MaxArraySize %d", l.MaxArray)
		}
	})
}

func FuzzScancel(f *testing.F) {
	f.Add("scancel: error: Kill job error on job id 23: Invalid job id specified\n", 1)
	f.Add("scancel: error: Kill job error on job id 32: Unable to contact slurm controller (connect failure)\n", 8)
	f.Fuzz(func(t *testing.T, stderr string, code int) {
		err := judgeScancel(answer{code: code, stderr: stderr})
		if code == 0 && err != nil {
			t.Fatalf("exit code 0 is %v", err)
		}
		if err == nil && code != 0 && !strings.Contains(stderr, "scancel: error:") {
			t.Fatalf("exit code %d without a known reason is no error: %q", code, stderr)
		}
	})
}

func FuzzReason(f *testing.F) {
	for _, w := range whys {
		f.Add(strings.TrimPrefix(w.reason, "*"))
	}
	f.Add("ReqNodeNotAvail, UnavailableNodes:n[1-3]")
	f.Add("(launch_failed_requeued_held)")
	f.Fuzz(func(t *testing.T, reason string) {
		if words, _ := explain(reason); reason != "" && !strings.Contains(words, strings.TrimSpace(reason)) {
			t.Fatalf("%q is explained as %q, without the scheduler's own word", reason, words)
		}
	})
}
