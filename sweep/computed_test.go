package sweep

import (
	"fmt"
	"strings"
	"testing"
)

// column returns what the runs of a plan have at a path, "; " between.
func column(t *testing.T, p *Plan, path string) string {
	t.Helper()
	var list []string
	for _, s := range specs(t, p) {
		v, _ := config(t, p, s).Get(path)
		list = append(list, v.Text())
	}
	return strings.Join(list, "; ")
}

// An axis of one value that refers to another axis follows it.
func TestOneValueThatRefers(t *testing.T) {
	const head = "defaults = [\"train\"]\nout = \"<${data.seed}>\"\ndata.seed = 5\n"
	tests := []struct {
		name, text string
		overrides  []string
		path, want string
	}{
		{"in a file", "[sweep]\nseed = \"range(0,3)\"\n\"data.seed\" = \"${seed}\"\n", nil, "data.seed", "0; 1; 2"},
		{"before the other", "[sweep]\n\"data.seed\" = \"${seed}\"\nseed = \"range(0,3)\"\n", nil, "data.seed", "0; 1; 2"},
		{"what is computed from it", "[sweep]\nseed = \"range(0,3)\"\n\"data.seed\" = \"${seed}\"\n", nil, "out", "<0>; <1>; <2>"},
		{"in a list", "[sweep]\nseed = [1, 2]\n\"data.list\" = [[\"${seed}\", 7]]\n", nil, "data.list", "[1,7]; [2,7]"},
		{"in a table", "[sweep]\nseed = [1, 2]\ndata = {seed = \"${seed}\"}\n", nil, "out", "<1>; <2>"},
		{"fixed on the command line", "[sweep]\nseed = [1, 2]\n\"data.seed\" = [8, 9]\n", []string{"data.seed=${seed}"}, "data.seed", "1; 2"},
		{"zipped", "[sweep]\nseed = [1, 2]\n\"data.seed\" = [\"${seed}\"]\nzip = [\"seed\", \"data.seed\"]\n", nil, "data.seed", "1; 2"},
		{"to a swept group", "[sweep]\nmodel = [\"net2\", \"net5\"]\n\"data.seed\" = \"${model.layers}\"\n", nil, "data.seed", "2; 5"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := expand(t, file(head+test.text, test.overrides...))
			if got := column(t, p, test.path); got != test.want {
				t.Errorf("%s = %s, want %s", test.path, got, test.want)
			}
		})
	}
}

// A value that an axis has only in some runs counts as much as its first.
func TestLaterValueThatRefers(t *testing.T) {
	const text = `
defaults = ["train"]
label = "w${training.warmup}"
again = "${label}!"
[training]
warmup = 0
[sweep]
"training.warmup" = [0, "${training.epochs}"]
"training.epochs" = [1, 10]
`
	p := expand(t, file(text))
	if got, want := column(t, p, "again"), "w0!; w0!; w1!; w10!"; got != want {
		t.Errorf("again = %s, want %s", got, want)
	}
}

// In a plan too large for every run to be checked, a computed value that is no
// part of identity is made for every run all the same.
func TestComputedInVolatileTable(t *testing.T) {
	const text = `
defaults = ["train"]
volatile = ["paths"]
a = 0
b = 0
c = 0
[paths]
out = "/scratch/${a}_${b}_${c}"
[sweep]
a = "range(0,30)"
b = "range(0,30)"
c = "range(0,30)"
`
	p := expand(t, file(text))
	h := p.Header()
	for i, s := range specs(t, p) {
		c, err := s.Config(&h)
		if err != nil {
			t.Fatal(err)
		}
		out, _ := c.Get("paths.out")
		if want := fmt.Sprintf("/scratch/%d_%d_%d", i/900, i/30%30, i%30); out.Text() != want {
			t.Fatalf("run %d: paths.out = %s, want %s", i, out.Text(), want)
		}
	}
}
