//go:build unix

package command

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orch/sweep/override"
	"orch/trainer"
)

// hostile are values that break programs which paste strings together.
var hostile = []string{
	"", " ", "a b", "'", `"`, `\`, `\\'`, "'; touch pwned; '", "$(touch pwned)", "`touch pwned`", "$HOME", "${HOME}", "\n", "a\nb\n", "\r\n",
	"-rf", "--help", "*", "?", "~", "#x", "a#b", "&& touch pwned", "| touch pwned", "> pwned", "!", "!!", "{x}", "{{", "}", "%s", "é", "\xff\xfe", "\x01\x7f", "\t",
	strings.Repeat("long ", 2000),
}

// program is a config that runs the test binary as an act.
func program(t testing.TB, act string, words ...string) override.Value {
	t.Helper()
	command := []override.Value{override.StringValue(self(t))}
	for _, w := range words {
		command = append(command, override.StringValue(w))
	}
	return override.NullValue().Set("task.command", override.ListValue(command...)).Set("task.env."+actVariable, override.StringValue(act))
}

func TestHostileValuesAreOneWord(t *testing.T) {
	for i, s := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			r := newTrial(t, "")
			r.Config = program(t, "argv", "{v}", "--v={v}", "{deep.v}{v}").Set("v", override.StringValue(s)).Set("deep.v", override.StringValue(s))
			if err := r.train(t); err != nil {
				t.Fatal(err)
			}
			var got []string
			if err := json.Unmarshal([]byte(r.out()), &got); err != nil {
				t.Fatal(err)
			}
			s = strings.ToValidUTF8(s, "\uFFFD\uFFFD") // what JSON makes of the two bytes
			if want := []string{s, "--v=" + s, s + s}; !slices.Equal(got, want) {
				t.Errorf("the program got %q, want %q", got, want)
			}
		})
	}
}

func TestValuesAsText(t *testing.T) {
	config := conf(t, `
i = 3
f = 1.0
tiny = 1e-7
b = true
s = "1e3"
list = [1, 2.5, "a b", [true]]
odd = nan
"dotted.key" = "own"
[t]
x = "y"
`)
	r := &trainer.Run{Sweep: "sw", ID: "id9", Name: "n", Dir: "/runs/n/a0", Config: config, Threads: 4, GPUs: []string{"0", "3"}, Resume: "/runs/n/old"}
	for text, want := range map[string]string{
		"{i} {f} {tiny} {b} {s}": "3 1.0 1e-07 true 1e3",
		"{list}":                 `[1,2.5,"a b",[true]]`,
		"{list.2}":               "a b",
		"{t}":                    `{"x":"y"}`,
		"{t.x}{{t.x}}":           "y{t.x}",
		"{dotted.key}":           "own",
		"{odd}":                  "nan",
		"{run_dir} {name} {id}":  "/runs/n/a0 n id9",
		"{threads} {gpus}":       "4 0,3",
		"{config} {config_json}": "/runs/n/a0/config.toml /runs/n/a0/config.json",
		"{resume}":               "/runs/n/old",
		"{{{i}}}":                "{3}",
	} {
		tm, err := parseTemplate(text)
		if err != nil {
			t.Errorf("parseTemplate(%q): %v", text, err)
			continue
		}
		if got, err := tm.fill(valuesOf(r)); err != nil || got != want {
			t.Errorf("%q = %q, %v, want %q", text, got, err, want)
		}
	}
	for _, text := range []string{"{", "}", "{}", "a{i", "{i}}", "{a{b}}", "{ {i}"} {
		if tm, err := parseTemplate(text); err == nil {
			t.Errorf("parseTemplate(%q) = %v, want an error", text, tm)
		}
	}
}

