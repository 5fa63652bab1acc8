//go:build unix

package slurm_test

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/launcher/launchertest"
)

// Besides a worker of the suite, the test binary can be one that waits for its
// warning.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == "slurm-warned" {
		c := make(chan os.Signal, 1)
		signal.Notify(c, syscall.SIGUSR1)
		select {
		case <-c:
			os.Exit(5)
		case <-time.After(5 * time.Minute):
			os.Exit(6)
		}
	}
	launchertest.Main(m)
}

func self(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// A devCluster is a real Slurm on this machine, started by deploy/slurm-dev.
type devCluster struct{ dir string }

// clusters are those that this process has started, by what was asked for.
var clusters = map[string]*devCluster{}

// cluster starts a Slurm for this process, or takes one that was started with
// the same options, and points SLURM_CONF at it until the test's end. A shell
// that outlives this process, however it ends, takes the cluster down.
func cluster(t *testing.T, options ...string) *devCluster {
	t.Helper()
	if testing.Short() {
		t.Skip("starts a real Slurm: not with -short")
	}
	need := []string{"sbatch", "slurmctld", "slurmd", "munged"}
	for _, o := range options {
		if o == "--accounting" {
			need = append(need, "slurmdbd", "mariadbd")
		}
	}
	for _, name := range need {
		if _, err := exec.LookPath(name); err != nil {
			if _, err := os.Stat("/usr/sbin/" + name); err != nil {
				t.Skipf("needs a Slurm that it can start, and there is no %s: apt-get install slurm-wlm munge slurmdbd mariadb-server", name)
			}
		}
	}
	key := strings.Join(options, " ")
	c, ok := clusters[key]
	if !ok {
		script, err := filepath.Abs("../../deploy/slurm-dev")
		if err != nil {
			t.Fatal(err)
		}
		name := fmt.Sprintf("t%s%c", strconv.FormatInt(int64(os.Getpid()), 36), 'a'+rune(len(clusters)))
		dir := filepath.Join(os.TempDir(), "orch-slurm-test-"+strconv.Itoa(os.Getuid()), name)
		args := append([]string{"up", "--name", name, "--dir", dir}, options...)
		watch := exec.Command("sh", "-c", `cat >/dev/null; exec "$0" down --name "$1" --dir "$2" 2>/dev/null`, script, name, dir)
		watch.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		in, err := watch.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := watch.Start(); err != nil {
			t.Fatal(err)
		}
		hold = append(hold, in)
		if out, err := exec.Command(script, args...).CombinedOutput(); err != nil {
			t.Fatalf("slurm-dev %q: %v\n%s", args, err, out)
		}
		c = &devCluster{dir: dir}
		clusters[key] = c
	}
	t.Setenv("SLURM_CONF", c.dir+"/slurm.conf")
	return c
}

// hold keeps the watchers' pipes open: collected, they would be closed.
var hold []io.Closer

// pid returns the process of a daemon: "slurmctld", "slurmd.n1".
func (c *devCluster) pid(t testing.TB, daemon string) int {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(c.dir, "run", daemon+".pid"))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// signal sends a signal to a daemon.
func (c *devCluster) signal(t testing.TB, daemon string, sig syscall.Signal) {
	t.Helper()
	if err := syscall.Kill(c.pid(t, daemon), sig); err != nil {
		t.Fatal(err)
	}
}

// do runs one of Slurm's commands by hand.
func do(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// eventually waits until ok, for at most a minute or two.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.Now().Add(2 * time.Minute)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
		<-tick.C
	}
}
