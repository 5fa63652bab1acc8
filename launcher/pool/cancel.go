package pool

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orch/launcher"
)

// stop asks all workers of a job to end, and sees to it that they do: SIGTERM
// to their process groups now, SIGKILL after the grace. The first reason
// stays, but for a Cancel, which outranks the others.
func (p *Pool) stop(j *job, why stop) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if j.stopped == notStopped || why == stopCancel {
		j.stopped = why
	}
	if j.kill != nil { // asked already
		for i := range j.workers {
			if w := &j.workers[i]; why == stopClose && w.State == launcher.Running {
				w.child.insist()
			}
		}
		return
	}
	for i := range j.workers {
		if w := &j.workers[i]; w.State == launcher.Running {
			w.child.terminate()
		}
	}
	j.kill = time.AfterFunc(max(0, p.opt.Grace), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for i := range j.workers {
			if w := &j.workers[i]; w.State == launcher.Running {
				w.child.kill()
			}
		}
	})
}

// Cancel implements [launcher.Launcher]. It returns when all processes of the
// jobs are gone, or with an error when ctx ends first; workers of this Pool
// are then still killed after the grace. Jobs of another host are an error;
// those of this host are ended whoever started them.
func (p *Pool) Cancel(ctx context.Context, ids ...string) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	var own []*job
	var others []record
	var errs []error
	for _, id := range ids {
		if !isKey(id) {
			continue // cannot be an ID of ours
		}
		p.mu.Lock()
		j := p.jobs[id]
		p.mu.Unlock()
		if j == nil {
			r, err := p.readRecord(id)
			if err != nil {
				errs = append(errs, err)
			} else if r.Workers > 0 {
				others = append(others, r)
			}
			continue
		}
		p.mu.Lock()
		over := j.over()
		p.mu.Unlock()
		if over {
			continue
		}
		p.askCancel(id)
		p.stop(j, stopCancel)
		own = append(own, j)
	}
	errs = append(errs, p.cancelOthers(ctx, others))
	if len(own) > 0 {
		end := time.NewTimer(max(0, p.opt.Grace) + lastWait)
		defer end.Stop()
		errs = append(errs, p.gone(own, end.C, ctx.Done()))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cancel: %w", err)
	}
	return nil
}

// cancelOthers ends jobs that another process started, or an earlier life of
// this one. Their ends cannot be waited for, so their processes are looked at
// again and again, less and less often.
func (p *Pool) cancelOthers(ctx context.Context, recs []record) error {
	var errs []error
	live := recs[:0]
	for _, r := range recs {
		switch r.where(p.self) {
		case elsewhere:
			errs = append(errs, fmt.Errorf("job %s belongs to host %s: cancel it there", r.key(), r.Host))
		case thisBoot:
			if !r.over() {
				p.askCancel(r.key())
				live = append(live, r)
			}
		}
	}
	killAt := time.Now().Add(max(0, p.opt.Grace))
	var end time.Time // from the first SIGKILL: a stopped machine may have slept through killAt
	pause, asked := 5*time.Millisecond, map[int]bool{}
	for len(live) > 0 {
		procs := p.processes(live)
		if len(procs) == 0 {
			break
		}
		now := time.Now()
		switch {
		case now.Before(killAt):
		case end.IsZero():
			end = now.Add(lastWait)
		case now.After(end):
			errs = append(errs, fmt.Errorf("%d processes are still there after SIGKILL", len(procs)))
			return errors.Join(errs...)
		}
		for _, x := range procs {
			switch {
			case !now.Before(killAt):
				killProcess(x)
			case !asked[x.pid]:
				asked[x.pid] = true
				terminateProcess(x)
			}
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return errors.Join(append(errs, fmt.Errorf("%d processes are still ending: %w", len(procs), ctx.Err()))...)
		}
		pause = min(2*pause, 200*time.Millisecond)
	}
	return errors.Join(errs...)
}

// processes returns what lives of these jobs: workers on record, and on Linux
// everything that carries the job's nonce.
func (p *Pool) processes(recs []record) []process {
	var all []process
	seen := map[int]bool{}
	nonces := make(map[string]bool, len(recs))
	for _, r := range recs {
		nonces[r.Nonce] = true
		for _, w := range r.workers {
			if !w.ended && w.pid != 0 && alive(w.pid, w.start) {
				seen[w.pid] = true
				all = append(all, process{pid: w.pid, start: w.start, leader: true})
			}
		}
	}
	for _, x := range strays(func(nonce string, _ int) bool { return nonces[nonce] }) {
		if !seen[x.pid] {
			all = append(all, x)
		}
	}
	return all
}

// Close ends the workers of a foreground pool, as Cancel would, and returns
// when they are gone. A detached pool's workers go on; if this process goes on
// too, nobody notes how they end.
func (p *Pool) Close() error {
	p.mu.Lock()
	p.closed = true
	k := p.keeper
	var mine []*job
	for _, j := range p.jobs {
		if j.limit != nil {
			j.limit.Stop()
		}
		mine = append(mine, j)
	}
	p.mu.Unlock()
	if k == nil {
		return nil
	}
	var err error
	if !p.opt.Detach {
		for _, j := range mine {
			p.stop(j, stopClose)
		}
		end := time.NewTimer(max(0, p.opt.Grace) + lastWait)
		defer end.Stop()
		err = p.gone(mine, end.C, nil)
	}
	k.close()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, j := range mine {
		if j.kill != nil {
			j.kill.Stop()
		}
		if !j.over() {
			j.unwritten = append(j.unwritten, leftLine()...)
		}
		p.flush(j)
	}
	if err != nil {
		return fmt.Errorf("close pool: %w", err)
	}
	return nil
}

// gone waits until no worker of these jobs is pending or running, or until the
// time is up, or done is closed.
func (p *Pool) gone(jobs []*job, timeUp <-chan time.Time, done <-chan struct{}) error {
	for {
		p.mu.Lock()
		next, left := p.changed, 0
		for _, j := range jobs {
			for i := range j.workers {
				if j.workers[i].State != launcher.Ended {
					left++
				}
			}
		}
		p.mu.Unlock()
		if left == 0 {
			return nil
		}
		select {
		case <-next:
		case <-timeUp:
			return fmt.Errorf("%d workers are still there after SIGKILL", left)
		case <-done:
			return fmt.Errorf("%d workers are still ending", left)
		}
	}
}
