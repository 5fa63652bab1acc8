package sweep

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"orch/sweep/override"
)

// value reads a config from an override's table.
func value(t *testing.T, text string) override.Value {
	t.Helper()
	v, _, err := override.ParseValue(text)
	if err != nil {
		t.Fatalf("ParseValue(%q): %v", text, err)
	}
	return v
}

// The encoding is part of the tree's format: other programs may compute it.
func TestIdentityEncoding(t *testing.T) {
	config := override.MapValue(
		override.Field{Key: override.StringValue("training"), Val: value(t, "{lr:0.1,batch:32,opt:{}}")},
		override.Field{Key: override.StringValue("a.b=\\\n"), Val: override.QuotedValue("x\n\"é\"")},
		override.Field{Key: override.StringValue("list"), Val: value(t, "[1,1.0,{z:null,a:true}]")},
		override.Field{Key: override.StringValue("threads"), Val: override.IntValue(3)},
	)
	text := "orch run 1\n" +
		"a\\.b\\=\\\\\\x0a=\"x\\n\\\"é\\\"\"\n" +
		"list=[1,1.0,{\"a\":true,\"z\":null}]\n" +
		"training.batch=32\n" +
		"training.lr=0.1\n" +
		"training.opt={}\n"
	want := fmt.Sprintf("%x", sha256.Sum256([]byte(text)))[:24]
	if got := Identity(config, []string{"threads"}); got != want {
		t.Errorf("Identity = %s, want %s, the hash of\n%s", got, want, text)
	}
}

func TestIdentity(t *testing.T) {
	const base = "{model:{name:net2,layers:2},data:{dir:digits},seed:1,lr:1.0,threads:4}"
	tests := []struct {
		name  string
		other string
		same  bool
	}{
		{"order of keys", "{threads:4,lr:1.0,seed:1,data:{dir:digits},model:{layers:2,name:net2}}", true},
		{"quotes", "{model:{name:'net2',layers:2},data:{dir:\"digits\"},seed:1,lr:1.0,threads:4}", true},
		{"volatile", "{model:{name:net2,layers:2},data:{dir:digits},seed:1,lr:1.0,threads:8,walltime:2h}", true},
		{"value", "{model:{name:net2,layers:2},data:{dir:digits},seed:2,lr:1.0,threads:4}", false},
		{"type", "{model:{name:net2,layers:2},data:{dir:digits},seed:1,lr:1,threads:4}", false},
		{"relative folder", "{model:{name:net2,layers:2},data:{dir:mnist},seed:1,lr:1.0,threads:4}", false},
		{"one key more", "{model:{name:net2,layers:2},data:{dir:digits},seed:1,lr:1.0,threads:4,x:null}", false},
		{"a key in another table", "{model:{name:net2},layers:2,data:{dir:digits},seed:1,lr:1.0,threads:4}", false},
		{"threads elsewhere", "{model:{name:net2,layers:2,threads:1},data:{dir:digits},seed:1,lr:1.0,threads:4}", false},
	}
	want := Identity(value(t, base), Volatile)
	if len(want) != 24 || strings.Trim(want, "0123456789abcdef") != "" {
		t.Errorf("Identity = %q, want 24 hexadecimal digits", want)
	}
	for _, test := range tests {
		if got := Identity(value(t, test.other), Volatile) == want; got != test.same {
			t.Errorf("%s: same identity is %v, want %v", test.name, got, test.same)
		}
	}
	a, b := value(t, "{data:{dir:/scratch/a}}"), value(t, "{data:{dir:/home/b}}")
	if Identity(a, Volatile) != Identity(b, Volatile) {
		t.Error("an absolute data folder is part of the identity")
	}
}

func TestVolatileList(t *testing.T) {
	list := volatileList([]string{"log_level", "!threads", "!data.dir", "task.timeout"})
	s := newVolatileSet(list)
	for path, want := range map[string]bool{
		"log_level": true, "log_level.x": true, "threads": false, "task.timeout": true, "task.command": false, "launcher.mem": true,
	} {
		if got := s.coversKey(path); got != want {
			t.Errorf("%s is volatile: %v, want %v", path, got, want)
		}
	}
	if s.covers("data.dir", override.QuotedValue("/x")) {
		t.Error("data.dir is volatile although the config says it is not")
	}
}

