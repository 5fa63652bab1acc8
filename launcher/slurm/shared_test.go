//go:build unix

package slurm_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orch/launcher"
	"orch/launcher/slurm"
)

// Workers that wait are taken back; those that run are left alone.
func TestWithdraw(t *testing.T) {
	cluster(t)
	s := open(t, slurm.Options{})
	req := request(t, 8, "wait", t.TempDir()) // 4 run at once
	id := submit(t, s, req)
	count := func(state launcher.State) int {
		n := 0
		for _, w := range workers(t, s, req.Key) {
			if w.State == state {
				n++
			}
		}
		return n
	}
	eventually(t, "4 workers to run", func() bool { return count(launcher.Running) == 4 })
	if err := s.Withdraw(t.Context(), id, "999999"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the others to be gone", func() bool { return count(launcher.Pending) == 0 })
	if n := count(launcher.Running); n != 4 {
		t.Errorf("%d workers run after the others were taken back, want 4", n)
	}
}

// A node that is to be avoided gets no worker, beside those that the user
// excludes; and a worker knows its job, its node and the time that is gone.
func TestAvoid(t *testing.T) {
	cluster(t, "--nodes", "3")
	s := open(t, slurm.Options{Exclude: "n3"})
	out := t.TempDir()
	req := request(t, 2, "report", out)
	req.Avoid = []string{"n1"}
	id := submit(t, s, req)
	for _, w := range await(t, s, req, launcher.Ended) {
		if w.Host != "n2" {
			t.Errorf("worker %d ran on %s, want n2", w.Index, w.Host)
		}
	}
	b, err := os.ReadFile(filepath.Join(out, "0.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{launcher.EnvJob + "=" + id, launcher.EnvNode + "=n2", launcher.EnvSpent + "="} {
		if !strings.Contains(string(b), `"`+want) {
			t.Errorf("the worker's environment lacks %s", want)
		}
	}
	req.Avoid = []string{"n1,n2 --hold"}
	if _, err := s.Submit(t.Context(), req); !launcher.IsRefused(err) {
		t.Errorf("a node with a blank: got %v, want it refused", err)
	}
}

// A cluster that is named is part of the jobs' IDs, for every command.
func TestNamedCluster(t *testing.T) {
	c := withAccounting(t)
	name := strings.TrimSpace(do(t, "sacctmgr", "-n", "-P", "show", "cluster", "format=cluster"))
	if name != filepath.Base(c.Dir) {
		t.Fatalf("the cluster is called %q, want %q", name, filepath.Base(c.Dir))
	}
	s := open(t, slurm.Options{Cluster: name})
	req := request(t, 2, "wait", t.TempDir())
	id := submit(t, s, req)
	if !strings.HasSuffix(id, ";"+name) {
		t.Errorf("ID %q does not name the cluster %s", id, name)
	}
	for _, w := range await(t, s, req, launcher.Running) {
		if w.Job != id {
			t.Errorf("listed as job %q, want %q", w.Job, id)
		}
	}
	if err := s.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the jobs to end", func() bool {
		return !slices.ContainsFunc(workers(t, s, req.Key), func(w launcher.Worker) bool { return w.State != launcher.Ended })
	})
	if _, err := open(t, slurm.Options{Cluster: "nowhere"}).Submit(t.Context(), request(t, 1, "exit", "0")); err == nil {
		t.Error("a cluster that is not there accepted a job")
	}
}
