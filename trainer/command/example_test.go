//go:build unix

package command_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"orch/sweep/override"
	"orch/trainer"
	"orch/trainer/command"
)

// printer shows what a run reports. In a sweep this goes into the journal.
type printer struct{}

func (printer) Log(step int64, name string, x float64) { fmt.Println("step", step, name, x) }
func (printer) Result(name string, x float64)          { fmt.Println("result", name, x) }
func (printer) Checkpoint(step int64, file string)     { fmt.Println("checkpoint", step, file) }

// A program that knows nothing of orch: its accuracy is read from its log, its
// model is owed, and its loss curve comes through $ORCH_METRICS.
func ExampleTrainer_Train() {
	// What a sweep file says as
	//
	//	[task]
	//	command = ["sh", "fit.sh", "--c={c}"]
	//	outputs = ["model.txt"]
	//	[task.metrics]
	//	accuracy = 'accuracy = ([0-9.]+)'
	//	[sweep]
	//	c = [0.5, 1.0]
	//
	// is this config in the run with c = 0.5.
	config, err := override.ParseJSON([]byte(`{"c": 0.5, "task": {
		"command": ["sh", "fit.sh", "--c={c}"],
		"outputs": ["model.txt"],
		"metrics": {"accuracy": "accuracy = ([0-9.]+)"}}}`))
	if err != nil {
		panic(err)
	}
	if problems := command.New().Check(config); problems != nil {
		panic(problems)
	}

	work, _ := os.MkdirTemp("", "work")
	defer os.RemoveAll(work)
	os.WriteFile(filepath.Join(work, "fit.sh"), []byte(`
		echo "called with $1"
		for step in 1 2; do
			echo "{\"step\": $step, \"loss\": 0.$step}" >> "$ORCH_METRICS"
		done
		echo weights > "$ORCH_RUN_DIR/model.txt"
		echo "accuracy = 0.93"
	`), 0o600)
	dir := filepath.Join(work, "run")
	os.Mkdir(dir, 0o700)

	err = command.New().Train(context.Background(), &trainer.Run{
		Sweep: "example", ID: "4f2a", Name: "c=0.5", Config: config,
		Dir: dir, Workdir: work, Threads: 1, Log: os.Stdout, Metrics: printer{},
	})
	fmt.Println("end:", err)
	// Unordered output:
	// called with --c=0.5
	// accuracy = 0.93
	// step 1 loss 0.1
	// step 2 loss 0.2
	// result accuracy 0.93
	// result loss 0.2
	// end: <nil>
}
