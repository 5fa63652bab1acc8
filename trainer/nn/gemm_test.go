package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// at returns element (i, j) of a matrix with cols columns, transposed or not.
func at(x []float32, transposed bool, rows, cols, i, j int) float64 {
	if transposed {
		return float64(x[j*rows+i])
	}
	return float64(x[i*cols+j])
}

// product is op(a)*op(b), plus c, by the definition in float64.
func product(ta, tb bool, m, n, k int, a, b, c []float32) []float64 {
	out := make([]float64, m*n)
	for i := range m {
		for j := range n {
			sum := float64(c[i*n+j])
			for l := range k {
				sum += at(a, ta, m, k, i, l) * at(b, tb, k, n, l, j)
			}
			out[i*n+j] = sum
		}
	}
	return out
}

// forms are transposed a, transposed b, add.
var forms = [][3]bool{{}, {true}, {false, true}, {true, true}, {false, false, true}, {true, true, true}}

// checkMul multiplies with every kernel and compares with the definition, and
// the assembly kernels with each other, to the bit. With k terms of size 1 a
// float32 sum is off by k*2^-24 at most, times the size of partial sums.
func checkMul(t *testing.T, r *rand.Rand, m, n, k int, f [3]bool) {
	t.Helper()
	a, b, c := randoms(r, m*k), randoms(r, k*n), randoms(r, m*n)
	start := c
	if !f[2] {
		start = make([]float32, m*n)
	}
	want := product(f[0], f[1], m, n, k, a, b, start)
	limit := 1e-5 * math.Sqrt(float64(max(k, 1)))
	var first []float32
	for i := range kernels {
		const guard = 5 // elements beyond c, which must stay as they are
		got := append(slices.Clone(c), make([]float32, guard)...)
		x := multiplier{kernel: &kernels[i]}
		x.mul(f[0], f[1], m, n, k, a, b, f[2], got)
		worst := 0.0
		for j, w := range want {
			worst = max(worst, math.Abs(float64(got[j])-w))
		}
		what := fmt.Sprintf("%s: mul(%v, %v, %d, %d, %d, add %v)", kernels[i].name, f[0], f[1], m, n, k, f[2])
		if !(worst <= limit) {
			t.Fatalf("%s is off by %g, want at most %g", what, worst, limit)
		}
		if !slices.Equal(got[m*n:], make([]float32, guard)) {
			t.Fatalf("%s writes beyond c: %v", what, got[m*n:])
		}
		switch {
		case kernels[i].name == "portable":
		case first == nil:
			first = got
		case !slices.Equal(got, first):
			t.Fatalf("%s has other bits than %s", what, kernels[0].name)
		}
	}
}

// TestMulSmall is every size up to 40 (up to 17 in short mode), which meets
// every kind of edge that tiles have, in one form each, and in all forms
// around the sizes of tiles.
func TestMulSmall(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	top := 40
	if testing.Short() || race {
		top = 17
	}
	count := 0
	for m := 1; m <= top; m++ {
		for n := 1; n <= top; n++ {
			for k := 1; k <= top; k++ {
				checkMul(t, r, m, n, k, forms[count%len(forms)])
				if count++; count%len(forms) == 0 {
					count++ // or the form would go with k
				}
			}
		}
	}
	for _, m := range []int{1, 5, 6, 7, 8, 9, 15, 16, 17} {
		for _, n := range []int{1, 7, 8, 9, 15, 16, 17, 31, 32, 33} {
			for _, k := range []int{0, 1, 7, 8, 9} {
				for _, f := range forms {
					checkMul(t, r, m, n, k, f)
				}
			}
		}
	}
}

// TestMulLarge goes beyond one block of k and one panel.
func TestMulLarge(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, size := range [][3]int{{64, 192, 10}, {65, 193, 17}, {130, 10, 784}, {784, 33, 32}, {10, 400, 64}, {9, 37, 225}, {3, 5, 1000}} {
		for _, f := range forms {
			checkMul(t, r, size[0], size[1], size[2], f)
		}
	}
}

