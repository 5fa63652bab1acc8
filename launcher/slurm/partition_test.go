package slurm

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"orch/launcher"
)

// What sinfo prints for `-o "%R|%P|%a|%l|%c|%m|%D|%G"` (22.05, and a cluster
// with typed GPUs, several kinds of node and a partition that is down).
const sinfoText = `main|main*|up|infinite|2|4000|2|gpu:2
short|short|up|5:00|2|4000|2|gpu:2
gpu|gpu|up|1-12:00:00|64|515000|4|gpu:a100:4(S:0-1),gpu:v100:2(S:0),shard:16
gpu|gpu|up|1-12:00:00|32|256000|3|gpu:v100:8(S:0-1)
old|old|down|n/a|8+|16000+|1|(null)
a line of tomorrow
`

func TestParsePartitions(t *testing.T) {
	ps, bad := parsePartitions(sinfoText)
	if len(ps) != 4 || bad != 1 {
		t.Fatalf("parsePartitions = %d partitions, %d bad lines, want 4 and 1", len(ps), bad)
	}
	main, short, gpu, old := ps[0], ps[1], ps[2], ps[3]
	switch {
	case !main.Default || main.MaxTime != 0 || main.Nodes[0].CPUs != 2 || main.Nodes[0].gpus("") != 2:
		t.Errorf("main = %+v", main)
	case short.Default || short.MaxTime != 5*time.Minute:
		t.Errorf("short = %+v, want 5 minutes and no default", short)
	case gpu.MaxTime != 36*time.Hour || len(gpu.Nodes) != 2 || gpu.Nodes[0].gpus("a100") != 4 || gpu.Nodes[0].gpus("") != 6 || gpu.Nodes[1].gpus("a100") != 0:
		t.Errorf("gpu = %+v", gpu)
	case !old.Down || old.MaxTime != 0 || old.Nodes[0].CPUs != 8 || old.Nodes[0].gpus("") != 0:
		t.Errorf("old = %+v", old)
	}
}

func TestParseGres(t *testing.T) {
	for text, want := range map[string]map[string]int{
		"(null)":                               nil,
		"shard:4":                              nil,
		"gpu:2":                                {"": 2},
		"gpu:2(S:0,1)":                         {"": 2},
		"craynetwork:4,gpu:a100:4(S:0-1)":      {"a100": 4},
		"gpu:(null):8(S:0-1)":                  {"": 8},
		"gpu:1g.5gb:7(S:0),gpu:3g.20gb:2(S:1)": {"1g.5gb": 7, "3g.20gb": 2}, // slices of a card
		"gpu:a100-sxm4-80gb:4,gpu:4":           {"a100-sxm4-80gb": 4, "": 4},
	} {
		if got := parseGres(text); !maps.Equal(got, want) {
			t.Errorf("parseGres(%q) = %v, want %v", text, got, want)
		}
	}
}

