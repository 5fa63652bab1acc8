package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"orch/launcher"
)

// What got worse is told, once; what stays as it was, or gets better, is not.
func TestWorse(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	group := func(message string, runs ...string) failureGroup { return failureGroup{Message: message, Runs: runs} }
	var old told
	for i, step := range []struct {
		name   string
		after  time.Duration
		now    []worry
		failed map[string]failureGroup
		want   string // lines, joined
	}{
		{"all is well", 0, nil, nil, ""},
		{"a failure", 0, nil, map[string]failureGroup{"a": group("exit 1", "r1")}, "x s: 1 run failed: exit 1|  r1 -> orch logs s/r1"},
		{"the same", time.Hour, nil, map[string]failureGroup{"a": group("exit 1", "r1")}, ""},
		{"one more", 0, nil, map[string]failureGroup{"a": group("exit 1", "r1", "r2")}, "x s: 2 runs failed (1 more): exit 1|  r2 -> orch logs s/r2"},
		{"another cause, and held", 0, []worry{{"held", "2 runs are held", false}}, map[string]failureGroup{"a": group("exit 1", "r1", "r2"), "b": group("exit 2", "r3")},
			"x s: 1 run failed: exit 2|  r3 -> orch logs s/r3|! s: 2 runs are held"},
		{"retried: better", 0, []worry{{"held", "2 runs are held", false}}, nil, ""},
		{"let go", 0, nil, nil, ""},
		{"failed again", 0, []worry{{"held", "3 runs are held", false}}, map[string]failureGroup{"a": group("exit 1", "r1")}, "x s: 1 run failed: exit 1|  r1 -> orch logs s/r1|! s: 3 runs are held"},
		{"what may pass", 0, []worry{{"step", "no answer", true}}, nil, ""},
		{"and lasts", 9 * time.Minute, []worry{{"step", "no answer", true}}, nil, ""},
		{"for long", 2 * time.Minute, []worry{{"step", "no answer", true}}, nil, "! s: no answer"},
		{"is told once", time.Hour, []worry{{"step", "no answer", true}}, nil, ""},
		{"passes", 0, nil, nil, ""},
		{"comes again", time.Hour, []worry{{"step", "no answer", true}}, nil, ""},
	} {
		at = at.Add(step.after)
		lines, next := worse("s", old, step.now, step.failed, at)
		if got := strings.Join(lines, "|"); got != step.want {
			t.Errorf("%d, %s: told %q, want %q", i, step.name, got, step.want)
		}
		old = next
	}
}

// Refusals are told at once; what the scheduler says in passing never is.
func TestWorries(t *testing.T) {
	st := &sweepStatus{Attention: []string{"3 workers are in the queue: waits for free nodes, 5s ago", "stuck: job 7 will not start: partition down, 5s ago -> scancel 7"}}
	list, _ := worries(st, &launcher.Refused{Reason: "no such account"})
	if len(list) != 2 || !strings.HasPrefix(list[0].text, "stuck: job 7") || list[0].waits || list[1].waits {
		t.Errorf("worries = %+v, want the stuck job and the refusal, both at once", list)
	}
	if list, _ := worries(&sweepStatus{}, errors.New("squeue: timed out")); len(list) != 1 || !list[0].waits {
		t.Errorf("worries of a silent controller = %+v, want one that waits", list)
	}
	later := &sweepStatus{Attention: []string{"stuck: job 7 will not start: partition down, 65s ago -> scancel 7"}}
	again, _ := worries(later, nil)
	if again[0].key != list0(worries(st, nil))[0].key {
		t.Error("the same trouble a minute later has another key")
	}
}

func list0(list []worry, _ map[string]failureGroup) []worry { return list }

// Twenty at once do no harm, and one of them speaks.
func TestCronTwentyAtOnce(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, "orch.exe")
	build(t, bin)
	file := filepath.Join(dir, "s.toml")
	if err := os.WriteFile(file, []byte("name = \"s\"\n[task]\ncommand = [\"sh\", \"-c\", \"exit {i}\"]\n[sweep]\ni = [0, 7]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(want int, args ...string) string {
		cmd := exec.Command(bin, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+dir)
		out, _ := cmd.CombinedOutput()
		if got := cmd.ProcessState.ExitCode(); got != want {
			t.Errorf("orch %q exits %d, want %d:\n%s", args, got, want, out)
		}
		return string(out)
	}
	// A tree that is not there is told once.
	if out := run(2, "collect", "--cron", "--jitter=0s"); !strings.Contains(out, "no results tree") {
		t.Errorf("without a tree it says %q", out)
	}
	if out := run(1, "collect", "--cron", "--jitter=0s"); out != "" {
		t.Errorf("without a tree it says again %q", out)
	}
	run(3, "submit", file)
	const n = 20
	said := make([]string, n)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { said[i] = run(0, "collect", "--cron", "--jitter=10ms") })
	}
	all.Wait()
	if got := strings.Join(said, ""); strings.Count(got, "x s: 1 run failed: exit code 7") != 1 || strings.Count(got, "\n") != 3 {
		t.Errorf("%d at once said\n%s\nwant one that tells of one failed run", n, got)
	}
	if out := run(0, "collect", "--cron", "--jitter=0s"); out != "" {
		t.Errorf("with nothing new it says %q", out)
	}
	run(0, "fsck", "s")
}
