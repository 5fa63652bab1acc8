package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"orch/launcher"
	"orch/sweep/override"
	"orch/sweep/results"
)

// program is what every command shares.
type program struct {
	ctx context.Context
	*interrupts
	args   []string // as typed
	stdout io.Writer
	stderr io.Writer
	outTTY bool
	errTTY bool
	// outColour says whether standard output is coloured; see colour.
	outColour bool
	log       zerolog.Logger
	memories  *memories

	gpuBinary  string        // --gpu-binary; see findGPUBinary
	gpuMissing func() string // what this machine lacks for GPUs, or ""; asks once
	gpuNoted   bool          // that trainings do without
}

// run is the whole program but the process: it returns the exit code.
func run(ctx context.Context, asked *interrupts, args []string, stdout, stderr io.Writer) int {
	p := &program{ctx: ctx, interrupts: asked, args: args, stdout: stdout, stderr: stderr, outTTY: isTerminal(stdout), errTTY: isTerminal(stderr), memories: &memories{}}
	p.gpuMissing = sync.OnceValue(func() string { return launcher.GPUProbe{}.Missing(ctx) })
	p.log = zerolog.New(stderr).With().Timestamp().Logger()
	if p.errTTY {
		p.log = zerolog.New(zerolog.ConsoleWriter{Out: stderr, TimeFormat: "15:04:05", NoColor: !colour("auto", stderr)}).With().Timestamp().Logger()
	}
	if len(args) > 1 && args[1] == completeWord {
		return p.complete(args[2:])
	}
	app := newApp(p)
	return exitCode(app.RunContext(ctx, permute(app, args)), stderr)
}

// Help is wrapped for the narrowest terminal that people still use. A flag with
// two names has its placeholder once: --output, -o FORMAT.
func init() {
	plain := cli.FlagStringer
	cli.FlagStringer = func(f cli.Flag) string {
		names, text, _ := strings.Cut(plain(f), "\t")
		names, _, _ = strings.Cut(names, " [ ") // that a list may be given again
		if all := strings.Split(names, ", "); len(all) > 1 {
			_, placeholder, _ := strings.Cut(all[0], " ")
			for i := range all {
				all[i], _, _ = strings.Cut(all[i], " ")
			}
			names = strings.TrimRight(strings.Join(all, ", ")+" "+placeholder, " ")
		}
		return names + "\t" + text
	}
	cli.HelpPrinter = func(w io.Writer, template string, data any) {
		cli.HelpPrinterCustom(w, template, data, map[string]any{"wrapAt": func() int { return 79 }})
	}
}

// reflow leaves the line ends of paragraphs to the help printer, unless their
// lines fit and so may be meant: examples, lists.
func reflow(text string) string {
	const fits = 76
	paragraphs := strings.Split(text, "\n\n")
	for i, p := range paragraphs {
		lines := strings.Split(p, "\n")
		if slices.ContainsFunc(lines, func(l string) bool { return utf8.RuneCountInString(l) > fits }) {
			paragraphs[i] = strings.Join(lines, " ")
		}
	}
	return strings.Join(paragraphs, "\n\n")
}

func newApp(p *program) *cli.App {
	app := &cli.App{
		Name:           "orch",
		Usage:          "run machine-learning experiments on laptops and Slurm clusters",
		Description:    "A sweep file becomes runs, workers execute them, the results tree keeps what happened, and the report judges it. " + exitHelp,
		Writer:         p.stdout,
		ErrWriter:      p.stderr,
		HideVersion:    true,
		ExitErrHandler: func(*cli.Context, error) {}, // exit codes are mapped in one place
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "log-level", Value: "info", DefaultText: "info", Usage: "`LEVEL`: debug, info, warn, error"},
			&cli.BoolFlag{Name: "version", Usage: "what orch version prints", DisableDefaultText: true},
		},
		Before: func(c *cli.Context) error {
			level, err := zerolog.ParseLevel(c.String("log-level"))
			if err != nil {
				return usage("--log-level %q: want debug, info, warn or error", c.String("log-level"))
			}
			p.log = p.log.Level(level)
			if name := c.Args().First(); name != "worker" && name != "daemon" {
				beGenerous()
			}
			return nil
		},
		Commands: []*cli.Command{
			submitCommand(p), trainCommand(p), planCommand(p),
			statusCommand(p), showCommand(p), evalCommand(p), logsCommand(p), diffCommand(p), collectCommand(p), reportCommand(p),
			cancelCommand(p), retryCommand(p), pruneCommand(p), rmCommand(p), fsckCommand(p),
			importCommand(p),
			explainCommand(p), metricCommand(p), completionCommand(p), doctorCommand(p), daemonCommand(p), workerCommand(p), driveCommand(p), followCommand(p), versionCommand(p),
		},
	}
	var names []string
	for _, c := range app.Commands {
		if !c.Hidden {
			names = append(names, c.Name)
		}
		c.OnUsageError = usageError
		c.Flags = append(c.Flags, colourFlag())
		for _, f := range c.Flags {
			if b, ok := f.(*cli.BoolFlag); ok {
				b.DisableDefaultText = true // "(default: false)" says nothing
			}
		}
		c.Before = p.chooseColour
		c.Description = reflow(c.Description)
		if c.Description == "" {
			c.Description = exitHelp
		} else {
			c.Description += "\n\n" + exitHelp
		}
	}
	app.OnUsageError = usageError
	app.Action = func(c *cli.Context) error {
		if c.Bool("version") {
			fmt.Fprintln(p.stdout, versionLine())
			return nil
		}
		if c.NArg() == 0 {
			return cli.ShowAppHelp(c)
		}
		return usage("unknown command %q%s: orch help lists the commands", c.Args().First(), didYouMean(c.Args().First(), names))
	}
	return app
}

