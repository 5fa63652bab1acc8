package compose

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orch/sweep/override"
)

var override1 = override.IntValue(1)

const templateFile = `
-- x.toml --
seed = 0
must = "???"
xs = [1, "${seed}"]
k = "a"
name = "${model.name}_s${seed}"
long = "${name}!"
unrelated = "${model.layers}"
copy = "${training}"
pick = "${opt.${k}}"
viaref = "${alias.lr}"
quoted = {"a.b" = "${seed}", c = 1}
alias = "${training}"
late = "${must}"
[model]
name = "net2"
layers = 2
[training]
lr = 0.1
epochs = 2
warm = "${.epochs}"
[opt]
a = 1
b = 2
`

// TestTemplate checks the delta itself, and that base plus delta is what
// composing with the same values as overrides gives.
func TestTemplate(t *testing.T) {
	for _, c := range []struct {
		name   string
		keys   string
		values string
		want   string // the delta
	}{
		{"no dependents", "must k", "1 a", `{"must":1,"k":"a","pick":1,"late":1}`},
		{"plain", "must opt.b", "1 5", `{"must":1,"opt.b":5,"late":1}`},
		{"text", "must seed", "1 3", `{"must":1,"seed":3,"xs.1":3,"name":"net2_s3","long":"net2_s3!","quoted":{"a.b":3,"c":1},"late":1}`},
		{"computed key", "must k opt.b", "1 b 9", `{"must":1,"k":"b","opt.b":9,"pick":9,"late":1}`},
		{"below a copied table", "must training.lr", "1 0.5", `{"must":1,"training.lr":0.5,"copy":{"lr":0.5,"epochs":2,"warm":2},"viaref":0.5,"alias":{"lr":0.5,"epochs":2,"warm":2},"late":1}`},
		{"table merges", "must training", "1 {epochs:9}", `{"must":1,"training.epochs":9,"copy":{"lr":0.1,"epochs":9,"warm":9},"viaref":0.1,"alias":{"lr":0.1,"epochs":9,"warm":9},"late":1,"training.warm":9}`},
		{"added key", "must +training.new", "1 4", `{"must":1,"training.new":4,"copy":{"lr":0.1,"epochs":2,"warm":2,"new":4},"viaref":0.1,"alias":{"lr":0.1,"epochs":2,"warm":2,"new":4},"late":1}`},
		{"added anywhere", "must ++a.b", "1 4", `{"must":1,"a.b":4,"late":1}`},
		{"reference as value", "must opt.a", "1 '${seed}'", `{"must":1,"opt.a":0,"pick":0,"late":1}`},
		{"instead of a reference", "must name", "1 n", `{"must":1,"name":"n","long":"n!","late":1}`},
		{"list", "must xs", "1 [4,5]", `{"must":1,"xs":[4,5],"late":1}`},
		{"list element", "must xs.0", "1 4", `{"must":1,"xs.0":4,"late":1}`},
		{"one in the other", "must training training.lr", "1 {epochs:9} 3.0", `{"must":1,"training.epochs":9,"training.lr":3.0,"copy":{"lr":3.0,"epochs":9,"warm":9},"viaref":3.0,"alias":{"lr":3.0,"epochs":9,"warm":9},"late":1,"training.warm":9}`},
		{"null", "must opt.b", "1 null", `{"must":1,"opt.b":null,"late":1}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := source(templateFile).Compose(Primary{Name: "x"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			keys := strings.Fields(c.keys)
			tpl, err := cfg.Prepare(keys)
			if err != nil {
				t.Fatal(err)
			}
			var values []override.Value
			direct := cfg
			for i, text := range strings.Fields(c.values) {
				o := parse(t, keys[i]+"="+text)[0]
				values = append(values, o.Value)
				if direct, err = direct.With(o, CommandLine); err != nil {
					t.Fatal(err)
				}
			}
			delta, err := tpl.Apply(values)
			if err != nil {
				t.Fatal(err)
			}
			want, err := override.ParseJSON([]byte(c.want))
			if err != nil {
				t.Fatal(err)
			}
			if got := override.MapValue(delta...); !got.Equal(want) {
				t.Errorf("delta\ngot  %s\nwant %s", got.AppendJSON(nil), want.AppendJSON(nil))
			}
			got := tpl.Base()
			for _, f := range delta {
				got = got.Set(f.Key.Text(), f.Val)
			}
			resolved, err := direct.Resolve()
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal(resolved) {
				t.Errorf("base and delta\ngot  %s\nwant %s", got.AppendJSON(nil), resolved.AppendJSON(nil))
			}
		})
	}
}

func TestTemplateErrors(t *testing.T) {
	cfg, err := source(templateFile).Compose(Primary{Name: "x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for keys, want := range map[string]string{
		"seed":             `configs/x.toml:2: must must be given (give it a value: must=...)`,
		"must sede":        `axis sede: sede: no key "sede" in the config (did you mean "seed"?)`,
		"must +seed":       `axis +seed: +seed: seed exists already (configs/x.toml:1) (write seed to change it, ++ to set it either way)`,
		"must training.lt": `axis training.lt: training.lt: no key "training.lt" in the config (did you mean "training.lr"?)`,
	} {
		if _, err := cfg.Prepare(strings.Fields(keys)); err == nil || err.Error() != want {
			t.Errorf("Prepare(%s): %v, want %s", keys, err, want)
		}
	}
	tpl, err := cfg.Prepare([]string{"must", "opt.b"})
	if err != nil {
		t.Fatal(err)
	}
	for _, values := range [][]override.Value{
		{override1},
		{override1, override.QuotedValue("${nope}")},
		{override1, override.QuotedValue("???")},
		{override.QuotedValue("${late}"), override1},
	} {
		if delta, err := tpl.Apply(values); err == nil {
			t.Errorf("Apply(%v) = %v, want an error", values, delta)
		}
	}
}

// TestTemplateOfMany prepares a chain of computed values, last first, in time
// that grows with its length.
func TestTemplateOfMany(t *testing.T) {
	var b strings.Builder
	const n = 5000
	for i := n; i > 0; i-- {
		fmt.Fprintf(&b, "k%d = \"${k%d}\"\n", i, i-1)
	}
	cfg, err := source("-- x.toml --\n"+b.String()+"k0 = 1\nother = 2\n").Compose(Primary{Name: "x"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	tpl, err := cfg.Prepare([]string{"k0"})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(tpl.Dependents()); got != n {
		t.Errorf("%d dependents, want %d", got, n)
	}
	if d := time.Since(start); d > endless {
		t.Errorf("took %v, which is a fraction of a second where nothing else runs", d)
	}
}

// embedded are the shipped configs, read from their folder: this package may
// not import the one that embeds them.
func embedded(t testing.TB) *Source {
	t.Helper()
	dir, err := filepath.Abs("../../configs")
	if err != nil {
		t.Fatal(err)
	}
	return &Source{Layers: []Layer{{"embedded", os.DirFS(dir)}}}
}

// TestShipped composes everything that orch ships with.
func TestShipped(t *testing.T) {
	src := embedded(t)
	for _, name := range []string{"train", "report", "experiment/sweep_models"} {
		c, err := src.Compose(Primary{Name: name}, nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		v, err := c.Resolve()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if len(bytes.TrimSpace(v.AppendTOML(nil))) == 0 {
			t.Errorf("%s is empty", name)
		}
	}
	for _, group := range []string{"model", "data", "training", "launcher"} {
		for _, option := range src.Options(group) {
			o := parse(t, fmt.Sprintf("%s=%s", group, option))
			c, err := src.Compose(Primary{Name: "train"}, o)
			if err != nil {
				t.Errorf("%s=%s: %v", group, option, err)
				continue
			}
			if got := c.Tree(); got.Fields() == nil || !hasTable(got, group) {
				t.Errorf("%s=%s gives no table %s", group, option, group)
			}
		}
	}
	// The preset says the same as a sweep file, as a config and laid over train.
	text, err := os.ReadFile("../../configs/experiment/sweep_models.toml")
	if err != nil {
		t.Fatal(err)
	}
	byName, err := src.Compose(Primary{Name: "experiment/sweep_models"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	byPath, err := src.Compose(Primary{Path: "sweep.toml", Text: text}, nil)
	if err != nil {
		t.Fatal(err)
	}
	laidOver, err := src.Compose(Primary{Name: "train"}, parse(t, "+experiment=sweep_models"))
	if err != nil {
		t.Fatal(err)
	}
	if !byPath.Tree().Equal(byName.Tree()) || !laidOver.Tree().Equal(byName.Tree()) {
		t.Errorf("three ways, three configs:\n%s\n%s\n%s", byName.Tree().TOML(), byPath.Tree().TOML(), laidOver.Tree().TOML())
	}
}

func hasTable(v override.Value, key string) bool {
	f, ok := v.Lookup(key)
	return ok && f.Kind() == override.Map
}

// BenchmarkCompose composes and resolves the shipped train config from
// scratch, files read from disk: what orch train --cfg job does.
func BenchmarkCompose(b *testing.B) {
	overrides := parse(b, "model=net5", "training.lr=0.1", "+launcher=joblib")
	b.ReportAllocs()
	for b.Loop() {
		c, err := embedded(b).Compose(Primary{Name: "train"}, overrides)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := c.Resolve(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkApply makes the deltas of runs: without computed values, and with
// three that change.
func BenchmarkApply(b *testing.B) {
	cfg, err := source(templateFile).Compose(Primary{Name: "x"}, parse(b, "must=1"))
	if err != nil {
		b.Fatal(err)
	}
	for name, keys := range map[string][]string{"plain": {"opt.b", "+model.size", "+other"}, "three computed": {"seed"}} {
		tpl, err := cfg.Prepare(keys)
		if err != nil {
			b.Fatal(err)
		}
		values := make([]override.Value, len(keys))
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				for i := range values {
					values[i] = override.IntValue(int64(i))
				}
				if _, err := tpl.Apply(values); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "runs/s")
		})
	}
}
