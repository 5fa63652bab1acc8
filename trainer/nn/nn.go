package nn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
	"orch/trainer/data"
)

// Trainer trains neural networks. The zero value is ready to use, by several
// goroutines at once.
type Trainer struct {
	onStep func(update int64) // tests: called after each update
	now    func() time.Time   // tests: nil is time.Now
}

var _ trainer.Evaluator = (*Trainer)(nil)

// New returns the trainer.
func New() *Trainer { return new(Trainer) }

// Name implements [trainer.Trainer].
func (*Trainer) Name() string { return "nn" }

// Check implements [trainer.Trainer].
func (*Trainer) Check(config override.Value) []error {
	_, errs := parse(config)
	return errs
}

// Keys lists the parameters, for completion and documentation.
func Keys() []trainer.Key {
	p := Default()
	return trainer.Keys(&p)
}

// DataOf returns where a run with this config loads its data from; ok is false if
// the config is none of this trainer's. Dir is relative to workdir.
func DataOf(config override.Value, workdir string) (s data.Spec, ok bool) {
	p, errs := parse(config)
	if len(errs) > 0 {
		return s, false
	}
	return p.Data.spec(workdir), true
}

// Train implements [trainer.Trainer]; the package comment says what it
// reports. Large products are split over r.Threads threads, which changes no
// bit of the results.
func (t *Trainer) Train(ctx context.Context, r *trainer.Run) error {
	s, err := t.session(r)
	if err != nil {
		return err
	}
	p := s.p
	fmt.Fprintf(r.Log, "nn: %s on %s: %d examples to train, %d to validate, %d to test; %d parameters; seed %d; %s\n",
		cmp.Or(p.Model.Name, string(p.Model.Kind)), p.Data.Name, s.parts.Train.Len(), s.parts.Val.Len(), s.parts.Test.Len(),
		s.weights.count(), p.Seed, s.backend())
	if r.Resume != "" {
		s.resume(r.Resume)
	}
	return s.train(ctx)
}

// Evaluate implements [trainer.Evaluator]: test.loss and the scores, and
// confusion.csv in r.Dir.
func (t *Trainer) Evaluate(ctx context.Context, r *trainer.Run, file string) error {
	switch file {
	case "best":
		file = filepath.Join(r.Resume, checkpointDir, bestFile)
	case "last":
		file = filepath.Join(r.Resume, checkpointDir, lastFile)
	}
	s, err := t.session(r)
	if err != nil {
		return err
	}
	if s.parts.Test.Len() == 0 {
		return setup(errors.New("no examples to test on: set data.test_fraction above 0"))
	}
	if err := s.load(file); err != nil {
		return setup(err)
	}
	s.p.Training.Evaluate = "last" // which now are the file's
	return s.test(ctx)
}

func setup(err error) error { return &trainer.Failure{Class: results.BadSetup, Err: err} }

// session prepares an attempt: its data, and its first parameters.
func (t *Trainer) session(r *trainer.Run) (*session, error) {
	p, errs := parse(r.Config)
	if len(errs) > 0 {
		return nil, setup(errors.Join(errs...))
	}
	src, err := data.Load(p.Data.spec(r.Workdir))
	if err != nil {
		return nil, setup(err)
	}
	gpu, err := gpuFor(r)
	if err != nil {
		return nil, setup(err)
	}
	s, err := newSession(&p, r, src)
	if err != nil {
		return nil, setup(err)
	}
	s.gemm.gpu = gpu
	s.onStep = t.onStep
	if t.now != nil {
		s.now = t.now
	}
	return s, nil
}
