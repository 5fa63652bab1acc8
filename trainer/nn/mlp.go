package nn

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
)

func init() { models["mlp"] = mlp }

// mlp is a multi-layer perceptron: p.Layers linear layers with ReLU between
// them, all hidden ones p.Width wide. Weights start uniform in
// ±sqrt(6/inputs), which keeps the variance of activations from layer to layer
// under ReLU (He et al. 2015, arXiv:1502.01852, eq. 10); biases start at 0.
// p.Dropout acts after each hidden layer.
func mlp(b *builder, p *Model, x *G.Node, outputs int) (*G.Node, error) {
	for i := range p.Layers {
		last := i == p.Layers-1
		in, out := x.Shape()[1], p.Width
		if last {
			out = outputs
		}
		name := fmt.Sprintf("layer%d", i+1)
		w := b.weight(name+".weight", in, out, uniform(math.Sqrt(6/float64(in))))
		bias := b.weight(name+".bias", 1, out, zero)
		var err error
		if x, err = b.linear(x, w, bias, !last); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if last {
			break
		}
		if x, err = b.dropout(name, x, p.Dropout); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	return x, nil
}
