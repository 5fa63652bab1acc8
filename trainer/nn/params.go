package nn

import (
	"fmt"

	"orch/sweep/override"
	"orch/trainer"
	"orch/trainer/data"
)

// Params are the parameters of a run, as its config has them. The tags hold
// the allowed ranges; see [trainer.Decode].
type Params struct {
	Trainer  string   `param:"trainer" doc:"which trainer runs this: nn"`
	Seed     int64    `param:"seed" doc:"root of every random number of the run"`
	Model    Model    `param:"model"`
	Data     Data     `param:"data"`
	Training Training `param:"training"`
}

// Model says what is trained.
type Model struct {
	Name   string    `param:"name" doc:"what people call the model; changes nothing"`
	Kind   ModelKind `param:"kind" doc:"architecture"`
	Layers int       `param:"layers,min=1,max=100" doc:"linear layers of mlp and cnn_seed: hidden ones and the output"`
	Width  int       `param:"width,min=1,max=65536" doc:"units of each hidden layer"`

	Channels []int   `param:"channels,min=1,max=4096" doc:"of each convolution of cnn (8 and 16 if not given) or cnn_seed (32 and 64)"`
	Dropout  float64 `param:"dropout,min=0,below=1" doc:"share of units dropped while training, after each hidden layer and the convolutions"`
}

// Data says what it is trained on.
type Data struct {
	Name         DataName `param:"name" doc:"data set"`
	Dir          string   `param:"dir" doc:"folder of the data set's files, relative to where submit was typed; digits needs none"`
	ValFraction  float64  `param:"val_fraction,min=0,below=1" doc:"share of the examples that validate after each epoch"`
	TestFraction float64  `param:"test_fraction,min=0,below=1" doc:"share of the examples that test at the end; unused if the set has a test part of its own"`
}

// DataName names a data set.
type DataName string

// Choices lists the known data sets.
func (DataName) Choices() []string { return data.Names() }

// Training says how.
type Training struct {
	Epochs          int           `param:"epochs,min=1,max=1000000" doc:"passes over the training examples"`
	Batch           int           `param:"batch,min=1,max=65536" doc:"examples per update"`
	Optimizer       OptimizerName `param:"optimizer" doc:"update rule"`
	LR              float64       `param:"lr,above=0,max=1000" doc:"learning rate"`
	Schedule        ScheduleName  `param:"schedule" doc:"course of the learning rate"`
	Momentum        float64       `param:"momentum,min=0,below=1" doc:"momentum of sgd; adam has its own"`
	WeightDecay     float64       `param:"weight_decay,min=0,max=1" doc:"L2 penalty, added to the gradient"`
	CheckpointEvery int           `param:"checkpoint_every,min=-1,max=1000000" doc:"epochs between checkpoints; 0: only when asked to leave; -1: at the end of an epoch once a minute has passed, and at the end of the run"`
}

// Default returns the parameters that a config need not name.
func Default() Params {
	return Params{
		Trainer:  "nn",
		Model:    Model{Kind: "mlp", Layers: 2, Width: 128},
		Data:     Data{Name: "digits", ValFraction: 0.1, TestFraction: 0.2},
		Training: Training{Epochs: 3, Batch: 32, Optimizer: "adam", LR: 1e-3, Schedule: "constant", Momentum: 0.9, CheckpointEvery: -1},
	}
}

// maxHidden bounds the weights between hidden layers: 2^28 of them, with
// gradients and Adam's moments, take 4 GiB.
const maxHidden = 1 << 28

// parse decodes a config and judges what no single key can be blamed for.
func parse(config override.Value) (Params, []error) {
	p := Default()
	errs := trainer.Decode(config, &p, trainer.Foreign...)
	bad := func(key, format string, args ...any) {
		v, _ := config.Get(key)
		errs = append(errs, &trainer.ParamError{Key: key, Value: v, Problem: fmt.Sprintf(format, args...)})
	}
	if n := max(0, p.Model.Layers-2) * p.Model.Width * p.Model.Width; n > maxHidden {
		bad("model.width", "is %d, which with %d layers makes %d weights, want at most %d", p.Model.Width, p.Model.Layers, n, maxHidden)
	}
	if p.Data.Name == "digits" && p.Data.ValFraction+p.Data.TestFraction >= 1 {
		bad("data.val_fraction", "is %v, which with data.test_fraction = %v leaves nothing to train on, want a sum below 1", p.Data.ValFraction, p.Data.TestFraction)
	}
	return p, errs
}
