package sweep

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// randomSweep is a sweep written down in two ways: as a request, and as the
// list of override lists that a person would type, one a run.
type randomSweep struct {
	text      string
	overrides []string
	runs      [][]compose.Input
}

// A candidate is an axis in the forms a sweep may have it.
type candidate struct {
	key    string
	values []string // as typed
	toml   []string // as in a file
}

var candidates = []candidate{
	{"model", []string{"net2", "net5", "cnn"}, []string{`"net2"`, `"net5"`, `"cnn"`}},
	{"seed", []string{"1", "2", "3"}, []string{"1", "2", "3"}},
	{"training.lr", []string{"0.1", "0.25", "1e-5"}, []string{"0.1", "0.25", "1e-5"}},
	{"training.epochs", []string{"1", "20"}, []string{"1", "20"}},
	{"training", []string{"{lr:7.0}", "{batch:1,lr:3.5}"}, []string{"{lr = 7.0}", "{batch = 1, lr = 3.5}"}},
	{"xs.1", []string{"8", "9"}, []string{"8", "9"}},
	{"xs", []string{"[1,2]", "[3,4,5]"}, []string{"[1, 2]", "[3, 4, 5]"}},
	{"opt.which", []string{"b", "a"}, []string{`"b"`, `"a"`}},
	{"opt.a", []string{"u", "v"}, []string{`"u"`, `"v"`}},
	{"fresh.key", []string{"true", "null", "x"}, []string{"true", `"null"`, `"x"`}},
	{"threads", []string{"1", "2"}, []string{"1", "2"}},
	{"data", []string{"digits"}, []string{`"digits"`}},
	{"flag", []string{"${seed}", "f"}, nil},
	{"warmup", []string{"0", "${training.epochs}", "${seed}"}, []string{"0", `"${training.epochs}"`, `"${seed}"`}},
	{"opt.b", []string{"${seed}"}, []string{`"${seed}"`}},
	{"fresh.table", []string{"{x:'<${opt.b}>'}"}, []string{`{x = "<${opt.b}>"}`}},
}

const randomBase = `
defaults = ["train"]
threads = 4
xs = [1, "${seed}", 3]
warm = "w${warmup}"
warmer = "${warm}${opt.a}"
warmup = 1
label = "${model.name}_${training.lr}"
again = "${label}!"
copy = "${training}"
flag = "no"
[opt]
which = "a"
a = "${seed}"
b = 2
picked = "${opt.${opt.which}}"
[training]
note = "s${seed}"
[launcher]
name = "joblib"
mem = "${training.epochs}G"
`

func makeSweep(r *rand.Rand) randomSweep {
	type chosen struct {
		candidate
		typed bool
		n     int
	}
	var file, typed []chosen
	var keys []string
	for _, i := range r.Perm(len(candidates))[:1+r.IntN(4)] {
		c := chosen{candidates[i], r.IntN(3) == 0, 0}
		// Axes inside each other are settled by order alone; the naive list
		// below would have to repeat that rule to judge it.
		if slices.ContainsFunc(keys, func(k string) bool { return inside(k, c.key) || inside(c.key, k) }) {
			continue
		}
		keys = append(keys, c.key)
		c.n = 1 + r.IntN(len(c.values))
		c.typed = c.typed && c.n > 1 || c.toml == nil
		if c.toml == nil && c.n == 1 {
			c.n = 2
		}
		if c.typed {
			typed = append(typed, c)
		} else {
			file = append(file, c)
		}
	}
	s := randomSweep{text: randomBase + "[sweep]\n"}
	for _, c := range file {
		s.text += fmt.Sprintf("%q = [%s]\n", c.key, strings.Join(c.toml[:c.n], ", "))
	}
	fixed := ""
	if r.IntN(3) == 0 && !slices.Contains(keys, "training.epochs") {
		fixed = "training.epochs=5"
		s.overrides = append(s.overrides, fixed)
	}
	for _, c := range typed {
		s.overrides = append(s.overrides, plusFor(c.key)+c.key+"="+strings.Join(c.values[:c.n], ","))
	}
	axes := append(file, typed...)
	at := make([]int, len(axes))
	for {
		var run []compose.Input
		for i, c := range axes {
			if i == len(file) && fixed != "" {
				run = append(run, input(fixed))
			}
			text := c.values[at[i]]
			in := input(plusFor(c.key) + c.key + "=" + text)
			if c.key == "model" || c.key == "data" {
				in = input(c.key + "=" + text)
			}
			run = append(run, in)
		}
		if len(file) == len(axes) && fixed != "" {
			run = append(run, input(fixed))
		}
		s.runs = append(s.runs, run)
		i := len(axes) - 1
		for ; i >= 0; i-- {
			if at[i]++; at[i] < axes[i].n {
				break
			}
			at[i] = 0
		}
		if i < 0 {
			return s
		}
	}
}

func plusFor(key string) string {
	if key == "model" || key == "data" {
		return ""
	}
	return "++"
}

func input(text string) compose.Input {
	o, err := override.Parse(text)
	if err != nil {
		panic(text + ": " + err.Error())
	}
	return compose.Input{Override: o, From: compose.CommandLine}
}

// The fast expansion gives what composing every run by itself gives.
func TestLikeNaive(t *testing.T) {
	for seed := range uint64(400) {
		s := makeSweep(rand.New(rand.NewPCG(seed, 1)))
		req := file(s.text, s.overrides...)
		p, err := Expand(req)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s\n%v", seed, err, s.text, s.overrides)
		}
		list := specs(t, p)
		seen := map[string]bool{}
		k := 0
		for _, run := range s.runs {
			cfg, err := req.Source.ComposeInputs(req.Primary, run)
			if err != nil {
				t.Fatalf("seed %d: naive: %v", seed, err)
			}
			whole, err := cfg.Resolve()
			if err != nil {
				t.Fatalf("seed %d: naive: %v", seed, err)
			}
			want := runConfig(whole)
			id := Identity(want, p.Volatile)
			if seen[id] {
				continue
			}
			seen[id] = true
			if k >= len(list) {
				t.Fatalf("seed %d: %d runs, the naive expansion has more\n%s\n%v", seed, len(list), s.text, s.overrides)
			}
			if got := config(t, p, list[k]); list[k].ID != id || !got.Equal(want) {
				t.Fatalf("seed %d run %d:\ngot  %s\nwant %s\n%s\n%v", seed, k, got.Text(), want.Text(), s.text, s.overrides)
			}
			launcher, _ := whole.Lookup("launcher")
			if got := p.Groups[list[k].Group].Launcher; !got.Equal(launcher) {
				t.Fatalf("seed %d run %d: launcher %s, want %s", seed, k, got.Text(), launcher.Text())
			}
			k++
		}
		if k != len(list) {
			t.Fatalf("seed %d: %d runs, the naive expansion has %d", seed, len(list), k)
		}
	}
}
