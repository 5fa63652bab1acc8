package sweep

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// pending is a block before its values are made.
type pending struct {
	*block
	dims  *layout
	args  []arg  // fixed overrides that are not axes of the block
	table string // the [sweep] value that the block is from
}

// choice is one option of a swept group.
type choice struct {
	axis   *axis
	option override.Value
}

// findPresets sorts the swept groups. If the options of one bring different
// [sweep] tables, as experiments do, each option is a sweep of its own, and the
// plan is one after the other.
func (x *expander) findPresets() error {
	for _, a := range x.swept {
		if !a.group || a.seq.n < 2 || a.seq.n > 1000 {
			continue
		}
		options, err := a.seq.expand()
		if err != nil {
			return fmt.Errorf("%s: %s: %w", a.origin, a.key, err)
		}
		first := ""
		for i, o := range options {
			cfg, err := x.composeGroups([]choice{{a, o}})
			if err != nil {
				return err
			}
			table, _ := cfg.Tree().Lookup("sweep")
			text := string(table.AppendJSON(nil))
			if i == 0 {
				first = text
			} else if text != first {
				x.presets = append(x.presets, a)
				break
			}
		}
	}
	x.swept = slices.DeleteFunc(x.swept, func(a *axis) bool { return slices.Contains(x.presets, a) })
	return nil
}

// composeGroups composes what decides the [sweep] table: the choices of groups
// and overrides of the table itself. Swept groups stand at their first option
// unless one is given. Other values are left out, since they may fit some
// options only.
func (x *expander) composeGroups(given []choice, weakest ...compose.Input) (*compose.Config, error) {
	inputs := slices.Clone(weakest)
	for _, a := range x.args {
		if x.req.Source.IsGroup(a.Key) || inside(a.Key, "sweep") {
			inputs = append(inputs, a.Input)
		}
	}
	for _, c := range given {
		inputs = append(inputs, c.axis.input(c.option))
	}
	for _, a := range append(slices.Clone(x.presets), x.swept...) {
		chosen := slices.ContainsFunc(given, func(c choice) bool { return c.axis == a })
		if !a.group || chosen || a.seq.n == 0 || a.seq.n > 1000 {
			continue
		}
		options, err := a.seq.expand()
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", a.origin, a.key, err)
		}
		inputs = append(inputs, a.input(options[0]))
	}
	return x.req.Source.ComposeInputs(x.req.Primary, inputs)
}

// firstOptions reads the sweep file's [sweep] by itself, and returns choices of
// the first options of its group axes. Errors are left to those who read it
// as part of the config.
func (x *expander) firstOptions() []compose.Input {
	var top struct{ Sweep any }
	if _, err := toml.Decode(string(x.req.Primary.Text), &top); err != nil {
		return nil
	}
	v, err := override.FromAny(top.Sweep)
	if err != nil {
		return nil
	}
	blocks, _ := readBlocks(v, x.req.Source.Options, func(...string) compose.Origin { return compose.Origin{File: x.req.Primary.Path} })
	var inputs []compose.Input
	for _, b := range blocks {
		for _, a := range b.axes {
			if !x.req.Source.IsGroup(a.key) || a.plus || a.seq.n == 0 || a.seq.n > 1000 {
				continue
			}
			if options, err := a.seq.expand(); err == nil {
				a.set = override.Override{Op: override.Change, Key: a.key}
				inputs = append(inputs, a.input(options[0]))
			}
		}
	}
	return inputs
}

// readSweeps reads the [sweep] tables for every combination of presets.
func (x *expander) readSweeps() error {
	var lens []int64
	for _, a := range x.presets {
		lens = append(lens, a.seq.n)
	}
	n, ok := size(lens)
	if !ok || n > int64(x.limit) {
		return tooLarge(lens, n, ok, x.limit)
	}
	for i := range n {
		given := make([]choice, len(x.presets))
		rest := i
		for k := len(given) - 1; k >= 0; k-- {
			options, err := x.presets[k].seq.expand()
			if err != nil {
				return err
			}
			given[k] = choice{x.presets[k], options[rest%lens[k]]}
			rest /= lens[k]
		}
		if err := x.readSweep(given); err != nil {
			return err
		}
	}
	return nil
}

