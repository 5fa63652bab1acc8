package nn

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
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

// decisive returns the parameters without those that change no result.
func (p Params) decisive() Params {
	p.Data.Dir, p.Training.CheckpointEvery, p.Training.Confusion = "", 0, false
	return p
}

// fingerprint is what a checkpoint says of the parameters that decide the
// results: a checkpoint of another one is of another run.
func (p *Params) fingerprint() json.RawMessage {
	b, err := json.Marshal(p.decisive())
	if err != nil {
		panic(err) // numbers and strings always encode; Check refuses NaN
	}
	return b
}

// differences lists the keys of two structs of parameters in which they
// differ, with both values.
func differences(prefix string, is, want reflect.Value) []string {
	var all []string
	for i := range is.NumField() {
		name, _, _ := strings.Cut(is.Type().Field(i).Tag.Get("param"), ",")
		a, b := is.Field(i), want.Field(i)
		switch {
		case a.Kind() == reflect.Struct:
			all = append(all, differences(prefix+name+".", a, b)...)
		case !reflect.DeepEqual(a.Interface(), b.Interface()):
			all = append(all, fmt.Sprintf("%s%s is %.40v, here %.40v", prefix, name, fmt.Sprint(a), fmt.Sprint(b)))
		}
	}
	return all
}

// checkConfig checks that a checkpoint was made with these parameters.
func (m *manifest) checkConfig(want Params, but func(*Params)) error {
	var is Params
	if err := json.Unmarshal(m.Config, &is); err != nil {
		return fmt.Errorf("its config: %w", err)
	}
	is, want = is.decisive(), want.decisive()
	but(&is)
	but(&want)
	if d := differences("", reflect.ValueOf(is), reflect.ValueOf(want)); len(d) > 0 {
		return fmt.Errorf("is of another config: %s", strings.Join(d, "; "))
	}
	return nil
}

func (s *session) manifest() manifest {
	return manifest{Config: s.p.fingerprint(), Arithmetic: Arithmetic(s.backend()), Progress: s.pg}
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
	c, err := readCheckpoint(file, s.fits)
	if errors.Is(err, fs.ErrNotExist) {
		file = filepath.Join(dir, checkpointDir, lastFile)
		c, err = readCheckpoint(file, s.fits)
	}
	if err == nil && !c.permutes(len(s.order)) {
		err = fmt.Errorf("%s: its order of examples leaves some out", file)
	}
	if err != nil {
		log("cannot resume, starting over: %v", err)
		return
	}
	if here := Arithmetic(s.backend()); c.Arithmetic != here {
		log("the checkpoint was computed by %.100s, this is %s: last bits may differ from an uninterrupted run", c.Arithmetic, here)
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

// maxExamples bounds the order of examples in a checkpoint that is only
// evaluated, whose number nobody else knows: a quarter of a gigabyte.
const maxExamples = 1 << 26

// load takes the parameters, and nothing else, from a checkpoint file. It must
// be of the same model on the same data with the same seed, which decides what
// the model was not trained on; how it was trained may differ.
func (s *session) load(file string) error {
	c, err := readCheckpoint(file, func(m *manifest) error {
		if err := m.checkConfig(*s.p, func(p *Params) { p.Training = Training{} }); err != nil {
			return err
		}
		size := 0
		for _, b := range m.Blocks {
			size += b.Len
		}
		// Parameters, the best ones, and at most two moments.
		if most := 4*s.weights.count() + maxExamples; size > most {
			return fmt.Errorf("holds %d numbers, a run of this model at most %d", size, most)
		}
		for _, w := range s.weights.list {
			if got := m.elements("weight/"+w.name, "f32"); got != len(w.data) {
				return fmt.Errorf("has %d numbers for %q, the model of this config %d", got, w.name, len(w.data))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, w := range s.weights.list {
		copy(w.data, c.f32["weight/"+w.name])
	}
	return nil
}

// elements returns the length of a block, 0 if there is none of this name and
// type.
func (m *manifest) elements(name, kind string) int {
	for _, b := range m.Blocks {
		if b.Name == name && b.Type == kind {
			return b.Len
		}
	}
	return 0
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
func (m *manifest) stream(purpose string) []byte {
	if purpose == "shuffle" {
		return m.Shuffle
	}
	return m.Noise[purpose]
}

// fits checks that a checkpoint belongs to this run and is complete.
func (s *session) fits(c *manifest) error {
	if err := c.checkConfig(*s.p, func(*Params) {}); err != nil {
		return err
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
	want := []blockInfo{{"order", "u32", len(s.order)}}
	for _, w := range s.weights.list {
		want = append(want, blockInfo{"weight/" + w.name, "f32", len(w.data)})
		if pg.BestEpoch > 0 {
			want = append(want, blockInfo{"best/" + w.name, "f32", len(w.data)})
		}
		for _, sl := range s.opt.slots() {
			want = append(want, blockInfo{sl.name + "/" + w.name, "f32", len(w.data)})
		}
	}
	for _, b := range want {
		if got := c.elements(b.Name, b.Type); got != b.Len {
			return fmt.Errorf("block %q has %d elements, want %d", b.Name, got, b.Len)
		}
	}
	if len(c.Blocks) != len(want) { // more would be memory that nobody needs
		return fmt.Errorf("has %d blocks, want %d", len(c.Blocks), len(want))
	}
	return nil
}

// permutes reports whether the order names each of n examples once.
func (c *checkpoint) permutes(n int) bool {
	sorted := slices.Sorted(slices.Values(c.u32["order"]))
	for i, r := range sorted {
		if r != uint32(i) {
			return false
		}
	}
	return len(sorted) == n
}
