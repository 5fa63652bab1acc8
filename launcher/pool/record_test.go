package pool

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"orch/launcher"
)

// gone is a pid and start time of a process that is over.
func gone(t *testing.T) (int, string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid, start := cmd.Process.Pid, startTime(cmd.Process.Pid)
	if !alive(pid, start) && start != "" {
		t.Fatalf("process %d is not there", pid)
	}
	cmd.Wait()
	if start == "" {
		start = "1"
	}
	if alive(pid, start) {
		t.Fatalf("process %d, started at %s, is still there", pid, start)
	}
	return pid, start
}

// Every state that a record can leave behind, judged by another process.
func TestJudge(t *testing.T) {
	me, mine := os.Getpid(), startTime(os.Getpid())
	deadPID, deadStart := gone(t)
	other := func(change func(*origin)) origin {
		o := here()
		o.Machine = "m" // also where the machine has no name
		change(&o)
		return o
	}
	self := other(func(*origin) {})
	type starter struct {
		pid   int
		start string
	}
	living, dead := starter{me, mine}, starter{deadPID, deadStart}
	ended := endLine(launcher.Worker{Index: 0, State: launcher.Ended, Reason: "exit code 3", End: launcher.End{Cause: launcher.Exited, Code: 3, Proof: true}})

	for _, c := range []struct {
		name    string
		at      origin
		by      starter
		lines   []byte
		mark    string
		want    launcher.State
		wantEnd launcher.End
		pid     int
	}{
		{"end on record", self, dead, ended, "", launcher.Ended, launcher.End{Cause: launcher.Exited, Code: 3, Proof: true}, 0},
		{"end on record, another host", other(func(o *origin) { o.Host = "h2" }), dead, ended, "", launcher.Ended, launcher.End{Cause: launcher.Exited, Code: 3, Proof: true}, 0},
		{"end on record, then cancelled", self, dead, ended, cancelSuffix, launcher.Ended, launcher.End{Cause: launcher.Exited, Code: 3, Proof: true}, 0},
		{"alive", self, dead, startLine(0, me, mine, nil), "", launcher.Running, launcher.End{}, me},
		{"alive, another host", other(func(o *origin) { o.Host = "h2" }), living, startLine(0, me, mine, nil), "", launcher.Unknown, launcher.End{}, me},
		{"alive, another machine of that name", other(func(o *origin) { o.Machine = "m2" }), living, startLine(0, me, mine, nil), "", launcher.Unknown, launcher.End{}, me},
		{"alive, another container", other(func(o *origin) { o.PIDs = "pid:[1]" }), living, startLine(0, me, mine, nil), "", launcher.Unknown, launcher.End{}, me},
		{"alive pid, another boot", other(func(o *origin) { o.Boot = "b2" }), living, startLine(0, me, mine, nil), "", launcher.Ended, launcher.End{Proof: true}, me},
		{"not started, another boot", other(func(o *origin) { o.Boot = "b2" }), living, nil, "", launcher.Ended, launcher.End{Proof: true}, 0},
		{"pid of someone else", self, dead, startLine(0, me, mine+"1", nil), "", launcher.Ended, launcher.End{Proof: true}, me},
		{"gone", self, dead, startLine(0, deadPID, deadStart, nil), "", launcher.Ended, launcher.End{Proof: true}, deadPID},
		{"gone after a cancel", self, dead, startLine(0, deadPID, deadStart, nil), cancelSuffix, launcher.Ended, launcher.End{Cause: launcher.Cancelled, Proof: true}, deadPID},
		{"gone a moment ago", self, living, startLine(0, deadPID, deadStart, nil), "", launcher.Running, launcher.End{}, deadPID},
		{"gone, starter has left", self, living, append(startLine(0, deadPID, deadStart, nil), leftLine()...), "", launcher.Ended, launcher.End{Proof: true}, deadPID},
		{"about to start", self, living, nil, "", launcher.Pending, launcher.End{}, 0},
		{"never started", self, dead, nil, "", launcher.Ended, launcher.End{Proof: canScan}, 0},
		{"torn last line", self, dead, append(startLine(0, me, mine, nil), `{"i":0,"end":"exi`...), "", launcher.Running, launcher.End{}, me},
		{"noise", self, dead, append([]byte("\x00\x00\nnull\n[]\n{\"i\":9,\"pid\":1}\n{\"i\":-1,\"pid\":1}\n"), startLine(0, me, mine, nil)...), "", launcher.Running, launcher.End{}, me},
		{"starter without a start time", self, starter{me, ""}, startLine(0, deadPID, deadStart, nil), "", launcher.Unknown, launcher.End{}, deadPID},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := Open(Options{StateDir: t.TempDir()})
			if err != nil {
				t.Fatal(err)
			}
			p.self = self
			first := line(intent{Format: format, Kind: "job", Key: "k", ID: "k", Workers: 1, origin: c.at, PID: c.by.pid, Start: c.by.start})
			if err := os.WriteFile(p.path("k", jobSuffix), append(first, c.lines...), 0o600); err != nil {
				t.Fatal(err)
			}
			if c.mark != "" {
				p.mark("k", c.mark)
			}
			for range 2 { // what is noted the first time changes nothing the second
				ws, err := p.Jobs(context.Background())
				if err != nil || len(ws) != 1 {
					t.Fatalf("Jobs = %+v, %v; want one worker", ws, err)
				}
				if w := ws[0]; w.State != c.want || w.End != c.wantEnd || w.PID != c.pid {
					t.Errorf("got %v, %+v, pid %d (%s); want %v, %+v, pid %d", w.State, w.End, w.PID, w.Reason, c.want, c.wantEnd, c.pid)
				}
				if ws[0].State != launcher.Running && ws[0].Reason == "" {
					t.Error("no reason for people")
				}
			}
		})
	}
}

