//go:build unix

package command

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"orch/sweep/override"
	"orch/sweep/results"
)

func TestMetrics(t *testing.T) {
	nan := math.NaN()
	tests := []struct {
		name    string
		jsonl   string
		final   string
		log     string
		config  string
		rows    []string
		results map[string]float64
		garbled string // "2 of the metrics (first: ...": part of the note on the log
	}{
		{name: "rows", jsonl: `{"step":5,"loss":0.3,"acc":0.9}` + "\n" + `{"name":"loss","value":0.2,"step":6}` + "\n",
			rows: []string{"5 acc 0.9", "5 loss 0.3", "6 loss 0.2"}, results: map[string]float64{"loss": 0.2, "acc": 0.9}},
		{name: "without a step", jsonl: `{"loss":0.3}` + "\n" + `{"name":"acc","value":1}`, results: map[string]float64{"loss": 0.3, "acc": 1}},
		{name: "null step", jsonl: `{"step":null,"loss":0.3}`, results: map[string]float64{"loss": 0.3}},
		{name: "float step", jsonl: `{"step":2.0,"loss":3}`, rows: []string{"2 loss 3"}, results: map[string]float64{"loss": 3}},
		{name: "nested rows", jsonl: `{"step":1,"val":{"loss":2,"top":{"k5":3}}}`, rows: []string{"1 val.loss 2", "1 val.top.k5 3"},
			results: map[string]float64{"val.loss": 2, "val.top.k5": 3}},
		{name: "words", jsonl: `{"step":1,"a":NaN,"b":Infinity,"c":-Infinity,"d":"nan","e":"-inf","f":nan,"NaN":1,"g":1e400}`,
			rows:    []string{"1 NaN 1", "1 a NaN", "1 b +Inf", "1 c -Inf", "1 d NaN", "1 e -Inf", "1 f NaN", "1 g +Inf"},
			results: map[string]float64{"a": nan, "b": math.Inf(1), "c": math.Inf(-1), "d": nan, "e": math.Inf(-1), "f": nan, "NaN": 1, "g": math.Inf(1)}},
		{name: "words in strings stay", jsonl: `{"step":1,"note":"it is NaN, \"Infinity\" is -Infinity","x":1}`, rows: []string{"1 x 1"}, results: map[string]float64{"x": 1}},
		{name: "other members", jsonl: `{"step":1,"phase":"train","ok":true,"none":null,"list":[1,2],"label":"3","x":1}`,
			rows: []string{"1 ok 1", "1 x 1"}, results: map[string]float64{"ok": 1, "x": 1}},
		{name: "no newline at the end", jsonl: `{"step":1,"x":1}` + "\n" + `{"step":2,"x":2}`, rows: []string{"1 x 1", "2 x 2"}, results: map[string]float64{"x": 2}},
		{name: "torn and garbled lines", jsonl: "\n{\"step\":1,\"x\":1}\r\nnonsense\n{\"step\":2,\"x\":2}\n[1]\n\x00\x01\n{}\nnull\n{\"step\":\"a\",\"x\":3}\n{\"step\":1.5,\"x\":3}\n{\"name\":\"x\",\"value\":\"y\"}\n{\"x\":1}{\"x\":2}\n{\"\":1}\n{\"step\":3,\"x\":3",
			rows: []string{"1 x 1", "2 x 2"}, results: map[string]float64{"x": 2}, garbled: "could not use 11 of the metrics (first: metrics.jsonl:3: "},
		{name: "final", final: "{\n\"loss\": 0.25, \"test\": {\"accuracy\": 0.9, \"f1\": NaN}, \"model\": \"resnet\"}", results: map[string]float64{"loss": 0.25, "test.accuracy": 0.9, "test.f1": nan}},
		{name: "final garbled", final: `{"loss": 0.25`, results: map[string]float64{}, garbled: "could not use 1 of the metrics (first: metrics.json: "},
		{name: "final no object", final: `[1]`, results: map[string]float64{}, garbled: "metrics.json"},
		{name: "log", log: "acc = 0.1\nloss 3\nacc = 0.9.\r50%\racc = 0.95 \nend", config: "[task.metrics]\ntest.acc = 'acc = ([0-9.]+)'\n'loss' = '^loss (?:x)?(?P<value>.*)$'",
			results: map[string]float64{"test.acc": 0.95, "loss": 3}},
		{name: "log says nan", log: "loss: nan\nlr: -1e-5", config: "[task.metrics]\nloss = 'loss: (\\S+)'\nlr = 'lr: (.*)'", results: map[string]float64{"loss": nan, "lr": -1e-5}},
		{name: "who wins", jsonl: `{"a":1,"b":1,"c":1}`, final: `{"b":2,"c":2}`, log: "c=3", config: "[task.metrics]\nc = 'c=(.)'", results: map[string]float64{"a": 1, "b": 2, "c": 3}},
		{name: "owed by pattern, given by row", jsonl: `{"a":1}`, config: "[task.metrics]\na = 'a=(.)'", results: map[string]float64{"a": 1}},
	}
	for _, tt := range tests {
		for _, pipe := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s pipe=%v", tt.name, pipe), func(t *testing.T) {
				t.Parallel()
				r := newTrial(t, sh(`cd $ORCH_RUN_DIR/given && cat log; for f in metrics.jsonl metrics.json; do if [ -s $f ]; then cp $f ..; fi; done`, tt.config))
				if pipe {
					r.piped()
				}
				given := filepath.Join(r.Dir, "given")
				if err := os.Mkdir(given, 0o700); err != nil {
					t.Fatal(err)
				}
				for name, text := range map[string]string{"log": tt.log, "metrics.jsonl": tt.jsonl, "metrics.json": tt.final} {
					if err := os.WriteFile(filepath.Join(given, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if err := r.train(t); err != nil {
					t.Fatalf("Train = %v; log:\n%s", err, r.out())
				}
				if !slices.Equal(r.rec.rows, tt.rows) {
					t.Errorf("rows = %q, want %q", r.rec.rows, tt.rows)
				}
				same := func(a, b float64) bool { return a == b || a != a && b != b }
				if !maps.EqualFunc(r.rec.results, tt.results, same) {
					t.Errorf("results = %v, want %v", r.rec.results, tt.results)
				}
				if note := strings.TrimPrefix(r.out(), tt.log); tt.garbled == "" && note != "" || !strings.Contains(note, tt.garbled) {
					t.Errorf("note on the log = %q, want %q in it", note, tt.garbled)
				}
			})
		}
	}
}

