package nn

import (
	"context"
	"fmt"
	"io"
	"os"

	"orch/trainer/data"
)

// evalBatch is large enough to keep the multiply busy. It changes no result:
// each row is computed by itself.
const evalBatch = 256

// evaluate judges the parameters on a part, which has at least one example.
func (s *session) evaluate(ctx context.Context, v data.View) (tally, error) {
	net, err := s.network(min(evalBatch, v.Len()), false)
	if err != nil {
		return nil, err
	}
	features, outputs := len(net.x)/net.batch, s.goal.outputs()
	t := s.goal.tally()
	for from := 0; from < v.Len(); from += net.batch {
		if err := s.leave(ctx); err != nil {
			return nil, err
		}
		n := min(net.batch, v.Len()-from) // rows beyond n keep old images; nobody reads their output
		for i := range n {
			v.Row(net.x[i*features:(i+1)*features], from+i)
		}
		if err := net.run(); err != nil {
			return nil, fmt.Errorf("evaluate: %w", err)
		}
		out := floats(net.out.Value())
		for i := range n {
			t.add(out[i*outputs:(i+1)*outputs], v, from+i)
		}
	}
	return t, nil
}

// test evaluates on the test part, if there is one, and reports the result.
func (s *session) test(ctx context.Context) error {
	if s.parts.Test.Len() == 0 {
		return nil
	}
	if s.p.Training.Evaluate == "best" {
		// A checkpoint may still be asked for: it has the last parameters.
		s.swapBest()
		defer s.swapBest()
	}
	t, err := s.evaluate(ctx, s.parts.Test)
	if err != nil {
		return err
	}
	all := t.measures()
	if loss := all[0].Value; bad(loss) {
		return s.diverged("test.loss", loss)
	}
	line := ""
	for _, m := range all {
		s.run.Metrics.Result("test."+m.Name, m.Value)
		line += fmt.Sprintf("  test.%s %.4f", m.Name, m.Value)
	}
	fmt.Fprintln(s.run.Log, line[2:])
	if c, ok := t.(*confusion); ok && s.p.Training.Confusion {
		if err := s.publish("confusion.csv", func(w io.Writer) error { return c.write(w, s.parts.Test.Names) }); err != nil {
			fmt.Fprintf(s.run.Log, "no confusion.csv: %v\n", err)
		}
	}
	return nil
}

// publish writes a file of the run's folder. A run that is cut off here is
// attempted again in another folder, so the file need not appear whole.
func (s *session) publish(name string, write func(io.Writer) error) error {
	root, err := os.OpenRoot(s.run.Dir)
	if err != nil {
		return err
	}
	defer root.Close()
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = write(f)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}

// swapBest exchanges the parameters with the best so far.
func (s *session) swapBest() {
	for i, w := range s.weights.list {
		for j, x := range s.best[i] {
			s.best[i][j], w.data[j] = w.data[j], x
		}
	}
}

// report writes the results of a finished run; those of the test are written.
func (s *session) report() {
	m := s.run.Metrics
	m.Result("train.loss", s.pg.TrainLoss)
	for _, v := range s.pg.Val {
		m.Result("val."+v.Name, v.Value)
	}
	if s.p.Training.Patience > 0 {
		m.Result("epochs", float64(s.pg.Epoch))
	}
	m.Result("seconds", s.pg.Seconds)
	m.Result("samples_per_second", s.speed())
}

// speed is samples per second of training steps.
func (s *session) speed() float64 {
	return float64(s.pg.Samples) / max(s.pg.StepSeconds, 1e-9)
}
