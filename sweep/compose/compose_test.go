package compose

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/rogpeppe/go-internal/txtar"

	"orch/sweep/override"
)

// tree makes a file system of a txtar archive.
func tree(text string) fstest.MapFS {
	files := fstest.MapFS{}
	for _, f := range txtar.Parse([]byte(text)).Files {
		files[f.Name] = &fstest.MapFile{Data: f.Data}
	}
	return files
}

func source(text string) *Source {
	return &Source{
		Layers: []Layer{{"configs", tree(text)}},
		Env:    func(name string) (string, bool) { return "value of " + name, name != "UNSET" },
		Now:    time.Date(2026, 3, 4, 15, 6, 7, 89000, time.UTC),
	}
}

// base is a small tree in the manner of the shipped one.
const base = `
-- train.toml --
defaults = [{model = "net2"}, {optim = "sgd"}, "_self_"]
seed = 0
xs = [1, 2, 3]
name = "${model.name}_s${seed}"

[training]
epochs = 2
lr = 0.1
-- model/net2.toml --
name = "net2"
layers = 2
-- model/net5.toml --
name = "net5"
layers = 5
-- optim/sgd.toml --
kind = "sgd"
momentum = 0.9
-- optim/adam.toml --
kind = "adam"
betas = [0.9, 0.999]
-- extra/a.toml --
k = 1
-- extra/b.toml --
k = 2
z = 3
-- srv/apache.toml --
defaults = [{db = "my"}]
name = "apache"
-- srv/db/my.toml --
name = "my"
-- srv/db/lite.toml --
name = "lite"
-- launcher/joblib.toml --
backend = "pool"
n_jobs = -1
time = "24h"
-- launcher/slurm.toml --
backend = "slurm"
partition = "cpu"
time = "12h"
`

// composeCase is a case of TestCompose and its like: the files are added to
// base, overrides are separated by blanks, and want is the composed tree as
// JSON or "error: " and the whole message.
type composeCase struct {
	name      string
	files     string
	primary   string // train by default
	overrides string
	want      string
}

