package hydra

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// otherwise has the compositions in which orch means to differ from Hydra, by
// primary config and overrides, with the reason.
var otherwise = map[string]string{
	"config uni=日本":               "every printable character may stand unquoted",
	"config +experiment/one=x":    "Hydra adds a key with a slash in its name; it was meant as a choice",
	"config hydra.job.name=x":     "there is no hydra config; the answer says what to type",
	"config hydra.verbose=true":   "there is no hydra config; the answer says what to type",
	"config hydra/launcher=basic": "there is no hydra config; the answer says what to type",
	"config +hydra.foo=1":         "there is no hydra config; the answer says what to type",
	"config db=pg.yaml":           "an option has no extension; the answer says so",
	"config db@db=pg":             "the package that db has anyway may be written out",
}

// here is what Hydra makes of "@_here_.copy": a key with that name, since it
// knows the word only by itself. orch replaces it wherever it stands.
const here = `"_here_":{"copy":{"name":"pg","port":5432}}`

// TestCompositions imports a folder with nested groups, packages and several
// presets, and composes what Hydra's users type. The answers are Hydra's.
func TestCompositions(t *testing.T) {
	text, err := os.ReadFile("testdata/compositions.jsonl")
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
	src, _ := imported(t, mapFS(head.Files), Options{})
	n, exempt := 0, 0
	for lines.Scan() {
		var c struct {
			Primary   string
			Overrides []string
			Config    json.RawMessage
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		n++
		name := strings.Join(append([]string{c.Primary}, c.Overrides...), " ")
		if otherwise[name] != "" {
			exempt++
			continue
		}
		t.Run(name, func(t *testing.T) {
			cfg, err := composed(src, c.Primary, c.Overrides...)
			if string(c.Config) == "null" {
				if err == nil {
					t.Errorf("composes to %s, want an error as from Hydra", cfg.Tree().AppendJSON(nil))
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var want bytes.Buffer
			if err := json.Compact(&want, c.Config); err != nil {
				t.Fatal(err)
			}
			same(t, cfg.Tree(), strings.Replace(want.String(), here, `"copy":{"name":"pg","port":5432}`, 1))
		})
	}
	if n < 130 || exempt != len(otherwise) {
		t.Errorf("%d cases and %d exempt, want at least 130 and %d", n, exempt, len(otherwise))
	}
}
