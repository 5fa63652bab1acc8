package nn

import (
	"fmt"
	"math"

	G "gorgonia.org/gorgonia"
)

func init() { models["cnn"] = cnn }

// cnn is a small convolutional network: for each of model.channels a
// convolution with 3x3 pixels, ReLU and 2x2 max-pool, then a dense layer of
// model.width units and the output.
func cnn(b *builder, p *Model, x *G.Node, outputs int) (*G.Node, error) {
	shape, err := b.picture()
	if err != nil {
		return nil, err
	}
	for i, channels := range p.channels(8, 16) {
		if x, shape, err = b.convLayer(fmt.Sprintf("conv%d", i+1), x, shape, channels, true); err != nil {
			return nil, err
		}
	}
	if x, err = b.dropout("conv", x, p.Dropout); err != nil {
		return nil, err
	}
	q := *p
	q.Layers = 2
	return mlp(b, &q, x, outputs)
}

// channels returns the configured numbers of channels, or else these.
func (p *Model) channels(otherwise ...int) []int {
	if p.Channels != nil {
		return p.Channels
	}
	return otherwise
}

// convLayer adds a convolution with weights of its own, started as those of
// mlp are: a unit has 9 pixels of all channels as inputs.
func (b *builder) convLayer(name string, x *G.Node, shape picture, channels int, pool bool) (*G.Node, picture, error) {
	inputs := 9 * shape.channels
	w := b.weight(name+".weight", inputs, channels, uniform(math.Sqrt(6/float64(inputs))))
	bias := b.weight(name+".bias", 1, channels, zero)
	x, shape, err := b.conv(x, shape, w, bias, pool)
	if err != nil {
		return nil, shape, fmt.Errorf("%s: %w", name, err)
	}
	return x, shape, nil
}
