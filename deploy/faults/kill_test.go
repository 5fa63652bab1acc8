//go:build linux

package faults

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
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

// length measures how long a command takes here and now, so that faults fall
// into all of it.
func length(t *testing.T, runs int) time.Duration {
	t.Helper()
	r := newRig(t, runs)
	begin := time.Now()
	if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 {
		t.Fatal(stderr)
	}
	return time.Since(begin)
}

func TestKillSubmitter(t *testing.T) {
	within := length(t, 8)
	var kills, acked atomic.Int64
	sweeps := times(3, 250)
	crew(t, sweeps, func(t *testing.T, _ int) {
		rnd := chance(t)
		r := newRig(t, 8)
		for range killsPerSweep {
			cmd := r.command("submit", "s.toml")
			ended := r.start(cmd)
			wait(rnd, within)
			r.observe()
			cmd.Process.Kill()
			<-ended
			kills.Add(1)
			acked.Add(int64(len(r.acked)))
		}
		r.settle()
	})
	survived(t, "kill -9 of the submitter", int(kills.Load()), "%d sweeps, %d results seen before a kill", sweeps, acked.Load())
}

func TestKillWorkers(t *testing.T) {
	var kills, acked, sweeps atomic.Int64
	want := int64(times(8, 1000))
	round := func(t *testing.T, _ int) {
		sweeps.Add(1)
		rnd := chance(t)
		r := newRig(t, 12)
		cmd := r.command("submit", "s.toml")
		ended := r.start(cmd)
		for n, over := 0, false; n < killsPerSweep && !over; {
			wait(rnd, 60*time.Millisecond)
			r.observe()
			if pids := r.workers(); len(pids) > 0 {
				if syscall.Kill(pids[rnd.IntN(len(pids))], syscall.SIGKILL) == nil {
					n++
					kills.Add(1)
				}
			}
			select {
			case <-ended:
				over = true
			default:
			}
		}
		<-ended // workers are replaced; the submit goes on to the end
		acked.Add(int64(len(r.acked)))
		r.settle()
	}
	// Some are over before the fourth kill, and on a slow machine before any.
	for n, tries := times(3, 255), 0; !t.Failed() && kills.Load() < want && tries < 10; tries++ {
		crew(t, n, round)
		n = int(want-kills.Load())/killsPerSweep + 1
	}
	if kills.Load() < want {
		t.Errorf("only %d kills, want %d: the sweeps are over too soon", kills.Load(), want)
	}
	survived(t, "kill -9 of a worker", int(kills.Load()), "%d sweeps, %d results seen before the end", sweeps.Load(), acked.Load())
}

func TestKillCollector(t *testing.T) {
	rnd := chance(t)
	r := newRig(t, 40)
	if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 {
		t.Fatal(stderr)
	}
	kills := times(20, 1000)
	begin := time.Now()
	if _, stderr, code := r.run(r.command("collect", "--rebuild")); code != 0 {
		t.Fatal(stderr)
	}
	within := time.Since(begin)
	for range kills {
		os.Remove(filepath.Join(r.tree, "s/collected/runs.csv"))
		cmd := r.command("collect")
		ended := r.start(cmd)
		wait(rnd, within)
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
	survived(t, "kill -9 of the collector", kills, "%d tables have the bytes of a clean collect", len(anew))
}
