package compose

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"orch/sweep/override"
)

// TestVectors compares with what the real Hydra composes. The cases hold YAML;
// yamlToTOML turns it into what orch reads. Two of Hydra's rules are written
// differently here, and the conversion says so explicitly: a file under
// experiment/ without a header lands under its group in Hydra, at the top in
// orch, so it gets package = "_group_"; and Hydra ignores a header that is not
// on the first line, so such a file gets no package.
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
	files := fstest.MapFS{}
	for name, yaml := range head.Files {
		name = strings.TrimSuffix(name, ".yaml") + ".toml"
		files[name] = &fstest.MapFile{Data: []byte(yamlToTOML(t, name, yaml))}
	}
	n := 0
	for lines.Scan() {
		var c vector
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		n++
		t.Run(c.ID, func(t *testing.T) { c.check(t, &Source{Layers: []Layer{{"config", files}}}) })
	}
	if n < 36 {
		t.Errorf("%d cases, want at least 36", n)
	}
}

type vector struct {
	ID        string
	Primary   string
	Overrides []string
	Kind      string
	Expect    struct {
		Class        string
		Config       json.RawMessage
		Resolved     json.RawMessage
		ResolveError string `json:"resolve_error"`
	}
}

func (v *vector) check(t *testing.T, src *Source) {
	c, err := src.Compose(Primary{Name: v.Primary}, parse(t, v.Overrides...))
	if v.Kind == "error" {
		if got := ClassOf(err); got != v.Expect.Class {
			t.Errorf("compose %s %q: error %v of class %q, want class %q", v.Primary, v.Overrides, err, got, v.Expect.Class)
		}
		return
	}
	if err != nil {
		t.Fatalf("compose %s %q: %v", v.Primary, v.Overrides, err)
	}
	sameJSON(t, "config", c.Tree(), v.Expect.Config)
	resolved, err := c.Resolve()
	if v.Expect.ResolveError != "" {
		if got := ClassOf(err); got != v.Expect.ResolveError {
			t.Errorf("resolve: error %v of class %q, want class %q", err, got, v.Expect.ResolveError)
		}
		return
	}
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	want := v.Expect.Resolved
	if want == nil {
		want = v.Expect.Config
	}
	sameJSON(t, "resolved", resolved, want)
}

// sameJSON compares values, their types and the order of keys.
func sameJSON(t *testing.T, what string, got override.Value, wantJSON []byte) {
	t.Helper()
	want, err := override.ParseJSON(wantJSON)
	if err != nil {
		t.Fatal(err)
	}
	g, w := got.AppendJSON(nil), want.AppendJSON(nil)
	if !bytes.Equal(g, w) {
		t.Errorf("%s\ngot  %s\nwant %s", what, g, w)
	}
}

func parse(t testing.TB, texts ...string) []override.Override {
	t.Helper()
	var list []override.Override
	for _, s := range texts {
		o, err := override.Parse(s)
		if err != nil {
			t.Fatalf("override %q: %v", s, err)
		}
		list = append(list, o)
	}
	return list
}

var header = regexp.MustCompile(`^ *# @package (\S+)`)

// yamlToTOML converts the YAML that the vectors use: block maps, a list of
// strings or one-entry maps under `defaults`, lists of scalars in brackets.
func yamlToTOML(t *testing.T, name, yaml string) string {
	t.Helper()
	var b strings.Builder
	if m := header.FindStringSubmatch(yaml); m != nil {
		fmt.Fprintf(&b, "package = %q\n", m[1])
	} else if strings.HasPrefix(name, "experiment/") {
		b.WriteString("package = \"_group_\"\n")
	}
	var defaults, top, tables []string
	section := ""
	for _, line := range strings.Split(yaml, "\n") {
		text := strings.TrimSpace(line)
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if entry, ok := strings.CutPrefix(text, "- "); ok {
			if section != "defaults" {
				t.Fatalf("%s: a list outside defaults: %q", name, line)
			}
			if key, value, ok := strings.Cut(entry, ": "); ok {
				defaults = append(defaults, fmt.Sprintf("{%q = %s}", key, yamlValue(value)))
			} else {
				defaults = append(defaults, fmt.Sprintf("%q", entry))
			}
			continue
		}
		key, value, ok := strings.Cut(text, ":")
		if !ok {
			t.Fatalf("%s: cannot convert %q", name, line)
		}
		value = strings.TrimSpace(value)
		indented := strings.HasPrefix(line, " ")
		switch {
		case value == "":
			section = key
			if key != "defaults" {
				tables = append(tables, "["+key+"]")
			}
		case indented:
			tables = append(tables, key+" = "+yamlValue(value))
		case len(tables) > 0:
			// A plain key after a table: TOML would take it for the table's.
			// A dotted key cannot help, so the table becomes an inline one.
			top = append(top, inlineTable(tables), key+" = "+yamlValue(value))
			tables = nil
		default:
			top = append(top, key+" = "+yamlValue(value))
		}
	}
	if defaults != nil {
		fmt.Fprintf(&b, "defaults = [%s]\n", strings.Join(defaults, ", "))
	}
	for _, line := range append(top, tables...) {
		b.WriteString(line + "\n")
	}
	return b.String()
}

func inlineTable(lines []string) string {
	return strings.Trim(lines[0], "[]") + " = {" + strings.Join(lines[1:], ", ") + "}"
}

var yamlPlain = regexp.MustCompile(`^(-?[0-9]+(\.[0-9]+)?|true|false)$`)

func yamlValue(s string) string {
	if strings.HasPrefix(s, "[") {
		var list []string
		for _, e := range strings.Split(strings.Trim(s, "[]"), ",") {
			list = append(list, yamlValue(strings.TrimSpace(e)))
		}
		return "[" + strings.Join(list, ", ") + "]"
	}
	if yamlPlain.MatchString(s) {
		return s
	}
	return fmt.Sprintf("%q", s)
}
