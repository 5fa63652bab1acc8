package nn

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"orch/trainer/data"
)

// lcg draws the numbers of testdata/golden.py.
type lcg uint32

func (x *lcg) next() float64 {
	*x = *x*1664525 + 1013904223
	return float64(*x>>8) / (1 << 24)
}

// TestTorch trains as PyTorch did: the same data in the same order, the same
// first parameters, in all optimisers, with clipping, accumulation, a smaller
// last batch and schedules. Losses and parameters must agree with float64 to
// what float32 can do: 6e-8 of a number an operation. A dozen updates of numbers
// of size 1 come to 1e-7 here; 2e-6 leaves room for other machines.
func TestTorch(t *testing.T) {
	file, err := os.ReadFile("testdata/torch.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		Cases []struct {
			Kind, Optimizer, Schedule string
			LR, Momentum              float64
			WeightDecay               float64 `json:"weight_decay"`
			ClipNorm                  float64 `json:"clip_norm"`
			Accumulate                int
			Losses                    []float64
			Parameters                [][]float64
		}
	}
	if err := json.Unmarshal(file, &golden); err != nil {
		t.Fatal(err)
	}
	const n, side, classes, epochs = 26, 6, 4, 3
	u := lcg(7)
	pixels := []byte{0, 0, 8, 3}
	for _, d := range []uint32{n, side, side} {
		pixels = binary.BigEndian.AppendUint32(pixels, d)
	}
	for range n * side * side {
		pixels = append(pixels, byte(256*u.next()))
	}
	labels := binary.BigEndian.AppendUint32([]byte{0, 0, 8, 1}, n)
	for range n {
		labels = append(labels, byte(classes*u.next()))
	}
	for _, c := range golden.Cases {
		t.Run(fmt.Sprint(c.Kind, " ", c.Optimizer, " ", c.Schedule), func(t *testing.T) {
			pairs := []any{"data.name", "idx", "data.dir", "", "data.val_fraction", 0, "data.test_fraction", 0,
				"data.images", "x", "data.labels", "y", "model.kind", c.Kind, "model.layers", 2, "model.width", 5,
				"training.batch", 8, "training.epochs", epochs, "training.optimizer", c.Optimizer, "training.lr", c.LR, "training.momentum", c.Momentum,
				"training.weight_decay", c.WeightDecay, "training.clip_norm", c.ClipNorm, "training.accumulate", c.Accumulate,
				"training.schedule", c.Schedule, "training.lr_every", 1, "training.lr_factor", 0.5}
			switch c.Kind {
			case "mlp":
				pairs = append(pairs, "model.layers", 3, "model.width", 7)
			case "cnn":
				pairs = append(pairs, "model.channels", []any{3, 8})
			case "cnn_seed":
				pairs = append(pairs, "model.channels", []any{8, 3})
			}
			run, _ := attempt(t, config(t, pairs...))
			for name, b := range map[string][]byte{"x": pixels, "y": labels} {
				if err := os.WriteFile(filepath.Join(run.Workdir, name), b, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			p, errs := parse(config(t, append(pairs, "data.dir", run.Workdir)...))
			if len(errs) > 0 {
				t.Fatal(errs)
			}
			src, err := data.Load(p.Data.spec(run.Workdir))
			if err != nil {
				t.Fatal(err)
			}
			s, err := newSession(&p, run, src)
			if err != nil {
				t.Fatal(err)
			}
			for i := range s.parts.Train.Rows { // PyTorch saw them in this order
				s.parts.Train.Rows[i] = i
			}
			first := lcg(11)
			for _, w := range s.weights.list {
				for i := range w.data {
					w.data[i] = float32(0.8 * (first.next() - 0.5))
				}
			}
			var losses []float64
			for range epochs {
				for range s.steps() {
					before, seen := s.pg.LossSum, s.pg.Seen
					if err := s.step(int64(s.steps())); err != nil {
						t.Fatal(err)
					}
					losses = append(losses, (s.pg.LossSum-before)/float64(s.pg.Seen-seen))
				}
				s.pg.Epoch, s.pg.Step = s.pg.Epoch+1, 0
			}
			if len(losses) != len(c.Losses) || len(s.weights.list) != len(c.Parameters) {
				t.Fatalf("%d updates of %d parameters, PyTorch has %d of %d", len(losses), len(s.weights.list), len(c.Losses), len(c.Parameters))
			}
			worst := 0.0
			for i, want := range c.Losses {
				if d := math.Abs(losses[i] - want); d > 2e-6 {
					t.Errorf("loss before update %d is %v, PyTorch's %v", i+1, losses[i], want)
				}
			}
			for k, want := range c.Parameters {
				got := s.weights.list[k].data
				if len(got) != len(want) {
					t.Fatalf("%s has %d elements, PyTorch's %d", s.weights.list[k].name, len(got), len(want))
				}
				for i := range want {
					worst = max(worst, math.Abs(float64(got[i])-want[i]))
				}
			}
			if worst > 2e-6 {
				t.Errorf("parameters differ by up to %g after %d updates", worst, len(losses))
			}
			t.Logf("parameters of size 0.4 differ by up to %.1g", worst)
		})
	}
}
