package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/sweep"
	"orch/sweep/override"
)

func explainCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "show how overrides are understood",
		ArgsUsage: "STRING... | -",
		Description: "Operation, key and typed value, or the sweep with its elements. \"-\" reads one override a line.\n" +
			"Exit code 2 if any of them is refused.",
		Flags:  []cli.Flag{jsonFlag(), configDirFlag()},
		Action: func(c *cli.Context) error { return p.explain(c) },
	}
}

func (p *program) explain(c *cli.Context) error {
	if c.NArg() == 0 {
		return usage("orch explain wants overrides: orch explain 'lr=0.1,0.2'; - reads them from standard input")
	}
	source, err := p.source(c)
	if err != nil {
		return err
	}
	env := override.Env{Options: source.Options}
	out := bufio.NewWriter(p.stdout)
	defer out.Flush()
	refused := false
	one := func(s string) {
		if strings.TrimSpace(s) == "" && !c.Bool("json") {
			fmt.Fprintln(out, "nothing to explain: an override is KEY=VALUE, +KEY=VALUE, ++KEY=VALUE or ~KEY")
			refused = true
			return
		}
		o, err := sweep.ParseOverride(s)
		refused = refused || err != nil
		var bad *override.Error
		switch {
		case c.Bool("json") && errors.As(err, &bad):
			out.Write(append(bad.Explain(), '\n'))
		case c.Bool("json") && err == nil:
			out.Write(append(o.Explain(env), '\n'))
		case err != nil:
			fmt.Fprintf(out, "%v\n", err)
		default:
			refused = !explainWords(out, o, env) || refused
		}
	}
	for _, a := range c.Args().Slice() {
		if a != "-" {
			one(a)
			continue
		}
		in := bufio.NewReader(os.Stdin)
		for {
			line, err := in.ReadString('\n')
			if line != "" {
				one(strings.TrimSuffix(line, "\n"))
			}
			if in.Buffered() == 0 { // who types waits for the answer
				out.Flush()
			}
			if err == io.EOF {
				break
			}
			if err != nil {
				return err
			}
		}
	}
	if refused {
		return quiet(exitUsage)
	}
	return nil
}

// explainWords says for people what an override means, and reports whether it
// means anything: a sweep may have no values to list.
func explainWords(w io.Writer, o override.Override, env override.Env) bool {
	verbs := map[override.Op]string{override.Change: "set", override.Add: "add", override.ForceAdd: "add or set", override.Delete: "delete", override.Extend: "extend"}
	key := o.Key
	if o.HasPackage {
		key += fmt.Sprintf(" in package %q", o.Package)
	}
	fmt.Fprintf(w, "%s\n  %s %s", o.Text, verbs[o.Op], key)
	switch {
	case !o.HasValue:
		fmt.Fprintln(w)
	case o.Sweep == nil:
		joint := "="
		if o.Op == override.Extend {
			joint = "by"
		}
		fmt.Fprintf(w, " %s %s  (%s)\n", joint, o.Value.Text(), o.Value.Kind())
	default:
		n, err := o.Sweep.Len(env)
		if err != nil {
			fmt.Fprintf(w, ": %v\n", err)
			return false
		}
		fmt.Fprintf(w, " to each of %d values\n", n)
		const few = 20
		env.Max = 0
		values, err := o.Sweep.Values(env)
		if err != nil {
			fmt.Fprintf(w, "  %v\n", err)
			return false
		}
		for i, v := range values {
			if i == few {
				fmt.Fprintf(w, "  and %d more\n", len(values)-few)
				break
			}
			fmt.Fprintf(w, "  %s  (%s)\n", v.Text(), v.Kind())
		}
	}
	return true
}
