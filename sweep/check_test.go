package sweep

import (
	"errors"
	"strings"
	"testing"

	"orch/sweep/override"
)

// Every message must say where, what and what to do.
func TestErrors(t *testing.T) {
	const head = "defaults = [\"train\"]\n"
	tests := []struct {
		name      string
		text      string
		overrides []string
		want      []string
	}{
		{"unknown option", "[sweep]\nmodel = [\"net2\", \"nte5\"]\n", nil, []string{"sweep.toml:3", "nte5", `did you mean "net5"`}},
		{"unknown key on the command line", "", []string{"training.epoch=1,2"}, []string{"command line", "training.epoch", `did you mean "training.epochs"`}},
		{"key of another option", "", []string{"model=net2,cnn", "model.kernel=5"}, []string{"model=net2", "model.kernel"}},
		{"interval in a grid", "[sweep]\nx = \"interval(0,1)\"\n", nil, []string{"sweep.toml:3", "x", "linspace", "samples"}},
		{"twice", "[sweep]\nseed = [1]\nseeds = 3\n", nil, []string{"sweep.toml:4", "seed", "twice"}},
		{"zip lengths", "[sweep]\na = [1, 2]\nb = [1, 2, 3]\nzip = [\"a\", \"b\"]\n", nil, []string{"zip", "axis b has 3", "a has 2"}},
		{"zip unknown", "[sweep]\nabc = [1, 2]\nzip = [\"abcd\", \"abc\"]\n", nil, []string{"abcd", "abc"}},
		{"exclude unknown", "[sweep]\nmodel = [\"net2\", \"net5\"]\nexclude = [{modle = \"net2\"}]\n", nil, []string{"modle", `did you mean "model"`}},
		{"misspelt word", "[sweep]\nseed = [1, 2]\nexlude = [{seed = 1}]\n", nil, []string{"sweep.toml:4", "exlude", `did you mean "exclude"`}},
		{"seeds", "[sweep]\nseeds = \"many\"\n", nil, []string{"sweep.toml:3", "seeds"}},
		{"sweep is no table", "sweep = 3\n", nil, []string{"sweep.toml:2", "[sweep]"}},
		{"bad grammar", "[sweep]\nx = \"range(0,\"\n", nil, []string{"sweep.toml:3", "x"}},
		{"sweeping the study", "[sweep]\n\"study.alpha\" = [1, 2]\n", nil, []string{"sweep.toml:3", "study"}},
		{"name depends on an axis", "name = \"n-${seed}\"\n[sweep]\nseed = [1, 2]\n", nil, []string{"name", "sweep.toml:2"}},
		{"missing value", "x = \"???\"\n[sweep]\nseed = [1, 2]\n", nil, []string{"sweep.toml:2", "x"}},
		{"reference to nothing", "x = \"${nope}\"\n[sweep]\nseed = [1, 2]\n", nil, []string{"sweep.toml:2", "nope"}},
		{"no runs", "[sweep]\nseed = []\n", nil, []string{"no runs", "seed", "sweep.toml:3", "--allow-empty"}},
		{"all excluded", "[sweep]\nseed = [1]\nexclude = [{seed = 1}]\n", nil, []string{"no runs", "exclude"}},
		{"an axis over presets", "[sweep]\n\"+experiment\" = [\"e1\", \"e2\"]\n", nil, []string{"[sweep] table of its own", "experiment=a,b"}},
		{"a call that is not closed", "", []string{"training.lr=geomspace(1e-4,1e-1,4"}, []string{"command line", "geomspace(1e-4,1e-1,4:", "whole value"}},
		{"a call among other values", "", []string{"training.lr=linspace(0,1,5),2"}, []string{"command line", "linspace(0,1,5),2:", "whole value"}},
		{"a call within a call", "", []string{"training.lr=linspace(0,(1),3)"}, []string{"command line", "linspace(0,(1),3):", "whole value"}},
		{"the same in a file", "[sweep]\n\"training.lr\" = \"linspace(0,1,5),2\"\n", nil, []string{"sweep.toml:3", "linspace(0,1,5),2:", "whole value"}},
		{"volatile is no list", "volatile = \"x\"\n", nil, []string{"sweep.toml:2", "volatile"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Expand(file(head+test.text, test.overrides...))
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			var all *Problems
			if !errors.As(err, &all) {
				t.Errorf("error is a %T, want *Problems", err)
			}
		})
	}
}

// paramError has the shape of a trainer's errors.
type paramError struct{ key, problem string }

func (e *paramError) Error() string { return e.key + ": " + e.problem }
func (e *paramError) Path() string  { return e.key }

