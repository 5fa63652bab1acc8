//go:build linux

package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
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
	if spec := os.Getenv(clientEnv); spec != "" {
		if err := serveClient(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	dir, err := os.MkdirTemp("", "orch-faults-")
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
	flag.Parse()
	flag.Set("test.parallel", "4") // see crew
	code := m.Run()
	printTable(code != 0)
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

// chance is the randomness of a test. Its seed is printed, and ORCH_SEED sets
// it: the faults come in the same order then, if not at the same instants.
func chance(t *testing.T) *rand.Rand {
	seed := uint64(time.Now().UnixNano())
	if s, err := strconv.ParseUint(os.Getenv("ORCH_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("ORCH_SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

// A sweep of short programs. Each execution measures something else, so that a
// result that came from another execution than before would show.
const sweepFile = `name = "s"
[task]
command = ["sh", "-c", "sleep {pause}; echo acc=$(date +%%s%%N)"]
[task.metrics]
acc = 'acc=([0-9]+)'
[sweep]
pause = [0, 0.03]
seed = "range(0,%d)"
[launcher]
name = "joblib"
n_jobs = 2
`

// rig is a results tree with the sweep s, in a folder of its own.
type rig struct {
	t     testing.TB
	dir   string
	tree  string
	mark  string            // in the environment of every process it starts
	acked map[string]string // by run: what was seen as done, once and for all
}

func newRig(t testing.TB, runs int) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), acked: map[string]string{}}
	r.tree = filepath.Join(r.dir, "results")
	r.mark = fmt.Sprintf("ORCH_FAULTS_RIG=%s", r.dir)
	r.write("s.toml", fmt.Sprintf(sweepFile, (runs+1)/2))
	return r
}

func (r *rig) write(name, text string) {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, name), []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// settings makes the tree with settings of its own before orch does.
func (r *rig) settings(change func(*results.Settings)) {
	r.t.Helper()
	s := results.DefaultSettings()
	change(&s)
	tree, err := results.Create(r.tree, s)
	if err != nil {
		r.t.Fatal(err)
	}
	tree.Close()
}

// command prepares an orch command on this tree.
func (r *rig) command(args ...string) *exec.Cmd {
	return r.program(append([]string{orch}, args...)...)
}

func (r *rig) program(argv ...string) *exec.Cmd {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.Dir = r.dir
	cmd.Env = append(os.Environ(), r.mark, "ORCH_RESULTS="+r.tree)
	cmd.WaitDelay = time.Minute // of its output, which the machine may be slow to bring
	return cmd
}

// run runs a command to its end and returns its output and exit code, -1 after a
// signal. A command that hangs fails the test.
func (r *rig) run(cmd *exec.Cmd) (stdout, stderr string, code int) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	stop := context.AfterFunc(ctx, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	stop()
	if ctx.Err() != nil {
		r.t.Fatalf("%s hangs\n%.3000s%.3000s", strings.Join(cmd.Args, " "), out.String(), errs.String())
	}
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		r.t.Fatalf("%s: %v", strings.Join(cmd.Args, " "), err)
	}
	// The Go runtime itself stops when it cannot write to its own event descriptor,
	// which injected errors hit too: as good as a kill.
	if s := errs.String(); (strings.Contains(s, "panic:") || strings.Contains(s, "fatal error:")) && !strings.Contains(s, "netpollBreak write failed") {
		r.t.Errorf("%s panics:\n%s", strings.Join(cmd.Args, " "), s)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// states reads the tree as orch does; nothing before there is a plan.
func (r *rig) states() []results.RunState {
	r.t.Helper()
	tree, err := results.Open(r.tree)
	var none *results.NoTreeError
	if errors.As(err, &none) {
		return nil
	}
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
	checked(r.t, func(c *checks) { c.results += len(r.acked) })
	maps.Copy(r.acked, now)
}

// settle tests every promise after the faults are over.
func (r *rig) settle() {
	r.t.Helper()
	r.observe()
	_, stderr, code := r.run(r.command("submit", "s.toml"))
	if code != 0 {
		r.t.Errorf("a plain resubmit ends with code %d:\n%s%s", code, stderr, r.describe())
	}
	r.observe()
	r.sound()
	r.alone()
}

// sound tests that everything is done and that all readers agree.
func (r *rig) sound() {
	r.t.Helper()
	out, stderr, code := r.run(r.command("fsck"))
	checked(r.t, func(c *checks) { c.fsck++ })
	if code != 0 {
		r.t.Errorf("fsck ends with code %d:\n%s%s", code, out, stderr)
	}
	c := r.status()
	if c.Total == 0 || c.Done != c.Total {
		r.t.Errorf("status = %+v, want all done%s", c, r.describe())
	}
	counted := 0
	for _, st := range r.states() {
		for _, a := range st.Attempts {
			if a.Counts && a.Class == results.Done {
				counted++
			}
		}
	}
	if counted != c.Done {
		r.t.Errorf("%d attempts count as done for %d runs", counted, c.Done)
	}
	r.recount()
}

func (r *rig) status() results.Counts {
	r.t.Helper()
	out, stderr, code := r.run(r.command("status", "--json"))
	var v struct {
		Sweeps []struct {
			Name string
			Runs results.Counts
		}
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 || len(v.Sweeps) != 1 {
		r.t.Fatalf("status --json ends with code %d, %v:\n%s%s", code, err, out, stderr)
	}
	return v.Sweeps[0].Runs
}

// recount compares with an independent reader of the format.
func (r *rig) recount() {
	r.t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		return
	}
	script, err := filepath.Abs("testdata/recount.py")
	if err != nil {
		r.t.Fatal(err)
	}
	out, stderr, code := r.run(r.program(python, script, filepath.Join(r.tree, "s")))
	if code != 0 {
		r.t.Fatalf("recount.py ends with code %d:\n%s", code, stderr)
	}
	type count struct {
		Done    map[string]map[string]float64
		Failed  map[string]string
		Planned int
	}
	var theirs count
	if err := json.Unmarshal([]byte(out), &theirs); err != nil {
		r.t.Fatal(err)
	}
	ours := count{Done: map[string]map[string]float64{}, Failed: map[string]string{}}
	for _, st := range r.states() {
		if st.Run.Planned {
			ours.Planned++
		}
		if st.End != nil && st.End.Class != results.Done {
			ours.Failed[st.Run.ID] = st.End.Class.String()
		}
		if st.State == results.StateDone {
			m := map[string]float64{}
			for _, x := range st.End.Metrics {
				m[x.Name] = x.Value
			}
			ours.Done[st.Run.ID] = m
		}
	}
	checked(r.t, func(c *checks) { c.recounts++ })
	if !maps.EqualFunc(ours.Done, theirs.Done, maps.Equal) || !maps.Equal(ours.Failed, theirs.Failed) || ours.Planned != theirs.Planned {
		r.t.Errorf("orch counts %v\nrecount.py %v", ours, theirs)
	}
}

// describe tells the states and findings of a sweep that did not end well.
func (r *rig) describe() string {
	var b strings.Builder
	b.WriteString("\n")
	for _, st := range r.states() {
		if st.State != results.StateDone {
			fmt.Fprintf(&b, "  %s %s, %d attempts", st.Run.Name, st.State, len(st.Attempts))
			if st.End != nil {
				fmt.Fprintf(&b, ": %s %d %s %s", st.End.Class, st.End.Exit, st.End.Signal, st.End.Message)
			}
			b.WriteString("\n")
		}
	}
	out, _, _ := r.run(r.command("fsck"))
	b.WriteString(out)
	logs, _ := filepath.Glob(filepath.Join(r.tree, "s/subs/*/*.log"))
	for _, l := range logs[max(0, len(logs)-2):] {
		text, _ := os.ReadFile(l)
		fmt.Fprintf(&b, "%s: %s\n", filepath.Base(l), text)
	}
	return b.String()
}

// processes returns the processes that this rig has started and that live:
// every one inherits the rig's mark.
func (r *rig) processes(of func(cmdline string) bool) []int {
	var pids []int
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
		if of == nil || of(string(cmdline)) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// workers returns the rig's workers. A child of one that has not yet executed its
// program looks like it, but its parent is a worker too.
func (r *rig) workers() []int {
	pids := r.processes(func(cmdline string) bool { return strings.Contains(cmdline, "\x00worker\x00") })
	return slices.DeleteFunc(slices.Clone(pids), func(pid int) bool {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		f := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
		if len(f) < 2 {
			return true // gone
		}
		parent, _ := strconv.Atoi(f[1])
		return slices.Contains(pids, parent)
	})
}

// alone waits until no process of the rig lives.
func (r *rig) alone() {
	r.t.Helper()
	deadline := time.Now().Add(patience)
	for {
		pids := r.processes(nil)
		if len(pids) == 0 {
			return
		}
		if time.Now().After(deadline) {
			for _, pid := range pids {
				cmdline, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
				r.t.Errorf("process %d is left: %s", pid, strings.ReplaceAll(string(cmdline), "\x00", " "))
				if p, err := os.FindProcess(pid); err == nil {
					p.Kill()
				}
			}
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
