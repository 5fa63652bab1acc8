package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
)

// Trainer runs programs. It may be used by any number of goroutines at once.
type Trainer struct {
	environ func() []string // what programs inherit
	oom     oomWatch
	news    time.Duration // see newsWait

	mu    sync.Mutex
	found map[lookupKey]string // programs by name, since PATH is long and runs are many
}

type lookupKey struct{ name, path string }

var _ trainer.Trainer = (*Trainer)(nil)

// newsWait: Slurm signals a job's programs at the same moment as the worker. A
// program that such a signal ended is judged when the worker had the time to hear
// of it too.
const newsWait = time.Second

// New returns a trainer whose programs inherit this process's environment.
func New() *Trainer {
	return &Trainer{environ: os.Environ, oom: oomWatch{root: "/"}, news: newsWait, found: map[lookupKey]string{}}
}

// Name returns "command".
func (*Trainer) Name() string { return "command" }

// Check returns what is wrong with the [task] table of a run's config. All
// other keys are the user's own and fill placeholders.
func (*Trainer) Check(config override.Value) []error {
	_, problems := readTask(config)
	return problems
}

// Usage is implemented by a [trainer.Run]'s Metrics that wants to know what
// the program used: CPU seconds, user and system, of the program and of those
// descendants it waited for; and the peak resident set in bytes of the largest
// of them, 0 where the system does not say. Linux counts what a process was
// before exec, so a small program shows the 20 MB of the worker that started it.
// It is called once, after the
// program's end.
type Usage interface {
	Usage(cpuSeconds float64, maxRSS int64)
}

