package nn

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"orch/sweep/override"
	"orch/trainer"
)

// resumeCases cover everything that a run remembers from one update to the
// next: moments, order, schedules, patience, streams of dropout, the best
// parameters. Each is 4 to 12 updates long.
var resumeCases = []struct {
	name  string
	pairs []any
}{
	// 1258 examples in batches of 500, the last one smaller: 3 updates an epoch.
	{"adam, cosine", []any{"training.optimizer", "adam", "training.schedule", "cosine"}},
	{"sgd with momentum", []any{"training.optimizer", "sgd"}},
	{"sgd without momentum, step", []any{"training.optimizer", "sgd", "training.momentum", 0, "training.schedule", "step", "training.lr_every", 1}},
	{"adamw, clipping, accumulation", []any{"training.optimizer", "adamw", "training.weight_decay", 0.1, "training.clip_norm", 0.05,
		"training.batch", 300, "training.accumulate", 2, "training.epochs", 3}},
	{"dropout, plateau, early stop, best", []any{"model.layers", 3, "model.dropout", 0.5, "training.schedule", "plateau", "training.lr_patience", 1,
		"training.patience", 2, "training.min_delta", 0.02, "training.epochs", 6, "training.evaluate", "best", "training.lr", 0.05, "training.batch", 700}},
	{"cnn with dropout", []any{"model.kind", "cnn", "model.channels", []any{2, 3}, "model.dropout", 0.3, "data.train_samples", 200, "training.batch", 150}},
	{"cnn_seed", []any{"model.kind", "cnn_seed", "model.channels", []any{2, 2}, "model.dropout", 0.3, "data.train_samples", 200, "training.batch", 150}},
	{"standardised", []any{"data.normalize", "standard"}},
}

// TestResumeAtEveryStep stops a run after each of its updates in turn: the
// resumed run must end with the bits of the uninterrupted one.
func TestResumeAtEveryStep(t *testing.T) {
	for _, tt := range resumeCases {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := config(t, append([]any{"training.batch", 500, "training.lr", 0.01}, tt.pairs...)...)
			updates := int64(0)
			whole, want := attempt(t, c)
			if err := (&Trainer{onStep: func(u int64) { updates = u }}).Train(context.Background(), whole); err != nil {
				t.Fatal(err)
			}
			if len(want.ckpts) != 1 || want.ckpts[0] != fmt.Sprintf("%d ckpt/last.ckpt", updates) {
				t.Fatalf("checkpoints = %v, want one at the end", want.ckpts)
			}
			if updates < 4 || updates > 12 {
				t.Fatalf("%d updates, want 4 to 12", updates)
			}
			for update := int64(1); update <= updates; update++ {
				if testing.Short() && update%2 == 0 && update < updates {
					continue
				}
				stopAndResume(t, c, update, whole, want)
			}
		})
	}
}

// TestResumeEveryCombination stops one run of each optimiser with each schedule,
// with and without early stopping, accumulation and dropout, at one update in
// the middle of an epoch or at its end.
func TestResumeEveryCombination(t *testing.T) {
	every := 1
	if testing.Short() || race {
		every = 5 // which is prime to all factors: each value occurs with each other
	}
	n := 0
	for _, optimizer := range OptimizerName("").Choices() {
		for _, schedule := range ScheduleName("").Choices() {
			for _, patience := range []int{0, 2} {
				for _, accumulate := range []int{1, 2} {
					for _, dropout := range []float64{0, 0.3} {
						if n++; n%every != 0 {
							continue
						}
						update := int64(1 + n%6)
						name := fmt.Sprintf("%s %s patience %d accumulate %d dropout %v update %d", optimizer, schedule, patience, accumulate, dropout, update)
						t.Run(name, func(t *testing.T) {
							t.Parallel()
							c := config(t, "training.optimizer", optimizer, "training.schedule", schedule, "training.patience", patience,
								"training.accumulate", accumulate, "model.dropout", dropout, "training.weight_decay", 0.01, "training.lr", 0.03,
								"training.lr_every", 1, "training.lr_patience", 1, "training.min_delta", 0.05, "training.epochs", 4,
								"training.evaluate", "best", "data.train_samples", 330, "training.batch", 110/accumulate, "training.clip_norm", 2)
							whole, want := attempt(t, c)
							if err := New().Train(context.Background(), whole); err != nil {
								t.Fatal(err)
							}
							stopAndResume(t, c, update, whole, want)
						})
					}
				}
			}
		}
	}
	if want := 96; n != want {
		t.Errorf("%d combinations, want %d: there is a new optimiser or schedule", n, want)
	}
}

// stopAndResume stops a run after an update and compares the resumed run with
// the uninterrupted one.
func stopAndResume(t *testing.T, c override.Value, update int64, whole *trainer.Run, want *record) {
	t.Helper()
	first, got := attempt(t, c)
	stop := make(chan struct{})
	first.Stop = stop
	tr := &Trainer{onStep: func(u int64) {
		if u == update {
			close(stop)
		}
	}}
	if err := tr.Train(context.Background(), first); !errors.Is(err, trainer.ErrPreempted) {
		t.Fatalf("stopped after update %d: Train = %v, want ErrPreempted", update, err)
	}
	if n := len(got.ckpts); n != 1 || got.ckpts[0] != fmt.Sprintf("%d ckpt/last.ckpt", update) {
		t.Fatalf("stopped after update %d: checkpoints = %v", update, got.ckpts)
	}
	second, rest := attempt(t, c)
	second.Resume = first.Dir
	if update%2 == 0 { // both readings of "folder" work
		second.Resume = filepath.Join(first.Dir, "ckpt")
	}
	var log bytes.Buffer
	second.Log = &log
	if err := New().Train(context.Background(), second); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("resumed after %d updates", update); !strings.Contains(log.String(), want) {
		t.Errorf("log has no %q:\n%s", want, &log)
	}
	if got, want := weightsOf(t, second), weightsOf(t, whole); got != want {
		t.Errorf("stopped after update %d: parameters %s, uninterrupted %s", update, got, want)
	}
	if got, want := fmt.Sprint(append(got.rows, rest.rows...)), fmt.Sprint(want.rows); got != want {
		t.Errorf("stopped after update %d: series\n got %s\nwant %s", update, got, want)
	}
	for name, want := range want.results {
		if got, ok := rest.results[name]; name != "seconds" && name != "samples_per_second" && (!ok || got != want) {
			t.Errorf("stopped after update %d: %s = %v, want %v", update, name, got, want)
		}
	}
	for _, file := range []string{"ckpt/best.ckpt", "confusion.csv"} {
		got, err := os.ReadFile(filepath.Join(second.Dir, file))
		if err != nil {
			t.Errorf("stopped after update %d: %v", update, err)
			continue
		}
		if want, _ := os.ReadFile(filepath.Join(whole.Dir, file)); file == "confusion.csv" && !bytes.Equal(got, want) {
			t.Errorf("stopped after update %d: %s\n%s\nwant\n%s", update, file, got, want)
		}
	}
}
