package collect

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func entry(key string, v override.Value) override.Field {
	return override.Field{Key: override.StringValue(key), Val: v}
}

// hostile is a small sweep whose names and messages attack every format.
func hostile() *Tables {
	zone := time.FixedZone("somewhere", 2*3600)
	model, seed, lr := override.StringValue, override.IntValue, override.FloatValue
	return &Tables{
		Sweep: "depth",
		Header: results.Header{
			Format: 1, Kind: results.KindPlan, Sweep: "depth",
			Axes: []results.Axis{
				{Key: "model", Values: []override.Value{model("net2"), model("=cmd|'/c calc'!A1")}},
				{Key: "name", Values: []override.Value{lr(-0.5)}},
				{Key: "seed", Values: []override.Value{seed(0), seed(-1)}},
			},
			Provenance: results.Provenance{Time: time.Date(2026, 11, 1, 12, 0, 0, 0, zone), Host: "login1", Dir: "/home/ada", Command: []string{"orch", "submit", "sweep.toml"}, Orch: "0.1.0"},
		},
		Runs: []Run{
			{ID: "r1", Name: "depth-0", State: "done", Class: results.Done, Attempts: 2, Seconds: 12.5, Host: "n1", Code: "0.1.0 ab12",
				Config:  override.MapValue(entry("model", model("net2")), entry("lr", lr(1))),
				Swept:   []override.Field{entry("model", model("net2")), entry("name", lr(-0.5)), entry("seed", seed(0))},
				Metrics: []Metric{{Name: "id", Value: 7}, {Name: "test.accuracy", Value: 0.9125}, {Name: "test.loss", Value: -1e-7}}},
			{ID: "r2", Name: "depth-1", State: "done", Class: results.Done, Attempts: 1, Seconds: 3, Host: "n2",
				Swept:   []override.Field{entry("model", model("=cmd|'/c calc'!A1")), entry("name", lr(-0.5)), entry("seed", seed(-1))},
				Metrics: []Metric{{Name: "test.accuracy", Value: math.NaN()}, {Name: "test.loss", Value: math.Inf(-1)}}},
			{ID: "r3", Name: "depth-2", State: "failed", Class: results.Failed, Attempts: 1, Seconds: 0.25, Host: "n1",
				Swept:   []override.Field{entry("model", model("+1, \"quoted\"\nand a line")), entry("seed", override.NullValue())},
				Message: "@SUM(A1)\n<script>alert(1)</script>, exit 1"},
			{ID: "r4", Name: "depth-3", State: "queued", Swept: []override.Field{entry("model", model("net2")), entry("seed", seed(3)), entry("extra", override.QuotedValue("-7"))}},
			{ID: "r0", Name: "old", Dropped: true, State: "done", Class: results.Done, Attempts: 1, Metrics: []Metric{{Name: "test.accuracy", Value: 1}}},
		},
		Attempts: []Attempt{
			{Run: "r1", Folder: "runs/depth-0/a10", Class: results.Done, Counted: true, Worker: "w2", Host: "n1", Start: time.Date(2026, 11, 1, 12, 30, 0, 123456789, zone), Seconds: 12.5, MaxRSS: 1 << 33, CPU: 11.25},
			{Run: "r1", Folder: "runs/depth-0/a2", Class: results.Preempted, Worker: "w1", Host: "n1", Seconds: 4, Signal: "SIGTERM"},
			{Run: "gone", Folder: "runs/gone/a1", Class: results.Lost},
			{Run: "r3", Folder: "runs/depth-2/a1", Class: results.Failed, Counted: true, Exit: 1, Message: "-rf, exit 1"},
		},
		Series: []Point{
			{"r1", 10, "train.loss", 0.5}, {"r1", 2, "train.loss", 2}, {"r2", 1, "train.loss", math.Inf(1)}, {"gone", 1, "train.loss", 3},
		},
		Problems: []Problem{{"journals/w2.jsonl", 99, "torn line"}, {"journals/w1.jsonl", 7, "=bad checksum"}},
	}
}

