package slurm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// Deadlines of the commands. sbatch itself tries for 120 s when the queue is
// full (see fullQueue); the others give up after about 20 s when the controller
// is away, and after 59 s when SLURM_CONF is wrong.
const (
	sbatchDeadline = 150 * time.Second
	deadline       = 60 * time.Second
)

// fullQueue is what sbatch says when the controller has no room for a job
// (MaxJobCount). It then sleeps 1, 2, ... 15 seconds and asks again after each,
// which no option prevents, and nobody else is served meanwhile: a later Step
// asks as well. What it says comes before the first of those seconds, so a
// client that is gone within a second of its start has not asked a second time,
// and its no is certain. A slower one is left alone.
const (
	fullQueue    = "sleeping and retrying"
	firstRefusal = 700 * time.Millisecond // when it must have been heard
	secondTry    = time.Second
)

var errFull = errors.New("the queue is full")

// impatient collects what sbatch says, and ends it when it would wait for room.
type impatient struct {
	said  bytes.Buffer // not embedded: its ReadFrom would be taken for Write
	began time.Time
	end   context.CancelCauseFunc
}

func (w *impatient) Write(p []byte) (int, error) {
	n, err := w.said.Write(p)
	if time.Since(w.began) < firstRefusal && bytes.Contains(w.said.Bytes(), []byte(fullQueue)) {
		w.end(errFull)
	}
	return n, err
}

// answer is what a command left behind.
type answer struct {
	stdout, stderr string
	code           int   // exit code; -1 if it did not exit by itself
	err            error // why it did not exit by itself: deadline, signal, not started
}

// failed describes an answer that is no good, in the command's own words.
func (a answer) failed(name string) error {
	words := lastLine(a.stderr)
	switch {
	case a.err != nil && words != "":
		return fmt.Errorf("%s: %w (%s)", name, a.err, words)
	case a.err != nil:
		return fmt.Errorf("%s: %w", name, a.err)
	case words == "":
		return fmt.Errorf("%s: exit code %d without a word", name, a.code)
	}
	for _, x := range notHere {
		if strings.Contains(words, x.text) {
			return errors.New(words + "; " + x.advice)
		}
	}
	return errors.New(words)
}

// lastLine is the line in which Slurm's commands say what it came to.
func lastLine(s string) string {
	s = strings.TrimRight(s, "\n\r \t")
	return strings.TrimSpace(s[strings.LastIndexByte(s, '\n')+1:])
}

// run executes one of Slurm's commands. The command leads a process group of
// its own, so that Ctrl-C in the terminal does not kill an sbatch half-way and
// the deadline ends a site's wrapper script together with what it called.
func (s *Slurm) run(ctx context.Context, limit time.Duration, env []string, name string, args ...string) answer {
	if err := ctx.Err(); err != nil {
		return answer{code: -1, err: err}
	}
	path, err := s.path(name)
	if err != nil {
		return answer{code: -1, err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	var out bytes.Buffer
	words := impatient{began: time.Now(), end: end}
	c := exec.CommandContext(ctx, path, args...)
	c.Env, c.Stdout, c.Stderr = env, &out, &words
	c.Dir = "/"
	c.WaitDelay = 2 * time.Second // a grandchild may hold the pipes
	ownGroup(c)
	s.calls.Add(1)
	err = c.Run()
	a := answer{stdout: out.String(), stderr: words.said.String(), code: -1}
	var exit *exec.ExitError
	switch {
	case err == nil:
		a.code = 0
	case context.Cause(ctx) == errFull && time.Since(words.began) < secondTry:
		a.code = 1 // as it would have ended, of itself
	case ctx.Err() != nil:
		a.err = context.Cause(ctx)
	case errors.As(err, &exit) && exit.Exited():
		a.code = exit.ExitCode()
	default:
		a.err = err
	}
	return a
}

// path resolves a command once, to an absolute path: "." in PATH is no place to
// find sbatch.
func (s *Slurm) path(name string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p, ok := s.paths[name]; ok {
		return p, nil
	}
	look := name
	if s.opt.Bin != "" {
		look = filepath.Join(s.opt.Bin, name)
	}
	p, err := exec.LookPath(look)
	if err == nil {
		p, err = filepath.Abs(p)
	}
	if err != nil {
		return "", fmt.Errorf("%w; log in to a node of the cluster that has Slurm's commands, or name their folder in launcher.bin", err)
	}
	s.paths[name] = p
	return p, nil
}

// changesDefaults are the prefixes of the variables by which a user's shell
// changes what Slurm's commands do: SQUEUE_STATES=R hides pending jobs,
// SBATCH_PARTITION sends jobs elsewhere, and SLURM_* is all over a shell that
// runs inside a job.
var changesDefaults = []string{"SBATCH_", "SQUEUE_", "SACCT_", "SCANCEL_", "SINFO_", "SCONTROL_", "SLURM_", "SRUN_", "SALLOC_"}

// connects are the variables without which Slurm's commands may not reach the
// cluster: its configuration, or the host that has it (slurm.conf(5), configless),
// and the token of who asks, where tokens are in use.
var connects = []string{"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"}

// spoils says whether a variable must not reach Slurm's commands.
func spoils(name string) bool {
	if slices.Contains(connects, name) {
		return false
	}
	for _, p := range changesDefaults {
		if strings.HasPrefix(name, p) {
			return true
		}
	}
	return false
}

// queryEnv is the environment of the commands that only ask.
func queryEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC", "SLURM_TIME_FORMAT=%s"}
	for _, name := range append([]string{"PATH", "HOME", "USER", "LOGNAME", "LD_LIBRARY_PATH"}, connects...) {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}
