//go:build linux

package faults

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"orch/sweep/results"
)

// The system calls by which the tree is written.
var writeCalls = []string{"write", "fsync", "linkat", "renameat,renameat2", "mkdirat", "unlinkat"}

// Each command is run again and again under strace, which kills the process, or
// makes the call fail, at its N-th call of a kind, for N = 1, 2, ... until the
// command ends before it. The short run takes a sample of the points. strace
// counts by thread, and Go shares its calls among threads anew each time, so
// one pass does not hit the very same points as the next.
func TestScanSystemCalls(t *testing.T) {
	if _, err := exec.LookPath("strace"); err != nil {
		t.Skip("no strace: install the Debian package strace")
	}
	planned, finished := newRig(t, 2), newRig(t, 2)
	planned.publishOnly()
	if _, stderr, code := finished.run(finished.command("submit", "s.toml")); code != 0 {
		t.Fatal(stderr)
	}
	if out, err := exec.Command("strace", "-f", "-qq", "-o", os.DevNull, "-e", "trace=write", "-e", "inject=write:error=EIO:when=60000", "true").CombinedOutput(); err != nil {
		t.Skipf("strace cannot trace here: %v: %s", err, out)
	}
	injections := []string{"signal=KILL", "error=ENOSPC", "error=EIO", "error=EDQUOT", "error=ESTALE"}
	commands := []struct {
		name string
		base *rig // what the tree holds before; nil: nothing
		args func(r *rig) []string
	}{
		{"submit", nil, func(*rig) []string { return []string{"submit", "s.toml"} }},
		{"worker", planned, func(r *rig) []string { return []string{"worker", "--sweep=s", "--group=" + r.group()} }},
		{"collect", finished, func(*rig) []string { return []string{"collect"} }},
	}
	t.Run("all", func(t *testing.T) {
		for _, c := range commands {
			for _, inject := range injections {
				t.Run(c.name+" "+inject, func(t *testing.T) {
					t.Parallel()
					rnd := chance(t)
					points, hits, last := 0, 0, 0
					point := func(calls string, n int, plus string) (hit bool) {
						r := newRig(t, 2)
						if c.base != nil {
							if err := os.CopyFS(r.tree, os.DirFS(c.base.tree)); err != nil {
								t.Fatal(err)
							}
							r.observe()
						}
						trace := filepath.Join(r.dir, "trace")
						cmd := r.program(append([]string{"strace", "-f", "-qq", "-o", trace, "-e", "trace=" + calls,
							"-e", fmt.Sprintf("inject=%s:%s:when=%d%s", calls, inject, n, plus), orch}, c.args(r)...)...)
						cmd.Env = append(cmd.Env, "GOMAXPROCS=1") // few threads
						r.run(cmd)
						text, err := os.ReadFile(trace)
						if err != nil {
							t.Fatal(err)
						}
						hit = bytes.Contains(text, []byte("INJECTED")) || bytes.Contains(text, []byte("killed by SIGKILL"))
						points++
						if hit {
							hits, last = hits+1, max(last, n)
						}
						r.settle()
						if t.Failed() {
							t.Fatalf("%s, %s at %s call %d%s:\n%s", c.name, inject, calls, n, plus, lastLines(string(text), 30))
						}
						return hit
					}
					all := strings.Join(writeCalls, ",")
					// A fault at one call, or at it and all after it: a disk that is
					// full stays so.
					modes := []string{"", "+"}
					if inject == "signal=KILL" {
						modes = modes[:1]
					}
					if !long {
						for range 2 {
							point(append(writeCalls, all)[rnd.IntN(len(writeCalls)+1)], 1+rnd.IntN(6), modes[rnd.IntN(len(modes))])
						}
						point(all, 1+rnd.IntN(3), modes[rnd.IntN(len(modes))])
						if hits == 0 {
							point(all, 1, modes[0]) // which every command gets to
						}
					}
					for _, calls := range append(writeCalls, all) {
						for _, mode := range modes {
							for n, misses := 1, 0; long && misses < 2; n++ {
								if point(calls, n, mode) {
									misses = 0
								} else {
									misses++
								}
							}
						}
					}
					if hits == 0 {
						t.Errorf("no call of %s was hit", c.name)
					}
					_, what, _ := strings.Cut(inject, "=")
					survived(t, what+" at the N-th system call of "+c.name, hits, "%d points tried, the last hit at call %d", points, last)
				})
			}
		}
	})
}

func lastLines(s string, n int) string {
	l := strings.Split(s, "\n")
	return strings.Join(l[max(0, len(l)-n):], "\n")
}

// publishOnly writes the plan of the rig's sweep and runs nothing of it.
func (r *rig) publishOnly() {
	r.t.Helper()
	other := newRig(r.t, 0)
	text, err := os.ReadFile(filepath.Join(r.dir, "s.toml"))
	if err != nil {
		r.t.Fatal(err)
	}
	other.write("s.toml", string(text))
	if _, stderr, code := other.run(other.command("submit", "s.toml")); code != 0 {
		r.t.Fatal(stderr)
	}
	tree, err := results.Create(r.tree, results.DefaultSettings())
	if err != nil {
		r.t.Fatal(err)
	}
	defer tree.Close()
	s, err := tree.CreateSweep("s")
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	if err := os.CopyFS(filepath.Join(r.tree, "s/plans/1"), os.DirFS(filepath.Join(other.tree, "s/plans/1"))); err != nil {
		r.t.Fatal(err)
	}
}

// group returns the key of the sweep's only resource request.
func (r *rig) group() string {
	r.t.Helper()
	tree, err := results.Open(r.tree)
	if err != nil {
		r.t.Fatal(err)
	}
	defer tree.Close()
	s, err := tree.Sweep("s")
	if err != nil {
		r.t.Fatal(err)
	}
	defer s.Close()
	p, err := s.Plan()
	if err != nil {
		r.t.Fatal(err)
	}
	return p.Keys()[0]
}