func writeAll(t *testing.T, x *Tables) map[string][]byte {
	t.Helper()
	files := map[string][]byte{}
	err := x.Write(func(name string, write func(io.Writer) error) error {
		var b bytes.Buffer
		err := write(&b)
		files[name] = b.Bytes()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestWriteGolden(t *testing.T) {
	files := writeAll(t, hostile())
	if len(files) != 10 {
		t.Fatalf("Write made %d files, want 10", len(files))
	}
	for name, got := range files {
		golden := filepath.Join("testdata", "tables", name)
		if *update {
			if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s:\ngot\n%s\nwant\n%s", name, got, want)
		}
	}
}

// Whatever the order in which the tree was read, the bytes are the same; and
// writing leaves the tables as they were.
func TestWriteIsByteIdentical(t *testing.T) {
	want := writeAll(t, hostile())
	x := hostile()
	slices.Reverse(x.Attempts)
	slices.Reverse(x.Series)
	slices.Reverse(x.Problems)
	first := x.Attempts[0]
	for range 2 {
		for name, got := range writeAll(t, x) {
			if !bytes.Equal(got, want[name]) {
				t.Errorf("%s differs when rows come in another order:\n%s", name, got)
			}
		}
	}
	if x.Attempts[0] != first {
		t.Error("Write sorted the caller's attempts")
	}
}

func TestFilesAreWellFormed(t *testing.T) {
	for name, data := range writeAll(t, hostile()) {
		if strings.HasSuffix(name, ".csv") {
			rows, err := csv.NewReader(bytes.NewReader(data)).ReadAll() // also checks that all lines have one length
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			for _, row := range rows[1:] {
				for i, cell := range row {
					if cell == "" || !strings.ContainsAny(cell[:1], "=+-@\t\r") || rows[0][i] == "nonfinite" {
						continue
					}
					if !json.Valid([]byte(cell)) { // a number is fine
						t.Errorf("%s, column %s: cell %q begins like a formula", name, rows[0][i], cell)
					}
				}
			}
			continue
		}
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		var head struct {
			Schema string
			Rows   int
		}
		if err := json.Unmarshal([]byte(lines[0]), &head); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if want := "orch." + strings.TrimSuffix(name, ".jsonl") + "/1"; head.Schema != want || head.Rows != len(lines)-1 {
			t.Errorf("%s: header %+v, want schema %s and %d rows", name, head, want, len(lines)-1)
		}
		for _, l := range lines {
			if !json.Valid([]byte(l)) {
				t.Errorf("%s: not JSON: %s", name, l)
			}
		}
	}
}

func TestIntoReplacesWhole(t *testing.T) {
	folder := t.TempDir()
	dir, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	replace := Into(dir)
	if err := hostile().Write(replace); err != nil {
		t.Fatal(err)
	}
	before, err := dir.ReadFile("runs.csv")
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	err = replace("runs.csv", func(w io.Writer) error {
		io.WriteString(w, "half a ")
		return full
	})
	if !errors.Is(err, full) {
		t.Errorf("replace = %v, want the writer's error", err)
	}
	after, _ := dir.ReadFile("runs.csv")
	if !bytes.Equal(before, after) {
		t.Errorf("a failed write changed the file to %q", after)
	}
	entries, err := os.ReadDir(folder)
	if err != nil || len(entries) != 10 {
		t.Errorf("%d files in the folder, %v, want 10 and no leftovers", len(entries), err)
	}
}

// A full disk shows when a buffer is flushed, not when a row is added: no
// writer may lose that error.
func TestWritersReportErrors(t *testing.T) {
	full := errors.New("disk full")
	var names []string
	for i := range 10 {
		n := 0
		err := hostile().Write(func(name string, write func(io.Writer) error) error {
			if n++; n-1 == i {
				names = append(names, name)
				return write(failing{full})
			}
			return write(io.Discard)
		})
		if !errors.Is(err, full) {
			t.Errorf("Write with a full disk at file %d = %v, want the error", i, err)
		}
	}
	if len(slices.Compact(slices.Sorted(slices.Values(names)))) != 10 {
		t.Errorf("tried %v, want 10 files", names)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestNatural(t *testing.T) {
	sorted := []string{"", "a", "a2", "a2b", "a10", "a10b2", "a10b10", "b"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got, want := natural(a, b), compare(i, j); got != want {
				t.Errorf("natural(%q, %q) = %d, want %d", a, b, got, want)
			}
		}
	}
}

func compare(i, j int) int {
	switch {
	case i < j:
		return -1
	case i > j:
		return 1
	}
	return 0
}
