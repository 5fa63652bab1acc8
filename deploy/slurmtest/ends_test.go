//go:build linux

package slurmtest

import (
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"orch/sweep/results"
)

// plain is a cluster without accounting, which loses sight of some processes
// (proctrack/linuxproc) and kills jobs that it sees using too much memory.
func plain(t testing.TB) *Cluster {
	return Start(t, "--nodes", "16", "--conf", "KillWait=3",
		"--conf", "JobAcctGatherType=jobacct_gather/linux", "--conf", "JobAcctGatherParams=OverMemoryKill", "--conf", "JobAcctGatherFrequency=1",
		"--conf", "PartitionName=down Nodes=ALL State=DOWN")
}

// accounted is a cluster with accounting, small limits, a short memory for jobs
// that ended and, where the machine has them, control groups.
func accounted(t testing.TB) *Cluster {
	options := []string{"--accounting", "--nodes", "8", "--conf", "KillWait=3", "--conf", "MinJobAge=2", "--conf", "MaxArraySize=11",
		"--conf", "AccountingStorageEnforce=associations,limits,qos",
		"--conf", "PreemptType=preempt/partition_prio", "--conf", "PreemptMode=CANCEL",
		"--conf", "PartitionName=urgent Nodes=ALL PriorityTier=10 PreemptMode=off",
		"--conf", "PartitionName=down Nodes=ALL State=DOWN"}
	if grouped() {
		options = append(options, "--cgroup")
	}
	return Start(t, options...)
}

// grouped says whether slurm-dev can start a cluster with control groups here.
func grouped() bool {
	for _, g := range []string{"memory", "freezer"} {
		if syscall.Access("/sys/fs/cgroup/"+g+"/cgroup.procs", 2) != nil {
			return false
		}
	}
	return true
}

// clusters are the two kinds; in the short run a case has the one it asks for.
func clusters(short func(testing.TB) *Cluster) map[string]func(testing.TB) *Cluster {
	if long {
		return map[string]func(testing.TB) *Cluster{"without accounting": plain, "with accounting": accounted}
	}
	return map[string]func(testing.TB) *Cluster{"short": short}
}

// on runs a case at once with others, on one kind of cluster or both.
func on(t *testing.T, name string, short func(testing.TB) *Cluster, f func(t *testing.T, c *Cluster)) {
	for kind, cluster := range clusters(short) {
		t.Run(name+", "+kind, func(t *testing.T) {
			t.Parallel()
			f(t, cluster(t))
		})
	}
}

// Every way in which a program can end is told in words.
func TestEnds(t *testing.T) {
	t.Parallel()
	for i, x := range []struct {
		name, script string
		class        results.Class
		words        string
	}{
		{"exit code", "echo first; echo oops >&2; exit 3", results.Failed, "oops"},
		{"exit code without a word", "exit 7", results.Failed, "exit code 7"},
		{"signal", "kill -SEGV $$", results.Failed, "SIGSEGV"},
		{"killed", "kill -9 $$", results.Failed, "SIGKILL"},
		{"exit 0 without a result", "true", results.NoResult, "owes metric acc"},
		{"out of memory by its own word", "echo 'torch.cuda.OutOfMemoryError: CUDA out of memory.'; exit 1", results.OutOfMemory, "CUDA out of memory"},
		{"no such program", "no-such-program", results.Failed, "no-such-program"},
	} {
		cluster := plain
		if i%2 == 1 {
			cluster = accounted
		}
		on(t, x.name, cluster, func(t *testing.T, c *Cluster) {
			r := newRig(t, c, sweepOf(2, x.script)+"[retry]\nout_of_memory = 0\n")
			r.submit()
			r.finish()
			r.failed(x.class, x.words)
		})
	}
	for _, cluster := range []func(testing.TB) *Cluster{plain, accounted} {
		t.Run("done", func(t *testing.T) {
			t.Parallel()
			r := newRig(t, cluster(t), sweepOf(20, acc))
			r.submit()
			r.done()
		})
	}
}

// eater takes 300 MiB, and where that is too much waits for somebody to notice.
const eater = `import os, time
x = bytearray(300 << 20)
for i in range(0, len(x), 4096): x[i] = 1
time.sleep(300 if int(os.environ["SLURM_MEM_PER_NODE"]) < 300 else 0)
print("acc=1")
`

