package nn

import (
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"

	G "gorgonia.org/gorgonia"
)

// picture is the shape of one image in a row of a matrix: height, width and
// channels, the channels of a pixel side by side.
type picture struct{ height, width, channels int }

func (p picture) pixels() int { return p.height * p.width }
func (p picture) size() int   { return p.pixels() * p.channels }

// picture returns the shape of the examples, if they are images.
func (b *builder) picture() (picture, error) {
	switch s := b.image; len(s) {
	case 2:
		return picture{s[0], s[1], 1}, nil
	case 3:
		return picture{s[0], s[1], s[2]}, nil
	default:
		return picture{}, fmt.Errorf("it needs images, but an example has the shape %v: choose another model.kind", b.image)
	}
}

// conv is a convolution with 3x3 pixels and a border of zeros, so that the
// image keeps its size, followed by ReLU and, if pool is set, by the maximum
// over each 2x2 pixels. An odd last row or column is then left out.
//
// For each image, [conv.patches] copies the neighbourhood of each pixel into a
// row; the convolution is then the product of that matrix and the weights,
// which are [9*channels, outputs].
type conv struct {
	op
	b       *builder
	in      picture
	outputs int // channels of the output
	pool    bool
	wantDX  bool // x is computed, so that its gradient is needed
	batch   int

	z []float32 // before pooling: of all images to train, else of one for each thread

	workers []convWorker // one for each thread
}

// convWorker is what a thread needs to itself.
type convWorker struct {
	gemm    multiplier
	x, back convScratch // of the images, and of their gradients
}

// images calls f for each image of a batch, on as many threads as the run has.
// Each thread takes neighbouring images, and no image depends on another, so
// that threads change no bit. A panic in one of them is thrown here, where
// [guarded] waits for it.
func (o *conv) images(f func(w *convWorker, thread, image int)) {
	n := len(o.workers)
	var others sync.WaitGroup
	var panicked atomic.Value
	for t := 1; t < n; t++ {
		others.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panicked.Store(fmt.Sprintf("%v\n%s", p, debug.Stack()))
				}
			}()
			for i := o.batch * t / n; i < o.batch*(t+1)/n; i++ {
				f(&o.workers[t], t, i)
			}
		})
	}
	func() {
		defer others.Wait() // also if f panics: the others use what this op owns
		for i := range o.batch / n {
			f(&o.workers[0], 0, i)
		}
	}()
	if p := panicked.Load(); p != nil {
		panic(p)
	}
}

// convScratch is memory for some rows of one image.
type convScratch struct {
	border []float32 // the image inside a border of zeros
	rows   []float32 // a row for each pixel
}

// conv adds a layer to the graph: x holds pictures of the shape in, w is
// [9*in.channels, outputs], bias [1, outputs]. It returns the shape after it.
func (b *builder) conv(x *G.Node, in picture, w, bias *G.Node, pool bool) (*G.Node, picture, error) {
	o := &conv{b: b, in: in, outputs: w.Shape()[1], pool: pool, wantDX: x.Op() != nil, batch: x.Shape()[0]}
	out := o.out()
	if out.size() == 0 {
		return nil, out, fmt.Errorf("an image of %dx%d pixels is too small to pool", in.height, in.width)
	}
	o.workers = make([]convWorker, max(1, min(b.gemm.threads, o.batch)))
	for t := range o.workers {
		o.workers[t].gemm.kernel = b.gemm.kernel
	}
	if pool {
		n := in.pixels() * o.outputs
		if b.training {
			n *= o.batch
		} else {
			n *= len(o.workers)
		}
		o.z = make([]float32, n)
	}
	o.op = b.newOp("conv", 3, o.batch, out.size())
	n, err := b.apply(o, x, w, bias)
	return n, out, err
}

func (o *conv) out() picture {
	if o.pool {
		return picture{o.in.height / 2, o.in.width / 2, o.outputs}
	}
	return picture{o.in.height, o.in.width, o.outputs}
}

// before returns the output before pooling of one image.
func (o *conv) before(thread, image int) []float32 {
	n := o.in.pixels() * o.outputs
	if !o.b.training {
		image = thread
	}
	return o.z[image*n : (image+1)*n]
}

