package nn

import (
	"math"
	"math/rand/v2"

	G "gorgonia.org/gorgonia"
)

// dropout zeroes each element with the probability rate and divides the others
// by 1-rate (Srivastava et al. 2014, JMLR 15, in the inverted form, which
// leaves evaluation alone). The draws come from a stream of the run, whose
// state is in every checkpoint.
type dropout struct {
	op
	b      *builder
	random *rand.PCG
	below  uint32 // a draw below it keeps the element
	factor float32
	mask   []float32
}

// dropout adds the layer to a graph that trains; to others it adds nothing.
// Its stream is "dropout/<name>".
func (b *builder) dropout(name string, x *G.Node, rate float64) (*G.Node, error) {
	if rate == 0 || !b.training {
		return x, nil
	}
	rows, cols := x.Shape()[0], x.Shape()[1]
	o := &dropout{b: b, random: b.weights.noise("dropout/" + name), below: uint32(min((1-rate)*(1<<32), math.MaxUint32)), factor: float32(1 / (1 - rate))}
	o.op = b.newOp("dropout", 1, rows, cols)
	o.mask = make([]float32, rows*cols)
	return b.apply(o, x)
}

func (o *dropout) Do(in ...G.Value) (G.Value, error) {
	x, y := floats(in[0]), floats(o.out)
	for i := range o.mask {
		o.mask[i] = 0
		if uint32(o.random.Uint64()>>32) < o.below {
			o.mask[i] = o.factor
		}
		y[i] = x[i] * o.mask[i]
	}
	return o.out, nil
}

func (o *dropout) DiffWRT(int) []bool { return []bool{true} }

func (o *dropout) SymDiff(_ G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	// out is not read; it orders the op after the one that draws.
	n, err := o.b.apply(&dropoutBack{o.b.newOp("dropout.grad", 2, o.out.Shape()[0], o.out.Shape()[1]), o}, out, grad)
	return G.Nodes{n}, err
}

type dropoutBack struct {
	op
	of *dropout
}

func (o *dropoutBack) Do(in ...G.Value) (G.Value, error) {
	g, d := floats(in[1]), floats(o.out)
	for i, m := range o.of.mask {
		d[i] = g[i] * m
	}
	return o.out, nil
}
