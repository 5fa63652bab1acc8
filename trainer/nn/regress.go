package nn

import (
	"math"

	G "gorgonia.org/gorgonia"

	"orch/trainer/data"
)

// regress predicts a number. The network learns it standardised, less the
// mean and divided by the deviation of the training examples, so that one
// learning rate serves metres and micrometres; loss is the mean of squared
// errors in that scale. The scores are in the number's own units: mae, rmse,
// and r2, which is 1 - (squared errors)/(squared distances from the mean of
// what was evaluated).
type regress struct{ mean, deviation float64 }

func (r *regress) outputs() int { return 1 }

func (r *regress) target(y []float32, v data.View, i int) {
	y[0] = float32((v.Target(i) - r.mean) / r.deviation)
}

func (r *regress) loss(b *builder, out, y *G.Node) (*G.Node, error) {
	return b.loss("squares", squares, out, y)
}

func (r *regress) tally() tally { return &residuals{of: r} }

// residuals sums up errors.
type residuals struct {
	of                *regress
	n                 float64
	absolute, squared float64
	mean, spread      float64 // of the targets: mean, and sum of squared distances from it
}

func (r *residuals) add(out []float32, v data.View, i int) {
	want := v.Target(i)
	e := float64(out[0])*r.of.deviation + r.of.mean - want
	r.n++
	r.absolute += math.Abs(e)
	r.squared += e * e
	d := want - r.mean
	r.mean += d / r.n
	r.spread += d * (want - r.mean)
}

func (r *residuals) measures() []measure {
	all := []measure{
		{"loss", r.squared / r.n / (r.of.deviation * r.of.deviation)},
		{"mae", r.absolute / r.n},
		{"rmse", math.Sqrt(r.squared / r.n)},
	}
	if r.spread > 0 { // else r2 is not defined
		all = append(all, measure{"r2", 1 - r.squared/r.spread})
	}
	return all
}
