package nn

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"orch/sweep/results"
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
	rate    func(update, total int64) float64
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
	Step   int   `json:"step"`   // batches of the current epoch done
	Update int64 `json:"update"` // parameter updates done

	LossSum float64 `json:"loss_sum"` // over the examples of this epoch
	Seen    int     `json:"seen"`     // examples of this epoch

	TrainLoss float64 `json:"train_loss"` // of the last finished epoch, as the next three
	ValLoss   float64 `json:"val_loss"`
	ValScore  float64 `json:"val_score"`
	BestEpoch int     `json:"best_epoch"` // 0: none yet
	BestLoss  float64 `json:"best_loss"`  // validation loss of the best epoch

	Seconds     float64 `json:"seconds"`      // of all attempts
	StepSeconds float64 `json:"step_seconds"` // of them, in training steps
	Samples     int64   `json:"samples"`      // trained on, with repetition
}

// newSession draws the split and the first parameters.
func newSession(p *Params, run *trainer.Run, src *data.Source) (*session, error) {
	s := &session{p: p, run: run, nets: map[netKey]*network{}, now: time.Now}
	s.design = design{model: &p.Model, image: src.All.Shape, goal: classify{src.All.Classes}, weights: &weights{seed: p.Seed}, gemm: &multiplier{threads: run.Threads}}
	var err error
	if s.parts, err = src.Split(rand.New(stream(p.Seed, "split")), p.Data.ValFraction, p.Data.TestFraction); err != nil {
		return nil, err
	}
	s.shuffle, s.rate = stream(p.Seed, "shuffle"), schedules[p.Training.Schedule]
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

// steps is the number of batches of an epoch, a smaller last one included.
func (s *session) steps() int { return (len(s.order) + s.batch() - 1) / s.batch() }

// train does what is left of the run and reports its results.
func (s *session) train(ctx context.Context) error {
	begin := s.now()
	before := s.pg.Seconds
	clock := func() { s.pg.Seconds = before + s.now().Sub(begin).Seconds() }
	s.saved = begin
	err := s.loop(ctx, clock)
	clock()
	if errors.Is(err, errLeave) {
		if err := s.save(); err != nil {
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
	for s.pg.Epoch < s.p.Training.Epochs {
		if err := s.epoch(ctx); err != nil {
			return err
		}
		if s.due() {
			clock()
			if err := s.save(); err != nil {
				// The results do not need it: a full disk costs work only if
				// the run is interrupted as well.
				fmt.Fprintf(s.run.Log, "no checkpoint after epoch %d: %v\n", s.pg.Epoch, err)
				s.saved = s.now()
			}
		}
	}
	if s.parts.Test.Len() == 0 {
		return nil
	}
	loss, score, err := s.evaluate(ctx, s.parts.Test)
	if err != nil {
		return err
	}
	if bad(loss) {
		return s.diverged("test.loss", loss)
	}
	fmt.Fprintf(s.run.Log, "test.loss %.4f  test.%s %.4f\n", loss, s.goal.score(), score)
	s.run.Metrics.Result("test."+s.goal.score(), score)
	return nil
}

// due says whether the end of this epoch is a time for a checkpoint.
func (s *session) due() bool {
	every, last := s.p.Training.CheckpointEvery, s.pg.Epoch == s.p.Training.Epochs
	switch {
	case every == 0:
		return false
	case every > 0:
		return last || s.pg.Epoch%every == 0
	}
	// A lost machine costs a minute of work at most, or an epoch where those
	// are longer; a run of seconds pays for one checkpoint.
	return last || s.now().Sub(s.saved) >= time.Minute
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
	rows := []row{{"train.loss", trainLoss}}
	better := true // without validation, the last is the best
	if s.parts.Val.Len() > 0 {
		loss, score, err := s.evaluate(ctx, s.parts.Val)
		if err != nil {
			return err
		}
		if bad(loss) {
			return s.diverged("val.loss", loss)
		}
		rows = append(rows, row{"val.loss", loss}, row{"val." + s.goal.score(), score})
		better = pg.BestEpoch == 0 || loss < pg.BestLoss
		pg.ValLoss, pg.ValScore = loss, score
	}
	pg.TrainLoss = trainLoss
	pg.Epoch, pg.Step, pg.LossSum, pg.Seen = pg.Epoch+1, 0, 0, 0
	if better {
		pg.BestEpoch, pg.BestLoss = pg.Epoch, pg.ValLoss
		s.keepBest()
	}
	line := fmt.Sprintf("epoch %d/%d", pg.Epoch, s.p.Training.Epochs)
	for _, r := range rows {
		s.run.Metrics.Log(pg.Update, r.name, r.value)
		line += fmt.Sprintf("  %s %.4f", r.name, r.value)
	}
	fmt.Fprintf(s.run.Log, "%s  (%.0f samples/s)\n", line, s.speed())
	return nil
}

type row struct {
	name  string
	value float64
}

func bad(x float64) bool { return math.IsNaN(x) || math.IsInf(x, 0) }

// step does one update.
func (s *session) step(steps int64) error {
	begin := s.now()
	pg, size := &s.pg, s.batch()
	from := pg.Step * size
	rows := s.order[from:min(from+size, len(s.order))]
	net, err := s.network(len(rows), true)
	if err != nil {
		return err
	}
	features, outputs := len(net.x)/net.batch, s.goal.outputs()
	for i, r := range rows {
		s.parts.Train.Row(net.x[i*features:(i+1)*features], int(r))
		s.goal.target(net.y[i*outputs:(i+1)*outputs], s.parts.Train, int(r))
	}
	if err := net.run(); err != nil {
		return fmt.Errorf("update %d: %w", pg.Update+1, err)
	}
	loss := net.lossValue()
	if bad(loss) {
		return s.diverged("train.loss", loss)
	}
	total := steps * int64(s.p.Training.Epochs)
	s.opt.begin(pg.Update+1, s.p.Training.LR*s.rate(pg.Update+1, total), 1)
	if err := s.opt.Step(net.grads); err != nil {
		return fmt.Errorf("update %d: %w", pg.Update+1, err)
	}
	pg.Step++
	pg.Update++
	pg.LossSum += loss * float64(len(rows))
	pg.Seen += len(rows)
	pg.Samples += int64(len(rows))
	pg.StepSeconds += s.now().Sub(begin).Seconds()
	if s.onStep != nil {
		s.onStep(pg.Update)
	}
	return nil
}

func (s *session) diverged(name string, value float64) error {
	return &trainer.Failure{Class: results.Diverged, Err: fmt.Errorf("%s is %v after %d updates (epoch %d): lower training.lr (now %v)",
		name, value, s.pg.Update, min(s.pg.Epoch+1, s.p.Training.Epochs), s.p.Training.LR)}
}

// evalBatch is large enough to keep the multiply busy. It changes no result:
// each row is computed by itself.
const evalBatch = 256

// evaluate returns the means of loss and score over a part.
func (s *session) evaluate(ctx context.Context, v data.View) (loss, score float64, err error) {
	net, err := s.network(min(evalBatch, v.Len()), false)
	if err != nil {
		return 0, 0, err
	}
	features, outputs := len(net.x)/net.batch, s.goal.outputs()
	for from := 0; from < v.Len(); from += net.batch {
		if err := s.leave(ctx); err != nil {
			return 0, 0, err
		}
		n := min(net.batch, v.Len()-from) // rows beyond n keep old images; nobody reads their output
		for i := range n {
			v.Row(net.x[i*features:(i+1)*features], from+i)
		}
		if err := net.run(); err != nil {
			return 0, 0, fmt.Errorf("evaluate: %w", err)
		}
		out := floats(net.out.Value())
		for i := range n {
			l, sc := s.goal.judge(out[i*outputs:(i+1)*outputs], v, from+i)
			loss += l
			score += sc
		}
	}
	return loss / float64(v.Len()), score / float64(v.Len()), nil
}

// report writes the results of a finished run.
func (s *session) report() {
	m := s.run.Metrics
	m.Result("train.loss", s.pg.TrainLoss)
	if s.parts.Val.Len() > 0 {
		m.Result("val."+s.goal.score(), s.pg.ValScore)
	}
	m.Result("seconds", s.pg.Seconds)
	m.Result("samples_per_second", s.speed())
}

// speed is samples per second of training steps.
func (s *session) speed() float64 {
	return float64(s.pg.Samples) / max(s.pg.StepSeconds, 1e-9)
}
