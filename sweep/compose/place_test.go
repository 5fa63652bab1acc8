package compose

import (
	"testing"
	"testing/fstest"

	"orch/sweep/override"
)

// A place's values stand between the shipped configs and all others, and keep
// the line they come from.
func TestPlace(t *testing.T) {
	place := &Place{Label: "site.toml", Text: []byte("[launcher]\ntime = \"10m\"\naccount = \"a\"\n[launcher.gpu]\naccount = \"b\"\n"),
		Tables: func(name string, config override.Value) [][]string {
			if b, _ := config.Lookup("backend"); b.Text() != "x" {
				return nil
			}
			return [][]string{{"launcher"}, {"launcher", "gpu"}}
		}}
	if _, err := place.Parse(); err != nil {
		t.Fatal(err)
	}
	s := &Source{Place: place, Layers: []Layer{
		{Label: "own", FS: fstest.MapFS{"launcher/mine.toml": {Data: []byte("backend = \"x\"\ntime = \"1m\"\n")}}},
		{Label: "shipped", FS: fstest.MapFS{
			"base.toml":             {Data: []byte("seed = 1\n")},
			"launcher/shipped.toml": {Data: []byte("backend = \"x\"\ntime = \"4h\"\nmem = \"2G\"\n")},
			"launcher/other.toml":   {Data: []byte("backend = \"y\"\ntime = \"3h\"\n")},
		}},
	}}
	for _, c := range []struct{ option, key, want, from string }{
		{"shipped", "launcher.time", "10m", "site.toml:2"},
		{"shipped", "launcher.mem", "2G", "shipped/launcher/shipped.toml:3"},
		{"shipped", "launcher.account", "b", "site.toml:5"},
		{"mine", "launcher.time", "1m", "own/launcher/mine.toml:2"},
		{"mine", "launcher.account", "b", "site.toml:5"},
		{"other", "launcher.time", "3h", "shipped/launcher/other.toml:2"},
	} {
		o, err := override.Parse("+launcher=" + c.option)
		if err != nil {
			t.Fatal(err)
		}
		config, err := s.Compose(Primary{Name: "base"}, []override.Override{o})
		if err != nil {
			t.Fatal(err)
		}
		v, _ := config.Tree().Get(c.key)
		if got, from := v.Text(), config.Origin(c.key).String(); got != c.want || from != c.from {
			t.Errorf("launcher %s: %s = %q from %s, want %q from %s", c.option, c.key, got, from, c.want, c.from)
		}
	}
	if got := place.Line("launcher", "nothing").String(); got != "site.toml:1" {
		t.Errorf("Line of a key that is not there = %s, want that of its table", got)
	}
}
