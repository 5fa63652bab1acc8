// Package nn is the built-in trainer: neural networks on gorgonia, in float32,
// on one core.
//
// # How a model becomes a graph
//
// A model is a function that adds layers to a gorgonia expression graph
// through a [builder]. For the multi-layer perceptron (mlp.go), with two
// layers:
//
//	x [batch, 64] --linear+ReLU--> [batch, 128] --linear--> out [batch, 10] --softmax cross entropy--> loss
//
// A network is such a graph for one batch size. Training builds two of them
// (full batches, and the rest of an epoch), evaluation a third without a loss;
// all share the same parameter tensors. gorgonia differentiates the loss
// symbolically, and a TapeMachine runs forward and backward pass:
//
//	fill x and y → vm.RunAll() → optimizer.Step(parameters and gradients)
//
// The layers are own gorgonia ops (linear.go, xent.go) rather than stock ones:
// each keeps its output buffer, so a step allocates next to nothing, and no
// gradient is computed that nobody reads. Gradients are read off the gradient
// nodes, which is safe because own ops own their buffers; a stock op's buffer
// may be reused before the optimiser sees it, so a model that mixes both must
// not have a stock op produce a parameter's gradient.
//
// Adding to it takes one file and one line in the table at the top of the
// file that declares the function type: a model in model.go, an optimiser in
// optimizer.go, a learning rate schedule in schedule.go. What is trained for
// (classes now, numbers later) is an [objective].
//
// # Random numbers
//
// All come from the run's `seed`, never from a clock, and each purpose has a
// stream of its own (a PCG seeded with SHA-256 of seed and purpose), so that
// using more of one changes no other:
//
//	split         which examples train, validate and test
//	init/<name>   the first value of the parameter <name>
//	shuffle       the order of the training examples, epoch after epoch
//
// So runs that differ only in the model share their split and their order of
// examples: comparing them pairwise by seed is fair. The same config gives the
// same bits whatever GOMAXPROCS is and whatever else the process trains. Other
// machine architectures may round differently; checkpoints and logs name the
// arithmetic used.
//
// # What a run reports
//
// Rows of the series are written at the end of every epoch, and their step is
// the number of parameter updates so far: train.loss (mean over the epoch),
// val.loss, val.accuracy. Results: train.loss and val.accuracy of the last
// epoch, test.accuracy after it, seconds (wall time of all attempts) and
// samples_per_second (training steps alone). Without a validation or test part
// its metrics are missing. A loss that is no finite number ends the run as
// diverged.
//
// # Checkpoints
//
// ckpt/last.ckpt holds all that the rest of the run depends on; a run resumed
// from it ends with the same bits as one that was never interrupted.
// ckpt/best.ckpt holds the parameters of the epoch with the lowest validation
// loss. See checkpoint.go for the format and `training.checkpoint_every` for
// when they are written.
package nn
