//go:build linux

package faults

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// killsPerSweep bounds the kills of one sweep: a run whose workers vanish more
// than five times is given up, as it should be.
const killsPerSweep = 4

// wait sleeps for a random part of d: the instant of a fault is what these tests
// draw at random, nothing is waited for.
func wait(rnd *rand.Rand, d time.Duration) { time.Sleep(time.Duration(rnd.Int64N(int64(d)))) }

// start starts a command and returns what waits for its end.
func (r *rig) start(cmd *exec.Cmd) (ended chan struct{}) {
	r.t.Helper()
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	ended = make(chan struct{})
	go func() { cmd.Wait(); close(ended) }()
	return ended
}

func TestKillSubmitter(t *testing.T) {
	rnd := chance(t)
	kills, sweeps, acked := 0, 0, 0
	for want := times(12, 1000); kills < want && !t.Failed(); sweeps++ {
		r := newRig(t, 8)
		for range killsPerSweep {
			cmd := r.command("submit", "s.toml")
			ended := r.start(cmd)
			wait(rnd, 700*time.Millisecond)
			r.observe()
			cmd.Process.Kill()
			<-ended
			kills++
			acked = acked + len(r.acked)
		}
		r.settle()
	}
	figure(t, "%d kills over %d sweeps, %d results seen before a kill: none lost, none twice", kills, sweeps, acked)
}

func TestKillWorkers(t *testing.T) {
	rnd := chance(t)
	kills, sweeps, acked := 0, 0, 0
	for want := times(12, 1000); kills < want && !t.Failed(); sweeps++ {
		r := newRig(t, 8)
		cmd := r.command("submit", "s.toml")
		ended := r.start(cmd)
		for n := 0; n < killsPerSweep; {
			wait(rnd, 60*time.Millisecond)
			r.observe()
			if pids := r.workers(); len(pids) > 0 {
				if syscall.Kill(pids[rnd.IntN(len(pids))], syscall.SIGKILL) == nil {
					n++
				}
			}
			select {
			case <-ended:
				n = killsPerSweep
			default:
			}
		}
		<-ended // workers are replaced; the submit goes on to the end
		kills += killsPerSweep
		acked += len(r.acked)
		r.settle()
	}
	figure(t, "%d kills over %d sweeps, %d results seen before the end: none lost, none twice", kills, sweeps, acked)
}

func TestKillCollector(t *testing.T) {
	rnd := chance(t)
	r := newRig(t, 40)
	if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 {
		t.Fatal(stderr)
	}
	kills := times(20, 1000)
	for range kills {
		os.Remove(filepath.Join(r.tree, "s/collected/runs.csv"))
		cmd := r.command("collect")
		ended := r.start(cmd)
		wait(rnd, 25*time.Millisecond)
		cmd.Process.Kill()
		<-ended
	}
	tables := func() map[string]string {
		t.Helper()
		if _, stderr, code := r.run(r.command("collect")); code != 0 {
			t.Fatal(stderr)
		}
		files, err := filepath.Glob(filepath.Join(r.tree, "s/collected/[^.]*"))
		if err != nil {
			t.Fatal(err)
		}
		m := map[string]string{}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			m[filepath.Base(f)] = string(b)
		}
		return m
	}
	after := tables()
	if err := os.RemoveAll(filepath.Join(r.tree, "s/collected")); err != nil {
		t.Fatal(err)
	}
	anew := tables()
	for name, text := range anew {
		if after[name] != text {
			t.Errorf("%s differs from a clean collect:\n%s\nwant\n%s", name, after[name], text)
		}
	}
	if len(anew) == 0 {
		t.Error("collect writes no tables")
	}
	r.settle()
	figure(t, "%d kills; %d tables have the bytes of a clean collect", kills, len(anew))
}
