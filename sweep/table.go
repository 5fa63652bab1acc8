package sweep

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// The words of a [sweep] table that are no axes. An axis of such a name is
// written with a plus in front: "+samples" = [10, 20].
const (
	wordSeeds      = "seeds"
	wordZip        = "zip"
	wordExclude    = "exclude"
	wordInclude    = "include"
	wordSamples    = "samples"
	wordSampleSeed = "sample_seed"
)

var sweepWords = []string{wordSeeds, wordZip, wordExclude, wordInclude, wordSamples, wordSampleSeed}

// block is one [sweep] table as written: axes and what to do with them.
type block struct {
	axes             []*axis
	zip              [][]string
	exclude, include []override.Value // tables of conditions
	samples          int64            // 0: the whole grid
	sampleSeed       int64
	origin           compose.Origin
	options          func(group string) []string // for globs
}

func (b *block) axis(key string) *axis {
	for _, a := range b.axes {
		if a.key == key {
			return a
		}
	}
	return nil
}

// axis is a swept key: what it is set to, one value a run.
type axis struct {
	key    string            // dotted path, or group with its @package
	plus   bool              // written with a + in front
	typed  bool              // on the command line, or in the environment
	group  bool              // its values are options of a config group
	set    override.Override // what assigns a value, but for the value
	seq    sequence
	values []override.Value // seq's values, once the sweep is known to be small enough
	origin compose.Origin

	// composed axes need a composition for each of their values; the others
	// set one leaf of a config that is composed already.
	composed bool
}

// readBlocks reads the value of the top-level key `sweep`: a table, or an
// array of tables, whose runs follow each other.
func readBlocks(v override.Value, options func(string) []string, at func(path ...string) compose.Origin) ([]*block, error) {
	switch v.Kind() {
	case override.Null:
		return nil, nil
	case override.Map:
		b, err := readBlock(v, options, at)
		if err != nil {
			return nil, err
		}
		return []*block{b}, nil
	case override.List:
		var blocks []*block
		var errs []error
		for i, e := range v.List() {
			if e.Kind() != override.Map {
				errs = append(errs, fmt.Errorf("%s: element %d of `sweep` is a %s; write [[sweep]] tables", at(), i, e.Kind()))
				continue
			}
			b, err := readBlock(e, options, func(path ...string) compose.Origin { return at(append([]string{fmt.Sprint(i)}, path...)...) })
			if err != nil {
				errs = append(errs, err)
				continue
			}
			blocks = append(blocks, b)
		}
		return blocks, errors.Join(errs...)
	}
	return nil, fmt.Errorf("%s: `sweep` is a %s; write a table: [sweep]", at(), v.Kind())
}

func readBlock(v override.Value, options func(string) []string, at func(path ...string) compose.Origin) (*block, error) {
	b := &block{origin: at(), options: options}
	var errs []error
	for _, f := range v.Fields() {
		key := f.Key.Text()
		var err error
		if slices.Contains(sweepWords, key) {
			err = b.readWord(key, f.Val, at(key))
		} else {
			err = b.readAxis("", key, f.Val, []string{key}, at)
		}
		if err != nil {
			errs = append(errs, err)
		}
	}
	return b, errors.Join(errs...)
}

func (b *block) readWord(word string, v override.Value, at compose.Origin) error {
	bad := func(want string) error {
		return fmt.Errorf("%s: %s = %s: want %s; an axis of this name is written \"+%s\"", at, word, v.Text(), want, word)
	}
	switch word {
	case wordSeeds:
		seq := listSequence(v.List())
		if n, ok := v.Int(); ok && n > 0 {
			seq = countSequence(n)
		} else if v.Kind() != override.List || v.Len() == 0 {
			return bad("how many, such as seeds = 5 for the seeds 0 to 4, or a list of seeds")
		}
		return b.add(&axis{key: "seed", seq: seq, origin: at})
	case wordZip:
		groups := v.List()
		if len(groups) > 0 && groups[0].Kind() == override.String {
			groups = []override.Value{v}
		}
		for _, g := range groups {
			var keys []string
			for _, k := range g.List() {
				if s, ok := k.Str(); ok {
					keys = append(keys, s)
				}
			}
			if len(keys) < 2 || len(keys) != g.Len() {
				return bad(`axes that advance together, such as zip = ["model", "training.epochs"], or a list of such lists`)
			}
			b.zip = append(b.zip, keys)
		}
		if len(groups) == 0 {
			return bad(`a list of axes, such as zip = ["model", "training.epochs"]`)
		}
	case wordExclude, wordInclude:
		list := v.List()
		if v.Kind() == override.Map {
			list = []override.Value{v}
		}
		for _, e := range list {
			if e.Kind() != override.Map || e.Len() == 0 {
				return bad(`tables of axis = value, such as ` + word + ` = [{model = "net7", seed = [3, 4]}]`)
			}
		}
		if len(list) == 0 && v.Kind() != override.List {
			return bad("a list of tables")
		}
		if word == wordExclude {
			b.exclude = list
		} else {
			b.include = list
		}
	case wordSamples:
		n, ok := v.Int()
		if !ok || n < 1 {
			return bad("how many runs to draw, at least 1")
		}
		b.samples = n
	case wordSampleSeed:
		n, ok := v.Int()
		if !ok {
			return bad("an integer")
		}
		b.sampleSeed = n
	}
	return nil
}

// readAxis reads an axis, or a table of axes: [sweep.training] with lr = [...]
// is the axis training.lr.
func (b *block) readAxis(prefix, key string, v override.Value, path []string, at func(path ...string) compose.Origin) error {
	name := joinPath(prefix, key)
	if v.Kind() == override.Map {
		var errs []error
		for _, f := range v.Fields() {
			k := f.Key.Text()
			errs = append(errs, b.readAxis(name, k, f.Val, append(slices.Clone(path), k), at))
		}
		return errors.Join(errs...)
	}
	origin := at(path...)
	bare := strings.TrimLeft(name, "+")
	if bare == "" || strings.HasPrefix(bare, ".") || strings.HasSuffix(bare, ".") {
		return fmt.Errorf("%s: %q is no key", origin, name)
	}
	seq, err := axisSequence(v, bare, b.options)
	if err != nil {
		return fmt.Errorf("%s: axis %s: %w", origin, bare, err)
	}
	return b.add(&axis{key: bare, plus: bare != name, seq: seq, origin: origin})
}

func (b *block) add(a *axis) error {
	if have := b.axis(a.key); have != nil {
		return fmt.Errorf("%s: axis %s is there twice, first at %s: merge the two lists", a.origin, a.key, have.origin)
	}
	b.axes = append(b.axes, a)
	return nil
}
