package main

import "github.com/urfave/cli/v2"

// optionalFlag is a flag that may stand alone or have a value with "=":
// --watch, --watch=5s. Alone it has the value alone.
func optionalFlag(name, alone, usage string) cli.Flag {
	return &cli.GenericFlag{Name: name, Value: &optionalValue{alone: alone}, Usage: usage}
}

type optionalValue struct{ alone, value string }

// IsBoolFlag makes package flag accept the flag without a value, as "true".
func (v *optionalValue) IsBoolFlag() bool { return true }

func (v *optionalValue) Set(s string) error {
	if s == "true" {
		s = v.alone
	}
	v.value = s
	return nil
}

func (v *optionalValue) String() string { return v.value }

// optional returns an optional flag's value, that of the flag alone if it was
// not given.
func optional(c *cli.Context, name string) string {
	v, ok := c.Generic(name).(*optionalValue)
	switch {
	case !ok:
		return ""
	case v.value == "":
		return v.alone
	}
	return v.value
}

// isSwitch reports whether a flag uses up no further argument.
func isSwitch(f cli.Flag) bool {
	switch f := f.(type) {
	case *cli.BoolFlag:
		return true
	case *cli.GenericFlag:
		_, ok := f.Value.(*optionalValue)
		return ok
	}
	return false
}

var colourModes = []string{"always", "never", "auto"}

func colourFlag() cli.Flag {
	return &cli.StringFlag{Name: "color", Value: "auto", DefaultText: "auto", Usage: "`WHEN`: always, never, auto"}
}
