package nn

import G "gorgonia.org/gorgonia"

// sgd is gradient descent with momentum mu and L2 weight decay:
//
//	v = mu*v + (g + decay*w);  w = w - rate*v
//
// (Sutskever et al. 2013, in the form of torch.optim.SGD without dampening).
type sgd struct {
	update
	v slot
}

func newSGD(p *Training, w *weights) optimizer {
	s := &sgd{update: update{scale: 1, mu: float32(p.Momentum), decay: float32(p.WeightDecay)}}
	if s.mu != 0 {
		s.v = newSlot("momentum", w)
	}
	return s
}

func (s *sgd) begin(_ int64, rate, scale float64) {
	s.rate, s.scale = float32(rate), float32(scale)
}

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
			sgdStep(&s.update, w, g)
		} else {
			momentumStep(&s.update, w, s.v.data[k], g)
		}
	}
	return nil
}
