package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// convByDefinition is convolution, ReLU and pooling of one image in float64,
// with the weights as they lie in memory: [line, column, channel in, out].
func convByDefinition(p picture, x []float64, w, bias []float32, pool bool) (picture, []float64) {
	outputs := len(bias)
	z := make([]float64, p.pixels()*outputs)
	for y := range p.height {
		for xx := range p.width {
			for o := range outputs {
				sum := float64(bias[o])
				for dy := -1; dy <= 1; dy++ {
					for dx := -1; dx <= 1; dx++ {
						if y+dy < 0 || y+dy >= p.height || xx+dx < 0 || xx+dx >= p.width {
							continue
						}
						for c := range p.channels {
							sum += x[((y+dy)*p.width+xx+dx)*p.channels+c] * float64(w[(((dy+1)*3+dx+1)*p.channels+c)*outputs+o])
						}
					}
				}
				z[(y*p.width+xx)*outputs+o] = max(sum, 0)
			}
		}
	}
	if !pool {
		return picture{p.height, p.width, outputs}, z
	}
	q := picture{p.height / 2, p.width / 2, outputs}
	out := make([]float64, q.size())
	for y := range q.height {
		for x := range q.width {
			for o := range outputs {
				at := func(dy, dx int) float64 { return z[((2*y+dy)*p.width+2*x+dx)*outputs+o] }
				out[(y*q.width+x)*outputs+o] = max(at(0, 0), at(0, 1), at(1, 0), at(1, 1))
			}
		}
	}
	return q, out
}

// cnnLoss is forward pass and loss of cnn or cnn_seed by their definitions.
func cnnLoss(d *design, n *network) float64 {
	total := 0.0
	list := d.weights.list
	convs := len(d.model.Channels)
	for i := range n.batch {
		p := picture{d.image[0], d.image[1], d.image[2]}
		x := make([]float64, p.size())
		for j := range x {
			x[j] = float64(n.x[i*len(x)+j])
		}
		for l := range convs {
			pool := d.model.Kind == "cnn" || l == convs-1
			p, x = convByDefinition(p, x, list[2*l].data, list[2*l+1].data, pool)
		}
		total += denseLoss(x, list[2*convs:], n.y[i*4:(i+1)*4])
	}
	return total / float64(n.batch)
}

// TestConvGradients is TestGradients for both networks, on images of odd size
// and several channels, with numbers of channels that fill vectors and that do
// not. An element that moves over a kink of ReLU or of the maximum would
// differ; with the seed here none does.
func TestConvGradients(t *testing.T) {
	for _, kind := range []ModelKind{"cnn", "cnn_seed"} {
		for _, channels := range [][]int{{3, 8}, {8, 5}, {16}} {
			t.Run(fmt.Sprint(kind, channels), func(t *testing.T) {
				d := &design{model: &Model{Kind: kind, Layers: 2, Width: 6, Channels: channels}, goal: classify{4}, image: []int{5, 7, 2},
					weights: &weights{seed: 5}, gemm: new(multiplier)}
				if len(channels) == 1 {
					d.image = []int{4, 6, 2}
				}
				n, err := d.network(3, true)
				if err != nil {
					t.Fatal(err)
				}
				r := rand.New(rand.NewPCG(3, 4))
				copy(n.x, randoms(r, len(n.x)))
				for i := range n.batch {
					n.y[i*4+r.IntN(4)] = 1
				}
				for _, p := range d.weights.list {
					for i := range p.data {
						p.data[i] += float32(0.1 * r.NormFloat64())
					}
				}
				checkGradients(t, n, d.weights, func() float64 { return cnnLoss(d, n) })

				// Without a loss, one image at a time must give the same output.
				e, err := d.network(3, false)
				if err != nil {
					t.Fatal(err)
				}
				copy(e.x, n.x)
				if err := e.run(); err != nil {
					t.Fatal(err)
				}
				if got, want := floats(e.out.Value()), floats(n.out.Value()); !slices.Equal(got, want) {
					t.Errorf("evaluation gives %v, training %v", got, want)
				}
			})
		}
	}
}

