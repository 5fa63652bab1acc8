package collect

import (
	"bytes"
	"encoding/csv"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
)

// What is noted with the tables holds until the tree or a table changes, and not
// longer.
func TestStored(t *testing.T) {
	s := finishedSweep(t, 20, 2)
	fold := func() *Tables {
		t.Helper()
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		x, err := Fold(sn, Options{Series: true})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	of := func() string {
		t.Helper()
		f, err := s.Fingerprint()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	var note string
	if Stored(s, of(), &note) {
		t.Error("stored before anything was")
	}
	if _, err := os.Stat(filepath.Join(s.Path(), "collected")); err == nil {
		t.Error("asking made the folder")
	}
	store := func() {
		t.Helper()
		if err := fold().Store(s, of(), "hello"); err != nil {
			t.Fatal(err)
		}
		if !Stored(s, of(), &note) || note != "hello" {
			t.Fatalf("not stored, or note %q", note)
		}
	}
	store()
	want := tableBytes(t, s)
	appendTo := func(path, text string) func() {
		return func() {
			f, err := os.OpenFile(filepath.Join(s.Path(), path), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			f.WriteString(text)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.Path(), "journals"))
	if err != nil {
		t.Fatal(err)
	}
	journal := entries[0].Name()
	for name, change := range map[string]func(){
		"a line in a journal": appendTo("journals/"+journal, "x\n"),
		"a line in a series":  appendTo("series/"+journal, "x\n"),
		"another journal":     appendTo("journals/w.jsonl", ""),
		"a claim":             appendTo("claims/1-0-0.1", "x"),
		"a fence":             appendTo("fences/1-0-0.0", "x"),
		"an order":            appendTo("orders/sweep.1", "x"),
		"a table edited":      appendTo("collected/runs.csv", "mine\n"),
		"a table deleted":     func() { os.Remove(filepath.Join(s.Path(), "collected", "metrics.jsonl")) },
		"a table of another": func() { // as another collector's: the same bytes, another file
			path := filepath.Join(s.Path(), "collected", "plan.csv")
			b, _ := os.ReadFile(path)
			os.WriteFile(path+".new", b, 0o600)
			os.Rename(path+".new", path)
		},
		"the note deleted": func() { os.Remove(filepath.Join(s.Path(), "collected", storedFile)) },
		"the note damaged": func() { os.WriteFile(filepath.Join(s.Path(), "collected", storedFile), []byte("{"), 0o600) },
	} {
		change()
		if Stored(s, of(), &note) {
			t.Errorf("%s: the tables still count as up to date", name)
		}
		store()
	}
	got := tableBytes(t, s)
	for name, b := range want {
		if name != "problems.csv" && name != "problems.jsonl" && got[name] != b {
			t.Errorf("%s differs after damage to the tree", name)
		}
	}
}

// Twenty collectors at once leave whole tables that are up to date, or are known
// not to be.
func TestTwentyAtOnce(t *testing.T) {
	s := finishedSweep(t, 50, 3)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			of, err := s.Fingerprint()
			if err != nil {
				t.Error(err)
				return
			}
			sn, err := s.Snapshot()
			if err != nil {
				t.Error(err)
				return
			}
			x, err := Fold(sn, Options{Series: true})
			if err == nil {
				err = x.Store(s, of, "")
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	x, err := Fold(sn, Options{Series: true})
	if err != nil {
		t.Fatal(err)
	}
	got := tableBytes(t, s)
	for name, want := range writeAll(t, x) {
		if got[name] != string(want) {
			t.Errorf("%s is not what a fold gives", name)
		}
	}
	entries, err := os.ReadDir(filepath.Join(s.Path(), "collected"))
	if err != nil || len(entries) != len(x.files())+1 {
		t.Errorf("%d files in collected/, %v, want the tables, the note and no leftovers", len(entries), err)
	}
}

// tableBytes returns the tables in collected/ by name.
func tableBytes(t *testing.T, s *results.Sweep) map[string]string {
	t.Helper()
	files := map[string]string{}
	for _, f := range new(Tables).files() {
		b, err := os.ReadFile(filepath.Join(s.Path(), "collected", f.name))
		if err != nil {
			t.Fatal(err)
		}
		files[f.name] = string(b)
	}
	return files
}

// Cells are those of encoding/csv, and strings of JSON those of the values'
// own encoding.
func TestCellsAndStrings(t *testing.T) {
	for _, s := range []string{"", "a", "a b", " a", "\u00a0a", "a,b", `say "hi"`, "two\nlines", "cr\rlf\r\n", `\.`, `\`, "gr\u00fc\u00dfe", "\xff", "\x00", "tab\t", "'quote", "=1", "<&>", "\u2028"} {
		var want bytes.Buffer
		w := csv.NewWriter(&want)
		w.Write([]string{"x", s, s})
		w.Flush()
		var got bytes.Buffer
		c := &CSV{out: output{w: &got}}
		c.word("x")
		c.word(s)
		c.word(s)
		c.End()
		if err := c.Flush(); err != nil || got.String() != want.String() {
			t.Errorf("cell %q = %q, %v, want %q", s, &got, err, &want)
		}
		if got, want := string(appendText(nil, s)), string(override.StringValue(s).AppendJSON(nil)); got != want {
			t.Errorf("string %q = %s, want %s", s, got, want)
		}
	}
}

func TestAppendUTC(t *testing.T) {
	zone := time.FixedZone("somewhere", -5*3600)
	for _, x := range []time.Time{{}, time.UnixMilli(0), time.UnixMilli(1795392689906), time.Date(2026, 1, 2, 3, 4, 5, 6999999, zone), time.Date(999, 12, 31, 23, 59, 59, 999e6, zone), time.Date(12026, 1, 1, 0, 0, 0, 0, zone)} {
		want := ""
		if !x.IsZero() {
			want = x.UTC().Format("2006-01-02T15:04:05.000Z")
		}
		if got := string(appendUTC(nil, x)); got != want {
			t.Errorf("appendUTC(%v) = %q, want %q", x, got, want)
		}
	}
}
