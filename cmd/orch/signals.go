package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"syscall"
)

// signals turns the first interrupt into a request to leave cleanly (leave is
// closed) and the second into the end of the context: leave now. SIGHUP counts
// too, so that a closed terminal does not leave workers behind, and so does
// SIGTERM, which is how schedulers and service managers ask. A warning (USR1)
// can be the first but not the second.
func signals(parent context.Context) (ctx context.Context, leave <-chan struct{}, stop func()) {
	ctx, cancel := context.WithCancel(parent)
	first := make(chan struct{})
	got := make(chan os.Signal, 2)
	signal.Notify(got, append([]os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}, warnings...)...)
	done := make(chan struct{})
	go func() {
		for n := 0; n < 2; n++ {
			select {
			case sig := <-got:
				if n > 0 && slices.Contains(warnings, sig) {
					n-- // leaving already
					continue
				}
			case <-done:
				return
			}
			if n == 0 {
				close(first)
			} else {
				cancel()
			}
		}
	}()
	return ctx, first, func() {
		signal.Stop(got)
		close(done)
		cancel()
	}
}
