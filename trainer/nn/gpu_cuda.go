//go:build cuda

package nn

import (
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"gonum.org/v1/gonum/blas"
	"gorgonia.org/cu"
	cublas "gorgonia.org/cu/blas"
)

// This file has not run on a GPU yet. CI checks its types without CUDA's
// headers (TestCUDATypes); TestMul* of this package, built with -tags cuda on a
// machine with a GPU, check its results.

func init() {
	openGPU = func(number int) (accelerator, error) { return devices.open(number) }
}

// devices are the GPUs that this process has opened, which stay open.
var devices gpus

type gpus struct {
	mu       sync.Mutex
	byNumber map[int]*gpu
}

func (g *gpus) open(number int) (*gpu, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if d := g.byNumber[number]; d != nil {
		return d, nil
	}
	count, err := cu.NumDevices()
	if err != nil {
		return nil, fmt.Errorf("count the GPUs: %w", err)
	}
	if number >= count {
		return nil, fmt.Errorf("GPU %d is asked for, and the driver shows %d", number, count)
	}
	dev, err := cu.GetDevice(number)
	if err != nil {
		return nil, fmt.Errorf("GPU %d: %w", number, err)
	}
	title, err := dev.Name()
	if err != nil {
		return nil, fmt.Errorf("name of GPU %d: %w", number, err)
	}
	d := &gpu{title: title, jobs: make(chan func())}
	ready := make(chan error)
	go d.work(dev, ready)
	if err := <-ready; err != nil {
		return nil, fmt.Errorf("open GPU %d (%s): %w", number, title, err)
	}
	if g.byNumber == nil {
		g.byNumber = map[int]*gpu{}
	}
	g.byNumber[number] = d
	return d, nil
}

// gpu multiplies by cuBLAS. A CUDA context belongs to a thread, so one
// goroutine that never leaves its thread does all work of a device, in turns
// for the runs that share it.
type gpu struct {
	title string
	jobs  chan func()

	// Of that goroutine alone:
	blas    *cublas.Standard
	buffers [3]buffer // of a, b and c
}

// buffer is memory of the device, which grows when needed.
type buffer struct {
	at   cu.DevicePtr
	size int64
}

func (d *gpu) name() string { return d.title }

// work opens the device and does what is sent to it, as long as the process
// lives.
func (d *gpu) work(dev cu.Device, ready chan<- error) {
	runtime.LockOSThread()
	err := func() (err error) {
		defer func() { // cublas.New panics
			if p := recover(); p != nil {
				err = fmt.Errorf("cuBLAS: %v", p)
			}
		}()
		if _, err := dev.MakeContext(cu.SchedAuto); err != nil {
			return err
		}
		d.blas = cublas.New()
		return nil
	}()
	ready <- err
	if err != nil {
		return
	}
	for job := range d.jobs {
		job()
	}
}

func (d *gpu) mul(ta, tb bool, m, n, k int, a, b []float32, add bool, c []float32) error {
	done := make(chan error, 1)
	d.jobs <- func() { done <- d.sgemm(ta, tb, m, n, k, a, b, add, c) }
	return <-done
}

// sgemm copies the matrices to the device, multiplies, and copies the result
// back. cuBLAS stores matrices by columns, so that ours, by rows, look
// transposed to it: it computes cᵀ = op(b)ᵀ op(a)ᵀ, without moving an element.
func (d *gpu) sgemm(ta, tb bool, m, n, k int, a, b []float32, add bool, c []float32) error {
	var on [3][]float32
	for i, x := range [][]float32{a, b, c} {
		size := 4 * int64(len(x))
		if err := d.buffers[i].grow(size); err != nil {
			return fmt.Errorf("memory for %d bytes: %w", size, err)
		}
		on[i] = d.buffers[i].floats(len(x))
		if i == 2 && !add {
			break
		}
		if err := cu.MemcpyHtoD(d.buffers[i].at, unsafe.Pointer(&x[0]), size); err != nil {
			return fmt.Errorf("copy to the device: %w", err)
		}
	}
	beta := float32(0)
	if add {
		beta = 1
	}
	transA, lda := blas.NoTrans, k
	if ta {
		transA, lda = blas.Trans, m
	}
	transB, ldb := blas.NoTrans, n
	if tb {
		transB, ldb = blas.Trans, k
	}
	d.blas.Sgemm(transB, transA, n, m, k, 1, on[1], ldb, on[0], lda, beta, on[2], n)
	if err := d.blas.Err(); err != nil {
		return fmt.Errorf("cuBLAS: %w", err)
	}
	// The copy waits for the product: both are in the default stream.
	if err := cu.MemcpyDtoH(unsafe.Pointer(&c[0]), d.buffers[2].at, 4*int64(len(c))); err != nil {
		return fmt.Errorf("copy from the device: %w", err)
	}
	return nil
}

func (b *buffer) grow(size int64) error {
	if size <= b.size {
		return nil
	}
	if b.size > 0 {
		if err := cu.MemFree(b.at); err != nil {
			return err
		}
		b.size = 0
	}
	at, err := cu.MemAlloc(size)
	if err == nil {
		b.at, b.size = at, size
	}
	return err
}

// floats is how gorgonia's cuBLAS wants memory of the device: as a slice, whose
// elements only the device can reach.
func (b *buffer) floats(n int) []float32 {
	slice := struct {
		data     uintptr
		len, cap int
	}{uintptr(b.at), n, n}
	return *(*[]float32)(unsafe.Pointer(&slice))
}
