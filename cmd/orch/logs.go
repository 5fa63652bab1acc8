package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"orch/sweep/results"
)

func logsCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:        "logs",
		Usage:       "print what a run wrote",
		ArgsUsage:   "RUN",
		Description: "The log of the attempt that counts, else of the newest one, byte for byte.\n" + runHelp,
		Flags: []cli.Flag{resultsFlag(),
			&cli.BoolFlag{Name: "follow", Aliases: []string{"f"}, Usage: "go on until the run has ended"},
			&cli.StringFlag{Name: "attempt", Usage: "of attempt `A`, as orch show lists them: a0"},
			&cli.IntFlag{Name: "tail", Aliases: []string{"n"}, DefaultText: "all", Usage: "only the last `N` lines"},
		},
		Action: func(c *cli.Context) error { return p.logs(c) },
	}
}

func (p *program) logs(c *cli.Context) error {
	if c.NArg() != 1 {
		return usage("orch logs wants one run: orch status --runs lists them; @last is the newest")
	}
	if c.Int("tail") < 0 {
		return usage("--tail %d: want a number of lines", c.Int("tail"))
	}
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	f, err := findRun(tree, c.Args().First())
	if err != nil {
		return err
	}
	defer f.sweep.Close()
	attempt, err := f.attemptFolder(c.String("attempt"))
	if err != nil {
		return err
	}
	follow := c.Bool("follow")
	if attempt == "" && !follow {
		return fmt.Errorf("run %s has no log: it has not been started (%s); orch logs -f waits for it", f.st.Run.Name, f.st.State)
	}
	l := &logReader{p: p, tail: c.Int("tail")}
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		// The state is looked at before the log is read: then the last read of a
		// run that has ended sees all of its log.
		ended := f.st.State != results.StateRunning && f.st.State != results.StateQueued || c.IsSet("attempt")
		if attempt != "" {
			if err := l.read(filepath.Join(f.sweep.AttemptPath(f.st.Run.Name, attempt), results.LogFile), follow && !ended); err != nil {
				return err
			}
		}
		if !follow || ended {
			return nil
		}
		select {
		case <-p.ctx.Done():
			return quiet(exitInterrupted)
		case <-tick.C:
		}
		if _, err := f.sn.Refresh(); err != nil {
			return err
		}
		id := f.st.Run.ID
		f.view = newView(f.sweep, f.sn)
		for i := range f.states {
			if f.states[i].Run.ID == id {
				f.st = &f.states[i]
			}
		}
		if attempt, err = f.attemptFolder(c.String("attempt")); err != nil {
			return err
		}
	}
}

// followEvery is how often -f looks. Opening and reading one file so often is
// bearable on any file system.
const followEvery = 500 * time.Millisecond

// attemptFolder returns the folder of the attempt to show: the one that was
// asked for, else the one that counts, else the newest; empty if there is none.
func (f *found) attemptFolder(want string) (string, error) {
	var names []string
	for _, a := range f.st.Attempts {
		if a.Folder == want {
			return want, nil
		}
		names = append(names, a.Folder)
	}
	switch {
	case want != "":
		return "", usage("run %s has no attempt %q; it has %s", f.st.Run.Name, want, orNone(strings.Join(names, ", ")))
	case len(names) == 0:
		return "", nil
	case f.st.Counted >= 0 && f.st.State != results.StateFailed:
		return names[f.st.Counted], nil
	}
	if f.st.State != results.StateRunning && f.st.State != results.StateQueued {
		// A run that is given up ends with an attempt that never began: what it
		// wrote is in the one before.
		for _, name := range slices.Backward(names) {
			if _, err := os.Stat(filepath.Join(f.sweep.AttemptPath(f.st.Run.Name, name), results.LogFile)); err == nil {
				return name, nil
			}
		}
	}
	return names[len(names)-1], nil
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}

// logReader copies a growing file to standard output. It opens the file anew
// for every look, which is what makes a network file system look again.
type logReader struct {
	p    *program
	tail int
	path string
	at   int64
}

func (l *logReader) read(path string, mayCome bool) error {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		if mayCome {
			return nil
		}
		return fmt.Errorf("there is no log %s: the attempt ended before it wrote one, or orch prune removed it", path)
	}
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	defer f.Close()
	if path != l.path {
		if l.path != "" {
			l.rest()
			fmt.Fprintf(l.p.stderr, "orch: a new attempt: %s\n", path)
		}
		l.path, l.at = path, 0
		if l.tail > 0 {
			if l.at, err = tailStart(f, l.tail); err != nil {
				return fmt.Errorf("read log: %w", err)
			}
		}
	}
	if _, err := f.Seek(l.at, io.SeekStart); err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	n, err := io.Copy(l.p.stdout, f)
	l.at += n
	if err != nil {
		return fmt.Errorf("read log: %w", err)
	}
	return nil
}

// rest prints what the attempt before wrote since the last look: its end, which
// says why there is a new one.
func (l *logReader) rest() {
	f, err := os.Open(l.path)
	if err != nil {
		return // orch prune removed it
	}
	defer f.Close()
	if _, err := f.Seek(l.at, io.SeekStart); err == nil {
		io.Copy(l.p.stdout, f)
	}
}

// tailStart returns where the last n lines of a file begin.
func tailStart(f *os.File, n int) (int64, error) {
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	const step = 64 << 10
	b := make([]byte, step)
	for end := st.Size(); end > 0; {
		from := max(0, end-step)
		part := b[:end-from]
		if _, err := f.ReadAt(part, from); err != nil && err != io.EOF {
			return 0, err
		}
		for i := len(part) - 1; i >= 0; i-- {
			if part[i] != '\n' || from+int64(i) == st.Size()-1 {
				continue
			}
			if n--; n == 0 {
				return from + int64(i) + 1, nil
			}
		}
		end = from
	}
	return 0, nil
}

// lastLines returns the last n lines of a file, of which it reads at most the
// last 16 KiB.
func lastLines(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const most = 16 << 10
	st, err := f.Stat()
	if err != nil || !st.Mode().IsRegular() {
		return nil
	}
	b := make([]byte, min(st.Size(), most))
	if _, err := f.ReadAt(b, st.Size()-int64(len(b))); err != nil && err != io.EOF {
		return nil
	}
	text := strings.TrimRight(string(b), "\n")
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	return lines[max(0, len(lines)-n):]
}
