//go:build unix

package slurm_test

import (
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"orch/deploy/slurmtest"
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

// A devCluster is a real Slurm on this machine.
type devCluster struct{ *slurmtest.Cluster }

// cluster starts a Slurm for this process, or takes one that was started with
// the same options, and points SLURM_CONF at it until the test's end.
func cluster(t *testing.T, options ...string) *devCluster {
	t.Helper()
	c := slurmtest.Start(t, options...)
	t.Setenv("SLURM_CONF", c.Dir+"/slurm.conf")
	return &devCluster{c}
}

// signal sends a signal to a daemon: "slurmctld", "slurmd.n1".
func (c *devCluster) signal(t testing.TB, daemon string, sig syscall.Signal) {
	t.Helper()
	c.Signal(t, daemon, sig)
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
