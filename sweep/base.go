package sweep

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// shared are the tables of the sweep itself, which all its runs have in common.
var shared = []string{"name", "study", "retry", "volatile"}

// variantAt returns the variant of a point, composing it if the point is the
// first one of it.
func (x *expander) variantAt(b *planBlock, p *pending, w *walker) (*variant, error) {
	i := b.composed.index(w)
	if b.variants[i] == nil {
		v, err := x.build(b, p, w)
		if err != nil {
			// One failure a variant: the next points of it are not tried.
			b.variants[i] = failed
			return nil, x.inVariant(b, w, err)
		}
		b.variants[i] = v
	}
	return b.variants[i], nil
}

// failed stands for a variant that could not be built.
var failed = &variant{}

// inVariant adds to an error which options were being composed.
func (x *expander) inVariant(b *planBlock, w *walker, err error) error {
	var text []string
	for i, a := range b.axes {
		if a.composed && len(a.values) > 1 {
			text = append(text, a.key+"="+a.values[w.at[i]].Text())
		}
	}
	if len(text) == 0 {
		return err
	}
	return &variantError{strings.Join(text, " "), err}
}

// variantError is one of some options of composed axes.
type variantError struct {
	with string
	err  error
}

func (e *variantError) Error() string { return "with " + e.with + ": " + e.err.Error() }
func (e *variantError) Unwrap() error { return e.err }

// build composes the config of a point and finds out how the runs that share
// its composed axes differ.
func (x *expander) build(b *planBlock, p *pending, w *walker) (*variant, error) {
	cfg, err := x.compose(b, p, w)
	if err != nil {
		return nil, err
	}
	if table, _ := cfg.Tree().Lookup("sweep"); string(table.AppendJSON(nil)) != p.table {
		return nil, fmt.Errorf("%s: this option brings a [sweep] table of its own, which no axis of a file can unfold: sweep over it on the command line, +experiment=a,b", cfg.Origin("sweep"))
	}
	t := &template{block: b, ordinal: -1}
	var keys []string
	for i, a := range b.axes {
		if a.composed {
			continue
		}
		if err := a.settable(cfg, a.values[w.at[i]]); err != nil {
			return nil, err
		}
		if len(a.values) == 1 && interpolated(a.values[0]) {
			// One text for all runs is not one value: as a part of the config it
			// is a computed value like any other, and may change with other axes.
			in := a.input(a.values[0])
			in.Op = override.ForceAdd
			if cfg, err = cfg.With(in.Override, in.From); err != nil {
				return nil, err
			}
			continue
		}
		t.axes = append(t.axes, i)
		keys = append(keys, "++"+a.key)
	}
	if t.Template, err = cfg.Prepare(keys); err != nil {
		return nil, err
	}
	whole, err := t.config(w)
	if err != nil {
		return nil, err
	}
	if err := x.settle(whole, t, cfg); err != nil {
		return nil, err
	}
	v := &variant{config: runConfig(whole), composed: cfg}
	x.owe(whole)
	if err := x.slots(v, t, cfg); err != nil {
		return nil, err
	}
	v.encode(x.vol)
	v.base = x.base(b, w, v.config, cfg)
	return v, nil
}

// compose composes with the composed axes at the point's values: those of
// files are weaker than overrides, those of overrides are overrides.
func (x *expander) compose(b *planBlock, p *pending, w *walker) (*compose.Config, error) {
	var weak, strong []compose.Input
	for i, a := range b.axes {
		if !a.composed {
			continue
		}
		if in := a.input(a.values[w.at[i]]); a.typed {
			strong = append(strong, in)
		} else {
			weak = append(weak, in)
		}
	}
	for _, arg := range p.args {
		weak = append(weak, arg.Input)
	}
	inputs := append(weak, strong...)
	cfg, err := x.req.Source.ComposeInputs(x.req.Primary, inputs)
	// launcher.time=30m sets a key of the launcher that nothing has chosen yet.
	unchosen := compose.ClassOf(err) == compose.ClassNoKey && slices.ContainsFunc(inputs, func(in compose.Input) bool { return strings.HasPrefix(in.Key, "launcher.") })
	if err != nil && !unchosen || x.req.Launcher == "" {
		return cfg, err
	}
	if err == nil {
		if _, chosen := cfg.Tree().Get("launcher.name"); chosen {
			return cfg, nil
		}
	}
	fallback := override.Override{Op: override.Change, Key: "launcher", HasValue: true, Value: override.StringValue(x.req.Launcher)}
	inputs = append([]compose.Input{{Override: fallback, From: compose.Origin{Text: "the default launcher"}}}, inputs...)
	return x.req.Source.ComposeInputs(x.req.Primary, inputs)
}

// settable checks that an axis of the command line, as an override of it must,
// names an existing key, or with a + one that does not exist.
func (a *axis) settable(cfg *compose.Config, v override.Value) error {
	if !a.typed || a.set.Op == override.ForceAdd {
		return nil
	}
	in := a.input(v)
	_, err := cfg.With(in.Override, in.From)
	return err
}

