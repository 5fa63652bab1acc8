package main

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// permute moves flags before positional arguments, command by command: urfave's
// v2 parser stops at the first positional and would take later flags for
// arguments, silently. Everything after "--" stays positional.
func permute(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	out := []string{args[0]}
	flags, commands := app.Flags, app.Commands
	rest := args[1:]
	for {
		before, after, name := splitAtCommand(flags, rest)
		cmd := findCommand(commands, name)
		if cmd == nil {
			return append(out, reorder(flags, rest)...)
		}
		out = append(append(out, before...), name)
		flags, commands, rest = cmd.Flags, cmd.Subcommands, after
	}
}

func findCommand(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if name != "" && c.HasName(name) {
			return c
		}
	}
	return nil
}

// splitAtCommand finds the first positional: the name of a command.
func splitAtCommand(flags []cli.Flag, args []string) (before, after []string, name string) {
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			break
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			return args[:i], args[i+1:], a
		}
		if takesValue(flags, a) {
			i++
		}
	}
	return nil, nil, ""
}

func reorder(flags []cli.Flag, args []string) []string {
	var front, back []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			back = append(back, args[i+1:]...)
			break
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			back = append(back, a)
			continue
		}
		front = append(front, a)
		if takesValue(flags, a) && i+1 < len(args) {
			i++
			front = append(front, args[i])
		}
	}
	if len(back) > 0 {
		front = append(front, "--")
	}
	return append(front, back...)
}

// takesValue reports whether a flag, as typed, uses up the next argument.
func takesValue(flags []cli.Flag, arg string) bool {
	name := strings.TrimLeft(arg, "-")
	if strings.Contains(name, "=") {
		return false
	}
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			return !isSwitch(f)
		}
	}
	return false
}
