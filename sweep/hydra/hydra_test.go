package hydra

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"orch/sweep/compose"
	"orch/sweep/override"
)

// imported imports a folder given as file -> text, and returns it ready to be
// composed, and its notes.
func imported(t *testing.T, dir fs.FS, opts Options) (*compose.Source, *Result) {
	t.Helper()
	r, err := Import(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	files := fstest.MapFS{}
	for _, f := range r.Files {
		files[f.Path] = &fstest.MapFile{Data: f.Text}
	}
	env := func(name string) (string, bool) { return "/home/ada", name == "PROJECT_ROOT" }
	return &compose.Source{Layers: []compose.Layer{{Label: "out", FS: files}}, Env: env}, r
}

func mapFS(files map[string]string) fstest.MapFS {
	dir := fstest.MapFS{}
	for name, text := range files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return dir
}

func composed(src *compose.Source, primary string, overrides ...string) (*compose.Config, error) {
	var list []override.Override
	for _, s := range overrides {
		o, err := override.Parse(s)
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return src.Compose(compose.Primary{Name: primary}, list)
}

// TestVectors imports the YAML trees whose compositions the real Hydra has
// shown, and composes them: every case must come out as it does there, the
// order of keys too.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/compose.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	lines.Buffer(nil, 1<<20)
	lines.Scan()
	var head struct{ Files map[string]string }
	if err := json.Unmarshal(lines.Bytes(), &head); err != nil {
		t.Fatal(err)
	}
	dir := mapFS(head.Files)
	n := 0
	for lines.Scan() {
		var c struct {
			ID, Primary, Kind string
			Overrides         []string
			Expect            struct {
				Class            string
				Config, Resolved json.RawMessage
				ResolveError     string `json:"resolve_error"`
			}
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		n++
		t.Run(c.ID, func(t *testing.T) {
			src, _ := imported(t, dir, Options{})
			cfg, err := composed(src, c.Primary, c.Overrides...)
			if c.Kind == "error" {
				if got := compose.ClassOf(err); got != c.Expect.Class {
					t.Errorf("error %v of class %q, want class %q", err, got, c.Expect.Class)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			same(t, cfg.Tree(), string(c.Expect.Config))
			resolved, err := cfg.Resolve()
			if got := compose.ClassOf(err); got != c.Expect.ResolveError {
				t.Errorf("resolve: error %v of class %q, want %q", err, got, c.Expect.ResolveError)
			}
			if err == nil && c.Expect.Resolved != nil {
				same(t, resolved, string(c.Expect.Resolved))
			}
		})
	}
	if n < 36 {
		t.Errorf("%d cases, want at least 36", n)
	}
}

// same compares values, their types and the order of keys.
func same(t *testing.T, got override.Value, wantJSON string) {
	t.Helper()
	want, err := override.ParseJSON([]byte(wantJSON))
	if err != nil {
		t.Fatal(err)
	}
	if g, w := got.AppendJSON(nil), want.AppendJSON(nil); !bytes.Equal(g, w) {
		t.Errorf("\ngot  %s\nwant %s", g, w)
	}
}

// TestExample imports a folder of the usual shape: groups, presets, launchers.
func TestExample(t *testing.T) {
	src, r := imported(t, os.DirFS("testdata/example"), Options{Rename: map[string]string{"name": "run_name", "retry": "attempts"}})
	const data = `"data":{"name":"mnist","root":"${path.datasets}/mnist","batch_size":{"train":256,"valid":1000},"workers":2,"shuffle":true}`
	const path = `"path":{"root":"${env:PROJECT_ROOT,.}","datasets":"${path.root}/data/datasets","outputs":"${.root}/data/outputs","models":"${path.root}/data/models","run":"???"}`
	const training = `"training":{"name":"sgd","epochs":10,"lr":0.1,"momentum":0.9,"accumulate":5,"min_lr":1e-06,"amp":true,` +
		`"scheduler":{"kind":"plateau","factor":0.5,"patience":2},"checkpoint":"${path.models}/${run_name}/checkpoint.ckpt"}`
	const top = `"seed":0,"mode":"base","run_name":"${data.name}_${model.name}_${training.name}_${seed}","attempts":{"max_retries":3}`
	model := func(name, layers, width string) string {
		return `"model":{"_target_":"modules.models.Net","name":"` + name + `","num_layers":` + layers + `,"width":` + width + `,"dropout":0.25}`
	}
	const axes = `"sweep":{"model":"net2,net5,net7","seed":"range(0,5)","training.epochs":3}`
	for _, test := range []struct{ primary, overrides, want string }{
		{"train_model", "", `{` + top + `,` + data + `,` + model("net5", "5", "128") + `,` + path + `,` + training + `}`},
		{"train_model", "model=net2 ++model.width=64", `{` + top + `,` + data + `,` + model("net2", "2", "64") + `,` + path + `,` + training + `}`},
		{"train_model", "+experiment=train_large_model", `{` + top + `,` + data + `,` + model("net7", "10", "1024") + `,` + path + `,` + training + `}`},
		{"train_model", "+experiment=sweep_models", `{"launcher":{"backend":"pool","n_jobs":4,"mem":"2G","time":"24h","name":"joblib"},` +
			top + `,` + data + `,` + model("net2", "2", "128") + `,` + path + `,` + training + `,` + axes + `}`},
		{"train_model", "+launcher=slurmgpu data.workers=3", `{"launcher":{"backend":"slurm","time":"30m","cpus":20,"mem":"40G","gpus":1,"max_workers":50,"extra":["--mail-type=END"],` +
			`"setup":["module load Python/3.10.4","module load CUDA/12.6.3","export HYDRA_FULL_ERROR=1"],"name":"slurmgpu"},` +
			top + `,` + strings.Replace(data, `"workers":2`, `"workers":3`, 1) + `,` + model("net5", "5", "128") + `,` + path + `,` + training + `}`},
		{"report", "", `{` + path + `,"group_by":["data.name","model.name"],"columns":null,"workers":8}`},
	} {
		t.Run(test.primary+" "+test.overrides, func(t *testing.T) {
			cfg, err := composed(src, test.primary, strings.Fields(test.overrides)...)
			if err != nil {
				t.Fatal(err)
			}
			same(t, cfg.Tree(), test.want)
		})
	}
	cfg, err := composed(src, "train_model", "path.run=out", "model=net2", "seed=3")
	if err != nil {
		t.Fatal(err)
	}
	resolved, err := cfg.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := resolved.Get("training.checkpoint"); got.Text() != "/home/ada/data/models/mnist_net2_sgd_3/checkpoint.ckpt" {
		t.Errorf("training.checkpoint = %s", got.Text())
	}
	wantNotes(t, r, []string{
		"look data/mnist.yaml:5: yes is true in YAML 1.1",
		"lost launcher/joblib.yaml:5: hydra.callbacks",
		"lost launcher/joblib.yaml:12: launcher.prefer",
		"lost launcher/joblib.yaml:13: launcher.verbose",
		"lost launcher/ray.yaml:3: the launcher ray",
		"lost launcher/slurm.yaml:6: launcher.submitit_folder",
		"look launcher/slurmgpu.yaml:8: launcher.mem_per_cpu",
		"look launcher/slurmgpu.yaml:10: launcher.gres says gpus = 1 a second time",
		"look model/base.yaml:2: _target_ is a plain key here",
		"lost path/default.yaml:5: run: ${hydra:runtime.output_dir}",
		"lost train_model.yaml:8: override hydra/job_logging: colorlog",
		"lost train_model.yaml:19: hydra.run.dir",
		"lost train_model.yaml:21: hydra.sweep.dir",
		"lost train_model.yaml:22: hydra.sweep.subdir",
		"lost train_model.yaml:24: hydra.job.chdir",
		"look training/default.yaml:7: on is true in YAML 1.1",
	})
}

// wantNotes compares the beginnings of all notes.
func wantNotes(t *testing.T, r *Result, want []string) {
	t.Helper()
	var got []string
	for _, n := range r.Notes {
		kind := "look "
		if n.Lost {
			kind = "lost "
		}
		got = append(got, kind+n.String())
	}
	if len(got) != len(want) {
		t.Errorf("%d notes, want %d:\n%s", len(got), len(want), strings.Join(got, "\n"))
		return
	}
	for i := range got {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("note %d\ngot  %s\nwant %s", i, got[i], want[i])
		}
	}
}

// TestScalars compares with what OmegaConf 2.2 loads, for every plain scalar
// that YAML 1.1, YAML 1.2 and Go's library do not agree on.
func TestScalars(t *testing.T) {
	text, err := os.ReadFile("testdata/scalars.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		var row []json.RawMessage
		if err := json.Unmarshal([]byte(line), &row); err != nil {
			t.Fatal(err)
		}
		var in, kind string
		if err := errors.Join(json.Unmarshal(row[0], &in), json.Unmarshal(row[1], &kind)); err != nil {
			t.Fatal(err)
		}
		if kind == "error" {
			continue // a value that PyYAML refuses; nobody has it in a working config
		}
		n := &notes{}
		doc, _, err := n.document([]byte("k: " + in))
		if err != nil {
			t.Errorf("%q: %v", in, err)
			continue
		}
		var want bytes.Buffer
		if err := json.Compact(&want, row[2]); err != nil {
			t.Fatal(err)
		}
		if kind == "int" && want.Len() > 18 { // no 64 bits: a text, with a note
			want = *bytes.NewBufferString(`"` + want.String() + `"`)
			if in != "-9223372036854775808" && len(n.list) != 1 {
				t.Errorf("%q: notes %v, want one", in, n.list)
			}
			if in == "-9223372036854775808" {
				want = *bytes.NewBufferString(in)
			}
		}
		if got := string(doc.get("k").val.scalar.AppendJSON(nil)); got != want.String() {
			t.Errorf("%q is %s, want %s", in, got, want.String())
		}
	}
}

// TestConvert has small files, the TOML they become and what is said of it.
func TestConvert(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		path  string // of the file to look at; c.toml by default
		want  string
		notes []string
	}{
		{
			name:  "comments and order",
			files: map[string]string{"c.yaml": "# about it\n\n# the seed\nseed: 1  # of all\nm:\n  # inner\n  a: 1\nz: [1, two]\n"},
			want:  "# about it\n\n# the seed\nseed = 1  # of all\n# inner\nm.a = 1\nz = [1, \"two\"]\n",
		},
		{
			name:  "null, missing and empty",
			files: map[string]string{"c.yaml": "a:\nb: ~\nc: ???\nd: ''\ne: {}\nf: []\ng: 'null'\n"},
			want:  "a = \"null\"\nb = \"null\"\nc = \"???\"\nd = \"\"\ne = {}\nf = []\ng = \"null\"\n",
			notes: []string{`look c.yaml:7: the text "null"`},
		},
		{
			name:  "keys that are no names",
			files: map[string]string{"c.yaml": "a.b: 1\n1: x\nyes: y\n'é ß': 2\n"},
			want:  "\"a.b\" = 1\n1 = \"x\"\ntrue = \"y\"\n\"é ß\" = 2\n",
			notes: []string{"look c.yaml:2: the key 1 is a int", "look c.yaml:3: the key yes is a bool"},
		},
		{
			name:  "anchors and merges",
			files: map[string]string{"c.yaml": "base: &b {a: 1, b: 2}\nx:\n  <<: *b\n  b: 3\ny: *b\n"},
			want:  "[base]\na = 1\nb = 2\n\n[x]\nb = 3\na = 1\n\n[y]\na = 1\nb = 2\n",
		},
		{
			name:  "lists of tables",
			files: map[string]string{"c.yaml": "l:\n  - {a: 1, b: [x, {c: null}]}\n  - text: \"line\\nline\"\n"},
			want:  "l = [{a = 1, b = [\"x\", {c = \"null\"}]}, {text = \"line\\nline\"}]\n",
		},
		{
			name: "defaults of every kind",
			files: map[string]string{
				"c.yaml":    "defaults:\n  - base\n  - g: a\n  - optional g@x: nosuch\n  - h: [a, b]\n  - /g@y: ${h}\n  - k: null\n  - l: ???\n  - _self_\n  - override g: b\n",
				"base.yaml": "v: 1\n", "g/a.yaml": "v: 1\n", "g/b.yaml": "v: 1\n", "h/a.yaml": "", "h/b.yaml": "",
			},
			want: "defaults = [\n  \"base\",\n  {g = \"a\"},\n  {\"optional g@x\" = \"nosuch\"},\n  {h = [\"a\", \"b\"]},\n  {\"/g@y\" = \"${h}\"},\n  {k = \"null\"},\n  {l = \"???\"},\n  \"_self_\",\n  {\"override g\" = \"b\"},\n]\n",
		},
		{
			name:  "a choice that is not in the folder",
			files: map[string]string{"c.yaml": "defaults:\n  - schema\n  - db: my\n"},
			want:  "defaults = [\"schema\", {db = \"my\"}]\n",
			notes: []string{"lost c.yaml:2: defaults: schema: there is no schema.yaml", "lost c.yaml:3: defaults: db: my: there is no db/my.yaml"},
		},
		{
			name:  "interpolations",
			files: map[string]string{"c.yaml": "a: ${oc.env:HOME}\nb: ${oc.env:USER,'x y'}/${.a}/${c[0]}\nc: ['\\${no}']\nd: ${oc.env:API_TOKEN}\ne: ${add:1,2}\nf: ${oc.select:q,1}\ng: ${now:%Y}\nh: ${hydra.job.num}\n"},
			want: "env = [\"HOME\", \"USER\"]  # variables that configs may read\n\na = \"${env:HOME}\"\nb = \"${env:USER,'x y'}/${.a}/${c[0]}\"\nc = ['\\${no}']\n" +
				"# d was: ${oc.env:API_TOKEN}\nd = \"???\"\n# e was: ${add:1,2}\ne = \"???\"\n# f was: ${oc.select:q,1}\nf = \"???\"\ng = \"${now:%Y}\"\n# h was: ${hydra.job.num}\nh = \"???\"\n",
			notes: []string{"lost c.yaml:4: d: ${oc.env:API_TOKEN}, which looks like a secret", "lost c.yaml:5: e: ${add:1,2}, a resolver from Python", "lost c.yaml:6: f: ${oc.select:q,1}", "lost c.yaml:8: h: ${hydra.job.num}"},
		},
		{
			name:  "packages",
			path:  "g/a.toml",
			files: map[string]string{"c.yaml": "", "g/a.yaml": "  # @package _global_.x\nv: 1\n"},
			want:  "package = \"_global_.x\"\n\nv = 1\n",
		},
		{
			name:  "a header that comes too late",
			path:  "g/a.toml",
			files: map[string]string{"c.yaml": "", "g/a.yaml": "# about\n# @package _global_\nv: 1\n"},
			want:  "# about\nv = 1\n",
			notes: []string{"look g/a.yaml:2: the header is below other lines"},
		},
		{
			name:  "axes of every kind",
			path:  "experiment/e.toml",
			files: map[string]string{"c.yaml": "defaults:\n  - m: a\n", "m/a.yaml": "", "experiment/e.yaml": "# @package _global_\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      m: a,b\n      lr: 0.1\n      s: '3'\n      l: [1, 2]\n      t: '[1,2]'\n      +new: x,y\n      samples: 1,2\n      iv: interval(0,1)\n      bad: a,\n      ~gone: 1\n"},
			want:  "defaults = [\"c\"]\n\n[sweep]\nm = \"a,b\"\nlr = 0.1\ns = 3\nl = [[1, 2]]\nt = [[1, 2]]\n\"+new\" = \"x,y\"\n\"+samples\" = \"1,2\"\niv = \"interval(0,1)\"\n",
			notes: []string{"look experiment/e.yaml:9: the axis l is one value", "look experiment/e.yaml:13: the axis iv is an interval", "lost experiment/e.yaml:14: the axis bad", "lost experiment/e.yaml:15: the sweeper parameter ~gone"},
		},
		{
			name:  "axes of a primary config",
			path:  "experiment/c_sweep.toml",
			files: map[string]string{"c.yaml": "seed: 0\nhydra:\n  sweeper:\n    params:\n      seed: range(3)\n"},
			want:  "defaults = [\"c\"]\n\n[sweep]\nseed = \"range(3)\"\n",
			notes: []string{"look c.yaml:4: the axes of c are a sweep file of their own"},
		},
		{
			name:  "axes of a primary config that always sweeps",
			files: map[string]string{"c.yaml": "seed: 0\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      seed: range(3)\n"},
			want:  "seed = 0\n\n[sweep]\nseed = \"range(3)\"\n",
		},
		{
			name:  "a launcher of Hydra's own group",
			path:  "launcher/big.toml",
			files: map[string]string{"c.yaml": "defaults:\n  - override hydra/launcher: big\n", "hydra/launcher/big.yaml": "defaults:\n  - submitit_slurm\npartition: long  # the big one\ntimeout_min: 90\nmem_gb: 16\ngres: gpu:a100:2\nsignal_delay_s: 90\nadditional_parameters: {exclusive: true}\nqos: null\nsetup: module load x\n"},
			want:  "backend = \"slurm\"\npartition = \"long\"  # the big one\ntime = \"90m\"\nmem = \"16G\"\ngpu_type = \"a100\"\ngpus = 2\nwarn = \"90s\"\nextra = [\"--exclusive\"]\nsetup = [\"module load x\"]\n",
		},
		{
			name:  "a launcher in a primary config",
			files: map[string]string{"c.yaml": "defaults:\n  - override hydra/launcher: joblib\nhydra:\n  launcher:\n    n_jobs: 3\n    inner_max_num_threads: 2\nseed: 0\n"},
			want:  "seed = 0\n\n[launcher]\nname = \"joblib\"\nn_jobs = 3\nthreads = 2\n",
		},
		{
			name:  "words of orch",
			files: map[string]string{"c.yaml": "package: x\ntask: train\nenv: [A]\nname: fixed\nother:\n  task: 1\n"},
			want:  "task = \"train\"\nname = \"fixed\"\n\n[other]\ntask = 1\n",
			notes: []string{"lost c.yaml:1: the key package", "lost c.yaml:2: the key task", "lost c.yaml:3: the list env", "look c.yaml:4: name is the name of the sweep"},
		},
		{
			name:  "an axis of one dict",
			files: map[string]string{"c.yaml": "model: {layers: 1}\nhydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n      model: '{layers:3,opt:{lr:0.1}}'\n"},
			want:  "[model]\nlayers = 1\n\n[sweep]\nmodel = [{layers = 3, opt = {lr = 0.1}}]\n",
		},
		{
			name:  "a key env",
			files: map[string]string{"c.yaml": "env: CartPole-v1\nv: 1\n"},
			want:  "env = \"CartPole-v1\"\nv = 1\n",
		},
		{
			name:  "a key env where variables are read",
			files: map[string]string{"c.yaml": "env: CartPole-v1\nv: ${oc.env:PROJECT_ROOT}\n"},
			want:  "env = [\"PROJECT_ROOT\"]  # variables that configs may read\n\nv = \"${env:PROJECT_ROOT}\"\n",
			notes: []string{"lost c.yaml:1: the key env"},
		},
		{
			name:  "settings of Hydra",
			files: map[string]string{"c.yaml": "hydra:\n  verbose: true\n  searchpath: [pkg://x]\n  sweeper:\n    n_trials: 5\n  output_subdir: null\nv: 1\n"},
			want:  "v = 1\n",
			notes: []string{"lost c.yaml:2: hydra.verbose", "lost c.yaml:3: hydra.searchpath", "lost c.yaml:5: hydra.sweeper.n_trials", "lost c.yaml:6: hydra.output_subdir"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			src, r := imported(t, mapFS(test.files), Options{})
			if test.path == "" {
				test.path = "c.toml"
			}
			i := slices.IndexFunc(r.Files, func(f File) bool { return f.Path == test.path })
			if i < 0 {
				t.Fatalf("no %s among %v", test.path, r.Files)
			}
			if got := string(r.Files[i].Text); got != test.want {
				t.Errorf("%s\ngot\n%s\nwant\n%s", test.path, got, test.want)
			}
			wantNotes(t, r, test.notes)
			// Whatever was written must be TOML that composes, or fails for a
			// choice that is not there.
			_, err := composed(src, "c")
			if class := compose.ClassOf(err); err != nil && class != compose.ClassNoConfig && class != compose.ClassNoOption && class != compose.ClassMandatory && class != compose.ClassInterpKey {
				t.Errorf("compose: %v", err)
			}
		})
	}
}

func TestRefused(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"it has no .yaml file":                         {"README.md": "", "x.yml": "a: 1", ".hydra/config.yaml": "a: 1"},
		"did you mean its folder conf?":                {"conf/config.yaml": "a: 1", "train.py": ""},
		"it has no .yaml file of its own; did you mea": {"config/a/b.yaml": ""},
	} {
		if _, err := Import(mapFS(files), Options{}); !errors.Is(err, ErrNone) || !strings.Contains(err.Error(), name) {
			t.Errorf("error %v, want %q", err, name)
		}
	}
	// One bad file does not cost the others.
	for what, text := range map[string]string{
		"a second time":              "a: 1\na: 2\n",
		"more than one YAML":         "a: 1\n---\nb: 2\n",
		"no table of keys":           "- 1\n",
		"larger than":                "a: " + strings.Repeat("x", maxBytes),
		"too many":                   bomb(),
		"did not find expected":      "a: [1,\n",
		"a key must be a single val": "? [a]\n: 1\n",
	} {
		r, err := Import(mapFS(map[string]string{"good.yaml": "v: 1", "bad.yaml": text}), Options{})
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if len(r.Files) != 1 || len(r.Notes) != 1 || !r.Notes[0].Lost || !strings.Contains(r.Notes[0].String(), what) {
			t.Errorf("%s: files %d, notes %v", what, len(r.Files), r.Notes)
		}
	}
}

// bomb is a kilobyte of YAML with a billion values.
func bomb() string {
	var b strings.Builder
	b.WriteString("a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n")
	for i := range 9 {
		n := string(rune('0' + i + 1))
		p := string(rune('0' + i))
		b.WriteString("a" + n + ": &a" + n + " [" + strings.TrimSuffix(strings.Repeat("*a"+p+",", 10), ",") + "]\n")
	}
	return b.String()
}

// FuzzImport: whatever YAML there is, importing it ends, and what is written
// is TOML.
func FuzzImport(f *testing.F) {
	f.Add("defaults:\n  - m: a\n  - _self_\nhydra:\n  launcher: {n_jobs: 2}\nx: ${oc.env:A}\n", "# @package _global_\nv: [1, {a: ~}]\n")
	f.Add("a: &x {b: 1}\n<<: *x\n", "- 1")
	f.Add("hydra:\n  sweeper:\n    params:\n      a: 1,2\n", "defaults: [x, {y: [z]}, null]")
	f.Fuzz(func(t *testing.T, a, b string) {
		src, r := imported(t, mapFS(map[string]string{"c.yaml": a, "m/a.yaml": b, "launcher/l.yaml": b, "experiment/e.yaml": b}), Options{Rename: map[string]string{"x": "y"}})
		for _, file := range r.Files {
			_, err := src.Compose(compose.Primary{Path: file.Path, Text: file.Text}, nil)
			if compose.ClassOf(err) == compose.ClassSyntax {
				t.Errorf("%s is no TOML: %v\n%s", file.Path, err, file.Text)
			}
		}
	})
}
