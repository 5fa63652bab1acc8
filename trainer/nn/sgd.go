package nn

import G "gorgonia.org/gorgonia"

// sgd is gradient descent with momentum mu and L2 weight decay:
//
//	v = mu*v + g + decay*w;  w = w - rate*v
//
// (Sutskever et al. 2013, in the form of torch.optim.SGD without dampening).
type sgd struct {
	rate, mu, decay float32
	v               slot
}

func newSGD(p *Training, w *weights) optimizer {
	s := &sgd{mu: float32(p.Momentum), decay: float32(p.WeightDecay)}
	if s.mu != 0 {
		s.v = newSlot("momentum", w)
	}
	return s
}

func (s *sgd) begin(_ int64, rate float64) { s.rate = float32(rate) }

func (s *sgd) slots() []slot {
	if s.mu == 0 {
		return nil
	}
	return []slot{s.v}
}

// Step implements gorgonia's Solver.
func (s *sgd) Step(model []G.ValueGrad) error {
	for k, n := range model {
		w, g, err := weightAndGrad(n)
		if err != nil {
			return err
		}
		if s.mu == 0 {
			for i := range w {
				w[i] -= s.rate * (g[i] + s.decay*w[i])
			}
			continue
		}
		v := s.v.data[k]
		for i := range w {
			v[i] = s.mu*v[i] + g[i] + s.decay*w[i]
			w[i] -= s.rate * v[i]
		}
	}
	return nil
}
