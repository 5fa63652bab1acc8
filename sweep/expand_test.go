package sweep

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"orch/sweep/results"
)

func TestAxes(t *testing.T) {
	const head = "defaults = [\"train\"]\n"
	tests := []struct {
		name      string
		text      string
		overrides []string
		want      string // runs, "; " between
	}{
		{"file order, last fastest", "[sweep]\nseed = [1, 2]\n\"training.lr\" = [0.1, 0.2]\n", nil,
			"seed=1 training.lr=0.1; seed=1 training.lr=0.2; seed=2 training.lr=0.1; seed=2 training.lr=0.2"},
		{"scalar and tables of axes", "[sweep.training]\nlr = [0.1, 0.2]\nepochs = 4\n", nil,
			"training.lr=0.1 training.epochs=4; training.lr=0.2 training.epochs=4"},
		{"grammar strings", "[sweep]\nseed = \"1,2\"\nmodel = \"choice(net2,net7)\"\n", nil,
			"seed=1 model=net2; seed=1 model=net7; seed=2 model=net2; seed=2 model=net7"},
		{"glob over a group", "[sweep]\nmodel = \"glob(net*,net5)\"\n", nil, "model=net2; model=net7"},
		{"glob with a package", "[sweep]\n\"model@encoder\" = \"glob(net*,net5)\"\n", nil, "model@encoder=net2; model@encoder=net7"},
		{"list elements stay as typed", "[sweep]\nx = [\"1\", 1, \"a,b\"]\n", nil, "x=1; x=1; x=a,b"},
		{"strings that are no sweep stay strings", "[sweep]\nx = \"5\"\ny = \"a;b\"\n", nil, "x=5 y=a;b"},
		{"seeds", "[sweep]\nmodel = [\"net2\", \"net5\"]\nseeds = 2\n", nil,
			"model=net2 seed=0; model=net2 seed=1; model=net5 seed=0; model=net5 seed=1"},
		{"seeds listed", "[sweep]\nseeds = [7, 9]\n", nil, "seed=7; seed=9"},
		{"an axis named like a word", "[sweep]\n\"+samples\" = [1, 2]\n", nil, "samples=1; samples=2"},
		{"zip", "[sweep]\nmodel = [\"net2\", \"net5\"]\nseed = [1, 2]\n\"training.epochs\" = [3, 4]\nzip = [\"model\", \"training.epochs\"]\n", nil,
			"model=net2 seed=1 training.epochs=3; model=net2 seed=2 training.epochs=3; model=net5 seed=1 training.epochs=4; model=net5 seed=2 training.epochs=4"},
		{"zip with one value", "[sweep]\na = [1, 2]\nb = [3]\nzip = [\"a\", \"b\"]\n", nil, "a=1 b=3; a=2 b=3"},
		{"exclude", "[sweep]\nmodel = [\"net2\", \"net5\"]\nseed = [1, 2]\nexclude = [{model = \"net5\", seed = 2}]\n", nil,
			"model=net2 seed=1; model=net2 seed=2; model=net5 seed=1"},
		{"exclude several values", "[sweep]\nseed = \"range(0,6)\"\nexclude = {seed = \"range(1,5)\"}\n", nil, "seed=0; seed=5"},
		{"exclude compares numbers", "[sweep]\nx = [1.0, 2.0]\nexclude = [{x = 1}]\n", nil, "x=2.0"},
		{"include", "[sweep]\na = [1, 2]\nb = [1, 2]\ninclude = [{a = 1, b = 1}, {a = 2, b = [2]}]\n", nil, "a=1 b=1; a=2 b=2"},
		{"blocks", "[[sweep]]\nseed = [1, 2]\n[[sweep]]\nmodel = \"net5\"\nseed = 9\n", nil, "seed=1; seed=2; model=net5 seed=9"},
		{"geomspace", "[sweep]\n\"training.lr\" = \"geomspace(1e-4, 1e-1, 4)\"\n", nil,
			"training.lr=0.0001; training.lr=0.001; training.lr=0.01; training.lr=0.1"},
		{"linspace", "[sweep]\nx = \"linspace(0, 1, 5)\"\n", nil, "x=0.0; x=0.25; x=0.5; x=0.75; x=1.0"},
		{"logspace", "[sweep]\nx = \"logspace(-2, 0, 3)\"\n", nil, "x=0.01; x=0.1; x=1.0"},
		{"command line replaces in place", "[sweep]\nseed = [1, 2]\nx = [1, 2]\n", []string{"seed=7,8", "x=5"}, "seed=7 x=5; seed=8 x=5"},
		{"command line adds", "[sweep]\nseed = [1, 2]\n", []string{"training.lr=0.1,0.2"},
			"seed=1 training.lr=0.1; seed=1 training.lr=0.2; seed=2 training.lr=0.1; seed=2 training.lr=0.2"},
		{"command line adds a key", "[sweep]\n", []string{"+x=1,2"}, "x=1; x=2"},
		{"geomspace on the command line", "", []string{"training.lr=geomspace(0.01,1,3)"}, "training.lr=0.01; training.lr=0.1; training.lr=1.0"},
		{"the last of one key counts", "", []string{"seed=1,2", "seed=5", "seed=3,4"}, "seed=3; seed=4"},
		{"a fixed value after a sweep", "", []string{"seed=1,2", "seed=5"}, ""},
		{"group fixed on the command line", "[sweep]\nmodel = [\"net2\", \"net5\"]\nseed = [1, 2]\n", []string{"model=net7"}, "model=net7 seed=1; model=net7 seed=2"},
		{"an axis taken out", "[sweep]\nseed = [1, 2]\nx = [1, 2]\n", []string{"~seed"}, "x=1; x=2"},
		{"a group left open", "defaults = [\"train\", {model = \"???\"}]\n[sweep]\nmodel = [\"net2\", \"net5\"]\n", nil, "model=net2; model=net5"},
		{"lists as values", "[sweep]\nlayers = [[1, 2], [3]]\n", nil, "layers=[1,2]; layers=[3]"},
		{"lists on the command line", "", []string{"+layers=[1,2],[3]"}, "layers=[1,2]; layers=[3]"},
		{"tables as values", "[sweep]\ntraining = [{lr = 1.0, epochs = 2}, {lr = 2.0}]\n", nil, "training={lr:1.0,epochs:2}; training={lr:2.0}"},
		{"an override inside a table axis wins", "[sweep]\ntraining = [{lr = 1.0, epochs = 2}, {lr = 2.0}]\n", []string{"training.epochs=9"}, "training={lr:1.0,epochs:2}; training={lr:2.0}"},
		{"preset in a sweep file's defaults", "defaults = [{experiment = \"e1\"}]\n", nil, "seed=1; seed=2; seed=3"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text := test.text
			if !strings.HasPrefix(text, "defaults") {
				text = head + text
			}
			p := expand(t, file(text, test.overrides...))
			if got := strings.Join(rows(t, p), "; "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			ids, names := map[string]bool{}, map[string]bool{}
			for _, s := range specs(t, p) {
				config(t, p, s)
				ids[s.ID], names[s.Name] = true, true
			}
			if len(ids) != p.Len() || len(names) != p.Len() {
				t.Errorf("%d runs have %d IDs and %d names", p.Len(), len(ids), len(names))
			}
		})
	}
}

