package command

import (
	"context"
	"time"

	"orch/trainer"
)

// reason is why a program ended.
type reason uint8

const (
	byItself  reason = iota
	cancelled        // the context ended
	abandoned        // the context ended, and not even SIGKILL ended the program
	stopped          // Run.Stop
	timedOut         // task.timeout
	stalled          // task.stall
)

const (
	// How often a running program's metrics file is read: soon after the start,
	// then ever less, up to the last of these. A short run is never asked.
	firstPoll = 250 * time.Millisecond
	lastPoll  = 5 * time.Second

	// After SIGKILL a process can still hang in the kernel, on a dead file
	// server for instance. The worker does not wait longer than this for it.
	killWait = 5 * time.Second

	// How often a process group is asked whether it is empty: from the first,
	// which is enough after SIGKILL, to the last of these.
	firstAsk = 2 * time.Millisecond
	lastAsk  = 100 * time.Millisecond
)

// watch waits for a program's end and hurries it where needed.
type watch struct {
	task *task
	run  *trainer.Run
	p    *process
	log  *sink
	tail tailer
	news time.Duration // how long a signal that ended the program may be ahead of Stop
}

// wait returns when nothing of the program's group is left, or nothing more
// can be done about it.
func (w *watch) wait(ctx context.Context) reason {
	why := byItself
	stop := w.run.Stop
	every, slowest := firstPoll, lastPoll
	if s := w.task.stall; s > 0 {
		slowest = min(slowest, max(s/8, time.Millisecond))
		every = min(every, slowest)
	}
	tick := time.NewTimer(every)
	defer tick.Stop()
	var timeout, grace, last <-chan time.Time
	if w.task.timeout > 0 {
		t := time.NewTimer(w.task.timeout)
		defer t.Stop()
		timeout = t.C
	}
	looked := time.Now()
	moved, length := looked, w.log.length
	size := length()

	var save, saved <-chan time.Time // when to ask for a checkpoint again; when to stop waiting for it
	known := 0                       // checkpoints that were there when it was asked for the last
	if w.task.saveEvery > 0 {
		t := time.NewTicker(w.task.saveEvery)
		defer t.Stop()
		save = t.C
	}
	// hurry asks the program to leave, with grace.
	hurry := func(r reason, signal string) {
		why, stop, timeout, save = r, nil, nil, nil
		w.p.keepGroup()
		w.p.signal(signal)
		grace = time.After(w.task.stopGrace)
	}
	kill := func() {
		w.p.signal("SIGKILL")
		grace, last = nil, time.After(killWait)
	}
	done := ctx.Done()
	for {
		select {
		case <-w.p.done:
			if why == stopped && grace == nil && w.p.groupAlive() {
				// A shell dies of the signal that was meant for the program in it,
				// which goes on and knows of nothing.
				w.p.signalGroup(w.task.stopSignal)
				grace = time.After(w.task.stopGrace)
			}
			return w.rest(ctx, why, grace)
		case <-done:
			why, stop, timeout, done, save, saved = cancelled, nil, nil, nil, nil, nil
			switch {
			case !trainer.Graced(ctx):
				kill()
			case grace == nil && last == nil: // else it has been asked already
				w.p.keepGroup()
				w.p.signal("SIGTERM")
				grace = time.After(w.task.stopGrace)
			}
		case <-stop:
			if w.task.saveSignal == "" {
				hurry(stopped, w.task.stopSignal)
				continue
			}
			// First the checkpoint. What the program has named until now is older.
			why, stop, save, timeout = stopped, nil, nil, nil
			w.tail.poll()
			known = w.tail.g.ckpts
			w.p.keepGroup()
			w.p.signalProgram(w.task.saveSignal)
			saved = time.After(w.task.stopGrace)
			every, slowest = firstPoll, firstPoll
			tick.Reset(every)
			looked = time.Now()
		case <-saved:
			saved = nil
			hurry(stopped, w.task.stopSignal)
		case <-save:
			w.p.signalProgram(w.task.saveSignal)
		case <-timeout:
			// A worker that was itself stopped meanwhile may hear of both at once.
			if timeout = nil; !closed(w.p.done) {
				hurry(timedOut, "SIGTERM")
			}
		case <-grace:
			kill()
		case <-last:
			if why == cancelled {
				return abandoned
			}
		case <-tick.C:
			// While the worker did not come to look, a program that was stopped with it
			// (scontrol suspend, Ctrl-Z, a machine that stands still) had no time to
			// write anything.
			now := time.Now()
			if late := now.Sub(looked) - every; late > every {
				moved = moved.Add(late)
			}
			looked = now
			every = min(2*every, slowest)
			tick.Reset(every)
			grew := w.tail.poll()
			if a, ok := w.run.Metrics.(interface{ Alive() }); ok && grew {
				a.Alive() // for launcher.stall
			}
			if n := length(); grew || n != size {
				size, moved = n, now
			} else if w.task.stall > 0 && why == byItself && now.Sub(moved) >= w.task.stall && !closed(w.p.done) {
				hurry(stalled, "SIGTERM")
			}
			if saved != nil && w.tail.g.ckpts > known {
				saved = nil
				hurry(stopped, w.task.stopSignal)
			}
		}
	}
}

// rest deals with the group of a program that has ended, and with news that
// came at the same time as its end.
func (w *watch) rest(ctx context.Context, why reason, grace <-chan time.Time) reason {
	if why == byItself && w.signalled() {
		select {
		case <-ctx.Done():
			why = cancelled
		case <-w.run.Stop:
			// The scheduler has signalled the whole group already.
			why, grace = stopped, time.After(w.task.stopGrace)
		case <-time.After(w.news):
		}
	} else if why == byItself && (w.p.end.exit != 0 || w.p.end.signal != "") && closed(w.run.Stop) {
		why = stopped
	}
	if !w.p.groupAlive() {
		return why
	}
	// Its members have the rest of the grace if they were asked to leave, or
	// have been killed and only need a moment to be gone. Zombies that nobody
	// reaps count as members, so this has an end.
	done := ctx.Done()
	var giveUp <-chan time.Time
	kill := func() {
		w.p.killGroup()
		grace, giveUp = nil, time.After(groupGone)
	}
	if why == cancelled {
		done = nil
	}
	if grace == nil {
		kill()
	}
	for ask := firstAsk; w.p.groupAlive(); ask = min(2*ask, lastAsk) {
		select {
		case <-done:
			why, done = cancelled, nil
			kill()
		case <-grace:
			kill()
		case <-giveUp:
			return why
		case <-time.After(ask):
		}
	}
	return why
}

// groupGone is how long killed processes may take to disappear.
const groupGone = 500 * time.Millisecond

// signalled reports whether one of the signals ended the program that
// schedulers and terminals send, directly or as a shell reports it.
func (w *watch) signalled() bool {
	switch w.p.end.signal {
	case "SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2", w.task.stopSignal:
		return true
	}
	switch w.p.end.exit - 128 {
	case 1, 2, 10, 12, 15: // the same signals on Linux
		return true
	}
	return false
}
