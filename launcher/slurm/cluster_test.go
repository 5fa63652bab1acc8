//go:build unix

package slurm_test

import (
	"errors"
	"fmt"
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

// do runs one of Slurm's commands by hand, one that may be done twice.
func do(t testing.TB, name string, args ...string) string {
	t.Helper()
	return answer(t, name, func() (string, error) {
		out, err := exec.Command(name, args...).CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%q: %w\n%s", args, err, out)
		}
		return string(out), err
	})
}

// patience bounds every wait: a time limit of a minute is enforced after up to
// 90 seconds, and the controller forgets jobs once a minute, on a machine that
// may have other things to do.
const patience = 4 * time.Minute

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	answer(t, what, func() (struct{}, error) {
		if !ok() {
			return struct{}{}, errors.New("waited in vain")
		}
		return struct{}{}, nil
	})
}

// answer asks until there is an answer: a daemon that has no time for one is not
// what these tests are about.
func answer[T any](t testing.TB, what string, ask func() (T, error)) T {
	t.Helper()
	end := time.Now().Add(patience)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		x, err := ask()
		if err == nil {
			return x
		}
		if time.Now().After(end) {
			t.Fatalf("%s: %v", what, err)
		}
		<-tick.C
	}
}
