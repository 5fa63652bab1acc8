package nn

import "golang.org/x/sys/cpu"

// A tile kernel multiplies all rows of a by one packed panel of b; see
// kernels_amd64.go, mulAVX2.
type tileKernel func(m, k, cols int, a *float32, rs, cs int, b, c *float32, ldc, add int, mask *int32)

// assembly returns the kernels that this CPU, and the system with regard to
// saving registers, can run.
func assembly() []kernel {
	var have []kernel
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		return nil
	}
	if cpu.X86.HasAVX512F {
		have = append(have, kernel{"AVX-512", mulAssembly(mulAVX512, 16)})
	}
	return append(have, kernel{"AVX2", mulAssembly(mulAVX2, 8)})
}

// depth bounds the rows of a panel, so that panel and the rows of a that meet
// it stay in a first-level cache of 32 KiB: 224 * 32 * 4 bytes are 28 KiB.
const depth = 224

// mulAssembly returns the loops around a tile kernel with a number of floats
// a register.
//
// This is the inner part of Goto and van de Geijn 2008 (ACM TOMS 34:12): for
// each block of k, a panel of b, two registers wide, is packed without gaps
// and zero padded; then the rows of a meet it. a is read in place: a tile
// takes one element of each row at a time by broadcast, for which neither
// order of its storage matters.
func mulAssembly(tile tileKernel, lanes int) func(*[]float32, bool, bool, int, int, int, int, int, []float32, []float32, bool, []float32) {
	return func(scratch *[]float32, ta, tb bool, m, n, k, from, to int, a, b []float32, add bool, c []float32) {
		if m == 0 || from >= to {
			return
		}
		if k == 0 {
			if !add {
				clear(c)
			}
			return
		}
		panel := grow(scratch, depth*2*lanes)
		rs, cs := k, 1
		if ta {
			rs, cs = 1, m
		}
		blocks := (k + depth - 1) / depth
		step := (k + blocks - 1) / blocks // equal blocks: a last thin one would cost a pass over c
		for p := 0; p < k; p += step {
			kk := min(step, k-p)
			more := 1
			if p == 0 && !add {
				more = 0
			}
			for j := from; j < to; j += 2 * lanes {
				cols := min(2*lanes, to-j)
				width := lanes
				if cols > lanes {
					width = 2 * lanes
				}
				if tb {
					packTransposed(panel, width, cols, kk, b[j*k+p:], k)
				} else {
					pack(panel, width, cols, kk, b[p*n+j:], n)
				}
				tile(m, kk, cols, &a[p*cs], rs, cs, &panel[0], &c[j], n, more, first((cols-1)%8+1))
			}
		}
	}
}

// ones is 32 times -1 and 32 times 0: the masks of all lengths, see [first].
var ones = func() (m [64]int32) {
	for i := range 32 {
		m[i] = -1
	}
	return m
}()

// first returns a mask of n times -1 and then zeros.
func first(n int) *int32 { return &ones[32-n] }

// pack copies the first cols columns of k rows of b, which are ldb apart, into
// a panel.
func pack(panel []float32, width, cols, k int, b []float32, ldb int) {
	_, _ = panel[:k*width], b[:(k-1)*ldb+cols]
	switch width {
	case 8:
		packRows8(k, &b[0], ldb, &panel[0], first(cols))
	case 16:
		packRows16(k, &b[0], ldb, &panel[0], first(cols))
	case 32:
		packRows32(k, &b[0], ldb, &panel[0], first(cols))
	}
}

// packTransposed copies the first k columns of cols rows of b, which are ldb
// apart, into a panel: rows become columns.
func packTransposed(panel []float32, width, cols, k int, b []float32, ldb int) {
	panel, b = panel[:k*width], b[:(cols-1)*ldb+k]
	if cols < width {
		clear(panel)
	}
	j := 0
	for ; j+8 <= cols; j += 8 {
		packColumns(k, &b[j*ldb], ldb, &panel[j], width, first(k%8))
	}
	for ; j < cols; j++ {
		for p, v := range b[j*ldb : j*ldb+k] {
			panel[p*width+j] = v
		}
	}
}
