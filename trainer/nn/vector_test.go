package nn

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestVectors compares the assembly of every loop with its definition in Go,
// to the bit, for all lengths around multiples of a vector and values that
// are not numbers.
func TestVectors(t *testing.T) {
	if !vectors {
		t.Skip("no assembly for this CPU")
	}
	defer func() { vectors = true }()
	r := rand.New(rand.NewPCG(4, 4))
	odd := []float32{float32(math.NaN()), float32(math.Inf(1)), float32(math.Inf(-1)), 0, float32(math.Copysign(0, -1)), 1e-42}
	random := func(n int) []float32 {
		x := randoms(r, n)
		for i := range x {
			if r.IntN(8) == 0 {
				x[i] = odd[r.IntN(len(odd))]
			}
		}
		return x
	}
	u := &update{scale: 0.7, decay: 0.01, rate: 0.1, mu: 0.9, c1: 10, c2: 1000, keep: 0.99}
	for _, tt := range []struct {
		name string
		f    func(x [4][]float32)
	}{
		{"relu", func(x [4][]float32) { relu(x[0]) }},
		{"reluGrad", func(x [4][]float32) { reluGrad(x[0], x[1], x[2]) }},
		{"columnSums", func(x [4][]float32) {
			if n := len(x[0]); n > 0 {
				columnSums(slices.Concat(x[1], x[2], x[3]), x[0])
			}
		}},
		{"sgd", func(x [4][]float32) { sgdStep(u, x[0], x[1]) }},
		{"momentum", func(x [4][]float32) { momentumStep(u, x[0], x[1], x[2]) }},
		{"adam", func(x [4][]float32) { adamStep(u, x[0], x[1], x[2], x[3]) }},
	} {
		for n := range 75 {
			var got, want [4][]float32
			for i := range got {
				got[i] = random(n)
				want[i] = slices.Clone(got[i])
			}
			vectors = true
			tt.f(got)
			vectors = false
			tt.f(want)
			for i := range got {
				for j := range got[i] {
					g, w := got[i][j], want[i][j]
					if math.Float32bits(g) != math.Float32bits(w) && (g == g || w == w) {
						t.Fatalf("%s of %d elements: array %d has %v at %d, want %v", tt.name, n, i, g, j, w)
					}
				}
			}
		}
	}
}

func TestRepeat(t *testing.T) {
	for n := 1; n < 9; n++ {
		for rows := 1; rows < 9; rows++ {
			row := make([]float32, n)
			for i := range row {
				row[i] = float32(i)
			}
			y := make([]float32, n*rows)
			repeat(y, row)
			for i, v := range y {
				if v != float32(i%n) {
					t.Fatalf("repeat of %v, %d times = %v", row, rows, y)
				}
			}
		}
	}
}
