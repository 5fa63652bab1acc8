package nn

import (
	"fmt"

	G "gorgonia.org/gorgonia"
)

func init() { models["cnn_seed"] = cnnSeed }

// cnnSeed is a wider convolutional network: for each of model.channels a
// convolution with 3x3 pixels and ReLU, the last one followed by a 2x2
// max-pool; then dropout, and a stack of linear layers as in mlp.
func cnnSeed(b *builder, p *Model, x *G.Node, outputs int) (*G.Node, error) {
	shape, err := b.picture()
	if err != nil {
		return nil, err
	}
	all := p.channels(32, 64)
	for i, channels := range all {
		if x, shape, err = b.convLayer(fmt.Sprintf("conv%d", i+1), x, shape, channels, i == len(all)-1); err != nil {
			return nil, err
		}
	}
	if x, err = b.dropout("conv", x, p.Dropout); err != nil {
		return nil, err
	}
	return mlp(b, p, x, outputs)
}
