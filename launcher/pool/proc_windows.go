package pool

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// canScan: Windows does not show the environment of other processes.
const canScan = false

// bell rings when some child may have ended. There is no SIGCHLD, so a
// goroutine waits for each child.
type bell struct{ C chan os.Signal }

func newBell() *bell { return &bell{C: make(chan os.Signal, 1)} }

func (b *bell) stop() {}

func (b *bell) ring() {
	select {
	case b.C <- os.Interrupt:
	default:
	}
}

// child is a worker this process started, in a job object with all that it
// starts itself.
type child struct {
	pid   int
	start string

	mu      sync.Mutex
	process windows.Handle
	object  windows.Handle // 0 if the system refused it
}

func attributes(bool) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
}

func newChild(proc *os.Process, detach bool, b *bell) *child {
	c := &child{pid: proc.Pid, start: startTime(proc.Pid)}
	h, err := windows.OpenProcess(windows.SYNCHRONIZE|windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.PROCESS_TERMINATE|windows.PROCESS_SET_QUOTA, false, uint32(proc.Pid))
	proc.Release()
	if err != nil {
		b.ring()
		return c
	}
	c.process = h
	if o, err := windows.CreateJobObject(nil, nil); err == nil {
		if !detach { // the object, and with it all its processes, ends with the last handle
			info := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{}
			info.BasicLimitInformation.LimitFlags = windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
			windows.SetInformationJobObject(o, windows.JobObjectExtendedLimitInformation, uintptr(unsafe.Pointer(&info)), uint32(unsafe.Sizeof(info)))
		}
		if windows.AssignProcessToJobObject(o, h) == nil {
			c.object = o
		} else {
			windows.CloseHandle(o)
		}
	}
	go func() {
		windows.WaitForSingleObject(h, windows.INFINITE)
		b.ring()
	}()
	return c
}

// terminate kills at once: a process without a window cannot be asked.
func (c *child) terminate() { c.kill() }

func (c *child) insist() { c.kill() }

func (c *child) kill() {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.object != 0:
		windows.TerminateJobObject(c.object, killedCode)
	case c.process != 0:
		windows.TerminateProcess(c.process, killedCode)
	}
}

// killedCode is the exit code of what was killed here: that of a console
// program ended by Ctrl-C.
const killedCode = 0xC000013A

func (c *child) collect() (exit, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.process == 0 {
		return exit{lost: true}, true
	}
	if ev, err := windows.WaitForSingleObject(c.process, 0); err != nil || ev != windows.WAIT_OBJECT_0 {
		return exit{}, false
	}
	if c.object != 0 {
		windows.TerminateJobObject(c.object, killedCode)
	}
	var code uint32
	if windows.GetExitCodeProcess(c.process, &code) != nil {
		return exit{lost: true}, true
	}
	if code == killedCode {
		return exit{signal: "SIGKILL"}, true
	}
	return exit{code: int(code)}, true
}

func (c *child) release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range []*windows.Handle{&c.object, &c.process} {
		if *h != 0 {
			windows.CloseHandle(*h)
			*h = 0
		}
	}
}

func terminateProcess(x process) { killProcess(x) }

func killProcess(x process) {
	if !alive(x.pid, x.start) {
		return
	}
	if h, err := windows.OpenProcess(windows.PROCESS_TERMINATE, false, uint32(x.pid)); err == nil {
		windows.TerminateProcess(h, killedCode)
		windows.CloseHandle(h)
	}
}

// here has no boot ID, and needs none: start times are dates.
func here() origin {
	host, _ := os.Hostname()
	return origin{Host: host}
}

func startTime(pid int) string {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION|windows.SYNCHRONIZE, false, uint32(pid))
	if err != nil {
		return ""
	}
	defer windows.CloseHandle(h)
	if ev, err := windows.WaitForSingleObject(h, 0); err == nil && ev == windows.WAIT_OBJECT_0 {
		return "" // ended, though someone still holds a handle
	}
	var start, exit, kernel, user windows.Filetime
	if windows.GetProcessTimes(h, &start, &exit, &kernel, &user) != nil {
		return ""
	}
	return fmt.Sprint(start.Nanoseconds())
}

func alive(pid int, start string) bool { return start != "" && startTime(pid) == start }

func strays(func(string, int) bool) []process { return nil }

func killStrays(func(string, int) bool) []process { return nil }

func transient(error) bool { return false }

func cores() int { return runtime.NumCPU() }

// memory is unknown, so it limits nothing.
func memory() int { return 0 }

func gpus() []string { return nil }

// oomCounter: Windows does not tell.
type oomCounter struct{}

func newOOMCounter() oomCounter { return oomCounter{} }

func (*oomCounter) tookOne() bool { return false }
