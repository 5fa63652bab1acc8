package nn

import (
	"runtime"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
)

// arithmetic names what computes; other arithmetic may give other last bits.
const arithmetic = "gonum/" + runtime.GOARCH

// A multiplier multiplies matrices for one training. It is the only place
// that knows how: a faster kernel goes behind mul.
//
// Every element of the result is summed in ascending order of the inner index,
// starting from what was there. Neither the tiling nor the number of CPUs can
// change a bit of it.
type multiplier struct {
	scratch []float32 // a transposed
}

// Tiles of gonum's C: below four blocks of 64x64 its Sgemm starts no
// goroutines (blas/gonum/sgemm.go, minParBlock). A run gets one core; runs
// side by side use more of them better than one run does.
const (
	tileRows = 64
	tileCols = 3 * 64
)

// mul computes c = op(a)*op(b), or c += op(a)*op(b) if add is set. c is
// [m, n], the inner dimension is k, and op transposes if ta or tb is set. All
// are row major without gaps.
func (x *multiplier) mul(ta, tb bool, m, n, k int, a, b []float32, add bool, c []float32) {
	if tb {
		// gonum's kernel for a transposed b sums in four lanes, so its order
		// depends on k; transposing first keeps one order for everything.
		b = x.transpose(b, n, k)
	}
	if !add {
		clear(c[:m*n])
	}
	transA, lda, next := blas.NoTrans, k, k // next: from one row of op(a) to the next
	if ta {
		transA, lda, next = blas.Trans, m, 1
	}
	for i := 0; i < m; i += tileRows {
		for j := 0; j < n; j += tileCols {
			gonum.Implementation{}.Sgemm(transA, blas.NoTrans, min(tileRows, m-i), min(tileCols, n-j), k,
				1, a[i*next:], lda, b[j:], n, 1, c[i*n+j:], n)
		}
	}
}

// transpose returns the transpose of b, which is [rows, cols], in scratch.
func (x *multiplier) transpose(b []float32, rows, cols int) []float32 {
	if cap(x.scratch) < len(b) {
		x.scratch = make([]float32, len(b))
	}
	t := x.scratch[:rows*cols]
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
