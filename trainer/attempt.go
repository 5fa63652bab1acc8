package trainer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"orch/sweep/results"
)

// leftAtOnce is why an attempt ended whose worker was asked to leave twice, or
// was about to be killed.
const leftAtOnce = "the worker had to leave at once"

// attempt is a run that executes now.
type attempt struct {
	run    *results.PlannedRun
	full   string // "<block>.<generation>"
	ctx    context.Context
	cancel context.CancelCauseFunc
	stop   chan struct{}
	once   sync.Once

	begin   time.Time
	mu      sync.Mutex
	log     *os.File // nil until it is open
	logSize int64
	sign    time.Time // of life: when the log last grew or something was measured
}

func (a *attempt) end(cause error) { a.cancel(cause) }

// alive notes a sign of life.
func (a *attempt) alive() {
	a.mu.Lock()
	a.sign = time.Now()
	a.mu.Unlock()
}

// lastSign returns when the run last logged or measured something.
func (a *attempt) lastSign() time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.log != nil {
		if st, err := a.log.Stat(); err == nil && st.Size() != a.logSize {
			a.logSize, a.sign = st.Size(), time.Now()
		}
	}
	return a.sign
}
func (a *attempt) askToLeave() { a.once.Do(func() { close(a.stop) }) }

// execute runs one attempt and journals how it ended. final says whether that
// answers the run. An error is the worker's own: nothing was journaled that
// counts as an end.
func (w *Worker) execute(ctx context.Context, slot int, h *results.Held, r results.HeldRun) (class results.Class, final bool, err error) {
	full := fmt.Sprintf("%s.%d", h.Block, h.Gen)
	plan := &r.Run.Segment.Header // who edits the plan changes what waits; the code is of then
	policy := w.policy(plan)
	if r.Before == results.OutOfMemory {
		// The attempt before was killed with its worker, and could not say so
		// itself. As much memory again would end the same way: it is for the retry
		// policy to ask for more.
		err := w.journal.Append(results.Record{Kind: results.RecordEnd, Run: r.Run.ID, Block: full, Class: results.OutOfMemory,
			Message: "out of memory: its worker was killed for using more than it asked for; raise launcher.mem"})
		return results.OutOfMemory, true, err
	}
	if r.Lost >= policy.Lost {
		err := w.journal.Append(results.Record{Kind: results.RecordEnd, Run: r.Run.ID, Block: full, Class: results.Lost, GiveUp: true,
			Message: fmt.Sprintf("given up after %d attempts in a row that vanished or had to leave before a new checkpoint (if its worker's time was up: raise launcher.time, or have it save); orch retry opens it again", r.Lost)})
		return results.Lost, true, err
	}
	actx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	a := &attempt{run: r.Run, full: full, ctx: actx, cancel: cancel, stop: make(chan struct{}), begin: time.Now(), sign: time.Now()}
	w.mu.Lock()
	w.live[a] = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		delete(w.live, a)
		w.mu.Unlock()
	}()
	if w.leaving() { // it may have been asked before this attempt was known
		a.askToLeave()
	}

	if err := w.journal.Append(results.Record{Kind: results.RecordStart, Run: r.Run.ID, Block: full, Folder: r.Attempt}); err != nil {
		return 0, false, err
	}
	begin := time.Now()
	rec := &recorder{worker: w, run: r.Run.ID, block: full, alive: a.alive}
	terr := w.train(a, slot, r, rec)
	end := results.Record{Kind: results.RecordEnd, Run: r.Run.ID, Block: full, Seconds: time.Since(begin).Seconds()}
	switch cause := context.Cause(actx); {
	case errors.Is(cause, errFenced):
		return 0, false, results.ErrFenced
	case terr == nil:
		end.Class = results.Done
	case errors.Is(cause, errCancelled):
		end.Class, end.Message = results.Cancelled, "cancelled by the user"
	case errors.Is(cause, errTimeout):
		end.Class, end.Message = results.Timeout, fmt.Sprintf("it took longer than launcher.timeout = %v", w.Timeout)
	case errors.Is(cause, errStall):
		end.Class, end.Message = results.Stall, fmt.Sprintf("it logged and measured nothing for launcher.stall = %v", w.Stall)
	case ctx.Err() != nil:
		end.Class, end.Message = results.Preempted, leftAtOnce
	default:
		var own *hostError
		if errors.As(terr, &own) {
			return 0, false, own.err
		}
		end.Class, end.Message = results.Failed, terr.Error()
		var f *Failure
		if errors.As(terr, &f) {
			if f.Class == results.BadSetup && diskFault(f.Err) {
				return 0, false, fmt.Errorf("begin run %s: %w", r.Run.Name, f.Err)
			}
			end.Class, end.Exit, end.Signal, end.Message = f.Class, f.Exit, f.Signal, ""
			if f.Err != nil {
				end.Message = f.Err.Error()
			}
		}
	}
	rec.finish(&end)
	if end.Class == results.Done {
		if missing := rec.missing(plan.Owes); len(missing) > 0 {
			end.Class, end.Message = results.NoResult, fmt.Sprintf("it ended well but did not report %q", missing)
		}
	}
	if err := w.journal.Append(end); err != nil {
		return 0, false, err
	}
	if end.Class == results.Done {
		w.ended(end.Seconds)
	}
	w.Log.Debug().Str("run", r.Run.Name).Stringer("class", end.Class).Msg("ended")
	w.countError(r, end, policy)
	if w.Durable || w.journal.Unmarked() >= markRecords {
		w.mark()
	}
	return end.Class, end.Class.Final(), nil
}

