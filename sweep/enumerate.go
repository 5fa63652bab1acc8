package sweep

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"orch/sweep/results"
)

// enumerate walks all points once: it composes the variants, computes every
// identity, drops what the filters drop and what is there already, numbers the
// resource groups and shows runs to the checker.
func (x *expander) enumerate() error {
	total := 0
	for _, b := range x.plan.blocks {
		total += b.count()
	}
	x.check.all = x.req.CheckAll || total <= CheckEach
	x.plan.ids = make([][idBytes]byte, 0, total)
	var seen map[[idBytes]byte]struct{}
	if total > 1 && !x.distinct() {
		seen = make(map[[idBytes]byte]struct{}, total)
	}
	h := newHasher()
	twice, filtered := 0, 0
	for i, b := range x.plan.blocks {
		p := x.pending[i]
		partial := false
		drop := func(w *walker) {
			if !partial { // until now all were kept
				partial = true
				b.kept = make([]uint32, 0, w.n)
				for k := range w.next - 1 {
					b.kept = append(b.kept, uint32(k))
				}
			}
		}
		w := b.walk()
		for w.step() {
			if w.dropped() {
				filtered++
				drop(w)
				continue
			}
			v, err := x.variantAt(b, p, w)
			if err != nil {
				x.problems.add(err)
			}
			if err != nil || v == failed {
				if len(x.problems.errs) >= maxKept {
					return nil
				}
				continue
			}
			id, err := h.identity(v, w)
			if err != nil {
				x.problems.add(x.inRun(b, w, err))
				continue
			}
			if seen != nil {
				if _, ok := seen[id]; ok {
					twice++
					drop(w)
					continue
				}
				seen[id] = struct{}{}
			}
			g, err := v.fill(w)
			if err != nil {
				x.problems.add(x.inRun(b, w, err))
				continue
			}
			x.groups.groups[g].Runs++
			x.check.visit(b, v, w)
			if partial {
				b.kept = append(b.kept, uint32(w.next-1))
			}
			x.plan.ids = append(x.plan.ids, id)
		}
		x.noteUnused(p, b)
	}
	if len(x.problems.errs) > 0 {
		return nil
	}
	x.plan.Groups = x.groups.groups
	if n := len(x.plan.Groups); n > manyGroups {
		x.note("the runs make %d different resource requests, and each is submitted by itself", n)
	}
	x.noteTwice(twice)
	if filtered > 0 {
		x.note("%s dropped by exclude and include", countRuns(filtered, "is", "are"))
	}
	if x.plan.Len() == 0 && !x.req.AllowEmpty {
		why := strings.Join(x.plan.Notes, "; ")
		if why != "" {
			why = ": " + why
		}
		return errors.New("the sweep has no runs" + why + " (--allow-empty, if that is right)")
	}
	x.plan.freeze()
	return nil
}

// manyGroups is the number of resource requests that one should know about:
// each needs jobs of its own.
const manyGroups = 20

// distinct reports whether different points surely have different identities,
// so that nobody has to remember a million of them: one config, whose swept
// keys all count and have no value twice.
func (x *expander) distinct() bool {
	if len(x.plan.blocks) != 1 {
		return false
	}
	b, p := x.plan.blocks[0], x.pending[0]
	if b.composed.n != 1 || b.count() == 0 {
		return false
	}
	w := b.walk()
	w.step()
	v, err := x.variantAt(b, p, w)
	if err != nil {
		b.variants[0] = nil // the walk will come here and report it
		return false
	}
	for d := range b.dims {
		if dim := &b.dims[d]; dim.n > 1 && !x.tellsApart(b, v, dim) {
			return false
		}
	}
	return true
}

// tellsApart reports whether the rows of a dimension differ in one swept key
// that counts.
func (x *expander) tellsApart(b *planBlock, v *variant, d *dim) bool {
	for i, a := range d.axes {
		for _, s := range v.slots {
			if s.axis != a || len(s.values) != d.n || d.n > 10_000 || d.rows != nil && d.rows[i] != nil {
				continue
			}
			lines := make(map[string]struct{}, len(s.lines))
			for _, line := range s.lines {
				lines[string(line)] = struct{}{}
			}
			if len(lines) == d.n {
				return true
			}
		}
	}
	return false
}

func (x *expander) inRun(b *planBlock, w *walker, err error) error {
	if l := b.label(nil, w); len(l) > 1 {
		return fmt.Errorf("in the run %s: %w", l[1:], err)
	}
	return err
}

func (x *expander) note(format string, args ...any) {
	x.plan.Notes = append(x.plan.Notes, fmt.Sprintf(format, args...))
}

// noteTwice says why runs were the same.
func (x *expander) noteTwice(n int) {
	if n == 0 {
		return
	}
	var without, fix []string
	list := "" // what may have been meant as one value: Slurm has lists of partitions
	for _, a := range x.plan.Axes {
		key, entry := x.leftOut(a)
		if entry == "" {
			continue
		}
		without = append(without, key)
		if top, _, _ := strings.Cut(entry, "."); !slices.Contains(reserved, top) {
			fix = append(fix, "\"!"+entry+"\"")
		}
		if strings.HasPrefix(a.Key, "launcher.") {
			var words []string
			for _, v := range a.Values {
				words = append(words, v.Text())
			}
			list = fmt.Sprintf("; as one value with commas it is written '%s=\"%s\"'", a.Key, strings.Join(words, ","))
		}
	}
	why := "the same config comes up more than once"
	if len(without) > 0 {
		why = strings.Join(without, " and ") + " changes no result, so it is no part of a run's identity"
	}
	if len(fix) > 0 {
		why += "; volatile = [" + strings.Join(fix, ", ") + "] makes it one"
	}
	x.note("%s left out as repetitions of others: %s", countRuns(n, "is", "are"), why+list)
}

// leftOut returns what an axis sets that is no part of identity, and the entry
// of [Volatile] that says so; "" if no two values are left out.
func (x *expander) leftOut(a results.Axis) (what, entry string) {
	key, _, _ := strings.Cut(a.Key, "@")
	if len(a.Values) < 2 {
		return "", ""
	}
	if entry := x.vol.entry(key); entry != "" {
		return a.Key, entry
	}
	paths := 0
	for _, v := range a.Values {
		if x.vol.covers(key, v) {
			paths++
		}
	}
	if paths < 2 {
		return "", ""
	}
	return "an absolute path in " + a.Key, key
}

// noteUnused says which filters matched nothing: a typo, most likely.
func (x *expander) noteUnused(p *pending, b *planBlock) {
	for _, f := range b.exclude {
		if !f.used && b.count() > 0 {
			x.note("%s: exclude %s matches no run", p.origin, f.text)
		}
	}
	for _, f := range b.include {
		if !f.used && b.count() > 0 {
			x.note("%s: include %s matches no run", p.origin, f.text)
		}
	}
}

func countRuns(n int, one, many string) string {
	if n == 1 {
		return "1 run " + one
	}
	return fmt.Sprintf("%d runs %s", n, many)
}

// freeze lets go of everything that could still change.
func (p *Plan) freeze() {
	for _, b := range p.blocks {
		for _, v := range b.variants {
			if v == nil || v == failed {
				continue
			}
			v.composed, v.seen, v.group.fill = nil, nil, nil
			for _, s := range v.delta {
				s.fill = nil
			}
		}
	}
}
