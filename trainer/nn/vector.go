package nn

import "math"

// The loops over single elements. Each has its definition here in Go, which
// runs where there is no assembly and on the rest that fills no vector.
// float32(x*y) keeps compilers from fusing a product with a sum, so that all
// machines give the same bits.

// lanes is how many elements the assembly takes at once.
const lanes = 8

// relu replaces what is below 0 by 0. NaN stays: a diverged run must show.
func relu(y []float32) {
	y = y[reluVector(y):]
	for i, v := range y {
		if v < 0 {
			y[i] = 0
		}
	}
}

// reluGrad computes d = g where y > 0, else 0.
func reluGrad(y, g, d []float32) {
	n := reluGradVector(y, g, d)
	y, g, d = y[n:], g[n:], d[n:]
	for i := range d {
		if y[i] > 0 {
			d[i] = g[i]
		} else {
			d[i] = 0
		}
	}
}

// columnSums computes d = the sum of g's rows, which are as long as d, in
// ascending order.
func columnSums(g, d []float32) {
	cols := len(d)
	done := columnSumsVector(g, d)
	clear(d[done:])
	for ; len(g) > 0; g = g[cols:] {
		for j := done; j < cols; j++ {
			d[j] += g[j]
		}
	}
}

// repeat fills y with copies of a row.
func repeat(y, row []float32) {
	for n := copy(y, row); n < len(y); n *= 2 {
		copy(y[n:], y[:n])
	}
}

// update are the numbers that an optimiser's loop needs, for one step.
type update struct {
	scale    float32 // on the gradient
	decay    float32 // of the weight, added to the gradient
	rate     float32
	mu       float32 // momentum
	c1, c2   float32 // Adam: 1/(1-b1^t), 1/(1-b2^t)
	keep     float32 // AdamW: on the weight
	constant [11 * lanes]float32
}

// constants returns some numbers, each repeated for a vector.
func (u *update) constants(c ...float32) *float32 {
	for i, x := range c {
		for j := range lanes {
			u.constant[i*lanes+j] = x
		}
	}
	return &u.constant[0]
}

// sgdStep updates w.
func sgdStep(u *update, w, g []float32) {
	n := sgdVector(u, w, g)
	w, g = w[n:], g[n:]
	for i := range w {
		x := float32(g[i]*u.scale) + float32(u.decay*w[i])
		w[i] -= float32(u.rate * x)
	}
}

// momentumStep updates w and the velocity v.
func momentumStep(u *update, w, v, g []float32) {
	n := momentumVector(u, w, v, g)
	w, v, g = w[n:], v[n:], g[n:]
	for i := range w {
		x := float32(g[i]*u.scale) + float32(u.decay*w[i])
		v[i] = float32(u.mu*v[i]) + x
		w[i] -= float32(u.rate * v[i])
	}
}

// adamStep updates w and the moments m and v.
func adamStep(u *update, w, m, v, g []float32) {
	n := adamVector(u, w, m, v, g)
	w, m, v, g = w[n:], m[n:], v[n:], g[n:]
	for i := range w {
		x := float32(g[i]*u.scale) + float32(u.decay*w[i])
		m[i] = float32(adamBeta1*m[i]) + float32((1-adamBeta1)*x)
		v[i] = float32(adamBeta2*v[i]) + float32(float32((1-adamBeta2)*x)*x)
		step := float32(u.rate*float32(m[i]*u.c1)) / (float32(math.Sqrt(float64(float32(v[i]*u.c2)))) + adamEpsilon)
		w[i] = float32(w[i]*u.keep) - step
	}
}
