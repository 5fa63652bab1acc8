package main

import (
	"fmt"
	"os"

	"github.com/urfave/cli/v2"

	"orch/trainer/command"
)

func metricCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "metric",
		Usage:     "report metrics of the run that calls it",
		ArgsUsage: "NAME=VALUE...",
		Description: "For programs that orch runs: `orch metric loss=0.25 --step 5` adds to the run's series,\n" +
			"without --step it sets a final metric. The last value of a name is its result.\n" +
			"A run finds orch in its PATH. Outside of a run nothing is recorded, and that is no error.",
		Flags:  []cli.Flag{&cli.Int64Flag{Name: "step", DefaultText: "none", Aliases: []string{"s"}, Usage: "`N` of the step that was measured"}},
		Action: func(c *cli.Context) error { return p.metric(c) },
	}
}

func (p *program) metric(c *cli.Context) error {
	if c.NArg() == 0 {
		return usage("orch metric wants NAME=VALUE, such as orch metric loss=0.25 --step 5")
	}
	var measures []command.Measure
	for _, word := range c.Args().Slice() {
		m, err := command.ParseMeasure(word)
		if err != nil {
			return usage("%w", err)
		}
		measures = append(measures, m)
	}
	file := os.Getenv(command.MetricsVariable)
	if file == "" {
		fmt.Fprintf(p.stderr, "orch: not called from a run (no $%s): nothing was recorded\n", command.MetricsVariable)
		return nil
	}
	if err := command.Append(file, measures, c.Int64("step"), c.IsSet("step")); err != nil {
		return fmt.Errorf("record metrics: %w", err)
	}
	return nil
}
