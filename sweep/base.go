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
	return fmt.Errorf("with %s: %w", strings.Join(text, " "), err)
}

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
	if err != nil || x.req.Launcher == "" {
		return cfg, err
	}
	if _, chosen := cfg.Tree().Get("launcher.name"); chosen {
		return cfg, nil
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
	for _, d := range t.Dependents() {
		for _, key := range shared {
			if inside(d, key) {
				return fmt.Errorf("%s: %s changes with a swept key, but `%s` is the same for all runs of a sweep", cfg.Origin(d), d, key)
			}
		}
	}
	for _, i := range t.axes {
		for _, key := range append([]string{"sweep"}, shared...) {
			if a := t.block.axes[i]; inside(a.key, key) && len(a.values) > 1 {
				return fmt.Errorf("%s: %s cannot be swept: `%s` is the same for all runs of a sweep", a.origin, a.key, key)
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
	for _, f := range program.Fields() {
		owe(f.Key.Text())
	}
}

// slots finds the places in which the variant's runs differ: swept keys with
// more than one value, and what is computed from them.
func (x *expander) slots(v *variant, t *template, cfg *compose.Config) error {
	x.owe(t.last)
	places := map[string][]int{} // path -> dimensions
	var order []string
	plain := map[string]int{} // path -> axis, where the axis's values are all there is to it
	place := func(path string, dims []int) {
		if _, ok := places[path]; !ok {
			order = append(order, path)
		}
		for _, d := range dims {
			if !slices.Contains(places[path], d) {
				places[path] = append(places[path], d)
			}
		}
	}
	deps, err := t.dependencies(cfg)
	if err != nil {
		return err
	}
	for _, i := range t.axes {
		a := t.block.axes[i]
		if len(a.values) == 1 {
			continue
		}
		path := listAround(t.last, a.key)
		dims := []int{t.block.dimOf(i)}
		if slices.ContainsFunc(a.values, interpolated) {
			dims = t.block.allDims()
		}
		if path == a.key && !slices.ContainsFunc(a.values, func(v override.Value) bool { return !plainValue(v) }) {
			plain[path] = i
		}
		place(path, dims)
	}
	for _, d := range deps {
		place(listAround(t.last, d.path), d.dims)
	}
	var launcher []int
	var inner []string
	for _, path := range order {
		if inside(path, "launcher") {
			for _, d := range places[path] {
				if !slices.Contains(launcher, d) {
					launcher = append(launcher, d)
				}
			}
		}
		top, _, _ := strings.Cut(path, ".")
		if slices.Contains(reserved, top) {
			continue
		}
		inner = append(inner, path)
	}
	for _, path := range inner {
		if slices.ContainsFunc(inner, func(q string) bool { return q != path && inside(path, q) }) {
			continue // a place around it covers it
		}
		dims := places[path]
		axis, isPlain := plain[path]
		for _, q := range inner {
			if q != path && inside(q, path) {
				isPlain = false
				dims = union(dims, places[q])
			}
		}
		if isPlain {
			v.delta = append(v.delta, axisSlot(path, axis, t.block.axes[axis].values, x.vol))
			continue
		}
		slices.Sort(dims)
		v.delta = append(v.delta, computedSlot(path, combine(t.block.space, dims), x.vol, func(w *walker) (override.Value, error) {
			whole, err := t.config(w)
			val, _ := whole.Get(path)
			return val, err
		}))
	}
	slices.Sort(launcher)
	v.group = groupSlot{table: combine(t.block.space, launcher), fill: func(w *walker) (int32, error) {
		whole, err := t.config(w)
		table, _ := whole.Lookup("launcher")
		return x.groups.number(table), err
	}}
	v.group.groups = make([]int32, v.group.table.n)
	for i := range v.group.groups {
		v.group.groups[i] = -1
	}
	return nil
}

func union(a, b []int) []int {
	u := slices.Clone(a)
	for _, d := range b {
		if !slices.Contains(u, d) {
			u = append(u, d)
		}
	}
	return u
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

// listAround returns the path of the outermost list that a path leads into, or
// the path itself: a list is one leaf.
func listAround(v override.Value, path string) string {
	for i := 0; i < len(path); i++ {
		if path[i] != '.' {
			continue
		}
		if e, ok := v.Get(path[:i]); ok && e.Kind() == override.List {
			return path[:i]
		}
	}
	return path
}

func interpolated(v override.Value) bool {
	switch v.Kind() {
	case override.String:
		return strings.Contains(v.Text(), "${")
	case override.List:
		return slices.ContainsFunc(v.List(), interpolated)
	case override.Map:
		return slices.ContainsFunc(v.Fields(), func(f override.Field) bool { return interpolated(f.Val) })
	}
	return false
}

// plainValue reports whether a value is the same wherever it is put.
func plainValue(v override.Value) bool { return v.Kind() != override.Map && !interpolated(v) }

// template is a composed config with its swept keys as holes.
type template struct {
	*compose.Template
	block *planBlock
	axes  []int // the axis of each hole

	ordinal int            // of the point at which last was made
	last    override.Value // whole resolved config
}

// config returns the whole resolved config at a point.
func (t *template) config(w *walker) (override.Value, error) {
	if t.ordinal == w.next {
		return t.last, nil
	}
	values := make([]override.Value, len(t.axes))
	for k, i := range t.axes {
		values[k] = t.block.axes[i].values[w.at[i]]
	}
	delta, err := t.Apply(values)
	if err != nil {
		return override.Value{}, err
	}
	whole := t.Base()
	for _, f := range delta {
		whole = whole.Set(f.Key.Text(), f.Val)
	}
	t.ordinal, t.last = w.next, whole
	return whole, nil
}

// dependency is a computed place and the dimensions that it changes with.
type dependency struct {
	path string
	dims []int
}

// dependencies finds out which computed values change with which dimensions.
func (t *template) dependencies(cfg *compose.Config) ([]dependency, error) {
	all := t.Dependents()
	if len(all) == 0 {
		return nil, nil
	}
	// A computed reference such as ${opt.${k}} may look somewhere else for
	// other values, so where there is one everything depends on everything.
	tree := cfg.Tree()
	wild := slices.ContainsFunc(all, func(path string) bool {
		v, _ := tree.Get(path)
		return strings.Count(v.Text(), "${") > 1 && nestedReference(v.Text())
	})
	dims := make(map[string][]int, len(all))
	for _, i := range t.axes {
		if len(t.block.axes[i].values) == 1 {
			continue
		}
		on := all
		if !wild {
			one, err := t.without(cfg, i)
			if err != nil {
				return nil, err
			}
			on = one
		}
		for _, path := range on {
			if d := t.block.dimOf(i); !slices.Contains(dims[path], d) {
				dims[path] = append(dims[path], d)
			}
		}
	}
	var list []dependency
	for _, path := range all {
		if len(dims[path]) > 0 {
			list = append(list, dependency{path, dims[path]})
		}
	}
	return list, nil
}

// without returns the computed values that change with one axis alone, the
// others being set.
func (t *template) without(cfg *compose.Config, axis int) ([]string, error) {
	for _, i := range t.axes {
		if i == axis {
			continue
		}
		a := t.block.axes[i]
		in := a.input(a.values[0])
		in.Op = override.ForceAdd
		var err error
		if cfg, err = cfg.With(in.Override, in.From); err != nil {
			return nil, err
		}
	}
	one, err := cfg.Prepare([]string{"++" + t.block.axes[axis].key})
	if err != nil {
		return nil, err
	}
	return one.Dependents(), nil
}

func nestedReference(s string) bool {
	depth := 0
	for i := 0; i < len(s); i++ {
		switch {
		case strings.HasPrefix(s[i:], "${"):
			if depth++; depth > 1 {
				return true
			}
		case s[i] == '}' && depth > 0:
			depth--
		}
	}
	return false
}
