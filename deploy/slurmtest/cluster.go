//go:build unix

package slurmtest

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Cluster is a real Slurm on this machine, of one process of tests.
type Cluster struct {
	Dir  string // with its slurm.conf, log/, run/
	args []string
	node string // its nodes' names without the number
}

var (
	mu      sync.Mutex
	shared  = map[string]*sync.Once{} // by options
	started = map[string]*Cluster{}
	number  int
	hold    []io.Closer // the watchers' pipes: collected, they would be closed
)

// Start returns the cluster with these options of deploy/slurm-dev, which all
// tests of the process share that ask for the same. It skips the test where the
// packages are missing. The cluster ends with the process, however that ends.
func Start(t testing.TB, options ...string) *Cluster {
	t.Helper()
	need(t, options)
	key := strings.Join(options, "\n")
	mu.Lock()
	once, ok := shared[key]
	if !ok {
		once = &sync.Once{}
		shared[key] = once
	}
	mu.Unlock()
	once.Do(func() {
		c := start(t, options)
		mu.Lock()
		started[key] = c
		mu.Unlock()
	})
	mu.Lock()
	defer mu.Unlock()
	if started[key] == nil {
		t.Fatal("the cluster did not start for an earlier test")
	}
	return started[key]
}

// StartAlone is Start for a test that does harm: the cluster is its own.
func StartAlone(t testing.TB, options ...string) *Cluster {
	t.Helper()
	need(t, options)
	c := start(t, options)
	t.Cleanup(func() {
		if out, err := c.dev("down").CombinedOutput(); err != nil {
			t.Errorf("slurm-dev down: %v\n%s", err, out)
		}
	})
	return c
}

func need(t testing.TB, options []string) {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real Slurm: not with -short")
	}
	programs := []string{"sbatch", "slurmctld", "slurmd", "munged"}
	if slices.Contains(options, "--accounting") {
		programs = append(programs, "slurmdbd", "mariadbd")
	}
	for _, name := range programs {
		if _, err := exec.LookPath(name); err != nil {
			if _, err := os.Stat("/usr/sbin/" + name); err != nil {
				t.Skipf("needs a Slurm that it can start, and there is no %s: apt-get install slurm-wlm munge slurmdbd mariadb-server", name)
			}
		}
	}
}

// script is deploy/slurm-dev, beside this file's folder.
func script() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(filepath.Dir(file)), "slurm-dev")
}

// Patient are options of slurm-dev for a machine that other tests keep busy: one
// that does not answer for some seconds is neither a lost node nor a controller
// that is away.
var Patient = []string{"--conf", "MessageTimeout=30", "--conf", "SlurmdTimeout=300"}

func start(t testing.TB, options []string) *Cluster {
	t.Helper()
	mu.Lock()
	number++
	name := fmt.Sprintf("t%sx%d", strconv.FormatInt(int64(os.Getpid()), 36), number)
	mu.Unlock()
	c := &Cluster{Dir: filepath.Join(os.TempDir(), "orch-slurm-test-"+strconv.Itoa(os.Getuid()), name), node: "n"}
	if slices.Contains(options, "--cgroup") {
		c.node = name + "n"
	}
	c.args = slices.Concat([]string{"--name", name, "--dir", c.Dir}, Patient, options)
	watch := exec.Command("sh", append([]string{"-c", `cat >/dev/null; exec "$0" down "$@" 2>/dev/null`, script()}, c.args...)...)
	watch.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // Ctrl-C is not for it
	in, err := watch.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := watch.Start(); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	hold = append(hold, in)
	mu.Unlock()
	c.Up(t)
	return c
}

// dev prepares a command of deploy/slurm-dev on this cluster.
func (c *Cluster) dev(cmd string) *exec.Cmd {
	return exec.Command(script(), append([]string{cmd}, c.args...)...)
}

// Up starts those of its daemons that do not run, and waits until all nodes are
// well.
func (c *Cluster) Up(t testing.TB) {
	t.Helper()
	if out, err := c.dev("up").CombinedOutput(); err != nil {
		t.Fatalf("slurm-dev up %q: %v\n%s", c.args, err, out)
	}
}

// Env is what points Slurm's commands at the cluster.
func (c *Cluster) Env() string { return "SLURM_CONF=" + c.Dir + "/slurm.conf" }

// Node returns the name of a node, counted from 1.
func (c *Cluster) Node(i int) string { return c.node + strconv.Itoa(i) }

// PID returns the process of a daemon: "slurmctld", "slurmd.n1".
func (c *Cluster) PID(t testing.TB, daemon string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.Dir, "run", daemon+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// Signal sends a signal to a daemon. After SIGKILL it waits until the daemon is
// gone: until then it may answer, and write its state, and Up takes it for alive.
func (c *Cluster) Signal(t testing.TB, daemon string, sig syscall.Signal) {
	t.Helper()
	pid := c.PID(t, daemon)
	if err := syscall.Kill(pid, sig); err != nil {
		t.Fatalf("%v to %s: %v", sig, daemon, err)
	}
	if sig == syscall.SIGKILL {
		wait(t, "the end of "+daemon, func() bool { return !lives(pid) })
	}
}

// lives says whether a process is there, and no zombie. The first thread may be
// one before the others have ended.
func lives(pid int) bool {
	dir := "/proc/" + strconv.Itoa(pid)
	stat, err := os.ReadFile(dir + "/stat")
	if err != nil {
		return false
	}
	threads, _ := os.ReadDir(dir + "/task")
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z") || len(threads) > 1
}

// wait waits for what a machine does by itself, as soon as it has the time.
func wait(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(2 * time.Minute); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// Command prepares one of Slurm's commands.
func (c *Cluster) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), c.Env())
	return cmd
}

// away is what Slurm's commands say when the controller or the database had no
// time for them. sbatch may say some of it of a job that was accepted.
var away = regexp.MustCompile(`Unable to contact slurm controller|timed out|Connection re(fused|set)|Zero Bytes were transmitted`)

// Do runs one of Slurm's commands and returns what it prints. It asks again, for
// a while, if nobody has time for an answer.
func (c *Cluster) Do(t testing.TB, name string, args ...string) (said string) {
	t.Helper()
	wait(t, name, func() bool {
		out, err := c.Command(name, args...).CombinedOutput()
		if err != nil && (name == "sbatch" || !away.Match(out)) {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		said = string(out)
		return err == nil
	})
	return said
}
