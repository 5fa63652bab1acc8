package sweep

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

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
	o, seq, err := parseSpaced(text)
	if err != nil {
		return err
	}
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

// parseSpaced is override.Parse with the calls that the override grammar does
// not know: their values are in seq, and the override has a 0 in their place.
func parseSpaced(text string) (o override.Override, seq sequence, err error) {
	m := spacedArg.FindStringSubmatch(text)
	if m == nil {
		o, err = override.Parse(text)
		return o, seq, err
	}
	if seq, _, err = spacedSequence(m[2]); err != nil {
		return o, seq, err
	}
	o, err = override.Parse(m[1] + "=0")
	o.Text = text
	return o, seq, err
}

// ParseOverride parses an override as [Expand] reads it from the command line:
// as [override.Parse] does, and linspace, geomspace and logspace as a choice of
// their values. Its errors are [*override.Error].
func ParseOverride(text string) (override.Override, error) {
	o, seq, err := parseSpaced(text)
	var known *override.Error
	switch {
	case err != nil && !errors.As(err, &known):
		return o, &override.Error{Stage: override.StageParse, Class: override.ClassBadCall, Col: utf8.RuneCountInString(text[:strings.Index(text, "=")+1]), Msg: err.Error(), Input: text}
	case err != nil || seq.n == 0:
		return o, err
	case seq.n > override.DefaultMax:
		return o, &override.Error{Stage: override.StageExpand, Class: override.ClassTooMany, Msg: fmt.Sprintf("this axis has %d values: ask for fewer", seq.n), Input: text}
	}
	values, err := seq.expand()
	o.Value, o.Sweep = override.Value{}, &override.Sweep{Kind: override.Choice, Choices: values}
	return o, err
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
