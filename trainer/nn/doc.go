// Package nn is the built-in trainer: neural networks on gorgonia, in float32,
// on one core unless it is given more.
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
// The layers are own gorgonia ops (linear.go, conv.go, dropout.go, loss.go)
// rather than stock ones: each keeps its output buffer, so a step allocates
// next to nothing, and no gradient is computed that nobody reads. Gradients
// are read off the gradient nodes, which is safe because own ops own their
// buffers; a stock op's buffer may be reused before the optimiser sees it, so
// a model that mixes both must not have a stock op produce a parameter's
// gradient.
//
// Adding a model takes one file, which puts itself into the table of model.go;
// logistic.go is the smallest. An optimiser takes one file and a line in
// optimizer.go, a learning rate schedule one in schedule.go. What is trained for,
// classes or numbers, is an [objective]. Params in params.go is the one
// description of all parameters.
//
// # Arithmetic
//
// Time goes into three kinds of loops. Matrix products (gemm.go) run in own
// assembly for AVX-512 or AVX2, chosen at start, and by gonum on other
// machines; convolution is a product too. Loops over single elements
// (vector.go, pool.go) have an assembly twin for AVX2. The assembly is written
// by a generator, testdata/avo, which is a module of its own; `go generate
// ./trainer/nn` runs it. [Backend] says what this machine has.
//
// Both kinds of assembly give the same bits: an element of a product is one
// chain of fused multiply-adds in the order of the inner index, whatever the
// tile, the block or the thread, and the other loops round after each
// operation, in Go too. gonum's products round otherwise; see [SameBits].
//
// With -tags cuda large products go to a GPU (gpu_cuda.go), if the launcher asks
// for one; all else stays on the CPU. Such a binary starts only where there is
// an NVIDIA driver. gpu.go decides, and says in the run's log why there is none.
//
// # Random numbers
//
// All come from the run's `seed`, never from a clock, and each purpose has a
// stream of its own (a PCG seeded with SHA-256 of seed and purpose), so that
// using more of one changes no other:
//
//	split           which examples train, validate and test
//	init/<name>     the first value of the parameter <name>
//	shuffle         the order of the training examples, epoch after epoch
//	dropout/<name>  which units a layer drops
//
// So runs that differ only in the model share their split and their order of
// examples: comparing them pairwise by seed is fair. The same config gives the
// same bits whatever GOMAXPROCS is and whatever else the process trains.
//
// # What a run reports
//
// Rows of the series are written at the end of every epoch, and their step is
// the number of parameter updates so far: train.loss (mean over the epoch),
// val.loss and the scores of the validation part. The scores are accuracy and
// f1 (the mean over the classes) where classes are predicted; mae, rmse and r2
// where numbers are.
//
// Results: train.loss, val.loss and scores of the last epoch; test.loss and
// scores, of the last parameters or the best (`training.evaluate`); epochs, if
// the run may stop early; seconds (wall time of all attempts) and
// samples_per_second (training steps alone). Without a validation or test part
// its metrics are missing. A loss that is no finite number ends the run as
// diverged.
//
// # What a run leaves in its folder
//
// confusion.csv: a row for each class, with its examples in the test part,
// precision, recall, f1, and how many were taken for which class.
//
// ckpt/best.ckpt: the parameters of the epoch with the lowest validation loss,
// or of the last epoch without validation. [Trainer.Evaluate] tests them
// again.
//
// ckpt/last.ckpt: all that the rest of the run depends on. A run resumed from
// it ends with the same bits as one that was never interrupted. It is written
// when the run is asked to leave, about once a minute, and at the end of a run
// of more than 10 seconds; `training.checkpoint_every` says otherwise: a
// number of epochs, or 0 for only when asked to leave (then no best.ckpt is
// left behind either). checkpoint.go has the format.
package nn