// Rows arrive while the program runs.
func TestMetricsAreLive(t *testing.T) {
	t.Parallel()
	r := newTrial(t, sh(`echo '{"step":1,"x":1}' >> $ORCH_METRICS; while [ ! -e $ORCH_RUN_DIR/seen ]; do sleep 0.01; done`))
	go func() {
		select {
		case <-r.rec.logged:
			os.WriteFile(filepath.Join(r.Dir, "seen"), nil, 0o600)
		case <-t.Context().Done():
		}
	}()
	if err := r.train(t); err != nil || !slices.Equal(r.rec.rows, []string{"1 x 1"}) {
		t.Errorf("Train = %v with rows %q", err, r.rec.rows)
	}
}

// What a program leaves instead of its files must not hang or fill the worker.
func TestHostileMetricFiles(t *testing.T) {
	tests := []struct{ name, script string }{
		{"named pipes", "mkfifo $ORCH_METRICS $ORCH_RUN_DIR/metrics.json"},
		{"folders", "mkdir $ORCH_METRICS $ORCH_RUN_DIR/metrics.json"},
		{"devices", "ln -s /dev/zero $ORCH_METRICS; ln -s /dev/zero $ORCH_RUN_DIR/metrics.json"},
		{"long line", "head -c 5000000 /dev/zero | tr '\\0' x > $ORCH_METRICS; echo >> $ORCH_METRICS; head -c 20000000 /dev/zero > $ORCH_RUN_DIR/metrics.json"},
		{"deep", "head -c 900000 /dev/zero | tr '\\0' '[' > $ORCH_METRICS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newTrial(t, sh(tt.script))
			if err := r.train(t); err != nil || !strings.Contains(r.out(), "orch: could not use") {
				t.Errorf("Train = %v; log: %.300q, want done and a note", err, r.out())
			}
		})
	}
	t.Run("too many names", func(t *testing.T) {
		g := &gathered{to: &recorder{}}
		for i := range maxMetrics {
			if err := g.row(fmt.Appendf(nil, `{"m%d":1}`, i)); err != nil {
				t.Fatal(err)
			}
		}
		if err := g.row([]byte(`{"m0":2}`)); err != nil || g.results["m0"] != 2 {
			t.Errorf("a known name = %v, want its new value", err)
		}
		if err := g.row([]byte(`{"more":1}`)); err == nil {
			t.Error("one name too many was taken")
		}
	})
}

