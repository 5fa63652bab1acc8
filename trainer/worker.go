package trainer

import (
	"context"
	"errors"
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
	GPU      GPU            // what the launcher asks for
	Env      []string       // NAME=value for programs
	Durable  bool           // mark at every end, not once a second
	Timeout  time.Duration  // a run that takes longer is ended; 0: never
	Stall    time.Duration  // a run that logs and measures nothing for so long is ended; 0: never
	Deadline time.Time      // end of the allocation, with monotonic clock; zero: none
	Leave    time.Duration  // how long before Deadline to ask the runs to leave; 0 is 30 s
	RunTime  time.Duration  // how long a run takes; 0: as long as those that this worker finished
	MaxRuns  int            // it begins so many runs and leaves; 0: no limit

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
	whole time.Duration // from the worker's start to when it has to leave
	took  []float64     // seconds that runs took which it finished, sorted
	begun int
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
		if !w.Deadline.IsZero() { // an allocation of less than a minute is for work too
			w.Leave = min(w.Leave, time.Until(w.Deadline)/2)
		}
	}
	w.live, w.rules, w.stop = map[*attempt]bool{}, map[*results.Header]results.RetryPolicy{}, make(chan struct{})
	sum := Summary{Runs: map[results.Class]int{}}
	if !w.Deadline.IsZero() {
		w.whole = time.Until(w.Deadline) - w.Leave
	}
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

// slot claims blocks and executes their runs, one after another.
func (w *Worker) slot(ctx context.Context, slot int) Summary {
	sum := Summary{Runs: map[results.Class]int{}}
	for {
		if w.leaving() || ctx.Err() != nil || !w.fits() {
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
			if w.leaving() || ctx.Err() != nil || !w.begin() {
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
