package sweep

import (
	"sort"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"orch/sweep/compose"
	"orch/sweep/override"
	"orch/sweep/results"
)

// files are a small config folder in the manner of the shipped one.
var files = map[string]string{
	"train.toml": `
defaults = [{model = "net2"}, {data = "digits"}, {training = "base"}]
trainer = "nn"
seed = 0
`,
	"plain.toml":             "x = 1\ny = 2.5\nflag = true\nlist = [1, 2, 3]\n",
	"model/net2.toml":        "name = \"net2\"\nlayers = 2\nwidth = 64\n",
	"model/net5.toml":        "name = \"net5\"\nlayers = 5\nwidth = 64\n",
	"model/net7.toml":        "name = \"net7\"\nlayers = 7\nwidth = 64\n",
	"model/cnn.toml":         "name = \"cnn\"\nkernel = 3\n",
	"data/digits.toml":       "name = \"digits\"\ndir = \"digits\"\n",
	"training/base.toml":     "epochs = 1\nlr = 0.1\nbatch = 32\n",
	"experiment/e1.toml":     "defaults = [\"train\", {model = \"net5\"}]\n[sweep]\nseed = [1, 2, 3]\n",
	"experiment/e2.toml":     "defaults = [\"train\"]\n[sweep]\n\"training.lr\" = [0.1, 0.2]\n",
	"launcher/joblib.toml":   "backend = \"pool\"\nworkers = 2\ntime = \"1h\"\nmem = \"2G\"\n",
	"launcher/slurm.toml":    "backend = \"slurm\"\npartition = \"cpu\"\ntime = \"1h\"\nmem = \"2G\"\n",
	"launcher/slurmgpu.toml": "backend = \"slurm\"\npartition = \"gpu\"\ntime = \"1h\"\nmem = \"2G\"\ngpus = 1\n",
}

func testSource(more map[string]string) *compose.Source {
	m := fstest.MapFS{}
	for _, fs := range []map[string]string{files, more} {
		for name, text := range fs {
			m[name] = &fstest.MapFile{Data: []byte(text)}
		}
	}
	return &compose.Source{
		Layers: []compose.Layer{{Label: "configs", FS: m}},
		Now:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	}
}

// file is a request for a sweep file.
func file(text string, overrides ...string) Request {
	return Request{
		Source:    testSource(nil),
		Primary:   compose.Primary{Path: "sweep.toml", Text: []byte(text)},
		Overrides: overrides, Multirun: true,
	}
}

// named is a request for a config of the folder.
func named(name string, overrides ...string) Request {
	return Request{Source: testSource(nil), Primary: compose.Primary{Name: name}, Overrides: overrides, Multirun: true}
}

func expand(t *testing.T, req Request) *Plan {
	t.Helper()
	p, err := Expand(req)
	if err != nil {
		t.Fatalf("Expand: %v", err)
	}
	return p
}

func specs(t *testing.T, p *Plan) []results.RunSpec {
	t.Helper()
	var list []results.RunSpec
	for s, err := range p.Specs() {
		if err != nil {
			t.Fatalf("Specs: %v", err)
		}
		list = append(list, s)
	}
	if len(list) != p.Len() {
		t.Errorf("Specs yields %d runs, Len is %d", len(list), p.Len())
	}
	return list
}

// rows are the runs as "key=value key=value" of their swept keys.
func rows(t *testing.T, p *Plan) []string {
	t.Helper()
	var list []string
	for fields := range p.Swept() {
		var words []string
		for _, f := range fields {
			words = append(words, f.Key.Text()+"="+f.Val.Text())
		}
		list = append(list, strings.Join(words, " "))
	}
	return list
}

// config returns the whole config of a run, and checks it against its ID.
func config(t *testing.T, p *Plan, s results.RunSpec) override.Value {
	t.Helper()
	h := p.Header()
	c, err := s.Config(&h)
	if err != nil {
		t.Fatalf("Config(%s): %v", s.Name, err)
	}
	if got := Identity(c, p.Volatile); got != s.ID {
		t.Errorf("run %s has ID %s, its config has %s:\n%s", s.Name, s.ID, got, c.Text())
	}
	return c
}

