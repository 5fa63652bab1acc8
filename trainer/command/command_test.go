//go:build unix

package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/BurntSushi/toml"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer"
)

// The test binary is a program too: this variable names the act.
const actVariable = "ORCH_TEST_ACT"

// acts are the programs that the test binary can be.
var acts = map[string]func(){
	"argv": func() {
		b, _ := json.Marshal(os.Args[1:])
		fmt.Printf("%s\n", b)
	},
	"env": func() {
		b, _ := json.Marshal(os.Environ())
		fmt.Printf("%s\n", b)
	},
}

func TestMain(m *testing.M) {
	if act := acts[os.Getenv(actVariable)]; act != nil {
		act()
		return
	}
	os.Exit(m.Run())
}

// self returns the test binary's path.
func self(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// conf reads a config from TOML.
func conf(t testing.TB, text string) override.Value {
	t.Helper()
	var m map[string]any
	if _, err := toml.Decode(text, &m); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	v, err := override.FromAny(m)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// recorder keeps what a run reports, in order.
type recorder struct {
	mu      sync.Mutex
	rows    []string
	results map[string]float64
	ckpts   []string
	cpu     float64
	rss     int64
	usages  int
	logged  chan struct{} // gets a value at each row, if there is room
}

func (r *recorder) Log(step int64, name string, x float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rows = append(r.rows, fmt.Sprintf("%d %s %v", step, name, x))
	select {
	case r.logged <- struct{}{}:
	default:
	}
}

func (r *recorder) Result(name string, x float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results == nil {
		r.results = map[string]float64{}
	}
	r.results[name] = x
}

func (r *recorder) Checkpoint(step int64, file string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ckpts = append(r.ckpts, fmt.Sprintf("%d %s", step, file))
}

func (r *recorder) Usage(cpu float64, rss int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cpu, r.rss = cpu, rss
	r.usages++
}

// trial is one run of a program in a test.
type trial struct {
	*trainer.Run
	rec  *recorder
	stop chan struct{}
	news time.Duration // see Trainer
	out  func() string // the log
}

// newTrial makes a run whose log is a file, as a worker does.
func newTrial(t testing.TB, config string) *trial {
	t.Helper()
	dir := t.TempDir()
	log, err := os.OpenFile(filepath.Join(dir, results.LogFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { log.Close() })
	r := &trial{rec: &recorder{logged: make(chan struct{}, 1)}, stop: make(chan struct{}), news: newsWait}
	r.Run = &trainer.Run{Sweep: "sw", ID: "r1", Name: "c=1", Config: conf(t, config), Dir: dir, Workdir: t.TempDir(),
		Threads: 3, Log: log, Stop: r.stop, Metrics: r.rec}
	r.out = func() string {
		b, err := os.ReadFile(log.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	return r
}

// piped gives the run a log that is no file.
func (r *trial) piped() *trial {
	var mu sync.Mutex
	var b strings.Builder
	r.Log = writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return b.Write(p)
	})
	r.out = func() string {
		mu.Lock()
		defer mu.Unlock()
		return b.String()
	}
	return r
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(b []byte) (int, error) { return f(b) }

var _ io.Writer = writerFunc(nil)

// patience bounds what should take a moment. It is generous, since test machines
// are busy; only a failing test ever waits so long.
const patience = 3 * time.Minute

// train runs the trial; a run that takes too long is a failure of the test.
func (r *trial) train(t testing.TB) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := New()
	c.oom.root = t.TempDir() // other processes of this machine may run out of memory
	c.news = r.news
	err := c.Train(ctx, r.Run)
	if ctx.Err() != nil {
		t.Fatalf("the run did not end; its log:\n%s", r.out())
	}
	return err
}

// sh is a config whose program is a script for sh.
func sh(script string, more ...string) string {
	b, _ := json.Marshal(strings.NewReplacer("{", "{{", "}", "}}").Replace(script))
	return fmt.Sprintf("[task]\ncommand = [\"sh\", \"-c\", %s]\n%s\n", b, strings.Join(more, "\n"))
}

// writeProgram writes a file that may be executed at once: no child of another
// test, which is between its fork and its exec, has it open for writing then
// (golang.org/issue/22315).
func writeProgram(t testing.TB, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func wantFailure(t *testing.T, err error, class results.Class) *trainer.Failure {
	t.Helper()
	var f *trainer.Failure
	if !errors.As(err, &f) {
		t.Fatalf("Train = %v, want class %q", err, class)
	}
	if f.Class != class {
		t.Fatalf("Train = class %q (%v), want %q", f.Class, f, class)
	}
	return f
}

func TestEnds(t *testing.T) {
	const metric = "[task.metrics]\nacc = 'acc ([0-9.]+)'"
	tests := []struct {
		name    string
		config  string
		class   results.Class // NoEnd: done
		exit    int
		signal  string
		message string // part of it
	}{
		{name: "done", config: sh("echo hello")},
		{name: "done with metric and output", config: sh("echo acc 0.5; echo x > $ORCH_RUN_DIR/model.pt", "outputs = ['model.pt']", metric)},
		{name: "exit code", config: sh("echo one; echo 'two \033[31mred\033[0m\a'; echo; exit 3"), class: results.Failed, exit: 3, message: "two red"},
		{name: "exit code, silent", config: sh("exit 3"), class: results.Failed, exit: 3, message: "exit code 3, and nothing on its log"},
		{name: "signal", config: sh("echo dying; kill -SEGV $$"), class: results.Failed, signal: "SIGSEGV", message: "signal SIGSEGV; its log ends: dying"},
		{name: "signal of a child", config: sh("echo epoch 3; exit 139"), class: results.Failed, exit: 139, message: "exit code 139 (SIGSEGV); its log ends: epoch 3"},
		{name: "kill -9 without evidence", config: sh("kill -9 $$"), class: results.Failed, signal: "SIGKILL"},
		{name: "SIGTERM of a stranger", config: sh("kill -TERM $$"), class: results.Failed, signal: "SIGTERM"},
		{name: "no such program", config: "[task]\ncommand = ['no-such-program-3141']", class: results.BadSetup, message: "not found in PATH"},
		{name: "no such file", config: "[task]\ncommand = ['./no-such-program']", class: results.BadSetup, message: "no such file"},
		{name: "no interpreter", config: "[task]\ncommand = ['./orphan']", class: results.BadSetup, message: "the interpreter on its first line"},
		{name: "no program", config: "[task]\ncommand = ['./text']", class: results.BadSetup, message: "not a program of this machine"},
		{name: "not executable", config: "[task]\ncommand = ['{run_dir}/log.txt']", class: results.BadSetup, message: "chmod +x"},
		{name: "a folder", config: "[task]\ncommand = ['{run_dir}']", class: results.BadSetup, message: "is a folder"},
		{name: "workdir missing", config: sh("true", "workdir = '/no/such/folder'"), class: results.BadSetup, message: "working directory /no/such/folder"},
		{name: "shell, program missing", config: "[task]\nshell = true\ncommand = 'no-such-program-3141'", class: results.BadSetup, exit: 127, message: "not found"},
		{name: "metric missing", config: sh("echo nothing", metric), class: results.NoResult, message: "metric acc: no line of the log matches acc ([0-9.]+)"},
		{name: "metric no number", config: sh("echo acc ..", metric), class: results.NoResult, message: `is "..", which is no number`},
		{name: "output missing", config: sh("true", "outputs = ['model.pt']"), class: results.NoResult, message: "file model.pt"},
		{name: "output as a pattern", config: sh("echo x > $ORCH_RUN_DIR/model-3.pt", "outputs = ['model-*.pt']"), class: results.NoResult, message: "model-3.pt is: outputs are names"},
		{name: "output elsewhere", config: sh("echo x > $ORCH_RUN_DIR/../stray.pt", "outputs = ['stray.pt']", "workdir = '{run_dir}/..'"), class: results.NoResult, message: "where the programs of all runs write"},
		{name: "python out of memory", config: sh("echo 'MemoryError'; exit 1"), class: results.OutOfMemory, exit: 1, message: "MemoryError"},
		{name: "cuda out of memory", config: sh("echo 'torch.OutOfMemoryError: CUDA out of memory. Tried'; echo at exit; exit 1"), class: results.OutOfMemory, exit: 1, message: "CUDA out of memory"},
		{name: "oom-kill with 137", config: sh("echo 'Detected 1 oom-kill event(s)'; exit 137"), class: results.OutOfMemory, exit: 137, message: "oom-kill"},
		{name: "memory recovered", config: sh("echo 'MemoryError'")},
		{name: "timeout", config: sh("sleep 60", "timeout = '50ms'"), class: results.Timeout, signal: "SIGTERM", message: "task.timeout = 50ms"},
		{name: "stall", config: sh("echo begin; sleep 60", "stall = '80ms'"), class: results.Stall, signal: "SIGTERM", message: "task.stall = 80ms"},
		{name: "bad config", config: "[task]\ncomand = ['x']", class: results.BadSetup, message: `did you mean "command"?`},
	}
	for _, tt := range tests {
		for _, pipe := range []bool{false, true} {
			name := tt.name
			if pipe {
				name += ", log through a pipe"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newTrial(t, tt.config)
				writeProgram(t, filepath.Join(r.Workdir, "orphan"), "#!/no/such/interpreter\n")
				writeProgram(t, filepath.Join(r.Workdir, "text"), "echo hello\n")
				if pipe {
					r.piped()
				}
				err := r.train(t)
				if tt.class == results.NoEnd {
					if err != nil {
						t.Fatalf("Train = %v, want done; log:\n%s", err, r.out())
					}
					return
				}
				f := wantFailure(t, err, tt.class)
				if f.Exit != tt.exit || f.Signal != tt.signal || f.Err == nil || !strings.Contains(f.Err.Error(), tt.message) {
					t.Errorf("Train = exit %d, signal %q, %v, want %d, %q, ...%s...", f.Exit, f.Signal, f.Err, tt.exit, tt.signal, tt.message)
				}
			})
		}
	}
}

// A program that leaves well when its time is over has run out of time all the same.
func TestTimeoutExitsWell(t *testing.T) {
	t.Parallel()
	const script = "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"
	for limit := 50 * time.Millisecond; ; limit *= 5 {
		r := newTrial(t, sh(script, fmt.Sprintf("timeout = '%v'", limit), "stop_grace = '2m'"))
		err := r.train(t)
		if r.out() == "" && limit < time.Minute {
			continue // the signal came before the program could expect it
		}
		if f := wantFailure(t, err, results.Timeout); f.Exit != 0 || f.Signal != "" {
			t.Errorf("Train = exit %d, signal %q, want 0 and none", f.Exit, f.Signal)
		}
		return
	}
}

func TestStallSeesGrowth(t *testing.T) {
	t.Parallel()
	// Each line comes well within the stall time, all of them take longer. Where the
	// machine itself pauses for longer than that, more time is given.
	for name, line := range map[string]string{
		"log":     "echo $i",
		"metrics": `echo '{"step":'$i',"x":1}' >> $ORCH_METRICS`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for stall := 1; ; stall *= 6 {
				script := fmt.Sprintf("i=0; while [ $i -lt %d ]; do i=$((i+1)); %s; sleep 0.2; done", 6*stall, line)
				err := newTrial(t, sh(script, fmt.Sprintf("stall = '%ds'", stall))).train(t)
				var f *trainer.Failure
				if errors.As(err, &f) && f.Class == results.Stall && stall < 36 {
					continue
				}
				if err != nil {
					t.Errorf("Train with stall = %d s: %v, want done", stall, err)
				}
				return
			}
		})
	}
}

// A worker that did not come to look for a while may find a program over that has
// ended in time.
func TestEndBeforeTheLook(t *testing.T) {
	for range 50 { // select takes either
		r := newTrial(t, "")
		log, err := openSink(r.Run, nil)
		if err != nil {
			t.Fatal(err)
		}
		p := &process{done: make(chan struct{}), reaped: true}
		close(p.done)
		w := &watch{task: &task{timeout: time.Nanosecond}, run: r.Run, p: p, log: log, tail: tailer{g: &gathered{to: r.rec, dir: r.Dir}}}
		if why := w.wait(t.Context()); why != byItself {
			t.Fatalf("a program that has ended is taken for one that was ended for reason %d", why)
		}
	}
}

func TestUsage(t *testing.T) {
	r := newTrial(t, sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"))
	if err := r.train(t); err != nil {
		t.Fatal(err)
	}
	if r.rec.usages != 1 || r.rec.cpu <= 0 || r.rec.cpu > 30 || r.rec.rss < 100<<10 || r.rec.rss > 1<<30 {
		t.Errorf("usage reported %d times: %v s, %d bytes; want once, some of each", r.rec.usages, r.rec.cpu, r.rec.rss)
	}
}

func TestContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	r := newTrial(t, sh(`trap '' TERM; echo '{"step":1,"x":1}' >> $ORCH_METRICS; sleep 600`, "stall = '10m'"))
	c := New()
	done := make(chan error, 1)
	go func() { done <- c.Train(ctx, r.Run) }()
	waitFor(t, "the program's first metric", func() bool {
		_, err := os.Stat(filepath.Join(r.Dir, metricsFile))
		return err == nil
	})
	cancel()
	select {
	case err := <-done:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("Train = %v, want %v", err, context.Canceled)
		}
	case <-time.After(patience): // the program would sleep for longer
		t.Fatalf("Train has not returned %v after the context's end", patience)
	}
	if err := c.Train(ctx, newTrial(t, sh("true")).Run); !errors.Is(err, context.Canceled) {
		t.Errorf("Train with an ended context = %v, want %v", err, context.Canceled)
	}
}

// waitFor waits for a condition, but not for ever.
func waitFor(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited too long for %s", what)
		}
	}
}
