package pool

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"time"

	"orch/launcher"
)

var (
	_ launcher.Launcher = (*Pool)(nil)
	_ launcher.Sizer    = (*Pool)(nil)
	_ launcher.Notifier = (*Pool)(nil)
	_ io.Closer         = (*Pool)(nil)
)

// Options of a pool. The zero value is a foreground pool that remembers
// nothing and offers all cores.
type Options struct {
	// NJobs is joblib's n_jobs: how many workers at a time. -1 is one for each
	// core, -2 all cores but one; 0 is taken as -1.
	NJobs int

	// StateDir is where jobs are remembered; it is made when needed. If empty,
	// only this Pool knows its jobs.
	StateDir string

	// Detach lets workers outlive this process; it needs a StateDir.
	Detach bool

	// Grace is the time between SIGTERM and SIGKILL; 0 is 5 seconds.
	Grace time.Duration

	// Devices are the names that CUDA_VISIBLE_DEVICES may hold. nil: those of
	// this process's CUDA_VISIBLE_DEVICES, else all NVIDIA GPUs of the machine.
	Devices []string

	// GPUsShare is how many workers share one GPU; 0 is 1.
	GPUsShare int
}

// Pool is the launcher of this machine. See the package comment.
type Pool struct {
	opt     Options
	self    origin
	machine machine

	mu      sync.Mutex
	jobs    map[string]*job
	changed chan struct{} // closed and replaced at each change
	keeper  *keeper       // nil before the first Submit
	closed  bool
	pruned  sync.Once
}

// job is a job that this Pool started. Guarded by Pool.mu.
type job struct {
	req       launcher.Request
	nonce     string // see envNonce
	workers   []worker
	unwritten []byte // lines of the record that could not be appended yet
	stopped   stop
	limit     *time.Timer // of Resources.Time
	kill      *time.Timer // runs from SIGTERM to SIGKILL
}

// over says that all workers have ended.
func (j *job) over() bool {
	return !slices.ContainsFunc(j.workers, func(w worker) bool { return w.State != launcher.Ended })
}

// worker is one worker of a job, as its starter sees it.
type worker struct {
	launcher.Worker
	child *child // nil before its start
	gpus  []string
}

// stop says why a job's workers were asked to end.
type stop uint8

const (
	notStopped stop = iota
	stopCancel      // by Cancel
	stopTime        // its time was up
	stopClose       // by Close
)

const defaultGrace = 5 * time.Second

// lastWait bounds how long anyone waits for processes after SIGKILL: only one
// stuck in the kernel (a dead NFS server) takes longer. A machine that swaps may
// need the better part of it. Tests set another.
var lastWait = 30 * time.Second

// Open returns a pool. Close it: that ends a foreground pool's workers and the
// goroutine that watches them.
func Open(o Options) (*Pool, error) {
	if o.NJobs == 0 {
		o.NJobs = -1
	}
	if o.Grace == 0 {
		o.Grace = defaultGrace
	}
	o.GPUsShare = max(1, o.GPUsShare)
	if o.Detach && o.StateDir == "" {
		return nil, errors.New("a detached pool needs a state folder, or nobody would know its workers")
	}
	if o.StateDir != "" {
		abs, err := filepath.Abs(o.StateDir)
		if err != nil {
			return nil, fmt.Errorf("state folder of the pool: %w", err)
		}
		o.StateDir = abs
		if err := os.MkdirAll(abs, 0o700); err != nil {
			return nil, fmt.Errorf("state folder of the pool: %w", err)
		}
	}
	return &Pool{
		opt: o, self: here(), machine: thisMachine(o.Devices),
		jobs: map[string]*job{}, changed: make(chan struct{}),
	}, nil
}

// Changed implements [launcher.Notifier] for the workers that this Pool
// started; those of other processes are only seen by asking.
func (p *Pool) Changed() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.changed
}

// announce wakes those who wait for a change. p.mu is held.
func (p *Pool) announce() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// keyForm is the form of a key of at most maxKey bytes. ({1,64} would be compiled
// to 64 copies at every start of the program.)
var keyForm = regexp.MustCompile(`^[A-Za-z0-9._-]+$`)

const maxKey = 64

func isKey(s string) bool { return len(s) <= maxKey && keyForm.MatchString(s) }

// check refuses what cannot work on this machine.
func (p *Pool) check(req launcher.Request) error {
	refuse := func(advice, format string, args ...any) error {
		return &launcher.Refused{Reason: fmt.Sprintf(format, args...), Advice: advice}
	}
	switch {
	case !isKey(req.Key):
		return refuse("", "key %q is not of the form %s, at most %d long", req.Key, keyForm, maxKey)
	case req.Workers < 1:
		return refuse("ask for at least 1", "%d workers", req.Workers)
	case len(req.Argv) == 0 || !filepath.IsAbs(req.Argv[0]):
		return refuse("give its absolute path", "program %q", slices.Concat(req.Argv, []string{""})[0])
	case !filepath.IsAbs(req.Dir) || !filepath.IsAbs(req.LogDir):
		return refuse("give absolute paths", "working directory %q, log folder %q", req.Dir, req.LogDir)
	}
	for _, d := range []string{req.Dir, req.LogDir} {
		if st, err := os.Stat(d); err != nil {
			return refuse("create it first", "%v", err)
		} else if !st.IsDir() {
			return refuse("remove the file or name another folder", "%s is not a folder", d)
		}
	}
	if st, err := os.Stat(req.Argv[0]); err != nil {
		return refuse("check the path of the program", "%v", err)
	} else if st.IsDir() {
		return refuse("check the path of the program", "%s is a folder", req.Argv[0])
	}
	if why, advice := p.machine.refuses(req.Resources); why != "" {
		return refuse(advice, "%s", why)
	}
	return nil
}

