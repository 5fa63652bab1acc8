package main

import (
	"slices"

	"github.com/urfave/cli/v2"

	"orch/sweep/compose"
	"orch/sweep/results"
)

func trainCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:      "train",
		Usage:     "run one training, or with --multirun the product of comma lists",
		ArgsUsage: "[KEY=VALUE...]",
		Description: "orch train model=net5 training.epochs=10\norch train --multirun model=net2,net5 training.epochs=2,5\norch train +experiment=sweep_models\n" +
			"Runs go to the sweep \"train\" unless --name or a preset names another.",
		Flags: append(slices.Concat(planFlags(), runFlags(), configFlags()),
			&cli.StringFlag{Name: "config-name", Aliases: []string{"config"}, Value: "train", Usage: "primary config `NAME`"},
			&cli.BoolFlag{Name: "multirun", Aliases: []string{"m"}, Usage: "comma lists and ranges are sweeps"},
			jsonFlag(),
		),
		Action: func(c *cli.Context) error { return p.train(c) },
	}
}

func (p *program) train(c *cli.Context) error {
	if c.IsSet("cfg") || c.IsSet("info") {
		return p.printConfig(c, compose.Primary{Name: c.String("config-name")}, c.Args().Slice())
	}
	provenance := p.lookAround()
	plan, err := p.expand(c, compose.Primary{Name: c.String("config-name")}, c.Args().Slice(), c.Bool("multirun"))
	if err != nil {
		return err
	}
	defer p.askAhead(c, plan)()
	x, err := p.settle(c, plan, nil, "train")
	if err != nil {
		return err
	}
	return p.execute(c, x, results.KindAdd, provenance)
}