func TestOverrideInsideTableAxis(t *testing.T) {
	p := expand(t, file("defaults = [\"train\"]\n[sweep]\ntraining = [{lr = 1.0, epochs = 2}, {lr = 2.0}]\n", "training.epochs=9"))
	for i, s := range specs(t, p) {
		c := config(t, p, s)
		if e, _ := c.Get("training.epochs"); e.Text() != "9" {
			t.Errorf("run %d has training.epochs = %s, want the command line's 9", i, e.Text())
		}
		if b, _ := c.Get("training.batch"); b.Text() != "32" {
			t.Errorf("run %d has training.batch = %s, want 32: tables merge", i, b.Text())
		}
	}
}

func TestPresets(t *testing.T) {
	tests := []struct {
		name      string
		overrides []string
		multirun  bool
		want      string
	}{
		{"one preset sweeps without --multirun", []string{"+experiment=e1"}, false, "seed=1; seed=2; seed=3"},
		{"two presets multiply their own axes", []string{"+experiment=e1,e2"}, true,
			"experiment=e1 seed=1; experiment=e1 seed=2; experiment=e1 seed=3; experiment=e2 training.lr=0.1; experiment=e2 training.lr=0.2"},
		{"and by another axis", []string{"training.batch=8,16", "+experiment=e1,e2", "seed=1"}, true,
			"experiment=e1 seed=1 training.batch=8; experiment=e1 seed=1 training.batch=16; " +
				"experiment=e2 training.lr=0.1 training.batch=8; experiment=e2 training.lr=0.1 training.batch=16; " +
				"experiment=e2 training.lr=0.2 training.batch=8; experiment=e2 training.lr=0.2 training.batch=16"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := named("train", test.overrides...)
			req.Multirun = test.multirun
			p := expand(t, req)
			if got := strings.Join(rows(t, p), "; "); got != test.want {
				t.Errorf("got  %s\nwant %s", got, test.want)
			}
			for _, s := range specs(t, p) {
				config(t, p, s)
			}
		})
	}
}

