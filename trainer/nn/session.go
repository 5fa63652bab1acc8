package nn

import (
	"fmt"
	"math/rand/v2"
	"time"

	"orch/trainer"
	"orch/trainer/data"
)

// session is one attempt while it trains.
type session struct {
	p     *Params
	run   *trainer.Run
	parts data.Parts
	design
	opt     optimizer
	sum     accumulator
	nets    map[netKey]*network
	shuffle *rand.PCG
	order   []uint32 // of the training examples in this epoch
	best    [][]float32
	pg      progress
	saved   time.Time // when the last checkpoint was written, or the attempt began
	fresh   bool      // best changed since best.ckpt was written
	now     func() time.Time
	onStep  func(update int64)
}

// progress is where a run stands; with parameters, moments, order and the
// shuffle's state it decides the rest. It is saved in every checkpoint.
type progress struct {
	Epoch  int   `json:"epoch"`  // epochs finished, with their evaluation
	Step   int   `json:"step"`   // updates of the current epoch done
	Update int64 `json:"update"` // parameter updates done

	LossSum float64 `json:"loss_sum"` // over the examples of this epoch
	Seen    int     `json:"seen"`     // examples of this epoch

	TrainLoss float64   `json:"train_loss"` // of the last finished epoch
	Val       []measure `json:"val"`        // likewise; empty without validation
	BestEpoch int       `json:"best_epoch"` // 0: none yet
	BestLoss  float64   `json:"best_loss"`  // validation loss of the best epoch

	Stop       patience `json:"stop"`       // for Training.Patience
	Plateau    patience `json:"plateau"`    // for Training.LRPatience
	Reductions int      `json:"reductions"` // of the learning rate by it

	Seconds     float64 `json:"seconds"`      // of all attempts
	StepSeconds float64 `json:"step_seconds"` // of them, in training steps
	Samples     int64   `json:"samples"`      // trained on, with repetition
}

// newSession draws the split and the first parameters.
func newSession(p *Params, run *trainer.Run, src *data.Source) (*session, error) {
	s := &session{p: p, run: run, nets: map[netKey]*network{}, now: time.Now}
	var err error
	if s.parts, err = src.Split(rand.New(stream(p.Seed, "split")), p.Data.ValFraction, p.Data.TestFraction); err != nil {
		return nil, err
	}
	train := &s.parts.Train
	switch n := p.Data.TrainSamples; {
	case n > train.Len():
		return nil, fmt.Errorf("data.train_samples is %d, but only %d examples are there to train on", n, train.Len())
	case n > 0:
		train.Rows = train.Rows[:n]
	}
	if p.Data.Normalize == "standard" || p.Data.Normalize == "auto" && p.Data.Name == "csv" {
		s.parts.Normalize()
	}
	s.design = design{model: &p.Model, goal: objectiveOf(*train), image: src.All.Shape, weights: &weights{seed: p.Seed}, gemm: &multiplier{threads: run.Threads}}
	s.shuffle = stream(p.Seed, "shuffle")
	s.order = make([]uint32, s.parts.Train.Len())
	for i := range s.order {
		s.order[i] = uint32(i)
	}
	// The first graph makes the weights.
	if _, err = s.network(s.batch(), true); err != nil {
		return nil, err
	}
	s.opt = optimizers[p.Training.Optimizer](&p.Training, s.weights)
	return s, nil
}

type netKey struct {
	batch    int
	withLoss bool
}

// network returns the graph for a batch size, built at its first use.
func (s *session) network(batch int, withLoss bool) (*network, error) {
	key := netKey{batch, withLoss}
	if n := s.nets[key]; n != nil {
		return n, nil
	}
	n, err := s.design.network(batch, withLoss)
	if err == nil {
		s.nets[key] = n
	}
	return n, err
}

// batch is the size of a full batch.
func (s *session) batch() int { return min(s.p.Training.Batch, len(s.order)) }

// perUpdate is the number of examples that a full update takes.
func (s *session) perUpdate() int { return s.batch() * s.p.Training.Accumulate }

// steps is the number of updates of an epoch, a smaller last one included.
func (s *session) steps() int { return (len(s.order) + s.perUpdate() - 1) / s.perUpdate() }