// hostError is a failure of this host or of the tree, not of the run.
type hostError struct{ err error }

func (e *hostError) Error() string { return e.err.Error() }

// diskFault reports whether an error is one of the disk, which another worker or
// a later attempt may not meet: it must not become a run's final answer, else a
// full disk ends ten thousand runs.
func diskFault(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EIO, syscall.ESTALE, syscall.EROFS} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// train prepares the attempt's folder and calls the trainer. A panic in a
// trainer is that run's failure, not the worker's end.
func (w *Worker) train(a *attempt, slot int, r results.HeldRun, rec *recorder) (err error) {
	config, err := r.Run.Config()
	if err != nil {
		return &Failure{Class: results.BadSetup, Err: err}
	}
	t, err := w.Trainer(config)
	if err != nil {
		return &Failure{Class: results.BadSetup, Err: err}
	}
	dir, err := w.Sweep.MakeAttempt(r.Run.Name, r.Attempt)
	if err != nil {
		return &hostError{err}
	}
	defer dir.Close()
	if err := dir.WriteConfig(config.AppendTOML(nil)); err != nil {
		return &hostError{fmt.Errorf("write the run's config: %w", err)}
	}
	log, err := dir.OpenLog()
	if err != nil {
		return &hostError{fmt.Errorf("open the run's log: %w", err)}
	}
	defer log.Close()
	a.mu.Lock()
	a.log = log
	a.mu.Unlock()
	defer func() {
		if p := recover(); p != nil {
			fmt.Fprintf(log, "panic: %v\n%s", p, debug.Stack())
			err = &Failure{Class: results.Failed, Err: fmt.Errorf("panic in trainer %s: %v", t.Name(), p)}
		}
	}()
	run := &Run{Sweep: w.Sweep.Name, ID: r.Run.ID, Name: r.Run.Name, Config: config, Dir: dir.Path, Workdir: w.Sweep.Workdir(r.Header), Origin: r.Header.Provenance.Dir,
		Resume: r.Resume, Threads: w.Threads, GPUs: w.devices(slot), GPU: w.GPU, Log: log, Env: w.Env, Stop: a.stop, Metrics: rec}
	err = t.Train(a.ctx, run)
	if err != nil && !errors.Is(err, ErrPreempted) {
		// Where this line has no room, the run's own had none: a program whose
		// output meets a full disk fails and cannot say why.
		why := err
		if c := context.Cause(a.ctx); c != nil && errors.Is(err, context.Canceled) {
			why = c
			if errors.Is(c, context.Canceled) {
				why = errors.New(leftAtOnce)
			}
		}
		if _, full := fmt.Fprintf(log, "orch: %v\n", why); errors.Is(full, syscall.ENOSPC) || errors.Is(full, syscall.EDQUOT) {
			return &hostError{fmt.Errorf("run %s fails (%v) where its log cannot be written: %w", r.Run.Name, err, full)}
		}
	}
	return err
}

// devices deals the allocation's GPUs to the slots: each slot gets its share,
// or slots share devices when there are more slots than devices.
func (w *Worker) devices(slot int) []string {
	n := len(w.GPUs)
	switch {
	case n == 0 || w.Parallel == 1:
		return w.GPUs
	case n >= w.Parallel:
		return w.GPUs[slot*n/w.Parallel : (slot+1)*n/w.Parallel]
	}
	return w.GPUs[slot%n : slot%n+1]
}
