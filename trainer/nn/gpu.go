package nn

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"orch/trainer"
)

// An accelerator multiplies on another device than the CPU. Safe for
// concurrent use: the runs of a worker may share one.
type accelerator interface {
	// mul is [multiplier.mul]. The matrices lie in the CPU's memory; an
	// accelerator that fails once may fail ever after.
	mul(ta, tb bool, m, n, k int, a, b []float32, add bool, c []float32) error
	// name is the device's, as its driver has it.
	name() string
}

// openGPU opens a device by its number among those this process sees. It is
// set in binaries that are built with -tags cuda, which start only where there
// is a driver; see gpu_cuda.go.
var openGPU func(number int) (accelerator, error)

// CUDA reports whether this binary was built for GPUs.
func CUDA() bool { return openGPU != nil }

// gpuWork is the number of multiplications of a product that is worth the way
// to the device and back. A guess: one core does as many in a third of a
// millisecond, and copying 1 MB over PCIe 3 takes a tenth. Tests lower it.
var gpuWork = 1 << 24

// gpuFor returns the device for a run, or nil: then the CPU does everything,
// and if a GPU was asked for the run's log says why there is none. An error
// means that the run must not happen without one.
func gpuFor(r *trainer.Run) (accelerator, error) {
	if !r.GPU.Want {
		return nil, nil
	}
	why := r.GPU.None
	if why == "" {
		gpu, err := openFor(r.GPUs)
		if err == nil {
			return gpu, nil
		}
		why = err.Error()
	}
	if r.GPU.Require {
		return nil, fmt.Errorf("launcher.require_gpu is true, and there is no GPU to use: %s", why)
	}
	fmt.Fprintf(r.Log, "GPU asked for: %s; training on the CPU\n", why)
	return nil, nil
}

// openFor opens the first of a run's devices.
func openFor(devices []string) (accelerator, error) {
	if openGPU == nil {
		return nil, errors.New("this orch is built for CPUs, and orch-gpu was not started")
	}
	number := 0
	if len(devices) > 0 {
		// CUDA numbers the devices in the order of the variable.
		visible := strings.Split(os.Getenv("CUDA_VISIBLE_DEVICES"), ",")
		number = max(0, slices.Index(visible, devices[0]))
	}
	return openGPU(number)
}

// BackendFor is [Backend] for a worker whose runs want a GPU, or do not.
func BackendFor(want trainer.GPU, devices []string) string {
	if want.Want && want.None == "" {
		if gpu, err := openFor(devices); err == nil {
			return backendWith(gpu)
		}
	}
	return Backend()
}

func backendWith(gpu accelerator) string {
	if gpu == nil {
		return Backend()
	}
	return "cuda:" + strings.ReplaceAll(gpu.name(), "+", " ") + "+" + Backend()
}

// backend names what this training computes with.
func (s *session) backend() string { return backendWith(s.gemm.gpu) }
