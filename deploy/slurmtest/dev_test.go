//go:build linux

package slurmtest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Two clusters side by side, of a user or of root, below a folder that only they
// can enter: both come up at once, run a job, survive a daemon's death with the
// next up, and leave nothing behind.
func TestSlurmDev(t *testing.T) {
	need(t, nil)
	users := map[string]int{"myself": os.Getuid()}
	if os.Getuid() == 0 {
		users["nobody"] = 65534
	}
	for who, uid := range users {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			tmp, err := os.MkdirTemp("/tmp", "osd") // short: a socket's path has a limit
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { os.RemoveAll(tmp) })
			text, err := os.ReadFile(script())
			if err != nil {
				t.Fatal(err)
			}
			dev := filepath.Join(tmp, "slurm-dev")
			// A child that is forked meanwhile would hold it open for writing, and
			// it could not be executed: "text file busy".
			syscall.ForkLock.RLock()
			err = os.WriteFile(dev, text, 0o755)
			syscall.ForkLock.RUnlock()
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range []string{tmp, dev} {
				if err := os.Chown(name, uid, -1); err != nil {
					t.Fatal(err)
				}
			}
			as := func(argv ...string) *exec.Cmd {
				cmd := exec.Command(argv[0], argv[1:]...)
				cmd.Dir = tmp
				cmd.Env = append(os.Environ(), "TMPDIR="+tmp, "HOME="+tmp)
				if uid != os.Getuid() {
					cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
				}
				return cmd
			}
			must := func(argv ...string) string {
				t.Helper()
				out, err := as(argv...).CombinedOutput()
				if err != nil {
					t.Errorf("%q: %v\n%s", argv, err, out)
				}
				return string(out)
			}
			dir := func(name string) string { return filepath.Join(tmp, "orch-slurm-"+strconv.Itoa(uid), name) }
			names := []string{"a", "b"}
			t.Cleanup(func() {
				for _, name := range names {
					as(dev, "down", "--name", name).Run()
				}
			})
			var wg sync.WaitGroup
			for _, name := range names {
				wg.Go(func() { must(dev, "up", "--name", name, "--nodes", "1") })
			}
			wg.Wait()
			job := func(name string) {
				t.Helper()
				if t.Failed() {
					return
				}
				must("bash", "-c", `eval "$("$0" env --name "$1")" && [ "$(sinfo -h -o %N | sort -u)" = n1 ] && exec sbatch --wait -t 1 --mem=50M -o /dev/null --wrap true`, dev, name)
			}
			job("a")
			job("b")
			if t.Failed() {
				return
			}
			pid, _ := os.ReadFile(filepath.Join(dir("a"), "run", "slurmctld.pid"))
			n, err := strconv.Atoi(strings.TrimSpace(string(pid)))
			if err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			wait(t, "the end of slurmctld", func() bool { return !lives(n) })
			if out := must(dev, "up", "--name", "a", "--nodes", "1"); !strings.Contains(out, "is up") {
				t.Errorf("a second up says %q", out)
			}
			job("a")
			if out, err := as(dev, "up", "--name", "b", "--nodes", "2").CombinedOutput(); err == nil || !strings.Contains(string(out), "down --name b first") {
				t.Errorf("up with other options: %v, %s", err, out)
			}
			for _, name := range names {
				must(dev, "down", "--name", name)
				if _, err := os.Stat(dir(name)); err == nil {
					t.Errorf("down leaves %s", dir(name))
				}
			}
			if left := withEnv(tmp); len(left) > 0 {
				t.Errorf("down leaves processes:\n%s", strings.Join(left, "\n"))
			}
		})
	}
}

// withEnv lists the processes whose environment names a path.
func withEnv(path string) (found []string) {
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, d := range dirs {
		if env, _ := os.ReadFile(d + "/environ"); bytes.Contains(env, []byte("="+path+"/")) {
			cmdline, _ := os.ReadFile(d + "/cmdline")
			found = append(found, filepath.Base(d)+" "+strings.ReplaceAll(string(cmdline), "\x00", " "))
		}
	}
	return found
}
