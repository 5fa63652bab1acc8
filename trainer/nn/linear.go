package nn

import (
	G "gorgonia.org/gorgonia"
)

// linear is y = act(x*w + b), with x [batch, in], w [in, out], b [1, out] and
// act the identity or max(0, .).
type linear struct {
	op
	b               *builder
	relu            bool
	wantDX          bool // x is computed, so that its gradient is needed
	batch, in, cols int
}

// linear adds a layer to the graph.
func (b *builder) linear(x, w, bias *G.Node, relu bool) (*G.Node, error) {
	l := &linear{b: b, relu: relu, wantDX: x.Op() != nil, batch: x.Shape()[0], in: x.Shape()[1], cols: w.Shape()[1]}
	l.op = b.newOp("linear", 3, l.batch, l.cols)
	return b.apply(l, x, w, bias)
}

func (l *linear) Do(in ...G.Value) (G.Value, error) {
	x, w, bias, y := floats(in[0]), floats(in[1]), floats(in[2]), floats(l.out)
	repeat(y, bias)
	l.b.gemm.mul(false, false, l.batch, l.cols, l.in, x, w, true, y)
	if l.relu {
		relu(y)
	}
	return l.out, nil
}

// DiffWRT leaves out an x that is no op's output: nobody needs the gradient
// of the data, and for the first layer it costs a third of the whole step.
func (l *linear) DiffWRT(int) []bool { return []bool{l.wantDX, true, true} }

// SymDiff returns the nodes of dx, dw and db. With g the gradient of the
// layer's input to act: dx = g*wᵀ, dw = xᵀ*g, db = sum of g's rows.
func (l *linear) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	x, w := in[0], in[1]
	g := grad
	var err error
	if l.relu {
		if g, err = l.b.apply(&reluBack{l.b.newOp("relu.grad", 2, l.batch, l.cols)}, out, grad); err != nil {
			return nil, err
		}
	}
	d := make(G.Nodes, 3)
	if l.wantDX {
		if d[0], err = l.b.apply(&linearDX{l.b.newOp("linear.dx", 2, l.batch, l.in), l}, g, w); err != nil {
			return nil, err
		}
	}
	if d[1], err = l.b.apply(&linearDW{l.b.newOp("linear.dw", 2, l.in, l.cols), l}, x, g); err != nil {
		return nil, err
	}
	d[2], err = l.b.apply(&linearDB{l.b.newOp("linear.db", 1, 1, l.cols)}, g)
	return d, err
}

// reluBack passes the gradient where y = max(0, z) is positive.
type reluBack struct{ op }

func (o *reluBack) Do(in ...G.Value) (G.Value, error) {
	reluGrad(floats(in[0]), floats(in[1]), floats(o.out))
	return o.out, nil
}

type linearDX struct {
	op
	l *linear
}

func (o *linearDX) Do(in ...G.Value) (G.Value, error) {
	o.l.b.gemm.mul(false, true, o.l.batch, o.l.in, o.l.cols, floats(in[0]), floats(in[1]), false, floats(o.out))
	return o.out, nil
}

type linearDW struct {
	op
	l *linear
}

func (o *linearDW) Do(in ...G.Value) (G.Value, error) {
	o.l.b.gemm.mul(true, false, o.l.in, o.l.cols, o.l.batch, floats(in[0]), floats(in[1]), false, floats(o.out))
	return o.out, nil
}

type linearDB struct{ op }

func (o *linearDB) Do(in ...G.Value) (G.Value, error) {
	columnSums(floats(in[0]), floats(o.out))
	return o.out, nil
}
