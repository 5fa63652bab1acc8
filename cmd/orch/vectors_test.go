package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
)

// orch runs the program in this process and returns what it printed.
func orch(t *testing.T, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	in, err := os.CreateTemp(t.TempDir(), "stdin")
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if _, err := in.WriteString(stdin); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Seek(0, 0); err != nil {
		t.Fatal(err)
	}
	old := os.Stdin
	os.Stdin = in
	defer func() { os.Stdin = old }()
	var out, errs bytes.Buffer
	code = run(context.Background(), newInterrupts(), append([]string{"orch"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

// jsonLines decodes a file of one object a line, its first line apart.
func jsonLines(t *testing.T, path string) (head map[string]any, rest []map[string]any) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		x := decodeJSON(t, sc.Text())
		if head == nil {
			head = x
			continue
		}
		rest = append(rest, x)
	}
	return head, rest
}

func decodeJSON(t *testing.T, s string) map[string]any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(s))
	d.UseNumber() // 1 and 1.0 differ
	var x map[string]any
	if err := d.Decode(&x); err != nil {
		t.Fatalf("%q: %v", s, err)
	}
	return x
}

// notAsHydra are the overrides on which orch differs on purpose, with the kind
// of its answer. The tests of sweep/override say why and hold the answers.
var notAsHydra = map[string]string{
	"amp=a&b": "override", "semi=a;b": "override", "bang=hi!": "override", "note=déjà": "override",
	"k=1,range(3)": "error", "k=choice(null,1)": "sweep", "model=glob('*',exclude=['*net*'])": "sweep",
}

// TestExplainVectors holds what `orch explain --json -` prints against what the
// real Hydra understands.
func TestExplainVectors(t *testing.T) {
	_, vectors := jsonLines(t, "../../sweep/override/testdata/override.jsonl")
	dir := t.TempDir()
	for _, name := range []string{"resnet", "vit_b"} { // the other options of the group are shipped
		write(t, filepath.Join(dir, "model", name+".toml"), "")
	}
	var lines strings.Builder
	var vs []map[string]any
	refused := false
	for _, v := range vectors {
		if in := v["in"].(string); strings.Contains(in, "\n") {
			_, out, _ := orch(t, "", "explain", "--json", "--config-dir", dir, in)
			checkExplained(t, v, decodeJSON(t, out))
		} else {
			lines.WriteString(in + "\n")
			vs = append(vs, v)
		}
	}
	code, out, stderr := orch(t, lines.String(), "explain", "--json", "--config-dir", dir, "-")
	got := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	if len(got) != len(vs) || len(vs) < 180 {
		t.Fatalf("%d answers to %d overrides, want as many and at least 180", len(got), len(vs))
	}
	for i, v := range vs {
		refused = checkExplained(t, v, decodeJSON(t, got[i])) || refused
	}
	if !refused || code != exitUsage || stderr != "" {
		t.Errorf("exit code %d, stderr %q; want 2 since some are refused, and nothing", code, stderr)
	}
}

func checkExplained(t *testing.T, v, got map[string]any) (refused bool) {
	t.Helper()
	in, kind := v["in"].(string), v["kind"]
	want, _ := v["expect"].(map[string]any)
	if newer, ok := v["hydra_1_4"].(map[string]any); ok && strings.HasPrefix(in, "w=range(") { // decimal ranges
		want = newer["expect"].(map[string]any)
	}
	if other, ok := notAsHydra[in]; ok {
		kind, want = other, nil
	}
	if got["in"] != in || got["kind"] != kind {
		t.Errorf("%s: %v of %v, want %v", in, got["kind"], got["in"], kind)
		return false
	}
	if kind == "error" {
		for _, key := range []string{"stage", "col"} {
			if w, ok := want[key]; ok && !reflect.DeepEqual(got[key], w) {
				t.Errorf("%s: %s = %v, want %v", in, key, got[key], w)
			}
		}
		if got["message"] == nil || got["message"] == "" || got["stage"] == nil {
			t.Errorf("%s: an error without stage or message: %v", in, got)
		}
		return true
	}
	expect, _ := got["expect"].(map[string]any)
	for key, w := range want {
		g := expect[key]
		if want["sweep"] == "glob" && (key == "options" || key == "values" || key == "jobs") {
			g = withoutShipped(g, want["options"])
		}
		if want["any_order"] == true && (key == "values" || key == "jobs" || key == "value") {
			g, w = sorted(g), sorted(w)
		}
		if !reflect.DeepEqual(plainNumbers(g), plainNumbers(w)) {
			t.Errorf("%s: %s = %v, want %v", in, key, g, w)
		}
	}
	return false
}

