package nn_test

import (
	"context"
	"fmt"
	"io"
	"os"

	"orch/sweep/override"
	"orch/trainer"
	"orch/trainer/nn"
)

// results keeps the final metrics of a run.
type results map[string]float64

func (r results) Log(int64, string, float64)        {}
func (r results) Result(name string, value float64) { r[name] = value }
func (r results) Checkpoint(int64, string)          {}

// A run outside of any sweep: config in, metrics out.
func Example() {
	config := override.MapValue().
		Set("seed", override.IntValue(1)).
		Set("model.layers", override.IntValue(5)).
		Set("training.epochs", override.IntValue(2))
	dir, err := os.MkdirTemp("", "run")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	got := results{}
	err = nn.New().Train(context.Background(), &trainer.Run{Config: config, Dir: dir, Log: io.Discard, Metrics: got})
	fmt.Println("error:", err)
	fmt.Println("right on more than 80% of the test images:", got["test.accuracy"] > 0.8)
	fmt.Println("problem:", nn.New().Check(config.Set("training.lr", override.IntValue(-1)))[0])
	// Output:
	// error: <nil>
	// right on more than 80% of the test images: true
	// problem: training.lr: is -1, want more than 0 and at most 1000
}
