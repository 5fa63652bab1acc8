package launchertest

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"orch/launcher"
)

// word makes the test binary a worker when it is its first argument.
const word = "launchertest-worker"

// Main is the body of a backend's TestMain: it runs the tests, or the part of
// a worker if a launcher under test has started this binary as one.
func Main(m *testing.M) {
	if len(os.Args) > 2 && os.Args[1] == word {
		os.Exit(work(os.Args[2], os.Args[3:]))
	}
	os.Exit(m.Run())
}

// Seen is what a worker saw of the world, as the part "report" writes it.
type Seen struct {
	Args  []string
	Dir   string
	Env   []string
	Stdin int // bytes on standard input before its end
}

// Argv returns the command line of a worker that plays a part:
//
//	report FOLDER ...    write FOLDER/INDEX.json, a [Seen], and exit 0
//	exit CODE
//	signal NUMBER        kill itself
//	print OUT ERR        to standard output and standard error
//	wait FOLDER          write FOLDER/INDEX.pid, then wait to be killed
//	stubborn FOLDER      the same, deaf to SIGTERM
//	family FOLDER        as wait, with a stubborn child, FOLDER/INDEX-child.pid
//	runaway FOLDER       as family, with the child in a session of its own
//	leaver FOLDER        as family, but exit 0 as soon as the child is there
func Argv(t testing.TB, part string, args ...string) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return append([]string{exe, word, part}, args...)
}

// backstop ends workers that a failing test forgets.
const backstop = 5 * time.Minute

func work(part string, args []string) int {
	fail := func(err error) int {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 99
	}
	index := os.Getenv(launcher.EnvIndex)
	hold := func(name string) int {
		if err := put(filepath.Join(args[0], name+".pid"), []byte(strconv.Itoa(os.Getpid()))); err != nil {
			return fail(err)
		}
		time.Sleep(backstop)
		return 98
	}
	switch part {
	case "report":
		in, err := io.ReadAll(os.Stdin)
		if err != nil {
			return fail(err)
		}
		dir, err := os.Getwd()
		if err != nil {
			return fail(err)
		}
		b, err := json.Marshal(Seen{Args: args[1:], Dir: dir, Env: os.Environ(), Stdin: len(in)})
		if err == nil {
			err = put(filepath.Join(args[0], index+".json"), b)
		}
		if err != nil {
			return fail(err)
		}
		return 0
	case "exit":
		code, err := strconv.Atoi(args[0])
		if err != nil {
			return fail(err)
		}
		return code
	case "signal":
		n, err := strconv.Atoi(args[0])
		if err != nil {
			return fail(err)
		}
		self, _ := os.FindProcess(os.Getpid())
		if err := self.Signal(syscall.Signal(n)); err != nil {
			return fail(err)
		}
		time.Sleep(backstop)
		return 98
	case "print":
		fmt.Fprintln(os.Stdout, args[0])
		fmt.Fprintln(os.Stderr, args[1])
		return 0
	case "wait":
		return hold(index)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		if len(args) > 1 {
			index = args[1]
		}
		return hold(index)
	case "family", "runaway", "leaver":
		exe, err := os.Executable()
		if err != nil {
			return fail(err)
		}
		child := exec.Command(exe, word, "stubborn", args[0], index+"-child")
		if part == "runaway" {
			child.SysProcAttr = newSession()
		}
		if err := child.Start(); err != nil {
			return fail(err)
		}
		if part != "leaver" {
			return hold(index)
		}
		for end := time.Now().Add(backstop); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
			if _, err := os.Stat(filepath.Join(args[0], index+"-child.pid")); err == nil {
				return 0
			}
		}
		return 97
	}
	return fail(fmt.Errorf("unknown part %q", part))
}

// put makes a file appear with all its content.
func put(name string, content []byte) error {
	if err := os.WriteFile(name+".tmp", content, 0o600); err != nil {
		return err
	}
	return os.Rename(name+".tmp", name)
}
