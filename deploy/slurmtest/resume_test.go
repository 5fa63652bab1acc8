//go:build linux

package slurmtest

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"orch/sweep/results"
)

// steps is a program that computes from step to step, and goes on from its
// checkpoint: pause is all that differs from an undisturbed run. With one it does
// not end before it was cut short once, however late the warning comes.
const steps = `import json, os, signal, sys, time
import orch_metrics as om
pause, seed = float(sys.argv[1]), int(sys.argv[2])
state = {"step": 0, "x": 0.5 + seed / 100}
if om.resume_dir() and os.path.exists(om.resume_dir() + "/state.json"):
    state = json.load(open(om.resume_dir() + "/state.json"))
    print("resumed at", state["step"])
def leave(*_):
    with om.checkpoint(state["step"], "state.json") as path:
        json.dump(state, open(path, "w"))
    sys.exit(3)
signal.signal(signal.SIGTERM, leave)
while state["step"] < 240:
    time.sleep(pause)
    if pause and state["step"] == 200 and not om.resume_dir():
        continue
    state = {"step": state["step"] + 1, "x": 3.7 * state["x"] * (1 - state["x"])}
    print("step", state["step"])
om.result(x=state["x"])
`

const stepsSweep = `name = "s"
volatile = ["pause"]
pause = %v
[task]
command = ["python3", "steps.py", "{pause}", "{seed}"]
[study]
question = "?"
[[study.metrics]]
name = "x"
goal = "maximize"
[sweep]
seed = "range(0,3)"
[launcher]
%s
`

// metrics returns the results of a sweep's runs by name, to the bit.
func (r *rig) metrics() map[string]string {
	r.t.Helper()
	all := map[string]string{}
	for _, st := range r.states() {
		if st.State != results.StateDone {
			r.t.Fatalf("%s is %s%s", st.Run.Name, st.State, r.describe())
		}
		text := ""
		for _, m := range st.End.Metrics {
			if m.Name == "seconds" || m.Name == "samples_per_second" { // of the machine, not of the training
				continue
			}
			text += m.Name + "=" + strconv.FormatFloat(m.Value, 'x', -1, 64) + " "
		}
		all[st.Run.Name] = text
	}
	return all
}

// same tests that two sweeps have the same results, bit for bit.
func same(t *testing.T, got, want map[string]string) {
	t.Helper()
	if len(got) != len(want) || len(want) == 0 {
		t.Errorf("%d runs, want %d", len(got), len(want))
	}
	for name, w := range want {
		if got[name] != w {
			t.Errorf("%s: %s, want %s as in the undisturbed run", name, got[name], w)
		}
	}
}

// A Python program that needs more time than a job has: its workers are warned,
// it saves, and the next ones go on. The results are those of an undisturbed run.
func TestTimeOutAndResume(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3")
	}
	helper, err := os.ReadFile("../orch_metrics.py")
	if err != nil {
		t.Fatal(err)
	}
	on(t, "python", plain, func(t *testing.T, c *Cluster) {
		pool := newRig(t, c, fmt.Sprintf(stepsSweep, 0.0, "name = \"joblib\"\nn_jobs = 2"))
		r := newRig(t, c, fmt.Sprintf(stepsSweep, 0.25, "name = \"slurm\"\nmem = \"100M\"\ntime = \"2m\"\nwarn = \"20s\"\nworkers = 3"))
		for _, x := range []*rig{pool, r} {
			x.write("steps.py", steps)
			x.write("orch_metrics.py", string(helper))
			x.submit()
		}
		r.done()
		same(t, r.metrics(), pool.metrics())
		for _, st := range r.states() {
			first := regexp.MustCompile(`resumed at ([0-9]+)`).FindStringSubmatch(r.log(st, len(st.Attempts)-1))
			if len(st.Attempts) < 2 || st.Attempts[0].Class != results.Preempted || first == nil {
				t.Errorf("%s: attempts = %v, want it cut short and resumed%s", st.Run.Name, classes(st), first)
				continue
			}
			if n, _ := strconv.Atoi(first[1]); n < 10 {
				t.Errorf("%s was resumed at step %d: this tests little", st.Run.Name, n)
			}
		}
	})
	// One that neither saves nor listens is ended by Slurm, and not tried for ever.
	on(t, "deaf", accounted, func(t *testing.T, c *Cluster) {
		r := newRig(t, c, strings.NewReplacer(`time = "30m"`, `time = "1m"`, "[task]\n", "[task]\nstop_grace = \"5m\"\n").Replace(
			sweepOf(1, "trap '' TERM USR1; while :; do sleep 1; done"))+"[retry]\nlost = 1\n")
		r.submit()
		r.running(1)
		r.await("Slurm to end the job", func() bool { // and perhaps to forget it
			q := r.queue()
			return q == "" || strings.Contains(q, "TIMEOUT")
		})
		r.finish()
		st := r.states()[0]
		if c := st.Attempts[0].Class; c != results.OutOfTime && c != results.Preempted {
			t.Errorf("attempts = %v, want the first out of time or asked to leave%s", classes(st), r.describe())
		}
		r.says("before a new checkpoint")
	})
}

