package nn

import (
	"context"
	"io"
	"math/rand/v2"
	"testing"

	"orch/trainer"
)

// BenchmarkStep is one update of net2 on random images of MNIST's shape. The
// images have no zeros, of which real ones are full and which gonum skips.
func BenchmarkStep(b *testing.B) {
	for _, tt := range []struct {
		name  string
		batch int
		opt   OptimizerName
	}{{"sgd", 64, "sgd"}, {"adam", 64, "adam"}} {
		b.Run(tt.name, func(b *testing.B) {
			w := &weights{seed: 1}
			n, err := (&design{&Model{Kind: "mlp", Layers: 2, Width: 256}, classify{10}, []int{28, 28}, w, new(multiplier)}).network(tt.batch, true)
			if err != nil {
				b.Fatal(err)
			}
			opt := optimizers[tt.opt](&Training{}, w)
			r := rand.New(rand.NewPCG(1, 1))
			for i := range n.x {
				n.x[i] = r.Float32()
			}
			for i := range tt.batch {
				n.y[i*10+r.IntN(10)] = 1
			}
			b.ReportAllocs()
			update := int64(0)
			for b.Loop() {
				update++
				if err := n.run(); err != nil {
					b.Fatal(err)
				}
				opt.begin(update, 1e-3, 1)
				if err := opt.Step(n.grads); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(update)*float64(tt.batch)/b.Elapsed().Seconds(), "samples/s")
		})
	}
}

// BenchmarkRun is a whole run of the shipped example, net2 on the digits.
func BenchmarkRun(b *testing.B) {
	c := config(b, "model.width", 128, "training.epochs", 3)
	b.ReportAllocs()
	for b.Loop() {
		run := &trainer.Run{Config: c, Dir: b.TempDir(), Log: io.Discard, Metrics: new(record)}
		if err := New().Train(context.Background(), run); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
}

// BenchmarkFirstStep is the way to the first update of a run on the digits.
func BenchmarkFirstStep(b *testing.B) {
	c := config(b)
	for b.Loop() {
		ctx, cancel := context.WithCancel(context.Background())
		run, _ := attempt(b, c)
		if err := (&Trainer{onStep: func(int64) { cancel() }}).Train(ctx, run); ctx.Err() == nil {
			b.Fatal(err)
		}
	}
}
