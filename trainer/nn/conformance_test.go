package nn

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"orch/sweep/override"
	"orch/trainer"
	"orch/trainer/trainertest"
)

func TestConformance(t *testing.T) {
	trainertest.Run(t, trainertest.Suite{
		New:     func() trainer.Trainer { return New() },
		Config:  config(t, "training.epochs", 3, "training.lr", 0.01),
		Endless: config(t, "training.epochs", 1_000_000),
		Score:   "test.accuracy", AtLeast: 0.8,
		Bad: []override.Field{
			{Key: override.StringValue("training.lr"), Val: override.FloatValue(-1)},
			{Key: override.StringValue("training.lrate"), Val: override.FloatValue(1)},
			{Key: override.StringValue("model.layers"), Val: override.FloatValue(2.5)},
		},
		Volatile: []string{"seconds", "samples_per_second"},
		Leaves:   leaves,
	})
}

// leaves is all of the last checkpoint but its times.
func leaves(dir string) (string, error) {
	b, err := os.ReadFile(filepath.Join(dir, checkpointDir, lastFile))
	if err != nil {
		return "", err
	}
	c, err := decoded(b)
	if err != nil {
		return "", err
	}
	c.Progress.Seconds, c.Progress.StepSeconds = 0, 0
	return fmt.Sprintf("%+v %v %v", c.manifest, c.f32, c.u32), nil
}
