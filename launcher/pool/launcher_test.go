package pool_test

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"orch/launcher"
	"orch/launcher/launchertest"
	"orch/launcher/pool"
)

// losesSessions: only Linux lets us find a process that has left its session.
const losesSessions = runtime.GOOS != "linux"

func TestForeground(t *testing.T) {
	launchertest.Run(t, launchertest.Suite{
		Open: opener(pool.Options{Grace: time.Second}), LosesSessions: losesSessions})
}

func TestDetached(t *testing.T) {
	launchertest.Run(t, launchertest.Suite{
		Open: opener(pool.Options{Grace: time.Second, Detach: true}), Outlives: true, Many: 50, LosesSessions: losesSessions})
}

// The backend as configs reach it passes too, and so does a wrapped one.
func TestBackend(t *testing.T) {
	if testing.Short() {
		return
	}
	reg := launcher.Registry{pool.Backend}
	spec, errs := reg.ParseSpec(map[string]any{"name": "joblib", "backend": "pool", "n_jobs": int64(-1), "grace": "1s"})
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	launchertest.Run(t, launchertest.Suite{Many: 20, LosesSessions: losesSessions, Open: func(t testing.TB, state string) launcher.Launcher {
		l, err := reg.Open(t.Context(), launcher.Setup{Spec: spec, StateDir: state})
		if err != nil {
			t.Fatal(err)
		}
		return wrapper{l}
	}})
}

type wrapper struct{ launcher.Launcher }

func (w wrapper) Unwrap() launcher.Launcher { return w.Launcher }

func opener(o pool.Options) func(testing.TB, string) launcher.Launcher {
	return func(t testing.TB, state string) launcher.Launcher {
		o.StateDir = state
		p, err := pool.Open(o)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
}

// Besides a worker, the test binary can be the owner of a pool, to be killed,
// and a worker that eats memory.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "pool-owner":
			if err := own(os.Args[2]); err != nil {
				fmt.Fprintln(os.Stderr, "owner:", err)
				os.Exit(1)
			}
			os.Exit(0)
		case "pool-eater":
			eat()
		}
	}
	launchertest.Main(m)
}

// owner is what the owner of a pool is told to do.
type owner struct {
	State  string
	Detach bool
	Cgroup string // folder of a control group to enter first
	Req    launcher.Request
}

// own submits, says so, and waits for the end of its standard input. In a
// control group it then also tells how its workers ended.
func own(arg string) error {
	var o owner
	if err := json.Unmarshal([]byte(arg), &o); err != nil {
		return err
	}
	if o.Cgroup != "" {
		if err := os.WriteFile(filepath.Join(o.Cgroup, "cgroup.procs"), []byte(strconv.Itoa(os.Getpid())), 0); err != nil {
			return err
		}
	}
	p, err := pool.Open(pool.Options{StateDir: o.State, Detach: o.Detach})
	if err != nil {
		return err
	}
	if _, err := p.Submit(ctx(), o.Req); err != nil {
		return err
	}
	fmt.Println("submitted")
	if o.Cgroup != "" {
		for {
			c := p.Changed()
			ws, err := p.Jobs(ctx())
			if err != nil {
				return err
			}
			if len(ws) == 1 && ws[0].State == launcher.Ended {
				json.NewEncoder(os.Stdout).Encode(ws[0])
				break
			}
			<-c
		}
	}
	io.Copy(io.Discard, os.Stdin)
	return p.Close()
}

// eat takes memory until someone minds.
func eat() {
	var all [][]byte
	for range 2048 {
		b := make([]byte, 1<<20)
		for i := range b {
			b[i] = byte(i)
		}
		all = append(all, b)
	}
	os.Exit(len(all) % 2)
}