// A value axis below a swept or chosen group needs no composition of its own.
func TestBases(t *testing.T) {
	for want, overrides := range map[int][]string{
		1: {"model=net5", "model.layers=1,2,3"},
		2: {"model=net2,net5", "model.layers=1,2,3"},
	} {
		p := expand(t, named("train", overrides...))
		if len(p.Bases) != want || p.Len() != 3*want {
			t.Errorf("%v: %d runs of %d bases, want %d of %d", overrides, p.Len(), len(p.Bases), 3*want, want)
		}
		for i, s := range specs(t, p) {
			if v, _ := config(t, p, s).Get("model.layers"); v.Text() != fmt.Sprint(1+i%3) {
				t.Errorf("%v: run %d has %s layers, want %d", overrides, i, v.Text(), 1+i%3)
			}
		}
	}
	p := expand(t, named("train", "model=net2,net5"))
	if got, _ := p.Header().Choices[1].Lookup("model"); got.Text() != "net5" {
		t.Errorf("the choices of base 1 have model = %s, want net5", got.Text())
	}
	if got, _ := p.Header().Choices[1].Lookup("data"); got.Text() != "digits" {
		t.Errorf("the choices of base 1 have data = %s, want digits", got.Text())
	}
}

func TestAllowEmpty(t *testing.T) {
	req := file("defaults = [\"train\"]\n[sweep]\nseed = []\n")
	req.AllowEmpty = true
	if p := expand(t, req); p.Len() != 0 {
		t.Errorf("Len = %d, want 0", p.Len())
	}
}

func TestSingleRun(t *testing.T) {
	req := named("train", "seed=1,2")
	req.Multirun = false
	_, err := Expand(req)
	if err == nil || !strings.Contains(err.Error(), "[1,2]") || !strings.Contains(err.Error(), "multirun") {
		t.Errorf("error %v, want the proposals of a list and of --multirun", err)
	}
	req.Overrides = []string{"seed=1", "model=net5"}
	p := expand(t, req)
	list := specs(t, p)
	if p.Len() != 1 || list[0].Name != "0000-s1-net5-"+list[0].ID[:4] {
		t.Errorf("a single run is %+v, want one named after its overrides", list)
	}
}

func TestPrecedence(t *testing.T) {
	req := file("defaults = [\"train\"]\nseed = 5\n[training]\nlr = 0.5\n", "training.lr=0.7")
	req.Env = []string{"training.lr=0.6", "seed=6"}
	p := expand(t, req)
	c := config(t, p, specs(t, p)[0])
	for path, want := range map[string]string{"training.lr": "0.7", "seed": "6", "training.batch": "32"} {
		if got, _ := c.Get(path); got.Text() != want {
			t.Errorf("%s = %s, want %s", path, got.Text(), want)
		}
	}
}