func (o *conv) Do(in ...G.Value) (G.Value, error) {
	x, w, bias, y := floats(in[0]), floats(in[1]), floats(in[2]), floats(o.op.out)
	out := o.out()
	o.images(func(t *convWorker, thread, i int) {
		yi := y[i*out.size() : (i+1)*out.size()]
		z := yi
		if o.pool {
			z = o.before(thread, i)
		}
		repeat(z, bias)
		o.in.each(&t.x, x[i*o.in.size():(i+1)*o.in.size()], func(from, to int, rows []float32) {
			t.gemm.mul(false, false, to-from, o.outputs, 9*o.in.channels, rows, w, true, z[from*o.outputs:to*o.outputs])
		})
		if o.pool {
			poolForward(o.in, o.outputs, z, yi)
		} else {
			relu(z)
		}
	})
	return o.op.out, nil
}

func (o *conv) DiffWRT(int) []bool { return []bool{o.wantDX, true, true} }

// SymDiff returns the nodes of dx, dw and db. One op computes all of them; the
// other two nodes wait for it and hand out what it left.
func (o *conv) SymDiff(in G.Nodes, out, grad *G.Node) (G.Nodes, error) {
	x, w := in[0], in[1]
	at := 1 // images whose gradients wait for dw
	if len(o.workers) > 1 {
		at = o.batch
	}
	back := &convBack{op: o.b.newOp("conv.dw", 4, 9*o.in.channels, o.outputs), of: o, dz: make([]float32, at*o.in.pixels()*o.outputs),
		sums: make([]float32, at*o.outputs), flipped: make([]float32, 9*o.in.channels*o.outputs)}
	d := make(G.Nodes, 3)
	var err error
	if d[1], err = o.b.apply(back, x, w, out, grad); err != nil {
		return nil, err
	}
	db := &left{o.b.newOp("conv.db", 1, 1, o.outputs)}
	back.db = floats(db.out)
	if d[2], err = o.b.apply(db, d[1]); err != nil {
		return nil, err
	}
	if o.wantDX {
		dx := &left{o.b.newOp("conv.dx", 1, o.batch, o.in.size())}
		back.dx = floats(dx.out)
		d[0], err = o.b.apply(dx, d[1])
	}
	return d, err
}

// convBack computes dw, and db and dx for others to hand out. With one thread
// it does everything for one image, while its numbers are in the cache, before
// the next. With more, threads take images as far as these are independent; dw
// sums over all of them, in their order, and is left to one thread.
type convBack struct {
	op
	of      *conv
	dz      []float32 // gradients before pooling and ReLU: of one image, or of all
	sums    []float32 // of each dz, over its pixels
	flipped []float32 // the weights as dx needs them
	db      []float32
	dx      []float32 // nil if nobody needs it
}

func (o *convBack) Do(in ...G.Value) (G.Value, error) {
	x, w, y, g, dw := floats(in[0]), floats(in[1]), floats(in[2]), floats(in[3]), floats(o.out)
	c := o.of
	if o.dx != nil {
		c.flip(w, o.flipped)
	}
	clear(o.db)
	add := false
	if len(c.workers) == 1 {
		t := &c.workers[0]
		for i := range c.batch {
			o.image(t, i, y, g, o.dz, o.sums)
			o.parameters(t, i, x, o.dz, o.sums, add, dw)
			add = true
		}
		return o.out, nil
	}
	size := c.in.pixels() * c.outputs
	dz := func(i int) []float32 { return o.dz[i*size : (i+1)*size] }
	sums := func(i int) []float32 { return o.sums[i*c.outputs : (i+1)*c.outputs] }
	c.images(func(t *convWorker, _, i int) { o.image(t, i, y, g, dz(i), sums(i)) })
	for i := range c.batch {
		o.parameters(&c.workers[0], i, x, dz(i), sums(i), add, dw)
		add = true
	}
	return o.out, nil
}

