//go:build unix

package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// slurmRig is a real Slurm of two nodes, a user's folder, and the real binary.
type slurmRig struct {
	t   *testing.T
	bin string
	dir string
	in  io.Closer // held: a shell takes the cluster down when this process is gone
}

// newSlurmRig starts a cluster by deploy/slurm-dev.
func newSlurmRig(t *testing.T, options ...string) *slurmRig {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real Slurm: not with -short")
	}
	for _, name := range []string{"sbatch", "slurmctld", "slurmd", "munged"} {
		if _, err := exec.LookPath(name); err != nil {
			if _, err := os.Stat("/usr/sbin/" + name); err != nil {
				t.Skipf("needs a Slurm that it can start, and there is no %s: apt-get install slurm-wlm munge", name)
			}
		}
	}
	script, err := filepath.Abs("../../deploy/slurm-dev")
	if err != nil {
		t.Fatal(err)
	}
	name := "o" + strconv.FormatInt(int64(os.Getpid()), 36)
	dir := filepath.Join(os.TempDir(), "orch-slurm-test-"+strconv.Itoa(os.Getuid()), name)
	watch := exec.Command("sh", "-c", `cat >/dev/null; exec "$0" down --name "$1" --dir "$2" 2>/dev/null`, script, name, dir)
	watch.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := watch.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); watch.Wait() })
	if out, err := exec.Command(script, append([]string{"up", "--name", name, "--dir", dir, "--conf", "MessageTimeout=30", "--conf", "SlurmdTimeout=300"}, options...)...).CombinedOutput(); err != nil {
		t.Fatalf("slurm-dev up: %v\n%s", err, out)
	}
	t.Setenv("SLURM_CONF", dir+"/slurm.conf")
	t.Setenv("ORCH_RESULTS", "")
	t.Setenv("ORCH_LAUNCHER", "")
	t.Setenv("ORCH_CLUSTER", "none")
	r := &slurmRig{t: t, dir: t.TempDir(), in: in}
	r.bin = filepath.Join(r.dir, "orch")
	build(t, r.bin)                   // with go's cache, which is below the next one's
	t.Setenv("XDG_CACHE_HOME", r.dir) // what other clusters of this user said counts for nothing
	return r
}

// run runs orch in the user's folder and returns both outputs.
func (r *slurmRig) run(want int, args ...string) string {
	r.t.Helper()
	cmd := exec.Command(r.bin, args...)
	cmd.Dir = r.dir
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		r.t.Fatalf("orch %q exits %d (%v), want %d:\n%s", args, got, err, want, out)
	}
	return string(out)
}

// sweep writes a sweep file of n runs of a shell line.
func (r *slurmRig) sweep(name string, n int, line string, launcher ...string) string {
	r.t.Helper()
	text := fmt.Sprintf("name = %q\n[task]\ncommand = [\"sh\", \"-c\", %q]\n[sweep]\ni = \"range(0,%d)\"\n[launcher]\nname = \"slurm\"\nmem = \"200M\"\n%s\n",
		name, line, n, strings.Join(launcher, "\n"))
	file := filepath.Join(r.dir, name+".toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return file
}

func (r *slurmRig) path(elem ...string) string {
	return filepath.Join(append([]string{r.dir, "results"}, elem...)...)
}

// until waits for a condition, for at most five minutes.
func (r *slurmRig) until(what string, ok func() bool) {
	r.t.Helper()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(5 * time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			logs, _ := filepath.Glob(r.path("*", "followers", "*", "worker-0.log"))
			for _, l := range logs {
				b, _ := os.ReadFile(l)
				r.t.Logf("%s:\n%s", l, b)
			}
			r.t.Fatalf("waited in vain for %s\n%s", what, r.slurm("squeue", "-r", "-t", "all"))
		}
	}
}

