package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"orch/report"
	"orch/report/collect"
	"orch/sweep/compose"
	"orch/sweep/results"
)

func reportCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "report",
		Usage:     "turn the results of a sweep into a verdict, tables and figures",
		ArgsUsage: "[SWEEP...]",
		Description: "Folds first, then writes report/ in the sweep's folder and prints the comparison. Without a sweep: of every sweep.\n" +
			"Formats: " + strings.Join(formatNames(), ", ") + "; which ones, says --only, else report.toml in the config folder, else all.\n" +
			"The same results give the same bytes, which --verify tests without writing.",
		Flags: []cli.Flag{
			resultsFlag(), configDirFlag(),
			&cli.StringFlag{Name: "only", Usage: "only these `FORMATS`, such as pdf,tex"},
			&cli.StringFlag{Name: "out", Usage: "write into `FOLDER` instead (one sweep only)"},
			&cli.BoolFlag{Name: "check", Usage: "exit 4 unless the success criterion is met"},
			&cli.BoolFlag{Name: "verify", Usage: "write nothing; exit 1 if the report would differ"},
		},
		Action: func(c *cli.Context) error { return p.report(c) },
	}
}

func formatNames() []string {
	var names []string
	for _, f := range formats {
		names = append(names, f.Name)
	}
	return names
}

// reportFormats are those of --only, else of report.toml in the config folder.
func (p *program) reportFormats(c *cli.Context) ([]report.Format, error) {
	if only := c.String("only"); only != "" {
		return chooseFormats("--only "+only, strings.Split(only, ","))
	}
	source, err := p.source(c)
	if err != nil {
		return nil, err
	}
	config, err := source.Compose(compose.Primary{Name: "report"}, nil)
	if err != nil {
		return nil, asUsage(err)
	}
	tree, err := config.Resolve()
	if err != nil {
		return nil, asUsage(err)
	}
	var chosen []report.Format
	for _, f := range tree.Fields() {
		key := f.Key.Text()
		at := config.Origin(key)
		if key != "formats" {
			return nil, usage("%s: unknown key %q of report.toml%s", at, key, didYouMean(key, []string{"formats"}))
		}
		var names []string
		for _, v := range f.Val.List() {
			names = append(names, v.Text())
		}
		if len(names) == 0 {
			return nil, usage("%s: formats = %s, want a list of %s", at, f.Val.Text(), strings.Join(formatNames(), ", "))
		}
		if chosen, err = chooseFormats(fmt.Sprintf("%s: formats", at), names); err != nil {
			return nil, err
		}
	}
	return chosen, nil
}

// chooseFormats finds formats by name; where says who named them.
func chooseFormats(where string, names []string) ([]report.Format, error) {
	var chosen []report.Format
	for _, name := range names {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(formats, func(f report.Format) bool { return f.Name == name })
		if i < 0 {
			return nil, usage("%s: %s: no such format; there are %s", where, name, strings.Join(formatNames(), ", "))
		}
		chosen = append(chosen, formats[i])
	}
	return chosen, nil
}

func (p *program) report(c *cli.Context) error {
	chosen, err := p.reportFormats(c)
	if err != nil {
		return err
	}
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	sweeps, err := openSweeps(tree, c.Args().Slice())
	if err != nil {
		return err
	}
	if len(sweeps) == 0 {
		return usage("no sweeps in %s yet: orch submit makes one", tree.Path())
	}
	if c.IsSet("out") && len(sweeps) > 1 {
		return usage("--out wants one sweep; there are %d: name one", len(sweeps))
	}
	met, same := true, true
	var errs []error // of a sweep that hides no other
	for i, s := range sweeps {
		if i > 0 {
			fmt.Fprintln(p.stdout)
		}
		r, ok, err := p.reportOn(s, c.String("out"), chosen, c.Bool("verify"))
		s.Close()
		if err != nil {
			errs = append(errs, fmt.Errorf("sweep %s: %w", s.Name, err))
			continue
		}
		same = same && ok
		if v := r.Verdict; v == nil || v.Outcome != report.Met {
			met = false
		}
	}
	switch {
	case len(errs) > 0:
		return errors.Join(errs...)
	case !same:
		return quiet(exitFailed)
	case c.Bool("check") && !met:
		return quiet(exitNotMet)
	}
	return nil
}

// reportOn folds one sweep and writes its report, or compares it with the one
// that is there; same is false if that differs. Comparing writes nothing, and
// with a folder of its own for the report the sweep needs only be readable.
func (p *program) reportOn(s *results.Sweep, out string, chosen []report.Format, verify bool) (r *report.Report, same bool, err error) {
	sn, err := s.Snapshot()
	if err != nil {
		return nil, false, err
	}
	t, store, err := compute(s, sn)
	if err != nil {
		return nil, false, err
	}
	r = report.Build(t)
	if verify {
		same, err := p.verifyReport(r, s, out, chosen)
		return r, same, err
	}
	switch err := store(); {
	case err != nil && readOnly(err) && out != "":
		fmt.Fprintf(p.stderr, "orch: sweep %s: its tables are not kept: %v\n", s.Name, err)
	case err != nil && readOnly(err):
		return nil, false, fmt.Errorf("%w: orch report --out FOLDER %s writes the report elsewhere", err, s.Name)
	case err != nil:
		return nil, false, err
	}
	w := 0
	if p.outTTY {
		w = width(p.stdout)
	}
	if err := r.Summary(p.stdout, w); err != nil {
		return nil, false, err
	}
	main, changes, err := publishReport(r, s, out, chosen)
	if err != nil {
		return nil, false, err
	}
	if len(changes) > 0 {
		fmt.Fprintln(p.stdout, "\nsince the last report:")
		for _, line := range changes {
			fmt.Fprintf(p.stdout, "  %s\n", line)
		}
	}
	fmt.Fprintf(p.stdout, "\nreport   %s\n", main)
	return r, true, nil
}

