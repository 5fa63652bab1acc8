package compose

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

// endless is longer than any work that is bounded takes: a fraction of a second
// where nothing else runs, fifteen seconds on a busy machine with the race
// detector. What is not bounded takes hours.
const endless = 4 * time.Minute

// TestBounds gives texts that would take a careless program minutes or all
// memory.
func TestBounds(t *testing.T) {
	var many strings.Builder
	for i := range 60_000 {
		fmt.Fprintf(&many, "key%d = 1\n", i)
	}
	doubling := "a0 = \"xxxxxxxxxxxxxxxx\"\n"
	lists := "b0 = [1, 1]\n"
	for i := range 40 {
		doubling += fmt.Sprintf("a%d = \"${a%d}${a%d}\"\n", i+1, i, i)
		lists += fmt.Sprintf("b%d = [\"${b%d}\", \"${b%d}\"]\n", i+1, i, i)
	}
	including := ""
	for i := range 30 {
		including += fmt.Sprintf("-- c%d.toml --\ndefaults = [\"c%d@x\", \"c%d@y\"]\n", i, i+1, i+1)
	}
	including += "-- c30.toml --\na = 1\n"
	tests := []struct {
		name, files string
		class       string // of composing or resolving
	}{
		{"brackets", "-- x.toml --\na = " + strings.Repeat("[", 500_000), ClassTooLarge},
		{"braces", "-- x.toml --\na = " + strings.Repeat("{a=", 200_000), ClassTooLarge},
		{"dots", "-- x.toml --\na" + strings.Repeat(".a", 400_000) + " = 1\n", ClassTooLarge},
		{"dots in a header", "-- x.toml --\n[a" + strings.Repeat(" . a", 200_000) + "]\n", ClassTooLarge},
		{"deep by header and braces", "-- x.toml --\n[a" + strings.Repeat(".a", 50) + "]\nb = " + strings.Repeat("{a = ", 50) + "1" + strings.Repeat("}", 50) + "\n", ClassTooLarge},
		{"size", "-- x.toml --\na = \"" + strings.Repeat("a", 1<<20) + "\"\n", ClassTooLarge},
		{"many keys", "-- x.toml --\ndefaults = [\"y\"]\n" + many.String() + "-- y.toml --\n" + many.String(), ""},
		{"doubling text", "-- x.toml --\n" + doubling, ClassTooLarge},
		{"doubling lists", "-- x.toml --\n" + lists, ClassTooLarge},
		{"doubling includes", "-- x.toml --\ndefaults = [\"c0\"]\n" + including, ClassTooLarge},
		{"nested references", "-- x.toml --\na = \"" + strings.Repeat("${", 100_000) + "\"\n", ClassInterpSyntax},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Now()
			c, err := source(tt.files).Compose(Primary{Name: "x"}, nil)
			if err == nil {
				_, err = c.Resolve()
			}
			if got := ClassOf(err); got != tt.class || err != nil && got == "" {
				t.Errorf("class %q (%.200v), want %q", got, err, tt.class)
			}
			if d := time.Since(start); d > endless {
				t.Errorf("took %v, which is a fraction of a second where nothing else runs", d)
			}
		})
	}
}

// FuzzCompose composes and resolves arbitrary files: whatever they hold, the
// end is a config or an error that names a file, soon.
func FuzzCompose(f *testing.F) {
	f.Add("defaults = [\"y\", {m = \"a\"}, {\"override m\" = \"b\"}]\na = \"${b.c[0]}\"\n[b]\nc = [1]\n", "package = \"_group_.x\"\n[launcher]\nname = \"a\"\n")
	f.Add("defaults = [{\"m@_here_.z\" = [\"a\", \"b\"]}, \"_self_\"]\n", "defaults = [\"/x\"]\nk = \"${..k}\"\n")
	f.Add("env = [\"A\"]\nk = \"${env:A,${now:%Y}}\"\n", "defaults = [{\"optional /m/a\" = \"${m}\"}]\n")
	f.Fuzz(func(t *testing.T, x, y string) {
		src := &Source{Layers: []Layer{{"configs", fstest.MapFS{
			"x.toml":            {Data: []byte(x)},
			"y.toml":            {Data: []byte(y)},
			"m/a.toml":          {Data: []byte(y)},
			"m/b.toml":          {Data: []byte("k = 1\n")},
			"launcher/a.toml":   {Data: []byte("k = 1\n")},
			"experiment/e.toml": {Data: []byte(x)},
		}}}}
		for _, p := range []Primary{{Name: "x"}, {Path: "sweep.toml", Text: []byte(x)}} {
			c, err := src.Compose(p, parse(t, "+experiment=e"))
			if err == nil {
				_, err = c.Resolve()
			}
			var e *Error
			if err != nil && (!errors.As(err, &e) || e.Class == "" || e.Msg == "") {
				t.Errorf("error %v has no class or message", err)
			}
		}
	})
}
