//go:build unix

package command

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"orch/sweep/results"
	"orch/trainer"
)

// raceDetector: built with -race, which slows Go code but not the programs.
var raceDetector bool

// cpu returns the CPU time of this process and of all children it waited for.
func cpu() time.Duration {
	var sum time.Duration
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			panic(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

// two runs f n times, two at once, each with a log file of its own.
func two(b testing.TB, n int, f func(i int, dir string, log *os.File) error) (perRun time.Duration) {
	dirs := make([]string, n)
	root := b.TempDir()
	for i := range dirs {
		dirs[i] = filepath.Join(root, fmt.Sprint(i))
		if err := os.Mkdir(dirs[i], 0o700); err != nil {
			b.Fatal(err)
		}
	}
	next := make(chan int)
	begin := cpu()
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for i := range next {
				log, err := os.OpenFile(filepath.Join(dirs[i], results.LogFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
				if err == nil {
					err = f(i, dirs[i], log)
					log.Close()
				}
				if err != nil {
					b.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
	return (cpu() - begin) / time.Duration(n)
}

func bareExec(_ int, _ string, log *os.File) error {
	cmd := exec.Command("/bin/true", "1", "x") // with one argument GNU true would load the locale
	cmd.Stdout, cmd.Stderr = log, log
	return cmd.Run()
}

func trueRuns(t testing.TB) func(int, string, *os.File) error {
	c := New()
	config := conf(t, "c = 1\n[task]\ncommand = ['true', '{c}', 'x']")
	return func(i int, dir string, log *os.File) error {
		return c.Train(t.Context(), &trainer.Run{Sweep: "sw", ID: fmt.Sprint(i), Name: fmt.Sprint(i), Config: config, Dir: dir, Threads: 1,
			Log: log, Stop: make(chan struct{}), Metrics: &recorder{}})
	}
}

// BenchmarkTrue is the cost of a run whose program does nothing, beside the
// bare os/exec loop that starts it. Compare the two cpu-us/run.
func BenchmarkTrue(b *testing.B) {
	for _, bm := range []struct {
		name string
		run  func(int, string, *os.File) error
	}{{"exec", bareExec}, {"command", trueRuns(b)}} {
		b.Run(bm.name, func(b *testing.B) {
			b.ReportAllocs()
			b.ReportMetric(float64(two(b, b.N, bm.run).Nanoseconds())/1e3, "cpu-us/run")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}

// A run must cost at most 1.4 times the bare loop. Both are measured in turns,
// because other work on the machine moves them together, and the best round of
// each counts; a quiet moment is enough to show it.
func TestRunIsCheap(t *testing.T) {
	if os.Getenv("ORCH_LONG") == "" || raceDetector {
		t.Skip("measures time: set ORCH_LONG=1")
	}
	run := trueRuns(t)
	bare, ours, ratio := time.Hour, time.Hour, 0.0
	for round := 0; round < 2 || round < 15 && ratio > 1.4; round++ {
		bare = min(bare, two(t, 200, bareExec))
		ours = min(ours, two(t, 200, run))
		ratio = float64(ours) / float64(bare)
	}
	t.Logf("%v CPU a run, bare %v: ratio %.2f", ours, bare, ratio)
	if ratio > 1.4 {
		t.Errorf("a run costs %.2f times the bare loop, want at most 1.4", ratio)
	}
}