// slurm calls one of Slurm's commands, again if the controller does not answer in
// time.
func (r *slurmRig) slurm(name string, args ...string) string {
	r.t.Helper()
	for n := 1; ; n++ {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err == nil {
			return string(out)
		}
		if text := strings.ToLower(string(out)); n == 10 || !strings.Contains(text, "timed out") && !strings.Contains(text, "unable to contact") {
			r.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
	}
}

// status returns what orch status says of a sweep.
func (r *slurmRig) status(sweep string) sweepStatus {
	r.t.Helper()
	cmd := exec.Command(r.bin, "status", "--json", sweep)
	cmd.Dir = r.dir
	out, err := cmd.Output()
	var s statusJSON
	if err != nil || json.Unmarshal(out, &s) != nil || len(s.Sweeps) != 1 {
		r.t.Fatalf("orch status --json %s = %v\n%s", sweep, err, out)
	}
	return s.Sweeps[0]
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// alive counts the jobs of a sweep that wait or run.
func (r *slurmRig) alive(sweep string) int {
	return strings.Count(r.slurm("squeue", "-h", "-r", "-t", "PD,R,CG,CF", "-o", "%j"), "orch-"+sweep+"-")
}

// TestOnSlurm is what a user types, on a real cluster.
func TestOnSlurm(t *testing.T) {
	rig := newSlurmRig(t)
	t.Run("all", func(t *testing.T) { // at once, and done before the cluster goes down
		for name, test := range map[string]func(*slurmRig){
			"doctor": testDoctor, "refused": testRefused, "report": testFollow, "spare": testSpareFollower, "cancel": testCancelFollowed, "wait": testWaitOnSlurm, "moved": testMovedToSlurm,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := *rig
				r.t, r.dir = t, t.TempDir()
				test(&r)
			})
		}
	})
}