func TestLauncherChoice(t *testing.T) {
	const text = "defaults = [\"train\"]\n[launcher]\nname = \"slurm\"\nmem = \"8G\"\npartition = \"big\"\n"
	tests := []struct {
		name      string
		overrides []string
		env       []string
		want      map[string]string
	}{
		{"file", nil, nil, map[string]string{"backend": "slurm", "mem": "8G", "partition": "big", "time": "1h"}},
		{"command line", []string{"launcher=joblib"}, nil, map[string]string{"backend": "pool", "mem": "8G"}},
		{"command line beats environment", []string{"+launcher=slurmgpu"}, []string{"launcher=joblib"}, map[string]string{"backend": "slurm", "gpus": "1"}},
		{"its keys", []string{"launcher.mem=1G"}, nil, map[string]string{"mem": "1G", "backend": "slurm"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := file(text, test.overrides...)
			req.Env = test.env
			p := expand(t, req)
			for key, want := range test.want {
				if got, _ := p.Groups[0].Launcher.Lookup(key); got.Text() != want {
					t.Errorf("launcher.%s = %s, want %s", key, got.Text(), want)
				}
			}
		})
	}
	req := named("train")
	req.Launcher = "joblib"
	if got, _ := expand(t, req).Groups[0].Launcher.Lookup("name"); got.Text() != "joblib" {
		t.Errorf("the default launcher is %s, want joblib", got.Text())
	}
}

func TestGroups(t *testing.T) {
	const text = `
defaults = ["train"]
[sweep]
model = ["net2", "net5"]
seed = [1, 2, 3]
"training.epochs" = [1, 10]
[launcher]
name = "joblib"
mem = "${model.layers}G"
time = "${training.epochs}h"
`
	p := expand(t, file(text))
	if len(p.Groups) != 4 {
		t.Fatalf("%d groups, want 4: two models by two lengths", len(p.Groups))
	}
	for i, s := range specs(t, p) {
		c := config(t, p, s)
		layers, _ := c.Get("model.layers")
		epochs, _ := c.Get("training.epochs")
		mem, _ := p.Groups[s.Group].Launcher.Lookup("mem")
		hours, _ := p.Groups[s.Group].Launcher.Lookup("time")
		if mem.Text() != layers.Text()+"G" || hours.Text() != epochs.Text()+"h" {
			t.Errorf("run %d: group %d asks for %s and %s, want %sG and %sh", i, s.Group, mem.Text(), hours.Text(), layers.Text(), epochs.Text())
		}
	}
	for i, g := range p.Groups {
		if g.Runs != 3 || g.Key != results.GroupKey(g.Launcher) {
			t.Errorf("group %d: %d runs and key %s, want 3 and %s", i, g.Runs, g.Key, results.GroupKey(g.Launcher))
		}
	}
}