// withoutShipped takes from a list of options those that orch ships and the
// vectors do not know.
func withoutShipped(x, known any) any {
	list, _ := x.([]any)
	options, _ := known.([]any)
	kept := []any{}
	for _, e := range list {
		name := e.(string)
		if slices.ContainsFunc(options, func(o any) bool { return name == o || strings.HasSuffix(name, "="+o.(string)) }) {
			kept = append(kept, e)
		}
	}
	return kept
}

func sorted(x any) any {
	list, ok := x.([]any)
	if !ok {
		return x
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b any) int {
		x, _ := json.Marshal(a)
		y, _ := json.Marshal(b)
		return bytes.Compare(x, y)
	})
	return list
}

// plainNumbers replaces numbers so that 3e-4 and 0.0003 are equal, 1 and 1.0 not.
func plainNumbers(x any) any {
	switch x := x.(type) {
	case json.Number:
		if strings.ContainsAny(string(x), ".eE") {
			f, _ := x.Float64()
			return f
		}
	case []any:
		list := make([]any, len(x))
		for i := range x {
			list[i] = plainNumbers(x[i])
		}
		return list
	case map[string]any:
		m := map[string]any{}
		for k, v := range x {
			m[k] = plainNumbers(v)
		}
		return m
	}
	return x
}

// TestComposeVectors holds what `orch train --cfg job --json` composes against
// what the real Hydra does, resolved and not.
func TestComposeVectors(t *testing.T) {
	tree, err := txtar.ParseFile("testdata/compose.txtar")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, f := range tree.Files {
		write(t, filepath.Join(dir, f.Name), string(f.Data))
	}
	_, vectors := jsonLines(t, "../../sweep/compose/testdata/compose.jsonl")
	if len(vectors) < 36 {
		t.Fatalf("%d vectors, want at least 36", len(vectors))
	}
	for _, v := range vectors {
		t.Run(v["id"].(string), func(t *testing.T) {
			args := []string{"train", "--cfg", "job", "--json", "--config-dir", dir, "--config-name", v["primary"].(string)}
			var overrides []string
			for _, o := range v["overrides"].([]any) {
				overrides = append(overrides, o.(string))
			}
			expect := v["expect"].(map[string]any)
			code, out, stderr := orch(t, "", slices.Concat(args, overrides)...)
			if v["kind"] == "error" {
				if code != exitUsage || out != "" || !strings.HasPrefix(stderr, "orch: ") {
					t.Errorf("%q: exit code %d, stdout %q, stderr %q; want 2, nothing, and why", overrides, code, out, stderr)
				}
				return
			}
			sameConfig(t, code, out, stderr, expect["config"])
			code, out, stderr = orch(t, "", slices.Concat(args, []string{"--resolve"}, overrides)...)
			if expect["resolve_error"] != nil {
				if code != exitUsage || out != "" || stderr == "" {
					t.Errorf("resolve %q: exit code %d, stdout %q, stderr %q; want 2, nothing, and why", overrides, code, out, stderr)
				}
				return
			}
			want := expect["resolved"]
			if want == nil {
				want = expect["config"]
			}
			sameConfig(t, code, out, stderr, want)
		})
	}
}

func sameConfig(t *testing.T, code int, out, stderr string, want any) {
	t.Helper()
	if code != exitOK {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if got := decodeJSON(t, out); !reflect.DeepEqual(plainNumbers(got), plainNumbers(want)) {
		t.Errorf("config %v, want %v", got, want)
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
