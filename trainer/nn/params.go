package nn

import (
	"fmt"
	"path/filepath"
	"strings"

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
	TrainSamples int      `param:"train_samples,min=0" doc:"train on so many examples only, chosen by the seed; 0: all"`
	Normalize    Scale    `param:"normalize" doc:"scale: bytes to 0..1, other numbers as they are; standard: mean 0 and deviation 1 over the training examples; auto: standard for tables, else scale"`

	Images     string `param:"images" doc:"idx: file of the images, if it has another name than MNIST's"`
	Labels     string `param:"labels" doc:"idx: file of their labels"`
	TestImages string `param:"test_images" doc:"idx: file of the images to test on; without one the test part is cut from the others"`
	TestLabels string `param:"test_labels" doc:"idx: file of their labels"`

	File     string   `param:"file" doc:"csv: the table, in dir"`
	TestFile string   `param:"test_file" doc:"csv: a table to test on; without one the test part is cut from the other"`
	Target   string   `param:"target" doc:"csv: the column to predict"`
	Task     TaskName `param:"task" doc:"csv: whether the target is a class or a number"`
	Drop     []string `param:"drop" doc:"csv: columns to leave out"`
}

// DataName names a data set.
type DataName string

// Choices lists the known data sets.
func (DataName) Choices() []string { return data.Names() }

// Scale names a way to normalise.
type Scale string

// Choices lists the ways.
func (Scale) Choices() []string { return []string{"auto", "scale", "standard"} }

// TaskName says what a target is.
type TaskName string

// Choices lists the tasks.
func (TaskName) Choices() []string { return []string{"classification", "regression"} }

// spec returns where to load the data from. Dir is relative to workdir.
func (d *Data) spec(workdir string) data.Spec {
	dir := d.Dir
	if !filepath.IsAbs(dir) && (dir != "" || d.Name == "csv") {
		dir = filepath.Join(workdir, dir)
	}
	return data.Spec{Name: string(d.Name), Dir: dir, Images: d.Images, Labels: d.Labels, TestImages: d.TestImages, TestLabels: d.TestLabels,
		File: d.File, TestFile: d.TestFile, Target: d.Target, Numbers: d.Task == "regression", Drop: d.Drop}
}

// Training says how.
type Training struct {
	Epochs      int           `param:"epochs,min=1,max=1000000" doc:"passes over the training examples"`
	Batch       int           `param:"batch,min=1,max=65536" doc:"examples that go through the network at once"`
	Accumulate  int           `param:"accumulate,min=1,max=65536" doc:"batches per update, whose gradients are averaged"`
	Optimizer   OptimizerName `param:"optimizer" doc:"update rule"`
	LR          float64       `param:"lr,above=0,max=1000" doc:"learning rate"`
	Momentum    float64       `param:"momentum,min=0,below=1" doc:"momentum of sgd; adam has its own"`
	WeightDecay float64       `param:"weight_decay,min=0,max=1" doc:"L2 penalty, added to the gradient; adamw shrinks the weights instead"`
	ClipNorm    float64       `param:"clip_norm,min=0" doc:"gradients are scaled down to this norm over all parameters; 0: never"`

	Schedule   ScheduleName `param:"schedule" doc:"course of the learning rate: constant; cosine, to 0 at the end; step, by lr_factor every lr_every epochs; plateau, by lr_factor after lr_patience epochs without a lower validation loss"`
	LRFactor   float64      `param:"lr_factor,above=0,below=1" doc:"factor of the schedules step and plateau"`
	LREvery    int          `param:"lr_every,min=1" doc:"epochs between steps of the schedule step"`
	LRPatience int          `param:"lr_patience,min=1" doc:"epochs that the schedule plateau waits"`

	Patience int      `param:"patience,min=0" doc:"stop after so many epochs without a lower validation loss; 0: never"`
	MinDelta float64  `param:"min_delta,min=0" doc:"by how much the validation loss must fall to count as lower, for patience and plateau"`
	Evaluate Evaluate `param:"evaluate" doc:"which parameters are tested: those of the last epoch, or of the one with the lowest validation loss"`

	Confusion       bool `param:"confusion" doc:"write confusion.csv, which has the scores of each class, after the test"`
	CheckpointEvery int  `param:"checkpoint_every,min=-1,max=1000000" doc:"epochs between checkpoints; 0: only when asked to leave; -1: at the end of an epoch once a minute has passed, and after a run of more than 10 seconds"`
}

