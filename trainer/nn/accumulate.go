package nn

import (
	"math"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// accumulator adds up the gradients of several batches, for updates larger
// than what fits into memory at once.
type accumulator struct {
	sums  [][]float32
	pairs []G.ValueGrad
}

// sum is a parameter with a sum of gradients.
type sum struct{ weight, grad *tensor.Dense }

func (s sum) Value() G.Value         { return s.weight }
func (s sum) Grad() (G.Value, error) { return s.grad, nil }

// reset begins a new sum.
func (a *accumulator) reset(w *weights) {
	if a.sums == nil {
		for _, p := range w.list {
			s := make([]float32, len(p.data))
			a.sums = append(a.sums, s)
			a.pairs = append(a.pairs, sum{p.t, tensor.New(tensor.WithShape(p.t.Shape()...), tensor.WithBacking(s))})
		}
	}
	for _, s := range a.sums {
		clear(s)
	}
}

// add adds gradients of the mean over some examples, times their number.
func (a *accumulator) add(grads []G.ValueGrad, examples int) error {
	for k, n := range grads {
		_, g, err := weightAndGrad(n)
		if err != nil {
			return err
		}
		s := a.sums[k]
		for i := range s {
			s[i] += float32(float32(examples) * g[i])
		}
	}
	return nil
}

// norm returns the Euclidean norm of all gradients as one vector.
func norm(grads []G.ValueGrad) (float64, error) {
	total := 0.0
	for _, n := range grads {
		_, g, err := weightAndGrad(n)
		if err != nil {
			return 0, err
		}
		// Four sums, in one fixed order, so that additions need not wait.
		var s [4]float64
		i := 0
		for ; i+4 <= len(g); i += 4 {
			for j := range s {
				x := float64(g[i+j])
				s[j] += x * x // exact: no rounding, fused or not
			}
		}
		for ; i < len(g); i++ {
			s[0] += float64(g[i]) * float64(g[i])
		}
		total += s[0] + s[1] + s[2] + s[3]
	}
	return math.Sqrt(total), nil
}
