//go:build unix

package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
)

// A program that says when it is ready, so that a test signals it only then.
// On the signal it does what the test asks.
func untilReady(onSignal string) string {
	return "trap '" + onSignal + "' TERM; echo ready; i=0; while [ $i -lt 600 ]; do sleep 0.1; i=$((i+1)); done"
}

func TestStop(t *testing.T) {
	const metric = "[task.metrics]\nacc = 'acc ([0-9.]+)'"
	tests := []struct {
		name   string
		config string
		class  results.Class // NoEnd: done
		exit   int
		signal string
		ckpts  string
		log    string
	}{
		{name: "dies of it", config: sh("echo ready; exec sleep 60"), class: results.Preempted, signal: "SIGTERM"},
		{name: "saves and leaves", config: sh(untilReady("echo x > $ORCH_CKPT_DIR/7.pt; exit 75")),
			class: results.Preempted, exit: 75, ckpts: "0 ckpt/7.pt"},
		{name: "names its checkpoint", config: sh(untilReady(`echo x > $ORCH_RUN_DIR/a.pt; echo "{\"step\":7,\"checkpoint\":\"$ORCH_RUN_DIR/a.pt\"}" >> $ORCH_METRICS; exit 1`)),
			class: results.Preempted, exit: 1, ckpts: "7 a.pt"},
		{name: "unfinished checkpoint", config: sh(untilReady("echo x > $ORCH_CKPT_DIR/7.pt.tmp; exit 75")), class: results.Preempted, exit: 75},
		{name: "exit 0 that owes nothing", config: sh(untilReady("exit 0")), class: results.Preempted},
		{name: "exit 0, metric missing", config: sh(untilReady("exit 0"), metric), class: results.Preempted},
		{name: "exit 0 with everything owed", config: sh(untilReady("echo acc 0.5; exit 0"), metric)},
		{name: "ignores it", config: sh(untilReady(""), "stop_grace = '200ms'"), class: results.Preempted, signal: "SIGKILL"},
		{name: "another signal", config: sh("trap 'echo got USR1; exit 9' USR1; echo ready; while :; do sleep 0.1; done", "stop_signal = 'usr1'"),
			class: results.Preempted, exit: 9, log: "got USR1"},
		{name: "no grace", config: sh(untilReady(""), "stop_grace = '0s'"), class: results.Preempted, signal: "SIGKILL"},
		// sh dies at once of a signal to its group; what it called may still save.
		{name: "the child of a shell saves", class: results.Preempted, signal: "SIGTERM", ckpts: "0 ckpt/1", log: "saved",
			config: "[task]\nshell = true\ncommand = '''sh -c 'trap \"sleep 0.3; echo x > $ORCH_CKPT_DIR/1; echo saved; exit 0\" TERM; echo ready; while :; do sleep 0.1; done'; true'''"},
		{name: "a child that does not leave", class: results.Preempted, signal: "SIGTERM or SIGKILL", // its shell leaves in time, or not
			config: "[task]\nshell = true\nstop_grace = '300ms'\ncommand = '''sh -c 'trap \"\" TERM; echo ready; while :; do sleep 0.1; done'; true'''"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newTrial(t, tt.config)
			if !strings.Contains(tt.config, "stop_grace") {
				r.Config = r.Config.Set("task.stop_grace", override.StringValue("2m")) // the machine may be slow
			}
			go func() {
				for !strings.Contains(r.out(), "ready") && t.Context().Err() == nil {
					time.Sleep(2 * time.Millisecond)
				}
				close(r.stop)
			}()
			err := r.train(t)
			if tt.class == results.NoEnd {
				if err != nil {
					t.Fatalf("Train = %v, want done", err)
				}
				return
			}
			f := wantFailure(t, err, tt.class)
			if f.Exit != tt.exit || !slices.Contains(strings.Split(tt.signal, " or "), f.Signal) {
				t.Errorf("Train = exit %d, signal %q, want %d, %q (%v)", f.Exit, f.Signal, tt.exit, tt.signal, f)
			}
			if got := strings.Join(r.rec.ckpts, ","); got != tt.ckpts {
				t.Errorf("checkpoints = %q, want %q", got, tt.ckpts)
			}
			if !strings.Contains(r.out(), tt.log) {
				t.Errorf("log = %q, want %q in it", r.out(), tt.log)
			}
		})
	}
}

