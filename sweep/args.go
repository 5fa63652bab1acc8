package sweep

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// arg is an override that is not swept.
type arg struct{ compose.Input }

// key is what an axis of the same target is called.
func (a *arg) key() string { return targetOf(a.Override) }

func targetOf(o override.Override) string {
	if o.HasPackage {
		return o.Key + "@" + o.Package
	}
	return o.Key
}

// fromEnv is the origin of overrides from the environment.
var fromEnv = compose.Origin{Text: "environment"}

// spacedArg finds the calls that the override grammar does not know.
var spacedArg = regexp.MustCompile(`^([^=]*)=\s*((?:linspace|geomspace|logspace)\s*\(.*)$`)

// parse reads the overrides: fixed ones into args, the others into axes. A
// later one for the same target replaces an earlier one of the other sort.
func (x *expander) parse() error {
	var errs []error
	read := func(text string, from compose.Origin) {
		if err := x.parseOne(text, from); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", from, err))
		}
	}
	for _, text := range x.req.Env {
		read(text, fromEnv)
	}
	for _, text := range x.req.Overrides {
		read(text, compose.CommandLine)
	}
	return errors.Join(errs...)
}

func (x *expander) parseOne(text string, from compose.Origin) error {
	seq, parsed := sequence{}, text
	if m := spacedArg.FindStringSubmatch(text); m != nil {
		var err error
		if seq, _, err = spacedSequence(m[2]); err != nil {
			return err
		}
		parsed = m[1] + "=0"
	}
	o, err := override.Parse(parsed)
	if err != nil {
		return err
	}
	o.Text = text
	target := targetOf(o)
	x.swept = slices.DeleteFunc(x.swept, func(a *axis) bool { return a.key == target })
	if o.Sweep == nil && !seq.swept {
		x.args = append(x.args, arg{compose.Input{Override: o, From: from}})
		return nil
	}
	if !x.req.Multirun {
		if err := o.SingleRun(); err != nil {
			return err
		}
		return fmt.Errorf("%s has several values, and this is a single run: add --multirun to run them all", text)
	}
	if o.Sweep != nil {
		if seq, err = sweepSequence(o.Sweep, x.req.Source.Options); err != nil {
			return err
		}
	}
	if o.Op == override.Delete {
		return fmt.Errorf("%s: a deletion has one value at most", text)
	}
	x.args = slices.DeleteFunc(x.args, func(a arg) bool { return a.key() == target && a.Op != override.Delete })
	a := &axis{key: target, set: o, typed: true, seq: seq, origin: from}
	a.set.Sweep, a.set.Text = nil, ""
	a.group = x.req.Source.IsGroup(o.Key) && !seq.tables()
	x.swept = append(x.swept, a)
	return nil
}

// didYouMean returns a hint that names the candidate nearest to s, or nothing.
func didYouMean(s string, candidates []string) string {
	if n := nearest(s, candidates); n != "" {
		return fmt.Sprintf(" (did you mean %q?)", n)
	}
	if len(candidates) > 0 && len(candidates) <= 12 {
		return " (there are " + strings.Join(candidates, ", ") + ")"
	}
	return ""
}

func nearest(s string, candidates []string) string { return override.Nearest(s, candidates) }
