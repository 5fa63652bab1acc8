package pool_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"orch/launcher"
	"orch/launcher/launchertest"
	"orch/launcher/pool"
)

const patience = 2 * time.Minute

func ctx() context.Context { return context.Background() }

// until waits for a condition, asking every few milliseconds.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("waited %v for %s", patience, what)
		}
	}
}

// request asks for n workers that wait to be killed.
func request(t *testing.T, key string, n int, part string, args ...string) launcher.Request {
	t.Helper()
	return launcher.Request{Key: key, Workers: n, Argv: launchertest.Argv(t, part, args...),
		Dir: t.TempDir(), LogDir: t.TempDir(), Resources: launcher.Resources{CPUs: 1}}
}

// start runs the owner of a pool in a process of its own. Its workers are
// ended with the test at the latest.
func start(t *testing.T, o owner) (*exec.Cmd, *bufio.Reader) {
	t.Helper()
	arg, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "pool-owner", string(arg))
	cmd.Stderr = os.Stderr
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		open(t, pool.Options{StateDir: o.State, Grace: -1}).Cancel(ctx(), o.Req.Key)
		until(t, "the last processes to end", func() bool { return len(launchertest.Processes(o.Req.Key)) == 0 })
	})
	return cmd, bufio.NewReader(out)
}

func submitted(t *testing.T, out *bufio.Reader) {
	t.Helper()
	if l, err := out.ReadString('\n'); l != "submitted\n" {
		t.Fatalf("owner says %q, %v", l, err)
	}
}