// TestMulThreads: neither threads nor GOMAXPROCS nor where a tile begins
// changes a bit.
func TestMulThreads(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 3))
	const m, n, k = 300, 300, 100
	a, b := randoms(r, m*k), randoms(r, k*n)
	for i := range kernels {
		mul := func(rows, threads int) []float32 {
			c := make([]float32, m*n)
			x := multiplier{kernel: &kernels[i], threads: threads}
			x.mul(false, false, rows, n, k, a, b, false, c)
			return c
		}
		want := mul(m, 1)
		for _, threads := range []int{2, 3, 8, 100} {
			if !slices.Equal(mul(m, threads), want) {
				t.Errorf("%s: other bits with %d threads", kernels[i].name, threads)
			}
		}
		for _, rows := range []int{1, 63, 65, 299} {
			if got := mul(rows, 1); !slices.Equal(got[:rows*n], want[:rows*n]) {
				t.Errorf("%s: the first %d rows alone have other bits", kernels[i].name, rows)
			}
		}
		procs := runtime.GOMAXPROCS(7)
		if !slices.Equal(mul(m, 1), want) {
			t.Errorf("%s: other bits with GOMAXPROCS=7", kernels[i].name)
		}
		runtime.GOMAXPROCS(procs)
	}
}

// TestMulNaN: what is not finite reaches exactly the elements that depend on
// it, so that a diverged run shows and padding never leaks in.
func TestMulNaN(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for i := range kernels {
		for _, bad := range []float32{nan, inf} {
			const m, n, k = 11, 19, 13
			a, b, c := make([]float32, m*k), make([]float32, k*n), make([]float32, m*n)
			for j := range a {
				a[j] = 1
			}
			for j := range b {
				b[j] = 1
			}
			b[3*n+17] = bad
			x := multiplier{kernel: &kernels[i]}
			x.mul(false, false, m, n, k, a, b, false, c)
			for j, got := range c {
				finite := got-got == 0
				if want := j%n != 17; finite != want {
					t.Errorf("%s: with b[3,17] = %v, c[%d,%d] = %v", kernels[i].name, bad, j/n, j%n, got)
				}
			}
		}
	}
}

// TestMulAllocatesNothing: not per call, and gonum must start no goroutines
// (for which it would allocate).
func TestMulAllocatesNothing(t *testing.T) {
	a, b, c := make([]float32, 500*500), make([]float32, 500*500), make([]float32, 500*500)
	for i := range kernels {
		x := multiplier{kernel: &kernels[i], panel: make([]float32, 500*500)}
		n := 1.0
		for try := 0; try < 5 && n != 0; try++ { // all of the process counts, also what the runtime does beside
			n = testing.AllocsPerRun(2, func() { x.mul(false, true, 500, 500, 500, a, b, false, c) })
		}
		if n != 0 {
			t.Errorf("%s: mul allocates %v times", kernels[i].name, n)
		}
	}
}

// TestBackend shows in the log which backend the tests ran with.
func TestBackend(t *testing.T) {
	t.Log("backend", Backend())
	if arch, name, ok := strings.Cut(Backend(), "/"); !ok || arch != runtime.GOARCH || name == "" {
		t.Errorf("Backend() = %q, want the architecture, a slash and a name", Backend())
	}
}

func TestSameBits(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want bool
	}{
		{"amd64/AVX-512", "amd64/AVX2", true},
		{"amd64/AVX2", "amd64/portable", false},
		{"amd64/portable", "arm64/portable", false},
		{"arm64/portable", "arm64/portable", true},
	} {
		if got := SameBits(tt.a, tt.b); got != tt.want {
			t.Errorf("SameBits(%s, %s) = %v, want %v", tt.a, tt.b, got, tt.want)
		}
	}
}

// BenchmarkMul multiplies the shapes of a step of net2 on MNIST.
func BenchmarkMul(b *testing.B) {
	for _, s := range []struct {
		name    string
		ta, tb  bool
		m, n, k int
	}{
		{"forward", false, false, 64, 256, 784},
		{"dw", true, false, 784, 256, 64},
		{"dx", false, true, 64, 256, 256},
		{"narrow", false, false, 64, 10, 256},
		{"conv", false, false, 196, 16, 72},
	} {
		for i := range kernels {
			b.Run(s.name+"/"+kernels[i].name, func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 1))
				x, y, z := randoms(r, s.m*s.k), randoms(r, s.k*s.n), make([]float32, s.m*s.n)
				mul := multiplier{kernel: &kernels[i]}
				for b.Loop() {
					mul.mul(s.ta, s.tb, s.m, s.n, s.k, x, y, false, z)
				}
				b.ReportMetric(2*float64(s.m*s.n*s.k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gflop/s")
			})
		}
	}
}