// settle takes what all runs share from the first config, and refuses configs
// that do not agree with it.
func (x *expander) settle(whole override.Value, t *template, cfg *compose.Config) error {
	for _, i := range t.axes {
		for _, key := range append([]string{"sweep"}, shared...) {
			if a := t.block.axes[i]; inside(a.key, key) && len(a.values) > 1 {
				fix := ""
				if axis, ok := strings.CutPrefix(a.key, "sweep."); ok && a.typed {
					fix = fmt.Sprintf("; give the axis by its own key: %s=...", axis)
				}
				return fmt.Errorf("%s: %s cannot be swept: `%s` is the same for all runs of a sweep%s", a.origin, a.key, key, fix)
			}
		}
	}
	var same []override.Field
	for _, key := range shared {
		v, _ := whole.Lookup(key)
		same = append(same, override.Field{Key: override.StringValue(key), Val: v})
	}
	if x.same != nil {
		for i, f := range same {
			if key := f.Key.Text(); !f.Val.Equal(x.same[i].Val) {
				return fmt.Errorf("%s: `%s` is not the same for all runs: give it on the command line as %s=VALUE", cfg.Origin(key), key, key)
			}
		}
		return nil
	}
	x.same = same
	return x.head(whole, cfg)
}

// head fills in what the plan has once: name, study and the like.
func (x *expander) head(whole override.Value, cfg *compose.Config) error {
	name, study, retry, volatile := x.same[0].Val, x.same[1].Val, x.same[2].Val, x.same[3].Val
	var errs []error
	if !name.IsNull() {
		x.plan.Name = name.Text()
	}
	x.plan.Study, x.plan.Retry = study, retry
	x.noteMistyped(whole, cfg)
	var extra []string
	for i, e := range volatile.List() {
		s, ok := e.Str()
		if !ok || s == "" {
			errs = append(errs, fmt.Errorf("%s: element %d is no key", cfg.Origin("volatile"), i))
			continue
		}
		extra = append(extra, s)
	}
	if !volatile.IsNull() && volatile.Kind() != override.List {
		errs = append(errs, fmt.Errorf("%s: volatile is a %s; write a list of keys: volatile = [\"log_level\"]", cfg.Origin("volatile"), volatile.Kind()))
	}
	x.plan.Volatile = volatileList(extra)
	x.vol = newVolatileSet(x.plan.Volatile)
	return errors.Join(errs...)
}

// ownWords are the words that orch knows at the top of a sweep file, with the
// kind of their values.
var ownWords = map[override.Kind][]string{
	override.String: {"name"},
	override.Map:    {"study", "sweep", "launcher", "retry", "task"},
	override.List:   {"defaults", "volatile", "env"},
}

// noteMistyped notes top-level keys that are nearly words of orch's. A program's
// config may have any key, so they are no errors; but a [retyr] does nothing.
func (x *expander) noteMistyped(whole override.Value, cfg *compose.Config) {
	if _, program := whole.Lookup("task"); !program {
		return // a built-in trainer refuses what it does not know
	}
	for _, f := range whole.Fields() {
		key, words := f.Key.Text(), ownWords[f.Val.Kind()]
		if near := override.Nearest(key, words); near != "" && !slices.Contains(words, key) {
			x.note("%s: %s is a key of your program's config, and none of orch's (did you mean %q?)", cfg.Origin(key), key, near)
		}
	}
}

// owe adds the metrics that runs with this config must have.
func (x *expander) owe(whole override.Value) {
	owe := func(name string) {
		if name != "" && !slices.Contains(x.plan.Owes, name) {
			x.plan.Owes = append(x.plan.Owes, name)
		}
	}
	metrics, _ := whole.Get("study.metrics")
	for _, m := range metrics.List() {
		name, _ := m.Lookup("name")
		s, _ := name.Str()
		owe(s)
	}
	program, _ := whole.Get("task.metrics")
	oweLeaves("", program, owe)
}

// oweLeaves owes every pattern of [task.metrics] under its dotted name, however
// TOML has split it into tables.
func oweLeaves(prefix string, table override.Value, owe func(string)) {
	for _, f := range table.Fields() {
		name := prefix + f.Key.Text()
		if f.Val.Kind() == override.Map {
			oweLeaves(name+".", f.Val, owe)
			continue
		}
		owe(name)
	}
}

// base returns the index of a base config, which is new unless an earlier
// variant has the same one.
func (x *expander) base(b *planBlock, w *walker, config override.Value, cfg *compose.Config) int {
	choices := choices(b, w, cfg)
	key := string(choices.AppendJSON(appendCanonical(nil, config)))
	if i, ok := x.bases[key]; ok {
		return i
	}
	if x.bases == nil {
		x.bases = map[string]int{}
	}
	i := len(x.plan.Bases)
	x.bases[key] = i
	x.plan.Bases = append(x.plan.Bases, config)
	x.plan.Choices = append(x.plan.Choices, choices)
	x.plan.composed = append(x.plan.composed, cfg)
	return i
}

// choices returns what tells a base from others: the values of the composed
// axes, and the options of all other groups.
func choices(b *planBlock, w *walker, cfg *compose.Config) override.Value {
	all := override.MapValue()
	for _, c := range cfg.Choices() {
		if c.Key == "launcher" || b.axisIndex(c.Key) >= 0 {
			continue
		}
		options := make([]override.Value, len(c.Options))
		for i, o := range c.Options {
			options[i] = override.StringValue(o)
		}
		switch len(options) {
		case 0: // chosen to be nothing
		case 1:
			all = all.With(c.Key, options[0])
		default:
			all = all.With(c.Key, override.ListValue(options...))
		}
	}
	for i, a := range b.axes {
		if a.composed {
			all = all.With(a.key, a.values[w.at[i]])
		}
	}
	return all
}
