package pool

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"orch/launcher"
)

// keeper starts a pool's workers and notes their ends, in one goroutine that
// owns its thread. The kernel's promise to kill a child with its parent is
// tied to the thread that started it (prctl(2), PR_SET_PDEATHSIG), and Go ends
// threads as it likes; this one stays as long as the pool.
type keeper struct {
	p     *Pool
	work  chan func()
	quit  chan struct{}
	ended chan struct{}
	once  sync.Once
	bell  *bell // rings when some child may have ended

	live map[int]place // by pid; only the goroutine touches it
	oom  oomCounter
}

// place is where a worker stands in the books.
type place struct {
	j *job
	i int
}

func newKeeper(p *Pool) *keeper {
	k := &keeper{p: p, work: make(chan func()), quit: make(chan struct{}), ended: make(chan struct{}), live: map[int]place{}}
	k.bell = newBell()
	k.oom = newOOMCounter()
	go k.run()
	return k
}

func (k *keeper) run() {
	runtime.LockOSThread() // for good: the thread ends with the goroutine
	defer close(k.ended)
	defer k.bell.stop()
	for {
		select {
		case f := <-k.work:
			f()
		case <-k.bell.C:
			k.reap()
		case <-k.quit:
			k.reap()
			return
		}
	}
}

// close ends the goroutine and returns when it is gone.
func (k *keeper) close() {
	k.once.Do(func() { close(k.quit) })
	<-k.ended
}

// start starts worker i of j. It returns when the process is there and on
// record, or why it is not.
func (k *keeper) start(ctx context.Context, j *job, i int) error {
	done := make(chan error, 1)
	select {
	case k.work <- func() { done <- k.spawn(ctx, j, i) }:
		return <-done // a start takes a millisecond: cutting it short would only lose its outcome
	case <-ctx.Done():
		return ctx.Err()
	case <-k.ended:
		return errStopped
	}
}

// errLog marks errors of a worker's log file.
var errLog = errors.New("log")

// spawn runs in the keeper's goroutine.
func (k *keeper) spawn(ctx context.Context, j *job, i int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p := k.p
	p.mu.Lock()
	stopped := j.stopped != notStopped || p.closed
	p.mu.Unlock()
	if stopped {
		return errStopped
	}
	log, err := openAgain(filepath.Join(j.req.LogDir, "worker-"+strconv.Itoa(i)+".log"), os.O_WRONLY|os.O_APPEND|os.O_CREATE)
	if err != nil {
		return fmt.Errorf("%w: %w", errLog, err)
	}
	defer log.Close()
	cmd := exec.Command(j.req.Argv[0])
	cmd.Args = j.req.Argv
	cmd.Dir = j.req.Dir
	cmd.Env = environment(os.Environ(), j.req, i, j.nonce, j.workers[i].gpus)
	cmd.Stdout, cmd.Stderr = log, log // one file, so one pipe-free descriptor; stdin is the null device
	cmd.SysProcAttr = attributes(p.opt.Detach)
	if err := cmd.Start(); err != nil {
		return err
	}
	c := newChild(cmd.Process, p.opt.Detach, k.bell)
	k.live[c.pid] = place{j, i}

	p.mu.Lock()
	defer p.mu.Unlock()
	w := &j.workers[i]
	w.child, w.State, w.Reason, w.PID = c, launcher.Running, "", c.pid
	j.unwritten = append(j.unwritten, startLine(i, c.pid, c.start, w.gpus)...)
	p.flush(j)
	if j.stopped != notStopped {
		c.terminate() // a stop that came between the check above and here
	}
	p.announce()
	return nil
}

