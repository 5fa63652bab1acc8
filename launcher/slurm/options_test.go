package slurm

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"orch/launcher"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestOptions(t *testing.T) {
	for _, x := range []struct {
		key  string
		bad  any
		want string // part of the problem
	}{
		{"partition", 3, "want a string"},
		{"partition", "a b", "no name"},
		{"partition", "-x", "no name"},
		{"account", "a\n#SBATCH --hold", "no name"},
		{"constraint", "a;b", "no name"},
		{"mem_as", "gpu", `want "node"`},
		{"mem_as", 1, `want "node"`},
		{"mem_as", "cpu", ""},
		{"extra", []any{"--mem-per-cpu=1G"}, "launcher.mem_as"},
		{"exclude", []any{"n1", 2}, "list of strings"},
		{"nodelist", []any{"n1", "--hold"}, ""},
		{"nodelist", []any{"--hold"}, "no name"},
		{"setup", 3, "list of strings"},
		{"setup", []any{"a\x00b"}, "NUL"},
		{"wrap", "apptainer", "list of strings"},
		{"env", []any{"A B"}, "variable's name"},
		{"env", []any{"*"}, "variable's name"},
		{"env", []any{"SBATCH_*"}, "Slurm's commands"},
		{"env", []any{"SLURM_CLUSTERS"}, "Slurm's commands"},
		{"extra", []any{"-p x"}, "--name=value"},
		{"extra", []any{"--mail-type END"}, "--name=value"},
		{"extra", []any{"--partition=x"}, "launcher.partition"},
		{"extra", []any{"--part=x"}, "launcher.partition"},
		{"extra", []any{"--mem-per-cpu=1"}, "launcher.mem"},
		{"extra", []any{"--requeue"}, "orch sets itself"},
		{"extra", []any{"--wrap=id"}, "orch sets itself"},
		{"extra", []any{"--mail-user=a\nb"}, "one line"},
		{"comment", "a\nb", "one line"},
		{"max_workers", -1, "at least 0"},
		{"max_workers", "many", "at least 0"},
		{"throttle", 1.5, "at least 0"},
		{"warn", "soon", "want a time"},
		{"warn", "30h", "18h"},
		{"bin", "bin", "absolute"},
	} {
		errs := Backend.Check(map[string]any{x.key: x.bad})
		switch {
		case x.want == "": // names n1,--hold as one: Slurm refuses it, no option
			if len(errs) > 0 {
				t.Errorf("%s = %q: %v", x.key, x.bad, errs)
			}
		case len(errs) != 1 || !strings.Contains(errs[0].Error(), x.want) || !strings.HasPrefix(errs[0].Error(), "launcher."+x.key+": "):
			t.Errorf("%s = %q: got %v, want one problem with %q", x.key, x.bad, errs, x.want)
		}
	}
	good := map[string]any{"partition": "gpu,cpu", "constraint": "a100&(fast|slow)", "exclude": []any{"n[1-3]", "n7"}, "setup": "module load x",
		"extra": []any{"--mail-type=END", "--exclusive", "--time-min=10"}, "env": []any{"FOO_*", "BAR"}, "warn": "90s", "max_workers": 3}
	o, errs := parseOptions(good)
	if len(errs) > 0 || o.Exclude != "n[1-3],n7" || !slices.Equal(o.Setup, []string{"module load x"}) || o.Warn != 90*time.Second || o.MaxWorkers != 3 {
		t.Errorf("got %+v, %v", o, errs)
	}
	for _, c := range []string{"[rack1|rack2]", "(a|b)&c", "[(knl&hemi)*2|fast*4]"} { // sbatch(1), --constraint
		if o, errs := parseOptions(map[string]any{"constraint": c}); len(errs) > 0 || o.Constraint != c {
			t.Errorf("constraint %q: got %q, %v", c, o.Constraint, errs)
		}
	}
	// A key that is not ours is named with the nearest.
	_, errs = launcher.Registry{Backend}.ParseSpec(map[string]any{"backend": "slurm", "partitoin": "x"})
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), `did you mean "partition"?`) {
		t.Errorf("got %v, want a hint at partition", errs)
	}
}

