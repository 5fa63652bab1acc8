package report

import (
	"errors"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"

	"orch/sweep/override"
	"orch/sweep/results"
)

// designStudy is a [study] as people write it.
const designStudy = `
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
`

func studyValue(t *testing.T, text string) override.Value {
	t.Helper()
	var file map[string]any
	if _, err := toml.Decode(text, &file); err != nil {
		t.Fatal(err)
	}
	v, err := override.FromAny(file["study"])
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestParseStudy(t *testing.T) {
	s, errs := ParseStudy(studyValue(t, designStudy))
	if len(errs) > 0 {
		t.Fatalf("ParseStudy: %v", errs)
	}
	c := s.Success
	if !s.Declared || s.Metric("test.accuracy").Goal != Maximize || s.Why != "the smallest network of the family" || c == nil {
		t.Fatalf("ParseStudy = %+v", s)
	}
	if c.Compare != "model" || c.Candidate.Text() != "net5" || c.Test != "paired-t" || c.Alpha != 0.05 || c.MinEffect != 0.005 || len(c.PairBy) != 1 || c.Missing != "refuse" {
		t.Errorf("criterion = %+v", *c)
	}
	if base, ok := s.BaselineOf("model"); !ok || base.Text() != "net2" {
		t.Errorf("BaselineOf(model) = %v, %v, want net2", base, ok)
	}
	if s, errs := ParseStudy(override.NullValue()); s.Declared || s.Success != nil || errs != nil {
		t.Errorf("ParseStudy(null) = %+v, %v, want no study", s, errs)
	}
}

func TestParseStudyDefaults(t *testing.T) {
	minimal := strings.NewReplacer("pair_by = [\"seed\"]\n", "", "test = \"paired-t\"\n", "", "alpha = 0.05\n", "", "min_effect = 0.005\n", "").Replace(designStudy)
	s, errs := ParseStudy(studyValue(t, minimal))
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	if c := s.Success; c.Test != "paired-t" || c.Alpha != 0.05 || c.MinEffect != 0 || len(c.PairBy) != 1 || c.PairBy[0] != "seed" {
		t.Errorf("defaults = %+v, want paired-t by seed at 0.05", *c)
	}
	unpaired := strings.NewReplacer(`pair_by = ["seed"]`, `pair_by = []`, "test = \"paired-t\"\n", "").Replace(designStudy)
	if s, errs := ParseStudy(studyValue(t, unpaired)); len(errs) > 0 || s.Success.Test != "welch" {
		t.Errorf("pair_by = [] gave %+v, %v, want welch", s.Success, errs)
	}
	nested := strings.Replace(designStudy, `{model = "net2",`, `{model = "net2", training.lr = 0.1,`, 1)
	if s, errs := ParseStudy(studyValue(t, nested)); len(errs) > 0 || len(s.Baseline) != 2 || s.Baseline[1].Key.Text() != "training.lr" {
		t.Errorf("nested baseline = %+v, %v", s.Baseline, errs)
	}
}

func TestParseStudyErrors(t *testing.T) {
	for _, c := range []struct{ name, old, new, want string }{
		{"unknown key", "hypothesis =", "hypotesis =", `study.hypotesis: unknown key; known are baseline, formal, hypothesis, metrics, question, success, title (did you mean "hypothesis"?)`},
		{"unknown key of success", "min_effect", "min_efect", `(did you mean "min_effect"?)`},
		{"unknown key of a metric", "definition", "defintion", `study.metrics.0.defintion: unknown key`},
		{"no text", `question   = "Does`, `question = 3 # "Does`, "study.question: is an int, want text"},
		{"goal", `goal = "maximize"`, `goal = "maximise"`, `study.metrics.0.goal: "maximise" is none of maximize, minimize (did you mean "maximize"?)`},
		{"no goal", `goal = "maximize"`, "", `study.metrics.0.goal: is missing for "test.accuracy"`},
		{"no name", `name = "test.accuracy"`, "", `study.metrics.0.name: is missing`},
		{"test", `test = "paired-t"`, `test = "pairedt"`, `study.success.test: "pairedt" is none of paired-t, wilcoxon, sign-flip, welch, mann-whitney (did you mean "paired-t"?)`},
		{"alpha as confidence", "alpha = 0.05", "alpha = 0.95", "study.success.alpha: 0.95 would call almost anything a success"},
		{"alpha in percent", "alpha = 0.05", "alpha = 5", "study.success.alpha: 5 is not between 0 and 1"},
		{"alpha as text", "alpha = 0.05", `alpha = "5%"`, "study.success.alpha: is a string, want a number"},
		{"margin", "min_effect = 0.005", "min_effect = -0.1", "study.success.min_effect: -0.1 is negative"},
		{"margin NaN", "min_effect = 0.005", "min_effect = nan", "study.success.min_effect: NaN is negative"},
		{"undeclared metric", `metric = "test.accuracy"`, `metric = "test.acuracy"`, `study.success.metric: "test.acuracy" is not declared: add [[study.metrics]]`},
		{"undeclared metric, nearest", `metric = "test.accuracy"`, `metric = "test.acuracy"`, `(did you mean "test.accuracy"?)`},
		{"missing metric", `metric = "test.accuracy"` + "\n", "", "study.success.metric: is missing"},
		{"missing candidate", `candidate = "net5"`, "", "study.success.candidate: is missing"},
		{"no baseline for the key", `{model = "net2",`, `{modle = "net2",`, `study.baseline.model: is missing: say what "net5" is compared with`},
		{"candidate is the baseline", `candidate = "net5"`, `candidate = "net2"`, `study.success.candidate: "net2" is the baseline itself`},
		{"pair by the compared key", `pair_by = ["seed"]`, `pair_by = ["model"]`, `study.success.pair_by: "model" is the compared key`},
		{"no pairs for a paired test", `pair_by = ["seed"]`, `pair_by = []`, `study.success.pair_by: is empty, but paired-t compares pairs`},
		{"pairs twice", `pair_by = ["seed"]`, `pair_by = ["seed", "seed"]`, `study.success.pair_by.1`},
		{"a metric twice", "[study.success]", "[[study.metrics]]\nname = \"test.accuracy\"\ngoal = \"minimize\"\n[study.success]", `"test.accuracy" is declared twice`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if !strings.Contains(designStudy, c.old) {
				t.Fatalf("%q is not in the study", c.old)
			}
			_, errs := ParseStudy(studyValue(t, strings.Replace(designStudy, c.old, c.new, 1)))
			err := errors.Join(errs...)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("errors:\n%v\nwant one with\n%s", err, c.want)
			}
			for _, e := range errs {
				var k *KeyError
				if !errors.As(e, &k) || !strings.HasPrefix(k.Path(), "study") {
					t.Errorf("%v names no key", e)
				}
			}
		})
	}
	if _, errs := ParseStudy(override.StringValue("x")); len(errs) != 1 {
		t.Errorf("ParseStudy of a string: %v, want one error", errs)
	}
}

