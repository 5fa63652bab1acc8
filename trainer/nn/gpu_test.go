package nn

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"orch/sweep/results"
	"orch/trainer"
)

// double is an accelerator that is this CPU under another name. It shows which
// products leave for the device, and what is recorded; what CUDA makes of them
// only a GPU can show.
type double struct {
	calls int
	err   error
}

func (d *double) name() string { return "Double 1+" }

func (d *double) mul(ta, tb bool, m, n, k int, a, b []float32, add bool, c []float32) error {
	d.calls++
	if d.err == nil {
		(&multiplier{}).mul(ta, tb, m, n, k, a, b, add, c)
	}
	return d.err
}

func withDouble(t *testing.T, d *double, err error) {
	oldOpen, oldWork := openGPU, gpuWork
	t.Cleanup(func() { openGPU, gpuWork = oldOpen, oldWork })
	openGPU = func(int) (accelerator, error) { return d, err }
	gpuWork = 1 << 10
}

// TestGPU: products go to the device, backend and checkpoint say so, and the
// bits are the device's.
func TestGPU(t *testing.T) {
	d := new(double)
	withDouble(t, d, nil)
	c := config(t, "training.batch", 500)
	onCPU, _ := train(t, c)
	if d.calls != 0 {
		t.Fatalf("%d products went to a GPU that nobody asked for", d.calls)
	}
	run, _ := attempt(t, c)
	run.GPU = trainer.GPU{Want: true, Require: true}
	var log bytes.Buffer
	run.Log = &log
	if err := New().Train(context.Background(), run); err != nil {
		t.Fatal(err)
	}
	backend := "cuda:Double 1 +" + Backend()
	if d.calls == 0 || !strings.Contains(log.String(), backend) {
		t.Errorf("%d products on the device, want some, and %q in\n%s", d.calls, backend, &log)
	}
	if weightsOf(t, run) != weightsOf(t, onCPU) { // it computes as the CPU does
		t.Error("other bits through the device")
	}
	if got := BackendFor(run.GPU, nil); got != backend {
		t.Errorf("BackendFor = %q, want %q", got, backend)
	}
	if SameBits(backend, Backend()) || !SameBits(backend, backend) {
		t.Error("a GPU is taken to give the bits of a CPU")
	}

	d.err = errors.New("fell off its bus")
	run, _ = attempt(t, c)
	run.GPU = trainer.GPU{Want: true}
	if err := New().Train(context.Background(), run); err == nil || !strings.Contains(err.Error(), "multiply on Double 1+: fell off its bus") {
		t.Errorf("Train on a broken device = %v, want what happened", err)
	}
}

// TestNoGPU: without a GPU the run happens on the CPU and its log says why, or
// it is refused.
func TestNoGPU(t *testing.T) {
	for _, tt := range []struct {
		name, none string
		open       func(int) (accelerator, error)
		want       string
	}{
		{"no driver", "libcuda.so.1 not found", nil, "libcuda.so.1 not found"},
		{"CPU binary", "", nil, "this orch is built for CPUs"},
		{"device gone", "", func(int) (accelerator, error) { return nil, errors.New("out of memory") }, "out of memory"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			old := openGPU
			t.Cleanup(func() { openGPU = old })
			openGPU = tt.open
			run, rec := attempt(t, config(t))
			run.GPU = trainer.GPU{Want: true, None: tt.none}
			var log bytes.Buffer
			run.Log = &log
			if err := New().Train(context.Background(), run); err != nil || rec.results["test.accuracy"] == 0 {
				t.Errorf("Train = %v, results %v, want a training on the CPU", err, rec.results)
			}
			if !strings.Contains(log.String(), "GPU asked for: "+tt.want) || !strings.Contains(log.String(), "; training on the CPU\n") {
				t.Errorf("log does not say %q:\n%s", tt.want, &log)
			}
			if got := BackendFor(run.GPU, nil); got != Backend() {
				t.Errorf("BackendFor = %q, want %q", got, Backend())
			}
			run, _ = attempt(t, config(t))
			run.GPU = trainer.GPU{Want: true, Require: true, None: tt.none}
			err := New().Train(context.Background(), run)
			var f *trainer.Failure
			if !errors.As(err, &f) || f.Class != results.BadSetup || !strings.Contains(err.Error(), "launcher.require_gpu is true, and there is no GPU to use: "+tt.want) {
				t.Errorf("Train = %v, want bad setup with %q", err, tt.want)
			}
		})
	}
}