// sh itself says what it makes of a quoted value.
func TestShellQuoting(t *testing.T) {
	scripts := []string{"printf %s {v}", "printf %s '{v}'", `printf %s "{v}"`, `printf %s "${{NONE}}{v}"`, "printf %s ''{v}''", "(:) && printf %s {v} # don't"}
	for _, script := range scripts {
		tm, err := parseShell(script)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range hostile {
			line, err := tm.fillShell(func(string) (string, bool) { return s, true })
			if err != nil {
				t.Errorf("%s with %q: %v", script, s, err)
				continue
			}
			cmd := exec.Command(shellPath, "-c", line)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != s {
				t.Errorf("sh -c %q printed %q, %v, want %q", line, out, err, s)
			}
			if names, _ := filepath.Glob(filepath.Join(cmd.Dir, "*")); len(names) > 0 {
				t.Errorf("sh -c %q made %q", line, names)
			}
		}
	}
}

func TestShellRefusesUnclearPlaces(t *testing.T) {
	for _, script := range []string{"cat <<EOF\n{v}\nEOF", "echo `echo {v}`", `echo "$(echo {v})"`, "echo $'{v}'", "true # {v}", `echo \{v}`} {
		tm, err := parseShell(script)
		if err != nil {
			t.Errorf("parseShell(%q): %v", script, err)
			continue
		}
		if line, err := tm.fillShell(func(string) (string, bool) { return "a'b", true }); err == nil {
			t.Errorf("%q with a quote = %q, want an error", script, line)
		}
		if _, err := tm.fillShell(func(string) (string, bool) { return "plain-0.5", true }); err != nil {
			t.Errorf("%q with a plain value: %v", script, err)
		}
	}
	if _, err := parseShell("echo ${v}"); err == nil || !strings.Contains(err.Error(), "${{v}}") {
		t.Errorf("parseShell of ${v} = %v, want advice", err)
	}
}

func FuzzShellQuote(f *testing.F) {
	for _, s := range hostile {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if strings.IndexByte(s, 0) >= 0 {
			return
		}
		var line strings.Builder
		line.WriteString("printf '%s\\0'")
		for _, at := range []place{bare, singleQuotes, doubleQuotes} {
			q, err := quote(s, part{key: "v", at: at})
			if err != nil {
				t.Fatal(err)
			}
			line.WriteString(" " + []string{"", "'", `"`}[at] + q + []string{"", "'", `"`}[at])
		}
		out, err := exec.Command(shellPath, "-c", line.String()).Output()
		if want := s + "\x00" + s + "\x00" + s + "\x00"; err != nil || string(out) != want {
			t.Errorf("sh -c %q = %q, %v, want %q", line.String(), out, err, want)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"", "{a}", "{{a}}", "x{a}y{{", "}", "{{{a}}}", "{a}{b}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tm, err := parseTemplate(s)
		if err != nil {
			return
		}
		// Writing a template down again gives what was read.
		var b strings.Builder
		for _, p := range tm {
			if p.key != "" {
				b.WriteString("{" + p.key + "}")
			} else {
				b.WriteString(strings.NewReplacer("{", "{{", "}", "}}").Replace(p.lit))
			}
		}
		if b.String() != s {
			t.Errorf("parseTemplate(%q) reads as %q", s, b.String())
		}
	})
}

