package nn

import (
	"math"

	G "gorgonia.org/gorgonia"
)

// Adam's constants, as its authors recommend.
const (
	adamBeta1   = 0.9
	adamBeta2   = 0.999
	adamEpsilon = 1e-8
)

// adam is Kingma and Ba 2015 (arXiv:1412.6980), algorithm 1; weight decay is
// added to the gradient, as torch.optim.Adam does:
//
//	g = g + decay*w
//	m = b1*m + (1-b1)*g;  v = b2*v + (1-b2)*g*g
//	w = w - rate * m/(1-b1^t) / (sqrt(v/(1-b2^t)) + eps)
type adam struct {
	rate, decay float32
	c1, c2      float32 // 1/(1-b1^t), 1/(1-b2^t)
	m, v        slot
}

func newAdam(p *Training, w *weights) optimizer {
	return &adam{decay: float32(p.WeightDecay), m: newSlot("adam.m", w), v: newSlot("adam.v", w)}
}

func (a *adam) begin(update int64, rate float64) {
	a.rate = float32(rate)
	a.c1 = float32(1 / (1 - math.Pow(adamBeta1, float64(update))))
	a.c2 = float32(1 / (1 - math.Pow(adamBeta2, float64(update))))
}

func (a *adam) slots() []slot { return []slot{a.m, a.v} }

// Step implements gorgonia's Solver.
func (a *adam) Step(model []G.ValueGrad) error {
	for k, n := range model {
		w, g, err := weightAndGrad(n)
		if err != nil {
			return err
		}
		m, v := a.m.data[k][:len(w)], a.v.data[k][:len(w)]
		for i := range w {
			gi := g[i] + a.decay*w[i]
			m[i] = adamBeta1*m[i] + (1-adamBeta1)*gi
			v[i] = adamBeta2*v[i] + (1-adamBeta2)*gi*gi
			w[i] -= a.rate * (m[i] * a.c1) / (float32(math.Sqrt(float64(v[i]*a.c2))) + adamEpsilon)
		}
	}
	return nil
}