// image computes of one image what no other has a part in.
func (o *convBack) image(t *convWorker, i int, y, g, dz, sums []float32) {
	c := o.of
	out := c.out()
	yi, gi := y[i*out.size():(i+1)*out.size()], g[i*out.size():(i+1)*out.size()]
	if c.pool {
		poolBackward(c.in, c.outputs, c.before(0, i), yi, gi, dz)
	} else {
		reluGrad(yi, gi, dz)
	}
	columnSums(dz, sums)
	if o.dx == nil {
		return
	}
	// The gradient of x is a convolution too: of dz with the weights turned by
	// half a circle.
	dx := o.dx[i*c.in.size() : (i+1)*c.in.size()]
	turned := picture{c.in.height, c.in.width, c.outputs}
	turned.each(&t.back, dz, func(from, to int, rows []float32) {
		t.gemm.mul(false, false, to-from, c.in.channels, 9*c.outputs, rows, o.flipped, false, dx[from*c.in.channels:to*c.in.channels])
	})
}

// parameters adds what an image does to the gradients of the parameters.
func (o *convBack) parameters(t *convWorker, i int, x, dz, sums []float32, add bool, dw []float32) {
	c := o.of
	for j, v := range sums {
		o.db[j] += v
	}
	size := c.in.size()
	c.in.each(&t.x, x[i*size:(i+1)*size], func(from, to int, rows []float32) {
		t.gemm.mul(true, false, 9*c.in.channels, c.outputs, to-from, rows, dz[from*c.outputs:to*c.outputs], add, dw)
		add = true
	})
}

// flip turns weights [9, channels, outputs] into [9 in reverse, outputs, channels].
func (o *conv) flip(w, flipped []float32) {
	n := o.in.channels * o.outputs
	for t := range 9 {
		from, to := w[t*n:(t+1)*n], flipped[(8-t)*n:(9-t)*n]
		for c := range o.in.channels {
			for k := range o.outputs {
				to[k*o.in.channels+c] = from[c*o.outputs+k]
			}
		}
	}
}

// left hands out what another op, its input, left in its buffer.
type left struct{ op }

func (o *left) Do(...G.Value) (G.Value, error) { return o.out, nil }

// patchFloats bounds the matrix of neighbourhoods: 256 KiB stay in a
// second-level cache.
const patchFloats = 1 << 16

// each calls f with the neighbourhoods of the pixels [from, to), one of
// 9*channels numbers in each row: 3 lines of 3 pixels of the channels.
func (p picture) each(s *convScratch, x []float32, f func(from, to int, rows []float32)) {
	line, wide := p.width*p.channels, (p.width+2)*p.channels
	if s.border == nil {
		s.border = make([]float32, (p.height+2)*wide)
	}
	for y := range p.height { // the border itself stays zero
		copy(s.border[(y+1)*wide+p.channels:], x[y*line:(y+1)*line])
	}
	lines := min(p.height, max(1, patchFloats/(9*line)))
	rows := grow(&s.rows, lines*9*line)
	for y := 0; y < p.height; y += lines {
		n := min(lines, p.height-y)
		for i := range n {
			p.patches(rows[i*9*line:(i+1)*9*line], s.border[(y+i)*wide:(y+i+3)*wide], wide)
		}
		f(y*p.width, (y+n)*p.width, rows[:n*9*line])
	}
}

// patches writes the neighbourhoods of one line of pixels. src are three
// lines, each wide numbers long.
func (p picture) patches(dst, src []float32, wide int) {
	c := p.channels
	if c == 1 {
		a, b, d := src[:wide], src[wide:2*wide], src[2*wide:3*wide]
		for x := range p.width {
			t := dst[9*x : 9*x+9]
			t[0], t[1], t[2] = a[x], a[x+1], a[x+2]
			t[3], t[4], t[5] = b[x], b[x+1], b[x+2]
			t[6], t[7], t[8] = d[x], d[x+1], d[x+2]
		}
		return
	}
	for x := range p.width {
		for l := range 3 {
			copy(dst[(9*x+3*l)*c:(9*x+3*l+3)*c], src[l*wide+x*c:l*wide+(x+3)*c])
		}
	}
}
