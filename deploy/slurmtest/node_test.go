//go:build linux

package slurmtest

import (
	"fmt"
	"strings"
	"syscall"
	"testing"

	"orch/sweep/results"
)

// A node is lost for Slurm while its job lives on. Its run is done elsewhere, and
// what the zombie still writes does not count.
func TestNodeLost(t *testing.T) {
	t.Parallel()
	for i := range times(1, 8) {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			c := StartAlone(t, "--nodes", "2", "--conf", "KillWait=3")
			r := newRig(t, c, sweepOf(1, "if [ -e second ]; then "+acc+"; else touch first; while [ ! -e late ]; do sleep 0.1; done; "+acc+"; fi"))
			r.submit()
			r.await("the program", func() bool { return r.exists("first") })
			r.write("second", "")
			// A worker that sees its block taken over ends its program. This one is
			// too slow to look: it wakes up when all is over.
			zombie := r.processes(func(cmdline string) bool { return strings.Contains(cmdline, " worker ") })
			if len(zombie) != 1 {
				t.Fatalf("processes %v, want one worker", zombie)
			}
			if err := syscall.Kill(zombie[0], syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			node := strings.Fields(r.queue())[3]
			c.Signal(t, "slurmd."+node, syscall.SIGKILL)
			// The controller need not find out by itself: with a SlurmdTimeout that is
			// worth waiting for it would lose the other node of a busy machine, too.
			c.Do(t, "scontrol", "update", "nodename="+node, "state=down", "reason=test")
			r.until("the run to be done on the other node", func() bool { return r.count(results.StateDone) == 1 })
			st := r.states()[0]
			if a := st.Attempts; len(a) != 2 || a[0].Class != results.NodeLost || st.Counted != 1 {
				t.Errorf("attempts = %v, counted %d, want node lost and done%s", classes(st), st.Counted, r.describe())
			}
			r.write("late", "")
			r.await("the end of the program", func() bool { return len(r.processes(nil)) == 1 })
			if err := syscall.Kill(zombie[0], syscall.SIGCONT); err != nil {
				t.Fatalf("the lost node's worker is gone (%v): this tests nothing", err)
			}
			r.await("the end of the zombie", func() bool { return len(r.processes(nil)) == 0 })
			if !strings.Contains(r.log(st, 0), "acc=") {
				t.Error("the zombie's program has written nothing: this tests nothing")
			}
			r.done() // with observe: the result is that of the second attempt
			if st := r.states()[0]; st.Counted != 1 {
				t.Errorf("attempt %d counts, want 1", st.Counted)
			}
		})
	}
}

// A drained node takes nothing new and ends what it has; of a job that needs it
// it is said why it waits, and it runs when the node is back.
func TestDrain(t *testing.T) {
	t.Parallel()
	c := StartAlone(t, "--nodes", "2")
	r := newRig(t, c, sweepOf(2, waits, "workers = 1", `nodelist = "n1"`))
	r.submit()
	r.running(1)
	c.Do(t, "scontrol", "update", "nodename=n1", "state=drain", "reason=test")
	other := newRig(t, c, sweepOf(2, acc, `nodelist = "n1"`))
	other.submit()
	other.until("word of the drained node", func() bool {
		out, stderr, _ := other.run(other.command("status"))
		return strings.Contains(out+stderr, "drained") && strings.Contains(out+stderr, "sinfo -R")
	})
	free := newRig(t, c, sweepOf(2, acc))
	free.submit()
	free.done()
	r.write("go", "")
	r.done()
	for _, st := range r.states() {
		if len(st.Attempts) != 1 {
			t.Errorf("%s: attempts = %v, want 1: draining ends nothing", st.Run.Name, classes(st))
		}
	}
	c.Do(t, "scontrol", "update", "nodename=n1", "state=resume")
	other.done()
}
