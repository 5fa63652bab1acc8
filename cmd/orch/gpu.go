package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/launcher/pool"
	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
	"orch/trainer/nn"
)

// A binary that is linked with CUDA does not start without a driver. So orch
// for GPUs is a second binary, this same program built with -tags cuda, and a
// worker turns itself into that one where a GPU can be used.

// gpuBinary is its name, in the folder of this one.
const gpuBinary = "orch-gpu"

// gpuFlags are the worker's flags about GPUs.
func gpuFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "gpus", Usage: "GPUs that the launcher asks for"},
		&cli.BoolFlag{Name: "require-gpu", Usage: "built-in trainings fail where no GPU can be used"},
		&cli.StringFlag{Name: "no-gpu", Usage: "`WHY` none can be used"},
		gpuBinaryFlag(),
	}
}

func gpuBinaryFlag() cli.Flag {
	return &cli.StringFlag{Name: "gpu-binary", Usage: "`PATH` of the orch that is built for GPUs"}
}

// findGPUBinary returns the absolute path of the orch for GPUs, or "".
func (p *program) findGPUBinary() string {
	if p.gpuBinary != "" {
		return p.gpuBinary
	}
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return ""
	}
	path := filepath.Join(filepath.Dir(exe), gpuBinary)
	if info, err := os.Stat(path); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	return path
}

// gpuArgs are the flags of a worker whose launcher asks for GPUs to train
// built-in networks on. whyNot is what is missing on this machine, if the
// worker starts here.
func (p *program) gpuArgs(tree *results.Tree, spec launcher.Spec, asked int, whyNot string) ([]string, error) {
	args := []string{fmt.Sprintf("--gpus=%d", asked)}
	if spec.RequireGPU {
		args = append(args, "--require-gpu")
	}
	if whyNot != "" {
		return append(args, "--no-gpu="+whyNot), nil
	}
	path := p.findGPUBinary()
	if path == "" {
		return args, nil
	}
	if spec.Backend != pool.Backend.Name {
		var err error
		if path, err = tree.FreezeBinary(path, ""); err != nil {
			return nil, err
		}
	}
	return append(args, "--gpu-binary="+path), nil
}

// trainBuiltIn reports whether runs with these configs are all built-in
// trainings, as opposed to programs, whose GPUs are their own affair.
func trainBuiltIn(bases []override.Value) bool {
	for _, base := range bases {
		if t, err := trainerFor(base); err != nil || t.Name() != nn.New().Name() {
			return false
		}
	}
	return true
}

// basesOf returns the configs that the runs of a sweep build on.
func basesOf(sn *results.Snapshot) []override.Value {
	var all []override.Value
	for _, s := range sn.Plan.Segments {
		all = append(all, s.Bases...)
	}
	return all
}

// becomeGPUWorker replaces this worker by one that is built for GPUs, if the
// launcher asks for GPUs and they can be used here; then it does not return.
// Else it says what it found.
func (p *program) becomeGPUWorker(c *cli.Context) trainer.GPU {
	g := trainer.GPU{Want: c.Int("gpus") > 0, Require: c.Bool("require-gpu"), None: c.String("no-gpu")}
	if !g.Want || nn.CUDA() || g.None != "" {
		return g
	}
	path := c.String("gpu-binary")
	if g.None = p.gpuMissing(); g.None == "" && path == "" {
		g.None = "there is no " + gpuBinary + " beside orch: build it with -tags cuda, see deploy/Containerfile"
	}
	if g.None == "" {
		g.None = tryGPUBinary(c.Context, path)
	}
	if g.None == "" {
		err := become(path, p.args)
		g.None = fmt.Sprintf("start %s: %v", path, err)
	}
	p.log.Warn().Str("why", g.None).Msg("no GPU for built-in trainings")
	return g
}

// tryGPUBinary says why the orch for GPUs does not do, or "". A driver too old
// for it shows only when it starts.
func tryGPUBinary(ctx context.Context, path string) string {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.WaitDelay = 10 * time.Second
	out, err := cmd.CombinedOutput()
	said := strings.TrimSpace(string(out))
	if i := strings.LastIndexByte(said, '\n'); i >= 0 {
		said = said[i+1:]
	}
	if len(said) > 200 {
		said = said[:200] + "..."
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		return path + " is not there any more"
	case err != nil:
		return fmt.Sprintf("%s does not start: %v: %s", path, err, said)
	case said != versionLine()+" cuda":
		return fmt.Sprintf("%s is %q, want %q: build both from the same commit", path, said, versionLine()+" cuda")
	}
	return ""
}