func TestChecker(t *testing.T) {
	calls := 0
	check := func(c override.Value) []error {
		calls++
		var errs []error
		if v, ok := c.Get("training.learning_rte"); ok {
			errs = append(errs, &paramError{"training.learning_rte", "unknown key (" + v.Text() + ")"})
		}
		if lr, _ := c.Get("training.lr"); lr.Text() == "-1" {
			errs = append(errs, &paramError{"training.lr", "is -1, want at least 0"})
		}
		if b, _ := c.Get("training.batch"); b.Text() == "0" {
			errs = append(errs, &paramError{"training.batch", "is 0"})
		}
		layers, _ := c.Get("model.layers")
		if e, _ := c.Get("training.epochs"); e.Text() == "9" && layers.Text() == "7" {
			errs = append(errs, errors.New("7 layers cannot do 9 epochs"))
		}
		return errs
	}
	tests := []struct {
		name, text string
		overrides  []string
		want       []string
	}{
		{"fine", "[sweep]\nseed = [1, 2]\n", nil, nil},
		{"unknown key in the file", "[training]\nlearning_rte = 1\n[sweep]\nseed = [1, 2]\n", nil, []string{"sweep.toml:3: training.learning_rte: unknown key"}},
		{"unknown axis", "[sweep]\n\"training.learning_rte\" = [1]\n", nil, []string{"sweep.toml:3: training.learning_rte: unknown key"}},
		{"one value of an axis", "[sweep]\nseed = [1, 2]\n\"training.lr\" = [1, -1]\n", nil, []string{"sweep.toml:4: training.lr: is -1"}},
		{"on the command line", "", []string{"training.batch=0"}, []string{"command line: training.batch: is 0"}},
		{"across keys", "[sweep]\nmodel = [\"net2\", \"net7\"]\n\"training.epochs\" = [1, 9]\n", nil, []string{"7 layers cannot do 9 epochs (in the run net7-epochs9)"}},
		{"excluded runs are not judged", "[sweep]\nmodel = [\"net2\", \"net7\"]\n\"training.epochs\" = [1, 9]\nexclude = [{model = \"net7\", \"training.epochs\" = 9}]\n", nil, nil},
		{"each problem once, all of them", "[sweep]\nseed = \"range(0,100)\"\n\"training.lr\" = [-1, 1]\n\"training.batch\" = [0, 1]\n", nil,
			[]string{"sweep.toml:4: training.lr: is -1, want at least 0\nsweep.toml:5: training.batch: is 0"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			req := file("defaults = [\"train\"]\n"+test.text, test.overrides...)
			req.Checker = check
			_, err := Expand(req)
			if len(test.want) == 0 && err != nil {
				t.Fatalf("error %v, want none", err)
			}
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %q", err, want)
				}
			}
		})
	}
}

// In a large plan not every run is judged, yet every value and every pair is.
func TestCheckerCovers(t *testing.T) {
	calls := 0
	values, pairs := map[string]bool{}, map[string]bool{}
	req := file("defaults = [\"train\"]\n[sweep]\nmodel = [\"net2\", \"net5\"]\na = \"range(0,40)\"\nb = \"range(0,40)\"\nc = \"range(0,40)\"\n")
	req.MaxRuns = 200_000
	req.Checker = func(c override.Value) []error {
		calls++
		get := func(key string) string { v, _ := c.Get(key); return v.Text() }
		for _, k := range []string{"a", "b", "c"} {
			values[get("model.name")+k+get(k)] = true
		}
		pairs[get("model.name")+"ab"+get("a")+","+get("b")] = true
		pairs[get("model.name")+"bc"+get("b")+","+get("c")] = true
		pairs[get("model.name")+"ac"+get("a")+","+get("c")] = true
		return nil
	}
	p := expand(t, req)
	if calls >= p.Len()/4 {
		t.Errorf("%d of %d runs judged, want far fewer", calls, p.Len())
	}
	if len(values) != 2*3*40 || len(pairs) != 2*3*40*40 {
		t.Errorf("%d values and %d pairs judged, want %d and %d", len(values), len(pairs), 2*3*40, 2*3*40*40)
	}
	calls = 0
	req.CheckAll = true
	expand(t, req)
	if calls != p.Len() {
		t.Errorf("CheckAll judges %d of %d runs", calls, p.Len())
	}
}

func TestProblemsAreCounted(t *testing.T) {
	req := file("defaults = [\"train\"]\n[sweep]\nx = \"range(0,25)\"\n")
	req.Checker = func(c override.Value) []error {
		x, _ := c.Get("x")
		return []error{&paramError{"x", "is " + x.Text()}}
	}
	_, err := Expand(req)
	if err == nil || strings.Count(err.Error(), "\n") != 10 || !strings.HasSuffix(err.Error(), "and 15 more problems") {
		t.Errorf("error %v, want ten problems and a count of 15 more", err)
	}
}

// What is wrong with every option alike is said once.
func TestUnknownKeyOfManyModels(t *testing.T) {
	_, err := Expand(file("defaults = [\"train\"]\n[sweep]\nmodel = [\"net2\", \"net5\", \"net7\"]\n", "training.epoch=2"))
	var all *Problems
	if !errors.As(err, &all) || len(all.Errs) != 1 {
		t.Errorf("error %v, want one problem", err)
	}
}
