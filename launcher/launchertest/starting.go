package launchertest

import (
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"orch/launcher"
)

// awkward are strings that a shell or a template would spoil.
var awkward = []string{
	"", " ", "two words", "tab\there", "line\nbreak", "trailing\n", "#SBATCH --comment=x", "-n", "--", "=",
	`"double"`, `'single'`, `back\slash`, `\`, "$HOME", "$(id)", "`id`", "a;b", "a&b", "a|b", "*", "~", "%j", "!x",
	"größe", "学習", "🙂", "comma,semicolon;", "{brace}", "[bracket]",
}

// arguments: whatever they are, they arrive; so does the working directory;
// standard input is empty.
func arguments(f *fixture) {
	out := filepath.Join(f.TempDir(), "a folder", "größe 'x'")
	work := filepath.Join(f.TempDir(), "work in", "学習 $HOME")
	for _, d := range []string{out, work} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			f.Fatal(err)
		}
	}
	req := f.request(1, "report", append([]string{out}, awkward...)...)
	req.Dir = work
	f.submit(req)
	got := f.seen(out, 0)
	if !slices.Equal(got.Args, awkward) {
		f.Errorf("arguments: got %q, want %q", got.Args, awkward)
	}
	if want, _ := filepath.EvalSymlinks(work); got.Dir != work && got.Dir != want {
		f.Errorf("working directory: got %q, want %q", got.Dir, work)
	}
	if got.Stdin != 0 {
		f.Errorf("standard input held %d bytes, want 0", got.Stdin)
	}
	f.untilEnded(f.l, req)
}

// environment: Request.Env is added, whatever its values, and outranks what is
// inherited; the worker is told its key and index.
func environment(f *fixture) {
	f.Setenv("ORCH_LT_INHERITED", "parent")
	out := f.TempDir()
	req := f.request(1, "report", out)
	want := map[string]string{
		launcher.EnvIndex: "0", launcher.EnvKey: req.Key, "ORCH_LT_INHERITED": "request",
		"OMP_NUM_THREADS": "7", // given by the user: no cap of the launcher's
	}
	req.Env = []string{"ORCH_LT_INHERITED=request", "OMP_NUM_THREADS=7"}
	for i, v := range awkward {
		name := "ORCH_LT_" + strconv.Itoa(i)
		want[name] = v
		req.Env = append(req.Env, name+"="+v)
	}
	f.submit(req)
	got := map[string]string{}
	for _, kv := range f.seen(out, 0).Env {
		name, value, _ := strings.Cut(kv, "=")
		if _, twice := got[name]; twice {
			f.Errorf("%s is twice in the environment", name)
		}
		got[name] = value
	}
	for name, v := range want {
		if g, there := got[name]; g != v || !there {
			f.Errorf("%s: got %q (there: %t), want %q", name, g, there, v)
		}
	}
	f.untilEnded(f.l, req)
}

// indexes: n workers are numbered from 0 to n-1, to themselves and in Jobs.
func indexes(f *fixture) {
	const n = 5
	out := f.TempDir()
	req := f.request(n, "wait", out)
	id := f.submit(req)
	for i := range n {
		f.pid(out, strconv.Itoa(i))
	}
	for i, w := range f.until(f.l, req, "running", running) {
		if w.Job != id || w.Index != i {
			f.Errorf("worker %d: got job %q, index %d; want job %q", i, w.Job, w.Index, id)
		}
	}
	f.cancel(f.l, id)
	f.untilEnded(f.l, req)
}

// logs: what workers print, to either stream, is in the files that the backend
// promises, each worker's apart, and after what was there before.
func logs(f *fixture) {
	req := f.request(2, "print", "to stdout: größe", "to stderr")
	id := f.submit(req)
	f.untilEnded(f.l, req)
	for i := range req.Workers {
		var got string
		ok := f.wait(func() bool {
			got = ""
			for _, name := range f.s.Logs(req, id, i) {
				b, _ := os.ReadFile(name)
				got += string(b)
			}
			return strings.Contains(got, "to stdout: größe\n") && strings.Contains(got, "to stderr\n")
		})
		if !ok {
			f.Errorf("worker %d: log holds %q", i, got)
		}
		if n := strings.Count(got, "to stdout"); n != 1 {
			f.Errorf("worker %d: log holds the lines of %d workers: %q", i, n, got)
		}
	}
}

func exitCodes(f *fixture) {
	for _, code := range []int{0, 3, 255} {
		req := f.request(1, "exit", strconv.Itoa(code))
		f.submit(req)
		for _, w := range f.untilEnded(f.l, req) {
			if w.End.Cause != launcher.Exited || w.End.Code != code || w.End.Signal != "" {
				f.Errorf("exit %d: got %+v", code, w.End)
			}
			if w.Reason == "" {
				f.Errorf("exit %d: no reason for people", code)
			}
		}
	}
}

// signals: a worker that a signal ended, for a reason nobody knows, is told
// from one that exited.
func signals(f *fixture) {
	if runtime.GOOS == "windows" {
		return // has none
	}
	for sig, name := range map[syscall.Signal]string{syscall.SIGKILL: "SIGKILL", syscall.SIGTERM: "SIGTERM"} {
		req := f.request(1, "signal", strconv.Itoa(int(sig)))
		f.submit(req)
		for _, w := range f.untilEnded(f.l, req) {
			f.isKilled(w, sig, name)
		}
	}
}

func (f *fixture) isKilled(w launcher.Worker, sig syscall.Signal, name string) {
	f.Helper()
	want := launcher.End{Cause: launcher.Signaled, Signal: name}
	if f.s.SignalAsCode {
		want = launcher.End{Cause: launcher.Exited, Code: 128 + int(sig)}
	}
	got := w.End
	got.Proof = false
	if !f.s.SignalAsCode {
		got.Code = 0
	}
	if got != want {
		f.Errorf("killed by %s: got %+v, want %+v", name, got, want)
	}
}

// refusals: what can never work is refused, and nothing starts.
func refusals(f *fixture) {
	for name, change := range map[string]func(*launcher.Request){
		"key with a newline": func(r *launcher.Request) { r.Key = "a\n#SBATCH --partition=x" },
		"key with a slash":   func(r *launcher.Request) { r.Key = "../x" },
		"empty key":          func(r *launcher.Request) { r.Key = "" },
		"long key":           func(r *launcher.Request) { r.Key = strings.Repeat("x", 65) },
		"no workers":         func(r *launcher.Request) { r.Workers = 0 },
		"no program":         func(r *launcher.Request) { r.Argv = nil },
		"relative program":   func(r *launcher.Request) { r.Argv[0] = "program" },
		"relative folder":    func(r *launcher.Request) { r.Dir = "x" },
	} {
		req := f.request(1, "exit", "0")
		change(&req)
		id, err := f.l.Submit(f.ctx(), req)
		if !launcher.IsRefused(err) {
			f.Errorf("%s: got ID %q, error %v; want a *launcher.Refused", name, id, err)
		}
	}
	all, err := f.l.Jobs(f.ctx())
	if err != nil {
		f.Fatal(err)
	}
	for _, w := range all {
		if strings.HasPrefix(w.Key, f.prefix) {
			f.Errorf("a refused job is listed: %+v", w)
		}
	}
}

// missingProgram: a worker that cannot start is no failed run: either the job
// is refused, or its end says so.
func missingProgram(f *fixture) {
	text := filepath.Join(f.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no program\n"), 0o600); err != nil {
		f.Fatal(err)
	}
	gone := filepath.Join(f.TempDir(), "gone")
	for name, change := range map[string]func(*launcher.Request){
		"missing program":   func(r *launcher.Request) { r.Argv[0] = gone },
		"not executable":    func(r *launcher.Request) { r.Argv[0] = text },
		"missing workdir":   func(r *launcher.Request) { r.Dir = gone },
		"missing logfolder": func(r *launcher.Request) { r.LogDir = gone },
	} {
		req := f.request(2, "exit", "0")
		change(&req)
		_, err := f.l.Submit(f.ctx(), req)
		switch {
		case launcher.IsRefused(err):
			if err.Error() == "refused: " {
				f.Errorf("%s: no reason", name)
			}
			if ws := f.workers(f.l, req.Key); len(ws) > 0 {
				f.Errorf("%s: refused, but listed: %+v", name, ws)
			}
		case err != nil:
			f.Errorf("%s: got %v; want it refused, or a worker that ends as %q", name, err, launcher.SetupFailed)
		default:
			for _, w := range f.untilEnded(f.l, req) {
				if w.End.Cause != launcher.SetupFailed {
					f.Errorf("%s: got %+v, want cause %q", name, w.End, launcher.SetupFailed)
				}
			}
		}
	}
}