// Programs that save on a signal and go on: such as answer to checkpoint_signal.
func TestCheckpointSignal(t *testing.T) {
	// The program says what it got; its child would die of the signal.
	const program = `trap 'echo saving; echo x > $ORCH_CKPT_DIR/1; SAID' USR1; trap 'echo leaving; exit 7' TERM; (sleep 600; echo child) & echo ready; while :; do sleep 0.05; done`
	const says = `echo "{\"step\":1,\"checkpoint\":\"$ORCH_CKPT_DIR/1\"}" >> $ORCH_METRICS`
	// The first time that is long enough for this machine counts: a program dies of
	// a signal before it has its handler, and after the grace it is killed.
	for _, tt := range []struct {
		name, said string
		grace      time.Duration // more than a test's patience: it is not waited for
		every      time.Duration
	}{
		{name: "named", said: says, grace: 10 * patience},
		{name: "not named", said: ":", grace: 500 * time.Millisecond},
		{name: "every", said: says, grace: 10 * patience, every: 20 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var r *trial
			var f *trainer.Failure
			var asked time.Time
			grace, every := tt.grace, tt.every
			for try := 0; ; try++ {
				more := fmt.Sprintf("stop_grace = '%v'", grace)
				if every > 0 {
					more += fmt.Sprintf("\ncheckpoint_every = '%v'", every)
				}
				r = newTrial(t, sh(strings.Replace(program, "SAID", tt.said, 1), "checkpoint_signal = 'usr1'", more))
				ready, over := make(chan struct{}), make(chan struct{})
				go func() {
					defer close(ready)
					for tick := time.NewTicker(2 * time.Millisecond); !strings.Contains(r.out(), "ready") || tt.every > 0 && strings.Count(r.out(), "saving") < 3; {
						select {
						case <-over:
							return
						case <-tick.C:
						}
					}
					asked = time.Now()
					close(r.stop)
				}()
				err := r.train(t)
				close(over)
				<-ready
				slow := errors.As(err, &f) && (tt.every > 0 && f.Signal == "SIGUSR1" || grace < patience && f.Signal == "SIGKILL")
				if !slow || try == 4 {
					f = wantFailure(t, err, results.Preempted)
					break
				}
				every *= 5
				if grace < patience {
					grace *= 4
				}
			}
			if took := time.Since(asked); f.Exit != 7 || grace < patience && took < grace {
				t.Errorf("Train = %v with exit code %d after %v, want 7, and not before %v without a checkpoint's name", f, f.Exit, took, grace)
			}
			if out := r.out(); !strings.Contains(out, "saving\n") || !strings.HasSuffix(out, "leaving\n") && !strings.Contains(out, "leaving\norch:") {
				t.Errorf("log:\n%s\nwant it to save first, then to leave", out)
			}
			if len(r.rec.ckpts) == 0 {
				t.Error("no checkpoint was reported")
			}
		})
	}
	_, problems := readTask(conf(t, "[task]\ncommand = ['x']\ncheckpoint_every = '1m'"))
	if len(problems) != 1 || !strings.Contains(problems[0].Error(), "needs the signal") {
		t.Errorf("checkpoint_every without a signal: %v, want one problem", problems)
	}
}

// A shell dies of checkpoint_signal, and the program in it is asked to leave as
// it would have been without.
func TestCheckpointSignalOfAShell(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the group is killed with its leader here")
	}
	for _, more := range []string{"", "checkpoint_signal = 'usr1'"} {
		r := newTrial(t, "[task]\nshell = true\nstop_grace = '2m'\n"+more+"\ncommand = '''sh -c 'trap \"\" USR1; trap \"sleep 0.3; echo x > $ORCH_CKPT_DIR/1; exit 0\" TERM; echo ready; while :; do sleep 0.1; done' | cat; true'''")
		go func() {
			for !strings.Contains(r.out(), "ready") && t.Context().Err() == nil {
				time.Sleep(2 * time.Millisecond)
			}
			close(r.stop)
		}()
		wantFailure(t, r.train(t), results.Preempted)
		if len(r.rec.ckpts) != 1 {
			t.Errorf("%q: checkpoints %q, want one; log:\n%s", more, r.rec.ckpts, r.out())
		}
	}
	r := newTrial(t, sh("echo ready; sleep 30", "checkpoint_signal = 'usr1'", "checkpoint_every = '100ms'"))
	if f := wantFailure(t, r.train(t), results.Failed); !strings.Contains(f.Error(), "task.checkpoint_signal SIGUSR1 ended it") {
		t.Errorf("a program without a handler: %v", f)
	}
}

func TestStopBeforeStart(t *testing.T) {
	r := newTrial(t, sh("echo started"))
	close(r.stop)
	if err := r.train(t); !errors.Is(err, trainer.ErrPreempted) || r.out() != "" {
		t.Errorf("Train = %v, log %q, want %v and no start", err, r.out(), trainer.ErrPreempted)
	}
}

