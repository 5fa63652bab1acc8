package trainer

import (
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"orch/sweep/override"
)

type rule string

func (rule) Choices() []string { return []string{"adam", "sgd"} }

type sampleParams struct {
	Seed     int64 `param:"seed" doc:"root of every random number"`
	Training struct {
		LR    float64       `param:"lr,above=0,max=10"`
		Batch int           `param:"batch,min=1,max=1024"`
		Rule  rule          `param:"rule"`
		Limit time.Duration `param:"limit,min=1"`
		Small int8          `param:"small"`
		Nest  bool          `param:"nest"`
	} `param:"training"`
	Command []string          `param:"command,len=1"`
	Metrics map[string]string `param:"metrics"`
	Extra   override.Value    `param:"extra"`
	hidden  int
}

// value builds a config from dotted keys and plain values.
func value(t *testing.T, pairs ...any) override.Value {
	t.Helper()
	v := override.MapValue()
	for i := 0; i < len(pairs); i += 2 {
		x, err := override.FromAny(pairs[i+1])
		if err != nil {
			t.Fatal(err)
		}
		v = v.Set(pairs[i].(string), x)
	}
	return v
}

func TestDecode(t *testing.T) {
	p := sampleParams{Seed: 7, hidden: 3}
	p.Training.Batch = 32
	config := value(t, "training.lr", 1, "training.rule", "sgd", "training.limit", "90s", "training.nest", true,
		"command", []any{"a", "b"}, "metrics", map[string]any{"m": "x"}, "extra", []any{1, "z"}, "launcher.name", "pool")
	if errs := Decode(config, &p, Foreign...); errs != nil {
		t.Fatalf("Decode: %v", errs)
	}
	want := sampleParams{Seed: 7, hidden: 3, Command: []string{"a", "b"}, Metrics: map[string]string{"m": "x"}}
	want.Training.LR, want.Training.Batch, want.Training.Rule = 1, 32, "sgd"
	want.Training.Limit, want.Training.Nest = 90*time.Second, true
	want.Extra = override.ListValue(override.IntValue(1), override.QuotedValue("z"))
	if !reflect.DeepEqual(p, want) {
		t.Errorf("Decode\n got %+v\nwant %+v", p, want)
	}
}

func TestDecodeProblems(t *testing.T) {
	huge := override.BigIntValue("99999999999999999999")
	nan, _ := override.ParseJSON([]byte(`{"$float":"nan"}`))
	for _, tt := range []struct {
		name  string
		pairs []any
		want  []string
	}{
		{"misspelled", []any{"training.batchs", 1}, []string{`training.batchs: unknown key (did you mean "training.batch"?)`}},
		{"table forgotten", []any{"lr", 1}, []string{`lr: unknown key (did you mean "training.lr"?)`}},
		{"table misspelled", []any{"trainign", map[string]any{"lr": 1}}, []string{`trainign: unknown key (did you mean "training"?)`}},
		{"nothing alike", []any{"zzzzzz", 1}, []string{`zzzzzz: unknown key`}},
		{"float for int", []any{"training.batch", 0.5}, []string{`training.batch: is the float 0.5, want an int`}},
		{"whole float for int", []any{"seed", 3.0}, []string{`seed: is the float 3.0, want an int`}},
		{"string for float", []any{"training.lr", "0.1"}, []string{`training.lr: is the string "0.1", want a float`}},
		{"null", []any{"seed", nil}, []string{`seed: is null, want an int`}},
		{"bool", []any{"training.nest", 1}, []string{`training.nest: is the int 1, want a bool`}},
		{"below", []any{"training.lr", 0}, []string{`training.lr: is 0, want more than 0 and at most 10`}},
		{"above", []any{"training.batch", 2000}, []string{`training.batch: is 2000, want 1 to 1024`}},
		{"not finite", []any{"training.lr", nan}, []string{`training.lr: is nan, want more than 0 and at most 10`}},
		{"too many bits", []any{"seed", huge}, []string{`seed: is 99999999999999999999, want a number of at most 64 bits`}},
		{"overflow", []any{"training.small", 128}, []string{`training.small: is 128, want a number of at most 8 bits`}},
		{"choice", []any{"training.rule", "adm"}, []string{`training.rule: is "adm", want one of adam, sgd (did you mean "adam"?)`}},
		{"duration", []any{"training.limit", 5}, []string{`training.limit: is the int 5, want a duration such as "90s" or "2h"`}},
		{"empty list", []any{"command", []any{}}, []string{`command: has length 0, want at least 1`}},
		{"list element", []any{"command", []any{"a", 1}}, []string{`command.1: is the int 1, want a string`}},
		{"map element", []any{"metrics", map[string]any{"k": 1}}, []string{`metrics.k: is the int 1, want a string`}},
		{"no table", []any{"training", "fast"}, []string{`training: is the string "fast", want a table with the keys lr, batch, rule, limit, small, nest`}},
		{"all at once", []any{"sed", 1, "training.lr", -1, "training.batch", "x"}, []string{
			`sed: unknown key (did you mean "seed"?)`,
			`training.lr: is -1, want more than 0 and at most 10`,
			`training.batch: is the string "x", want an int`,
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var p sampleParams
			var got []string
			for _, err := range Decode(value(t, tt.pairs...), &p) {
				var pe *ParamError
				if !errors.As(err, &pe) {
					t.Errorf("error %v is a %T, want a *ParamError", err, err)
				}
				got = append(got, err.Error())
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("Decode\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(tt.want, "\n     "))
			}
		})
	}
}

func TestDecodeRequired(t *testing.T) {
	var p struct {
		Task struct {
			Command []string `param:"command,required"`
		} `param:"task"`
	}
	errs := Decode(value(t, "task", map[string]any{}), &p)
	if len(errs) != 1 || errs[0].Error() != "task.command: is missing" {
		t.Errorf("Decode = %v, want [task.command: is missing]", errs)
	}
}

func TestKeys(t *testing.T) {
	p := sampleParams{Seed: 3}
	p.Training.Limit = time.Minute
	var got []string
	for _, k := range Keys(&p) {
		got = append(got, strings.Join([]string{k.Name, k.Type, k.Default.Text(), k.Range, strings.Join(k.Choices, "|"), k.Doc}, ";"))
	}
	want := []string{
		"seed;int;3;;;root of every random number",
		"training.lr;float;0.0;more than 0 and at most 10;;",
		"training.batch;int;0;1 to 1024;;",
		"training.rule;string;;;adam|sgd;",
		"training.limit;duration;1m0s;at least 1;;",
		"training.small;int;0;;;",
		"training.nest;bool;false;;;",
		"command;list;null;at least 1;;",
		"metrics;table;null;;;",
		"extra;any;null;;;",
	}
	if !slices.Equal(got, want) {
		t.Errorf("Keys\n got %s\nwant %s", strings.Join(got, "\n     "), strings.Join(want, "\n     "))
	}
}

func TestBadTagPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an unknown tag option did not panic")
		}
	}()
	var p struct {
		X int `param:"x,mim=1"`
	}
	Keys(p)
}
