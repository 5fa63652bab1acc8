package trainer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"orch/sweep/override"
	"orch/sweep/results"
)

// Worker claims runs of one resource group of a sweep from the results tree and
// executes them until none is left or it is asked to leave. The local pool and
// Slurm start the very same worker.
type Worker struct {
	Sweep    *results.Sweep
	Group    string         // key of the resource request it serves
	Holder   results.Holder // identity, with Job, Key and Index of the allocation
	Parallel int            // runs at once; 0 is 1
	Threads  int            // CPU threads per run; 0 is 1
	GPUs     []string       // devices of the allocation, dealt to the slots; nil: not managed
	Env      []string       // NAME=value for programs
	Durable  bool           // mark at every end, not once a second
	Timeout  time.Duration  // a run that takes longer is ended; 0: never
	Stall    time.Duration  // a run that logs and measures nothing for so long is ended; 0: never
	Deadline time.Time      // end of the allocation, with monotonic clock; zero: none
	Leave    time.Duration  // how long before Deadline to ask the runs to leave; 0 is 30 s

	// Trainer returns who executes a config.
	Trainer func(config override.Value) (Trainer, error)
	Log     zerolog.Logger

	board   *results.Board
	journal *results.Journal
	series  *results.Series

	boardMu sync.Mutex // one slot looks for work at a time

	mu    sync.Mutex
	live  map[*attempt]bool
	rules map[*results.Header]results.RetryPolicy
	fatal error
	stop  chan struct{} // closed: leave cleanly
	once  sync.Once
}

// Summary says what a worker did.
type Summary struct {
	Runs map[results.Class]int
	Left bool // it was asked to leave before the work was over
}

// Intervals of the worker's housekeeping: marks in batches of one second or 64
// records (DESIGN), orders and fences every few seconds, so that a cancel
// reaches a program well within ten.
const (
	markEvery   = time.Second
	markRecords = 64
	lookEvery   = 3 * time.Second
)

