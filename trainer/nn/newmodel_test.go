package nn

import (
	"math"
	"testing"

	G "gorgonia.org/gorgonia"

	"orch/sweep/override"
	"orch/trainer"
	"orch/trainer/trainertest"
)

// bottleneck is what a user's own model looks like: everything about it is in
// this one file. Half of the width, then all of it, then the outputs.
func bottleneck(b *builder, p *Model, x *G.Node, outputs int) (*G.Node, error) {
	for i, units := range []int{p.Width / 2, p.Width, outputs} {
		name := []string{"narrow", "wide", "out"}[i]
		in := x.Shape()[1]
		w := b.weight(name+".weight", in, units, uniform(math.Sqrt(6/float64(in))))
		var err error
		if x, err = b.linear(x, w, b.weight(name+".bias", 1, units, zero), name != "out"); err != nil {
			return nil, err
		}
	}
	return x, nil
}

// TestNewModel: a model that puts itself into the table is complete. It is
// known to the config, trains, resumes, and passes the suite.
func TestNewModel(t *testing.T) {
	models["bottleneck"] = bottleneck
	t.Cleanup(func() { delete(models, "bottleneck") })
	pairs := []any{"model.kind", "bottleneck", "model.width", 32, "training.lr", 0.01}
	trainertest.Run(t, trainertest.Suite{
		New:     func() trainer.Trainer { return New() },
		Config:  config(t, append(pairs, "training.epochs", 3)...),
		Endless: config(t, append(pairs, "training.epochs", 1_000_000)...),
		Score:   "test.accuracy", AtLeast: 0.8,
		Bad:      []override.Field{{Key: override.StringValue("model.kind"), Val: override.StringValue("bottlenec")}},
		Volatile: []string{"seconds", "samples_per_second"},
		Leaves:   leaves,
	})
}
