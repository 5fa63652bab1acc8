package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orch/sweep/override"
)

// A worker of the pool has as long to leave as its programs have to save.
func TestPoolGrace(t *testing.T) {
	text := func(s string) override.Value { return override.QuotedValue(s) }
	field := func(key string, v override.Value) override.Field { return override.Field{Key: text(key), Val: v} }
	task := func(fields ...override.Field) override.Value {
		return override.MapValue(field("task", override.MapValue(append(fields, field("command", text("x")))...)))
	}
	for _, tt := range []struct {
		base override.Value
		want time.Duration
	}{
		{override.MapValue(field("model", text("net2"))), 0},
		{task(), 15 * time.Second},
		{task(field("stop_grace", text("1m"))), 65 * time.Second},
		{task(field("stop_grace", text("1m")), field("checkpoint_signal", text("USR1"))), 125 * time.Second},
	} {
		if got := poolGrace([]override.Value{tt.base}); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.base.Text(), got, tt.want)
		}
	}
}

// The end of an attempt, which says why there is another, is shown before that.
func TestLogReaderShowsTheEnd(t *testing.T) {
	dir := t.TempDir()
	write := func(name, s string) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	var out strings.Builder
	l := &logReader{p: &program{stdout: &out, stderr: io.Discard}}
	for _, file := range []string{write("a0", "one\n"), "", write("a1", "two\n")} {
		if file == "" {
			write("a0", "one\nTraceback\n")
			continue
		}
		if err := l.read(file, true); err != nil {
			t.Fatal(err)
		}
	}
	if want := "one\nTraceback\ntwo\n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}
