package override

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// vector is one line of testdata/override.jsonl: what the real Hydra does with
// an override. The file's first line explains the encoding.
type vector struct {
	In     string         `json:"in"`
	Kind   string         `json:"kind"`
	Expect map[string]any `json:"expect"`
	Newer  *struct {
		Kind   string         `json:"kind"`
		Expect map[string]any `json:"expect"`
	} `json:"hydra_1_4"`
	Note string `json:"note"`
}

// newer are the inputs for which Hydra 1.4 gives the better answer.
var newer = map[string]string{
	"w=range(0,2.1,0.7)": "decimal ranges",
	"w=range(0,1,0.1)":   "decimal ranges",
}

// different are the inputs on which orch differs on purpose, with what it says
// instead, in the same encoding.
var different = map[string]struct{ why, kind, expect string }{
	"amp=a&b":   {"wide alphabet", "override", `{"op":"change","key":"amp","value":"a&b","canon":"amp=a&b"}`},
	"semi=a;b":  {"wide alphabet", "override", `{"op":"change","key":"semi","value":"a;b","canon":"semi=a;b"}`},
	"bang=hi!":  {"wide alphabet", "override", `{"op":"change","key":"bang","value":"hi!","canon":"bang=hi!"}`},
	"note=déjà": {"wide alphabet", "override", `{"op":"change","key":"note","value":"déjà","canon":"note=déjà"}`},
	"k=1,range(3)": {"a sweep in a sweep is refused when parsed, with its column", "error",
		`{"stage":"parse","class":"bad_sweep_element","col":4}`},
	"k=choice(null,1)": {"null is an option like any other; the note says not to copy", "sweep",
		`{"op":"change","key":"k","sweep":"choice","values":[null,1],"jobs":["k=null","k=1"]}`},
	"model=glob('*',exclude=['*net*'])": {"quoted patterns in a list work; the note says not to copy", "sweep",
		`{"op":"change","key":"model","sweep":"glob","include":["*"],"exclude":["*net*"],
		  "options":["net2","net5","net7","resnet","vit_b"],"values":["vit_b"]}`},
}

func decode(t testing.TB, line []byte, to any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber() // 1 and 1.0 differ
	if err := d.Decode(to); err != nil {
		t.Fatalf("%s: %v", line, err)
	}
}

func vectors(t testing.TB, file string) []vector {
	t.Helper()
	f, err := os.Open("testdata/" + file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var vs []vector
	for sc := bufio.NewScanner(f); sc.Scan(); {
		var v vector
		decode(t, sc.Bytes(), &v)
		if v.In != "" {
			vs = append(vs, v)
		}
	}
	if len(vs) < 180 {
		t.Fatalf("%d vectors, want at least 180", len(vs))
	}
	return vs
}

func TestVectors(t *testing.T) {
	seen := 0
	for _, v := range vectors(t, "override.jsonl") {
		t.Run(v.In, func(t *testing.T) {
			if d, ok := different[v.In]; ok {
				seen++
				v.Kind, v.Expect = d.kind, nil
				decode(t, []byte(d.expect), &v.Expect)
			} else if _, ok := newer[v.In]; ok {
				seen++
				v.Kind, v.Expect = v.Newer.Kind, v.Newer.Expect
			}
			checkVector(t, v)
		})
	}
	if want := len(different) + len(newer); seen != want {
		t.Errorf("%d exceptions met, %d listed: remove those that are gone", seen, want)
	}
}

// TestGenerated holds the parser against overrides that a generator made of the
// grammar's pieces, most of them slightly wrong; expectations are Hydra's.
func TestGenerated(t *testing.T) {
	for _, v := range vectors(t, "generated.jsonl") {
		checkVector(t, v)
	}
}

// checkVector compares every field that the vector has.
func checkVector(t *testing.T, v vector) {
	t.Helper()
	env := Env{}
	if list, ok := v.Expect["options"].([]any); ok {
		env.Options = func(group string) []string {
			if group != v.Expect["key"] {
				t.Errorf("options asked of %q, want %q", group, v.Expect["key"])
			}
			var names []string
			for _, o := range list {
				names = append(names, o.(string))
			}
			return names
		}
	}
	var got vector
	decode(t, Explain(v.In, env), &got)
	if got.Kind != v.Kind {
		t.Fatalf("%s: %s %v, want %s %v", v.In, got.Kind, got.Expect, v.Kind, v.Expect)
	}
	if got.In != v.In {
		t.Errorf("in = %q, want %q", got.In, v.In)
	}
	for k, want := range v.Expect {
		g := got.Expect[k]
		if v.Expect["any_order"] == true && (k == "values" || k == "jobs" || k == "value") {
			sortAny(g)
			sortAny(want)
		}
		if gs, ws := canonicalJSON(g), canonicalJSON(want); gs != ws {
			t.Errorf("%s: %s = %s, want %s", v.In, k, gs, ws)
		}
	}
	for k, g := range got.Expect {
		if _, ok := v.Expect[k]; !ok && k != "col" {
			t.Errorf("%s: unexpected %s = %v", v.In, k, g)
		}
	}
}

// canonicalJSON prints decoded JSON, with the numbers' types but not their
// spelling: 3e-4 and 0.0003 are one float.
func canonicalJSON(x any) string {
	switch x := x.(type) {
	case json.Number:
		v, err := numberValue(string(x))
		if err != nil {
			return err.Error()
		}
		return v.Text()
	case []any:
		parts := make([]string, len(x))
		for i, e := range x {
			parts[i] = canonicalJSON(e)
		}
		return "[" + strings.Join(parts, ",") + "]"
	case map[string]any:
		parts := []string{}
		for k, e := range x {
			parts = append(parts, fmt.Sprintf("%q:%s", k, canonicalJSON(e)))
		}
		slices.Sort(parts)
		return "{" + strings.Join(parts, ",") + "}"
	case string:
		return fmt.Sprintf("%q", x)
	}
	return fmt.Sprint(x)
}

func sortAny(x any) {
	if list, ok := x.([]any); ok {
		slices.SortFunc(list, func(a, b any) int { return strings.Compare(canonicalJSON(a), canonicalJSON(b)) })
	}
}
