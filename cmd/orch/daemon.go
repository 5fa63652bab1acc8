package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/urfave/cli/v2"

	"orch/sweep/dispatch"
	"orch/sweep/results"
)

func daemonCommand(p *program) *cli.Command {
	return &cli.Command{
		Name:  "daemon",
		Usage: "make Steps for all sweeps in a loop, where a login node or service allows one",
		Description: "What orch collect does from cron, within seconds: it closes the blocks of dead workers, tops up workers of\n" +
			"schedulers, and keeps the tables fresh. It has no state of its own: kill it, start two, run cron beside it.\n" +
			"GET /status (JSON) and /metrics (Prometheus) on the unix socket that it names.",
		Flags: []cli.Flag{resultsFlag(),
			&cli.StringFlag{Name: "socket", Usage: "`PATH` of the unix socket (default: a new one)"},
			&cli.DurationFlag{Name: "every", Value: 5 * time.Second, Usage: "`TIME` between Steps while something runs"},
			&cli.DurationFlag{Name: "idle", Value: time.Minute, Usage: "longest `TIME` between Steps"},
		},
		Action: func(c *cli.Context) error { return p.daemon(c) },
	}
}

// daemon is the loop over the sweeps of a tree.
type daemon struct {
	p      *program
	tree   *results.Tree
	sweeps map[string]*served

	mu     sync.Mutex
	status statusJSON
	steps  int
	errs   int
	last   time.Duration // of the last round
}

// served is a sweep that the daemon keeps open.
type served struct {
	s      *results.Sweep
	sn     *results.Snapshot
	step   *dispatch.Dispatcher
	close  func()
	folder os.FileInfo
	folded time.Time // when the tables were written last
}

func (p *program) daemon(c *cli.Context) error {
	if c.Duration("every") <= 0 || c.Duration("idle") < c.Duration("every") {
		return usage("--every %v, --idle %v: want times above 0, and --idle not below --every", c.Duration("every"), c.Duration("idle"))
	}
	tree, err := openTree(c)
	if err != nil {
		return err
	}
	defer tree.Close()
	d := &daemon{p: p, tree: tree, sweeps: map[string]*served{}, status: statusJSON{Schema: "orch.status/1", Sweeps: []sweepStatus{}}}
	defer d.closeAll()
	d.look()
	listener, err := listen(socketPath(c, tree))
	if err != nil {
		return err
	}
	server := &http.Server{Handler: d.handler(), ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(listener) }()
	defer func() {
		server.Close()
		<-done
	}()
	leave, unlisten := p.listen()
	defer unlisten()
	p.log.Info().Str("socket", listener.(*socket).path).Str("results", tree.Path()).Msg("daemon serves")
	for {
		begin := time.Now()
		busy := d.round(p.ctx)
		took := time.Since(begin)
		d.mu.Lock()
		wait := c.Duration("idle")
		if busy {
			wait = max(c.Duration("every"), slowness(took, d.last))
		}
		d.steps, d.last = d.steps+1, took
		d.mu.Unlock()
		timer := time.NewTimer(wait)
		select {
		case <-leave:
			timer.Stop()
			return nil
		case <-p.ctx.Done():
			timer.Stop()
			return nil
		case err := <-done:
			timer.Stop()
			done <- err
			return fmt.Errorf("socket: %w", err)
		case <-timer.C:
		}
	}
}

// slowness is how long a disk or controller is left alone, given how long the last
// two rounds took: a slow one is asked less often. That one round was slow, since
// the machine stood still, says nothing about them.
func slowness(took, before time.Duration) time.Duration { return 10 * min(took, before) }

// look takes what the tree says, so that whoever asks first gets a whole answer.
// Nobody is asked and nothing is written for it.
func (d *daemon) look() {
	names, err := d.tree.Sweeps()
	if err != nil {
		d.complain("", err)
	}
	for _, name := range names {
		x, err := d.serve(name)
		if err != nil {
			d.complain(name, err)
			continue
		}
		d.status.Sweeps = append(d.status.Sweeps, newView(x.s, x.sn).status())
	}
	d.status.Time = time.Now().UTC().Truncate(time.Second)
}

// round makes a Step for every sweep. It reports whether anything is going on.
func (d *daemon) round(ctx context.Context) (busy bool) {
	names, err := d.tree.Sweeps()
	if err != nil {
		d.complain("", err)
		return true
	}
	status := statusJSON{Schema: "orch.status/1", Time: time.Now().UTC().Truncate(time.Second), Sweeps: []sweepStatus{}}
	for _, name := range names {
		x, err := d.serve(name)
		if err != nil {
			d.complain(name, err)
			continue
		}
		out, err := x.step.Step(ctx)
		if err != nil {
			d.complain(name, err)
		}
		if out == nil {
			continue
		}
		busy = busy || out.Left > 0 || out.Workers > 0
		if out.Left == 0 || time.Since(x.folded) > time.Minute {
			if _, ok := noted(x.s); !ok {
				if _, err := fold(x.s, x.sn); err != nil {
					d.complain(name, err)
				}
				x.folded = time.Now()
			}
		}
		status.Sweeps = append(status.Sweeps, newView(x.s, x.sn).status())
	}
	for name, x := range d.sweeps { // removed meanwhile
		// A sweep of the same name may be there again.
		if now, err := os.Stat(x.s.Path()); errors.Is(err, os.ErrNotExist) || err == nil && !os.SameFile(now, x.folder) {
			x.shut()
			delete(d.sweeps, name)
		}
	}
	d.mu.Lock()
	d.status = status
	d.mu.Unlock()
	return busy
}