// A run that needs more memory than it asked for is killed, said to be, and
// tried again with more.
func TestOutOfMemory(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3")
	}
	for _, x := range []struct {
		name    string
		cluster func(testing.TB) *Cluster
	}{{"seen by Slurm's own count", plain}, {"by the kernel", accounted}} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			c := x.cluster(t)
			if x.name == "by the kernel" && !grouped() {
				t.Skip("no control group of cgroup v1 to write to")
			}
			r := newRig(t, c, sweepOf(1, "exec python3 eater.py")+"[retry]\nout_of_memory = 1\nmemory_factor = 6.0\n")
			r.write("eater.py", eater)
			r.submit()
			r.done()
			st := r.states()[0]
			// Between the two the next worker writes down what became of one that
			// was killed too.
			if a := st.Attempts; len(a) < 2 || len(a) > 3 || a[0].Class != results.OutOfMemory {
				t.Errorf("attempts = %v, want out of memory and done", classes(st))
			}

			r = newRig(t, c, sweepOf(1, "exec python3 eater.py")+"[retry]\nout_of_memory = 0\n")
			r.write("eater.py", eater)
			r.submit()
			r.finish()
			r.failed(results.OutOfMemory, "memory")
		})
	}
}

func classes(st results.RunState) (all []string) {
	for _, a := range st.Attempts {
		all = append(all, a.Class.String())
	}
	return all
}

// What goes wrong before the worker is there is told with the log or the folder
// that says why, and not tried for ever.
func TestNeverStarts(t *testing.T) {
	t.Parallel()
	t.Run("setup line", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, plain(t), sweepOf(2, acc, `setup = ["module load no-such-module-anywhere"]`, "workers = 1"))
		r.submit()
		said := ""
		r.until("word of the setup", func() bool {
			said = r.step()
			return strings.Contains(said, "begin") || strings.Contains(said, "setup")
		})
		if n := len(r.jobs()); n > 3 {
			t.Errorf("%d jobs were tried", n)
		}
		r.write("s.toml", sweepOf(2, acc)) // mended
		r.submit()
		r.done()
	})
	t.Run("no log", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, plain(t), sweepOf(2, acc, `extra = ["--begin=now+2minutes"]`, "workers = 1"))
		r.submit()
		subs, err := filepath.Glob(filepath.Join(r.tree, "s/subs/*"))
		if err != nil || len(subs) != 1 {
			t.Fatal(subs, err)
		}
		// A folder where the log shall be: not even root can write to it.
		if err := os.Mkdir(filepath.Join(subs[0], "worker-0.log"), 0o700); err != nil {
			t.Fatal(err)
		}
		r.begin()
		r.await("the end of the job", func() bool { return strings.Contains(r.queue(), "FAILED") })
		if q := r.c.Do(t, "squeue", "-h", "-t", "all", "-j", r.jobs()[0], "-O", "exit_code:|"); !strings.Contains(q, "4021") && !strings.Contains(q, "53") {
			t.Errorf("exit code %q: this is not the case that it should be", q)
		}
		if said := r.step(); !strings.Contains(said, "log") {
			t.Errorf("a Step does not speak of the log:\n%s", said)
		}
		r.until("another job", func() bool { return len(r.jobs()) > 1 })
		r.begin()
		r.done() // the next worker has a folder of its own
	})
	t.Run("working directory", func(t *testing.T) {
		t.Parallel()
		r := newRig(t, plain(t), sweepOf(2, acc, `extra = ["--begin=now+2minutes"]`))
		work := r.path("work")
		if err := os.Mkdir(work, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := r.command("submit", r.path("s.toml"))
		cmd.Dir = work
		if out, stderr, code := r.run(cmd); code != 0 {
			t.Fatalf("submit ends with code %d:\n%s%s", code, out, stderr)
		}
		if err := os.Remove(work); err != nil {
			t.Fatal(err)
		}
		r.begin()
		r.finish()
		r.failed(results.BadSetup, "work")
	})
}

// begin lets the sweep's jobs begin that were to wait for a time.
func (r *rig) begin() {
	r.t.Helper()
	for _, id := range r.jobs() {
		r.c.Command("scontrol", "update", "jobid="+id, "starttime=now").Run() // not where it is over
	}
}

