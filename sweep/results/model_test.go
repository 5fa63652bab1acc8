package results

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// The write protocol is checked as a model, model/protocol.pml, by spin: every
// order of events of a small world. The design must hold, and the mutants, which
// are the shortcuts that one tries first, must fail: else the model would prove
// nothing. ORCH_LONG=1 runs the larger worlds.
func TestProtocolModel(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute: run without -short")
	}
	for _, tool := range []string{"spin", "gcc"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("no %s: install the Debian packages spin, gcc and libc6-dev", tool)
		}
	}
	for _, c := range []struct {
		name   string
		flags  string
		broken bool // a mutant
		long   bool
	}{
		{name: "two runs, no reader", flags: "-DREADERS=0"},
		{name: "one run, nobody dies", flags: "-DRUNS=1 -DKILLS=0"},
		{name: "three generations", flags: "-DRUNS=1 -DGENS=3 -DREADERS=0"},
		{name: "one run, the holder may die", flags: "-DRUNS=1 -DKILLS=1"},

		{name: "list before fsync", flags: "-DCHECK=1", broken: true},
		{name: "no check", flags: "-DCHECK=0", broken: true},
		{name: "grace below D", flags: "-DD=2 -DGRACE=1", broken: true},
		{name: "seal to the last mark", flags: "-DADOPT=0", broken: true},
		{name: "seal without the tail after a crash", flags: "-DTAIL=0 -DCRASH=1", broken: true},
		{name: "last-wins seal", flags: "-DFIRST=0", broken: true},
		{name: "own offset", flags: "-DWINNER=0", broken: true},

		{name: "listings two ticks old", flags: "-DD=2 -DRUNS=1 -DKILLS=1", long: true},
		{name: "two runs, the holder may die", flags: "-DKILLS=1", long: true},
		{name: "two runs, no reader, power loss", flags: "-DREADERS=0 -DCRASH=1", long: true},
		{name: "one run", flags: "-DRUNS=1", long: true},
		{name: "one run, power loss", flags: "-DRUNS=1 -DCRASH=1", long: true},
		{name: "two runs, nobody dies", flags: "-DKILLS=0", long: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.long && os.Getenv("ORCH_LONG") == "" {
				t.Skip("long: set ORCH_LONG=1")
			}
			if end, ok := t.Deadline(); ok && time.Until(end) < 5*time.Minute && os.Getenv("ORCH_LONG") == "" {
				t.Skip("no time left: the package's other tests need theirs; run this one alone, or with a longer -timeout")
			}
			v := verify(t, strings.Fields(c.flags))
			t.Log(v)
			switch {
			case c.broken && !strings.HasPrefix(v.why, "assertion violated"):
				t.Errorf("the mutant passed (%s): the model does not see what is wrong with it", v)
			case !c.broken && v.errors != 0:
				t.Errorf("the protocol fails: %s", v.why)
			}
		})
	}
}

// verdict is what a verifier made by spin said.
type verdict struct {
	errors int
	states int
	why    string
	took   time.Duration
}

func (v verdict) String() string {
	return fmt.Sprintf("%d errors, %d states, %.1f s %s", v.errors, v.states, v.took.Seconds(), v.why)
}

var (
	panErrors = regexp.MustCompile(`errors: (\d+)`)
	panStates = regexp.MustCompile(`(\d+) states, stored`)
	panWhy    = regexp.MustCompile(`(?m)^pan:\d+: (.*)`)
)

// verify searches the model with some macros set. A search that was cut short
// fails the test: its "errors: 0" would say nothing.
func verify(t *testing.T, flags []string) verdict {
	t.Helper()
	model, err := filepath.Abs("model/protocol.pml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	tool := func(name string, args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", name, err, out)
		}
		return out
	}
	tool("spin", append(append([]string{"-a"}, flags...), model)...)
	tool("gcc", "-O2", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", "-DMEMLIM=9000", "-o", "pan", "pan.c")
	begin := time.Now()
	out := tool("./pan", "-m200000", "-w22")
	v := verdict{took: time.Since(begin)}
	m, n := panErrors.FindSubmatch(out), panStates.FindSubmatch(out)
	if m == nil || n == nil {
		t.Fatalf("no verdict:\n%s", out)
	}
	fmt.Sscan(string(m[1]), &v.errors)
	fmt.Sscan(string(n[1]), &v.states)
	if w := panWhy.FindSubmatch(out); w != nil {
		v.why = string(w[1])
	}
	if v.errors == 0 {
		for _, cut := range []string{"MEMLIM", "not completed", "max search depth too small", "out of memory", "interrupted"} {
			if bytes.Contains(bytes.ToLower(out), []byte(strings.ToLower(cut))) {
				t.Fatalf("the search was cut short (%s):\n%s", cut, out)
			}
		}
	}
	return v
}