// Train runs the program and waits for its end. The package documentation says
// what it is told, how it hands back metrics and how its end is judged.
func (c *Trainer) Train(ctx context.Context, r *trainer.Run) error {
	t, problems := readTask(r.Config)
	if len(problems) > 0 {
		return badSetup(errors.Join(problems...))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if closed(r.Stop) {
		return trainer.ErrPreempted
	}
	var before *earlier
	if r.Resume != "" {
		before = measuredBefore(r.Resume)
		with := *r
		with.Resume = checkpoints(r.Resume)
		r = &with
	}
	s, owed, err := c.prepare(t, r)
	if err != nil {
		return badSetup(err)
	}
	log, err := openSink(r, t.patterns)
	if err != nil {
		return badSetup(err)
	}
	s.out = log.child
	killsBefore := c.oom.before()
	p, err := c.start(&s)
	if err != nil {
		log.close()
		return badSetup(startProblem(s, r, err))
	}
	g := &gathered{to: r.Metrics, dir: r.Dir, earlier: before}
	w := &watch{task: t, run: r, p: p, log: log, tail: tailer{g: g}, news: c.news}
	why := w.wait(ctx)
	log.close()
	if u, ok := r.Metrics.(Usage); ok && why != abandoned {
		u.Usage(p.end.cpu.Seconds(), p.end.maxRSS)
	}
	if why == abandoned || why == cancelled && !trainer.Graced(ctx) {
		w.tail.close()
		return ctx.Err()
	}
	w.tail.end()
	g.inherit()
	g.final()
	missing, err := g.fromLog(log, t.patterns)
	g.report()
	if why == cancelled {
		return ctx.Err()
	}
	if err != nil && p.end.exit == 0 && p.end.signal == "" && why == byItself {
		return badSetup(err) // of the disk: the worker leaves, and the run is tried again
	}
	for _, name := range owed {
		if _, err := os.Stat(filepath.Join(r.Dir, name)); err != nil {
			missing = append(missing, fmt.Sprintf("file %s: not in the run's folder%s", name, elsewhere(name, s.dir, r.Dir)))
		}
	}
	e := &end{ending: p.end, why: why, missing: missing, owes: len(owed)+len(t.patterns) > 0, task: t}
	if e.exit != 0 || e.signal != "" {
		e.logTail, err = log.tailBytes()
		if err != nil {
			g.bad(results.LogFile, err)
		}
		e.oomFile, e.oomKill = c.oom.after(killsBefore)
	}
	if g.garbled > 0 {
		fmt.Fprintf(r.Log, "orch: could not use %d of the metrics (first: %s)\n", g.garbled, g.first)
	}
	err = e.judge()
	if err != nil && g.ckpts == 0 {
		g.unnamed()
	}
	return err
}

// elsewhere says where an output may have gone.
func elsewhere(name, workdir, dir string) string {
	if _, err := os.Stat(filepath.Join(workdir, name)); err == nil {
		return fmt.Sprintf("; there is one in %s, where the programs of all runs write: let it write to {run_dir} or $ORCH_RUN_DIR", workdir)
	}
	if found, _ := filepath.Glob(filepath.Join(escapeGlob(dir), name)); len(found) > 0 {
		return fmt.Sprintf("; %s is: outputs are names, not patterns", filepath.Base(found[0]))
	}
	return ""
}

// escapeGlob quotes what [filepath.Glob] would take for a pattern.
var escapeGlob = strings.NewReplacer(`*`, `\*`, `?`, `\?`, `[`, `\[`, `\`, `\\`).Replace

// prepare fills the task's templates for a run and writes what the program
// expects to find. owed are the run's outputs.
func (c *Trainer) prepare(t *task, r *trainer.Run) (s spec, owed []string, err error) {
	vals := valuesOf(r)
	if t.shell {
		script, err := t.command[0].fillShell(vals)
		if err != nil {
			return s, nil, err
		}
		s.path, s.argv = shellPath, []string{"sh", "-c", script}
	} else {
		s.argv = make([]string, len(t.command))
		for i, w := range t.command {
			if s.argv[i], err = w.fill(vals); err != nil {
				return s, nil, err
			}
		}
	}
	s.dir = r.Workdir
	if len(t.workdir) > 0 {
		dir, err := t.workdir.fill(vals)
		if err != nil {
			return s, nil, err
		}
		if filepath.IsAbs(dir) {
			s.dir = dir
		} else {
			s.dir = filepath.Join(r.Workdir, dir)
		}
	}
	for _, o := range t.outputs {
		name, err := o.fill(vals)
		if err != nil {
			return s, nil, err
		}
		if !filepath.IsLocal(name) {
			return s, nil, fmt.Errorf("task.outputs: %q is outside the run's folder; name files relative to it", name)
		}
		owed = append(owed, name)
	}
	if s.env, err = t.environment(r, s.dir, c.environ()); err != nil {
		return s, nil, err
	}
	// Scripts save into $ORCH_CKPT_DIR without making it first.
	mkdir := func() error { return os.Mkdir(filepath.Join(r.Dir, results.CheckpointsDir), 0o700) }
	if err := results.Again(mkdir); err != nil && !errors.Is(err, os.ErrExist) {
		return s, nil, err
	}
	if t.wantsJSON() {
		file := filepath.Join(r.Dir, configJSONFile)
		text := append(r.Config.AppendJSON(nil), '\n')
		if err := results.Again(func() error { return os.WriteFile(file, text, 0o600) }); err != nil {
			return s, nil, err
		}
	}
	return s, owed, nil
}

// start finds the program, which sets the spec's path, and executes it.
func (c *Trainer) start(s *spec) (*process, error) {
	name := s.argv[0]
	if s.path != "" { // sh
		return start(*s)
	}
	if strings.ContainsRune(name, filepath.Separator) || strings.Contains(name, "/") {
		s.path = name // relative to the program's own working directory
		return start(*s)
	}
	key := lookupKey{name, getenv(s.env, "PATH")}
	c.mu.Lock()
	path, known := c.found[key]
	c.mu.Unlock()
	if known {
		s.path = path
		if p, err := start(*s); err == nil || !isMissing(err) {
			return p, err
		}
		// The program may have moved since it was found.
	}
	path, err := find(name, key.path)
	if err != nil {
		return nil, &lookupError{name, err}
	}
	c.mu.Lock()
	c.found[key] = path
	c.mu.Unlock()
	s.path = path
	return start(*s)
}

func isMissing(err error) bool {
	return errors.Is(err, os.ErrNotExist) || errors.Is(err, os.ErrPermission)
}

// lookupError says that a command's first word was not found in PATH.
type lookupError struct {
	name string
	err  error
}

func (e *lookupError) Error() string { return e.name + ": " + e.err.Error() }
func (e *lookupError) Unwrap() error { return e.err }

// startProblem explains why a program did not start, with the fix.
func startProblem(s spec, r *trainer.Run, err error) error {
	if s.dir != "" {
		if info, e := os.Stat(s.dir); e != nil || !info.IsDir() {
			if r.Origin != "" && r.Origin != r.Workdir {
				return fmt.Errorf("the copy of the code, %s, is gone; orch retry makes a new one", s.dir)
			}
			return fmt.Errorf("working directory %s does not exist on this machine; set task.workdir, or submit from a folder that all nodes see", s.dir)
		}
	}
	name, file := s.argv[0], s.path
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.dir, file)
	}
	var le *lookupError
	switch {
	case errors.As(err, &le) && errors.Is(err, os.ErrPermission):
		return fmt.Errorf("start %s: the file of this name in PATH is not executable; make it so with chmod +x", name)
	case errors.As(err, &le):
		return fmt.Errorf("start %s: not found in PATH; install it on this machine, name it with its path, or set PATH in [task.env]", name)
	case errors.Is(err, syscall.ENOEXEC):
		return fmt.Errorf("start %s: not a program of this machine; a script needs a first line such as #!/bin/sh, a binary the right architecture", name)
	case errors.Is(err, syscall.E2BIG):
		return fmt.Errorf("start %s: its arguments and environment are too long; pass {config} instead of many values", name)
	case errors.Is(err, os.ErrPermission):
		if info, e := os.Stat(file); e == nil && info.IsDir() {
			return fmt.Errorf("start %s: is a folder, not a program; name the program in it", name)
		}
		return fmt.Errorf("start %s: not executable; make it so with chmod +x, or name its interpreter first", name)
	case errors.Is(err, os.ErrNotExist):
		if _, e := os.Stat(file); e == nil {
			return fmt.Errorf("start %s: the interpreter on its first line does not exist on this machine", name)
		}
		return fmt.Errorf("start %s: no such file (relative names start from %s)", name, s.dir)
	}
	return fmt.Errorf("start %s: %w", name, err)
}

func badSetup(err error) error { return &trainer.Failure{Class: results.BadSetup, Err: err} }

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
