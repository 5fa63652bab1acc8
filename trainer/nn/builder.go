package nn

import (
	"fmt"
	"math/rand/v2"
	"sync"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// weights are the parameters of a model by name, in the order in which the
// model made them. Several graphs share one set.
type weights struct {
	seed int64
	list []*weight

	noises map[string]*rand.PCG // streams that training draws from; see noise
}

// noise returns the stream of this purpose. All graphs of a run draw from the
// same one, and checkpoints have its state.
func (w *weights) noise(purpose string) *rand.PCG {
	if w.noises[purpose] == nil {
		if w.noises == nil {
			w.noises = map[string]*rand.PCG{}
		}
		w.noises[purpose] = stream(w.seed, purpose)
	}
	return w.noises[purpose]
}

// weight is one parameter: a matrix.
type weight struct {
	name string
	t    *tensor.Dense
	data []float32 // t's elements, row major
}

// named returns a weight, nil if there is none of this name.
func (w *weights) named(name string) *weight {
	for _, p := range w.list {
		if p.name == name {
			return p
		}
	}
	return nil
}

// count returns the number of scalars.
func (w *weights) count() int {
	n := 0
	for _, p := range w.list {
		n += len(p.data)
	}
	return n
}

// A builder adds one model to one graph. Its methods are what a model is made
// of.
type builder struct {
	graph   *G.ExprGraph
	weights *weights
	nodes   G.Nodes // of the weights, in their order
	image   []int   // shape of one example, for models that care
	gemm    *multiplier

	training bool // the graph will have a loss and gradients
	ops      int  // made so far; gives each its name
}

// weight adds the rows x cols parameter of this name to the graph. The first
// graph makes it, filling it by init from the stream "init/<name>"; later
// graphs share it.
func (b *builder) weight(name string, rows, cols int, init func(r *rand.Rand, w []float32)) *G.Node {
	p := b.weights.named(name)
	if p == nil {
		if n := rows * cols; n > maxWeights {
			panic(tooLarge(fmt.Sprintf("%s has %d x %d weights, want at most %d: make the model smaller", name, rows, cols, maxWeights)))
		}
		p = &weight{name: name, data: make([]float32, rows*cols)}
		p.t = tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(p.data))
		init(rand.New(stream(b.weights.seed, "init/"+name)), p.data)
		b.weights.list = append(b.weights.list, p)
	}
	n := G.NewMatrix(b.graph, tensor.Float32, G.WithShape(rows, cols), G.WithName(name), G.WithValue(p.t))
	b.nodes = append(b.nodes, n)
	return n
}

// tooLarge is thrown by weight and caught where the graph is built, so that
// models need not carry an error through every line.
type tooLarge string

// uniform fills a parameter with numbers in [-bound, bound).
func uniform(bound float64) func(*rand.Rand, []float32) {
	return func(r *rand.Rand, w []float32) {
		for i := range w {
			w[i] = float32((2*r.Float64() - 1) * bound)
		}
	}
}

// zero leaves a parameter at 0.
func zero(*rand.Rand, []float32) {}

// network is a model as a runnable graph for one batch size. Not safe for
// concurrent use.
type network struct {
	batch int
	x     []float32 // [batch, features], filled before run
	y     []float32 // [batch, outputs], likewise; nil without a loss
	out   *G.Node   // [batch, outputs]
	loss  *G.Node   // nil without one
	grads []G.ValueGrad
	vm    G.VM
}

// building guards everything that makes graphs: gorgonia v0.9.18 numbers some
// ops with a global counter, so that two trainings that build at once race
// (internal/encoding.NewGroup). Running graphs needs no lock.
var building sync.Mutex

// design is what all networks of a run have in common.
type design struct {
	model   *Model
	goal    objective
	image   []int // shape of one example
	weights *weights
	gemm    *multiplier
}

// network builds the graph of the model for a batch size. With a loss it
// computes gradients too; without, it only predicts.
func (d *design) network(batch int, withLoss bool) (_ *network, err error) {
	building.Lock()
	defer building.Unlock()
	defer func() {
		if p := recover(); p != nil {
			why, ok := p.(tooLarge)
			if !ok {
				panic(p)
			}
			err = fmt.Errorf("build model %q: %s", d.model.Kind, why)
		}
	}()

	b := &builder{graph: G.NewGraph(), weights: d.weights, image: d.image, gemm: d.gemm, training: withLoss}
	n := &network{batch: batch}
	features := tensor.Shape(d.image).TotalSize()
	x := b.input("x", batch, features, &n.x)
	if n.out, err = models[d.model.Kind](b, d.model, x, d.goal.outputs()); err != nil {
		return nil, fmt.Errorf("build model %q: %w", d.model.Kind, err)
	}
	if !withLoss {
		n.vm = G.NewTapeMachine(b.graph)
		return n, nil
	}
	y := b.input("y", batch, d.goal.outputs(), &n.y)
	if n.loss, err = d.goal.loss(b, n.out, y); err != nil {
		return nil, fmt.Errorf("build the loss: %w", err)
	}
	grads, err := G.Grad(n.loss, b.nodes...)
	if err != nil {
		return nil, fmt.Errorf("differentiate model %q: %w", d.model.Kind, err)
	}
	for i, p := range b.nodes {
		n.grads = append(n.grads, gradient{p, grads[i]})
	}
	n.vm = G.NewTapeMachine(b.graph)
	return n, nil
}

// input adds a matrix that is filled from outside: *data is its elements.
func (b *builder) input(name string, rows, cols int, data *[]float32) *G.Node {
	*data = make([]float32, rows*cols)
	t := tensor.New(tensor.WithShape(rows, cols), tensor.WithBacking(*data))
	return G.NewMatrix(b.graph, tensor.Float32, G.WithShape(rows, cols), G.WithName(name), G.WithValue(t))
}

// run computes the output, and loss and gradients if there are any.
func (n *network) run() error {
	defer n.vm.Reset()
	return n.vm.RunAll()
}

// lossValue returns the loss of the last run.
func (n *network) lossValue() float64 { return float64(n.loss.Value().Data().(float32)) }

// gradient pairs a parameter with the node that computes its gradient. It is
// used in place of gorgonia's dual values, which add every gradient to a
// buffer that somebody must clear again.
type gradient struct{ weight, grad *G.Node }

func (g gradient) Value() G.Value         { return g.weight.Value() }
func (g gradient) Grad() (G.Value, error) { return g.grad.Value(), nil }