func TestDuplicates(t *testing.T) {
	tests := []struct {
		name, text string
		runs       int
		note       string
	}{
		{"the same value twice", "[sweep]\nseed = [1, 2, 1]\n", 2, "more than once"},
		{"blocks overlap", "[[sweep]]\nseed = [1, 2]\n[[sweep]]\nseed = [2, 3]\n", 3, "more than once"},
		{"a volatile axis", "threads = 1\n[sweep]\nthreads = [1, 2, 4]\nseed = [1, 2]\n", 2, "threads"},
		{"a launcher's key", "[launcher]\nname = \"joblib\"\n[sweep]\n\"launcher.mem\" = [\"1G\", \"2G\"]\n", 1, "launcher.mem"},
		{"in a volatile table", "volatile = [\"log\"]\n[sweep]\n\"log.level\" = [1, 2]\n", 1, "log.level changes no result, so it is no part of a run's identity; volatile = [\"!log\"] makes it one"},
		{"absolute data folders", "[sweep]\n\"data.dir\" = [\"/data/cifar\", \"/data/svhn\", \"digits\"]\n", 2, "an absolute path in data.dir changes no result, so it is no part of a run's identity; volatile = [\"!data.dir\"] makes it one"},
		{"absolute data folders that count", "volatile = [\"!data.dir\"]\n[sweep]\n\"data.dir\" = [\"/data/cifar\", \"/data/svhn\"]\n", 2, ""},
		{"made part of identity", "threads = 1\nvolatile = [\"!threads\"]\n[sweep]\nthreads = [1, 2, 4]\n", 3, ""},
		{"options that are the same", "[sweep]\nlauncher = [\"slurm\", \"slurmgpu\"]\n", 1, "launcher"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p := expand(t, file("defaults = [\"train\"]\n"+test.text))
			if p.Len() != test.runs {
				t.Errorf("%d runs, want %d", p.Len(), test.runs)
			}
			if notes := strings.Join(p.Notes, "\n"); !strings.Contains(notes, test.note) || (test.note == "") != (notes == "") {
				t.Errorf("notes %q, want one about %q", notes, test.note)
			}
			list := specs(t, p)
			for i, s := range list {
				config(t, p, s)
				if !strings.HasPrefix(s.Name, fmt.Sprintf("%04d-", i)) {
					t.Errorf("run %d is named %s: names are numbered without gaps", i, s.Name)
				}
			}
		})
	}
}

func TestKnownNames(t *testing.T) {
	first := specs(t, expand(t, file("defaults = [\"train\"]\n[sweep]\nseed = [1, 2]\n")))
	names := map[string]string{}
	for _, s := range first {
		names[s.ID] = s.Name
	}
	req := file("defaults = [\"train\"]\n[sweep]\nseed = [0, 1, 2, 3]\n")
	req.Known = func(id string) (string, bool) { n, ok := names[id]; return n, ok }
	req.NextIndex = 2
	var got []string
	for _, s := range specs(t, expand(t, req)) {
		got = append(got, s.Name[:len(s.Name)-5])
	}
	if want := []string{"0002-s0", "0000-s1", "0001-s2", "0003-s3"}; !slices.Equal(got, want) {
		t.Errorf("names %v, want %v: a name stays with its run", got, want)
	}
}

func TestInterpolation(t *testing.T) {
	const text = `
defaults = ["train"]
out = "${model.name}-${training.lr}"
half = "${training.lr}"
xs = [1, "${seed}", 3]
deep = "${out}/${seed}"
table = "${training}"
pick = "${opt.${which}}"
which = "a"
[opt]
a = 1
b = "${seed}"
[sweep]
model = ["net2", "net5"]
seed = [1, 2]
"training.lr" = [0.1, 0.2]
which = ["a", "b"]
`
	p := expand(t, file(text))
	if p.Len() != 16 {
		t.Fatalf("%d runs, want 16", p.Len())
	}
	for i, s := range specs(t, p) {
		c := config(t, p, s)
		get := func(path string) string { v, _ := c.Get(path); return v.Text() }
		pick := "1"
		if get("which") == "b" {
			pick = get("seed")
		}
		for path, want := range map[string]string{
			"out":      get("model.name") + "-" + get("training.lr"),
			"half":     get("training.lr"),
			"xs.1":     get("seed"),
			"xs.2":     "3",
			"deep":     get("model.name") + "-" + get("training.lr") + "/" + get("seed"),
			"table.lr": get("training.lr"),
			"pick":     pick,
			"opt.b":    get("seed"),
		} {
			if got := get(path); got != want {
				t.Errorf("run %d (%s): %s = %s, want %s", i, s.Name, path, got, want)
			}
		}
	}
}

// What is computed from an axis of one value is the same for all runs, also in
// the tables that must be.
func TestComputedFromOneValue(t *testing.T) {
	p := expand(t, file("name = \"n-${training.epochs}\"\ndefaults = [\"train\"]\n[sweep]\n\"training.epochs\" = 3\nseed = [1, 2]\n"))
	if p.Name != "n-3" {
		t.Errorf("Name = %q, want n-3", p.Name)
	}
}

