//go:build linux

package faults

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// The table of faults: what was injected, whether it was survived, and what was
// tested afterwards. It is printed when all tests are over, and appended as
// Markdown to the file that $ORCH_FAULT_TABLE names.
var table struct {
	sync.Mutex
	rows   []*row
	checks map[string]*checks // by top-level test
}

type row struct {
	test, fault string
	injected    int
	what        string
	ok          bool
	took        time.Duration
}

// checks counts what was tested after faults.
type checks struct {
	fsck, recounts, results int
	began                   time.Time
}

func checksOf(t testing.TB) *checks {
	if table.checks == nil {
		table.checks = map[string]*checks{}
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	c := table.checks[name]
	if c == nil {
		c = &checks{began: time.Now()}
		table.checks[name] = c
	}
	return c
}

// checked notes that something was tested.
func checked(t testing.TB, note func(c *checks)) {
	table.Lock()
	defer table.Unlock()
	note(checksOf(t))
}

// survived adds a row, and prints it at once.
func survived(t testing.TB, fault string, injected int, format string, args ...any) {
	table.Lock()
	defer table.Unlock()
	name, _, _ := strings.Cut(t.Name(), "/")
	c := checksOf(t)
	r := &row{test: name, fault: fault, injected: injected, what: fmt.Sprintf(format, args...), ok: !t.Failed(), took: time.Since(c.began)}
	table.rows = append(table.rows, r)
	fmt.Printf("%-28s %d x %s: %s\n", strings.TrimPrefix(name, "Test"), injected, fault, r.what)
}

// printTable prints the table at the end of the run.
func printTable(failed bool) {
	table.Lock()
	defer table.Unlock()
	if len(table.rows) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	var md strings.Builder
	fmt.Fprintf(w, "\nfault\tinjected\tsurvived\ttested after each, and figures\n")
	fmt.Fprintf(&md, "| fault | injected | survived | figures |\n|---|---:|---|---|\n")
	var sum checks
	for _, r := range table.rows {
		ok := "all"
		if !r.ok {
			ok = "NOT ALL"
		}
		fmt.Fprintf(w, "%s\t%d\t%s\t%s\n", r.fault, r.injected, ok, r.what)
		fmt.Fprintf(&md, "| %s | %d | %s | %s |\n", r.fault, r.injected, ok, r.what)
	}
	for _, c := range table.checks {
		sum.fsck += c.fsck
		sum.recounts += c.recounts
		sum.results += c.results
	}
	w.Flush()
	end := fmt.Sprintf("After the faults: %d times orch fsck, %d recounts by an independent reader, %d results compared with what was seen before: 0 lost, 0 counted twice, 0 stuck.",
		sum.fsck, sum.recounts, sum.results)
	if failed {
		end = "SOME TESTS FAILED; the rows above are of those that came to their end."
	}
	fmt.Println(end)
	path := os.Getenv("ORCH_FAULT_TABLE")
	if path == "" {
		return
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err == nil {
		size := "short"
		if long {
			size = "full"
		}
		_, err = fmt.Fprintf(f, "\n## %s, %s counts, %s/%s, %d cores, %s\n\n%s\n%s\n", time.Now().UTC().Format(time.DateOnly), size,
			runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), time.Since(started).Round(time.Second), md.String(), end)
		f.Close()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "write the table of faults:", err)
	}
}

var started = time.Now()

// crew divides n rounds among a few at a time: they wait more than they compute.
// Each round makes its rigs anew.
func crew(t *testing.T, n int, round func(t *testing.T, i int)) {
	const size = 4
	t.Run("rounds", func(t *testing.T) {
		for k := range min(size, n) {
			t.Run(fmt.Sprint(k), func(t *testing.T) {
				t.Parallel()
				for i := k; i < n && !t.Failed(); i += size {
					round(t, i)
				}
			})
		}
	})
}
