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
	update
	m, v slot
}

func newAdam(p *Training, w *weights) optimizer {
	return &adam{update: update{scale: 1, keep: 1, decay: float32(p.WeightDecay)}, m: newSlot("adam.m", w), v: newSlot("adam.v", w)}
}

func (a *adam) begin(step int64, rate, scale float64) {
	a.rate, a.scale = float32(rate), float32(scale)
	a.c1 = float32(1 / (1 - math.Pow(adamBeta1, float64(step))))
	a.c2 = float32(1 / (1 - math.Pow(adamBeta2, float64(step))))
}

func (a *adam) slots() []slot { return []slot{a.m, a.v} }

// Step implements gorgonia's Solver.
func (a *adam) Step(model []G.ValueGrad) error {
	for k, n := range model {
		w, g, err := weightAndGrad(n)
		if err != nil {
			return err
		}
		adamStep(&a.update, w, a.m.data[k], a.v.data[k], g)
	}
	return nil
}

// adamW is Adam with decoupled weight decay (Loshchilov and Hutter 2019,
// arXiv:1711.05101): the decay does not pass through the moments but shrinks
// the weights by rate*decay before each step, as torch.optim.AdamW does.
type adamW struct {
	adam
	shrink float64
}

func newAdamW(p *Training, w *weights) optimizer {
	q := *p
	q.WeightDecay = 0
	return &adamW{adam: *newAdam(&q, w).(*adam), shrink: p.WeightDecay}
}

func (a *adamW) begin(step int64, rate, scale float64) {
	a.adam.begin(step, rate, scale)
	a.keep = float32(1 - rate*a.shrink)
}