func testDoctor(r *slurmRig) {
	out := r.run(0, "doctor", "--job", "--timeout=5m")
	for _, want := range []string{"ok   sbatch ", "ok   controller cluster ", "ok   partition  short: jobs up to 5m00s", "ok   job files  mkdir, O_EXCL, link",
		"ok   job sees ", "Slurm's commands work on node n"} {
		if !strings.Contains(out, want) {
			r.t.Errorf("orch doctor --job does not say %q:\n%s", want, out)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(r.dir, ".orch-doctor-*")); len(left) > 0 || exists(r.path()) {
		r.t.Errorf("the doctor left %q, and results: %v", left, exists(r.path()))
	}
	out = r.run(1, "doctor", "--job", "--launcher=slurm", `launcher.setup=["exit 7"]`, "--timeout=5m")
	if !strings.Contains(out, "fail job ") || !strings.Contains(out, "setup lines failed") {
		r.t.Errorf("a setup that fails, and the doctor says\n%s", out)
	}
	out = r.run(1, "doctor", "--no-job", "launcher.time=10m", "launcher.partition=short", "--json")
	var report struct {
		OK     bool
		Checks []finding
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.OK {
		r.t.Errorf("a launcher that the partition does not allow: %v\n%s", err, out)
	}
}

func testRefused(r *slurmRig) {
	file := r.sweep("long", 1, "true", `partition = "short"`, `time = "1h"`)
	out := r.refused(file)
	if !strings.Contains(out, "partition short ends jobs after 5m") || !strings.Contains(out, `launcher.partition = "main"`) {
		r.t.Errorf("orch submit of a run that is too long says\n%s", out)
	}
	if exists(r.path("long")) {
		r.t.Error("a refused submit left a sweep behind")
	}
	// What the cluster said before is no reason to refuse what it allows now.
	r.slurm("scontrol", "create", "PartitionName=grows", "Nodes=ALL", "MaxTime=5:00")
	r.run(0, "submit", r.sweep("ok", 1, "true"), "--wait") // makes the tree, which remembers
	file = r.sweep("long", 1, "true", `partition = "grows"`, `time = "1h"`)
	r.refused(file)
	r.slurm("scontrol", "update", "PartitionName=grows", "MaxTime=2:00:00")
	r.run(0, "submit", file, "--wait")
}

// refused submits the sweep long, which must not go through. A cluster that takes
// seconds to say what its partitions are cannot be asked, and the sweep is
// submitted: then it is tried again.
func (r *slurmRig) refused(file string) string {
	r.t.Helper()
	for range 5 {
		cmd := exec.Command(r.bin, "submit", file)
		cmd.Dir = r.dir
		out, err := cmd.CombinedOutput()
		if cmd.ProcessState.ExitCode() == exitUsage {
			return string(out)
		}
		r.t.Logf("orch submit of what cannot run: %v\n%s", err, out)
		r.run(0, "cancel", "long")
		r.until("an empty queue", func() bool { return r.alive("long") == 0 })
		r.run(0, "rm", "long", "--yes")
	}
	r.t.Fatal("a run that is too long was submitted five times")
	return ""
}

// The sweep goes on to its report with nobody at the keyboard: though the first
// workers are killed, and though the first job that follows is.
func testFollow(r *slurmRig) {
	file := r.sweep("f", 6, "until [ -e f.go ]; do sleep 0.2; done", "workers = 2")
	out := r.run(0, "submit", file, "--report")
	if !strings.Contains(out, "follows the workers") {
		r.t.Fatalf("orch submit --report says\n%s", out)
	}
	r.until("a run that executes", func() bool { return r.status("f").Runs.Running > 0 })
	first := r.intentKey("f", "subs", 1)
	r.until("other workers, after the first were killed", func() bool {
		exec.Command("scancel", "--signal=KILL", "--full", "--name="+first).Run() // one may start late, both may be gone
		return exists(r.path("f", "subs", "2", "answer.json"))
	})
	if err := os.WriteFile(filepath.Join(r.dir, "f.go"), nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.until("the report", func() bool { return exists(r.path("f", "report", "report.html")) })
	if s := r.status("f"); s.Runs.Done != 6 {
		r.t.Errorf("%+v, want 6 done", s.Runs)
	}
	r.until("an empty queue", func() bool { return r.alive("f") == 0 })
	if out := r.run(0, "fsck", "f"); out == "" {
		r.t.Error("orch fsck says nothing")
	}
}

// A follower that dies half-way is replaced by the spare one that it submitted
// before, and only one of them goes on.
func testSpareFollower(r *slurmRig) {
	if os.Getenv("ORCH_LONG") == "" {
		r.t.Skip("takes two minutes: ORCH_LONG=1 runs it")
	}
	claims := r.path("d", "claims")
	r.run(0, "submit", r.sweep("d", 2, "sleep 3"), "--report")
	follower := r.intentKey("d", "followers", 1)
	r.slurm("scontrol", "hold", "jobname="+follower)
	r.until("both runs done", func() bool { return r.status("d").Runs.Done == 2 })
	if err := os.Rename(claims, claims+".away"); err != nil { // no Step can be made
		r.t.Fatal(err)
	}
	r.slurm("scontrol", "release", "jobname="+follower)
	r.until("a spare follower", func() bool { return exists(r.path("d", "followers", "2", "answer.json")) })
	r.until("the first follower's end", func() bool { return r.alive("d") == 1 })
	if exists(r.path("d", "report", "report.html")) {
		r.t.Fatal("a report of a tree that cannot be read")
	}
	if err := os.Rename(claims+".away", claims); err != nil {
		r.t.Fatal(err)
	}
	r.until("the report", func() bool { return exists(r.path("d", "report", "report.html")) })
	r.until("an empty queue", func() bool { return r.alive("d") == 0 })
}

func (r *slurmRig) intentKey(sweep, folder string, n int) string {
	r.t.Helper()
	b, err := os.ReadFile(r.path(sweep, folder, strconv.Itoa(n), "intent.json"))
	if err != nil {
		r.t.Fatal(err)
	}
	_, after, ok := strings.Cut(string(b), `"key":"`)
	key, _, ok2 := strings.Cut(after, `"`)
	if !ok || !ok2 {
		r.t.Fatalf("no key in %s", b)
	}
	return key
}

func testCancelFollowed(r *slurmRig) {
	r.run(0, "submit", r.sweep("c", 4, "sleep 600"), "--report")
	r.until("a run that executes", func() bool { return r.status("c").Runs.Running > 0 })
	r.run(0, "cancel", "c")
	r.until("an empty queue", func() bool { return r.alive("c") == 0 })
	if s := r.status("c"); s.Runs.Cancelled != 4 {
		r.t.Errorf("%+v, want 4 cancelled", s.Runs)
	}
	if exists(r.path("c", "report")) {
		r.t.Error("a cancelled sweep was reported all the same")
	}
}

// A sweep that began on this machine goes on on the cluster: submit returns, and
// what waits there is taken back.
func testMovedToSlurm(r *slurmRig) {
	r.run(0, "submit", r.sweep("m", 2, "true"), "--launcher=joblib", "launcher.n_jobs=1")
	begin := time.Now()
	out := r.run(0, "submit", r.sweep("m", 4, "sleep 60", `extra = ["--begin=now+1200"]`, "workers = 2"))
	if took := time.Since(begin); !strings.Contains(out, "2 workers asked for") || took > 10*time.Minute {
		r.t.Errorf("submit to the cluster takes %v and says\n%s", took, out)
	}
	if n := r.alive("m"); n != 2 {
		r.t.Errorf("%d workers are in the queue, want 2", n)
	}
	r.run(0, "cancel", "m")
	r.until("an empty queue", func() bool { return r.alive("m") == 0 })
}

func testWaitOnSlurm(r *slurmRig) {
	file := r.sweep("w", 2, "until [ -e w.go ]; do sleep 0.2; done")
	out := r.run(5, "submit", file, "--wait", "--timeout=2s")
	if !strings.Contains(out, "not over after 2s") {
		r.t.Errorf("--wait --timeout=2s says\n%s", out)
	}
	if n := r.alive("w"); n == 0 {
		r.t.Error("a wait that timed out ended the workers")
	}
	if err := os.WriteFile(filepath.Join(r.dir, "w.go"), nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.run(0, "submit", file, "--wait", "--timeout=5m")
}
