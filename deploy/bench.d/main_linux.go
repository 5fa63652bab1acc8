// Command bench.d is what deploy/bench measures with.
//
//	bench.d exec N P DIR        run /bin/true N times, P at once, output to files: the floor
//	bench.d first CMD...        run a command once, as a bare Go program does: the floor of a start
//	bench.d parse TREE          read a tree's plans and journals with encoding/json, on all cores
//	bench.d fold TREE OUT       the same, and write as many bytes as the tables have, synced, to OUT
//	bench.d copy FILE OUT       read, hash, write and sync a file: the floor of publishing a plan
//	bench.d time CMD...         run a command: wall and CPU milliseconds, largest MiB
//	bench.d until TEXT CMD...   the same until its standard error says TEXT; then interrupt it
//	bench.d mount RTT DIR MNT   DIR on MNT through FUSE, as a file server that is RTT away
package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench.d:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 4 && args[0] == "exec":
		n, _ := strconv.Atoi(args[1])
		p, _ := strconv.Atoi(args[2])
		return loop(n, p, args[3])
	case len(args) > 1 && args[0] == "first":
		cmd := exec.Command(args[1], args[2:]...)
		cmd.Stdout = os.Stdout
		return cmd.Run()
	case len(args) == 2 && args[0] == "parse":
		return parse(args[1])
	case len(args) == 3 && args[0] == "fold":
		return fold(args[1], args[2])
	case len(args) == 3 && args[0] == "copy":
		return copySynced(args[1], args[2])
	case len(args) > 1 && args[0] == "time":
		return measure(args[1:], "")
	case len(args) > 2 && args[0] == "until":
		return measure(args[2:], args[1])
	case len(args) == 4 && args[0] == "mount":
		rtt, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		return mount(rtt, args[2], args[3])
	}
	return fmt.Errorf("unknown command %q", args)
}

// loop is the bare loop that no launcher can beat by much: os/exec, a file for
// the output, nothing else.
func loop(n, p int, dir string) error {
	next := make(chan int, n)
	for i := range n {
		next <- i
	}
	close(next)
	errs := make(chan error, p)
	var all sync.WaitGroup
	for range p {
		all.Go(func() {
			for i := range next {
				f, err := os.Create(filepath.Join(dir, fmt.Sprint(i)))
				if err == nil {
					cmd := exec.Command("/bin/true")
					cmd.Stdout = f
					err = cmd.Run()
					f.Close()
				}
				if err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}

// measure prints "wall cpu memory". A command that fails fails it too.
func measure(argv []string, until string) error {
	cmd := exec.Command(argv[0], argv[1:]...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	begin := time.Now()
	var wall time.Duration
	if err := cmd.Start(); err != nil {
		return err
	}
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		said = append(said, lines.Text())
		if until != "" && wall == 0 && strings.Contains(lines.Text(), until) {
			wall = time.Since(begin)
			cmd.Process.Signal(os.Interrupt)
			time.AfterFunc(2*time.Second, func() { cmd.Process.Signal(os.Interrupt) })
		}
	}
	err = cmd.Wait()
	switch {
	case until != "" && wall == 0:
		return fmt.Errorf("%v ended without saying %q: %s", argv, until, strings.Join(said, "\n"))
	case until == "" && err != nil:
		return fmt.Errorf("%v: %w: %s", argv, err, strings.Join(said, "\n"))
	case until == "":
		wall = time.Since(begin)
	}
	ps := cmd.ProcessState
	fmt.Printf("%.1f %.1f %.0f\n", ms(wall), ms(ps.UserTime()+ps.SystemTime()), float64(ps.SysUsage().(*syscall.Rusage).Maxrss)/1024)
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
