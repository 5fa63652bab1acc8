//go:build linux || darwin

package pool

import (
	"errors"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// bell rings when some child of this process may have ended. Rings run
// together: who hears it looks at all children.
type bell struct{ C chan os.Signal }

func newBell() *bell {
	b := &bell{C: make(chan os.Signal, 1)}
	signal.Notify(b.C, syscall.SIGCHLD)
	return b
}

func (b *bell) stop() { signal.Stop(b.C) }

// child is a worker this process started. Its pid is its process group, and
// stays its own until it is reaped; mu keeps signals and reaping apart.
type child struct {
	pid   int
	start string

	mu     sync.Mutex
	reaped bool
}

func newChild(proc *os.Process, _ bool, _ *bell) *child {
	c := &child{pid: proc.Pid, start: startTime(proc.Pid)}
	proc.Release() // waited for by pid, together with all others
	return c
}

// terminate asks the worker's process group to end. SIGCONT lets a stopped
// process hear of it, as Slurm does.
func (c *child) terminate() { c.signal(syscall.SIGTERM, syscall.SIGCONT) }

// insist asks in the way that orch's own worker takes for a second request even
// right after the first: SIGTERM can come to it twice for one.
func (c *child) insist() { c.signal(syscall.SIGINT, syscall.SIGCONT) }

func (c *child) kill() { c.signal(syscall.SIGKILL) }

func (c *child) signal(list ...syscall.Signal) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.reaped {
		return
	}
	for _, s := range list {
		syscall.Kill(-c.pid, s)
	}
}

// collect reaps the child if it has ended, and kills what is left of its
// process group.
func (c *child) collect() (exit, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if canPeek {
		if !hasEnded(c.pid) {
			return exit{}, false
		}
		syscall.Kill(-c.pid, syscall.SIGKILL) // while the zombie still holds the number
	}
	var ws syscall.WaitStatus
	for {
		got, err := syscall.Wait4(c.pid, &ws, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
			continue
		case err != nil:
			c.reaped = true
			return exit{lost: true}, true
		case got == 0:
			return exit{}, false
		}
		break
	}
	c.reaped = true
	if !canPeek {
		// The number is free from here on if the group is empty; kernels without
		// a peek give numbers out in turn, so it is not taken within a microsecond.
		syscall.Kill(-c.pid, syscall.SIGKILL)
	}
	if ws.Signaled() {
		return exit{signal: unix.SignalName(ws.Signal())}, true
	}
	return exit{code: ws.ExitStatus()}, true
}

func (c *child) release() {}

func terminateProcess(x process) {
	if alive(x.pid, x.start) {
		syscall.Kill(x.target(), syscall.SIGTERM)
		syscall.Kill(x.target(), syscall.SIGCONT)
	}
}

func killProcess(x process) {
	if alive(x.pid, x.start) {
		syscall.Kill(x.target(), syscall.SIGKILL)
	}
}

// target is what to signal: a worker's whole group.
func (x process) target() int {
	if x.leader {
		return -x.pid
	}
	return x.pid
}

// transient errors of a start are the machine's, and pass.
func transient(err error) bool {
	for _, e := range []error{syscall.EAGAIN, syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ETXTBSY} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
