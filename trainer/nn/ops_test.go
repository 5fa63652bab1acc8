package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	G "gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"orch/trainer/data"
)

func randoms(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// testNet is a small network with random data in float32.
func testNet(t *testing.T, layers int) (*network, *weights) {
	t.Helper()
	w := &weights{seed: 5}
	n, err := (&design{&Model{Kind: "mlp", Layers: layers, Width: 7}, classify{4}, []int{2, 3}, w, new(multiplier)}).network(5, true)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	copy(n.x, randoms(r, len(n.x)))
	for i := range n.batch {
		n.y[i*4+r.IntN(4)] = 1
	}
	for _, p := range w.list { // biases too, so that no ReLU sits at its kink
		for i := range p.data {
			p.data[i] += float32(0.1 * r.NormFloat64())
		}
	}
	return n, w
}

// lossOf is forward pass and loss by their definitions, in float64.
func lossOf(n *network, w *weights) float64 {
	total := 0.0
	for i := range n.batch {
		features := len(n.x) / n.batch
		h := make([]float64, features)
		for j := range h {
			h[j] = float64(n.x[i*features+j])
		}
		total += denseLoss(h, w.list, n.y[i*4:(i+1)*4])
	}
	return total / float64(n.batch)
}

// denseLoss is the cross entropy after a stack of linear layers.
func denseLoss(h []float64, list []*weight, y []float32) (total float64) {
	for l := 0; l < len(list); l += 2 {
		weight, bias := list[l].data, list[l+1].data
		z := make([]float64, len(bias))
		for j := range z {
			z[j] = float64(bias[j])
			for k := range h {
				z[j] += h[k] * float64(weight[k*len(bias)+j])
			}
			if l+2 < len(list) {
				z[j] = max(z[j], 0)
			}
		}
		h = z
	}
	sum := 0.0
	for _, z := range h {
		sum += math.Exp(z)
	}
	for j, z := range h {
		total -= float64(y[j]) * math.Log(math.Exp(z)/sum)
	}
	return total
}

// TestGradients compares loss and every gradient with central differences of
// an independent float64 forward pass. The step of 1e-4 is exact in neither
// float32 weights (so the difference actually made is used) nor the
// quotient, whose error is about 1e-8; float32 arithmetic adds about 1e-6.
func TestGradients(t *testing.T) {
	for _, layers := range []int{1, 2, 3, 5} {
		t.Run(fmt.Sprint(layers), func(t *testing.T) {
			n, w := testNet(t, layers)
			checkGradients(t, n, w, func() float64 { return lossOf(n, w) })
		})
	}
}

// checkGradients compares a network's loss and gradients with another way to
// compute the loss.
func checkGradients(t *testing.T, n *network, w *weights, loss func() float64) {
	t.Helper()
	if err := n.run(); err != nil {
		t.Fatal(err)
	}
	if got, want := n.lossValue(), loss(); math.Abs(got-want) > 1e-5 {
		t.Errorf("loss = %v, want %v", got, want)
	}
	for k, p := range w.list {
		g, err := n.grads[k].Grad()
		if err != nil {
			t.Fatal(err)
		}
		for i := range p.data {
			old := p.data[i]
			p.data[i] = old + 1e-4
			up, hi := loss(), float64(p.data[i])
			p.data[i] = old - 1e-4
			down, lo := loss(), float64(p.data[i])
			p.data[i] = old
			want := (up - down) / (hi - lo)
			if got := float64(floats(g)[i]); math.Abs(got-want) > 2e-5+1e-4*math.Abs(want) {
				t.Errorf("d loss / d %s[%d] = %v, want %v", p.name, i, got, want)
			}
		}
	}
}

// TestGradientsAreFresh: a second pass gives the same gradients, not twice them.
func TestGradientsAreFresh(t *testing.T) {
	n, _ := testNet(t, 3)
	var first []float32
	for pass := range 3 {
		if err := n.run(); err != nil {
			t.Fatal(err)
		}
		g, _ := n.grads[0].Grad()
		if pass == 0 {
			first = slices.Clone(floats(g))
		} else if !slices.Equal(floats(g), first) {
			t.Errorf("pass %d gives other gradients than the first", pass+1)
		}
	}
}

// TestCrossEntropy compares a tally with the formula, and checks what must not
// overflow: with logits a and b, the loss of class a is log(1+exp(b-a)).
func TestCrossEntropy(t *testing.T) {
	v, err := data.Load(data.Spec{Name: "digits"})
	if err != nil {
		t.Fatal(err)
	}
	parts, err := v.Split(rand.New(rand.NewPCG(1, 1)), 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	row := 0
	for parts.Train.Label(row) != 1 {
		row++
	}
	judge := func(out ...float32) (loss, accuracy float64) {
		c := classify{2}.tally()
		c.add(out, parts.Train, row)
		m := c.measures()
		return m[0].Value, m[1].Value
	}
	for _, tt := range []struct{ a, b, loss, score float64 }{
		{0, 0, math.Ln2, 0}, // a tie goes to the lower class
		{2, -1, math.Log1p(math.Exp(-3)), 1},
		{-1, 2, math.Log1p(math.Exp(3)), 0},
		{1000, 0, 0, 1},
		{0, 1000, 1000, 0},
	} {
		loss, score := judge(float32(tt.b), float32(tt.a))
		if math.Abs(loss-tt.loss) > 1e-6 || score != tt.score {
			t.Errorf("logits %v (right) and %v: loss %v, score %v; want %v, %v", tt.a, tt.b, loss, score, tt.loss, tt.score)
		}
	}
	if loss, score := judge(0, float32(math.NaN())); !math.IsNaN(loss) || score != 0 {
		t.Errorf("NaN: loss %v, score %v; want NaN, 0", loss, score)
	}
}

// broken is an op with a bug.
type broken struct{ op }

func (broken) Do(...G.Value) (G.Value, error) { panic("out of range") }

// TestPanicInOp: the bug of one run is not the end of the others.
func TestPanicInOp(t *testing.T) {
	b := &builder{graph: G.NewGraph(), weights: &weights{}, gemm: new(multiplier)}
	var data []float32
	x := b.input("x", 1, 1, &data)
	if _, err := b.apply(&broken{b.newOp("broken", 1, 1, 1)}, x); err != nil {
		t.Fatal(err)
	}
	err := (&network{vm: G.NewTapeMachine(b.graph)}).run()
	if err == nil || !strings.Contains(err.Error(), "panic in broken#1: out of range") {
		t.Errorf("run = %v, want the panic as an error", err)
	}
}

// pair is a parameter with a given gradient.
type pair struct{ w, g []float32 }

func (p pair) Value() G.Value {
	return tensor.New(tensor.WithShape(1, len(p.w)), tensor.WithBacking(p.w))
}
func (p pair) Grad() (G.Value, error) {
	return tensor.New(tensor.WithShape(1, len(p.g)), tensor.WithBacking(p.g)), nil
}

// TestOptimizers compares two updates with the closed forms in float64.
func TestOptimizers(t *testing.T) {
	w0, g1, g2 := []float64{0.5, -2, 3}, []float64{0.1, 0.2, -4}, []float64{-0.3, 0.2, 1e-3}
	const rate, mu, decay = 0.1, 0.9, 0.01
	for name, want := range map[string]func(w, g1, g2 float64) float64{
		"sgd": func(w, g1, g2 float64) float64 {
			v := g1 + decay*w
			w -= rate * v
			v = mu*v + g2 + decay*w
			return w - rate*v
		},
		"adam": func(w, g1, g2 float64) float64 {
			a := g1 + decay*w
			w -= rate * a / (math.Abs(a) + 1e-8) // after one update m/(1-b1) = a, v/(1-b2) = a^2
			b := g2 + decay*w
			m := (0.9*0.1*a + 0.1*b) / (1 - 0.9*0.9)
			v := (0.999*0.001*a*a + 0.001*b*b) / (1 - 0.999*0.999)
			return w - rate*m/(math.Sqrt(v)+1e-8)
		},
		"adamw": func(w, g1, g2 float64) float64 {
			w *= 1 - rate*decay
			w -= rate * g1 / (math.Abs(g1) + 1e-8)
			w *= 1 - rate*decay
			m := (0.9*0.1*g1 + 0.1*g2) / (1 - 0.9*0.9)
			v := (0.999*0.001*g1*g1 + 0.001*g2*g2) / (1 - 0.999*0.999)
			return w - rate*m/(math.Sqrt(v)+1e-8)
		},
	} {
		f32 := func(x []float64) (y []float32) {
			for _, v := range x {
				y = append(y, float32(v))
			}
			return y
		}
		w := f32(w0)
		opt := optimizers[OptimizerName(name)](&Training{Momentum: mu, WeightDecay: decay}, &weights{list: []*weight{{data: w}}})
		for i, g := range [][]float64{g1, g2} {
			opt.begin(int64(i+1), rate, 1)
			if err := opt.Step([]G.ValueGrad{pair{w, f32(g)}}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range w {
			if want := want(w0[i], g1[i], g2[i]); math.Abs(float64(w[i])-want) > 2e-6*math.Max(1, math.Abs(want)) {
				t.Errorf("%s: weight %v is %v after two updates, want %v", name, w0[i], w[i], want)
			}
		}
	}
}

// TestStreams pins the streams: changing them changes every result.
func TestStreams(t *testing.T) {
	a, b := stream(1, "split").Uint64(), stream(1, "split").Uint64()
	if a != b {
		t.Errorf("the same stream gives %x and %x", a, b)
	}
	seen := map[uint64]string{}
	for _, seed := range []int64{0, 1, -1} {
		for _, purpose := range []string{"split", "shuffle", "init/layer1.weight"} {
			x, id := stream(seed, purpose).Uint64(), fmt.Sprint(seed, purpose)
			if other, ok := seen[x]; ok {
				t.Errorf("%s and %s begin alike", id, other)
			}
			seen[x] = id
		}
	}
	// First 16 bytes, read as two little-endian words, of
	// printf 'orch/nn\0\1\0\0\0\0\0\0\0split' | sha256sum
	if want := rand.NewPCG(0x9e88459d63cc4d67, 0x5c75d07552af9e1f).Uint64(); a != want {
		t.Errorf("stream(1, split) begins with %#x, want %#x", a, want)
	}
}