func (c composeCase) run(t *testing.T) {
	src := source(base + c.files)
	p := Primary{Name: c.primary}
	if c.primary == "" {
		p.Name = "train"
	}
	if strings.HasSuffix(c.primary, ".toml") {
		p = Primary{Path: c.primary, Text: tree(base + c.files)[c.primary].Data}
	}
	cfg, err := src.Compose(p, parse(t, strings.Fields(c.overrides)...))
	if want, ok := strings.CutPrefix(c.want, "error: "); ok {
		if err == nil {
			t.Errorf("no error, got %s", cfg.Tree().AppendJSON(nil))
		} else if err.Error() != want {
			t.Errorf("error\ngot  %s\nwant %s", err, want)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "config", cfg.Tree(), []byte(c.want))
}

const model2 = `"model":{"name":"net2","layers":2}`
const model5 = `"model":{"name":"net5","layers":5}`
const sgd = `"optim":{"kind":"sgd","momentum":0.9}`
const adam = `"optim":{"kind":"adam","betas":[0.9,0.999]}`
const rest = `"seed":0,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}`

func TestCompose(t *testing.T) {
	for _, c := range []composeCase{
		{name: "null and missing", primary: "x", files: "-- x.toml --\na = \"null\"\nb = [1, \"null\"]\nc = \"???\"\nd = {e = \"null\"}\n",
			want: `{"a":null,"b":[1,null],"c":"???","d":{"e":null}}`},
		{name: "missing hides nothing", primary: "x", files: "-- x.toml --\ndefaults = [{model = \"net2\"}]\n[model]\nlayers = \"???\"\nnew = \"???\"\n",
			want: `{"model":{"name":"net2","layers":2,"new":"???"}}`},
		{name: "dates", primary: "x", files: "-- x.toml --\na = 2026-01-02\nb = 2026-01-02T03:04:05Z\nc = 03:04:05.5\nd = 2026-01-02 03:04:05\n",
			want: `{"a":"2026-01-02","b":"2026-01-02T03:04:05Z","c":"03:04:05.5","d":"2026-01-02T03:04:05"}`},
		{name: "file order", primary: "x", files: "-- x.toml --\nz = 1\nb.y = 1\na = 2\nb.x = 2\n[m]\nq = 1\n[[l]]\nz = 1\na = 2\n[[l]]\nb = 1\n",
			want: `{"z":1,"b":{"y":1,"x":2},"a":2,"m":{"q":1},"l":[{"z":1,"a":2},{"b":1}]}`},
		{name: "group to list", overrides: "+extra=[a,b] model=[net2,net5]", want: `{` + model5 + `,` + sgd + `,` + rest + `,"extra":{"k":2,"z":3}}`},
		{name: "relative group", primary: "srv/apache", want: `{"srv":{"db":{"name":"my"},"name":"apache"}}`},
		{name: "nested group overridden", primary: "x", files: "-- x.toml --\ndefaults = [{srv = \"apache\"}]\n", overrides: "srv/db=lite",
			want: `{"srv":{"db":{"name":"lite"},"name":"apache"}}`},
		{name: "nested group overridden in a file", primary: "x", files: "-- x.toml --\ndefaults = [{srv = \"apache\"}, {\"override srv/db\" = \"lite\"}]\n",
			want: `{"srv":{"db":{"name":"lite"},"name":"apache"}}`},
		{name: "package of a nested group", primary: "x", files: "-- x.toml --\ndefaults = [{\"srv@web\" = \"apache\"}]\n", overrides: "srv/db@web.db=lite",
			want: `{"web":{"db":{"name":"lite"},"name":"apache"}}`},
		{name: "absolute group in a group", primary: "x", files: "-- x.toml --\ndefaults = [{g = \"o\"}]\n-- g/o.toml --\ndefaults = [{\"/model\" = \"net2\"}, {\"/model@_global_.top\" = \"net5\"}, {\"/model@_here_\" = \"net2\"}]\n",
			want: `{"g":{"model":{"name":"net2","layers":2},"name":"net2","layers":2},"top":{"name":"net5","layers":5}}`},
		{name: "package to the top", primary: "x", files: "-- x.toml --\ndefaults = [{\"model@_global_\" = \"net2\"}]\n", overrides: "model@_global_=net5", want: `{"name":"net5","layers":5}`},
		{name: "package of a file", primary: "x", files: "-- x.toml --\ndefaults = [{g = \"a\"}, {g2 = \"b\"}, {g3 = \"c\"}]\n-- g/a.toml --\npackage = \"_group_.sub\"\nv = 1\n-- g2/b.toml --\npackage = \"_here_\"\nw = 1\n-- g3/c.toml --\npackage = \"p.q\"\ndefaults = [\"d\"]\nx = 1\n-- g3/d.toml --\ny = 1\n",
			want: `{"g":{"sub":{"v":1}},"w":1,"p":{"q":{"y":1,"x":1}}}`},
		{name: "entry beats the file's package", primary: "x", files: "-- x.toml --\ndefaults = [{\"g@e\" = \"a\"}]\n-- g/a.toml --\npackage = \"p\"\nv = 1\n", want: `{"e":{"v":1}}`},
		{name: "config entry", primary: "x", files: "-- x.toml --\ndefaults = [\"sub/y\", \"/sub/y@_global_.z\"]\n-- sub/y.toml --\nv = 1\n", want: `{"sub":{"v":1},"z":{"v":1}}`},
		{name: "computed option", primary: "x", files: "-- x.toml --\ndefaults = [{combo = \"${model}_x\"}, {model = \"net2\"}]\n-- combo/net5_x.toml --\nc = 5\n", overrides: "model=net5", want: `{"combo":{"c":5},` + model5 + `}`},
		{name: "computed by a computed one", primary: "x", files: "-- x.toml --\ndefaults = [{c2 = \"${combo}_y\"}, {combo = \"${model}_x\"}, {model = \"net2\"}]\n-- combo/net2_x.toml --\nc = 2\n-- c2/net2_x_y.toml --\nd = 2\n", want: `{"c2":{"d":2},"combo":{"c":2},` + model2 + `}`},
		{name: "optional", primary: "x", files: "-- x.toml --\ndefaults = [{\"optional model\" = \"nosuch\"}, {\"optional none\" = \"x\"}]\n", want: `{}`},
		{name: "optional computed", primary: "x", files: "-- x.toml --\ndefaults = [{model = \"net5\"}, {\"optional combo\" = \"${model}_x\"}]\n", want: `{` + model5 + `}`},
		{name: "delete chosen package", overrides: "+model@enc=net5 ~model", want: `{` + sgd + `,` + rest + `,"enc":{"name":"net5","layers":5}}`},
		{name: "choice in any order", overrides: "model.layers=6 model=net5", want: `{"model":{"name":"net5","layers":6},` + sgd + `,` + rest + `}`},
		{name: "delete a value named as a group", primary: "x", files: "-- x.toml --\nmodel = 1\nb = 2\n", overrides: "~model", want: `{"b":2}`},
		{name: "table for a group's name is a value", overrides: "model={layers:3}", want: `{"model":{"name":"net2","layers":3},` + sgd + `,` + rest + `}`},
		{name: "delete a list's element", overrides: "~xs.1 xs.1=9", want: `{` + model2 + `,` + sgd + `,"seed":0,"xs":[1,9],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "delete with equal value", overrides: "~training.epochs=2.0 ~name=net2_s0", want: `{` + model2 + `,` + sgd + `,"seed":0,"xs":[1,2,3],"training":{"lr":0.1}}`},
		{name: "delete whatever the value", overrides: "~training.lr=null", want: `{` + model2 + `,` + sgd + `,"seed":0,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2}}`},
		{name: "a list of no options", primary: "x", files: "-- x.toml --\ndefaults = [{extra = [\"a\", \"b\"]}]\nv = 1\n", overrides: "extra=[]", want: `{"v":1}`},
		{name: "delete whatever the choice", overrides: "~optim=null", want: `{` + model2 + `,` + rest + `}`},
		{name: "list replaced", overrides: "xs=[]", want: `{` + model2 + `,` + sgd + `,"seed":0,"xs":[],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "added below a plain value", overrides: "+seed.a=1", want: `{` + model2 + `,` + sgd + `,"seed":{"a":1},"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "added table merges", overrides: "+training={new:1,lr:2}", want: `{` + model2 + `,` + sgd + `,"seed":0,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":2,"new":1}}`},
		{name: "added over null", overrides: "training=null +training=1", want: `{` + model2 + `,` + sgd + `,"seed":0,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":1}`},
	} {
		t.Run(c.name, c.run)
	}
}

func TestComposeErrors(t *testing.T) {
	for _, c := range []composeCase{
		{name: "typo", overrides: "trainin.epochs=3", want: `error: command line: trainin.epochs=3: no key "trainin.epochs" in the config (did you mean "training.epochs"?)`},
		{name: "no such key in a table", overrides: "training.momentum=3", want: `error: command line: training.momentum=3: no key "training.momentum" in the config (did you mean "optim.momentum"?)`},
		{name: "nothing alike", overrides: "training.warmup_fraction=3", want: `error: command line: training.warmup_fraction=3: no key "training.warmup_fraction" in the config (training has epochs, lr)`},
		{name: "below a value", overrides: "seed.of.everything=1", want: `error: command line: seed.of.everything=1: no key "seed.of.everything" in the config (seed is an int)`},
		{name: "key in a table value", overrides: "training={epochz:1}", want: `error: command line: training={epochz:1}: no key "training.epochz" in the config (did you mean "training.epochs"?)`},
		{name: "delete nothing", overrides: "~traning", want: `error: command line: ~traning: no key "traning" in the config (did you mean "training"?)`},
		{name: "index", overrides: "xs.3=1", want: `error: command line: xs.3=1: xs has 3 elements (its elements are xs.0 to xs.2)`},
		{name: "no index", overrides: "xs.a=1", want: `error: command line: xs.a=1: xs is a list and has no key "a" (its elements are xs.0 to xs.2)`},
		{name: "exists", overrides: "+seed=1", want: `error: command line: +seed=1: seed exists already (configs/train.toml:2) (write seed=1 to change it, ++ to set it either way)`},
		{name: "list onto table", overrides: "training=[1]", want: `error: command line: training=[1]: training is a table and cannot become a list (delete it first with ~training)`},
		{name: "option typo", overrides: "model=net3", want: `error: command line: no option "net3" in the group model (did you mean "net2"?)`},
		{name: "option typo in a file", primary: "x", files: "-- x.toml --\n\ndefaults = [\n  {model = \"resnet\"},\n]\n", want: `error: configs/x.toml:3: no option "resnet" in the group model (options: net2, net5)`},
		{name: "option typo in a list", overrides: "+extra=[a,c]", want: `error: command line: no option "c" in the group extra (did you mean "a"?)`},
		{name: "optional but asked for", primary: "x", files: "-- x.toml --\ndefaults = [{\"optional model\" = \"nosuch\"}]\n", overrides: "model=nett2", want: `error: command line: no option "nett2" in the group model (did you mean "net2"?)`},
		{name: "no such primary", primary: "trian", want: `error: config trian: no config "trian" in configs (did you mean "train"?)`},
		{name: "no such group", overrides: "modle@x=net2", want: `error: command line: modle@x=net2: no group "modle" in configs (did you mean "model"?)`},
		{name: "group not in use", overrides: "extra=a", want: `error: command line: extra=a: the group extra is not in any defaults list (to choose it in addition write +extra=a)`},
		{name: "group in use elsewhere", primary: "x", files: "-- x.toml --\ndefaults = [{\"model@enc\" = \"net2\"}]\n", overrides: "model=net5", want: `error: command line: model=net5: the group model is not in any defaults list (chosen are model@enc)`},
		{name: "chosen twice", overrides: "+model=net5", want: `error: command line: the group model is chosen twice, first at configs/train.toml:1 (to choose another option write model=net5 without +)`},
		{name: "duplicate", primary: "x", files: "-- x.toml --\ndefaults = [\"train\", {model = \"net5\"}]\n", want: `error: configs/x.toml:1: the group model is chosen twice, first at configs/train.toml:1 (to choose another option write {"override /model" = "net5"} at the end of the list)`},
		{name: "override first", primary: "x", files: "-- x.toml --\ndefaults = [{\"override optim\" = \"adam\"}, {optim = \"sgd\"}]\n", want: `error: configs/x.toml:1: "override optim" stands before {"optim" = "sgd"} (move it to the end of the list)`},
		{name: "override of nothing", primary: "x", files: "-- x.toml --\ndefaults = [{\"override optim\" = \"adam\"}]\n", want: `error: configs/x.toml:1: {"override optim" = "adam"}: the group optim is not in any defaults list (it must come after the choice that it overrides)`},
		{name: "mandatory", primary: "x", files: "-- x.toml --\ndefaults = [{model = \"???\"}]\n", want: `error: configs/x.toml:1: a model must be chosen (such as model=net2; options: net2, net5)`},
		{name: "number for an option", overrides: "model=5", want: `error: command line: model=5: the choice of a group must be a string or a list of strings, not an int (if 5 is an option's name, put it in quotes)`},
		{name: "forced group", overrides: "++extra=a", want: `error: command line: ++extra=a: ++ does not choose options of a group (write +extra=a for a group that has no choice yet, else extra=a)`},
		{name: "delete another option", overrides: "~optim=adam", want: `error: command line: ~optim=adam: the choice of optim is "sgd", not "adam" (write ~optim or ~optim=sgd)`},
		{name: "delete an option without a name", overrides: "~optim=", want: `error: command line: ~optim=: the choice of optim is "sgd", not "" (write ~optim or ~optim=sgd)`},
		{name: "delete a list of options", primary: "x", files: "-- x.toml --\ndefaults = [{extra = [\"a\", \"b\"]}]\n", overrides: "~extra", want: `error: command line: ~extra: ~ takes out a single choice, and extra has a list of options (to choose none write extra=[])`},
		{name: "delete another value", overrides: "~seed=1", want: `error: command line: ~seed=1: seed is 0 (configs/train.toml:2) (write ~seed to delete it whatever its value)`},
		{name: "upwards", primary: "x", files: "-- x.toml --\ndefaults = [\"../secret\"]\n", want: `error: configs/x.toml:1: "../secret": no ".." in the path of a config (start at the top with a slash: /group)`},
		{name: "upwards on the command line", overrides: "model=../extra/a", want: `error: command line: "../extra/a": no ".." in the path of a group (start at the top with a slash: /group)`},
		{name: "itself", primary: "x", files: "-- x.toml --\ndefaults = [\"y\"]\n-- y.toml --\ndefaults = [\"x\"]\n", want: `error: configs/y.toml:1: x includes itself (remove it)`},
		{name: "computed from nothing", primary: "x", files: "-- x.toml --\ndefaults = [{combo = \"${model}_x\"}, {optim = \"sgd\"}]\n", want: `error: configs/x.toml:1: {"combo" = "${model}_x"} refers to a group that is not chosen (chosen groups: optim)`},
		{name: "two selfs", primary: "x", files: "-- x.toml --\ndefaults = [\"_self_\", \"_self_\"]\n", want: `error: configs/x.toml:1: "_self_" twice in one defaults list (keep one)`},
		{name: "no list", primary: "x", files: "-- x.toml --\na = 1\ndefaults = \"train\"\n", want: `error: configs/x.toml:2: defaults must be a list, not a string (such as defaults = ["_self_", {model = "net2"}])`},
		{name: "two groups in an entry", primary: "x", files: "-- x.toml --\ndefaults = [{model = \"net2\", optim = \"sgd\"}]\n", want: `error: configs/x.toml:1: an entry of defaults must be a string or a table of one key, not {model:net2,optim:sgd} (write "CONFIG" or {GROUP = "OPTION"})`},
		{name: "unknown word", primary: "x", files: "-- x.toml --\ndefaults = [{\"overide model\" = \"net2\"}]\n", want: `error: configs/x.toml:1: unknown word "overide" in "overide model" (only "optional" and "override" go before a group)`},
		{name: "table onto list", primary: "x", files: "-- x.toml --\ndefaults = [\"train\"]\n[xs]\na = 1\n", want: `error: configs/x.toml:2: xs: a table cannot be merged with the list of configs/train.toml:3 (give it another name, or delete the one)`},
		{name: "no TOML", primary: "x", files: "-- x.toml --\na = 1\nb = = 2\n", want: "error: configs/x.toml:2:5: expected value but found '=' instead"},
	} {
		t.Run(c.name, c.run)
	}
}

// TestLenient tests sweep files and presets, which exist to change choices.
func TestLenient(t *testing.T) {
	const preset = "-- experiment/p.toml --\ndefaults = [{model = \"net5\"}, {\"override /optim\" = \"adam\"}]\nseed = 7\n"
	for _, c := range []composeCase{
		{name: "sweep file chooses again", primary: "s.toml", files: "-- s.toml --\ndefaults = [\"train\", {model = \"net5\"}]\nseed = 3\n",
			want: `{` + model5 + `,` + sgd + `,"seed":3,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "command line chooses yet again", primary: "s.toml", files: "-- s.toml --\ndefaults = [\"train\", {model = \"net5\"}]\n", overrides: "model=net2", want: `{` + model2 + `,` + sgd + `,` + rest + `}`},
		{name: "choice of its own", primary: "s.toml", files: "-- s.toml --\ndefaults = [{model = \"net5\"}]\n", overrides: "model=net2", want: `{` + model2 + `}`},
		{name: "order matters", primary: "s.toml", files: "-- s.toml --\ndefaults = [{model = \"net5\"}, \"train\"]\n",
			want: `error: configs/train.toml:1: the group model is chosen twice, first at s.toml:1 (to choose another option write {"override /model" = "net2"} at the end of the list)`},
		{name: "preset", files: preset, overrides: "+experiment=p", want: `{` + model5 + `,` + adam + `,"seed":7,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "preset and command line", files: preset, overrides: "+experiment=p model=net2 optim=sgd seed=1", want: `{` + model2 + `,` + sgd + `,"seed":1,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "preset over sweep file", primary: "s.toml", files: preset + "-- s.toml --\ndefaults = [\"train\", {model = \"net2\"}, {experiment = \"p\"}]\nxs = []\n",
			want: `{` + model5 + `,` + adam + `,"seed":7,"xs":[],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "preset that names its primary", files: "-- experiment/q.toml --\ndefaults = [\"train\", {model = \"net5\"}]\nxs = []\n", overrides: "+experiment=q",
			want: `{` + model5 + `,` + sgd + `,"seed":0,"xs":[],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "preset that names what is there", primary: "s.toml", files: "-- s.toml --\ndefaults = [\"train\"]\nseed = 9\n-- experiment/q.toml --\ndefaults = [\"train\", {model = \"net5\"}]\nxs = []\n", overrides: "+experiment=q",
			want: `{` + model5 + `,` + sgd + `,"seed":9,"xs":[],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "preset as primary", primary: "experiment/q", files: "-- experiment/q.toml --\ndefaults = [\"train\", {model = \"net5\"}]\nxs = []\n",
			want: `{` + model5 + `,` + sgd + `,"seed":0,"xs":[],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "two presets, the last wins", files: preset + "-- experiment/q.toml --\ndefaults = [{\"/model\" = \"net2\"}]\nseed = 8\n", overrides: "+experiment=[p,q]",
			want: `{` + model2 + `,` + adam + `,"seed":8,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":0.1}}`},
		{name: "no defaults", primary: "s.toml", files: "-- s.toml --\nname = \"sk\"\n[sweep]\nc = [0.01, 1.0]\n\"a.b\" = 1\n", want: `{"name":"sk","sweep":{"c":[0.01,1.0],"a.b":1}}`},
	} {
		t.Run(c.name, c.run)
	}
}

func TestLauncher(t *testing.T) {
	const joblib = `"launcher":{"backend":"pool","n_jobs":-1,"time":"24h","name":"joblib"}`
	const slurm = `"launcher":{"backend":"slurm","partition":"cpu","time":"12h","name":"slurm"}`
	const sweep = "-- s.toml --\nseed = 1\n[launcher]\nname = \"joblib\"\nn_jobs = 4\ntime = \"2h\"\n"
	for _, c := range []composeCase{
		{name: "set", primary: "x", files: "-- x.toml --\na = 1\n", overrides: "launcher=joblib", want: `{` + joblib + `,"a":1}`},
		{name: "add", primary: "x", files: "-- x.toml --\na = 1\n", overrides: "+launcher=joblib", want: `{` + joblib + `,"a":1}`},
		{name: "last wins", primary: "x", files: "-- x.toml --\na = 1\n", overrides: "launcher=slurm +launcher=joblib", want: `{` + joblib + `,"a":1}`},
		{name: "by its name", primary: "x", files: "-- x.toml --\na = 1\n", overrides: "launcher.name=joblib launcher.n_jobs=3", want: `{"launcher":{"backend":"pool","n_jobs":3,"time":"24h","name":"joblib"},"a":1}`},
		{name: "in the sweep file", primary: "s.toml", files: sweep, want: `{"launcher":{"backend":"pool","n_jobs":4,"time":"2h","name":"joblib"},"seed":1}`},
		{name: "same on the command line", primary: "s.toml", files: sweep, overrides: "+launcher=joblib", want: `{"launcher":{"backend":"pool","n_jobs":4,"time":"2h","name":"joblib"},"seed":1}`},
		{name: "another on the command line", primary: "s.toml", files: sweep, overrides: "+launcher=slurm", want: `{"launcher":{"backend":"slurm","partition":"cpu","time":"2h","name":"slurm"},"seed":1}`},
		{name: "in a defaults list", primary: "s.toml", files: "-- s.toml --\ndefaults = [{launcher = \"joblib\"}]\n[launcher]\ntime = \"1h\"\n", want: `{"launcher":{"backend":"pool","n_jobs":-1,"time":"1h","name":"joblib"}}`},
		{name: "defaults list, then command line", primary: "s.toml", files: "-- s.toml --\ndefaults = [{launcher = \"joblib\"}]\n", overrides: "+launcher=slurm", want: `{` + slurm + `}`},
		{name: "table without a name", primary: "s.toml", files: "-- s.toml --\n[launcher]\ntime = \"1h\"\n", overrides: "launcher=slurm", want: `{"launcher":{"backend":"slurm","partition":"cpu","time":"1h","name":"slurm"}}`},
		{name: "preset beats sweep file", primary: "s.toml", files: sweep + "-- experiment/l.toml --\n[launcher]\nname = \"slurm\"\npartition = \"gpu\"\n", overrides: "+experiment=l", want: `{"launcher":{"backend":"slurm","partition":"gpu","time":"2h","name":"slurm"},"seed":1}`},
		{name: "sweep file beats what it includes", primary: "s.toml", files: "-- s.toml --\ndefaults = [\"y\"]\n[launcher]\nname = \"slurm\"\n-- y.toml --\n[launcher]\nname = \"joblib\"\nn_jobs = 2\n", want: `{` + slurm + `}`},
		{name: "deleted", primary: "s.toml", files: sweep, overrides: "~launcher", want: `{"seed":1}`},
		{name: "typo", primary: "s.toml", files: "-- s.toml --\n[launcher]\nname = \"slrum\"\n", want: `error: s.toml:2: no option "slrum" in the group launcher (did you mean "slurm"?)`},
		{name: "unknown key", primary: "s.toml", files: sweep, overrides: "launcher=slurm launcher.n_jobs=2", want: `error: command line: launcher.n_jobs=2: no key "launcher.n_jobs" in the config (launcher has backend, partition, time, name)`},
	} {
		t.Run(c.name, c.run)
	}
}

func TestLayers(t *testing.T) {
	src := &Source{Layers: []Layer{
		{"mine", tree("-- model/net2.toml --\nname = \"mine\"\n-- model/net9.toml --\nname = \"net9\"\n-- model/.hidden.toml --\n")},
		{"embedded", tree(base)},
	}}
	c, err := src.Compose(Primary{Name: "train"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "config", c.Tree(), []byte(`{"model":{"name":"mine"},`+sgd+`,`+rest+`}`))
	if got, want := strings.Join(src.Options("model"), " "), "net2 net5 net9"; got != want {
		t.Errorf("Options(model) = %s, want %s", got, want)
	}
	if got, want := strings.Join(src.Groups(), " "), "extra launcher model optim srv srv/db"; got != want {
		t.Errorf("Groups() = %s, want %s", got, want)
	}
	for name, want := range map[string]bool{"model": true, "srv/db": true, "train": false, "..": false, ".": false, "": false} {
		if got := src.IsGroup(name); got != want {
			t.Errorf("IsGroup(%q) = %v, want %v", name, got, want)
		}
	}
}

func TestOrigin(t *testing.T) {
	src := source(base + "-- s.toml --\n# a sweep\ndefaults = [\"train\"]\nxs = [\n  1,\n  2,\n]\n\n[sweep]\n\"training.epochs\" = 3\n")
	p := Primary{Path: "s.toml", Text: tree(base + "-- s.toml --\n# a sweep\ndefaults = [\"train\"]\nxs = [\n  1,\n  2,\n]\n\n[sweep]\n\"training.epochs\" = 3\n")["s.toml"].Data}
	in := Inputs(CommandLine, parse(t, "training.lr=1", "model=net5")...)
	in = append(in, Inputs(Origin{Text: "environment ORCH_SEED"}, parse(t, "seed=4")...)...)
	c, err := src.ComposeInputs(p, in)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"model.layers":          "configs/model/net5.toml:2",
		"model.nosuch":          "configs/model/net5.toml",
		"training.lr":           "command line",
		"training.epochs":       "configs/train.toml:7",
		"training":              "configs/train.toml:6",
		"seed":                  "environment ORCH_SEED",
		"xs":                    "s.toml:3",
		"xs.1":                  "s.toml:5",
		"sweep.training.epochs": "s.toml:9",
		"":                      "s.toml",
	} {
		if got := c.Origin(path).String(); got != want {
			t.Errorf("Origin(%q) = %q, want %q", path, got, want)
		}
	}
	if got, want := c.OriginAt("sweep", "training.epochs").String(), "s.toml:9"; got != want {
		t.Errorf("OriginAt = %q, want %q", got, want)
	}
}

func TestDefaultsAndChoices(t *testing.T) {
	c, err := source(base).Compose(Primary{Name: "train"}, parse(t, "model=net5", "+extra=[a,b]", "+model@enc=net2"))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range c.Defaults() {
		b.WriteString(strings.Repeat("  ", e.Depth) + e.Config)
		if e.Self {
			b.WriteString(" _self_")
		}
		b.WriteString(" -> " + e.Package + "\n")
	}
	want := `train -> 
  model/net5 -> model
    model/net5 _self_ -> model
  optim/sgd -> optim
    optim/sgd _self_ -> optim
  train _self_ -> 
  extra/[a,b] -> extra
    extra/a -> extra
      extra/a _self_ -> extra
    extra/b -> extra
      extra/b _self_ -> extra
  model/net2 -> enc
    model/net2 _self_ -> enc
`
	if b.String() != want {
		t.Errorf("Defaults:\ngot\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	for _, ch := range c.Choices() {
		b.WriteString(ch.Key + "=" + strings.Join(ch.Options, ",") + " " + ch.From.String() + "\n")
	}
	want = "model=net5 command line\noptim=sgd configs/train.toml:1\nextra=a,b command line\nmodel@enc=net2 command line\n"
	if b.String() != want {
		t.Errorf("Choices:\ngot\n%s\nwant\n%s", b.String(), want)
	}
}

func TestWith(t *testing.T) {
	c, err := source(base).Compose(Primary{Name: "train"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.With(override.Override{Key: "training.lr", HasValue: true, Value: override.IntValue(1)}, Origin{Text: "axis training.lr"})
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "original", c.Tree(), []byte(`{`+model2+`,`+sgd+`,`+rest+`}`))
	sameJSON(t, "changed", d.Tree(), []byte(`{`+model2+`,`+sgd+`,"seed":0,"xs":[1,2,3],"name":"${model.name}_s${seed}","training":{"epochs":2,"lr":1}}`))
	if got, want := d.Origin("training.lr").String(), "axis training.lr"; got != want {
		t.Errorf("Origin = %q, want %q", got, want)
	}
}

// The shipped configs lie below a user's folder. That they have a folder
// called like a key of the user's config must not make the key a group.
func TestGroupsOfALowerLayer(t *testing.T) {
	src := &Source{Layers: []Layer{
		{"mine", tree("-- conf.toml --\ndata = \"faces\"\nepochs = 1\n[training]\nlr = 0.1\n-- optim/sgd.toml --\nkind = \"sgd\"\n-- inline.toml --\n[optim]\nkind = \"own\"\n")},
		{"embedded", tree("-- train.toml --\n-- training/adam.toml --\nlr = 1\n-- data/digits.toml --\nname = \"digits\"\n")},
	}}
	for _, test := range []struct{ primary, overrides, want string }{
		{"conf", "training=null", `{"data":"faces","epochs":1,"training":null}`},
		{"conf", "training=adam", `{"data":"faces","epochs":1,"training":"adam"}`},
		{"conf", "data=digits", `{"data":"digits","epochs":1,"training":{"lr":0.1}}`},
		{"conf", "data=7 training.lr=2", `{"data":7,"epochs":1,"training":{"lr":2}}`},
		{"conf", "training.lr=3 training=4 epochs=2", `{"data":"faces","epochs":2,"training":4}`},
		{"inline", "optim=null", `{"optim":null}`},
		{"inline", "optim=sgd", "error: no_such_group"},
		{"conf", "optim=5", "error: group_value_type"},
		{"conf", "++data=x", `{"data":"x","epochs":1,"training":{"lr":0.1}}`},
		{"inline", "++data=x", `{"optim":{"kind":"own"},"data":"x"}`},
		{"inline", "++optim=sgd", "error: force_add_group_unsupported"},
		{"train", "++data=x", "error: force_add_group_unsupported"},
		{"conf", "+training=adam", `{"data":"faces","epochs":1,"training":{"lr":1}}`},
	} {
		cfg, err := src.Compose(Primary{Name: test.primary}, parse(t, strings.Fields(test.overrides)...))
		if want, ok := strings.CutPrefix(test.want, "error: "); ok {
			if ClassOf(err) != want {
				t.Errorf("%s %s: error %v, want class %s", test.primary, test.overrides, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s %s: %v", test.primary, test.overrides, err)
			continue
		}
		if got := string(cfg.Tree().AppendJSON(nil)); got != test.want {
			t.Errorf("%s %s\ngot  %s\nwant %s", test.primary, test.overrides, got, test.want)
		}
	}
}

// Hydra's own settings, which its users type from memory, are refused with
// what to type instead, also where a plus would add a key that nobody reads.
func TestSettingsOfHydra(t *testing.T) {
	for overrides, want := range map[string]string{
		"hydra/launcher=joblib":       "(write launcher=...)",
		"hydra.launcher.n_jobs=4":     "(write launcher.n_jobs=...)",
		"+hydra.launcher.n_jobs=4":    "(write launcher.n_jobs=...)",
		"hydra.mode=MULTIRUN":         "(write --multirun)",
		"hydra.sweeper.params.seed=1": "[sweep]",
		"hydra.run.dir=x":             "(write --results=FOLDER; orch names what is in it)",
		"hydra.sweep.subdir=x":        "(write --results=FOLDER; orch names what is in it)",
		"hydra.job.name=x":            "(write --name=NAME)",
		"++hydra.job.chdir=true":      "(leave it out)",
		"model=net2.yaml":             "(write net2, without the extension)",
		"model=null":                  "(to take the group out write ~model)",
	} {
		_, err := source(base).Compose(Primary{Name: "train"}, parse(t, overrides))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", overrides, err, want)
		}
	}
	// A config that has such a table itself is left alone.
	cfg, err := source("-- x.toml --\n[hydra]\nlevel = 1\n").Compose(Primary{Name: "x"}, parse(t, "hydra.level=2", "+hydra.heads=9"))
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "config", cfg.Tree(), []byte(`{"hydra":{"level":2,"heads":9}}`))
}
