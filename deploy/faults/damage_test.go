//go:build linux

package faults

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/report/collect"
	"orch/sweep/results"
)

// mutation damages the content of a file.
type mutation struct {
	name string
	do   func(rnd *rand.Rand, b []byte, other func() []byte) []byte
}

var mutations = []mutation{
	{"truncated", func(rnd *rand.Rand, b []byte, _ func() []byte) []byte { return b[:rnd.IntN(len(b)+1)] }},
	{"empty", func(*rand.Rand, []byte, func() []byte) []byte { return nil }},
	{"one bit flipped", func(rnd *rand.Rand, b []byte, _ func() []byte) []byte {
		if len(b) > 0 {
			b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8)
		}
		return b
	}},
	{"a page of zeros", func(rnd *rand.Rand, b []byte, _ func() []byte) []byte {
		from := rnd.IntN(len(b) + 1)
		clear(b[from:min(len(b), from+1+rnd.IntN(512))])
		return b
	}},
	{"a tail of zeros", func(rnd *rand.Rand, b []byte, _ func() []byte) []byte {
		return append(b, make([]byte, 1+rnd.IntN(4096))...)
	}},
	{"noise inside", func(rnd *rand.Rand, b []byte, _ func() []byte) []byte {
		from := rnd.IntN(len(b) + 1)
		noise := make([]byte, 1+rnd.IntN(64))
		for i := range noise {
			noise[i] = byte(rnd.Uint32())
		}
		return append(append(append([]byte{}, b[:from]...), noise...), b[from:]...)
	}},
	{"half a line at the end", func(rnd *rand.Rand, b []byte, _ func() []byte) []byte {
		return append(b, `{"k":"end","t":1,"r":"`...)
	}},
	{"CRLF", func(_ *rand.Rand, b []byte, _ func() []byte) []byte {
		return bytes.ReplaceAll(b, []byte("\n"), []byte("\r\n"))
	}},
	{"a byte order mark", func(_ *rand.Rand, b []byte, _ func() []byte) []byte { return append([]byte("\xef\xbb\xbf"), b...) }},
	{"written twice", func(_ *rand.Rand, b []byte, _ func() []byte) []byte { return append(b, b...) }},
	{"another file", func(_ *rand.Rand, _ []byte, other func() []byte) []byte { return other() }},
	{"another file behind", func(_ *rand.Rand, b []byte, other func() []byte) []byte { return append(b, other()...) }},
	{"lines in another order", func(rnd *rand.Rand, b []byte, _ func() []byte) []byte {
		lines := bytes.SplitAfter(b, []byte("\n"))
		rnd.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		return bytes.Join(lines, nil)
	}},
	{"a metric changed", func(_ *rand.Rand, b []byte, _ func() []byte) []byte {
		return bytes.Replace(b, []byte(`"m":{"acc":1`), []byte(`"m":{"acc":2`), -1)
	}},
}