func TestCheckAxes(t *testing.T) {
	s, _ := ParseStudy(studyValue(t, designStudy))
	if errs := s.CheckAxes([]results.Axis{words("model", "net2", "net5"), ints("seed", 5)}); len(errs) > 0 {
		t.Errorf("CheckAxes of good axes: %v", errs)
	}
	for _, c := range []struct {
		name string
		axes []results.Axis
		want string
	}{
		{"candidate not swept", []results.Axis{words("model", "net2", "net7"), ints("seed", 5)}, `study.success.candidate: "net5" is not among the swept values of model: net2, net7 (did you mean "net2"?)`},
		{"baseline not swept", []results.Axis{words("model", "net1", "net5"), ints("seed", 5)}, `study.baseline.model: "net2" is not among`},
		{"key not swept", []results.Axis{words("models", "net2", "net5"), ints("seed", 5)}, `study.success.compare: "model" is not swept; swept are models, seed (did you mean "models"?)`},
		{"no seeds", []results.Axis{words("model", "net2", "net5")}, `study.success.pair_by: "seed" is not swept: add it to [sweep]`},
	} {
		if err := errors.Join(s.CheckAxes(c.axes)...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: errors:\n%v\nwant one with\n%s", c.name, err, c.want)
		}
	}
}

func TestCanDecide(t *testing.T) {
	for _, c := range []struct {
		test  string
		alpha float64
		n     int
		want  string // empty: can decide
	}{
		{"paired-t", 0.05, 5, ""},
		{"paired-t", 0.05, 2, ""},
		{"paired-t", 0.05, 1, `use at least 2 (seed = "range(0,2)")`},
		{"wilcoxon", 0.05, 5, `wilcoxon can never reach p <= 0.05 with 5 pairs, its smallest p is 0.0625: use at least 6 (seed = "range(0,6)"), or test = "paired-t"`},
		{"wilcoxon", 0.05, 6, ""},
		{"sign-flip", 0.05, 5, "use at least 6"},
		{"sign-flip", 0.01, 7, "use at least 8"},
		{"sign-flip", 0.0625, 5, ""},
		{"sign-flip", 0.05, 0, "use at least 6"},
		{"welch", 0.05, 1, "use at least 2"},
		{"welch", 0.05, 2, ""},
		{"mann-whitney", 0.05, 3, "use at least 4"},
		{"mann-whitney", 0.05, 4, ""},
	} {
		s := Study{Success: &Success{Test: c.test, Alpha: c.alpha, PairBy: []string{"seed"}}}
		err := s.CanDecide(c.n)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s at %v with n = %d: %v, want %q", c.test, c.alpha, c.n, err, c.want)
		}
	}
	none := Study{}
	if err := none.CanDecide(0); err != nil {
		t.Errorf("a study without a criterion: %v", err)
	}
	axes := []results.Axis{words("model", "a", "b"), ints("seed", 4), ints("fold", 3), words("lr", "1", "2")}
	s := Study{Success: &Success{Compare: "model", Test: "paired-t", PairBy: []string{"seed", "fold"}}}
	if got := s.Pairs(axes); got != 12 {
		t.Errorf("Pairs = %d, want 12: 4 seeds x 3 folds", got)
	}
}
