package nn

import (
	"math"

	G "gorgonia.org/gorgonia"

	"orch/trainer/data"
)

// objective is what a network is trained for: the form of its targets, the
// loss that training lowers, and the score that people read.
type objective interface {
	// outputs is the number of the network's outputs for one example.
	outputs() int
	// target writes what the network should say about example i into y, which
	// has that many elements.
	target(y []float32, v data.View, i int)
	// loss adds the loss to a graph: a scalar, the mean over the batch.
	loss(b *builder, out, y *G.Node) (*G.Node, error)
	// judge returns loss and score of the network's output for example i.
	judge(out []float32, v data.View, i int) (loss, score float64)
	// score is the name of the score: "accuracy".
	score() string
}

// classify tells classes apart: softmax cross entropy, scored by the share of
// examples whose class has the largest output.
type classify struct{ classes int }

func (c classify) outputs() int  { return c.classes }
func (c classify) score() string { return "accuracy" }

func (c classify) target(y []float32, v data.View, i int) {
	clear(y)
	y[v.Label(i)] = 1
}

func (c classify) loss(b *builder, out, y *G.Node) (*G.Node, error) { return b.crossEntropy(out, y) }

func (c classify) judge(out []float32, v data.View, i int) (loss, score float64) {
	best, label := 0, v.Label(i)
	for j, z := range out {
		if z > out[best] {
			best = j
		}
	}
	top, logSum := logSumExp(out)
	loss = logSum - float64(out[label]-top)
	if best == label && !math.IsNaN(loss) {
		score = 1
	}
	return loss, score
}
