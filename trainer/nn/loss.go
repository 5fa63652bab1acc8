package nn

import (
	"fmt"
	"math"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// loss is the mean over the batch of a function of the network's output z and
// what it should be, y, both [batch, outputs]. Its gradient falls out of the
// same pass and is kept for the backward pass.
type loss struct {
	op
	b              *builder
	batch, outputs int
	dz             []float32
	value          *G.F32
	// row returns the loss of one example and fills d with its gradient.
	row func(z, y, d []float32) float64
}

// loss adds a loss to the graph.
func (b *builder) loss(kind string, row func(z, y, d []float32) float64, z, y *G.Node) (*G.Node, error) {
	o := &loss{b: b, batch: z.Shape()[0], outputs: z.Shape()[1], value: new(G.F32), row: row}
	o.op = b.newOp(kind, 2, 1, 1)
	o.dz = make([]float32, o.batch*o.outputs)
	return b.apply(o, z, y)
}

func (o *loss) Type() hm.Type { return hm.NewFnType(matrix, matrix, element) }

func (o *loss) InferShape(...G.DimSizer) (tensor.Shape, error) { return tensor.ScalarShape(), nil }

func (o *loss) Do(in ...G.Value) (G.Value, error) {
	z, y := floats(in[0]), floats(in[1])
	total := 0.0
	for i := range o.batch {
		from, to := i*o.outputs, (i+1)*o.outputs
		total += o.row(z[from:to], y[from:to], o.dz[from:to])
	}
	for i, d := range o.dz {
		o.dz[i] = d / float32(o.batch)
	}
	*o.value = G.F32(total / float64(o.batch))
	return o.value, nil
}

func (o *loss) DiffWRT(int) []bool { return []bool{true, false} }

func (o *loss) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	d := &lossGrad{o.b.newOp("loss.grad", 3, o.batch, o.outputs), o}
	n, err := o.b.apply(d, in[0], out, grad)
	return G.Nodes{n, nil}, err
}

// lossGrad is dz times the gradient of the loss itself, usually 1. Its input
// out is not read; it orders the op after the one that makes dz.
type lossGrad struct {
	op
	of *loss
}

func (o *lossGrad) Type() hm.Type { return hm.NewFnType(matrix, element, element, matrix) }

func (o *lossGrad) Do(in ...G.Value) (G.Value, error) {
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

// crossEntropy is -sum_j y_j log softmax(z)_j, with z the logits and y the
// wanted distribution, which sums to 1. Its gradient is softmax(z) - y.
func crossEntropy(z, y, d []float32) float64 {
	total := 0.0
	top, sum := logSumExp(z)
	for j := range d {
		logp := float64(z[j]-top) - sum
		if y[j] != 0 {
			total -= float64(y[j]) * logp
		}
		d[j] = float32(math.Exp(logp)) - y[j]
	}
	return total
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

// squares is sum_j (z_j - y_j)^2.
func squares(z, y, d []float32) float64 {
	total := 0.0
	for j := range d {
		e := z[j] - y[j]
		total += float64(e) * float64(e)
		d[j] = 2 * e
	}
	return total
}
