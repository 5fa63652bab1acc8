//go:build unix

package nn

import (
	"context"
	"os"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"orch/sweep/override"
)

// mnistCases are what deploy/bench-train compares with PyTorch; deploy/bench.d
// has the same networks in Python. The rate falls along a cosine: with a fixed
// one, seeds scatter by a point of accuracy after two epochs and hide what is
// compared.
var mnistCases = []struct {
	name  string
	pairs []any
}{
	{"net2-sgd", []any{"model.layers", 2, "model.width", 256, "training.optimizer", "sgd", "training.lr", 0.1, "training.momentum", 0}},
	{"net2-adam", []any{"model.layers", 2, "model.width", 256, "training.optimizer", "adam", "training.lr", 0.001}},
	{"net5-sgd", []any{"model.layers", 5, "model.width", 256, "training.optimizer", "sgd", "training.lr", 0.1, "training.momentum", 0}},
	{"cnn-adam", []any{"model.kind", "cnn", "model.width", 64, "training.optimizer", "adam", "training.lr", 0.001}},
}

func mnistConfig(b testing.TB, epochs, seed int, pairs []any) override.Value {
	dir := os.Getenv("ORCH_MNIST")
	if dir == "" {
		b.Skip("ORCH_MNIST does not name the folder of MNIST's files")
	}
	return config(b, append([]any{"data.name", "mnist", "data.dir", dir, "data.val_fraction", 0, "training.batch", 64,
		"training.epochs", epochs, "training.schedule", "cosine", "training.checkpoint_every", 0, "seed", seed}, pairs...)...)
}

// cpuSeconds is the CPU time of this process. Unlike wall time it does not
// count what neighbours take.
func cpuSeconds() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		panic(err)
	}
	return float64(r.Utime.Sec+r.Stime.Sec) + float64(r.Utime.Usec+r.Stime.Usec)/1e6
}

// BenchmarkMNIST trains two epochs on MNIST with a batch of 64, as a run does,
// and measures the second: examples per CPU second. One iteration is enough:
//
//	ORCH_MNIST=data/mnist go test -run '^$' -bench MNIST -benchtime 1x ./trainer/nn
func BenchmarkMNIST(b *testing.B) {
	for _, tt := range mnistCases {
		b.Run(tt.name, func(b *testing.B) {
			seed, _ := strconv.Atoi(os.Getenv("ORCH_SEED"))
			c := mnistConfig(b, 2, seed, tt.pairs)
			const examples, steps = 60000, (60000 + 63) / 64
			var cpu, accuracy float64
			for range b.N {
				var begin float64
				tr := &Trainer{onStep: func(update int64) {
					switch update {
					case steps:
						runtime.GC() // what loading the data left
						begin = cpuSeconds()
					case 2 * steps:
						cpu += cpuSeconds() - begin
					}
				}}
				run, rec := attempt(b, c)
				if err := tr.Train(context.Background(), run); err != nil {
					b.Fatal(err)
				}
				accuracy = rec.results["test.accuracy"]
			}
			b.ReportMetric(examples*float64(b.N)/cpu, "samples/cpu-s")
			b.ReportMetric(accuracy, "accuracy")
			var r syscall.Rusage
			if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err == nil && runtime.GOOS == "linux" {
				b.ReportMetric(float64(r.Maxrss)/1024, "MiB") // at most, of the whole process
			}
		})
	}
}