// Memory is asked for as the cluster wants it: for a node, for each CPU, not at all.
func TestMemAs(t *testing.T) {
	for _, x := range []struct {
		as    string
		res   launcher.Resources
		want  string
		never []string
	}{
		{"", launcher.Resources{MemMiB: 1000, CPUs: 3}, "--mem=1000M", []string{"--mem-per"}},
		{"node", launcher.Resources{MemMiB: 1000, CPUs: 3}, "--mem=1000M", []string{"--mem-per"}},
		{"cpu", launcher.Resources{MemMiB: 1000, CPUs: 3}, "--mem-per-cpu=334M", []string{"--mem="}},
		{"cpu", launcher.Resources{MemMiB: 1000}, "--mem-per-cpu=1000M", []string{"--mem="}},
		{"cpu", launcher.Resources{MemMiB: 1000, CPUs: 2, Nodes: 2, Tasks: 4}, "--mem-per-cpu=250M", []string{"--mem="}},
		{"cpu", launcher.Resources{CPUs: 3}, "", []string{"--mem"}},
		{"none", launcher.Resources{MemMiB: 1000, CPUs: 3}, "", []string{"--mem"}},
	} {
		x.res.Time = time.Hour
		args := (Options{MemAs: x.as}).sbatchArgs(launcher.Request{Key: "k", Workers: 1, LogDir: "/l", Resources: x.res}, true)
		if x.want != "" && !slices.Contains(args, x.want) {
			t.Errorf("mem_as %q of %+v: %q, want %s among it", x.as, x.res, args, x.want)
		}
		for _, n := range x.never {
			if slices.ContainsFunc(args, func(a string) bool { return strings.HasPrefix(a, n) }) {
				t.Errorf("mem_as %q of %+v: %q, want no %s", x.as, x.res, args, n)
			}
		}
	}
}

// The script and the command, as --dry-run shows them. -update rewrites.
func TestPreview(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "sbatch"), []byte("#!/bin/sh\nexit 1\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	s, err := Open(Options{Bin: bin, Partition: "gpu", Account: "proj", Exclude: "n[1-3]", GPUType: "a100", Gres: "shard:1", Throttle: 8,
		Setup: []string{"module load cuda", "source ~/venv/bin/activate"}, Wrap: []string{"apptainer", "exec", "it's.sif"}, Extra: []string{"--mail-type=END"}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := s.Preview(launcher.Request{Key: "orch-depth-1", Workers: 12, Argv: []string{"/r/bin/orch-1f", "worker", "--sweep=it's #1"},
		Dir: "/r/depth", LogDir: "/r/depth/subs/1", Resources: launcher.Resources{CPUs: 4, MemMiB: 8192, GPUs: 1, Time: 90 * time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	text = strings.Replace(text, bin, "/usr/bin", 1)
	golden := filepath.Join("testdata", "preview.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
}

// Nodes are avoided by the names under which Jobs lists workers: those of a worker
// on several nodes are Slurm's short form.
func TestAvoidAsListed(t *testing.T) {
	req := launcher.Request{Key: "k", Workers: 1, Argv: []string{"/orch"}, Dir: "/d", LogDir: "/l",
		Resources: launcher.Resources{CPUs: 1, MemMiB: 1, Time: time.Hour}}
	ws, _ := parseQueue("7|0|NODE_FAIL|0|n[1-2,5]|None|k|\n")
	if len(ws) != 1 {
		t.Fatalf("parseQueue = %v, want one worker", ws)
	}
	s := &Slurm{}
	req.Avoid = []string{ws[0].Host, "gpu-01.site"}
	if err := s.check(req); err != nil {
		t.Errorf("avoiding %q: %v", req.Avoid, err)
	}
	for _, bad := range []string{"", "-n1", "n1 --hold", "n1\n#SBATCH", "$(x)"} {
		if req.Avoid = []string{bad}; !launcher.IsRefused(s.check(req)) {
			t.Errorf("avoiding %q is not refused", bad)
		}
	}
}

// A worker calls its job as Submit does, or it could not be told which cluster's.
func TestWorkerKnowsTheCluster(t *testing.T) {
	o := Options{Cluster: "big"}
	files := o.files(launcher.Request{Key: "k", Argv: []string{"/orch"}, Dir: "/d", LogDir: "/l"})
	if want := `ORCH_JOB_ID="${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID};big" `; !strings.Contains(files["k.sh"], want) {
		t.Errorf("the script has no %s:\n%s", want, files["k.sh"])
	}
}

func TestSlurmTime(t *testing.T) {
	for d, want := range map[time.Duration]string{time.Second: "1", time.Minute: "1", 61 * time.Second: "2", 24 * time.Hour: "1440"} {
		if got := slurmTime(d); got != want {
			t.Errorf("slurmTime(%v) = %s, want %s", d, got, want)
		}
	}
	for _, x := range []struct {
		warn, limit time.Duration
		want        int
	}{{0, time.Hour, 120}, {0, time.Minute, 15}, {5 * time.Minute, time.Hour, 300}, {time.Hour, time.Hour, 900}, {0, time.Second, 1}} {
		if got := warnSeconds(x.warn, x.limit); got != x.want {
			t.Errorf("warnSeconds(%v, %v) = %d, want %d", x.warn, x.limit, got, x.want)
		}
	}
}

func TestNoSlurmHere(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if _, err := Open(Options{}); err == nil || !strings.Contains(err.Error(), "launcher.bin") {
		t.Errorf("got %v, want advice", err)
	}
}
