package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/sweep/hydra"
)

func importCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "import",
		Usage:       "turn the configs of another tool into orch's",
		Description: "orch import hydra config --out configs",
		Action: func(c *cli.Context) error {
			if c.NArg() == 0 {
				return cli.ShowSubcommandHelp(c)
			}
			return usage("unknown command %q of orch import%s: orch import --help lists them", c.Args().First(), didYouMean(c.Args().First(), []string{"hydra"}))
		},
		Subcommands: []*cli.Command{{
			Name:      "hydra",
			Usage:     "turn a Hydra config folder (YAML) into TOML configs and sweep files",
			ArgsUsage: "DIR",
			Description: "Defaults lists, packages, presets, sweeper parameters, joblib and submitit launchers become orch's; what cannot be\n" +
				"carried over is listed with file, line and what to do instead. No file is overwritten.\n\n" + exitHelp,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "out", Value: "configs", Usage: "`FOLDER` to write to"},
				&cli.StringSliceFlag{Name: "rename", Usage: "rename a top-level key: `OLD=NEW`"},
				&cli.BoolFlag{Name: "dry-run", Usage: "write nothing"},
			},
			OnUsageError: usageError,
			Action:       func(c *cli.Context) error { return p.importHydra(c) },
		}},
	}
}

func (p *program) importHydra(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("orch import hydra wants one folder, the one with Hydra's primary config: orch import hydra config")
	}
	dir, out := c.Args().First(), c.String("out")
	if st, err := os.Stat(dir); err != nil || !st.IsDir() {
		return usage("%s: no such folder", dir)
	}
	opts := hydra.Options{Rename: map[string]string{}}
	for _, r := range c.StringSlice("rename") {
		from, to, ok := strings.Cut(r, "=")
		if !ok || from == "" || to == "" || strings.ContainsAny(from+to, ". ") {
			return usage("--rename %s: want OLD=NEW, two top-level keys", r)
		}
		opts.Rename[from] = to
	}
	r, err := hydra.Import(os.DirFS(dir), opts)
	if errors.Is(err, hydra.ErrNone) {
		return usage("%s: %w", dir, err)
	}
	if err != nil {
		return fmt.Errorf("import %s: %w", dir, err)
	}
	if !c.Bool("dry-run") {
		if err := writeNew(out, r.Files); err != nil {
			return err
		}
	}
	for _, f := range r.Files {
		fmt.Fprintf(p.stdout, "%s -> %s\n", filepath.Join(dir, filepath.FromSlash(f.From)), filepath.Join(out, filepath.FromSlash(f.Path)))
	}
	lost := 0
	for _, n := range r.Notes {
		if n.Lost {
			lost++
		}
	}
	printNotes := func(title string, wantLost bool) {
		for _, n := range r.Notes {
			if n.Lost == wantLost {
				if title != "" {
					fmt.Fprintf(p.stdout, "\n%s\n", title)
					title = ""
				}
				fmt.Fprintf(p.stdout, "%s\n", n)
			}
		}
	}
	printNotes(fmt.Sprintf("Not carried over: %d", lost), true)
	printNotes(fmt.Sprintf("Carried over, worth a look: %d", len(r.Notes)-lost), false)
	fmt.Fprintf(p.stdout, "\nNext: say what a run is, in the primary config: [task] command = [\"python\", \"train.py\", \"--lr={training.lr}\"];\n"+
		"orch train --cfg job --config-dir %s --config-name NAME shows what is composed.\n", out)
	return nil
}

// writeNew writes files that must not exist yet: all of them, or none.
func writeNew(dir string, files []hydra.File) error {
	var there []string
	for _, f := range files {
		if _, err := os.Lstat(filepath.Join(dir, filepath.FromSlash(f.Path))); err == nil {
			there = append(there, f.Path)
		}
	}
	if len(there) > 0 {
		return usage("%s has %s already: nothing was written; give another folder by --out", dir, strings.Join(there, ", "))
	}
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(name), 0o777); err != nil {
			return fmt.Errorf("make the folder of %s: %w", name, err)
		}
		// Created, never truncated: somebody may have been faster.
		w, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
		if err != nil {
			return err
		}
		_, err = w.Write(f.Text)
		if err := errors.Join(err, w.Close()); err != nil {
			return err
		}
	}
	return nil
}
