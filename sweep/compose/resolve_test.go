package compose

import (
	"testing"
	"time"
)

func TestResolve(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"types are kept", "a = 1\nb = [1.5, true]\nc = \"${a}\"\nd = \"${b}\"\ne = \"${b[1]}\"\nf = \"${b.0}\"\ng = \"null\"\nh = \"${g}\"", `{"a":1,"b":[1.5,true],"c":1,"d":[1.5,true],"e":true,"f":1.5,"g":null,"h":null}`},
		{"text", "a = 1\nb = 0.001\nc = true\nn = \"null\"\ns = \"${a}-${b}-${c}-${n}\"", `{"a":1,"b":0.001,"c":true,"n":null,"s":"1-0.001-true-null"}`},
		{"tables", "[a]\nx = 1\ny = \"${.x}\"\n[b]\nc = \"${a}\"\nd = \"${b.c.y}\"", `{"a":{"x":1,"y":1},"b":{"c":{"x":1,"y":1},"d":1}}`},
		{"relative", "x = 0\n[a]\nx = 1\n[a.b]\nx = 2\np = \"${.x}\"\nq = \"${..x}\"\nr = \"${...x}\"\ns = \"${..b.x}\"", `{"x":0,"a":{"x":1,"b":{"x":2,"p":2,"q":1,"r":0,"s":2}}}`},
		{"in lists", "x = 5\nl = [\"${x}\", {y = \"${x}\", z = \"${.y}\"}]", `{"x":5,"l":[5,{"y":5,"z":5}]}`},
		{"computed keys", "k = \"b\"\ni = 1\n[a]\nb = 7\nl = [3, 4]\n[o]\nx = \"${a.${k}}\"\ny = \"${a.l[${i}]}\"\nz = \"v${a.${k}}\"", `{"k":"b","i":1,"a":{"b":7,"l":[3,4]},"o":{"x":7,"y":4,"z":"v7"}}`},
		{"chain", "a = \"${b}\"\nb = \"${c}x\"\nc = \"${d}\"\nd = 1", `{"a":"1x","b":"1x","c":1,"d":1}`},
		{"a dot in a key", "x = 1\ny = 2\n\"a.b\" = \"${x}\"\n'a\\' = \"${x}\"\n[a]\nb = \"${y}\"", `{"x":1,"y":2,"a.b":1,"a\\":1,"a":{"b":2}}`},
		{"blanks", "a = 1\nb = \"${ a }\"", `{"a":1,"b":1}`},
		{"literal", `a = '\${b}'` + "\n" + `b = 'x\\${c}\y'` + "\nc = 1\n" + `d = '\\\${c}'`, `{"a":"${b}","b":"x\\1\\y","c":1,"d":"\\${c}"}`},
		{"dollars and braces", "a = \"$x {y} $$ }\"", `{"a":"$x {y} $$ }"}`},
		{"environment", "env = [\"A\", \"UNSET\"]\na = \"${env:A}\"\nb = \"${oc.env:A}!\"\nc = \"${env:UNSET,7}\"\nd = \"${env:UNSET,null}\"\ne = \"${env:UNSET,'x, y'}\"\nf = \"${env:UNSET,}\"\ng = \"${env:UNSET,${a}}\"",
			`{"a":"value of A","b":"value of A!","c":"7","d":null,"e":"x, y","f":"","g":"value of A"}`},
		{"a table called env", "[env]\nname = \"CartPole\"", `{"env":{"name":"CartPole"}}`},
		{"time", "a = \"${now:%Y-%m-%d}\"\nb = \"${now:%H:%M:%S.%f}\"\nc = \"${now:'%d %b, %a %j 100%%'}\"", `{"a":"2026-03-04","b":"15:06:07.000089","c":"04 Mar, Wed 063 100%"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := source("-- x.toml --\n"+c.text+"\n").Compose(Primary{Name: "x"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			got, err := cfg.Resolve()
			if err != nil {
				t.Fatal(err)
			}
			sameJSON(t, "resolved", got, []byte(c.want))
		})
	}
}

func TestResolveErrors(t *testing.T) {
	for _, c := range []struct{ name, text, class, want string }{
		{"missing", "\nb = \"???\"", ClassMissing, `configs/x.toml:2: b must be given (give it a value: b=...)`},
		{"reference to missing", "a = \"${b}\"\nb = \"???\"", ClassInterpMissing, `configs/x.toml:1: a: ${b} must be given (give it a value: b=...)`},
		{"no key", "[t]\nepochs = 1\n[u]\nx = \"${t.epoch}\"", ClassInterpKey, `configs/x.toml:4: u.x: ${t.epoch}: no key "t.epoch" in the config (did you mean "t.epochs"?)`},
		{"shell variable", "cmd = \"echo ${HOME}\"", ClassInterpKey, `configs/x.toml:1: cmd: ${HOME}: no key "HOME" in the config (a literal "${" is written \${)`},
		{"index", "l = [1]\nx = \"${l[1]}\"", ClassInterpKey, `configs/x.toml:2: x: ${l[1]}: no key "l.1" in the config (a literal "${" is written \${)`},
		{"cycle", "a = \"${b}\"\nb = \"x${c}\"\nc = \"${a}\"", ClassInterpCycle, `configs/x.toml:1: a = "${b}" refers to itself: a -> b -> c -> a`},
		{"own table", "[a]\nb = \"${a}\"", ClassInterpCycle, `configs/x.toml:2: a.b = "${a}" refers to itself: a.b -> a.b`},
		{"above the top", "a = \"${...b}\"", ClassInterpKey, `configs/x.toml:1: a: ${...b} goes above the top`},
		{"unclosed", "a = \"x ${b\"", ClassInterpSyntax, `configs/x.toml:1: a = "x ${b": "${" without "}" (a literal "${" is written \${)`},
		{"empty", "a = \"${}\"", ClassInterpSyntax, `configs/x.toml:1: a = "${}": "${}" names no key (a literal "${" is written \${)`},
		{"table in text", "a = \"x${b}\"\nb = {c = 1}", ClassInterpCycle, `configs/x.toml:1: a: ${b} stands for a map (only a single value can be part of a text)`},
		{"unknown resolver", "a = \"${evn:X}\"", ClassInterpKind, `configs/x.toml:1: a: ${evn:X}: unknown resolver "evn" (did you mean "env"?)`},
		{"undeclared", "env = [\"B\"]\na = \"${env:A}\"", ClassEnvRefused, `configs/x.toml:2: a: ${env:A} is not declared (add "A" to the top-level list env)`},
		{"secret", "env = [\"HF_TOKEN\"]\na = \"${env:HF_TOKEN}\"", ClassEnvRefused, `configs/x.toml:2: a: ${env:HF_TOKEN} looks like a secret, and configs are stored (give secrets to the program by its environment)`},
		{"unset", "env = [\"UNSET\"]\na = \"${env:UNSET}\"", ClassInterpCycle, `configs/x.toml:2: a: the environment has no UNSET (set it, or give a default: ${env:UNSET,default})`},
		{"time", "a = \"${now:%Q}\"", ClassInterpCycle, `configs/x.toml:1: a: ${now:%Q}: unknown %Q in "%Q" (such as ${now:%Y-%m-%d})`},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg, err := source("-- x.toml --\n"+c.text+"\n").Compose(Primary{Name: "x"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			v, err := cfg.Resolve()
			if err == nil {
				t.Fatalf("no error, got %s", v.Text())
			}
			if err.Error() != c.want {
				t.Errorf("error\ngot  %s\nwant %s", err, c.want)
			}
			if got := ClassOf(err); got != c.class {
				t.Errorf("class %q, want %q", got, c.class)
			}
		})
	}
}

// TestDeclaredEverywhere checks that every file's and override's declarations
// count, although a list usually replaces another.
func TestDeclaredEverywhere(t *testing.T) {
	src := source("-- x.toml --\ndefaults = [\"y\"]\nenv = [\"A\"]\na = \"${env:A}${env:B}${env:C}\"\n-- y.toml --\nenv = [\"B\"]\n")
	c, err := src.Compose(Primary{Name: "x"}, parse(t, "+env=[C]"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	sameJSON(t, "resolved", got, []byte(`{"a":"value of Avalue of Bvalue of C"}`))
}

func TestSecretName(t *testing.T) {
	for name, want := range map[string]bool{
		"GITHUB_TOKEN": true, "PGPASSWORD": true, "AWS_SECRET_ACCESS_KEY": true, "APIKEY": true, "ssh_keys": true,
		"DATA": false, "KEYBOARD": false, "SLURM_JOB_ID": false, "USER": false,
	} {
		if got := secretName(name); got != want {
			t.Errorf("secretName(%q) = %v, want %v", name, got, want)
		}
	}
}

// TestStrftime compares with what Python 3.11 printed for the same time.
func TestStrftime(t *testing.T) {
	at := time.Date(2026, 1, 4, 0, 5, 9, 123456000, time.UTC)
	const format = "%Y %y %m %d %e %j|%H %I %M %S %p %f|%a %A %b %h %B|%u %w %V %G|%Z %z %s|%F %T %R %D|%%"
	const want = "2026 26 01 04  4 004|00 12 05 09 AM 123456|Sun Sunday Jan Jan January|7 0 01 2026|UTC +0000 1767485109|2026-01-04 00:05:09 00:05 01/04/26|%"
	if got, err := strftime(at, format); err != nil || got != want {
		t.Errorf("strftime = %q, %v, want %q", got, err, want)
	}
}

// FuzzExpr checks that no text crashes the parser or the resolver, and that a
// text without references stays what it was.
func FuzzExpr(f *testing.F) {
	for _, s := range []string{"${a}", "x${a.${b}}y", `\${a}`, `\\${a}`, "${env:A,'}'}", "${", "${a:${b}", "${..a[0]}", "${now:%Y}"} {
		f.Add(s)
	}
	root := newTable(Origin{})
	root.set("a", leafNode(override1, Origin{}))
	root.set("b", leafNode(override1, Origin{}))
	f.Fuzz(func(t *testing.T, s string) {
		e := parseExpr(s)
		if e.err != "" {
			return
		}
		n := &node{expr: e}
		if _, err := newResolver(&Source{}, nil, root).leaf(n, []string{"c"}); err != nil && ClassOf(err) == "" {
			t.Errorf("%q: error %v has no class", s, err)
		}
	})
}