// A cluster that is named has its own partitions: it is that one which is asked,
// and what it says is remembered apart.
func TestPartitionsOfNamedCluster(t *testing.T) {
	bin, state := t.TempDir(), filepath.Join(t.TempDir(), "backends", "slurm")
	if err := os.MkdirAll(state, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"sbatch": "exit 1",
		"sinfo":  `case " $* " in *" --clusters=big "*) n=far;; *) n=near;; esac; echo "$n|$n*|up|1:00:00|2|4000|2|(null)"`,
	} {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for cluster, want := range map[string]string{"": "near", "big": "far"} {
		if _, ok := RememberedPartitions(state, cluster); ok {
			t.Errorf("cluster %q is remembered before it was asked", cluster)
		}
		s, err := Open(Options{Bin: bin, StateDir: state, Cluster: cluster})
		if err != nil {
			t.Fatal(err)
		}
		ps, err := s.Partitions(t.Context())
		if err != nil || len(ps) != 1 || ps[0].Name != want {
			t.Errorf("cluster %q has %+v, %v, want %s", cluster, ps, err, want)
		}
	}
	for cluster, want := range map[string]string{"": "near", "big": "far"} {
		if ps, ok := RememberedPartitions(state, cluster); !ok || len(ps) != 1 || ps[0].Name != want {
			t.Errorf("of cluster %q %+v is remembered, want %s", cluster, ps, want)
		}
	}
}

func TestJudge(t *testing.T) {
	ps, _ := parsePartitions(sinfoText)
	part := func(name string) map[string]any { return map[string]any{"partition": name} }
	for _, c := range []struct {
		name string
		spec launcher.Spec
		key  string // to blame; "": it fits
		says string
	}{
		{"fits the default", launcher.Spec{CPUs: 2, MemMiB: 4000, GPUs: 2, Time: 1000 * time.Hour}, "", ""},
		{"no time limit asked for", launcher.Spec{CPUs: 1, Options: part("short")}, "", ""},
		{"too long", launcher.Spec{CPUs: 1, Time: time.Hour, Options: part("short")}, "launcher.time", `launcher.time=5m (a run that is cut off goes on in the next worker), or choose launcher.partition = "main"`},
		{"too long, and nothing else has the GPUs", launcher.Spec{CPUs: 1, GPUs: 5, Time: 48 * time.Hour, Options: part("gpu")}, "launcher.time", "launcher.time=1d12h (a run that is cut off goes on in the next worker)"},
		{"too much memory", launcher.Spec{CPUs: 1, MemMiB: 4001}, "launcher.mem", "at most 4000M"},
		{"too many CPUs", launcher.Spec{CPUs: 3}, "launcher.cpus", "at most 2"},
		{"tasks share the nodes", launcher.Spec{CPUs: 1, Nodes: 2, Tasks: 4}, "", ""},
		{"tasks that do not", launcher.Spec{CPUs: 1, Nodes: 2, Tasks: 5}, "launcher.cpus", "is 3"},
		{"too many GPUs of a type", launcher.Spec{CPUs: 1, GPUs: 5, Options: map[string]any{"partition": "gpu", "gpu_type": "a100"}}, "launcher.gpus", "at most 4 GPUs of type a100"},
		{"untyped GPUs have any type", launcher.Spec{CPUs: 1, GPUs: 2, Options: map[string]any{"gpu_type": "a100"}}, "", ""},
		{"each fits, but not together", launcher.Spec{CPUs: 64, GPUs: 8, Options: part("gpu")}, "launcher.mem", "together"},
		{"one of two partitions will do", launcher.Spec{CPUs: 1, Time: time.Hour, Options: part("short,gpu")}, "", ""},
		{"no such partition", launcher.Spec{CPUs: 1, Options: part("shrt")}, "launcher.partition", `it has main, short, gpu, old (did you mean "short"?)`},
		{"no run would ever begin", launcher.Spec{CPUs: 1, Time: time.Hour, RunTime: 2 * time.Hour}, "launcher.run_time", "longer than a worker lives"},
	} {
		err := Judge(ps, c.spec)
		var key *launcher.KeyError
		switch {
		case c.key == "" && err != nil:
			t.Errorf("%s: Judge = %v, want nil", c.name, err)
		case c.key != "" && (!errors.As(err, &key) || key.Key != c.key || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%s: Judge = %v, want a complaint about %s that says %q", c.name, err, c.key, c.says)
		}
	}
	for name, options := range map[string]map[string]any{"a QOS": {"partition": "short", "qos": "long"}, "a reservation": {"partition": "short", "reservation": "course"}} {
		spec := launcher.Spec{CPUs: 1, Time: time.Hour, Options: options}
		if err := Judge(ps, spec); err != nil {
			t.Errorf("%s may overrule the partition: Judge = %v, want nil", name, err)
		}
		if got := Doubt(ps, spec); !strings.Contains(got, "partition short ends jobs after 5m") {
			t.Errorf("%s may not: Doubt = %q, want it to say so", name, got)
		}
		if spec.Time = time.Minute; Doubt(ps, spec) != "" {
			t.Errorf("%s: Doubt = %q of a short time", name, Doubt(ps, spec))
		}
		if spec.CPUs = 3; Judge(ps, spec) == nil {
			t.Errorf("%s: more CPUs than a node has pass", name)
		}
	}
	unset, _ := parsePartitions("all|all*|up|infinite|2|1|2|(null)\nbig|big|up|infinite|2|4000|2|(null)\n")
	if err := Judge(unset, launcher.Spec{CPUs: 1, MemMiB: 2048}); err != nil {
		t.Errorf("Judge of nodes whose memory is not configured = %v, want nil", err)
	}
	for partition, want := range map[string]bool{"": true, "all": true, "big": false, "all,big": false, "nosuch": false} {
		if got := (Options{Partition: partition}).memUnset(unset); got != want {
			t.Errorf("memUnset of partition %q = %v, want %v", partition, got, want)
		}
	}
	if err := Judge(nil, launcher.Spec{CPUs: 1000, Time: time.Hour, Options: part("x")}); err != nil {
		t.Errorf("Judge without knowledge = %v, want nil", err)
	}
}

// Whatever sinfo prints, nothing panics.
func FuzzParsePartitions(f *testing.F) {
	f.Add(sinfoText)
	f.Add("a|a*|up|1-|x|y|-1|gpu:99999999999999999999")
	f.Fuzz(func(t *testing.T, text string) {
		ps, _ := parsePartitions(text)
		for _, p := range ps {
			Judge(ps, launcher.Spec{CPUs: 1, GPUs: 1, Time: time.Hour, Options: map[string]any{"partition": p.Name}})
		}
	})
}
