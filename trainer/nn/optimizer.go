package nn

import (
	"fmt"

	G "gorgonia.org/gorgonia"
)

// optimizer turns gradients into new parameters. It is a gorgonia solver that
// can be saved: everything it remembers between updates is in its slots.
type optimizer interface {
	G.Solver
	// begin announces the next Step: its number, from 1, its learning rate,
	// and a factor on the gradients.
	begin(update int64, rate, scale float64)
	// slots are the arrays that it keeps, one element for each scalar of a
	// weight: by name, in the order of the weights. Restoring copies into them.
	slots() []slot
}

// slot is one remembered quantity, such as a momentum, of all weights.
type slot struct {
	name string
	data [][]float32
}

func newSlot(name string, w *weights) slot {
	s := slot{name: name}
	for _, p := range w.list {
		s.data = append(s.data, make([]float32, len(p.data)))
	}
	return s
}

// optimizers are the known update rules: `training.optimizer`.
var optimizers = map[OptimizerName]func(p *Training, w *weights) optimizer{
	"sgd":   newSGD,
	"adam":  newAdam,
	"adamw": newAdamW,
}

// OptimizerName names an entry of the table of optimisers.
type OptimizerName string

// Choices lists the known optimisers.
func (OptimizerName) Choices() []string { return sortedNames(optimizers) }

// weightAndGrad returns the elements of a parameter and its gradient.
func weightAndGrad(v G.ValueGrad) (w, g []float32, err error) {
	gv, err := v.Grad()
	if err != nil {
		return nil, nil, err
	}
	w, g = floats(v.Value()), floats(gv)
	if len(w) != len(g) {
		return nil, nil, fmt.Errorf("%d weights have %d gradients", len(w), len(g))
	}
	return w, g, nil
}