// A scheduler signals the program and the worker at the same time, and the
// program may be gone before the worker closes Stop.
func TestStopAfterTheSignal(t *testing.T) {
	r := newTrial(t, sh("touch $ORCH_RUN_DIR/gone; kill -TERM $$"))
	r.news = patience
	go func() {
		for t.Context().Err() == nil {
			if _, err := os.Stat(filepath.Join(r.Dir, "gone")); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		time.Sleep(100 * time.Millisecond) // the worker is slower than the program
		close(r.stop)
	}()
	wantFailure(t, r.train(t), results.Preempted)
}

// The same, and the program is a shell that dies at once while what it called
// still saves.
func TestGroupSignalledFromOutside(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("the group is killed with its leader here")
	}
	r := newTrial(t, "[task]\nshell = true\nstop_grace = '2m'\ncommand = '''echo $$ > $ORCH_RUN_DIR/pid; sh -c 'trap \"sleep 0.3; echo x > $ORCH_CKPT_DIR/1; exit 0\" TERM; echo ready; while :; do sleep 0.1; done'; true'''")
	r.news = patience
	go func() {
		for !strings.Contains(r.out(), "ready") && t.Context().Err() == nil {
			time.Sleep(2 * time.Millisecond)
		}
		b, _ := os.ReadFile(filepath.Join(r.Dir, "pid"))
		if pid, err := strconv.Atoi(strings.TrimSpace(string(b))); err == nil {
			syscall.Kill(-pid, syscall.SIGTERM)
		}
		time.Sleep(50 * time.Millisecond) // the worker is slower than the program
		close(r.stop)
	}()
	if f := wantFailure(t, r.train(t), results.Preempted); f.Signal != "SIGTERM" || len(r.rec.ckpts) != 1 {
		t.Errorf("Train = %v (signal %q) with checkpoints %q, want SIGTERM and one", f, f.Signal, r.rec.ckpts)
	}
}

// pidIn reads a process ID that a program wrote.
func pidIn(t *testing.T, file string) int {
	t.Helper()
	var pid int
	waitFor(t, "a process ID in "+file, func() bool {
		b, _ := os.ReadFile(file)
		var err error
		pid, err = strconv.Atoi(strings.TrimSpace(string(b)))
		return err == nil && strings.HasSuffix(string(b), "\n")
	})
	return pid
}

// gone reports whether a process has ended; a zombie that waits for a reaper
// has.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return true
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") Z ")
}

func TestNothingSurvives(t *testing.T) {
	t.Parallel()
	// Grandchildren that ignore every signal they can, in every kind of end.
	const stray = `sh -c 'trap "" TERM HUP INT; echo $$ > $ORCH_RUN_DIR/pid; while :; do sleep 1; done' & while [ ! -s $ORCH_RUN_DIR/pid ]; do sleep 0.01; done; `
	tests := []struct {
		name, script string
		more         string
	}{
		{"done", "exit 0", ""},
		{"failed", "exit 1", ""},
		{"killed", "kill -9 $$", ""},
		{"timeout", "wait", "stop_grace = '200ms'\ntimeout = '%v'"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			more := tt.more
			for limit := 200 * time.Millisecond; ; limit *= 5 {
				if tt.more != "" {
					more = fmt.Sprintf(tt.more, limit)
				}
				r := newTrial(t, sh(stray+tt.script, more))
				r.train(t)
				file := filepath.Join(r.Dir, "pid")
				if st, err := os.Stat(file); tt.more != "" && limit < time.Minute && (err != nil || st.Size() == 0) {
					continue // its time was over before there was a grandchild
				}
				dies(t, pidIn(t, file))
				return
			}
		})
	}
	t.Run("context", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		r := newTrial(t, sh(stray+"wait"))
		done := make(chan error)
		go func() { done <- New().Train(ctx, r.Run) }()
		pid := pidIn(t, filepath.Join(r.Dir, "pid"))
		cancel()
		<-done
		dies(t, pid)
	})
}

// dies waits for the end of a process that would go on for ever, had it not been
// killed: a busy machine may take its time for that.
func dies(t *testing.T, pid int) {
	t.Helper()
	defer syscall.Kill(pid, syscall.SIGKILL)
	waitFor(t, "the end of a grandchild", func() bool { return gone(pid) })
}

// A daemon that left the group and keeps the log open must not hold the run.
func TestOpenLogDoesNotHang(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("no setsid here")
	}
	for _, pipe := range []bool{false, true} {
		t.Run(fmt.Sprintf("pipe=%v", pipe), func(t *testing.T) {
			t.Parallel()
			r := newTrial(t, sh("setsid sh -c 'echo $$ > $ORCH_RUN_DIR/pid; exec sleep 600' & while [ ! -s $ORCH_RUN_DIR/pid ]; do sleep 0.01; done; echo acc 1", "[task.metrics]", "acc = 'acc ([0-9.]+)'"))
			if pipe {
				r.piped()
			}
			err := r.train(t) // long before the daemon ends
			syscall.Kill(pidIn(t, filepath.Join(r.Dir, "pid")), syscall.SIGKILL)
			if err != nil || r.rec.results["acc"] != 1 {
				t.Errorf("Train = %v with %v, want done with acc = 1", err, r.rec.results)
			}
		})
	}
}