// chooseColour reads --color, which every command has.
func (p *program) chooseColour(c *cli.Context) error {
	mode := c.String("color")
	if !slices.Contains(colourModes, mode) {
		return usage("--color %s: want %s%s", mode, strings.Join(colourModes, ", "), didYouMean(mode, colourModes))
	}
	p.outColour = colour(mode, p.stdout)
	return nil
}

func usageError(c *cli.Context, err error, _ bool) error {
	text := err.Error()
	if name, ok := strings.CutPrefix(text, "flag provided but not defined: -"); ok {
		var flags []string
		for _, f := range c.Command.Flags {
			flags = append(flags, f.Names()...)
		}
		text = fmt.Sprintf("unknown flag --%s%s", strings.TrimLeft(name, "-"), didYouMean(strings.TrimLeft(name, "-"), flags))
	}
	if m := badValue.FindStringSubmatch(text); m != nil {
		text = wanted(c, m[2], m[1])
	}
	command := "orch"
	if c.Command != nil && c.Command.Name != "" && c.Command.Name != "orch" {
		command += " " + c.Command.Name
	}
	return usage("%s; %s --help shows what there is", text, command)
}

// badValue is what package flag says of a value that a flag cannot have.
var badValue = regexp.MustCompile(`^invalid value "(.*)" for flag -([a-z-]+): parse error$`)

// wanted says what a flag's value must be.
func wanted(c *cli.Context, name, value string) string {
	want := "another value"
	for _, f := range c.Command.Flags {
		if !slices.Contains(f.Names(), name) {
			continue
		}
		switch f.(type) {
		case *cli.DurationFlag:
			want = "a time with its unit, such as 30s, 10m or 2h"
		case *cli.IntFlag, *cli.Int64Flag:
			want = "a whole number"
		}
	}
	dashes := "--"
	if len(name) == 1 {
		dashes = "-"
	}
	return fmt.Sprintf("%s%s=%s: want %s", dashes, name, value, want)
}

func didYouMean(word string, candidates []string) string {
	if near := override.Nearest(word, candidates); near != "" {
		return fmt.Sprintf(" (did you mean %q?)", near)
	}
	return ""
}

// descriptor is a file that can be asked whether it is a terminal.
type descriptor interface{ Fd() uintptr }

func isTerminal(w io.Writer) bool {
	f, ok := w.(descriptor)
	return ok && term.IsTerminal(int(f.Fd()))
}

// width returns the terminal's columns, 80 if it does not say.
func width(w io.Writer) int {
	if t, ok := w.(*terminalBuffer); ok {
		w = t.of.stdout
	}
	if f, ok := w.(descriptor); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n > 0 {
			return n
		}
	}
	return 80
}

// Flags that several commands have.

func resultsFlag() cli.Flag {
	return &cli.StringFlag{Name: "results", Usage: "results `FOLDER`, else $ORCH_RESULTS or ./results"}
}

func configDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "config-dir", Usage: "config `FOLDER`, else ./configs"}
}

func jsonFlag() cli.Flag {
	return &cli.BoolFlag{Name: "json", Usage: "print JSON"}
}

// resultsRoot is where results are: flag, then environment, then ./results.
func resultsRoot(c *cli.Context) string {
	if dir := c.String("results"); dir != "" {
		return dir
	}
	if dir := os.Getenv("ORCH_RESULTS"); dir != "" {
		return dir
	}
	return "results"
}

// openTree opens the results tree that must exist.
func openTree(c *cli.Context) (*results.Tree, error) {
	t, err := results.Open(resultsRoot(c))
	return t, treeError(resultsRoot(c), err)
}

// treeError marks what the user can mend by another folder.
func treeError(path string, err error) error {
	var none *results.NoTreeError
	var newer *results.NewerError
	switch {
	case errors.As(err, &none), errors.As(err, &newer):
		return asUsage(err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: give a folder that you may use with --results or $ORCH_RESULTS", err)
	}
	if err != nil {
		if st, e := os.Stat(path); e == nil && !st.IsDir() {
			return usage("%s is a file, want a folder: give the right one with --results or $ORCH_RESULTS", path)
		}
	}
	return err
}

// openSweeps opens the named sweeps, or all of the tree if none is named.
func openSweeps(t *results.Tree, names []string) ([]*results.Sweep, error) {
	all, err := t.Sweeps()
	if err != nil {
		return nil, err
	}
	if len(names) == 0 {
		names = all
	}
	var sweeps []*results.Sweep
	for _, n := range names {
		s, err := t.Sweep(n)
		if errors.Is(err, results.ErrNoSweep) {
			return nil, usage("no sweep %q in %s%s", n, t.Path(), sweepHint(n, all))
		}
		if err != nil {
			return nil, asUsage(err)
		}
		sweeps = append(sweeps, s)
	}
	return sweeps, nil
}

func sweepHint(name string, all []string) string {
	if hint := didYouMean(name, all); hint != "" {
		return hint
	}
	if len(all) == 0 {
		return ": it has none yet"
	}
	return ": there are " + strings.Join(all, ", ")
}