// Submit implements [launcher.Launcher]: the workers start at once, whatever
// else runs; [Pool.Fit] says how many are sensible. Only GPUs are rationed:
// where too few are free, the answer is *Limited. Resources.MemMiB is not
// enforced; Resources.Time is, while this Pool is open.
//
// If ctx ends half-way, the workers that have started go on and the error says
// so; [Pool.Jobs] knows them.
func (p *Pool) Submit(ctx context.Context, req launcher.Request) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", fmt.Errorf("submit %s: %w", req.Key, err)
	}
	if err := p.check(req); err != nil {
		return "", err
	}
	req.Argv, req.Env = slices.Clone(req.Argv), slices.Clone(req.Env)
	var foreign []record
	if req.Resources.GPUs > 0 {
		foreign, _ = p.records(nil) // a record that cannot be read only costs a shared GPU
	}
	j, k, err := p.admit(req, foreign)
	if err != nil {
		return "", err
	}
	if err := p.writeIntent(j); err != nil {
		p.forget(req.Key)
		return "", err
	}
	p.prune()

	started := 0
	for i := range req.Workers {
		err := k.start(ctx, j, i)
		switch {
		case err == nil:
			started++
			continue
		case ctx.Err() != nil:
			p.giveUp(j, i, "not started: "+ctx.Err().Error())
			return "", fmt.Errorf("submit %s: %d of %d workers started: %w", req.Key, started, req.Workers, ctx.Err())
		case errors.Is(err, errStopped):
			p.giveUp(j, i, "cancelled before it started")
			return req.Key, nil
		case started == 0:
			p.removeRecord(req.Key)
			p.forget(req.Key)
			return "", startError(req, err)
		}
		p.giveUp(j, i, err.Error())
		return req.Key, nil
	}
	p.mu.Lock()
	if j.req.Resources.Time > 0 && !p.closed {
		j.limit = time.AfterFunc(j.req.Resources.Time, func() { p.stop(j, stopTime) })
	}
	p.mu.Unlock()
	if p.cancelAsked(req.Key) { // by another process, while workers were still starting
		p.stop(j, stopCancel)
	}
	return req.Key, nil
}

// errStopped is why a worker was not started: its job was cancelled, or the
// pool closed.
var errStopped = errors.New("stopped")

// admit enters a job into the pool's books, its workers pending, and makes
// sure that the keeper is there.
func (p *Pool) admit(req launcher.Request, foreign []record) (*job, *keeper, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, nil, &launcher.Refused{Reason: "the pool is closed"}
	}
	if p.jobs[req.Key] != nil {
		return nil, nil, &launcher.Refused{Reason: "there is a job " + req.Key, Advice: "choose a new key for each job"}
	}
	gpus, err := p.takeGPUs(req, foreign)
	if err != nil {
		return nil, nil, err
	}
	j := &job{req: req, nonce: rand.Text(), workers: make([]worker, req.Workers)}
	for i := range j.workers {
		j.workers[i] = worker{gpus: gpus[i], Worker: launcher.Worker{
			Job: req.Key, Key: req.Key, Index: i, State: launcher.Pending, Reason: "being started", Host: p.self.Host}}
	}
	p.jobs[req.Key] = j
	if p.keeper == nil {
		p.keeper = newKeeper(p)
	}
	return j, p.keeper, nil
}

func (p *Pool) forget(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.jobs, key)
}

// giveUp marks the workers of j from number i on as never started.
func (p *Pool) giveUp(j *job, i int, why string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	cause := launcher.SetupFailed
	if j.stopped == stopCancel {
		cause = launcher.Cancelled
	}
	for ; i < len(j.workers); i++ {
		w := &j.workers[i]
		w.State, w.Reason, w.End = launcher.Ended, why, launcher.End{Cause: cause, Proof: true}
		j.unwritten = append(j.unwritten, endLine(w.Worker)...)
	}
	p.flush(j)
	p.announce()
}

// startError says what became of a job of which not even the first worker
// started.
func startError(req launcher.Request, err error) error {
	if transient(err) {
		return &launcher.Limited{Reason: err.Error()}
	}
	advice := "check that it is a program for this machine and may be executed"
	if errors.Is(err, errLog) {
		advice = "make the log folder writable"
	}
	return &launcher.Refused{Reason: err.Error(), Advice: advice}
}

// Jobs implements [launcher.Launcher]: this Pool's own workers, and those that
// the state folder tells of, at the price of one listing of it and one read a
// job. Records of ended jobs stay for a week.
func (p *Pool) Jobs(ctx context.Context) ([]launcher.Worker, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	var all []launcher.Worker
	p.mu.Lock()
	own := p.own()
	for _, j := range p.jobs {
		for i := range j.workers {
			all = append(all, j.workers[i].Worker)
		}
	}
	p.mu.Unlock()
	recs, err := p.records(own)
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	j := p.judge()
	for _, r := range recs {
		all = append(all, j.workers(ctx, r)...)
	}
	return all, nil
}

// own returns the keys of this Pool's jobs. p.mu is held.
func (p *Pool) own() map[string]bool {
	own := make(map[string]bool, len(p.jobs))
	for key := range p.jobs {
		own[key] = true
	}
	return own
}