func TestPool(t *testing.T) {
	nan := float32(math.NaN())
	r := rand.New(rand.NewPCG(3, 5))
	if vectors {
		defer func() { vectors = true }()
	}
	for _, vector := range []bool{vectors, false} {
		vectors = vector
		for _, channels := range []int{1, 3, 8, 24} {
			p := picture{5, 7, 0}
			z := make([]float32, 5*7*channels)
			for i := range z {
				z[i] = float32(r.IntN(5) - 2) // many ties
			}
			z[channels*(1*7+2)] = nan
			out := 2 * 3 * channels
			y, g, dz := make([]float32, out), randoms(r, out), randoms(r, len(z))
			poolForward(p, channels, z, y)
			poolBackward(p, channels, z, y, g, dz)
			want := make([]float32, len(z))
			for i := range out {
				oy, ox, c := i/channels/3, i/channels%3, i%channels
				var best float32
				at := -1
				for _, j := range []int{(2*oy*7 + 2*ox), (2*oy*7 + 2*ox + 1), ((2*oy+1)*7 + 2*ox), ((2*oy+1)*7 + 2*ox + 1)} {
					if v := z[j*channels+c]; v != v || v > best {
						best, at = v, j*channels+c
						if v != v {
							at = -1
							break
						}
					}
				}
				if y[i] != best && (y[i] == y[i] || best == best) {
					t.Fatalf("%d channels: y[%d] = %v, want %v", channels, i, y[i], best)
				}
				if at >= 0 {
					want[at] = g[i]
				}
			}
			if !slices.Equal(dz, want) {
				t.Errorf("%d channels, vectors %v: dz\n got %v\nwant %v", channels, vector, dz, want)
			}
		}
	}
}

func TestConvTooSmall(t *testing.T) {
	d := &design{model: &Model{Kind: "cnn"}, goal: classify{2}, image: []int{3, 8}, weights: new(weights), gemm: new(multiplier)}
	_, err := d.network(1, true)
	if want := "conv2: an image of 1x4 pixels is too small to pool"; err == nil || err.Error() != `build model "cnn": `+want {
		t.Errorf("network = %v, want %s", err, want)
	}
	d.image = []int{64}
	if _, err := d.network(1, true); err == nil {
		t.Error("a cnn was built on a table")
	}
}

// TestDropout: the share that is dropped, its scale, that backward uses the
// mask of forward, and that evaluation drops nothing.
func TestDropout(t *testing.T) {
	b := &builder{weights: &weights{seed: 3}}
	rate := 0.3
	o := &dropout{b: b, random: b.weights.noise("dropout/x"), below: uint32((1 - rate) * (1 << 32)), factor: float32(1 / (1 - rate))}
	const rows, cols = 100, 1000
	o.op = b.newOp("dropout", 1, rows, cols)
	o.mask = make([]float32, rows*cols)
	ones := b.newOp("x", 0, rows, cols).out
	for i := range floats(ones) {
		floats(ones)[i] = 1
	}
	if _, err := o.Do(ones); err != nil {
		t.Fatal(err)
	}
	kept, sum := 0, 0.0
	for _, v := range floats(o.out) {
		if v != 0 {
			kept++
		}
		sum += float64(v)
	}
	// Five standard deviations of a binomial are 725.
	if want := (1 - rate) * (rows * cols); math.Abs(float64(kept)-want) > 725 {
		t.Errorf("%d of %d kept, want about %v", kept, rows*cols, want)
	}
	if mean := sum / rows / cols; math.Abs(mean-1) > 0.011 {
		t.Errorf("mean = %v, want about 1", mean)
	}
	back := &dropoutBack{b.newOp("dropout.grad", 2, rows, cols), o}
	if _, err := back.Do(nil, ones); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(floats(back.out), floats(o.out)) {
		t.Error("the gradient is masked otherwise than the output")
	}
	if x, err := (&builder{}).dropout("x", nil, 0.5); x != nil || err != nil {
		t.Errorf("evaluation drops: %v, %v", x, err)
	}
}
