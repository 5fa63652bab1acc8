package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"orch/launcher/pool"
	"orch/report"
	"orch/sweep/dispatch"
	"orch/sweep/results"
)

func driveCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "drive",
		Usage:       "start workers for a sweep until nothing is left (internal)",
		Description: "What orch submit --detach leaves behind.",
		Hidden:      true,
		Flags: []cli.Flag{resultsFlag(), &cli.StringFlag{Name: "sweep", Required: true, Usage: "`NAME` of the sweep"}, gpuBinaryFlag(),
			&cli.StringFlag{Name: "only", Usage: "write a report at the end, in these `FORMATS`"},
			&cli.DurationFlag{Name: "timeout", Usage: "leave after `TIME`"}},
		Action: func(c *cli.Context) error {
			p.gpuBinary = c.String("gpu-binary")
			var chosen []report.Format
			if c.IsSet("only") {
				var err error
				if chosen, err = p.reportFormats(c); err != nil {
					return err
				}
			}
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
			sn, err := s.Snapshot()
			if err != nil {
				return err
			}
			out, err := p.drive(s, sn, c.Duration("timeout"))
			if err != nil {
				return err
			}
			if _, err := sn.Refresh(); err != nil {
				return err
			}
			t, err := fold(s, sn)
			if err != nil {
				return err
			}
			if chosen != nil {
				dir, err := writeReport(t, s, chosen)
				if err != nil {
					return err
				}
				fmt.Fprintf(p.stdout, "report   %s\n", dir)
			}
			if out.Counts.Failed > 0 {
				return quiet(exitSomeFailed)
			}
			return nil
		},
	}
}

// drive makes Steps until the sweep is over, or until the timeout, if there is one.
func (p *program) drive(s *results.Sweep, sn *results.Snapshot, timeout time.Duration) (*dispatch.Outcome, error) {
	leave, unlisten := p.listen()
	defer unlisten() // after the workers have left
	d, closeAll := p.dispatcher(s, sn, true)
	defer closeAll()
	d.Insist = true
	d.Stay = outlive(sn)
	progress := newProgress(p, sn.Plan.Header())
	defer progress.clear()
	var late chan struct{}
	if timeout > 0 {
		late = make(chan struct{})
		stop := time.AfterFunc(timeout, func() { close(late) })
		defer stop.Stop()
		leave = merge(leave, late)
	}
	over := make(chan struct{})
	if !d.Stay {
		go tellLeaving(leave, over, progress)
	}
	out, err := d.Drive(p.ctx, leave, progress.step)
	close(over)
	if errors.Is(err, dispatch.ErrInterrupted) && late != nil {
		what := "with the rest"
		if d.Stay { // the workers went on, too
			what = "waiting"
		}
		select {
		case <-late:
			return out, &codeError{exitTimeout, fmt.Errorf("not over after %v; the same command goes on %s", timeout, what)}
		default:
		}
	}
	return out, err
}

// tellLeaving says what is waited for when workers that were asked to leave do
// not do so at once.
func tellLeaving(leave, over <-chan struct{}, progress *progress) {
	select {
	case <-leave:
	case <-over:
		return
	}
	select {
	case <-time.After(time.Second / 2):
		progress.say("leaving: the runs have a moment to save what they have; Ctrl-C once more leaves at once")
	case <-over:
	}
}

// merge returns a channel that is closed when either is.
func merge(a, b <-chan struct{}) <-chan struct{} {
	c := make(chan struct{})
	go func() {
		defer close(c)
		select {
		case <-a:
		case <-b:
		}
	}()
	return c
}

// detach leaves the driving of a sweep to a process of its own, which outlives
// this one and its terminal, and writes the report at the end if one was chosen.
func (p *program) detach(s *results.Sweep, timeout time.Duration, chosen []report.Format) error {
	frozen, err := p.frozen(s.Tree())
	if err != nil {
		return err
	}
	path := filepath.Join(s.Path(), fmt.Sprintf("drive-%s.log", time.Now().UTC().Format("20060102-150405")))
	log, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	args := []string{"drive", "--results=" + s.Tree().Path(), "--sweep=" + s.Name}
	if timeout > 0 {
		args = append(args, "--timeout="+timeout.String())
	}
	if chosen != nil {
		var names []string
		for _, f := range chosen {
			names = append(names, f.Name)
		}
		args = append(args, "--only="+strings.Join(names, ","))
	}
	if gpu := p.findGPUBinary(); gpu != "" { // it is not beside the copy
		if gpu, err = s.Tree().FreezeBinary(gpu, ""); err != nil {
			return err
		}
		args = append(args, "--gpu-binary="+gpu)
	}
	cmd := exec.Command(frozen, args...)
	cmd.Stdout, cmd.Stderr = log, log
	ownSession(cmd)
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start in the background: %w", err)
	}
	fmt.Fprintf(p.stdout, "running in the background as process %d; orch status %s shows it, kill %d ends it cleanly\nlog      %s\n", cmd.Process.Pid, s.Name, cmd.Process.Pid, path)
	return cmd.Process.Release()
}

// outlive reports whether the workers of a sweep's open requests go on when this
// process ends; of one that has none, whether those of its newest plan would.
func outlive(sn *results.Snapshot) bool {
	keys := sn.Claimants(sn.Derive())
	if len(keys) == 0 {
		if h := sn.Plan.Header(); h != nil {
			for _, g := range h.Groups {
				keys = append(keys, cmp.Or(g.Key, results.GroupKey(g.Launcher)))
			}
		}
	}
	return !slices.ContainsFunc(keys, func(key string) bool { return inPool(sn, key) })
}

// inPool reports whether a request is one of this machine's pool.
func inPool(sn *results.Snapshot, key string) bool {
	g := sn.Plan.Group(key)
	if g == nil {
		return false
	}
	spec, _ := parseLauncher(g.Launcher)
	return spec.Backend == pool.Backend.Name
}

// send makes one Step, which asks for all the workers that there is room for now:
// a submit to a scheduler returns as soon as it has answered.
func (p *program) send(s *results.Sweep, sn *results.Snapshot) (*dispatch.Outcome, error) {
	d, closeAll := p.dispatcher(s, sn, true)
	defer closeAll()
	d.Insist = true
	out, err := d.Step(p.ctx)
	if out != nil {
		for _, n := range out.Notes {
			fmt.Fprintf(p.stderr, "orch: %s\n", oneLine(n))
		}
	}
	return out, err
}
