package nn

import (
	"fmt"
	"hash"
	"hash/fnv"
	"runtime/debug"

	"github.com/chewxy/hm"
	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// op is what all own gorgonia ops have in common: an identity and an output
// buffer that lives as long as the graph. An op embeds it and adds Do, and
// DiffWRT and SymDiff if it can be differentiated.
type op struct {
	name   string
	inputs int
	out    *tensor.Dense // [rows, cols]; nil for a scalar
}

// newOp returns the common part of an op with a number of matrices as inputs
// and a rows x cols matrix as output.
func (b *builder) newOp(kind string, inputs, rows, cols int) op {
	b.ops++
	return op{
		// gorgonia merges nodes that hash alike; ops with buffers must not be.
		name:   fmt.Sprintf("%s#%d", kind, b.ops),
		inputs: inputs,
		out:    tensor.New(tensor.WithShape(rows, cols), tensor.Of(tensor.Float32)),
	}
}

func (o *op) Arity() int            { return o.inputs }
func (o *op) ReturnsPtr() bool      { return true }
func (o *op) CallsExtern() bool     { return false }
func (o *op) OverwritesInput() int  { return -1 }
func (o *op) String() string        { return o.name }
func (o *op) WriteHash(h hash.Hash) { h.Write([]byte(o.name)) }
func (o *op) Hashcode() uint32 {
	h := fnv.New32a()
	o.WriteHash(h)
	return h.Sum32()
}

// apply adds an op to the graph. A panic in its Do becomes an error: gorgonia
// runs ops on a goroutine of its own, where a panic would end the process and
// with it all runs beside this one.
func (b *builder) apply(o G.Op, inputs ...*G.Node) (*G.Node, error) {
	if _, ok := o.(G.SDOp); ok {
		return G.ApplyOp(differentiable{guarded{o}}, inputs...)
	}
	return G.ApplyOp(guarded{o}, inputs...)
}

type guarded struct{ G.Op }

func (g guarded) Do(in ...G.Value) (out G.Value, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic in %v: %v\n%s", g.Op, p, debug.Stack())
		}
	}()
	return g.Op.Do(in...)
}

type differentiable struct{ guarded }

func (d differentiable) DiffWRT(inputs int) []bool { return d.Op.(G.SDOp).DiffWRT(inputs) }

func (d differentiable) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	return d.Op.(G.SDOp).SymDiff(in, out, grad)
}

// Type says matrix → ... → matrix.
func (o *op) Type() hm.Type {
	types := make([]hm.Type, o.inputs+1)
	for i := range types {
		types[i] = matrix
	}
	return hm.NewFnType(types...)
}

var (
	element = hm.TypeVariable('a')
	matrix  = G.TensorType{Dims: 2, Of: element}
)

func (o *op) InferShape(...G.DimSizer) (tensor.Shape, error) { return o.out.Shape().Clone(), nil }

// floats returns the elements of a matrix, row major, without a copy.
func floats(v G.Value) []float32 { return v.Data().([]float32) }
