package nn

import (
	G "gorgonia.org/gorgonia"

	"orch/trainer/data"
)

// objective is what a network is trained for: the form of its targets, the
// loss that training lowers, and the scores that people read.
type objective interface {
	// outputs is the number of the network's outputs for one example.
	outputs() int
	// target writes what the network should say about example i into y, which
	// has that many elements.
	target(y []float32, v data.View, i int)
	// loss adds the loss to a graph: a scalar, the mean over the batch.
	loss(b *builder, out, y *G.Node) (*G.Node, error)
	// tally begins an evaluation.
	tally() tally
}

// tally judges a network's outputs, one example after another.
type tally interface {
	add(out []float32, v data.View, i int)
	// measures returns the loss, under the name "loss", and then the scores
	// that are defined for what was added.
	measures() []measure
}

// measure is a named number.
type measure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// objectiveOf returns what to train for on a data set.
func objectiveOf(train data.View) objective {
	if train.Classes > 0 {
		return classify{train.Classes}
	}
	mean, deviation := train.Moments()
	if deviation == 0 {
		deviation = 1
	}
	return &regress{mean, deviation}
}
