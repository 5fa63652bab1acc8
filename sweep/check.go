package sweep

import (
	"errors"
	"fmt"
	"strings"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// Problems is everything that is wrong with a sweep: the problems that were
// found, each once however many runs have it.
type Problems struct {
	Errs []error
}

const maxShown = 10

// Error shows the first ten problems, one a line, and the number of the others.
func (p *Problems) Error() string {
	var b strings.Builder
	for i, err := range p.Errs {
		if i == maxShown {
			fmt.Fprintf(&b, "\n... and %d more problems", len(p.Errs)-i)
			break
		}
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(err.Error())
	}
	return b.String()
}

// Unwrap returns the problems.
func (p *Problems) Unwrap() []error { return p.Errs }

// problems collects distinct problems.
type problems struct {
	errs []error
	seen map[string]bool
}

// maxKept bounds what is collected: a sweep with so many different problems
// has one cause, and nobody reads on.
const maxKept = 1000

// add adds an error, or the errors it joins. key tells equal ones apart.
func (p *problems) add(err error) {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			p.add(e)
		}
		return
	}
	key := err.Error()
	var v *variantError
	if errors.As(err, &v) {
		key = v.err.Error() // what is wrong with every option alike is said of the first
	}
	p.addAs(key, err)
}

func (p *problems) addAs(key string, err error) {
	if p.seen[key] || len(p.errs) >= maxKept {
		return
	}
	if p.seen == nil {
		p.seen = map[string]bool{}
	}
	p.seen[key] = true
	p.errs = append(p.errs, err)
}

func (p *problems) err() error {
	if len(p.errs) == 0 {
		return nil
	}
	return &Problems{p.errs}
}

// runCheck decides which runs are shown to the checker, and shows them. It
// looks at real runs only, never at combinations that the filters drop.
//
// While the plan is small every run is checked. In a larger one a run is
// checked if something in it is new: its base, one of its axis values on this
// base, or, up to a bound, a pair of values that have not met before. That is
// exact for rules about one key, whatever the size, and finds what is wrong
// with two keys in all but enormous plans.
type runCheck struct {
	check   func(config override.Value) []error
	all     bool
	pairs   int // how many runs may still be checked for a new pair alone
	checked int
	found   *problems
}

// pairBudget bounds the runs that are checked because of pairs, and pairBits
// the memory for remembering them.
const (
	pairBudget = 20_000
	pairBits   = 1 << 22
)

// coverage remembers what the checker has seen of one variant.
type coverage struct {
	value [][]bool // by axis
	pair  [][]bool // by pair of axes, i < j, in order; nil for pairs with too many combinations
	axes  []int32  // those with more than one value that are not composed
	lens  []int
	any   bool
}

func newCoverage(b *planBlock) *coverage {
	c := &coverage{}
	for i, a := range b.axes {
		if !a.composed && len(a.values) > 1 {
			c.axes = append(c.axes, int32(i))
			c.lens = append(c.lens, len(a.values))
			c.value = append(c.value, make([]bool, len(a.values)))
		}
	}
	bits := 0
	for i := range c.axes {
		for j := i + 1; j < len(c.axes); j++ {
			n := c.lens[i] * c.lens[j]
			if bits += n; n > pairBits || bits > pairBits {
				c.pair = append(c.pair, nil)
				continue
			}
			c.pair = append(c.pair, make([]bool, n))
		}
	}
	return c
}

// meet notes the values of a point and reports what of it is new.
func (c *coverage) meet(w *walker) (newValue, newPair bool) {
	newValue = !c.any
	c.any = true
	k := 0
	for i, a := range c.axes {
		if !c.value[i][w.at[a]] {
			c.value[i][w.at[a]] = true
			newValue = true
		}
		for j := i + 1; j < len(c.axes); j++ {
			if p := c.pair[k]; p != nil {
				if n := int(w.at[a])*c.lens[j] + int(w.at[c.axes[j]]); !p[n] {
					p[n] = true
					newPair = true
				}
			}
			k++
		}
	}
	return newValue, newPair
}

// visit shows the run at a point to the checker if it should see it.
func (rc *runCheck) visit(b *planBlock, v *variant, w *walker) {
	if rc.check == nil || len(rc.found.errs) >= maxKept {
		return
	}
	newValue, newPair := true, true
	if !rc.all {
		if v.seen == nil {
			v.seen = newCoverage(b)
		}
		newValue, newPair = v.seen.meet(w)
	}
	switch {
	case newValue:
	case newPair && rc.pairs > 0:
		rc.pairs--
	default:
		return
	}
	rc.checked++
	fields, err := v.fields(w)
	if err != nil {
		rc.found.add(err)
		return
	}
	config := v.config
	for _, f := range fields {
		config = config.Set(f.Key.Text(), f.Val)
	}
	for _, err := range rc.check(config) {
		rc.found.addAs(err.Error(), b.blame(err, v, w, rc.checked > 1))
	}
}

// blame adds to a checker's error where the value came from: an error with a
// method Path() string names the key.
func (b *planBlock) blame(err error, v *variant, w *walker, label bool) error {
	var keyed interface{ Path() string }
	run := ""
	if label {
		if l := b.label(nil, w); len(l) > 1 {
			run = " (in the run " + string(l[1:]) + ")"
		}
	}
	if !errors.As(err, &keyed) {
		return fmt.Errorf("%w%s", err, run)
	}
	origin := v.composed.Origin(keyed.Path())
	for _, a := range b.axes {
		if !a.group && inside(keyed.Path(), a.key) {
			origin, run = a.origin, ""
		}
	}
	if origin == (compose.Origin{}) {
		return fmt.Errorf("%w%s", err, run)
	}
	return fmt.Errorf("%s: %w%s", origin, err, run)
}