// A disk that is full under tree and log: nothing is counted that is not on it,
// and all goes on when there is room again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	r := newRig(t, plain(t), sweepOf(4, "while [ ! -e go ]; do sleep 0.1; done; head -c 100000 /dev/zero | tr '\\0' x; "+acc, "workers = 4"))
	settings, err := os.ReadDir(r.tree)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range settings {
		if b, err := os.ReadFile(filepath.Join(r.tree, e.Name())); err == nil {
			files[e.Name()] = b
		}
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=64m,mode=700", "tmpfs", r.tree).CombinedOutput(); err != nil {
		t.Skipf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() {
		r.clear()
		if err := syscall.Unmount(r.tree, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(r.tree, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.submit()
	r.running(4)
	exec.Command("dd", "if=/dev/zero", "of="+filepath.Join(r.tree, "ballast"), "bs=4k").Run() // until it is full
	r.write("go", "")
	r.await("the end of the workers", func() bool { return len(r.processes(nil)) == 0 })
	r.observe()
	seen := len(r.acked)
	if err := os.Remove(filepath.Join(r.tree, "ballast")); err != nil {
		t.Fatal(err)
	}
	if seen == 4 {
		t.Error("all results were written to the full disk: this tests nothing")
	}
	r.finish()
	if r.count(results.StateFailed) > 0 { // a program that could not write its log may fail
		r.run(r.command("retry", "s"))
		r.submit()
	}
	r.done()
}

// Names, values and folders that a shell, Slurm or a template would read as
// something else.
func TestHostile(t *testing.T) {
	t.Parallel()
	values := []string{"plain", "two\nlines", "#SBATCH --hold", "\n#SBATCH --partition=down\n", `"'$(touch pwned)'"` + "`touch pwned`", "%j %u %%", `back\slash\n`,
		"-n", "--help", "größe 学習 🦀", "a b\tc", "{seed} {{", "$HOME $PATH", "; touch pwned; #", "*", "~", "|&<>", "\\", "a=b,c", strings.Repeat("x", 2000)}
	if long {
		values = append(values, manyHostile()...)
	}
	for name, cluster := range map[string]func(testing.TB) *Cluster{"without accounting": plain, "with accounting": accounted} {
		t.Run("values, "+name, func(t *testing.T) {
			t.Parallel()
			var list []string
			for _, v := range values {
				list = append(list, quoted(v))
			}
			r := newRig(t, cluster(t), "")
			// A folder whose own name is hostile too.
			r.dir = filepath.Join(r.dir, "it's %j \"$(id)\"\n#SBATCH --hold")
			if err := os.Mkdir(r.dir, 0o700); err != nil {
				t.Fatal(err)
			}
			r.write("check.sh", `printf %s "$1" | gzip -c | tail -c8 | od -An -N4 -tu4 | sed 's/ *//; s/^/acc=/'`+"\n")
			r.write("s.toml", fmt.Sprintf(`name = "s"
[task]
command = ["sh", "check.sh", "{value}"]
[task.metrics]
acc = '^acc=([0-9]+)'
[sweep]
value = [%s]
[launcher]
name = "slurm"
mem = "100M"
setup = ["#SBATCH --hold", "export HOSTILE='$(touch pwned) \"x\" %%j'; : # EOF"]
comment = "$(touch pwned) '\"; #SBATCH"
`, strings.Join(list, ", ")))
			r.submit()
			r.done()
			got := map[float64]int{}
			for _, st := range r.states() {
				if st.State == results.StateDone {
					got[st.End.Metrics[0].Value]++
				}
			}
			for _, v := range values {
				if sum := float64(crc32.ChecksumIEEE([]byte(v))); got[sum] != 1 {
					t.Errorf("%d runs saw the value %.60q, want 1", got[sum], v)
				}
			}
			if r.exists("pwned") {
				t.Error("a value was executed")
			}
		})
	}
	t.Run("names", func(t *testing.T) {
		t.Parallel()
		for _, name := range []string{"a\nb", "#SBATCH --hold", "../x", "a b", "-n", "$(id)", "%j", "a/b", ".", "größe"} {
			r := newRig(t, plain(t), strings.Replace(sweepOf(1, acc), `name = "s"`, "name = "+quoted(name), 1))
			_, stderr, code := r.run(r.command("submit", "s.toml"))
			if code != 2 || !strings.Contains(stderr, "name") {
				t.Errorf("a sweep called %q: submit ends with code %d, want 2 and a word about the name:\n%s", name, code, stderr)
			}
		}
	})
}

// manyHostile makes values of every kind of character that means something to
// somebody.
func manyHostile() (values []string) {
	marks := []string{"\n", "\t", " ", "'", `"`, "`", "$", "\\", "%", "#", "-", "*", "{", "}", "(", ")", "|", ";", "&", "\r", "\x01", "ü"}
	for _, a := range marks {
		for _, b := range marks[:10] {
			if v := "x" + a + b + "SBATCH" + b + a + "y"; !strings.Contains(v, "${") { // which orch reads itself
				values = append(values, v)
			}
		}
	}
	return values
}
