package pool

import (
	"slices"
	"strings"
	"testing"

	"orch/launcher"
)

func TestFit(t *testing.T) {
	big := machine{cores: 16, memMiB: 32 << 10, devices: []string{"0", "1", "2"}}
	for _, c := range []struct {
		name   string
		m      machine
		nJobs  int
		share  int
		r      launcher.Resources
		want   int
		wantOK bool
	}{
		{"all cores", big, -1, 1, launcher.Resources{CPUs: 1}, 16, true},
		{"all but one", big, -2, 1, launcher.Resources{CPUs: 1}, 15, true},
		{"all but more than there are", big, -40, 1, launcher.Resources{CPUs: 1}, 1, true},
		{"a number", big, 3, 1, launcher.Resources{CPUs: 1}, 3, true},
		{"more than there are, as asked", big, 40, 1, launcher.Resources{CPUs: 1}, 40, true},
		{"no CPUs named", big, -1, 1, launcher.Resources{}, 16, true},
		{"threads", big, -1, 1, launcher.Resources{CPUs: 4}, 4, true},
		{"threads and a core left free", big, -2, 1, launcher.Resources{CPUs: 4}, 3, true},
		{"threads that fit the number", big, 3, 1, launcher.Resources{CPUs: 4}, 3, true},
		{"threads that do not", big, 8, 1, launcher.Resources{CPUs: 4}, 4, true},
		{"more threads than cores", big, -1, 1, launcher.Resources{CPUs: 99}, 1, true},
		{"memory", big, -1, 1, launcher.Resources{CPUs: 1, MemMiB: 10 << 10}, 3, true},
		{"all memory", big, -1, 1, launcher.Resources{CPUs: 1, MemMiB: 32 << 10}, 1, true},
		{"too much memory", big, -1, 1, launcher.Resources{CPUs: 1, MemMiB: 33 << 10}, 0, false},
		{"memory unknown", machine{cores: 2}, -1, 1, launcher.Resources{CPUs: 1, MemMiB: 1 << 20}, 2, true},
		{"a GPU each", big, -1, 1, launcher.Resources{CPUs: 1, GPUs: 1}, 3, true},
		{"a GPU for two", big, -1, 2, launcher.Resources{CPUs: 1, GPUs: 1}, 6, true},
		{"two GPUs each", big, -1, 1, launcher.Resources{CPUs: 1, GPUs: 2}, 1, true},
		{"two GPUs each, shared", big, -1, 2, launcher.Resources{CPUs: 1, GPUs: 2}, 3, true},
		{"too many GPUs", big, -1, 9, launcher.Resources{CPUs: 1, GPUs: 4}, 0, false},
		{"two nodes", big, -1, 1, launcher.Resources{CPUs: 1, Nodes: 2}, 0, false},
		{"one node", big, -1, 1, launcher.Resources{CPUs: 1, Nodes: 1, Tasks: 1}, 16, true},
		{"two tasks", big, -1, 1, launcher.Resources{CPUs: 1, Tasks: 2}, 0, false},
	} {
		if got, ok := c.m.fit(c.nJobs, c.share, c.r); got != c.want || ok != c.wantOK {
			t.Errorf("%s: fit(%d, %d, %+v) = %d, %t; want %d, %t", c.name, c.nJobs, c.share, c.r, got, ok, c.want, c.wantOK)
		}
	}
}

// What fit promises, takeGPUs keeps: so many workers find different GPUs with
// room for them, whatever the numbers.
func TestTakeGPUs(t *testing.T) {
	names := []string{"a", "b", "c", "d", "e"}
	for devices := 1; devices <= 5; devices++ {
		for share := 1; share <= 4; share++ {
			for each := 1; each <= devices; each++ {
				m := machine{cores: 1000, devices: names[:devices]}
				p := &Pool{machine: m, opt: Options{GPUsShare: share}, jobs: map[string]*job{}}
				r := launcher.Resources{CPUs: 1, GPUs: each}
				n, _ := m.fit(1000, share, r)
				got, err := p.takeGPUs(launcher.Request{Workers: n, Resources: r}, nil)
				if err != nil {
					t.Errorf("%d GPUs, %d share one, %d each: fit says %d, takeGPUs %v", devices, share, each, n, err)
					continue
				}
				used := map[string]int{}
				for _, g := range got {
					if len(g) != each || len(slices.Compact(slices.Sorted(slices.Values(g)))) != each {
						t.Errorf("got %q, want %d different ones", g, each)
					}
					for _, d := range g {
						used[d]++
					}
				}
				for d, k := range used {
					if k > share {
						t.Errorf("%d workers on GPU %s, want at most %d", k, d, share)
					}
				}
				if _, err := p.takeGPUs(launcher.Request{Workers: n + 1, Resources: r}, nil); err == nil {
					t.Errorf("%d GPUs, %d share one, %d each: room for %d, fit says %d", devices, share, each, n+1, n)
				}
			}
		}
	}
}