func TestRestartedMetricsFile(t *testing.T) {
	dir := t.TempDir()
	rec := &recorder{}
	tl := &tailer{g: &gathered{to: rec, dir: dir}}
	write := func(s string) {
		if err := os.WriteFile(filepath.Join(dir, metricsFile), []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tl.poll() // not there yet
	write("{\"step\":1,\"x\":1}\n{\"step\":2,")
	tl.poll()
	write("{\"step\":1,\"x\":9}\n")
	tl.poll()
	tl.end()
	if want := []string{"1 x 1", "1 x 9"}; !slices.Equal(rec.rows, want) || tl.g.garbled != 0 {
		t.Errorf("rows = %q, %d garbled, want %q and none", rec.rows, tl.g.garbled, want)
	}
}

// Programs that write their whole file anew do so under another name, so that
// nobody sees half of it.
func TestReplacedMetricsFile(t *testing.T) {
	dir := t.TempDir()
	rec := &recorder{}
	tl := &tailer{g: &gathered{to: rec, dir: dir}}
	file := filepath.Join(dir, metricsFile)
	for _, text := range []string{`{"step":1,"x":1}`, `{"step":1,"x":1}` + "\n" + `{"step":2,"x":2}`} {
		if err := os.WriteFile(file+".tmp", []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(file+".tmp", file); err != nil {
			t.Fatal(err)
		}
		if !tl.poll() {
			t.Error("poll says that nothing is new")
		}
	}
	tl.end()
	if tl.g.results["x"] != 2 || tl.g.garbled != 0 {
		t.Errorf("x = %v, %d garbled, want 2 and none", tl.g.results["x"], tl.g.garbled)
	}
}

// The names that are kept fit a line of the journal: a longer one is damage.
func TestMetricsFitALine(t *testing.T) {
	g := &gathered{to: &recorder{}}
	var end results.Record
	for i := range maxMetrics {
		name := fmt.Sprintf("%05d%s", i, strings.Repeat("x", 190))
		if g.set(name, 1.0/float64(3*i+7)) == nil {
			end.Metrics = append(end.Metrics, results.Metric{Name: name, Value: 1.0 / float64(3*i+7)})
		}
	}
	if n := len(end.Metrics); n < 1000 || n*(195+28) > 1<<20-8<<10 {
		t.Errorf("%d names of 195 bytes are kept", n)
	}
}

func TestCheckpointLines(t *testing.T) {
	r := newTrial(t, sh(`cd $ORCH_RUN_DIR; echo a > ckpt/a; echo b > "b c"
		for c in ckpt/a "$PWD/b c" ./ckpt/../ckpt/a ckpt/none ../x /etc/passwd .; do echo '{"step":'$((i=i+1))',"checkpoint":"'$c'","x":1}'; done > rows
		mv rows $ORCH_METRICS # at once
		`))
	if err := r.train(t); err != nil {
		t.Fatal(err)
	}
	// Of many that are read at once the last is the one to resume from.
	if want := []string{"3 ckpt/a"}; !slices.Equal(r.rec.ckpts, want) || !strings.Contains(r.out(), "could not use 4 of") {
		t.Errorf("checkpoints = %q, want %q; log %q", r.rec.ckpts, want, r.out())
	}
}

// A run that resumes does not measure again what came before its checkpoint; an
// attempt that was killed leaves more on file than its worker had read.
func TestResumedCurve(t *testing.T) {
	const first = `{"step":0,"loss":9}
{"step":1,"loss":8,"acc":1}
{"kept":7}
{"step":2,"loss":7}
{"step":3,"loss":666}
torn{"step":4`
	tests := []struct {
		name    string
		files   map[string]string // by attempt: its metrics file
		now     string
		rows    []string
		results map[string]float64
	}{
		{"goes on at step 3", map[string]string{"a0": first}, `{"step":3,"loss":6}` + "\n" + `{"step":4,"loss":5}`,
			[]string{"0 loss 9", "1 loss 8", "2 loss 7", "3 loss 6", "4 loss 5", "1 acc 1"}, map[string]float64{"loss": 5, "acc": 1, "kept": 7}},
		{"starts over", map[string]string{"a0": first}, `{"step":0,"loss":4,"acc":3}`,
			[]string{"0 acc 3", "0 loss 4"}, map[string]float64{"loss": 4, "acc": 3, "kept": 7}},
		{"had nothing left to do", map[string]string{"a0": first}, "",
			[]string{"1 acc 1", "0 loss 9", "1 loss 8", "2 loss 7", "3 loss 666"}, map[string]float64{"loss": 666, "acc": 1, "kept": 7}},
		{"third attempt", map[string]string{"a0": first, "a1": `{"step":2,"loss":-2}` + "\n"}, `{"step":3,"loss":-3}`,
			[]string{"0 loss 9", "1 loss 8", "2 loss -2", "3 loss -3", "1 acc 1"}, map[string]float64{"loss": -3, "acc": 1, "kept": 7}},
		{"no file", nil, `{"step":3,"loss":6}`, []string{"3 loss 6"}, map[string]float64{"loss": 6}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			folder := t.TempDir()
			last := filepath.Join(folder, "a0")
			for name, text := range tt.files {
				if err := os.MkdirAll(filepath.Join(folder, name), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(folder, name, metricsFile), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
				last = max(last, filepath.Join(folder, name))
			}
			r := newTrial(t, "rows = ''\n[task]\nshell = true\ncommand = 'printf %s {rows} >$ORCH_METRICS'")
			r.Resume, r.Config = last, r.Config.Set("rows", override.QuotedValue(tt.now))
			if err := r.train(t); err != nil {
				t.Fatalf("Train = %v; log:\n%s", err, r.out())
			}
			if !slices.Equal(r.rec.rows, tt.rows) {
				t.Errorf("rows = %q, want %q", r.rec.rows, tt.rows)
			}
			if !maps.Equal(r.rec.results, tt.results) {
				t.Errorf("results = %v, want %v", r.rec.results, tt.results)
			}
		})
	}
}

func TestEarlierRowsAreBounded(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a0")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat(`{"step":1,"a":1,"b":2}`+"\n", maxEarlier/2+3)
	if err := os.WriteFile(filepath.Join(dir, metricsFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	e := measuredBefore(dir)
	if n := len(e.rows["a"]) + len(e.rows["b"]); n != maxEarlier || e.dropped != 6 || e.last["a"] != 1 {
		t.Errorf("%d points kept, %d dropped, last %v; want %d, 6, the last values", n, e.dropped, e.last, maxEarlier)
	}
	g := &gathered{to: &recorder{}, earlier: e}
	if g.inherit(); g.garbled != 1 || !strings.Contains(g.first, "6 rows of earlier attempts") {
		t.Errorf("noted %d problems, first %q, want one about 6 rows", g.garbled, g.first)
	}
}

func FuzzRow(f *testing.F) {
	for _, s := range []string{`{"step":1,"loss":NaN}`, `{"name":"x","value":-Infinity}`, `{"a":{"b":[1]}}`, `{"a":"\\\"NaN"}`, `{"checkpoint":"x"}`, "{", "NaN", `{"a":+inf}`, `{"a":"`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		g := &gathered{to: &recorder{}, dir: t.TempDir()}
		err := g.row(b)
		var plain map[string]any
		if json.Unmarshal(b, &plain) == nil && plain != nil {
			// What is JSON already must not be changed.
			if got := quoteWords(b); string(got) != string(b) {
				t.Errorf("quoteWords(%q) = %q, want it untouched", b, got)
			}
		}
		if err != nil {
			return
		}
		for name := range g.results {
			if name == "" || len(name) > maxName {
				t.Errorf("row(%q) gave the name %q", b, name)
			}
		}
	})
}

// The Python helper that users copy.
func TestPythonHelper(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("no python3 here")
	}
	helper, err := filepath.Abs("../../deploy")
	if err != nil {
		t.Fatal(err)
	}
	const script = `
import sys
import orch_metrics as om
assert sys.version_info < (3, 11) or om.config()["task"]["outputs"] == ["ckpt/model.txt"], om.config()
assert om.resume_dir() == __import__("os").environ["ORCH_RESUME"], om.resume_dir()
for step in range(3):
    om.log(step, loss=1/(step+1), acc=float(step))
om.log(3, loss=float("nan"), **{"val.acc": 0.5})
om.result(best=0.75)
with om.checkpoint(3, "model.txt") as path:
    open(path, "w").write("weights")
try:
    with om.checkpoint(4, "broken.txt") as path:
        open(path, "w").write("half")
        raise KeyError
except KeyError:
    pass
`
	file := filepath.Join(t.TempDir(), "train.py")
	writeProgram(t, file, script)
	r := newTrial(t, fmt.Sprintf("[task]\ncommand = [%q, %q]\noutputs = ['ckpt/model.txt']\n[task.env]\nPYTHONPATH = %q\nPYTHONDONTWRITEBYTECODE = '1'", python, file, helper))
	r.Resume = t.TempDir()
	if err := os.WriteFile(filepath.Join(r.Dir, results.ConfigFile), r.Config.AppendTOML(nil), 0o600); err != nil { // as a worker does
		t.Fatal(err)
	}
	if err := r.train(t); err != nil {
		t.Fatalf("Train = %v; log:\n%s", err, r.out())
	}
	if want := []string{"0 loss 1", "0 acc 0", "1 loss 0.5", "1 acc 1", "2 loss 0.3333333333333333", "2 acc 2", "3 loss NaN", "3 val.acc 0.5"}; !sameSet(r.rec.rows, want) {
		t.Errorf("rows = %q, want %q", r.rec.rows, want)
	}
	if r.rec.results["best"] != 0.75 || r.rec.results["val.acc"] != 0.5 {
		t.Errorf("results = %v", r.rec.results)
	}
	if want := []string{"3 ckpt/model.txt"}; !slices.Equal(r.rec.ckpts, want) || r.out() != "" {
		t.Errorf("checkpoints = %q, want %q; log %q", r.rec.ckpts, want, r.out())
	}
	if _, err := os.Stat(filepath.Join(r.Dir, results.CheckpointsDir, "broken.txt")); err == nil {
		t.Error("a checkpoint whose writing failed looks complete")
	}
	// Outside a run the same script works and writes nothing.
	cmd := exec.Command(python, "-c", "import orch_metrics as om; om.log(1, x=2); assert om.resume_dir() is None and om.config() == {}\nwith om.checkpoint(1, 'm') as p: open(p, 'w').write('x')")
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "PYTHONPATH="+helper, "PYTHONDONTWRITEBYTECODE=1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("outside a run: %v\n%s", err, out)
	}
	if names, _ := os.ReadDir(cmd.Dir); len(names) != 1 || names[0].Name() != "m" {
		t.Errorf("outside a run it left %v, want m", names)
	}
}

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