func TestListElementAxes(t *testing.T) {
	p := expand(t, named("plain", "list.0=7,8", "list.2=9,10"))
	for i, s := range specs(t, p) {
		c := config(t, p, s)
		want := fmt.Sprintf("[%d,2,%d]", 7+i/2, 9+i%2)
		if v, _ := c.Get("list"); v.Text() != want {
			t.Errorf("run %d: list = %s, want %s", i, v.Text(), want)
		}
	}
}

func TestSharedTables(t *testing.T) {
	more := map[string]string{
		"experiment/a.toml": "defaults = [\"train\"]\nname = \"a\"\n",
		"experiment/b.toml": "defaults = [\"train\"]\nname = \"b\"\n",
	}
	req := named("train", "+experiment=a,b")
	req.Source = testSource(more)
	_, err := Expand(req)
	if err == nil || !strings.Contains(err.Error(), "name=") {
		t.Errorf("error %v, want one that asks for name=... on the command line", err)
	}
	req.Source = testSource(more)
	req.Overrides = append(req.Overrides, "name=c")
	if p, err := Expand(req); err != nil || p.Name != "c" {
		t.Errorf("with name=c: plan %v, error %v", p, err)
	}
}

func TestSamples(t *testing.T) {
	text := func(n int) string {
		return fmt.Sprintf("defaults = [\"train\"]\n[sweep]\n\"training.lr\" = \"tag(log,interval(1e-4,1e-1))\"\nmodel = [\"net2\", \"net5\", \"net7\"]\nseeds = 2\nsamples = %d\n", n)
	}
	p := expand(t, file(text(10)))
	if p.Len() != 20 {
		t.Errorf("%d runs, want 10 samples by 2 seeds", p.Len())
	}
	below := 0
	for fields := range p.Swept() {
		lr, _ := fields[0].Val.Float()
		if lr < 1e-4 || lr >= 1e-1 {
			t.Errorf("training.lr = %g is outside of the interval", lr)
		}
		if lr < 0.0031622 {
			below++
		}
	}
	if below == 0 || below == 20 {
		t.Errorf("%d of 20 draws are below the geometric middle: not uniform in the exponent", below)
	}
	a, b := rows(t, p), rows(t, expand(t, file(text(10))))
	if !slices.Equal(a, b) {
		t.Error("two expansions of one file draw differently")
	}
	if more := rows(t, expand(t, file(text(12)))); !slices.Equal(a, more[:20]) {
		t.Error("more samples do not keep the first ones")
	}
	grid := expand(t, file("defaults = [\"train\"]\n[sweep]\na = \"range(0,1000000)\"\nb = \"range(0,50)\"\nsamples = 30\n"))
	seen := map[string]bool{}
	for _, r := range rows(t, grid) {
		seen[r] = true
	}
	if len(seen) != 30 {
		t.Errorf("%d distinct draws of a grid, want 30", len(seen))
	}
	for _, key := range []string{"s", "data.s"} {
		p := expand(t, file(fmt.Sprintf("defaults = [\"train\"]\n[sweep]\n%q = \"interval(0,1)\"\n\"data.seed\" = [1, 2]\nsamples = 3\n", key)))
		if p.Len() != 6 {
			t.Errorf("axis %s: %d runs, want 3 draws by 2 seeds", key, p.Len())
		}
	}
}

// The plan is what the runs are: changing a config file later changes nothing.
func TestHeaderRoundTrip(t *testing.T) {
	p := expand(t, file(depth))
	h := p.Header()
	if h.Kind != results.KindPlan || len(h.Bases) != 3 || len(h.Axes) != 3 || h.Groups[0].Runs != 0 {
		t.Errorf("header %+v", h)
	}
	keys := make([]string, len(h.Axes))
	for i, a := range h.Axes {
		keys[i] = a.Key
	}
	if want := []string{"model", "seed", "training.epochs"}; !slices.Equal(keys, want) {
		t.Errorf("axes %v, want %v", keys, want)
	}
}