// writeReport writes the sweep's report and returns the main file.
func writeReport(t *collect.Tables, s *results.Sweep, chosen []report.Format) (string, error) {
	main, _, err := publishReport(report.Build(t), s, "", chosen)
	return main, err
}

// mainFiles are what a person opens first, best first.
var mainFiles = []string{"report.html", "report.pdf", "report.md"}

// publishReport writes the chosen formats and returns the file to open, and
// what changed since the report that was there.
func publishReport(r *report.Report, s *results.Sweep, out string, chosen []report.Format) (main string, changes []string, err error) {
	dir, err := openReport(s, out)
	if err != nil {
		return "", nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return "", nil, err
	}
	defer root.Close()
	if earlier, err := root.ReadFile("report.json"); err == nil {
		changes, err = r.Since(earlier)
		if err != nil {
			changes = []string{err.Error()}
		}
	}
	files, err := render(r, chosen)
	if err != nil {
		return "", nil, err
	}
	put := collect.Into(root)
	main = dir
	best := len(mainFiles)
	for _, f := range files {
		if sub := path.Dir(f.Name); sub != "." {
			if err := root.MkdirAll(sub, 0o700); err != nil {
				return "", nil, err
			}
		}
		err := put(f.Name, func(w io.Writer) error {
			_, err := w.Write(f.Data)
			return err
		})
		if err != nil {
			return "", nil, fmt.Errorf("write %s: %w", f.Name, err)
		}
		if i := slices.Index(mainFiles, f.Name); i >= 0 && i < best {
			main, best = filepath.Join(dir, f.Name), i
		}
	}
	if out == "" && len(chosen) == len(formats) {
		if err := dropStale(root, files); err != nil {
			return "", nil, err
		}
	}
	return main, changes, nil
}

// dropStale removes figures and tables that an earlier report had and this one
// has not: pictures of a metric that is not declared any more would be taken for
// current. Other people's files have other endings or other folders.
func dropStale(root *os.Root, files []report.File) error {
	for folder, endings := range map[string][]string{"fig": {".pdf", ".svg", ".png"}, "tables": {".tex", ".csv", ".md"}} {
		entries, err := fs.ReadDir(root.FS(), folder)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			return err
		}
		for _, e := range entries {
			name := path.Join(folder, e.Name())
			ours := slices.Contains(endings, path.Ext(name)) && !slices.ContainsFunc(files, func(f report.File) bool { return f.Name == name })
			if ours && e.Type().IsRegular() {
				if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
					return fmt.Errorf("remove an earlier report's %s: %w", name, err)
				}
			}
		}
	}
	return nil
}

func render(r *report.Report, chosen []report.Format) ([]report.File, error) {
	var all []report.File
	for _, format := range chosen {
		files, err := format.Render(r)
		if err != nil {
			return nil, fmt.Errorf("report as %s: %w", format.Name, err)
		}
		all = append(all, files...)
	}
	return all, nil
}

// verifyReport renders the report again and compares hashes file by file.
func (p *program) verifyReport(r *report.Report, s *results.Sweep, out string, chosen []report.Format) (same bool, err error) {
	dir := out
	if dir == "" {
		dir = filepath.Join(s.Path(), "report")
	}
	files, err := render(r, chosen)
	if err != nil {
		return false, err
	}
	same = true
	for _, f := range files {
		have, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(f.Name)))
		switch {
		case errors.Is(err, fs.ErrNotExist):
			fmt.Fprintf(p.stdout, "missing    %s\n", f.Name)
			same = false
		case err != nil:
			return false, err
		case !bytes.Equal(have, f.Data):
			fmt.Fprintf(p.stdout, "different  %s  %s, rebuilt %s\n", f.Name, shortHash(have), shortHash(f.Data))
			same = false
		default:
			fmt.Fprintf(p.stdout, "same       %s  %s\n", f.Name, shortHash(f.Data))
		}
	}
	if same {
		return true, nil
	}
	if earlier, err := os.ReadFile(filepath.Join(dir, "report.json")); err == nil {
		changes, err := r.Since(earlier)
		if err != nil {
			return false, err
		}
		for _, line := range changes {
			fmt.Fprintf(p.stdout, "  %s\n", line)
		}
		if len(changes) == 0 {
			fmt.Fprintln(p.stdout, "  the numbers are the same: the files were edited, or made by another version of orch")
		}
	}
	return false, nil
}

func shortHash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}