// log returns what an attempt wrote.
func (r *rig) log(st results.RunState, attempt int) string {
	b, _ := os.ReadFile(filepath.Join(r.tree, "s/runs", st.Run.Name, st.Attempts[attempt].Folder, "log.txt"))
	return string(b)
}

// mnist finds the folder of MNIST's files: where the environment says, or beside
// this repository.
func mnist(t testing.TB) string {
	t.Helper()
	dir := cmp.Or(os.Getenv("ORCH_TEST_MNIST"), os.Getenv("ORCH_MNIST"), "../../../shared/data/mnist")
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "train-images-idx3-ubyte.gz")); err != nil {
		t.Skipf("no MNIST: ORCH_TEST_MNIST does not name the folder of its files, and %s is not it", dir)
	}
	return dir
}

const mnistSweep = `name = "s"
defaults = ["train", {model = "net2"}, {data = "mnist"}]
[data]
dir = %q
train_samples = %d
[training]
epochs = %d
batch = 64
checkpoint_every = 1
[sweep]
model = ["net2", "net5", "net7", "cnn"]
seed = "range(0,5)"
[launcher]
%s
`

// trainingPatience is for 20 trainings of a minute each beside other long tests.
const trainingPatience = 25 * time.Minute

// The four networks on MNIST, five seeds each: cut short in the middle of their
// training and resumed on Slurm, they end where the undisturbed ones of the pool
// do, to the bit.
func TestTraining(t *testing.T) {
	t.Parallel()
	dir := mnist(t)
	samples, epochs := 1500, 6
	if long { // so long that no cnn ends within the minute of its worker
		samples, epochs = 50_000, 20
	}
	c := plain(t)
	pool := newRig(t, c, fmt.Sprintf(mnistSweep, dir, samples, epochs, "name = \"joblib\"\nn_jobs = 2"))
	pool.wait = trainingPatience
	pool.submit()
	want := pool.metrics()
	r := newRig(t, c, fmt.Sprintf(mnistSweep, dir, samples, epochs, "name = \"slurm\"\nmem = \"500M\"\ntime = \"1m\"\nwarn = \"20s\"\nworkers = 4"))
	r.wait = trainingPatience
	r.submit()
	cut := 0
	resumed := func() (n int) {
		for _, st := range r.states() {
			for _, a := range st.Attempts {
				if a.Class == results.Preempted && a.Checkpoint != nil {
					n++
				}
			}
		}
		return n
	}
	r.until("the end of the sweep", func() bool {
		c := r.status().Runs
		if !long && cut < 3 && c.Running > 0 && c.Done >= 4*cut {
			// What the scheduler does when the time is nearly up, without the wait.
			for _, id := range r.jobs() {
				r.c.Command("scancel", "--batch", "--signal=USR1", id).Run()
			}
			cut++
		}
		return c.Running+c.Queued == 0
	})
	r.done()
	same(t, r.metrics(), want)
	if n := resumed(); n == 0 {
		t.Error("no training was cut short with a checkpoint: this tests nothing")
	} else {
		figure(t, "20 trainings on MNIST, %d times cut short and resumed: the pool's results to the bit", n)
	}
}
