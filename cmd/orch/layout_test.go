package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

// imports is the promise of who may enter whom: what of ours a package may
// import, tests aside. A package that is not listed may not exist.
var imports = map[string][]string{
	"configs":               {},
	"launcher":              {},
	"launcher/pool":         {"launcher"},
	"launcher/slurm":        {"launcher"},
	"launcher/launchertest": {"launcher"},
	"sweep/override":        {},
	"sweep/results":         {"sweep/override"},
	"sweep/code":            {},
	"sweep/compose":         {"sweep/override"},
	"sweep":                 {"sweep/override", "sweep/results", "sweep/compose", "configs"},
	"sweep/hydra":           {"sweep/override", "sweep/compose"},
	"sweep/dispatch":        {"sweep", "sweep/override", "sweep/results", "launcher"},
	"trainer":               {"sweep/override", "sweep/results"},
	"trainer/data":          {"trainer", "sweep/override", "sweep/results"},
	"trainer/nn":            {"trainer", "trainer/data", "sweep/override", "sweep/results"},
	"trainer/command":       {"trainer", "sweep/override", "sweep/results"},
	"trainer/trainertest":   {"trainer", "sweep/override", "sweep/results"},
	"report":                {"report/collect", "report/plot", "report/stat", "sweep/override", "sweep/results"},
	"report/stat":           {},
	"report/plot":           {},
	"report/collect":        {"sweep/override", "sweep/results"},
	"cmd/orch":              {"*"},
	"deploy/faults":         {"*"},
	"deploy/slurmtest":      {},
	"deploy/bench.d":        {},
	"deploy/examples":       {},
}

// topLevel is every name that may stand at the root.
var topLevel = []string{"cmd", "launcher", "sweep", "trainer", "report", "configs", "deploy", "go.mod", "go.sum", "README.md",
	"LICENSE", ".ci", ".git", ".gitignore", ".golangci.yml"}

const root = "../.."

func TestLayout(t *testing.T) {
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); !slices.Contains(topLevel, name) && !slices.Contains([]string{"results", "orch"}, name) {
			t.Errorf("%s does not belong at the root", name)
		}
	}
	fset := token.NewFileSet()
	err = filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == ".git" || d.Name() == "results") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") {
			return nil
		}
		rel, _ := filepath.Rel(root, file)
		pkg := path.Dir(filepath.ToSlash(rel))
		allowed, ok := imports[pkg]
		if !ok {
			t.Errorf("%s: package %s is not in the import table", rel, pkg)
			return nil
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		if strings.HasSuffix(file, "_test.go") {
			return nil
		}
		for _, im := range f.Imports {
			name, _ := strconv.Unquote(im.Path.Value)
			ours, isOurs := strings.CutPrefix(name, "orch/")
			if isOurs && !slices.Contains(allowed, ours) && !slices.Contains(allowed, "*") {
				t.Errorf("%s imports %s, which %s may not", rel, name, pkg)
			}
			if strings.HasPrefix(name, "gorgonia.org/") && pkg != "trainer/nn" {
				t.Errorf("%s imports %s: gorgonia appears only under trainer/nn", rel, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryPackageIsDocumented(t *testing.T) {
	for pkg := range imports {
		files, err := filepath.Glob(filepath.Join(root, pkg, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		documented := false
		for _, file := range files {
			f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			documented = documented || f.Doc != nil && !strings.HasSuffix(file, "_test.go")
		}
		if !documented {
			t.Errorf("package %s has no doc comment", pkg)
		}
	}
}

func TestEveryCommandHasHelp(t *testing.T) {
	var check func(prefix string, commands []*cli.Command)
	check = func(prefix string, commands []*cli.Command) {
		for _, c := range commands {
			name := prefix + c.Name
			if c.Usage == "" || c.Description == "" {
				t.Errorf("%s: usage %q, description %q: want both", name, c.Usage, c.Description)
			}
			if !strings.Contains(c.Description, "Exit codes:") && len(c.Subcommands) == 0 && prefix == "orch " {
				t.Errorf("%s: its help does not list the exit codes", name)
			}
			for _, f := range c.Flags {
				d, ok := f.(cli.DocGenerationFlag)
				if !ok || d.GetUsage() == "" {
					t.Errorf("%s --%s has no usage", name, f.Names()[0])
				}
			}
			check(name+" ", c.Subcommands)
		}
	}
	check("orch ", newApp(&program{}).Commands)
}
