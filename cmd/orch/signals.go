package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"syscall"
	"time"
)

// interrupts is what signals ask of a command. One that has something to bring
// to its end listens: the first signal asks it to leave cleanly, the second to
// leave now. All others are over with the first.
type interrupts struct {
	leave     chan struct{} // closed at the first signal
	listeners atomic.Int32
}

func newInterrupts() *interrupts { return &interrupts{leave: make(chan struct{})} }

// listen says that the command leaves by itself, from now until done is called,
// when leave is closed.
func (i *interrupts) listen() (leave <-chan struct{}, done func()) {
	i.listeners.Add(1)
	return i.leave, func() { i.listeners.Add(-1) }
}

const (
	// A service manager that stops a session, and a scheduler, signal all of its
	// processes, and then orch signals its workers: it is one request, and what
	// programs save because of it takes longer.
	sameRequest = 2 * time.Second

	// How long a command that does not listen has to end its children.
	leavePatience = 500 * time.Millisecond
)

// notify turns signals into requests until stop is called: the end of the
// context means to leave now. SIGTERM is how schedulers and service managers
// ask. SIGHUP counts, so that a closed terminal does not leave workers behind,
// unless the process was started to ignore it (nohup); since the shell and the
// kernel both send it then, it never insists, and nor does a warning (USR1).
func (i *interrupts) notify(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	list := append([]os.Signal{os.Interrupt, syscall.SIGTERM}, warnings...)
	if !signal.Ignored(syscall.SIGHUP) {
		list = append(list, syscall.SIGHUP)
	}
	got := make(chan os.Signal, 8)
	signal.Notify(got, list...)
	done := make(chan struct{})
	go func() {
		var first time.Time
		for {
			var sig os.Signal
			select {
			case sig = <-got:
			case <-done:
				return
			}
			listens := i.listeners.Load() > 0
			switch {
			case first.IsZero():
				first = time.Now()
				close(i.leave)
			case listens && insists(sig, time.Since(first)):
				cancel()
			}
			if !listens {
				cancel()
				time.AfterFunc(leavePatience, func() {
					fmt.Fprintln(os.Stderr, "orch: interrupted")
					os.Exit(exitInterrupted)
				})
			}
		}
	}()
	return ctx, func() {
		signal.Stop(got)
		close(done)
		cancel()
	}
}

// insists says whether a signal that comes so long after the first asks for more
// than that did.
func insists(sig os.Signal, after time.Duration) bool {
	switch {
	case slices.Contains(warnings, sig), sig == syscall.SIGHUP:
		return false
	case sig == syscall.SIGTERM:
		return after >= sameRequest
	}
	return true
}
