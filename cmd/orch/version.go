package main

import (
	"fmt"
	"maps"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/urfave/cli/v2"

	"orch/report"
	"orch/trainer/nn"
)

// version is set by release builds: -ldflags "-X main.version=0.2.0".
var version = "0.1.0-dev"

// commit returns the git commit that the binary was built from, as Go's linker
// recorded it, with a mark if the work tree had changes.
func commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	rev, dirty := "unknown", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			rev = s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "+changes"
		}
	}
	return rev + dirty
}

func versionCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "version",
		Usage: "print the version, the commit and the Go version",
		Flags: []cli.Flag{&cli.BoolFlag{Name: "licenses", Usage: "also the licences of what is inside the binary"}},
		Action: func(c *cli.Context) error {
			if c.Bool("licenses") {
				texts := report.Licenses()
				for _, name := range slices.Sorted(maps.Keys(texts)) {
					fmt.Fprintf(p.stdout, "== %s\n%s\n\n", name, texts[name])
				}
			}
			line := versionLine()
			if nn.CUDA() {
				line += " cuda"
			}
			fmt.Fprintln(p.stdout, line)
			return nil
		},
	}
}

func versionLine() string {
	return fmt.Sprintf("orch %s %s %s %s/%s", version, commit(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