func open(t *testing.T, o pool.Options) *pool.Pool {
	t.Helper()
	p, err := pool.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func jobs(t *testing.T, p *pool.Pool) []launcher.Worker {
	t.Helper()
	ws, err := p.Jobs(ctx())
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(ws, func(a, b launcher.Worker) int { return a.Index - b.Index })
	return ws
}

func kill(t *testing.T, pid int) {
	t.Helper()
	proc, err := os.FindProcess(pid)
	if err == nil {
		err = proc.Kill()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func linuxOnly(t *testing.T) bool {
	if runtime.GOOS != "linux" {
		t.Log("only Linux promises this")
	}
	return runtime.GOOS == "linux"
}

func TestForegroundDiesWithItsOwner(t *testing.T) {
	if !linuxOnly(t) {
		return
	}
	dir := t.TempDir()
	o := owner{State: t.TempDir(), Req: request(t, "crash-fg-"+strconv.Itoa(os.Getpid()), 3, "stubborn", dir)}
	cmd, out := start(t, o)
	submitted(t, out)
	p := open(t, pool.Options{StateDir: o.State})
	for _, w := range jobs(t, p) {
		if w.State != launcher.Running {
			t.Errorf("before: got %+v, want running", w)
		}
	}
	kill(t, cmd.Process.Pid)
	cmd.Wait()
	var ws []launcher.Worker
	until(t, "the workers to die with their owner", func() bool {
		ws = jobs(t, p)
		return !slices.ContainsFunc(ws, func(w launcher.Worker) bool { return w.State != launcher.Ended })
	})
	if len(ws) != 3 {
		t.Fatalf("got %d workers, want 3", len(ws))
	}
	for _, w := range ws {
		if w.End != (launcher.End{Cause: launcher.EndUnknown, Proof: true}) {
			t.Errorf("after: got %+v, want ended, cause unknown, proven", w)
		}
	}
	if left := launchertest.Processes(o.Req.Key); len(left) > 0 {
		t.Errorf("all have ended, and there is %q", left)
	}
}

func TestDetachedOutlivesItsOwner(t *testing.T) {
	if !linuxOnly(t) {
		return
	}
	dir := t.TempDir()
	o := owner{State: t.TempDir(), Detach: true, Req: request(t, "crash-bg-"+strconv.Itoa(os.Getpid()), 3, "wait", dir)}
	cmd, out := start(t, o)
	submitted(t, out)
	kill(t, cmd.Process.Pid)
	cmd.Wait()
	p := open(t, pool.Options{StateDir: o.State})
	ws := jobs(t, p)
	if len(ws) != 3 {
		t.Fatalf("got %d workers, want 3", len(ws))
	}
	for _, w := range ws {
		if w.State != launcher.Running || w.PID == 0 {
			t.Errorf("got %+v, want running, with a pid", w)
		}
	}
	kill(t, ws[1].PID)
	until(t, "the end of worker 1", func() bool { ws = jobs(t, p); return ws[1].State == launcher.Ended })
	if want := (launcher.End{Cause: launcher.EndUnknown, Proof: true}); ws[1].End != want {
		t.Errorf("killed without a witness: got %+v, want %+v", ws[1].End, want)
	}
	if err := p.Cancel(ctx(), o.Req.Key); err != nil {
		t.Fatal(err)
	}
	if left := launchertest.Processes(o.Req.Key); len(left) > 0 {
		t.Errorf("alive after Cancel returned: %q", left)
	}
	for _, w := range jobs(t, p) {
		if w.State != launcher.Ended || !w.End.Proof {
			t.Errorf("after Cancel: got %+v, want a proven end", w)
		}
	}
}

// An owner killed at any moment of a submission leaves no worker that Jobs
// does not know and Cancel does not find. Every second time its record is also
// cut back to the intent, as if each worker had started in the very moment of
// the kill.
func TestKilledWhileSubmitting(t *testing.T) {
	if !linuxOnly(t) {
		return
	}
	const workers = 12
	rounds := 20
	if testing.Short() {
		rounds = 6
	}
	for round := range rounds {
		t.Run(strconv.Itoa(round), func(t *testing.T) {
			key := fmt.Sprintf("crash-mid-%d-%d", os.Getpid(), round)
			o := owner{State: t.TempDir(), Detach: true, Req: request(t, key, workers, "wait", t.TempDir())}
			record := filepath.Join(o.State, key+".job")
			cmd, _ := start(t, o)
			enough := 1 + rand.IntN(workers+1) // lines: the intent, then a worker each
			until(t, fmt.Sprintf("%d lines of the record", enough), func() bool {
				b, _ := os.ReadFile(record)
				return bytes.Count(b, []byte("\n")) >= enough
			})
			kill(t, cmd.Process.Pid)
			cmd.Wait()
			until(t, "all that was forked to have its program", func() bool { return copies(key) == 0 })
			if round%2 == 1 {
				b, err := os.ReadFile(record)
				if err == nil {
					err = os.Truncate(record, int64(bytes.IndexByte(b, '\n')+1))
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			p := open(t, pool.Options{StateDir: o.State})
			until(t, "Jobs to know every process", func() bool {
				ws := jobs(t, p)
				if len(ws) != workers {
					t.Fatalf("got %d workers, want %d", len(ws), workers)
				}
				known := map[string]bool{}
				for _, w := range ws {
					switch w.State {
					case launcher.Running:
						known[strconv.Itoa(w.PID)] = true
					case launcher.Ended:
					default:
						t.Errorf("got %+v, want running or ended", w)
					}
				}
				processes := launchertest.Processes(key)
				return len(processes) == len(known) && !slices.ContainsFunc(processes, func(x string) bool {
					pid, _, _ := strings.Cut(x, " ")
					return !known[pid]
				})
			})
			if err := p.Cancel(ctx(), key); err != nil {
				t.Fatal(err)
			}
			for _, w := range jobs(t, p) {
				if w.State != launcher.Ended || !w.End.Proof {
					t.Errorf("after Cancel: got %+v, want a proven end", w)
				}
			}
		})
	}
}

// copies counts the processes that look like the owner of a job: what it had
// forked when it was killed gets its own program, and with it the key by which it
// is found, only when the kernel gets to it.
func copies(key string) (n int) {
	names, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, name := range names {
		b, _ := os.ReadFile(name)
		if bytes.Contains(b, []byte("\x00pool-owner\x00")) && bytes.Contains(b, []byte(`"`+key+`"`)) {
			n++
		}
	}
	return n
}

// A worker without an owner may leave a child that has left its group, too.
func TestOrphanOfALostWorker(t *testing.T) {
	if !linuxOnly(t) {
		return
	}
	dir := t.TempDir()
	o := owner{State: t.TempDir(), Detach: true, Req: request(t, "crash-orphan-"+strconv.Itoa(os.Getpid()), 1, "family", dir)}
	cmd, out := start(t, o)
	submitted(t, out)
	until(t, "the family", func() bool { list, _ := filepath.Glob(filepath.Join(dir, "*.pid")); return len(list) == 2 })
	kill(t, cmd.Process.Pid)
	cmd.Wait()
	p := open(t, pool.Options{StateDir: o.State, Grace: 50 * time.Millisecond})
	kill(t, jobs(t, p)[0].PID)
	var w launcher.Worker
	until(t, "the worker's end", func() bool { w = jobs(t, p)[0]; return w.State == launcher.Ended })
	if w.End.Proof {
		t.Errorf("its child lives, and yet all is said to be gone: %+v", w)
	}
	if err := p.Cancel(ctx(), o.Req.Key); err != nil {
		t.Fatal(err)
	}
	if w = jobs(t, p)[0]; !w.End.Proof {
		t.Errorf("after Cancel: got %+v, want a proven end", w)
	}
}

// What the programs of a foreground pool had started does not outlive the pool's
// next look: it would work beside the same runs' next attempts.
func TestOrphanOfAForegroundPool(t *testing.T) {
	if !linuxOnly(t) {
		return
	}
	dir := t.TempDir()
	o := owner{State: t.TempDir(), Req: request(t, "crash-foreground-"+strconv.Itoa(os.Getpid()), 1, "family", dir)}
	cmd, out := start(t, o)
	submitted(t, out)
	until(t, "the family", func() bool { list, _ := filepath.Glob(filepath.Join(dir, "*.pid")); return len(list) == 2 })
	kill(t, cmd.Process.Pid)
	cmd.Wait()
	p := open(t, pool.Options{StateDir: o.State, Grace: 50 * time.Millisecond})
	var w launcher.Worker
	// Looking ends them, but does not wait long for that.
	until(t, "a proof of the worker's end", func() bool { w = jobs(t, p)[0]; return w.State == launcher.Ended && w.End.Proof })
	if left := launchertest.Processes(o.Req.Key); len(left) > 0 {
		t.Errorf("got %+v, left behind: %q", w, left)
	}
}

// The kernel kills foreground workers when the thread that started them ends,
// and Go ends threads: all that are idle, if need be.
func TestWorkersOutliveThreads(t *testing.T) {
	if !linuxOnly(t) {
		return
	}
	key := "threads-" + strconv.Itoa(os.Getpid())
	p := open(t, pool.Options{Grace: time.Second})
	submit(t, p, request(t, key, 1, "wait", t.TempDir()))
	const n = 64
	tasks, leave := make(chan string), make(chan struct{})
	for range n {
		go func() {
			runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
			link, _ := os.Readlink("/proc/thread-self")
			tasks <- link
			<-leave
		}()
	}
	var threads []string
	for range n {
		if task := <-tasks; filepath.Base(task) != strconv.Itoa(os.Getpid()) { // Go keeps the first thread
			threads = append(threads, filepath.Join("/proc", task))
		}
	}
	close(leave)
	until(t, "the end of the threads", func() bool {
		return !slices.ContainsFunc(threads, func(task string) bool { _, err := os.Stat(task); return err == nil })
	})
	if left := launchertest.Processes(key); len(left) != 1 {
		t.Errorf("got processes %q, want the worker", left)
	}
	if w := jobs(t, p)[0]; w.State != launcher.Running {
		t.Errorf("got %+v, want running", w)
	}
}

// A worker killed for lack of memory is told from one killed by someone. This
// needs a control group, so the right to make one.
func TestOutOfMemory(t *testing.T) {
	group, ok := memoryGroup(t, 160<<20)
	if !ok {
		t.Log("no right to make a control group with a memory limit here; TestOOMCounter covers the counting")
		return
	}
	o := owner{State: t.TempDir(), Cgroup: group, Req: request(t, "oom-"+strconv.Itoa(os.Getpid()), 1, "")}
	o.Req.Argv = []string{o.Req.Argv[0], "pool-eater"}
	cmd, out := start(t, o)
	submitted(t, out)
	var w launcher.Worker
	if err := json.NewDecoder(out).Decode(&w); err != nil {
		t.Fatal(err)
	}
	if w.End.Cause != launcher.OutOfMemory || w.End.Signal != "SIGKILL" {
		t.Errorf("got %+v (%s), want out of memory", w.End, w.Reason)
	}
	cmd.Process.Kill()
	io.Copy(io.Discard, out)
	cmd.Wait()
}

// memoryGroup makes a control group below this process's own.
func memoryGroup(t *testing.T, limit int) (string, bool) {
	b, _ := os.ReadFile("/proc/self/cgroup")
	for l := range strings.Lines(string(b)) {
		f := strings.SplitN(strings.TrimSpace(l), ":", 3)
		root, file := "/sys/fs/cgroup", "memory.max"
		switch {
		case len(f) == 3 && f[1] == "memory":
			root, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case len(f) != 3 || f[1] != "":
			continue
		}
		dir := filepath.Join(root, f[2], "orch-test-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		t.Cleanup(func() {
			until(t, "the control group to be empty", func() bool { return os.Remove(dir) == nil })
		})
		if os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(limit)), 0) == nil {
			return dir, true
		}
	}
	return "", false
}
