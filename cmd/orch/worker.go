package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/sweep/results"
	"orch/trainer"
	"orch/trainer/nn"
)

func workerCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "worker",
		Usage:       "execute runs of a sweep until none is left (internal)",
		Description: "Started by the launchers. It claims runs of one sweep and one resource group from the results tree.",
		Hidden:      true,
		Flags: append([]cli.Flag{
			resultsFlag(),
			&cli.StringFlag{Name: "sweep", Required: true, Usage: "`NAME` of the sweep"},
			&cli.StringFlag{Name: "group", Required: true, Usage: "`KEY` of the resource request to serve"},
			&cli.IntFlag{Name: "parallel", Value: 1, Usage: "runs at once"},
			&cli.IntFlag{Name: "threads", Value: 1, Usage: "CPU threads per run"},
			&cli.DurationFlag{Name: "time", Usage: "time of the allocation, from its start"},
			&cli.DurationFlag{Name: "leave", Usage: "how long before its end to ask the runs to save and leave"},
			&cli.DurationFlag{Name: "run-time", Usage: "how long a run takes: one that does not fit is not begun"},
			&cli.IntFlag{Name: "max-runs", Usage: "begin so many runs and leave"},
			&cli.DurationFlag{Name: "timeout", Usage: "end a run that takes longer"},
			&cli.DurationFlag{Name: "stall", Usage: "end a run that logs and measures nothing for so long"},
			&cli.StringFlag{Name: "job", Usage: "the scheduler's `ID` of the job"},
			&cli.BoolFlag{Name: "durable", Usage: "sync every result before it counts"},
		}, gpuFlags()...),
		Action: func(c *cli.Context) error { return p.worker(c) },
	}
}

func (p *program) worker(c *cli.Context) error {
	leave, unlisten := p.listen()
	defer unlisten()
	gpu := p.becomeGPUWorker(c)
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	s, err := tree.Sweep(c.String("sweep"))
	if err != nil {
		return err
	}
	defer s.Close()
	h := results.Self()
	h.Key, h.Job, h.Orch = os.Getenv(launcher.EnvKey), c.String("job"), version+" "+commit()
	h.Node = os.Getenv(launcher.EnvNode)
	if h.Job == "" {
		h.Job = os.Getenv(launcher.EnvJob)
	}
	h.CPU = nn.BackendFor(gpu, visibleGPUs())
	h.Arithmetic = nn.Arithmetic(h.CPU)
	if i, err := strconv.Atoi(os.Getenv(launcher.EnvIndex)); err == nil {
		h.Index = i
	}
	w := &trainer.Worker{
		Sweep: s, Group: c.String("group"), Holder: h,
		Parallel: c.Int("parallel"), Threads: c.Int("threads"), GPUs: visibleGPUs(), GPU: gpu,
		Timeout: c.Duration("timeout"), Stall: c.Duration("stall"),
		Leave: c.Duration("leave"), RunTime: c.Duration("run-time"), MaxRuns: c.Int("max-runs"),
		Durable: c.Bool("durable"), Trainer: trainerFor, Log: p.log, Env: callable(),
	}
	if d := c.Duration("time"); d > 0 {
		w.Deadline = time.Now().Add(d - spent())
	}
	sum, err := w.Run(p.ctx, leave)
	ev := p.log.Info()
	for class := range results.Lost + 1 {
		if n := sum.Runs[class]; n > 0 {
			ev = ev.Int(class.String(), n)
		}
	}
	ev.Bool("left_early", sum.Left).Msg("worker ends")
	if err != nil {
		return fmt.Errorf("worker: %w", err)
	}
	return nil
}

// callable returns what lets programs call orch metric: the last entry of their
// PATH, so that it hides nothing of theirs, and the binary's own name for those
// whose PATH is made anew.
func callable() []string {
	exe, err := os.Executable()
	if err == nil {
		exe, err = filepath.EvalSymlinks(exe)
	}
	if err != nil {
		return nil
	}
	env := []string{"ORCH_BIN=" + exe}
	if folder := results.CallFolder(exe); folder != "" {
		path := os.Getenv("PATH")
		if path != "" {
			path += string(filepath.ListSeparator)
		}
		env = append(env, "PATH="+path+folder)
	}
	return env
}

// spent is how much of the allocation's time had passed when this process was
// started: loading modules and images takes its time.
func spent() time.Duration {
	s, err := strconv.ParseUint(os.Getenv(launcher.EnvSpent), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(s) * time.Second
}

// visibleGPUs are the devices that the launcher gave this worker.
func visibleGPUs() []string {
	v, ok := os.LookupEnv("CUDA_VISIBLE_DEVICES")
	if !ok {
		return nil
	}
	if v == "" {
		return []string{}
	}
	return strings.Split(v, ",")
}