func (d *daemon) serve(name string) (*served, error) {
	if x, ok := d.sweeps[name]; ok {
		return x, nil
	}
	s, err := d.tree.Sweep(name)
	if err != nil {
		return nil, err
	}
	folder, err := os.Stat(s.Path())
	if err != nil {
		s.Close()
		return nil, err
	}
	sn, err := s.Snapshot()
	if err != nil {
		s.Close()
		return nil, err
	}
	x := &served{s: s, sn: sn, folder: folder}
	x.step, x.close = d.p.dispatcher(s, sn, false)
	d.sweeps[name] = x
	return x, nil
}

func (x *served) shut() {
	x.close()
	x.s.Close()
}

func (d *daemon) closeAll() {
	for _, x := range d.sweeps {
		x.shut()
	}
}

func (d *daemon) complain(sweep string, err error) {
	d.mu.Lock()
	d.errs++
	d.mu.Unlock()
	d.p.log.Warn().Err(err).Str("sweep", sweep).Msg("Step was not complete")
}

// handler answers from what the last round found: a request never reads the
// tree and never asks a scheduler.
func (d *daemon) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) {
		d.mu.Lock()
		status := d.status
		d.mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(status)
	})
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		d.mu.Lock()
		defer d.mu.Unlock()
		fmt.Fprint(w, "# HELP orch_runs Runs by sweep and state.\n# TYPE orch_runs gauge\n")
		for _, s := range d.status.Sweeps {
			for _, x := range []struct {
				state string
				n     int
			}{{"done", s.Runs.Done}, {"failed", s.Runs.Failed}, {"running", s.Runs.Running}, {"queued", s.Runs.Queued}, {"held", s.Runs.Held}, {"cancelled", s.Runs.Cancelled}} {
				fmt.Fprintf(w, "orch_runs{sweep=%q,state=%q} %d\n", s.Name, x.state, x.n)
			}
		}
		fmt.Fprintf(w, "# HELP orch_rounds_total Rounds of Steps over all sweeps.\n# TYPE orch_rounds_total counter\norch_rounds_total %d\n", d.steps)
		fmt.Fprintf(w, "# HELP orch_errors_total Steps that were not complete.\n# TYPE orch_errors_total counter\norch_errors_total %d\n", d.errs)
		fmt.Fprintf(w, "# HELP orch_round_seconds Duration of the last round.\n# TYPE orch_round_seconds gauge\norch_round_seconds %g\n", d.last.Seconds())
	})
	return mux
}

// socketPath is where the daemon of a tree listens: in a folder of this user
// on this machine, since a socket means nothing on another host.
func socketPath(c *cli.Context, tree *results.Tree) string {
	if path := c.String("socket"); path != "" {
		return path
	}
	dir := os.Getenv("XDG_RUNTIME_DIR")
	if dir == "" {
		dir = filepath.Join(os.TempDir(), fmt.Sprintf("orch-%d", os.Getuid()))
	}
	return filepath.Join(dir, "orch-"+tree.ID[:12]+".sock")
}

// listen opens a unix socket that only this user can reach. It is made under a
// name of this process and then takes the place of one that a dead daemon left
// behind; if a living one is there, which is harmless, it keeps its own name.
func listen(path string) (net.Listener, error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := ownFolder(dir); err != nil {
		return nil, usage("socket: %w; choose a place with --socket", err)
	}
	own := strings.TrimSuffix(path, ".sock") + fmt.Sprintf("-%d.sock", os.Getpid())
	os.Remove(own) // of an earlier process with this number
	restore := privateMode()
	l, err := net.Listen("unix", own)
	restore()
	if err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := os.Chmod(own, 0o600); err != nil {
		l.Close()
		return nil, fmt.Errorf("socket: %w", err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		path = own
	} else if err := os.Rename(own, path); err != nil {
		l.Close()
		os.Remove(own)
		return nil, fmt.Errorf("socket: %w", err)
	}
	made, _ := os.Lstat(path)
	return &socket{l, path, made}, nil
}

// socket is a listener that removes its file when it is closed, if it is still
// its own.
type socket struct {
	net.Listener
	path string
	made os.FileInfo
}

func (s *socket) Close() error {
	if now, err := os.Lstat(s.path); err == nil && os.SameFile(now, s.made) {
		os.Remove(s.path)
	}
	return s.Listener.Close()
}
