package nn

import (
	"fmt"
	"runtime"
	"strings"
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

//go:generate sh -c "cd testdata/avo && go run . -out ../../kernels_amd64.s -stubs ../../kernels_amd64.go -pkg nn"

// A kernel multiplies with one instruction set.
type kernel struct {
	name string // as [Backend] has it
	// mul computes c = op(a)*op(b), or adds it, for the columns [from, to) of
	// c; see [multiplier.mul]. panel is scratch memory that it may replace.
	mul func(panel *[]float32, ta, tb bool, m, n, k, from, to int, a, b []float32, add bool, c []float32)
}

// kernels are those this machine has, the fastest first and gonum's last.
var kernels = append(assembly(), kernel{"portable", mulPortable})

// Backend names what computes on this machine: "amd64/AVX-512", "amd64/AVX2",
// or "<architecture>/portable". GODEBUG=cpu.avx512f=off and cpu.avx2=off
// choose a slower one. A GPU beside the CPU is named before it:
// "cuda:NVIDIA A100-SXM4-40GB+amd64/AVX-512", see [BackendFor].
func Backend() string { return runtime.GOARCH + "/" + kernels[0].name }

// SameBits reports whether trainings on two backends end with the same bits.
// All assembly of one architecture does the same operations in the same order
// on every element, so that nodes with and without AVX-512 may share a sweep.
// GPUs are taken to agree if they are of one model.
func SameBits(backend, other string) bool { return Arithmetic(backend) == Arithmetic(other) }

// Arithmetic names the class of backends that give the same bits as this one.
// It is what checkpoints and workers record: it says which bits to expect.
func Arithmetic(backend string) string {
	if gpu, cpu, both := strings.Cut(backend, "+"); both {
		return gpu + "+" + Arithmetic(cpu)
	}
	arch, name, _ := strings.Cut(backend, "/")
	if name == "portable" {
		return "gonum/" + arch
	}
	return "fma/" + arch
}

// A multiplier multiplies matrices for one training. It is the only place
// that knows how.
//
// Every element of the result is summed in ascending order of the inner index,
// starting from what was there. Neither the tiling nor the number of threads
// can change a bit of it.
type multiplier struct {
	threads int         // to split large products over; 0 is 1
	kernel  *kernel     // nil: the fastest
	panel   []float32   // scratch of the kernel
	gpu     accelerator // for large products; nil: the CPU does all
}

// threadWork is the number of multiplications that is worth a goroutine: about
// ten microseconds.
const threadWork = 1 << 19

// mul computes c = op(a)*op(b), or c += op(a)*op(b) if add is set. c is
// [m, n], the inner dimension is k, and op transposes if ta or tb is set. All
// are row major without gaps; c overlaps neither a nor b.
func (x *multiplier) mul(ta, tb bool, m, n, k int, a, b []float32, add bool, c []float32) {
	a, b, c = a[:m*k], b[:k*n], c[:m*n] // assembly checks nothing
	if x.gpu != nil && m*n*k >= gpuWork {
		if err := x.gpu.mul(ta, tb, m, n, k, a, b, add, c); err != nil {
			panic(fmt.Errorf("multiply on %s: %w", x.gpu.name(), err)) // which [builder.apply] makes an error
		}
		return
	}
	kernel := x.kernel
	if kernel == nil {
		kernel = &kernels[0]
	}
	if threads := min(x.threads, m*n*k/threadWork, n/32); threads > 1 {
		x.split(kernel, threads, ta, tb, m, n, k, a, b, add, c)
		return
	}
	kernel.mul(&x.panel, ta, tb, m, n, k, 0, n, a, b, add, c)
}

// split is mul on several threads. Each takes whole panels of columns, which
// no other packs.
func (x *multiplier) split(kernel *kernel, threads int, ta, tb bool, m, n, k int, a, b []float32, add bool, c []float32) {
	panels := (n + 31) / 32
	var others sync.WaitGroup
	for t := 1; t < threads; t++ {
		from, to := 32*(panels*t/threads), min(n, 32*(panels*(t+1)/threads))
		others.Go(func() {
			var panel []float32
			kernel.mul(&panel, ta, tb, m, n, k, from, to, a, b, add, c)
		})
	}
	kernel.mul(&x.panel, ta, tb, m, n, k, 0, 32*(panels/threads), a, b, add, c)
	others.Wait()
}

// Tiles of gonum's C: below four blocks of 64x64 its Sgemm starts no
// goroutines (blas/gonum/sgemm.go, minParBlock); how many threads a run gets
// is not gonum's to decide.
const (
	tileRows = 64
	tileCols = 3 * 64
)

// mulPortable multiplies by gonum, in Go wherever there is no assembly.
func mulPortable(scratch *[]float32, ta, tb bool, m, n, k, from, to int, a, b []float32, add bool, c []float32) {
	if tb {
		// gonum's kernel for a transposed b sums in four lanes, so its order
		// depends on k; transposing first keeps one order for everything.
		b = transpose(scratch, b, n, k)
	}
	if !add {
		for i := range m {
			clear(c[i*n+from : i*n+to])
		}
	}
	if k == 0 {
		return
	}
	transA, lda, next := blas.NoTrans, k, k // next: from one row of op(a) to the next
	if ta {
		transA, lda, next = blas.Trans, m, 1
	}
	for i := 0; i < m; i += tileRows {
		for j := from; j < to; j += tileCols {
			gonum.Implementation{}.Sgemm(transA, blas.NoTrans, min(tileRows, m-i), min(tileCols, to-j), k,
				1, a[i*next:], lda, b[j:], n, 1, c[i*n+j:], n)
		}
	}
}

// transpose returns the transpose of b, which is [rows, cols], in scratch.
func transpose(scratch *[]float32, b []float32, rows, cols int) []float32 {
	t := grow(scratch, len(b))
	const block = 16 // a block's lines of both matrices fit the first-level cache
	for i0 := 0; i0 < rows; i0 += block {
		for j0 := 0; j0 < cols; j0 += block {
			for i := i0; i < min(i0+block, rows); i++ {
				for j := j0; j < min(j0+block, cols); j++ {
					t[j*rows+i] = b[i*cols+j]
				}
			}
		}
	}
	return t
}

// grow returns n elements of scratch memory, of any value.
func grow(scratch *[]float32, n int) []float32 {
	if cap(*scratch) < n {
		*scratch = make([]float32, n)
	}
	return (*scratch)[:n]
}
