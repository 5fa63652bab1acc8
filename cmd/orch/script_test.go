package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"orch/launcher"
	"orch/trainer/nn"
)

func TestMain(m *testing.M) {
	testscript.Main(cleaning{m}, map[string]func(){"orch": main})
}

// cleaning removes what the tests share when they have run.
type cleaning struct{ *testing.M }

func (c cleaning) Run() int {
	// Scripts mostly wait, for what runs or for grace times. A -parallel that is
	// typed comes later and wins.
	flag.Set("test.parallel", strconv.Itoa(2*runtime.GOMAXPROCS(0)))
	code := c.M.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	return code
}

// TestScripts runs testdata/script/*.txtar: each is a session with the orch
// command, in a folder of its own, with the files below the script.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(e *testscript.Env) error {
			e.Setenv("LC_ALL", "C.UTF-8")
			return nil
		},
		Condition: func(cond string) (bool, error) {
			switch cond {
			case "nogpu":
				return runtime.GOOS == "linux" && launcher.GPUProbe{}.Missing(context.Background()) != "", nil
			case "root": // to whom permissions mean nothing
				return os.Geteuid() == 0, nil
			case "assembly":
				return strings.HasPrefix(nn.Backend(), "amd64/AVX"), nil
			}
			return false, fmt.Errorf("unknown condition %q", cond)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exit":  cmdExit,
			"until": cmdUntil,
		},
	})
}

// cmdExit runs a command and asserts its exit code: exit 3 orch submit x.toml.
func cmdExit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exit CODE COMMAND...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// cmdUntil waits for a file that matches a pattern.
func cmdUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: until PATTERN")
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for {
		found, err := filepath.Glob(ts.MkAbs(args[0]))
		ts.Check(err)
		if len(found) > 0 {
			if st, err := os.Stat(found[0]); err == nil && st.Size() > 0 {
				return
			}
		}
		select {
		case <-ctx.Done():
			ts.Fatalf("no file %s with content within three minutes", args[0])
		case <-time.After(20 * time.Millisecond):
		}
	}
}