// Run works until nothing is left to claim. When leave is closed it asks its
// runs to write a checkpoint, seals what it holds and returns; when ctx ends it
// ends them at once. An error means that the worker cannot go on on this host;
// what it held is sealed if the tree can still be written.
func (w *Worker) Run(ctx context.Context, leave <-chan struct{}) (Summary, error) {
	w.Parallel, w.Threads = max(w.Parallel, 1), max(w.Threads, 1)
	if w.Leave == 0 {
		w.Leave = 30 * time.Second
	}
	w.live, w.rules, w.stop = map[*attempt]bool{}, map[*results.Header]results.RetryPolicy{}, make(chan struct{})
	sum := Summary{Runs: map[results.Class]int{}}
	var err error
	if w.board, err = w.Sweep.Board(w.Group); err != nil {
		return sum, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var slots, house sync.WaitGroup
	house.Go(func() { w.housekeeping(ctx, leave) })
	results := make(chan Summary, w.Parallel)
	for slot := range w.Parallel {
		slots.Go(func() { results <- w.slot(ctx, slot) })
	}
	slots.Wait()
	close(results)
	for s := range results {
		for c, n := range s.Runs {
			sum.Runs[c] += n
		}
		sum.Left = sum.Left || s.Left
	}
	cancel()
	house.Wait()
	if w.journal != nil {
		err = errors.Join(w.series.Close(), w.journal.Close())
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return sum, errors.Join(w.fatal, err)
}

// fail makes the worker leave because it cannot work here any more.
func (w *Worker) fail(err error) {
	w.mu.Lock()
	if w.fatal == nil {
		w.fatal = err
	}
	w.mu.Unlock()
	w.leave()
}

func (w *Worker) leave() { w.once.Do(func() { close(w.stop) }) }

func (w *Worker) leaving() bool {
	select {
	case <-w.stop:
		return true
	default:
		return false
	}
}

// housekeeping marks, beats, and carries fences, cancels and the request to
// leave to the runs.
func (w *Worker) housekeeping(ctx context.Context, leave <-chan struct{}) {
	tick := time.NewTicker(markEvery)
	defer tick.Stop()
	var deadline <-chan time.Time
	if !w.Deadline.IsZero() {
		timer := time.NewTimer(time.Until(w.Deadline) - w.Leave)
		defer timer.Stop()
		deadline = timer.C
	}
	beat := time.Duration(w.Sweep.Tree().Beat * float64(time.Second))
	looked := time.Now()
	stop := w.stop
	for {
		select {
		case <-ctx.Done():
			return
		case <-leave:
			leave = nil
			w.leave()
		case <-deadline:
			w.Log.Info().Msg("the time of the allocation is nearly up: leaving")
			w.leave()
		case <-stop:
			stop = nil
			w.mu.Lock()
			for a := range w.live {
				a.askToLeave()
			}
			w.mu.Unlock()
		case <-tick.C:
			w.mu.Lock()
			j := w.journal
			w.mu.Unlock()
			if j == nil {
				continue
			}
			if beat > 0 && j.Quiet() > beat {
				if err := j.Beat(); err != nil {
					w.fail(err)
				}
			}
			w.mark()
			w.watch()
			if time.Since(looked) > lookEvery {
				looked = time.Now()
				w.obey()
			}
		}
	}
}

// mark marks and abandons what was found fenced.
func (w *Worker) mark() {
	fenced, err := w.journal.Mark()
	if err != nil {
		w.fail(err)
	}
	w.abandon(fenced)
}

// abandon ends the runs of generations that someone else closes.
func (w *Worker) abandon(fenced []string) {
	if len(fenced) == 0 {
		return
	}
	w.Log.Warn().Strs("blocks", fenced).Msg("taken over by another process that believed this worker dead; abandoning")
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.live {
		if slices.Contains(fenced, a.full) {
			a.end(errFenced)
		}
	}
}

// obey looks for fences and orders that concern the runs that execute now.
func (w *Worker) obey() {
	fenced, err := w.journal.Look()
	if err != nil {
		w.Log.Warn().Err(err).Msg("cannot look for fences")
	}
	w.abandon(fenced)
	orders, err := w.Sweep.Orders(nil)
	if err != nil {
		w.Log.Warn().Err(err).Msg("cannot read orders")
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.live {
		if orders.Cancelled(a.run.ID) {
			a.end(errCancelled)
		}
	}
}

// Why an attempt's context was ended.
var (
	errFenced    = errors.New("taken over")
	errCancelled = errors.New("cancelled")
	errTimeout   = errors.New("timeout")
	errStall     = errors.New("stall")
)

// watch ends the runs that take too long or say nothing any more.
func (w *Worker) watch() {
	if w.Timeout == 0 && w.Stall == 0 {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for a := range w.live {
		switch {
		case w.Timeout > 0 && time.Since(a.begin) > w.Timeout:
			a.end(errTimeout)
		case w.Stall > 0 && time.Since(a.lastSign()) > w.Stall:
			a.end(errStall)
		}
	}
}

// policy returns the retry policy of a segment. Submit has judged it; what is
// not understood all the same leaves the defaults.
func (w *Worker) policy(h *results.Header) results.RetryPolicy {
	w.mu.Lock()
	defer w.mu.Unlock()
	p, ok := w.rules[h]
	if !ok {
		p, _ = results.ParseRetryPolicy(h.Retry)
		w.rules[h] = p
	}
	return p
}

// countError counts a failure and holds the sweep when it is one of many alike:
// a typo must not burn ten thousand runs overnight.
func (w *Worker) countError(r results.HeldRun, end results.Record, policy results.RetryPolicy) {
	switch end.Class {
	case results.Failed, results.BadSetup, results.NoResult:
	default:
		return
	}
	if policy.HoldAfter == 0 {
		return
	}
	by := w.journal.Holder().Name
	n, err := w.Sweep.CountError(end.Class, end.Exit, end.Message, policy.HoldAfter, by)
	if err == nil && n >= policy.HoldAfter {
		err = w.Sweep.Give(results.ActionHold, "", fmt.Sprintf("%d runs ended alike (%s: %s); when it is mended: orch retry %s", n, end.Class, end.Message, w.Sweep.Name), by)
		w.leave()
	}
	if err != nil {
		w.Log.Warn().Err(err).Str("run", r.Run.Name).Msg("cannot count the error")
	}
}

// slot claims blocks and executes their runs, one after another.
func (w *Worker) slot(ctx context.Context, slot int) Summary {
	sum := Summary{Runs: map[results.Class]int{}}
	for {
		if w.leaving() || ctx.Err() != nil {
			sum.Left = true
			return sum
		}
		h, err := w.claim()
		if err != nil {
			w.fail(err)
			return sum
		}
		if h == nil {
			return sum
		}
		left := h.Skipped
		for i, r := range h.Runs {
			if w.leaving() || ctx.Err() != nil {
				left += len(h.Runs) - i
				sum.Left = true
				break
			}
			class, final, err := w.execute(ctx, slot, h, r)
			if errors.Is(err, results.ErrFenced) { // our seal may still be the first: it must say what is left
				left += len(h.Runs) - i
				break
			}
			if err != nil {
				w.fail(err)
				left += len(h.Runs) - i
				break
			}
			sum.Runs[class]++
			if !final {
				left++
			}
		}
		_, err = w.journal.Seal(h.Block, h.Gen, left)
		if err == nil {
			w.boardMu.Lock()
			err = w.board.Refresh()
			w.boardMu.Unlock()
		}
		if err != nil {
			w.fail(err)
			return sum
		}
	}
}

// claim takes the next block. When nothing is open it closes the blocks of
// holders that are proven dead, and tries once more.
func (w *Worker) claim() (*results.Held, error) {
	w.boardMu.Lock()
	defer w.boardMu.Unlock()
	for {
		h, err := w.board.Claim(w.openJournal)
		if h != nil || err != nil {
			return h, err
		}
		dead, _, err := w.board.Suspects()
		if err != nil || len(dead) == 0 {
			return nil, err
		}
		for _, c := range dead {
			if err := w.Sweep.Fence(c.Block, c.Gen, w.Holder.Host); err != nil {
				return nil, err
			}
			if _, err := w.Sweep.SealDead(c, w.Holder.Host, results.Lost); err != nil {
				return nil, err
			}
			w.Log.Info().Str("block", c.Block).Str("worker", c.Holder.Name).Msg("its worker is dead: taking over")
		}
		if err := w.board.Refresh(); err != nil {
			return nil, err
		}
	}
}

// openJournal begins the worker's journal with its first claim.
func (w *Worker) openJournal() (*results.Journal, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.journal == nil {
		j, err := w.Sweep.OpenJournal(w.Holder)
		if err != nil {
			return nil, err
		}
		w.journal, w.series = j, w.Sweep.OpenSeries(j.Holder().Name)
	}
	return w.journal, nil
}

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
	policy := w.policy(r.Header)
	if r.Lost >= policy.Lost {
		err := w.journal.Append(results.Record{Kind: results.RecordEnd, Run: r.Run.ID, Block: full, Class: results.Lost, GiveUp: true,
			Message: fmt.Sprintf("given up after %d attempts that vanished or had to leave; orch retry opens it again", r.Lost)})
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
		end.Class, end.Message = results.Preempted, "the worker had to leave at once"
	default:
		var own *hostError
		if errors.As(terr, &own) {
			return 0, false, own.err
		}
		end.Class, end.Message = results.Failed, terr.Error()
		var f *Failure
		if errors.As(terr, &f) {
			end.Class, end.Exit, end.Signal, end.Message = f.Class, f.Exit, f.Signal, ""
			if f.Err != nil {
				end.Message = f.Err.Error()
			}
		}
	}
	rec.finish(&end)
	if end.Class == results.Done {
		if missing := rec.missing(r.Header.Owes); len(missing) > 0 {
			end.Class, end.Message = results.NoResult, fmt.Sprintf("it ended well but did not report %q", missing)
		}
	}
	if err := w.journal.Append(end); err != nil {
		return 0, false, err
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

// train prepares the attempt's folder and calls the trainer. A panic in a
// trainer is that run's failure, not the worker's end.
func (w *Worker) train(a *attempt, slot int, r results.HeldRun, rec *recorder) (err error) {
	config, err := r.Run.Spec.Config(r.Header)
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
	run := &Run{Sweep: w.Sweep.Name, ID: r.Run.ID, Name: r.Run.Name, Config: config, Dir: dir.Path, Workdir: r.Header.Provenance.Dir,
		Resume: r.Resume, Threads: w.Threads, GPUs: w.devices(slot), Log: log, Env: w.Env, Stop: a.stop, Metrics: rec}
	err = t.Train(a.ctx, run)
	if err != nil && !errors.Is(err, ErrPreempted) {
		fmt.Fprintf(log, "orch: %v\n", err)
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