// A record that cannot be understood is shown and hides no other.
func TestBadRecords(t *testing.T) {
	p, err := Open(Options{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	good := line(intent{Format: format, Kind: "job", Key: "good", ID: "good", Workers: 1, origin: p.self, PID: os.Getpid(), Start: startTime(os.Getpid())})
	for name, content := range map[string]string{
		"good.job":    string(good),
		"newer.job":   `{"v":99,"kind":"job","key":"newer","workers":1}` + "\n",
		"empty.job":   "",
		"swapped.job": string(good),
		"huge.job":    `{"v":1,"kind":"job","key":"huge","workers":1000000000000}` + "\n",
		".t-temp":     "x", "notes.txt": "x", "bad key.job": "x",
	} {
		if err := os.WriteFile(filepath.Join(p.opt.StateDir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(p.opt.StateDir, "folder.job"), 0o700); err != nil {
		t.Fatal(err)
	}
	ws, err := p.Jobs(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]launcher.Worker{}
	for _, w := range ws {
		got[w.Key] = w
	}
	if len(got) != 5 || got["good"].State != launcher.Pending {
		t.Errorf("got %+v, want 5 workers, the good one pending", got)
	}
	for _, k := range []string{"newer", "empty", "swapped", "huge"} {
		if w := got[k]; w.State != launcher.Unknown || w.Reason == "" {
			t.Errorf("%s: got %+v, want unknown, with a reason", k, w)
		}
	}
	if r := got["newer"].Reason; !strings.Contains(r, "install a newer orch") {
		t.Errorf("newer format: got %q, want the advice to install a newer orch", r)
	}
	if err := p.Cancel(context.Background(), "newer"); err == nil {
		t.Error("Cancel of a job whose record is newer = nil, want an error")
	}
}

// A process that stood still while the grace and the last wait went by still
// kills what it was to kill before it gives up.
func TestKillsBeforeItGivesUp(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Log("needs the program sleep, and somebody who reaps it")
		return
	}
	defer func(d time.Duration) { lastWait = d }(lastWait)
	lastWait = 0
	p, err := Open(Options{StateDir: t.TempDir(), Grace: -1})
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sleep", "300")
	cmd.SysProcAttr = attributes(true)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := cmd.Process.Pid
	rec := line(intent{Format: format, Kind: "job", Key: "k", ID: "k", Workers: 1, Detach: true, origin: p.self, PID: 1, Start: "-"})
	if err := os.WriteFile(p.path("k", jobSuffix), append(rec, startLine(0, pid, startTime(pid), nil)...), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Cancel(context.Background(), "k")
	dead := time.AfterFunc(2*time.Minute, func() { cmd.Process.Kill() })
	cmd.Wait()
	if !dead.Stop() {
		t.Error("Cancel gave up a process without a SIGKILL")
	}
}

func TestPublish(t *testing.T) {
	dir := t.TempDir()
	if err := publish(dir, "x", []byte("first")); err != nil {
		t.Fatal(err)
	}
	if err := publish(dir, "x", []byte("second")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("second publish = %v, want fs.ErrExist", err)
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "x")); string(b) != "first" {
		t.Errorf("got %q, want the first content", b)
	}
	if list, _ := os.ReadDir(dir); len(list) != 1 {
		t.Errorf("temporary files are left: %v", list)
	}
}

// Old records go, but not those of jobs that may live.
func TestPrune(t *testing.T) {
	p, err := Open(Options{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	deadPID, deadStart := gone(t)
	me, mine := os.Getpid(), startTime(os.Getpid())
	old := time.Now().Add(-2 * keep)
	put := func(name string, content []byte, at time.Time) {
		f := filepath.Join(p.opt.StateDir, name)
		if err := os.WriteFile(f, content, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(f, at, at); err != nil {
			t.Fatal(err)
		}
	}
	rec := func(key string, lines []byte) []byte {
		return append(line(intent{Format: format, Kind: "job", Key: key, ID: key, Workers: 1, origin: p.self, PID: me, Start: mine}), lines...)
	}
	put("over.job", rec("over", startLine(0, deadPID, deadStart, nil)), old)
	put("over.cancel", nil, old)
	put("lives.job", rec("lives", startLine(0, me, mine, nil)), old)
	put("unknown.job", rec("unknown", nil), old)
	put("young.job", rec("young", startLine(0, deadPID, deadStart, nil)), time.Now())
	put(".t-old", nil, old)
	put("notes.txt", nil, old)
	p.prune()
	var got []string
	list, _ := os.ReadDir(p.opt.StateDir)
	for _, d := range list {
		got = append(got, d.Name())
	}
	if want := "lives.job notes.txt unknown.job young.job"; strings.Join(got, " ") != want {
		t.Errorf("left: %q, want %q", got, want)
	}
}

// Lines that cannot be written are kept for the next time, in order.
func TestFlushAgain(t *testing.T) {
	p, err := Open(Options{StateDir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	j := &job{req: launcher.Request{Key: "k", Workers: 2}}
	if err := p.writeIntent(j); err != nil {
		t.Fatal(err)
	}
	aside := p.path("k", ".aside")
	if err := os.Rename(p.path("k", jobSuffix), aside); err != nil {
		t.Fatal(err)
	}
	j.unwritten = append(j.unwritten, startLine(0, 11, "1", nil)...)
	p.flush(j)
	if err := os.Rename(aside, p.path("k", jobSuffix)); err != nil {
		t.Fatal(err)
	}
	j.unwritten = append(j.unwritten, startLine(1, 12, "2", nil)...)
	p.flush(j)
	p.flush(j)
	r, err := p.readRecord("k")
	if err != nil {
		t.Fatal(err)
	}
	b, _ := os.ReadFile(p.path("k", jobSuffix))
	if r.workers[0].pid != 11 || r.workers[1].pid != 12 || bytes.Count(b, []byte("\n")) != 3 {
		t.Errorf("got %+v from %q, want pids 11 and 12 and three lines", r.workers, b)
	}
	if err := p.writeIntent(j); !launcher.IsRefused(err) {
		t.Errorf("second intent of one key: got %v, want it refused", err)
	}
}

func FuzzParseRecord(f *testing.F) {
	first := line(intent{Format: format, Kind: "job", Key: "k", ID: "k", Workers: 2, PID: 1, Start: "1"})
	f.Add(append(first, startLine(0, 11, "1", []string{"0"})...))
	f.Add(append(append(first, leftLine()...), endLine(launcher.Worker{Index: 1})...))
	f.Add([]byte(`{"v":2}`))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := parseRecord("k", b)
		if r.key() != "k" {
			t.Errorf("key = %q", r.key())
		}
		if r.bad == nil && len(r.workers) != r.Workers {
			t.Errorf("%d workers for %d", len(r.workers), r.Workers)
		}
		r.over()
	})
}