// What the file looks like does not matter, nor which file says it.
func TestIdentityOfFiles(t *testing.T) {
	ids := func(req Request) string {
		var list []string
		for _, s := range specs(t, expand(t, req)) {
			list = append(list, s.ID)
		}
		return strings.Join(list, " ")
	}
	want := ids(file("defaults = [\"train\"]\nx = 1\ny = 2\n[sweep]\nseed = [1, 2]\n"))
	for name, req := range map[string]Request{
		"keys in another order":     file("y = 2\nx = 1\ndefaults = [\"train\"]\n[sweep]\nseed = [1, 2]\n"),
		"another name and question": file("name = \"other\"\ndefaults = [\"train\"]\nx = 1\ny = 2\n[study]\nquestion = \"?\"\n[sweep]\nseed = [1, 2]\n"),
		"another launcher":          file("defaults = [\"train\"]\nx = 1\ny = 2\n[sweep]\nseed = [1, 2]\n[launcher]\nname = \"slurm\"\n"),
		"from the command line":     named("train", "+x=1", "+y=2", "seed=1,2"),
		"variables declared":        file("env = [\"HOME\"]\ndefaults = [\"train\"]\nx = 1\ny = 2\n[sweep]\nseed = [1, 2]\n"),
		"computed":                  file("defaults = [\"train\"]\nx = 1\ny = 2\nz = 2\n[sweep]\nseed = [1, 2]\n", "~z", "y=${x}", "x=1", "y=2"),
		"more axes of one value":    file("defaults = [\"train\"]\nx = 0\n[sweep]\nx = 1\ny = [2]\nseed = [1, 2]\n"),
	} {
		if got := ids(req); got != want {
			t.Errorf("%s: IDs %s, want %s", name, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	tests := []struct {
		key   string
		group bool
		val   string
		want  string
	}{
		{"model", true, "net5", "net5"},
		{"training.lr", false, "0.01", "lr0.01"},
		{"seed", false, "3", "s3"},
		{"data.seed", false, "3", "s3"},
		{"xs.0", false, "3", "xs0" + "3"},
		{"x", false, "-0.5", "x-0.5"},
		{"path", false, "'../../etc/passwd'", "path.._.._etc_passwd"},
		{"x", false, "'a b\n#SBATCH'", "xa_b_SBATCH"},
		{"x", false, "'日本'", "x"},
		{"hidden", false, "[64,64]", "hidden64_64"},
		{"a_very_long_key_indeed", false, "abcdefghijklmnopqrstuvwxyz0123456789", "a_very_long_abcdefghijkl"},
	}
	for _, test := range tests {
		if got := labelPiece(test.key, test.group, value(t, test.val)); got != test.want {
			t.Errorf("labelPiece(%s, %s) = %q, want %q", test.key, test.val, got, test.want)
		}
	}
	for index, want := range map[int]string{0: "0000", 42: "0042", 9999: "9999", 12345: "12345"} {
		if got := string(appendIndex(nil, index)); got != want {
			t.Errorf("index %d is written %s, want %s", index, got, want)
		}
	}
}

// Whatever is swept, a name is a safe, short folder name.
func FuzzExpand(f *testing.F) {
	f.Add(depth, "model=net2,net5")
	f.Add(program, "c=interval(0,1)")
	f.Add("[[sweep]]\nx = \"linspace(0,1,3)\"\nsamples = 2\n[[sweep]]\nzip = [\"a\"]\n", "seed=1,2")
	f.Add("defaults = [\"train\"]\nl = \"${seed}\"\n[sweep]\n\"a.b\" = [{c = 1}, {c = \"${l}\"}]\nseeds = 2\n", "+experiment=e1,e2")
	f.Fuzz(func(t *testing.T, text, over string) {
		req := file(text, over)
		req.MaxRuns = 1000
		p, err := Expand(req)
		if err != nil {
			if err.Error() == "" {
				t.Error("an error without words")
			}
			return
		}
		names := map[string]bool{}
		for s, err := range p.Specs() {
			if err != nil {
				t.Fatal(err)
			}
			config(t, p, s)
			if names[s.Name] || len(s.Name) > 64 || safeText(s.Name[:min(len(s.Name), maxPiece)]) != s.Name[:min(len(s.Name), maxPiece)] {
				t.Errorf("name %q", s.Name)
			}
			names[s.Name] = true
		}
	})
}
