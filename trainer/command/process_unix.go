//go:build unix

package command

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// spec is what [start] executes.
type spec struct {
	path string
	argv []string
	env  []string
	dir  string   // empty: the worker's
	out  *os.File // standard output and error
}

// ending is how a program ended and what it used.
type ending struct {
	exit   int    // exit code, if there was no signal
	signal string // "SIGKILL"
	cpu    time.Duration
	maxRSS int64 // bytes
}

// process is a running program, the leader of its own process group.
type process struct {
	pid  int
	done chan struct{} // closed when the program ended and was reaped
	end  ending        // valid after done

	mu      sync.Mutex
	reaped  bool
	keep    bool // do not kill the rest of the group when the program ends
	orphans bool // some of the group may be left
}

var devNull = sync.OnceValues(func() (*os.File, error) { return os.Open(os.DevNull) })

// start executes a program. It speaks to the system itself instead of using
// os/exec for three reasons: the group must be killed between the program's
// end and the moment its process ID is free for others, which needs waitid
// with WNOWAIT; the thread that starts a program must outlive it; and a run of
// a short program should cost no more than it must.
func start(s spec) (*process, error) {
	null, err := devNull()
	if err != nil {
		return nil, err
	}
	p := &process{done: make(chan struct{})}
	started := make(chan error, 1)
	go func() {
		// PR_SET_PDEATHSIG fires when the *thread* that forked ends, and Go
		// ends threads as it likes. So this goroutine keeps its thread until
		// the program is gone (golang.org/issue/27505).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.done)
		fd := s.out.Fd()
		pid, err := forkExec(s.path, s.argv, &syscall.ProcAttr{
			Dir:   s.dir,
			Env:   s.env,
			Files: []uintptr{null.Fd(), fd, fd},
			Sys:   sysProcAttr(),
		})
		runtime.KeepAlive(s.out)
		p.pid = pid
		started <- err
		if err == nil {
			p.wait()
		}
	}()
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// forkExec retries where the program's file is open for writing: another
// goroutine's child may hold the descriptor for the moment between its fork
// and its exec (golang.org/issue/22315).
func forkExec(path string, argv []string, attr *syscall.ProcAttr) (pid int, err error) {
	for wait := time.Millisecond; ; wait *= 2 {
		pid, err = syscall.ForkExec(path, argv, attr)
		if err != syscall.ETXTBSY || wait > 200*time.Millisecond {
			return pid, err
		}
		time.Sleep(wait)
	}
}

// wait waits for the program's end, kills what is left of its group, and reaps
// it. As long as the program is a zombie nobody else can get its number, so
// the signal hits the right group for sure (on Linux; see canPeek).
func (p *process) wait() {
	if canPeek {
		bySignal := waitExited(p.pid)
		p.mu.Lock()
		// A signal to the program may have gone to its whole group, by Slurm for
		// instance, and others of it be at their checkpoints: see watch.rest.
		p.keep = p.keep || bySignal
		p.killRest()
	}
	var status syscall.WaitStatus
	var usage syscall.Rusage
	for {
		if _, err := syscall.Wait4(p.pid, &status, 0, &usage); err != syscall.EINTR {
			break
		}
	}
	if !canPeek {
		p.mu.Lock()
		p.killRest()
	}
	defer p.mu.Unlock()
	p.reaped = true
	p.orphans = syscall.Kill(-p.pid, 0) != syscall.ESRCH
	p.end = ending{
		exit:   status.ExitStatus(),
		cpu:    time.Duration(usage.Utime.Nano() + usage.Stime.Nano()),
		maxRSS: int64(usage.Maxrss) * rssUnit,
	}
	if status.Signaled() {
		p.end.exit, p.end.signal = 0, unix.SignalName(status.Signal())
	}
}

func (p *process) killRest() {
	if !p.keep {
		syscall.Kill(-p.pid, syscall.SIGKILL)
	}
}

// signal sends a signal to the program's group. A stopped program gets a
// SIGCONT after it, or it would not notice.
func (p *process) signal(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.reaped {
		return
	}
	syscall.Kill(-p.pid, unix.SignalNum(name))
	if name != "SIGKILL" {
		syscall.Kill(-p.pid, syscall.SIGCONT)
	}
}

// signalProgram sends a signal to the program alone.
func (p *process) signalProgram(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		syscall.Kill(p.pid, unix.SignalNum(name))
	}
}

// keepGroup leaves the group alone when the program ends: after a signal to
// the whole group a shell dies at once, while the script it called may still
// write its checkpoint. The caller uses [process.groupAlive] and
// [process.killGroup] then.
func (p *process) keepGroup() {
	p.mu.Lock()
	p.keep = true
	p.mu.Unlock()
}

// groupAlive reports whether anything of the group is left, after the program
// ended. A group's number is not given to others as long as it has members.
func (p *process) groupAlive() bool {
	return p.orphans && syscall.Kill(-p.pid, 0) != syscall.ESRCH && !onlyZombies(p.pid)
}

// killGroup kills what is left of the group after the program ended, if
// groupAlive said so just before.
func (p *process) killGroup() { syscall.Kill(-p.pid, syscall.SIGKILL) }

// signalGroup is killGroup with another signal.
func (p *process) signalGroup(name string) { syscall.Kill(-p.pid, unix.SignalNum(name)) }

// find returns the file that a command's first word means, as execvp does it,
// but with the program's own PATH and without its empty and relative entries:
// what a shared folder holds must not stand in for python3.
func find(name, path string) (string, error) {
	var err error = syscall.ENOENT
	for _, dir := range filepath.SplitList(path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		file := filepath.Join(dir, name)
		switch info, e := os.Stat(file); {
		case e != nil || info.IsDir():
		case info.Mode()&0o111 == 0:
			err = syscall.EACCES
		default:
			return file, nil
		}
	}
	return "", err
}

// openRegular opens a file that the program left, if it is a regular one: a
// named pipe must not block the worker.
func openRegular(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		f.Close()
		return nil, errors.Join(err, errors.New("is no regular file"))
	}
	return f, nil
}

const shellPath = "/bin/sh"
