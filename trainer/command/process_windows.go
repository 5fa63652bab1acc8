package command

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"
)

type spec struct {
	path string
	argv []string
	env  []string
	dir  string
	out  *os.File
}

type ending struct {
	exit   int
	signal string
	cpu    time.Duration
	maxRSS int64
}

// process is a running program. Windows has no process groups that can be
// signalled, so only the program itself is ended.
type process struct {
	proc *os.Process
	done chan struct{}
	end  ending
}

var devNull = sync.OnceValues(func() (*os.File, error) { return os.Open(os.DevNull) })

func start(s spec) (*process, error) {
	null, err := devNull()
	if err != nil {
		return nil, err
	}
	proc, err := os.StartProcess(s.path, s.argv, &os.ProcAttr{Dir: s.dir, Env: s.env, Files: []*os.File{null, s.out, s.out}})
	if err != nil {
		return nil, err
	}
	p := &process{proc: proc, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		state, err := proc.Wait()
		if err != nil {
			p.end = ending{exit: -1}
			return
		}
		p.end = ending{exit: state.ExitCode(), cpu: state.UserTime() + state.SystemTime()}
	}()
	return p, nil
}

// signal ends the program, whatever the signal.
func (p *process) signal(string) { p.proc.Kill() }

func (p *process) signalProgram(string) {}

func (p *process) keepGroup()         {}
func (p *process) groupAlive() bool   { return false }
func (p *process) killGroup()         {}
func (p *process) signalGroup(string) {}

func find(name, path string) (string, error) {
	file, err := exec.LookPath(name)
	if err == nil && !filepath.IsAbs(file) {
		return "", errors.New("is only in the current folder; name it with its path")
	}
	return file, err
}

func openRegular(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, errors.New("is no regular file"))
	}
	return f, nil
}

const shellPath = "sh"