func TestCheck(t *testing.T) {
	tests := []struct {
		name   string
		config string
		want   []string // one text a problem
	}{
		{"good", "lr = 1\n[task]\ncommand = ['x', '{lr}', 7]\nshell = false\nworkdir = 'a{lr}'\noutputs = ['m-{lr}']\nstop_signal = 'SIGUSR1'\nstop_grace = '0s'\ntimeout = '1h'\nstall = '5m'\n[task.metrics]\ntest.acc = '(?P<value>\\d+)'\n[task.env]\nA = '{run_dir}'", nil},
		{"others' tables", "[task]\ncommand = ['x']\n[launcher]\nnonsense = 1\n[study]\nx = 1\n[mine]\nx = 1", nil},
		{"no task", "lr = 1", []string{"task: a program needs a table [task]"}},
		{"no command", "[task]", []string{"task.command: is missing"}},
		{"empty command", "[task]\ncommand = []", []string{"task.command: is empty"}},
		{"empty program", "[task]\ncommand = ['', 'x']", []string{"begins with an empty word"}},
		{"text command", "[task]\ncommand = 'python3 fit.py'", []string{"want a list of words"}},
		{"shell list", "[task]\nshell = true\ncommand = ['a']", []string{"shell = true wants one string"}},
		{"shell word", "[task]\nshell = 'yes'\ncommand = ['a']", []string{"task.shell: is yes, want true or false"}},
		{"unknown key", "learning_rate = 1\n[task]\ncommand = ['x', '{learning_rte}']", []string{`{learning_rte} names no key of the config; literal braces are {{ and }} (did you mean "learning_rate"?)`}},
		{"last part of a key", "training = {lr = 1}\n[task]\ncommand = ['x', '{lr}']", []string{`(did you mean "training.lr"?)`}},
		{"runtime name", "[task]\ncommand = ['x', '{rundir}']", []string{`(did you mean "run_dir"?)`}},
		{"braces", "[task]\ncommand = ['awk', '{print $1}', 'a}']", []string{"literal braces are {{ and }}", "write }} for a literal brace"}},
		{"hidden key", "id = 5\n[task]\ncommand = ['x', '{id}']", []string{`hides the config's key "id"`}},
		{"nested word", "[task]\ncommand = ['x', ['y']]", []string{"holds a list"}},
		{"zero byte", "v = \"a\\u0000b\"\n[task]\ncommand = ['x', '{v}']", []string{"zero byte"}},
		{"shell value", "v = \"a'b\"\n[task]\nshell = true\ncommand = 'echo `echo {v}`'", []string{"cannot quote them safely"}},
		{"unknown task key", "[task]\ncommand = ['x']\ntimeot = '5s'\nzzz = 1", []string{`task.timeot: unknown key of [task] (did you mean "timeout"?)`, "task.zzz: unknown key of [task]"}},
		{"outputs outside", "p = '../..'\n[task]\ncommand = ['x']\noutputs = ['../x', '/etc/passwd', '{p}/x']", []string{`"../x" is outside`, `"/etc/passwd" is outside`, `"../../x" is outside`}},
		{"outputs text", "[task]\ncommand = ['x']\noutputs = 'model.pt'", []string{"task.outputs: is a string, want a list"}},
		{"bad regexp", "[task]\ncommand = ['x']\n[task.metrics]\na = 'acc ([0-9'\nb = 'acc'\nc = 5", []string{"task.metrics.a: is no regular expression", "task.metrics.b: has no group", "task.metrics.c: is a int"}},
		{"env", "[task]\ncommand = ['x']\n[task.env]\n'A B' = '1'\n2x = '1'\nOK = '{nope}'", []string{"task.env.2x: is no name", "task.env.A B: is no name", "task.env.OK: {nope} names no key"}},
		{"durations", "[task]\ncommand = ['x']\ntimeout = 10\nstall = '-1s'\nstop_grace = 'soon'", []string{`stop_grace: is soon, want a duration`, `timeout: is 10, want a duration with its unit such as "90s"`, "task.stall: is -1s, want more"}},
		{"signal", "[task]\ncommand = ['x']\nstop_signal = 'SIGUSR'", []string{`is "SIGUSR", want one of SIGTERM, SIGINT`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			problems := New().Check(conf(t, tt.config))
			if len(problems) != len(tt.want) {
				t.Fatalf("Check = %d problems %v, want %d", len(problems), problems, len(tt.want))
			}
			var all []string
			for _, p := range problems {
				if _, ok := p.(*trainer.ParamError); !ok {
					t.Errorf("%v is a %T, want a ParamError", p, p)
				}
				all = append(all, p.Error())
			}
			for _, want := range tt.want {
				if !strings.Contains(strings.Join(all, "\n"), want) {
					t.Errorf("Check = %q, want %q in it", all, want)
				}
			}
		})
	}
}

func TestNearest(t *testing.T) {
	names := []string{"learning_rate", "seed", "training.batch", "ab"}
	for s, want := range map[string]string{"leraning_rate": "learning_rate", "sede": "seed", "batch": "training.batch", "zzzzzz": "", "a": "ab"} {
		if got := nearest(s, names); got != want {
			t.Errorf("nearest(%q) = %q, want %q", s, got, want)
		}
	}
}