// readSweep reads the [sweep] tables of one combination of presets, and lets
// the overrides replace, fix and add axes.
func (x *expander) readSweep(presets []choice) error {
	cfg, err := x.composeGroups(presets)
	if compose.ClassOf(err) == compose.ClassMandatory {
		// A group left open in a defaults list, which an axis chooses.
		cfg, err = x.composeGroups(presets, x.firstOptions()...)
	}
	if err != nil {
		return err
	}
	table, _ := cfg.Tree().Lookup("sweep")
	text := string(table.AppendJSON(nil))
	blocks, err := readBlocks(table, x.req.Source.Options, func(path ...string) compose.Origin {
		return cfg.Origin(strings.Join(append([]string{"sweep"}, path...), "."))
	})
	if err != nil {
		return err
	}
	if len(blocks) == 0 {
		blocks = []*block{{origin: cfg.Origin("")}}
	}
	var errs []error
	for _, b := range blocks {
		for _, a := range b.axes {
			errs = append(errs, x.adopt(a, cfg))
		}
		p := &pending{block: b, table: text}
		for _, arg := range x.args {
			a := b.axis(arg.key())
			switch {
			case a == nil || arg.Op == override.Extend:
				p.args = append(p.args, arg)
			case arg.Op == override.Delete:
				b.axes = slices.DeleteFunc(b.axes, func(b *axis) bool { return a == b })
			default:
				a.fix(arg)
			}
		}
		for _, s := range x.swept {
			if a := b.axis(s.key); a != nil {
				a.seq, a.origin = s.seq, s.origin
				continue
			}
			own := *s
			b.axes = append(b.axes, &own)
		}
		for i := len(presets) - 1; i >= 0; i-- {
			own := *presets[i].axis
			own.seq = listSequence([]override.Value{presets[i].option})
			b.axes = slices.Insert(b.axes, 0, &own)
		}
		x.pending = append(x.pending, p)
	}
	return errors.Join(errs...)
}

// adopt finds out what an axis of a file sweeps over: a config group, in use
// or not yet, or a key, which may be new.
func (x *expander) adopt(a *axis, cfg *compose.Config) error {
	group, pkg, hasPkg := strings.Cut(a.key, "@")
	a.set = override.Override{Op: override.ForceAdd, Key: group, Package: pkg, HasPackage: hasPkg}
	if !x.req.Source.IsGroup(group) || a.seq.tables() {
		if word := nearest(a.key, sweepWords); word != "" && !a.plus && a.seq.tables() {
			if _, ok := cfg.Tree().Get(a.key); !ok {
				return fmt.Errorf("%s: axis %q: did you mean %q? An axis of this name is written \"+%s\"", a.origin, a.key, word, a.key)
			}
		}
		return nil
	}
	inUse := slices.ContainsFunc(cfg.Choices(), func(c compose.Choice) bool { return c.Key == a.key })
	if !inUse && !a.plus && a.key != "launcher" && !hasPkg && x.plainKey(a, cfg) {
		return nil
	}
	a.group = true
	a.set.Op = override.Add
	if inUse || a.key == "launcher" {
		a.set.Op = override.Change
	}
	return nil
}

// plainKey reports whether an axis called like a group that is not in use sets
// a key of that name, since its values cannot be a choice: the config has such
// a key and a value is no option, or a program is run, which may have any key,
// none is one, and only the shipped configs have the folder.
func (x *expander) plainKey(a *axis, cfg *compose.Config) bool {
	var values []override.Value // none: too many for options
	if a.seq.interval == nil && a.seq.n <= 1000 {
		var err error
		if values, err = a.seq.expand(); err != nil || len(values) == 0 {
			return false
		}
	}
	isOption := func(v override.Value) bool { return x.isOption(a.key, v) }
	if old, ok := cfg.Tree().Get(a.key); ok {
		return old.Kind() != override.Map && old.Text() != "???" && (values == nil || !all(values, isOption))
	}
	_, program := cfg.Tree().Lookup("task")
	return program && !slices.ContainsFunc(values, isOption) && x.req.Source.Below(a.key, x.req.Primary.Name)
}

