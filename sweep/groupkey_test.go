package sweep

import (
	"strings"
	"testing"
	"testing/fstest"

	"orch/sweep/compose"
)

// The shipped configs lie below a user's folder. An axis called like one of
// their folders sweeps a key of that name if its values can be no choice.
func TestAxisCalledLikeAShippedGroup(t *testing.T) {
	const task = "[task]\ncommand = [\"fit\", \"{model}\"]\n"
	tests := []struct {
		name, text string
		overrides  []string
		want       string // what the runs have as model, or the error
	}{
		{"a key", "model = \"resnet18\"\n[sweep]\nmodel = \"resnet18,vit\"\n", nil, "resnet18; vit"},
		{"a key of an included config", "defaults = [\"own\"]\n[sweep]\nmodel = [\"resnet18\", \"net2\"]\n", nil, "resnet18; net2"},
		{"fixed on the command line", "model = \"resnet18\"\n[sweep]\nmodel = \"resnet18,vit\"\n", []string{"model=net2"}, "net2"},
		{"beside a fixed key", "model = \"resnet18\"\nx = 1\n[sweep]\nmodel = \"resnet18,vit\"\n", []string{"++x=2"}, "resnet18; vit"},
		{"a new key of a program", task + "[sweep]\nmodel = [\"resnet18\", \"vit\"]\n", nil, "resnet18; vit"},
		{"numbers of a program", task + "[sweep]\nmodel = \"range(0,3)\"\n", nil, "0; 1; 2"},
		{"many numbers of a program", task + "[sweep]\nmodel = \"range(0,2000)\"\nexclude = {model = \"range(2,2000)\"}\n", nil, "0; 1"},
		{"options of the group", "model = \"\"\n[sweep]\nmodel = [\"net2\", \"net5\"]\n", nil, "{name:net2,layers:2,width:64}; {name:net5,layers:5,width:64}"},
		{"options for a program", task + "[sweep]\nmodel = [\"net2\", \"net5\"]\n", nil, "{name:net2,layers:2,width:64}; {name:net5,layers:5,width:64}"},
		{"a slip among options for a program", task + "[sweep]\nmodel = [\"net2\", \"nte5\"]\n", nil, "error: did you mean \"net5\""},
		{"a slip where a choice is owed", "model = \"???\"\n[sweep]\nmodel = [\"nte5\"]\n", nil, "error: did you mean \"net5\""},
		{"a slip in a group in use", "defaults = [\"train\"]\n" + task + "[sweep]\nmodel = [\"nte5\"]\n", nil, "error: did you mean \"net5\""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := file(test.text, test.overrides...)
			mine := fstest.MapFS{"own.toml": &fstest.MapFile{Data: []byte("model = \"resnet18\"\n")}}
			req.Source.Layers = append([]compose.Layer{{Label: "mine", FS: mine}}, req.Source.Layers...)
			p, err := Expand(req)
			if want, ok := strings.CutPrefix(test.want, "error: "); ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := column(t, p, "model"); got != test.want {
				t.Errorf("model = %s, want %s", got, test.want)
			}
		})
	}
}