const depth = `
name = "depth"
defaults = ["train", {model = "net2"}]

[study]
question   = "Does depth help on digits at a fixed budget of three epochs?"
formal     = "x \\in [0,16]^{64} \\mapsto y \\in \\{0,\\dots,9\\}"
hypothesis = "net5 reaches a higher test accuracy than net2"
baseline   = {model = "net2", why = "the smallest network of the family"}
[[study.metrics]]
name = "test.accuracy"
goal = "maximize"
definition = "share of the test split classified correctly, after the last epoch"
[study.success]
compare = "model"
candidate = "net5"
metric = "test.accuracy"
pair_by = ["seed"]
test = "paired-t"
alpha = 0.05
min_effect = 0.005

[sweep]
model = ["net2", "net5", "net7"]
seed = "range(0,5)"
"training.epochs" = 3

[launcher]
name = "joblib"
`

const program = `
name = "sk"
[task]
command = ["python3", "fit.py", "--c={c}", "--seed={seed}"]
[task.metrics]
accuracy = 'accuracy = ([0-9.]+)'
[sweep]
c = [0.01, 1.0]
seed = "range(0,3)"
`

func TestDesignDepth(t *testing.T) {
	p := expand(t, file(depth))
	if got, want := p.Len(), 15; got != want {
		t.Fatalf("Len = %d, want %d", got, want)
	}
	if p.Name != "depth" {
		t.Errorf("Name = %q, want depth", p.Name)
	}
	if len(p.Bases) != 3 {
		t.Errorf("%d bases, want one for each of 3 models", len(p.Bases))
	}
	list := specs(t, p)
	c := config(t, p, list[7])
	for path, want := range map[string]override.Value{
		"model.layers": override.IntValue(5), "seed": override.IntValue(2), "training.epochs": override.IntValue(3),
		"trainer": override.QuotedValue("nn"),
	} {
		if got, ok := c.Get(path); !ok || !got.Equal(want) {
			t.Errorf("run 7 has %s = %s, want %s", path, got.Text(), want.Text())
		}
	}
	for _, key := range reserved {
		if _, ok := c.Lookup(key); ok {
			t.Errorf("the run's config has the sweep's own key %s", key)
		}
	}
	if got, want := list[7].Name, "0007-net5-s2-"+list[7].ID[:4]; got != want {
		t.Errorf("name of run 7 = %q, want %q", got, want)
	}
	if len(p.Groups) != 1 || p.Groups[0].Runs != 15 {
		t.Errorf("groups = %+v, want one with 15 runs", p.Groups)
	}
	if name, _ := p.Groups[0].Launcher.Lookup("backend"); name.Text() != "pool" {
		t.Errorf("launcher = %s, want the option joblib", p.Groups[0].Launcher.Text())
	}
	if got := strings.Join(p.Owes, " "); got != "test.accuracy" {
		t.Errorf("Owes = %q, want test.accuracy", got)
	}
	if q, _ := p.Study.Get("success.candidate"); q.Text() != "net5" {
		t.Errorf("study.success.candidate = %s, want net5", q.Text())
	}
}

func TestDesignProgram(t *testing.T) {
	p := expand(t, file(program))
	want := []string{"c=0.01 seed=0", "c=0.01 seed=1", "c=0.01 seed=2", "c=1.0 seed=0", "c=1.0 seed=1", "c=1.0 seed=2"}
	if got := rows(t, p); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("runs:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	list := specs(t, p)
	c := config(t, p, list[4])
	if got, want := c.Text(), "c"; !strings.Contains(got, want) {
		t.Errorf("config %s lacks %s", got, want)
	}
	if v, _ := c.Get("c"); !v.Equal(override.FloatValue(1)) {
		t.Errorf("c = %s, want 1.0", v.Text())
	}
	if cmd, _ := c.Get("task.command"); cmd.Len() != 4 {
		t.Errorf("task.command = %s, want the 4 words of the file", cmd.Text())
	}
	if got := strings.Join(p.Owes, " "); got != "accuracy" {
		t.Errorf("Owes = %q, want accuracy", got)
	}
}

// TOML splits a dotted name into tables; what is owed is the whole name.
func TestDottedMetricsAreOwed(t *testing.T) {
	p := expand(t, file("name = \"sk\"\n[task]\ncommand = [\"x\"]\n[task.metrics]\ntest.acc = 'a=(.)'\n\"val.loss\" = 'b=(.)'\n"))
	sort.Strings(p.Owes)
	if got := strings.Join(p.Owes, " "); got != "test.acc val.loss" {
		t.Errorf("Owes = %q, want test.acc val.loss", got)
	}
}

func TestSeedProjectLine(t *testing.T) {
	req := named("train", "model=net2,net5", "training.epochs=2,5")
	ids := map[string]bool{}
	for _, s := range specs(t, expand(t, req)) {
		ids[s.ID] = true
	}
	if len(ids) != 4 {
		t.Errorf("%d distinct runs, want 4", len(ids))
	}
}