// isOption reports whether a value names an option of a group, or several. What
// is computed may be one.
func (x *expander) isOption(group string, v override.Value) bool {
	if v.Kind() == override.List {
		return all(v.List(), func(e override.Value) bool { return x.isOption(group, e) })
	}
	s, ok := v.Str()
	dir, name := path.Split(s)
	return ok && (interpolated(v) || slices.Contains(x.req.Source.Options(path.Join(group, dir)), name))
}

func all[T any](list []T, f func(T) bool) bool {
	return !slices.ContainsFunc(list, func(e T) bool { return !f(e) })
}

// fix makes the axis one value, that of an override.
func (a *axis) fix(by arg) {
	a.seq, a.origin = listSequence([]override.Value{by.Value}), by.From
}

// input is the override that puts the axis at a value.
func (a *axis) input(v override.Value) compose.Input {
	o := a.set
	o.Value, o.HasValue = v, true
	return compose.Input{Override: o, From: a.origin}
}

// measure lays out the blocks and refuses a plan that is too large before any
// of its values is made.
func (x *expander) measure() error {
	total := int64(0)
	var errs []error
	for _, p := range x.pending {
		l, err := p.layout()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		p.dims = l
		for i, a := range p.axes {
			switch drawn := slices.Contains(l.draw, i); {
			case a.seq.interval != nil:
			case drawn && a.seq.n > maxDrawn:
				return fmt.Errorf("%s: axis %s has %d values, and at most %d can be drawn from: write interval(...), which has no list of values", a.origin, a.key, a.seq.n, maxDrawn)
			case !drawn && a.seq.n > int64(x.limit):
				return fmt.Errorf("%s: axis %s has %d values, the limit is %d: shorten it, or raise --max-runs", a.origin, a.key, a.seq.n, x.limit)
			}
			if a.seq.n == 0 {
				x.plan.Notes = append(x.plan.Notes, fmt.Sprintf("axis %s (%s) has no values", a.key, a.origin))
			}
		}
		n, ok := size(l.rows)
		if !ok || n > int64(x.limit)-total {
			return tooLarge(l.rows, n, ok, x.limit)
		}
		total += n
	}
	return errors.Join(errs...)
}

// maxDrawn bounds the values of an axis that random search draws from.
const maxDrawn = 1 << 20

// lay makes the values of all blocks.
func (x *expander) lay() error {
	var errs []error
	var spaces []*space
	for _, p := range x.pending {
		s, err := p.space(p.dims)
		spaces, errs = append(spaces, s), append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	x.plan.Axes = mergeAxes(spaces)
	varies := map[string]bool{}
	for _, a := range x.plan.Axes {
		varies[a.Key] = len(a.Values) > 1
	}
	for i, p := range x.pending {
		b := &planBlock{space: spaces[i], pieces: make([]func(int32) string, len(p.axes))}
		var dims []int
		for a, ax := range p.axes {
			ax.composed = ax.group || x.overlapped(p, ax)
			if varies[ax.key] {
				b.pieces[a] = pieces(ax)
			}
		}
		for d, dim := range b.dims {
			if slices.ContainsFunc(dim.axes, func(a int) bool { return p.axes[a].composed }) {
				dims = append(dims, d)
			}
		}
		b.composed = combine(b.space, dims)
		b.variants = make([]*variant, b.composed.n)
		x.plan.blocks = append(x.plan.blocks, b)
	}
	// Where nothing varies, a run is told from others of its kind, of earlier
	// and later commands, by what was typed.
	for _, arg := range x.args {
		if group := x.req.Source.IsGroup(arg.Key); arg.HasValue && arg.Op != override.Delete && !inside(arg.Key, "launcher") {
			x.plan.fallback = appendPiece(x.plan.fallback, labelPiece(arg.key(), group, arg.Value))
		}
	}
	return nil
}

// overlapped reports whether the order of assignments matters to an axis: an
// override, or another axis, sets something inside its key or around it.
// Choices of groups do not count, since they come before all values.
func (x *expander) overlapped(p *pending, a *axis) bool {
	for _, arg := range p.args {
		if inside(arg.Key, a.key) || inside(a.key, arg.Key) && !(x.req.Source.IsGroup(arg.Key) && arg.Value.Kind() != override.Map) {
			return true
		}
	}
	return slices.ContainsFunc(p.axes, func(b *axis) bool {
		return a != b && !b.group && (inside(a.key, b.key) || inside(b.key, a.key))
	})
}