func TestVisibleDevices(t *testing.T) {
	for value, want := range map[string][]string{
		"": nil, "0": {"0"}, "3,1": {"3", "1"}, "GPU-8f, MIG-1": {"GPU-8f", "MIG-1"}, "0,-1,2": {"0"}, "-1": nil, "NoDevFiles": nil, "void": nil,
	} {
		t.Setenv("CUDA_VISIBLE_DEVICES", value)
		if got := visibleDevices(); !slices.Equal(got, want) {
			t.Errorf("CUDA_VISIBLE_DEVICES=%q: got %q, want %q", value, got, want)
		}
	}
}

func TestEnvironment(t *testing.T) {
	base := []string{"A=base", "B=base", "OMP_NUM_THREADS=9", "ORCH_JOB_KEY=outer", "ORCH_WORKER_INDEX=7", "ORCH_JOB_ID=12", "ORCH_NODE=n1", "ORCH_JOB_SPENT=60", "PWD=/elsewhere", "E="}
	req := launcher.Request{Key: "inner", Dir: "/work", Env: []string{"B=request", "MKL_NUM_THREADS=5", "F=a=b"}, Resources: launcher.Resources{CPUs: 3}}
	got := map[string]string{}
	for _, kv := range environment(base, req, 2, "nonce", []string{"1", "0"}) {
		name, value, _ := strings.Cut(kv, "=")
		if _, twice := got[name]; twice {
			t.Errorf("%s is there twice", name)
		}
		got[name] = value
	}
	want := map[string]string{"A": "base", "B": "request", "E": "", "F": "a=b", "OMP_NUM_THREADS": "9", "MKL_NUM_THREADS": "5",
		"GOMAXPROCS": "3", "OPENBLAS_NUM_THREADS": "3", "NUMEXPR_NUM_THREADS": "3", "VECLIB_MAXIMUM_THREADS": "3",
		"CUDA_VISIBLE_DEVICES": "1,0", "ORCH_JOB_KEY": "inner", "ORCH_WORKER_INDEX": "2", "ORCH_POOL_JOB": "nonce", "PWD": "/work"}
	for name, v := range want {
		if g, ok := got[name]; g != v || !ok {
			t.Errorf("%s: got %q (there: %t), want %q", name, g, ok, v)
		}
	}
	if len(got) != len(want) {
		t.Errorf("got %d variables %v, want %d", len(got), got, len(want))
	}
	for _, kv := range environment(nil, req, 0, "nonce", nil) {
		if strings.HasPrefix(kv, "CUDA_VISIBLE_DEVICES=") {
			t.Errorf("got %s for a worker whose GPUs nobody manages", kv)
		}
	}
}

func TestOptions(t *testing.T) {
	for _, c := range []struct {
		name    string
		options map[string]any
		wantErr string
	}{
		{"none", nil, ""},
		{"all cores", map[string]any{"n_jobs": int64(-1)}, ""},
		{"all", map[string]any{"n_jobs": 4, "grace": "10s", "devices": []any{"0", "GPU-1"}}, ""},
		{"zero", map[string]any{"n_jobs": int64(0)}, "launcher.n_jobs: is 0"},
		{"text", map[string]any{"n_jobs": "4"}, "launcher.n_jobs: is 4, want a whole number"},
		{"half", map[string]any{"n_jobs": 1.5}, "launcher.n_jobs: is 1.5, want a whole number"},
		{"grace", map[string]any{"grace": "soon"}, `launcher.grace: is "soon", want a time`},
		{"devices", map[string]any{"devices": "0"}, "launcher.devices: is 0, want a list"},
		{"devices by number", map[string]any{"devices": []any{int64(0)}}, "launcher.devices: is [0], want a list"},
	} {
		errs := Backend.Check(c.options)
		switch {
		case c.wantErr == "" && len(errs) > 0:
			t.Errorf("%s: got %v, want no error", c.name, errs)
		case c.wantErr != "" && (len(errs) != 1 || !strings.HasPrefix(errs[0].Error(), c.wantErr)):
			t.Errorf("%s: got %v, want %s...", c.name, errs, c.wantErr)
		}
	}
}

// Detaching without a memory would lose the workers.
func TestDetachNeedsState(t *testing.T) {
	if _, err := Open(Options{Detach: true}); err == nil {
		t.Error("Open(Detach, no StateDir) = nil, want an error")
	}
}
