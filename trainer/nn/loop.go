package nn

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	G "gorgonia.org/gorgonia"

	"orch/sweep/results"
	"orch/trainer"
)

// train does what is left of the run and reports its results.
func (s *session) train(ctx context.Context) error {
	begin := s.now()
	before := s.pg.Seconds
	clock := func() { s.pg.Seconds = before + s.now().Sub(begin).Seconds() }
	s.saved = begin
	err := s.loop(ctx, clock)
	clock()
	if errors.Is(err, errLeave) {
		if err := s.save(true); err != nil {
			return fmt.Errorf("asked to leave, but the checkpoint could not be written: %w", err)
		}
		fmt.Fprintf(s.run.Log, "asked to leave: checkpoint after %d updates written\n", s.pg.Update)
		return trainer.ErrPreempted
	}
	if err != nil {
		return err
	}
	s.report()
	return nil
}

// errLeave says that Run.Stop was seen; the session is in a state to save.
var errLeave = errors.New("asked to leave")

// leave returns an error if it is time to go: [errLeave], or the context's end.
func (s *session) leave(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return &trainer.Failure{Class: results.Cancelled, Err: context.Cause(ctx)}
	case <-s.run.Stop:
		return errLeave
	default:
		return nil
	}
}

func (s *session) loop(ctx context.Context, clock func()) error {
	for !s.finished() {
		if err := s.epoch(ctx); err != nil {
			return err
		}
		clock()
		if !s.finished() && s.due() {
			s.trySave(true)
		}
	}
	if s.p.Training.CheckpointEvery != 0 {
		s.trySave(s.p.Training.CheckpointEvery > 0 || s.pg.Seconds >= autoLeast.Seconds())
	}
	if p := s.p.Training.Patience; p > 0 && s.pg.Stop.Waited >= p {
		fmt.Fprintf(s.run.Log, "stopped after %d of %d epochs: no lower validation loss for %d\n", s.pg.Epoch, s.p.Training.Epochs, p)
	}
	return s.test(ctx)
}

// finished says whether training is over.
func (s *session) finished() bool {
	t := &s.p.Training
	return s.pg.Epoch >= t.Epochs || t.Patience > 0 && s.pg.Stop.Waited >= t.Patience
}

// Without a number in the config, a lost machine costs a minute of work at
// most, or an epoch where those are longer. A run that is over leaves the best
// parameters; its last state too, unless repeating the run takes seconds.
const (
	autoEvery = time.Minute
	autoLeast = 10 * time.Second
)

// due says whether the end of this epoch is a time for a checkpoint.
func (s *session) due() bool {
	switch every := s.p.Training.CheckpointEvery; {
	case every == 0:
		return false
	case every > 0:
		return s.pg.Epoch%every == 0
	}
	return s.now().Sub(s.saved) >= autoEvery
}

// trySave is save where a failure is no reason to end: the results do not need
// a checkpoint, and a full disk costs work only if the run is interrupted as
// well.
func (s *session) trySave(last bool) {
	if err := s.save(last); err != nil {
		fmt.Fprintf(s.run.Log, "no checkpoint after epoch %d: %v\n", s.pg.Epoch, err)
		s.saved = s.now()
	}
}

