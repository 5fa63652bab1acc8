package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// configFlags print a config instead of doing anything.
func configFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "cfg", Usage: "print the config's `PART`: job, launcher or all"},
		&cli.BoolFlag{Name: "resolve", Usage: "with --cfg: interpolations resolved"},
		&cli.StringFlag{Name: "info", Usage: "only print `WHAT`: defaults or groups"},
	}
}

// printConfig answers --cfg and --info: it composes and prints, and runs nothing.
// Of an override with several values a sweep file is shown with the first.
func (p *program) printConfig(c *cli.Context, primary compose.Primary, args []string) error {
	source, err := p.sourceFor(c, primary)
	if err != nil {
		return err
	}
	if c.String("info") == "groups" {
		for _, g := range source.Groups() {
			fmt.Fprintf(p.stdout, "%s: %s\n", g, strings.Join(source.Options(g), ", "))
		}
		return nil
	}
	var inputs []compose.Input
	parse := func(from compose.Origin, list []string) error {
		for _, a := range list {
			o, err := override.Parse(a)
			if err != nil {
				return asUsage(err)
			}
			if o.Sweep != nil && primary.Path == "" {
				return asUsage(o.SingleRun())
			}
			if o.Sweep != nil {
				values, err := o.Sweep.Values(override.Env{Options: source.Options})
				if err != nil {
					return asUsage(err)
				}
				if len(values) == 0 {
					continue
				}
				o = o.With(values[0])
			}
			inputs = append(inputs, compose.Input{Override: o, From: from})
		}
		return nil
	}
	if err := parse(compose.Origin{Text: "environment"}, envOverrides()); err != nil {
		return err
	}
	if l := c.String("launcher"); l != "" {
		args = append(args[:len(args):len(args)], "+launcher="+l)
	}
	if err := parse(compose.CommandLine, args); err != nil {
		return err
	}
	config, err := source.ComposeInputs(primary, inputs)
	if err != nil {
		return asUsage(err)
	}
	if _, chosen := config.Tree().Get("launcher.name"); !chosen && (c.String("cfg") == "launcher" || c.String("cfg") == "all") {
		fallback := override.Override{Op: override.Change, Key: "launcher", HasValue: true, Value: override.StringValue(defaultLauncher)}
		inputs = append(compose.Inputs(compose.Origin{Text: "the default launcher"}, fallback), inputs...)
		if config, err = source.ComposeInputs(primary, inputs); err != nil {
			return asUsage(err)
		}
	}
	if c.IsSet("info") {
		return p.printInfo(c.String("info"), config)
	}
	tree := config.Tree()
	if c.Bool("resolve") {
		if tree, err = config.Resolve(); err != nil {
			return asUsage(err)
		}
	}
	switch part := c.String("cfg"); part {
	case "job":
		tree = tree.Without("launcher")
	case "launcher":
		tree, _ = tree.Lookup("launcher")
	case "all":
	default:
		return usage("--cfg %s: want job, launcher or all%s", part, didYouMean(part, []string{"job", "launcher", "all"}))
	}
	if c.Bool("json") {
		_, err = fmt.Fprintf(p.stdout, "%s\n", tree.AppendJSON(nil))
		return err
	}
	_, err = p.stdout.Write(tree.AppendTOML(nil))
	return err
}

func (p *program) printInfo(what string, config *compose.Config) error {
	if what != "defaults" {
		return usage("--info %s: want defaults or groups%s", what, didYouMean(what, []string{"defaults", "groups"}))
	}
	for _, e := range config.Defaults() {
		line := e.Config
		if e.Self {
			line = "_self_"
		}
		if e.Key != "" {
			line = e.Key + ": " + line
		}
		if e.Package != "" {
			line += "  -> " + e.Package
		}
		fmt.Fprintf(p.stdout, "%s%s", strings.Repeat("  ", e.Depth), line)
		if from := e.From.String(); from != "" && !e.Self {
			fmt.Fprintf(p.stdout, "  (%s)", from)
		}
		fmt.Fprintln(p.stdout)
	}
	return nil
}
