package sweep

import (
	"testing"
	"time"

	"orch/configs"
	"orch/sweep/compose"
)

// The shipped configs expand as their comments promise.
func TestShippedConfigs(t *testing.T) {
	tests := []struct {
		name      string
		primary   compose.Primary
		overrides []string
		multirun  bool
		runs      int
		bases     int
		group     string // backend of the first group
	}{
		{"the experiment by name", compose.Primary{Name: "experiment/sweep_models"}, nil, false, 15, 3, "pool"},
		{"as a sweep file", compose.Primary{Path: "sweep.toml", Text: []byte(depth)}, nil, false, 15, 3, "pool"},
		{"as a preset", compose.Primary{Name: "train"}, []string{"+experiment=sweep_models"}, false, 15, 3, "pool"},
		{"the seed project's line", compose.Primary{Name: "train"}, []string{"model=net2,net5", "training.epochs=2,5"}, true, 4, 2, "pool"},
		{"one run", compose.Primary{Name: "train"}, []string{"model=net5"}, false, 1, 1, "pool"},
		{"a program", compose.Primary{Path: "sk.toml", Text: []byte(program)}, nil, false, 6, 1, "pool"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := expand(t, Request{
				Source:  &compose.Source{Layers: []compose.Layer{{Label: "embedded", FS: configs.FS}}, Now: time.Unix(0, 0)},
				Primary: test.primary, Overrides: test.overrides, Multirun: test.multirun, Launcher: "joblib",
			})
			if p.Len() != test.runs || len(p.Bases) != test.bases {
				t.Errorf("%d runs of %d bases, want %d of %d", p.Len(), len(p.Bases), test.runs, test.bases)
			}
			if b, _ := p.Groups[0].Launcher.Lookup("backend"); b.Text() != test.group {
				t.Errorf("backend %s, want %s", b.Text(), test.group)
			}
			ids := map[string]bool{}
			for _, s := range specs(t, p) {
				config(t, p, s)
				ids[s.ID] = true
			}
			if len(ids) != test.runs {
				t.Errorf("%d distinct runs, want %d", len(ids), test.runs)
			}
			if len(p.Notes) > 0 {
				t.Errorf("notes %q, want none", p.Notes)
			}
		})
	}
}