// reap notes the ends of all children that have ended.
func (k *keeper) reap() {
	type death struct {
		place
		exit exit
		left bool // processes of the worker may be left
	}
	var dead []death
	killed := map[string]map[int]bool{} // nonce, index: workers that could not clean up
	for pid, at := range k.live {
		x, over := at.j.workers[at.i].child.collect()
		if !over {
			continue
		}
		delete(k.live, pid)
		dead = append(dead, death{place: at, exit: x})
		if x.signal != "" {
			nonce := at.j.nonce
			if killed[nonce] == nil {
				killed[nonce] = map[int]bool{}
			}
			killed[nonce][at.i] = true
		}
	}
	if len(dead) == 0 {
		return
	}
	if len(killed) > 0 {
		for _, x := range killStrays(func(nonce string, i int) bool { return killed[nonce][i] }) {
			for d := range dead {
				if dead[d].j.nonce == x.nonce && dead[d].i == x.index {
					dead[d].left = true
				}
			}
		}
	}
	asked := map[string]bool{} // by another process
	for _, d := range dead {
		if key := d.j.req.Key; !asked[key] {
			asked[key] = k.p.cancelAsked(key)
		}
	}
	p := k.p
	p.mu.Lock()
	defer p.mu.Unlock()
	jobs := map[*job]bool{}
	for _, d := range dead {
		w := &d.j.workers[d.i]
		w.State = launcher.Ended
		why := d.j.stopped
		if asked[d.j.req.Key] {
			why = stopCancel
		}
		w.End, w.Reason = k.cause(d.exit, why)
		w.End.Proof = !d.left
		w.child.release()
		d.j.unwritten = append(d.j.unwritten, endLine(w.Worker)...)
		jobs[d.j] = true
	}
	for j := range jobs {
		p.flush(j)
		if j.over() {
			for _, t := range []*time.Timer{j.limit, j.kill} {
				if t != nil {
					t.Stop()
				}
			}
		}
	}
	p.announce()
}

// cause says why a worker ended, and how people are told.
func (k *keeper) cause(x exit, why stop) (launcher.End, string) {
	end := launcher.End{Cause: launcher.Exited, Code: x.code, Signal: x.signal}
	reason := "exit code " + strconv.Itoa(x.code)
	switch {
	case x.lost:
		end.Cause, reason = launcher.EndUnknown, "it is gone, and someone else took its exit status"
	case x.signal != "":
		end.Cause, reason = launcher.Signaled, "killed by "+x.signal
	}
	switch {
	case why == stopCancel:
		end.Cause, reason = launcher.Cancelled, "cancelled; "+reason
	case why == stopTime:
		end.Cause, reason = launcher.OutOfTime, "its time was up; "+reason
	case why == stopClose:
		reason = "the process that started it left; " + reason
	case x.signal == "SIGKILL" && k.oom.tookOne():
		end.Cause, reason = launcher.OutOfMemory, "killed by the kernel for lack of memory"
	}
	return end, reason
}

// environment builds what worker i sees: this process's variables, caps on the
// threads that numerical libraries start (they take all cores otherwise, in
// every worker) unless the user has set them, the request's, and ours.
func environment(base []string, req launcher.Request, i int, nonce string, gpus []string) []string {
	env := make(map[string]string, len(base)+len(req.Env)+12)
	var odd []string // Windows has names like "=C:"
	set := func(list []string) {
		for _, kv := range list {
			name, value, _ := strings.Cut(kv, "=")
			if name == "" {
				odd = append(odd, kv)
				continue
			}
			env[name] = value
		}
	}
	set(base)
	for _, name := range []string{launcher.EnvJob, launcher.EnvNode, launcher.EnvSpent} {
		delete(env, name) // of a scheduler's worker around us: what they say is not of this job
	}
	set(req.Env)
	for _, name := range threadVariables {
		if _, given := env[name]; !given {
			env[name] = strconv.Itoa(max(1, req.Resources.CPUs))
		}
	}
	if gpus != nil {
		env["CUDA_VISIBLE_DEVICES"] = strings.Join(gpus, ",")
	}
	env["PWD"] = req.Dir
	env[launcher.EnvKey] = req.Key
	env[envNonce] = nonce
	env[launcher.EnvIndex] = strconv.Itoa(i)
	out := odd
	for _, name := range slices.Sorted(maps.Keys(env)) {
		out = append(out, name+"="+env[name])
	}
	return out
}

var threadVariables = []string{"GOMAXPROCS", "OMP_NUM_THREADS", "MKL_NUM_THREADS",
	"OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"}
