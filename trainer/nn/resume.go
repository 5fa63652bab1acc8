package nn

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// keepBest remembers the parameters as the best so far.
func (s *session) keepBest() {
	if s.best == nil {
		s.best = make([][]float32, len(s.weights.list))
	}
	for i, w := range s.weights.list {
		s.best[i] = append(s.best[i][:0], w.data...)
	}
	s.fresh = true
}

// fingerprint is the part of the parameters that decides the results: a
// checkpoint of another one is of another run.
func (p *Params) fingerprint() json.RawMessage {
	q := *p
	q.Data.Dir, q.Training.CheckpointEvery, q.Training.Confusion = "", 0, false
	b, err := json.Marshal(&q)
	if err != nil {
		panic(err) // numbers and strings always encode; Check refuses NaN
	}
	return b
}

func (s *session) manifest() manifest {
	return manifest{Config: s.p.fingerprint(), Arithmetic: arithmetic, Progress: s.pg}
}

// save writes last.ckpt if last is set, and best.ckpt if there is a better one
// than on disk. It tells the run of a last.ckpt when both are safe.
func (s *session) save(last bool) error {
	files := map[string]*checkpoint{}
	if s.fresh {
		best := &checkpoint{manifest: s.manifest()}
		for i, w := range s.weights.list {
			best.addFloats("weight/"+w.name, s.best[i])
		}
		files[bestFile] = best
	}
	if last {
		var err error
		if files[lastFile], err = s.state(); err != nil {
			return err
		}
	}
	if err := writeCheckpoints(s.run.Dir, files); err != nil {
		return err
	}
	s.fresh = false
	if last {
		s.saved = s.now()
		s.run.Metrics.Checkpoint(s.pg.Update, path.Join(checkpointDir, lastFile))
	}
	return nil
}

// state returns all that the rest of the run depends on.
func (s *session) state() (*checkpoint, error) {
	last := &checkpoint{manifest: s.manifest()}
	if err := s.streams(func(purpose string, pcg *rand.PCG) error {
		state, err := pcg.MarshalBinary()
		if purpose == "shuffle" {
			last.Shuffle = state
			return err
		}
		if last.Noise == nil {
			last.Noise = map[string][]byte{}
		}
		last.Noise[purpose] = state
		return err
	}); err != nil {
		return nil, err
	}
	last.addInts("order", s.order)
	for i, w := range s.weights.list {
		last.addFloats("weight/"+w.name, w.data)
		if s.best != nil {
			last.addFloats("best/"+w.name, s.best[i])
		}
		for _, sl := range s.opt.slots() {
			last.addFloats(sl.name+"/"+w.name, sl.data[i])
		}
	}
	return last, nil
}

// resume continues from the last checkpoint in dir, which is an attempt's
// folder or its ckpt folder. What cannot be used is reported in the log, and
// the run starts over: that costs time, never correctness.
func (s *session) resume(dir string) {
	log := func(format string, args ...any) { fmt.Fprintf(s.run.Log, format+"\n", args...) }
	file := filepath.Join(dir, lastFile)
	b, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		file = filepath.Join(dir, checkpointDir, lastFile)
		b, err = os.ReadFile(file)
	}
	var c *checkpoint
	if err == nil {
		if c, err = decodeCheckpoint(b); err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		} else if err = s.fits(c); err != nil {
			err = fmt.Errorf("%s: %w", file, err)
		}
	}
	if err != nil {
		log("cannot resume, starting over: %v", err)
		return
	}
	if c.Arithmetic != arithmetic {
		log("the checkpoint was computed by %s, this is %s: last bits may differ from an uninterrupted run", c.Arithmetic, arithmetic)
	}
	s.pg = c.Progress
	s.streams(func(purpose string, pcg *rand.PCG) error { return pcg.UnmarshalBinary(c.stream(purpose)) }) // fits has tried
	copy(s.order, c.u32["order"])
	for i, w := range s.weights.list {
		copy(w.data, c.f32["weight/"+w.name])
		for _, sl := range s.opt.slots() {
			copy(sl.data[i], c.f32[sl.name+"/"+w.name])
		}
	}
	if s.pg.BestEpoch > 0 {
		s.best = make([][]float32, len(s.weights.list))
		for i, w := range s.weights.list {
			s.best[i] = c.f32["best/"+w.name]
		}
		s.fresh = true // its file lies in the earlier attempt's folder
	}
	log("resumed after %d updates (epoch %d, step %d) from %s", s.pg.Update, s.pg.Epoch+1, s.pg.Step, file)
}

// load takes the parameters, and nothing else, from a checkpoint file.
func (s *session) load(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	c, err := decodeCheckpoint(b)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	for _, w := range s.weights.list {
		x := c.f32["weight/"+w.name]
		if len(x) != len(w.data) {
			return fmt.Errorf("%s: has %d numbers for %q, the model of this config %d", file, len(x), w.name, len(w.data))
		}
		copy(w.data, x)
	}
	return nil
}

// streams calls f for every stream whose state is part of the run's.
func (s *session) streams(f func(purpose string, pcg *rand.PCG) error) error {
	err := f("shuffle", s.shuffle)
	for purpose, pcg := range s.weights.noises {
		if err == nil {
			err = f(purpose, pcg)
		}
	}
	return err
}

// stream returns the state of a stream.
func (c *checkpoint) stream(purpose string) []byte {
	if purpose == "shuffle" {
		return c.Shuffle
	}
	return c.Noise[purpose]
}

// fits checks that a checkpoint belongs to this run and is complete.
func (s *session) fits(c *checkpoint) error {
	if want := s.p.fingerprint(); !bytes.Equal(c.Config, want) {
		return fmt.Errorf("is of another config: %s, want %s", c.Config, want)
	}
	pg := c.Progress
	if pg.Epoch < 0 || pg.Epoch > s.p.Training.Epochs || pg.Step < 0 || pg.Step > s.steps() || pg.Update != int64(pg.Epoch)*int64(s.steps())+int64(pg.Step) {
		return fmt.Errorf("stands at epoch %d, step %d, update %d, which this run never does", pg.Epoch, pg.Step, pg.Update)
	}
	if err := s.streams(func(purpose string, _ *rand.PCG) error {
		if err := new(rand.PCG).UnmarshalBinary(c.stream(purpose)); err != nil {
			return fmt.Errorf("state of the stream %q: %w", purpose, err)
		}
		return nil
	}); err != nil {
		return err
	}
	sorted := slices.Sorted(slices.Values(c.u32["order"]))
	if len(sorted) != len(s.order) {
		return fmt.Errorf("orders %d examples, want %d", len(sorted), len(s.order))
	}
	for i, r := range sorted {
		if r != uint32(i) {
			return errors.New("its order of examples leaves some out")
		}
	}
	for _, w := range s.weights.list {
		names := []string{"weight/" + w.name}
		if pg.BestEpoch > 0 {
			names = append(names, "best/"+w.name)
		}
		for _, sl := range s.opt.slots() {
			names = append(names, sl.name+"/"+w.name)
		}
		for _, name := range names {
			if got := len(c.f32[name]); got != len(w.data) {
				return fmt.Errorf("block %q has %d elements, want %d", name, got, len(w.data))
			}
		}
	}
	return nil
}