// Evaluate says which parameters are tested.
type Evaluate string

// Choices lists them.
func (Evaluate) Choices() []string { return []string{"last", "best"} }

// Default returns the parameters that a config need not name.
func Default() Params {
	return Params{
		Trainer: "nn",
		Model:   Model{Kind: "mlp", Layers: 2, Width: 128},
		Data:    Data{Name: "digits", ValFraction: 0.1, TestFraction: 0.2, Normalize: "auto", Task: "classification"},
		Training: Training{Epochs: 3, Batch: 32, Accumulate: 1, Optimizer: "adam", LR: 1e-3, Momentum: 0.9, Schedule: "constant",
			LRFactor: 0.1, LREvery: 10, LRPatience: 5, Evaluate: "last", Confusion: true, CheckpointEvery: -1},
	}
}

// maxWeights bounds a matrix of weights, and those between all hidden layers:
// 2^28 of them, with gradients and Adam's moments, take 4 GiB.
const maxWeights = 1 << 28

// parse decodes a config and judges what no single key can be blamed for.
func parse(config override.Value) (Params, []error) {
	p := Default()
	errs := trainer.Decode(config, &p, trainer.Foreign...)
	bad := func(key, format string, args ...any) {
		v, _ := config.Get(key)
		errs = append(errs, &trainer.ParamError{Key: key, Value: v, Problem: fmt.Sprintf(format, args...)})
	}
	if n := max(0, p.Model.Layers-2) * p.Model.Width * p.Model.Width; n > maxWeights {
		bad("model.width", "is %d, which with %d layers makes %d weights, want at most %d", p.Model.Width, p.Model.Layers, n, maxWeights)
	}
	if p.Data.ValFraction+p.Data.TestFraction >= 1 && (p.Data.Name == "digits" || p.Data.Name == "csv" && p.Data.TestFile == "") {
		bad("data.val_fraction", "is %v, which with data.test_fraction = %v leaves nothing to train on, want a sum below 1", p.Data.ValFraction, p.Data.TestFraction)
	}
	if p.Data.Name == "csv" {
		for key, value := range map[string]string{"data.file": p.Data.File, "data.target": p.Data.Target} {
			if value == "" {
				bad(key, "is empty; data.name = \"csv\" needs it")
			}
		}
		for key, value := range map[string]string{"data.file": p.Data.File, "data.test_file": p.Data.TestFile} {
			if filepath.IsAbs(value) { // where the data is, data.dir says, which identity leaves out
				bad(key, "is a whole path, which would be part of what the run is: data.dir=%s %s=%s", filepath.Dir(value), key, filepath.Base(value))
			}
		}
		if strings.HasPrefix(string(p.Model.Kind), "cnn") {
			bad("model.kind", "is %q, which needs images, but data.name = \"csv\" has none: take mlp, logistic or linear", p.Model.Kind)
		}
	} else if p.Data.Task == "regression" {
		bad("data.task", "is \"regression\", but data.name = %q has classes", p.Data.Name)
	}
	switch {
	case p.Model.Kind == "linear" && p.Data.Task != "regression":
		bad("model.kind", "is \"linear\", which predicts numbers, but the task is classification: take logistic, or set data.task = \"regression\"")
	case p.Model.Kind == "logistic" && p.Data.Task == "regression":
		bad("model.kind", "is \"logistic\", which predicts classes, but the task is regression: take linear")
	}
	if p.Data.ValFraction == 0 {
		const need = "which needs a validation part: set data.val_fraction above 0"
		if p.Training.Patience > 0 {
			bad("training.patience", "is %d, "+need, p.Training.Patience)
		}
		if p.Training.Schedule == "plateau" {
			bad("training.schedule", "is \"plateau\", "+need)
		}
		if p.Training.Evaluate == "best" {
			bad("training.evaluate", "is \"best\", "+need)
		}
	}
	return p, errs
}
