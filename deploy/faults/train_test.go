//go:build linux

package faults

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/sweep/results"
	"orch/trainer/data"
)

// A sweep of built-in trainings on MNIST. A checkpoint after every epoch gives
// kills something to resume from.
const trainFile = `name = "s"
defaults = ["train", {data = "mnist"}, {model = "net2"}]
[sweep]
model = ["net2", "net5", "net7", "cnn"]
seed = "range(0,5)"
"data.dir" = "%s"
"data.train_samples" = %d
"training.epochs" = %d
"training.batch" = 64
"training.checkpoint_every" = 1
[retry]
lost = 50
[launcher]
name = "joblib"
n_jobs = 2
mem = "500M"
`

// mnist returns the folder of MNIST's files: $ORCH_MNIST, or a stand-in in the
// same form, the digits enlarged, where that is not set.
func mnist(t *testing.T) (dir string, real bool) {
	t.Helper()
	if dir := os.Getenv("ORCH_MNIST"); dir != "" {
		dir, err := filepath.Abs(dir)
		if err != nil {
			t.Fatal(err)
		}
		return dir, true
	}
	src, err := data.Load(data.Spec{Name: "digits"})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := src.Split(rand.New(rand.NewPCG(1, 1)), 0, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	for name, v := range map[string]data.View{"train": parts.Train, "t10k": parts.Test} {
		images := []byte{0, 0, 8, 3}
		for _, d := range []int{v.Len(), 28, 28} {
			images = binary.BigEndian.AppendUint32(images, uint32(d))
		}
		labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, uint32(v.Len()))
		x := make([]float32, 64)
		for i := range v.Len() {
			v.Row(x, i)
			for p := range 28 * 28 {
				b := byte(0)
				if r, c := p/28-2, p%28-2; r >= 0 && c >= 0 && r < 24 && c < 24 {
					b = byte(255 * x[r/3*8+c/3])
				}
				images = append(images, b)
			}
			labels = append(labels, byte(v.Label(i)))
		}
		var zipped bytes.Buffer
		w := gzip.NewWriter(&zipped)
		w.Write(images)
		if err := errors.Join(w.Close(), os.WriteFile(filepath.Join(dir, name+"-images-idx3-ubyte.gz"), zipped.Bytes(), 0o600),
			os.WriteFile(filepath.Join(dir, name+"-labels-idx1-ubyte"), labels, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, false
}

// TestKillTrainings: net2, net5, net7 and cnn with five seeds each, whose workers
// and submitter are killed while they train. Every run goes on from its last
// checkpoint, and ends with the bits of one that nobody disturbed: metrics,
// parameters, moments, order of the examples.
func TestKillTrainings(t *testing.T) {
	dir, real := mnist(t)
	samples, epochs := 300, 12
	if real && long {
		samples, epochs = 60000*9/10, 3
	}
	file := fmt.Sprintf(trainFile, dir, samples, epochs)

	calm := newRig(t, 2)
	calm.write("s.toml", file)
	if _, stderr, code := calm.run(calm.command("submit", "s.toml")); code != 0 {
		t.Fatal(stderr)
	}
	want := calm.outcomes()
	if len(want) != 20 {
		t.Fatalf("%d runs, want 20", len(want))
	}

	var kills, equal, resumed, after int
	for range 5 { // the trainings may be over before they are killed
		r := newRig(t, 2)
		r.write("s.toml", file)
		ended := r.start(r.command("submit", "s.toml"))
		kills = 0
		for i, model := range []string{"net2", "net5", "net7", "cnn", "cnn"} {
			pid := r.training(model, ended)
			if pid == 0 {
				break
			}
			if i == 2 { // the submitter and both workers at once
				for _, p := range r.processes(nil) {
					syscall.Kill(p, syscall.SIGKILL)
				}
				<-ended
				ended = r.start(r.command("submit", "s.toml"))
			} else {
				syscall.Kill(pid, syscall.SIGKILL)
			}
			kills++
		}
		<-ended
		if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 {
			t.Errorf("submit again ends with code %d:\n%s%s", code, stderr, r.describe())
		}
		r.sound()
		r.alone()
		got := r.outcomes()
		equal = 0
		for name, w := range want {
			if got[name] == w {
				equal++
			} else {
				t.Errorf("%s, killed and resumed:\n got %s\nwant %s", name, got[name], w)
			}
		}
		if resumed, after = r.resumed(); kills >= 4 && resumed > 0 || t.Failed() {
			break
		}
	}
	if kills < 4 || resumed == 0 {
		t.Errorf("%d kills, %d runs resumed from a checkpoint: the test has tested nothing", kills, resumed)
	}
	set := "digits in MNIST's form"
	if real {
		set = "MNIST"
	}
	survived(t, "kill -9 of a training", kills, "%s, %d samples, %d epochs: %d runs resumed, after %d updates on average; %d of %d runs equal to the bit",
		set, samples, epochs, resumed, after, equal, len(want))
}

// training waits for a worker that trains such a model, has written a
// checkpoint and is not done, and returns its process, or 0 if all ends first.
func (r *rig) training(model string, ended <-chan struct{}) int {
	r.t.Helper()
	deadline := time.Now().Add(5 * time.Minute)
	for {
		for _, st := range r.states() {
			if n := len(st.Attempts); n > 0 && st.State == results.StateRunning && strings.Contains(st.Run.Name, "-"+model+"-") {
				if a := st.Attempts[n-1]; a.Checkpoint != nil && a.End == nil && a.Holder != nil && a.Holder.Fate() == results.FateAlive {
					return a.Holder.PID
				}
			}
		}
		select {
		case <-ended:
			return 0
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("no %s has written a checkpoint%s", model, r.describe())
		}
	}
}

// outcomes are the bits of every finished run: its metrics but for times, and
// the blocks of its last checkpoint.
func (r *rig) outcomes() map[string]string {
	r.t.Helper()
	all := map[string]string{}
	for _, st := range r.states() {
		if st.State != results.StateDone {
			continue
		}
		var b strings.Builder
		for _, m := range st.End.Metrics {
			if m.Name != "seconds" && m.Name != "samples_per_second" {
				fmt.Fprintf(&b, "%s=%x ", m.Name, math.Float64bits(m.Value))
			}
		}
		file := filepath.Join(r.tree, "s", "runs", st.Run.Name, st.Attempts[st.Counted].Folder, "ckpt", "last.ckpt")
		ckpt, err := os.ReadFile(file)
		if err != nil || len(ckpt) < 48 {
			r.t.Fatalf("%s: %v, %d bytes", file, err, len(ckpt))
		}
		// After the manifest, which has times, and before the checksum.
		blocks := ckpt[16+binary.LittleEndian.Uint32(ckpt[12:]) : len(ckpt)-32]
		fmt.Fprintf(&b, "blocks=%d:%x", len(blocks), sha256.Sum256(blocks))
		all[st.Run.Name] = b.String()
	}
	return all
}

// resumed counts the runs whose counted attempt went on from a checkpoint, and
// the mean of the updates that they did not have to repeat.
func (r *rig) resumed() (runs, updates int) {
	r.t.Helper()
	for _, st := range r.states() {
		if st.Counted < 0 {
			continue
		}
		log, err := os.ReadFile(filepath.Join(r.tree, "s", "runs", st.Run.Name, st.Attempts[st.Counted].Folder, results.LogFile))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			r.t.Fatal(err)
		}
		if i := bytes.Index(log, []byte("resumed after ")); i >= 0 {
			n := 0
			fmt.Sscanf(string(log[i:]), "resumed after %d updates", &n)
			runs, updates = runs+1, updates+n
		}
	}
	return runs, updates / max(runs, 1)
}
