package command

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"orch/sweep/results"
)

// The files of Linux 6.1 (v2), 5.14 (v1, as RHEL 9 boots with Slurm 22) and of
// a container that sees its own cgroup as the root.
func TestOOMWatch(t *testing.T) {
	const v2 = "low 0\nhigh 0\nmax 12\noom 3\noom_kill %d\noom_group_kill 0\n"
	const v1 = "oom_kill_disable 0\nunder_oom 0\noom_kill %d\n"
	tests := []struct{ name, cgroup, file, text string }{
		{"v2", "0::/system.slice/slurmstepd.scope/job_7/step_batch\n", "sys/fs/cgroup/system.slice/slurmstepd.scope/job_7/step_batch/memory.events", v2},
		{"v2 in a container", "0::/../../docker/1\n", "sys/fs/cgroup/memory.events", v2},
		{"v1", "9:name=systemd:/\n5:memory,hugetlb:/slurm/uid_0/job_7\n4:cpu:/\n0::/\n", "sys/fs/cgroup/memory/slurm/uid_0/job_7/memory.oom_control", v1},
		{"v1 in a container", "4:memory:/docker/1\n", "sys/fs/cgroup/memory/memory.oom_control", v1},
		{"none", "", "proc/vmstat", "nr_free_pages 1\noom_kill %d\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			write := func(name, text string) {
				name = filepath.Join(root, name)
				if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("proc/self/cgroup", tt.cgroup)
			write(tt.file, fmt.Sprintf(tt.text, 4))
			w := &oomWatch{root: root}
			first, second := w.before(), w.before()
			if first != 4 || w.file != filepath.Join(root, tt.file) {
				t.Fatalf("count = %d in %q, want 4 in %s", first, w.file, tt.file)
			}
			if _, killed := w.after(first); killed {
				t.Error("a kill was seen before there was one")
			}
			write(tt.file, fmt.Sprintf(tt.text, 5))
			// Both runs lasted while the kernel killed; both were killed.
			_, a := w.after(first)
			_, b := w.after(second)
			if !a || !b {
				t.Errorf("kills seen = %v, %v, want both", a, b)
			}
			if _, killed := w.after(w.before()); killed {
				t.Error("an old kill was held against a new run")
			}
		})
	}
	w := &oomWatch{root: t.TempDir()}
	if _, killed := w.after(w.before()); killed {
		t.Error("a kill was seen where nothing counts")
	}
}

// The kernel's real out-of-memory killer, where a memory cgroup can be made.
func TestRealOutOfMemory(t *testing.T) {
	const mib = 1 << 20
	var dir, limit string
	for _, root := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory"} {
		d := filepath.Join(root, fmt.Sprintf("orch-test-%d", os.Getpid()))
		if os.Mkdir(d, 0o700) != nil {
			continue
		}
		t.Cleanup(func() { os.Remove(d) })
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
			if os.WriteFile(filepath.Join(d, name), []byte(strconv.Itoa(40*mib)), 0) == nil {
				dir, limit = d, name
			}
		}
	}
	if dir == "" {
		t.Skip("no memory cgroup can be made here")
	}
	for _, name := range []string{"memory.swap.max", "memory.memsw.limit_in_bytes"} {
		os.WriteFile(filepath.Join(dir, name), []byte(map[bool]string{true: "0", false: strconv.Itoa(40 * mib)}[limit == "memory.max"]), 0)
	}
	// The program enters the cgroup itself, as a job's processes are in theirs,
	// and then wants more than there is.
	c := New()
	c.oom.init, c.oom.file = true, filepath.Join(dir, map[string]string{"memory.max": "memory.events", "memory.limit_in_bytes": "memory.oom_control"}[limit])
	c.oom.seen, _ = c.oom.read()
	for name, script := range map[string]string{
		"the program":         "exec tail /dev/zero",
		"a child of a script": "tail /dev/zero; exit $?",
	} {
		t.Run(name, func(t *testing.T) {
			r := newTrial(t, sh("echo $$ > "+filepath.Join(dir, "cgroup.procs")+" && "+script))
			f := wantFailure(t, c.Train(t.Context(), r.Run), results.OutOfMemory)
			if !strings.Contains(f.Error(), dir) && !strings.Contains(f.Error(), "memory") {
				t.Errorf("failure = %v, want the evidence named", f)
			}
			t.Log(f)
		})
	}
}
