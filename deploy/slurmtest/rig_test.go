//go:build linux

package slurmtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orch/sweep/results"
)

// orch is the binary under test, built once.
var orch string

// long says whether the full counts are wanted.
var long = os.Getenv("ORCH_LONG") != ""

func TestMain(m *testing.M) {
	flag.Parse()
	// The tests wait for Slurm's clock, not for a CPU.
	flag.Set("test.parallel", "24")
	dir, err := os.MkdirTemp("", "orch-slurmtest-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	orch = filepath.Join(dir, "orch")
	build := exec.Command("go", "build", "-o", orch, "orch/cmd/orch")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build orch: %v\n%s", err, out)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// times returns how often a test repeats.
func times(short, full int) int {
	if long {
		return full
	}
	return short
}

// figure prints a test's figures, also without -v.
func figure(t *testing.T, format string, args ...any) {
	fmt.Printf("%-28s %s\n", strings.TrimPrefix(t.Name(), "Test"), fmt.Sprintf(format, args...))
}

// patience bounds every wait. A time limit of a minute is enforced after up to
// 90 seconds, orch waits for three minutes for a job of which it knows nothing,
// and the machine may be loaded.
const patience = 8 * time.Minute

// rig is a results tree with the sweep s, and a cluster to run it on.
type rig struct {
	t     testing.TB
	c     *Cluster
	dir   string
	tree  string
	cache string
	mark  string            // in the environment of every process of the sweep
	acked map[string]string // by run: what was seen as done, once and for all
	wait  time.Duration     // patience, or more where much is computed
}

// newRig makes a tree whose grace times are short: all that the 2 minutes of a
// real one wait for is a network file system's cache.
func newRig(t testing.TB, c *Cluster, sweep string, change ...func(*results.Settings)) *rig {
	t.Helper()
	r := &rig{t: t, c: c, dir: t.TempDir(), cache: t.TempDir(), acked: map[string]string{}, wait: patience}
	r.tree = filepath.Join(r.dir, "results")
	r.mark = "ORCH_SLURMTEST_RIG=" + r.dir
	r.write("s.toml", sweep)
	s := results.DefaultSettings()
	s.DirCache = 0.5
	for _, f := range change {
		f(&s)
	}
	tree, err := results.Create(r.tree, s)
	if err != nil {
		t.Fatal(err)
	}
	tree.Close()
	t.Cleanup(r.clear)
	return r
}

// sweepOf writes a sweep file: a shell script that is run for each seed, and
// more keys of [launcher]. The time is more than any test needs, so that no
// program that waits for one is cut short.
func sweepOf(runs int, script string, launcher ...string) string {
	return fmt.Sprintf(`name = "s"
[task]
command = ["sh", "-c", %s]
[task.metrics]
acc = 'acc=([0-9]+)'
[sweep]
seed = "range(0,%d)"
[launcher]
name = "slurm"
mem = "100M"
time = "30m"
%s
`, quoted(script), runs, strings.Join(launcher, "\n"))
}

// acc measures something else in each execution, so that a result that came
// from another execution than before would show.
const acc = "echo acc=$(date +%s%N)"

func (r *rig) path(name string) string { return filepath.Join(r.dir, name) }

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(r.path(name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) exists(name string) bool {
	_, err := os.Stat(r.path(name))
	return err == nil
}

// command prepares an orch command, on a login node if this is root.
func (r *rig) command(args ...string) *exec.Cmd {
	argv := append([]string{orch}, args...)
	if _, err := exec.LookPath("unshare"); err == nil && os.Geteuid() == 0 {
		argv = append([]string{"unshare", "--uts", "sh", "-c", `hostname login && exec "$@"`, "sh"}, argv...)
	}
	return r.program(argv...)
}

func (r *rig) program(argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = r.dir
	// orch remembers for half a minute what a scheduler said, in the cache folder.
	// Here each command has a fresh one and asks anew.
	cache, err := os.MkdirTemp(r.cache, "")
	if err != nil {
		r.t.Fatal(err)
	}
	cmd.Env = append(os.Environ(), r.mark, "ORCH_RESULTS="+r.tree, "XDG_CACHE_HOME="+cache, r.c.Env())
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// run runs a command to its end and returns its output and exit code, -1 after a
// signal. A command that hangs fails the test.
func (r *rig) run(cmd *exec.Cmd) (stdout, stderr string, code int) {
	r.t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	timer := time.AfterFunc(r.wait, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if !timer.Stop() {
		r.t.Fatalf("%s hangs\n%.3000s%.3000s", strings.Join(cmd.Args, " "), out.String(), errs.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		r.t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	if s := errs.String(); strings.Contains(s, "panic:") || strings.Contains(s, "fatal error:") {
		r.t.Errorf("%s panics:\n%s", strings.Join(cmd.Args, " "), s)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// submit submits the sweep, which must be accepted.
func (r *rig) submit(args ...string) {
	r.t.Helper()
	if out, stderr, code := r.run(r.command(append([]string{"submit", "s.toml"}, args...)...)); code != 0 {
		r.t.Fatalf("submit ends with code %d:\n%s%s", code, out, stderr)
	}
}

// step makes a Step, as the login node's crontab does. What it says is for the
// test to judge; the exit code tells of failed runs too.
func (r *rig) step() string {
	r.t.Helper()
	out, stderr, _ := r.run(r.command("collect"))
	r.observe()
	return out + stderr
}

// until makes Steps until a condition holds.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	said := ""
	r.await(what, func() bool { said = r.step(); return ok() }, func() string { return "the last Step: " + said })
}

// await waits for a condition, without Steps.
func (r *rig) await(what string, ok func() bool, say ...func() string) {
	r.t.Helper()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(r.wait); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			more := ""
			for _, f := range say {
				more += f()
			}
			r.t.Fatalf("waited in vain for %s%s%s", what, r.describe(), more)
		}
	}
}

// finish makes Steps until nothing is left to do, and tests the promises.
func (r *rig) finish() {
	r.t.Helper()
	calm := 0 // Steps after which nothing was left: the first one may grant another try
	r.until("the end of the sweep", func() bool {
		if c := r.status().Runs; c.Running+c.Queued > 0 {
			calm = 0
			return false
		}
		calm++
		return calm == 4
	})
	r.sound()
}

// done is finish for a sweep of which all runs must be done.
func (r *rig) done() {
	r.t.Helper()
	r.finish()
	if c := r.status().Runs; c.Done != c.Total || c.Total == 0 {
		r.t.Errorf("status = %+v, want all done%s", c, r.describe())
	}
}

type status struct {
	Runs      results.Counts
	Failures  []struct{ Class, Message string }
	Attention []string
}

func (r *rig) status() status {
	r.t.Helper()
	out, stderr, code := r.run(r.command("status", "--json"))
	var v struct{ Sweeps []status }
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 || len(v.Sweeps) != 1 {
		r.t.Fatalf("status --json ends with code %d, %v:\n%s%s", code, err, out, stderr)
	}
	return v.Sweeps[0]
}

// states reads the tree as orch does.
func (r *rig) states() []results.RunState {
	r.t.Helper()
	tree, err := results.Open(r.tree)
	if err != nil {
		r.t.Fatal(err)
	}
	defer tree.Close()
	s, err := tree.Sweep("s")
	if errors.Is(err, results.ErrNoSweep) {
		return nil
	}
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	sn, err := s.Snapshot()
	if err != nil {
		r.t.Fatal(err)
	}
	return sn.Derive()
}

// count counts the runs in a state.
func (r *rig) count(state results.RunStateName) (n int) {
	for _, st := range r.states() {
		if st.State == state {
			n++
		}
	}
	return n
}

// result is everything that must stay the same about a run that is done.
func result(st results.RunState) string {
	a := st.Attempts[st.Counted]
	return fmt.Sprintf("%s %s.%d %v %v", a.Folder, a.Block, a.Gen, st.End.Metrics, st.End.Seconds)
}

// observe notes what is done now, and that what was done before still is.
func (r *rig) observe() {
	r.t.Helper()
	now := map[string]string{}
	for _, st := range r.states() {
		if st.State == results.StateDone {
			now[st.Run.Name] = result(st)
		}
	}
	for name, was := range r.acked {
		if is, ok := now[name]; !ok {
			r.t.Errorf("%s was done (%s) and is not any more", name, was)
		} else if is != was {
			r.t.Errorf("%s counted as %s, now as %s", name, was, is)
		}
	}
	maps.Copy(r.acked, now)
}

// sound tests that each run counts once and that all readers agree.
func (r *rig) sound() {
	r.t.Helper()
	r.observe()
	if out, stderr, code := r.run(r.command("fsck")); code != 0 {
		r.t.Errorf("fsck ends with code %d:\n%s%s", code, out, stderr)
	}
	type count struct {
		Done   map[string]map[string]float64
		Failed map[string]string
	}
	ours := count{map[string]map[string]float64{}, map[string]string{}}
	for _, st := range r.states() {
		counted := 0
		for _, a := range st.Attempts {
			if a.Counts && a.Class == results.Done {
				counted++
			}
		}
		want := 0
		if st.State == results.StateDone {
			want = 1
			m := map[string]float64{}
			for _, x := range st.End.Metrics {
				m[x.Name] = x.Value
			}
			ours.Done[st.Run.ID] = m
		} else if st.End != nil {
			ours.Failed[st.Run.ID] = st.End.Class.String()
		}
		if counted != want {
			r.t.Errorf("%s is %s, and %d of its attempts count as done", st.Run.Name, st.State, counted)
		}
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		return
	}
	recount, err := filepath.Abs("../faults/testdata/recount.py")
	if err != nil {
		r.t.Fatal(err)
	}
	out, stderr, code := r.run(r.program(python, recount, filepath.Join(r.tree, "s")))
	var theirs count
	if err := json.Unmarshal([]byte(out), &theirs); code != 0 || err != nil {
		r.t.Fatalf("recount.py ends with code %d, %v:\n%s", code, err, stderr)
	}
	if !maps.EqualFunc(ours.Done, theirs.Done, maps.Equal) || !maps.Equal(ours.Failed, theirs.Failed) {
		r.t.Errorf("orch counts %v\nrecount.py %v", ours, theirs)
	}
}

// failed tests that every run of the sweep failed with a class, and that both
// status and show say so in words.
func (r *rig) failed(class results.Class, words string) {
	r.t.Helper()
	states := r.states()
	for _, st := range states {
		if st.State != results.StateFailed || st.End == nil || st.End.Class != class {
			r.t.Errorf("%s is %s, want it failed: %s%s", st.Run.Name, st.State, class, r.describe())
		}
	}
	r.says(words)
	if len(states) > 0 {
		if out, _, _ := r.run(r.command("show", states[0].Run.Name)); !strings.Contains(out, words) {
			r.t.Errorf("show does not say %q:\n%s", words, out)
		}
	}
}

// says tests that orch status says something.
func (r *rig) says(words string) {
	r.t.Helper()
	if out, stderr, _ := r.run(r.command("status")); !strings.Contains(out+stderr, words) {
		r.t.Errorf("status does not say %q:\n%s%s", words, out, stderr)
	}
}

// refused tests that a submit is refused with words and advice, and that no job
// is there.
func (r *rig) refused(code int, words, advice string, args ...string) {
	r.t.Helper()
	out, stderr, got := r.run(r.command(append([]string{"submit", "s.toml"}, args...)...))
	if got != code || !strings.Contains(stderr, words) || !strings.Contains(stderr, advice) {
		r.t.Errorf("submit %q ends with code %d, want %d with %q and %q:\n%s%s", args, got, code, words, advice, out, stderr)
	}
	if q := r.queue(); q != "" {
		r.t.Errorf("submit %q was refused, and there is a job: %s", args, q)
	}
}

// jobs returns the Slurm jobs of the sweep by their number, whatever their state.
func (r *rig) jobs() (ids []string) {
	r.t.Helper()
	subs, err := filepath.Glob(filepath.Join(r.tree, "s/subs/*/*.sh"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, s := range subs {
		key := strings.TrimSuffix(filepath.Base(s), ".sh")
		for _, id := range strings.Fields(r.c.Do(r.t, "squeue", "-h", "-t", "all", "--name="+key, "-o", "%F")) {
			if !slices.Contains(ids, id) {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// queue says what squeue has of the sweep's jobs: "STATE REASON" of each task.
func (r *rig) queue() string {
	ids := r.jobs()
	if len(ids) == 0 {
		return ""
	}
	text := ""
	wait(r.t, "squeue", func() bool {
		out, err := r.c.Command("squeue", "-h", "-r", "-t", "all", "-o", "%F_%K %T %r %N", "-j", strings.Join(ids, ",")).CombinedOutput()
		switch {
		case err == nil:
			text = string(out)
		case !strings.Contains(string(out), "Invalid job id"): // else it has just been forgotten
			return false
		}
		return true
	})
	return text
}

// running waits until some runs execute.
func (r *rig) running(n int) {
	r.t.Helper()
	r.await(fmt.Sprintf("%d runs that execute", n), func() bool { return r.count(results.StateRunning) >= n })
}

// describe tells the states and findings of a sweep that did not end well.
func (r *rig) describe() string {
	var b strings.Builder
	b.WriteString("\n")
	for _, st := range r.states() {
		if st.State != results.StateDone {
			fmt.Fprintf(&b, "  %s %s, %d attempts", st.Run.Name, st.State, len(st.Attempts))
			for _, a := range st.Attempts {
				fmt.Fprintf(&b, ", %s", a.Class)
			}
			if st.End != nil {
				fmt.Fprintf(&b, ": %s %d %s %s", st.End.Class, st.End.Exit, st.End.Signal, st.End.Message)
			}
			b.WriteString("\n")
		}
	}
	out, _, _ := r.run(r.command("status"))
	fmt.Fprintf(&b, "%ssqueue:\n%s", out, r.queue())
	logs, _ := filepath.Glob(filepath.Join(r.tree, "s/subs/*/*.log"))
	said, _ := filepath.Glob(filepath.Join(r.tree, "s/subs/*/*.json"))
	for _, l := range append(said[max(0, len(said)-6):], logs[max(0, len(logs)-6):]...) {
		text, _ := os.ReadFile(l)
		fmt.Fprintf(&b, "%s: %s\n", l, text)
	}
	return b.String()
}

// processes returns the living processes of the sweep: every one inherits the
// rig's mark.
func (r *rig) processes(of func(cmdline string) bool) (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		env, err := os.ReadFile("/proc/" + e.Name() + "/environ")
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), r.mark) {
			continue // gone, a zombie, or not ours
		}
		cmdline, _ := os.ReadFile("/proc/" + e.Name() + "/cmdline")
		if of == nil || of(strings.ReplaceAll(string(cmdline), "\x00", " ")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// clear ends what is left of the sweep, and returns when nothing writes to its
// folder any more: it is to be removed.
func (r *rig) clear() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	slurm := func(name string, args ...string) (string, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = append(os.Environ(), r.c.Env())
		out, err := cmd.Output()
		return string(out), err
	}
	subs, _ := filepath.Glob(filepath.Join(r.tree, "*/subs/*/*.sh"))
	var names []string
	for _, s := range subs {
		names = append(names, strings.TrimSuffix(filepath.Base(s), ".sh"))
		slurm("scancel", "--name="+names[len(names)-1])
	}
	for len(names) > 0 && ctx.Err() == nil {
		if left, err := slurm("squeue", "-h", "-o", "%i", "--name="+strings.Join(names, ",")); err == nil && left == "" {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	end := time.Now().Add(time.Minute)
	for len(r.processes(nil)) > 0 && time.Now().Before(end) {
		for _, pid := range r.processes(nil) {
			if p, err := os.FindProcess(pid); err == nil {
				p.Kill()
			}
		}
	}
}

// quoted writes a string as TOML does: a JSON string is one.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return string(b)
}
