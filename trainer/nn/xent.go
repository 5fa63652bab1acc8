package nn

import (
	"fmt"
	"math"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// crossEntropy is the mean over the batch of -sum_j y_j log softmax(z)_j, with
// z the logits and y the wanted distribution, both [batch, classes], the rows
// of y summing to 1. Its gradient (softmax(z) - y)/batch falls out of the same
// pass and is kept for the backward pass.
type crossEntropy struct {
	op
	b              *builder
	batch, classes int
	dz             []float32
	loss           *G.F32
}

// crossEntropy adds the loss to the graph.
func (b *builder) crossEntropy(z, y *G.Node) (*G.Node, error) {
	o := &crossEntropy{b: b, batch: z.Shape()[0], classes: z.Shape()[1], loss: new(G.F32)}
	o.op = b.newOp("crossentropy", 2, 1, 1)
	o.dz = make([]float32, o.batch*o.classes)
	return b.apply(o, z, y)
}

func (o *crossEntropy) Type() hm.Type { return hm.NewFnType(matrix, matrix, element) }

func (o *crossEntropy) InferShape(...G.DimSizer) (tensor.Shape, error) {
	return tensor.ScalarShape(), nil
}

func (o *crossEntropy) Do(in ...G.Value) (G.Value, error) {
	z, y := floats(in[0]), floats(in[1])
	total := 0.0
	for i := range o.batch {
		from, to := i*o.classes, (i+1)*o.classes
		row, want, d := z[from:to], y[from:to], o.dz[from:to]
		top, sum := logSumExp(row)
		for j := range d {
			logp := float64(row[j]-top) - sum
			if want[j] != 0 {
				total -= float64(want[j]) * logp
			}
			d[j] = (float32(math.Exp(logp)) - want[j]) / float32(o.batch)
		}
	}
	*o.loss = G.F32(total / float64(o.batch))
	return o.loss, nil
}

// logSumExp returns the largest of z and log sum exp(z - largest), in a form
// that cannot overflow.
func logSumExp(z []float32) (top float32, logSum float64) {
	top = z[0]
	for _, v := range z {
		top = max(top, v) // NaN wins, so that it is not hidden
	}
	sum := 0.0
	for _, v := range z {
		sum += math.Exp(float64(v - top))
	}
	return top, math.Log(sum)
}

func (o *crossEntropy) DiffWRT(int) []bool { return []bool{true, false} }

func (o *crossEntropy) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d := &crossEntropyGrad{o.b.newOp("crossentropy.grad", 3, o.batch, o.classes), o}
	n, err := o.b.apply(d, in[0], out, grad)
	return G.Nodes{n, nil}, err
}

// crossEntropyGrad is dz times the gradient of the loss itself, usually 1. Its
// input out is not read; it orders the op after the one that makes dz.
type crossEntropyGrad struct {
	op
	of *crossEntropy
}

func (o *crossEntropyGrad) Type() hm.Type { return hm.NewFnType(matrix, element, element, matrix) }

func (o *crossEntropyGrad) Do(in ...G.Value) (G.Value, error) {
	g, ok := in[2].Data().(float32)
	if !ok {
		return nil, fmt.Errorf("gradient of the loss is a %T, want float32", in[2].Data())
	}
	d := floats(o.out)
	for i, v := range o.of.dz {
		d[i] = v * g
	}
	return o.out, nil
}