// Whatever is done to one file, what still counts is what was measured, nothing
// panics or hangs, and what is missing is reported.
func TestDamagedFiles(t *testing.T) {
	rnd := chance(t)
	r := damageable(t)
	var files []string
	err := filepath.WalkDir(r.tree, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && !strings.Contains(path, "/runs/") && !strings.Contains(path, "/backends/") &&
			!strings.Contains(path, "/collected/") && !strings.HasSuffix(path, ".log") {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{}
	for _, st := range r.states() {
		if st.State == results.StateDone {
			want[st.Run.ID] = fmt.Sprint(st.End.Metrics)
		}
	}
	count, lost, reported, binaries := times(300, 10_000), 0, 0, 0
	for n := range count {
		path := files[rnd.IntN(len(files))]
		m := mutations[rnd.IntN(len(mutations))]
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		damaged := m.do(rnd, bytes.Clone(whole), func() []byte {
			b, err := os.ReadFile(files[rnd.IntN(len(files))])
			if err != nil {
				t.Fatal(err)
			}
			return b
		})
		if err := os.WriteFile(path, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		rel, _ := filepath.Rel(r.tree, path)
		v := look(r.tree)
		for id, got := range v.done {
			if want[id] != "" && got != want[id] {
				t.Errorf("%s, %s: run %s counts %s, measured was %s", rel, m.name, id, got, want[id])
			}
		}
		gone := 0
		for id := range want {
			if v.done[id] == "" {
				gone++
			}
		}
		if gone > 0 {
			lost++
			if v.found == 0 && v.err == nil {
				t.Errorf("%s, %s: %d results are gone, and nothing says so", rel, m.name, gone)
			}
		}
		if v.found > 0 || v.err != nil {
			reported++
		}
		if n%times(60, 100) == 0 {
			// Each on a copy, since some mend what is damaged. They fail the test if
			// they panic or hang.
			copied := newRig(t, 0)
			copied.write("s.toml", readFile(t, filepath.Join(r.dir, "s.toml")))
			copied.write("killed", "")
			copied.write("mended", "")
			if err := os.CopyFS(copied.tree, os.DirFS(r.tree)); err != nil {
				t.Fatal(err)
			}
			for _, args := range [][]string{{"status", "--json"}, {"fsck"}, {"collect"}, {"report"}, {"cancel", "s"}, {"retry", "s"}, {"submit", "s.toml"}} {
				copied.run(copied.command(args...))
				binaries++
			}
			for id, got := range look(copied.tree).done {
				if v.done[id] != "" && got != v.done[id] {
					t.Errorf("%s, %s: run %s counted %s, and after a submit %s", rel, m.name, id, v.done[id], got)
				}
			}
			os.RemoveAll(copied.dir)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		if t.Failed() {
			break
		}
	}
	if v := look(r.tree); v.err != nil || len(v.done) != len(want) || v.found > 0 {
		t.Errorf("the restored tree reads as %+v, want it as it was", v)
	}
	survived(t, "damage to a file", count, "%d files of every kind; %d reported, %d with results gone and reported, none wrong; %d commands ended in order", len(files), reported, lost, binaries)
}

// view is what a reader makes of a tree.
type view struct {
	done  map[string]string // by run ID: the metrics that count
	found int               // problems reported
	err   error
}

func look(path string) (v view) {
	v.done = map[string]string{}
	tree, err := results.Open(path)
	if err != nil {
		v.err = err
		return v
	}
	defer tree.Close()
	s, err := tree.Sweep("s")
	if err != nil {
		v.err = err
		return v
	}
	defer s.Close()
	found, err := s.Check()
	v.err = err
	v.found = len(found)
	sn, err := s.Snapshot()
	if err != nil {
		v.err = errors.Join(v.err, err)
		return v
	}
	for _, st := range sn.Derive() {
		if st.State == results.StateDone {
			v.done[st.Run.ID] = fmt.Sprint(st.End.Metrics)
		}
	}
	if _, err := collect.Fold(sn, collect.Options{Series: true}); err != nil {
		v.err = errors.Join(v.err, err)
	}
	if err := s.Rows(func(results.Row) {}, func(results.Problem) { v.found++ }); err != nil {
		v.err = errors.Join(v.err, err)
	}
	if subs, err := s.Submissions(); err != nil {
		v.err = errors.Join(v.err, err)
	} else {
		v.found -= min(0, len(subs))
	}
	return v
}

// damageable makes a tree with every kind of file: a takeover, orders, a retry,
// a failure, series.
func damageable(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, 0)
	r.write("s.toml", `name = "s"
[task]
command = ["sh", "-c", "while [ {seed} = 0 ] && [ ! -e killed ]; do sleep 0.01; done; if [ {seed} = 3 ] && [ ! -e mended ]; then exit 9; fi; sleep 0.0{seed}; for i in 1 2 3; do echo acc=1{seed}$i; done"]
[task.metrics]
acc = 'acc=([0-9]+)'
[sweep]
seed = "range(0,6)"
[launcher]
name = "joblib"
n_jobs = 1
run_time = "1s"
`)
	ended := r.start(r.command("submit", "s.toml"))
	killed := false
	for !killed {
		select {
		case <-ended:
			t.Fatal("the sweep ended before its worker was killed")
		case <-time.After(5 * time.Millisecond):
		}
		for _, st := range r.states() {
			if pids := r.workers(); len(pids) > 0 && len(st.Attempts) > 0 && !killed {
				killed = syscall.Kill(pids[0], syscall.SIGKILL) == nil
			}
		}
	}
	r.write("killed", "") // the first run waits for it, so that the kill always meets a worker
	<-ended
	r.write("mended", "")
	for _, args := range [][]string{{"cancel", "s"}, {"retry", "s"}, {"submit", "s.toml"}, {"collect"}} {
		if _, stderr, code := r.run(r.command(args...)); code != 0 && args[0] != "cancel" {
			t.Fatalf("orch %v ends with code %d:\n%s%s", args, code, stderr, r.describe())
		}
	}
	return r
}