// epoch does what is left of the current epoch, evaluates, and reports.
func (s *session) epoch(ctx context.Context) error {
	pg, steps := &s.pg, s.steps()
	for pg.Step < steps {
		if err := s.leave(ctx); err != nil {
			return err
		}
		if pg.Step == 0 {
			rand.New(s.shuffle).Shuffle(len(s.order), func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
		}
		if err := s.step(int64(steps)); err != nil {
			return err
		}
	}
	// Until the evaluation is through, the epoch counts as unfinished: who
	// leaves in between evaluates again.
	trainLoss := pg.LossSum / float64(pg.Seen)
	rows := []measure{{"train.loss", trainLoss}}
	better, valLoss := true, 0.0 // without validation, the last is the best
	if s.parts.Val.Len() > 0 {
		t, err := s.evaluate(ctx, s.parts.Val)
		if err != nil {
			return err
		}
		pg.Val = t.measures()
		valLoss = pg.Val[0].Value
		if bad(valLoss) {
			return s.diverged("val.loss", valLoss)
		}
		for _, m := range pg.Val {
			rows = append(rows, measure{"val." + m.Name, m.Value})
		}
		better = pg.BestEpoch == 0 || valLoss < pg.BestLoss
		pg.Stop.see(valLoss, s.p.Training.MinDelta)
		if pg.Plateau.see(valLoss, s.p.Training.MinDelta); pg.Plateau.Waited >= s.p.Training.LRPatience {
			pg.Plateau.Waited = 0
			pg.Reductions++
		}
	}
	pg.TrainLoss = trainLoss
	pg.Epoch, pg.Step, pg.LossSum, pg.Seen = pg.Epoch+1, 0, 0, 0
	if better {
		pg.BestEpoch, pg.BestLoss = pg.Epoch, valLoss
		s.keepBest()
	}
	line := fmt.Sprintf("epoch %d/%d", pg.Epoch, s.p.Training.Epochs)
	for _, r := range rows {
		s.run.Metrics.Log(pg.Update, r.Name, r.Value)
		line += fmt.Sprintf("  %s %.4f", r.Name, r.Value)
	}
	fmt.Fprintf(s.run.Log, "%s  (%.0f samples/s)\n", line, s.speed())
	return nil
}

func bad(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// step does one update, of which an epoch has steps.
func (s *session) step(steps int64) error {
	begin := s.now()
	pg, t := &s.pg, &s.p.Training
	from := pg.Step * s.perUpdate()
	rows := s.order[from:min(from+s.perUpdate(), len(s.order))]
	grads, scale, err := s.gradients(rows)
	if err != nil {
		return err
	}
	if t.ClipNorm > 0 {
		n, err := norm(grads)
		if err != nil {
			return err
		}
		if n *= scale; n > t.ClipNorm {
			scale *= t.ClipNorm / n
		}
	}
	factor := schedules[t.Schedule](t, moment{update: pg.Update + 1, total: steps * int64(t.Epochs), epoch: pg.Epoch, reductions: pg.Reductions})
	s.opt.begin(pg.Update+1, t.LR*factor, scale)
	if err := s.opt.Step(grads); err != nil {
		return fmt.Errorf("update %d: %w", pg.Update+1, err)
	}
	pg.Step++
	pg.Update++
	pg.Seen += len(rows)
	pg.Samples += int64(len(rows))
	pg.StepSeconds += s.now().Sub(begin).Seconds()
	if s.onStep != nil {
		s.onStep(pg.Update)
	}
	return nil
}

// gradients sends examples through the network, batch by batch. The gradients
// of their mean loss are those returned, times scale.
func (s *session) gradients(rows []uint32) (grads []G.ValueGrad, scale float64, err error) {
	single := len(rows) <= s.batch()
	if !single {
		s.sum.reset(s.weights)
	}
	for from := 0; from < len(rows); from += s.batch() {
		batch := rows[from:min(from+s.batch(), len(rows))]
		net, err := s.network(len(batch), true)
		if err != nil {
			return nil, 0, err
		}
		features, outputs := len(net.x)/net.batch, s.goal.outputs()
		for i, r := range batch {
			s.parts.Train.Row(net.x[i*features:(i+1)*features], int(r))
			s.goal.target(net.y[i*outputs:(i+1)*outputs], s.parts.Train, int(r))
		}
		if err := net.run(); err != nil {
			return nil, 0, fmt.Errorf("update %d: %w", s.pg.Update+1, err)
		}
		loss := net.lossValue()
		if bad(loss) {
			return nil, 0, s.diverged("train.loss", loss)
		}
		s.pg.LossSum += loss * float64(len(batch))
		if single {
			return net.grads, 1, nil
		}
		if err := s.sum.add(net.grads, len(batch)); err != nil {
			return nil, 0, err
		}
	}
	return s.sum.pairs, 1 / float64(len(rows)), nil
}

func (s *session) diverged(name string, value float64) error {
	return &trainer.Failure{Class: results.Diverged, Err: fmt.Errorf("%s is %v after %d updates (epoch %d): lower training.lr (now %v)",
		name, value, s.pg.Update, min(s.pg.Epoch+1, s.p.Training.Epochs), s.p.Training.LR)}
}
