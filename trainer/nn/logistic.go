package nn

import G "gorgonia.org/gorgonia"

func init() { models["logistic"] = logistic }

// logistic is (multinomial) logistic regression, the baseline for classes: one
// linear layer under softmax cross entropy. The problem is convex, so all
// weights start at 0 and the seed decides only split and order.
func logistic(b *builder, _ *Model, x *G.Node, outputs int) (*G.Node, error) {
	w := b.weight("layer1.weight", x.Shape()[1], outputs, zero)
	return b.linear(x, w, b.weight("layer1.bias", 1, outputs, zero), false)
}
