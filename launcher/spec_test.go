package launcher

import (
	"context"
	"errors"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// testRegistry has one backend that knows a key and dislikes zero.
var testRegistry = Registry{
	{Name: "slurm", Keys: []string{"partition", "account"}},
	{Name: "pool", Keys: []string{"n_jobs"}, Check: func(o map[string]any) []error {
		if n, _ := Int(o["n_jobs"]); o["n_jobs"] != nil && n == 0 {
			return []error{BadKey("n_jobs", "is 0")}
		}
		return nil
	}, Open: func(_ context.Context, s Setup) (Launcher, error) {
		return nil, errors.New("no " + s.Spec.Backend + " here")
	}},
}

func TestParseSpec(t *testing.T) {
	got, errs := testRegistry.ParseSpec(map[string]any{
		"name": "slurmgpu", "backend": "slurm", "threads": int64(2), "parallel": int64(3), "mem": "2G", "gpus": int64(1),
		"gpus_share": int64(2), "time": "1-12:00:00", "run_time": int64(90), "timeout": "2h", "stall": "10m",
		"workers": int64(8), "runs_per_worker": int64(100), "nodes": int64(1), "tasks": int64(1),
		"partition": "short",
	})
	want := Spec{
		Name: "slurmgpu", Backend: "slurm", Threads: 2, Parallel: 3, CPUs: 6, MemMiB: 2048, GPUs: 1, GPUsShare: 2,
		Time: 36 * time.Hour, RunTime: 90 * time.Second, Timeout: 2 * time.Hour, Stall: 10 * time.Minute,
		Workers: 8, RunsPerWorker: 100, Nodes: 1, Tasks: 1, Options: map[string]any{"partition": "short"},
	}
	if len(errs) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, errs, want)
	}
	if r, want := got.Resources(), (Resources{CPUs: 6, MemMiB: 2048, GPUs: 1, Nodes: 1, Tasks: 1, Time: 36 * time.Hour}); r != want {
		t.Errorf("Resources() = %+v, want %+v", r, want)
	}
}

func TestParseSpecDefaults(t *testing.T) {
	got, errs := testRegistry.ParseSpec(map[string]any{"backend": "pool", "workers": "auto"})
	want := Spec{Backend: "pool", Threads: 1, Parallel: 1, CPUs: 1, GPUsShare: 1, Options: map[string]any{}}
	if len(errs) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, errs, want)
	}
}

func TestParseSpecErrors(t *testing.T) {
	for _, c := range []struct {
		name  string
		table map[string]any
		want  []string
	}{
		{"typo of a common key", map[string]any{"backend": "pool", "thread": int64(1)},
			[]string{`launcher.thread: unknown key for backend "pool" (did you mean "threads"?)`}},
		{"typo of a backend's key", map[string]any{"backend": "pool", "n-job": int64(1)},
			[]string{`launcher.n-job: unknown key for backend "pool" (did you mean "n_jobs"?)`}},
		{"key of another backend", map[string]any{"backend": "pool", "partition": "x"},
			[]string{`launcher.partition: unknown key for backend "pool"`}},
		{"value the backend dislikes", map[string]any{"backend": "pool", "n_jobs": int64(0)}, []string{"launcher.n_jobs: is 0"}},
		{"unknown backend", map[string]any{"backend": "slrm"},
			[]string{`launcher.backend: no backend "slrm": there are pool, slurm (did you mean "slurm"?)`}},
		{"no backend", map[string]any{}, []string{"launcher.backend: is missing: set it to one of pool, slurm"}},
		{"backend of a wrong type", map[string]any{"backend": int64(1)}, []string{"launcher.backend: is 1, want a string"}},
		{"all at once", map[string]any{"backend": "pool", "threads": int64(0), "mem": "lots", "workers": "many", "cpus": "4", "time": "soon", "gpus": 0.5},
			[]string{
				`launcher.cpus: is "4", want a whole number of at least 1`,
				"launcher.gpus: is 0.5, want a whole number of at least 0",
				`launcher.mem: is "lots", want a size like "2G" or "512M", or a number of MiB`,
				"launcher.threads: is 0, want a whole number of at least 1",
				`launcher.time: is "soon", want a time like "2h", "90m" or "1-12:00:00", or a number of seconds`,
				`launcher.workers: is "many", want "auto" or a number of at least 1`,
			}},
		{"cpus for less than a run", map[string]any{"backend": "pool", "threads": int64(4), "cpus": int64(2)},
			[]string{"launcher.cpus: is 2, less than the 4 threads a single run may use: raise cpus or lower launcher.threads"}},
	} {
		_, errs := testRegistry.ParseSpec(c.table)
		var got []string
		for _, err := range errs {
			got = append(got, err.Error())
			var k *KeyError
			if !errors.As(err, &k) || !strings.HasPrefix(k.Path(), "launcher.") {
				t.Errorf("%s: %v is no *KeyError of the launcher table", c.name, err)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s:\n got %q\nwant %q", c.name, got, c.want)
		}
	}
}

func TestParseTime(t *testing.T) {
	for _, c := range []struct {
		in   any
		want time.Duration
	}{
		{"2h", 2 * time.Hour}, {"1h30m", 90 * time.Minute}, {"90s", 90 * time.Second}, {" 5m ", 5 * time.Minute},
		{"1d", 24 * time.Hour}, {"1d12h", 36 * time.Hour}, {"250ms", 250 * time.Millisecond}, {"0s", 0},
		// sbatch(1): minutes:seconds, hours:minutes:seconds, days-hours, days-hours:minutes, days-hours:minutes:seconds
		{"90:00", 90 * time.Minute}, {"0:30", 30 * time.Second}, {"12:00:00", 12 * time.Hour}, {"1-12", 36 * time.Hour},
		{"1-12:30", 36*time.Hour + 30*time.Minute}, {"1-12:00:05", 36*time.Hour + 5*time.Second}, {"00:00:01", time.Second},
		{90, 90 * time.Second}, {int64(3600), time.Hour}, {1.5, 1500 * time.Millisecond}, {int64(0), 0},
	} {
		if got, err := ParseTime(c.in); err != nil || got != c.want {
			t.Errorf("ParseTime(%#v) = %v, %v; want %v", c.in, got, err, c.want)
		}
	}
	for _, in := range []any{"", "90", "1.5", "-1h", "1-", "-1-0", "1:2:3:4", "1-1:2:3:4", "h", "2 hours", "1d-1h", "d", "99999999999:00",
		"999999999d", "99999999999999999999h", -1, int64(-1), -0.5, math.NaN(), math.Inf(1), 1e300, true, nil, []any{}} {
		if got, err := ParseTime(in); err == nil {
			t.Errorf("ParseTime(%#v) = %v, want an error", in, got)
		}
	}
	if _, err := ParseTime("90"); err == nil || !strings.Contains(err.Error(), `write "90m" or "90s"`) {
		t.Errorf(`ParseTime("90"): got %v, want both readings named`, err)
	}
}

func TestParseMem(t *testing.T) {
	for _, c := range []struct {
		in   any
		want int
	}{
		{"2G", 2048}, {"512M", 512}, {"2g", 2048}, {"2GB", 2048}, {"2GiB", 2048}, {"2Gi", 2048}, {"2 GiB", 2048}, {"1.5G", 1536}, {"1T", 1 << 20},
		{"1K", 1}, {"1025K", 2}, {"0M", 0}, {512, 512}, {int64(4096), 4096}, {2048., 2048}, {0, 0},
	} {
		if got, err := ParseMem(c.in); err != nil || got != c.want {
			t.Errorf("ParseMem(%#v) = %d, %v; want %d", c.in, got, err, c.want)
		}
	}
	for _, in := range []any{"", "G", "2", "-2G", "2X", "2G 3M", "1e9G", "999999999999T", -1, 0.5, true, nil} {
		if got, err := ParseMem(in); err == nil {
			t.Errorf("ParseMem(%#v) = %d, want an error", in, got)
		}
	}
}

func TestNearest(t *testing.T) {
	keys := append(commonKeys(), "n_jobs", "partition", "account")
	for name, want := range map[string]string{
		"thread": "threads", "theads": "threads", "htreads": "threads", "Threads": "threads", "n-jobs": "n_jobs", "njobs": "n_jobs",
		"tiem": "time", "partiton": "partition", "walltime": "", "x": "", "": "", "gpu": "gpus", "runtime": "run_time",
		"runs_per_wroker": "runs_per_worker",
	} {
		if got := Nearest(name, keys); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

// Checked against the definition by hand, and by what any distance obeys.
func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"", "abc", 3}, {"abc", "abc", 0}, {"abc", "abd", 1}, {"abc", "acb", 1}, {"kitten", "sitting", 3}, {"ca", "abc", 3}, {"ab", "ba", 1}} {
		for _, got := range []int{distance(c.a, c.b), distance(c.b, c.a)} {
			if got != c.want {
				t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
			}
		}
	}
}

func TestRegistryOpen(t *testing.T) {
	_, err := testRegistry.Open(context.Background(), Setup{Spec: Spec{Name: "joblib", Backend: "pool"}})
	if want := `open launcher "joblib": no pool here`; err == nil || err.Error() != want {
		t.Errorf("Open = %v, want %s", err, want)
	}
	if _, err := testRegistry.Open(context.Background(), Setup{Spec: Spec{Backend: "x"}}); err == nil {
		t.Error("Open of an unknown backend = nil, want an error")
	}
}

// plain is a launcher without extras; sized has one.
type plain struct{ Launcher }
type sized struct{ Launcher }

func (sized) Fit(Resources) (int, bool) { return 7, true }

type wrap struct{ Launcher }

func (w wrap) Unwrap() Launcher { return w.Launcher }

func TestAs(t *testing.T) {
	for name, c := range map[string]struct {
		l    Launcher
		want bool
	}{"itself": {sized{}, true}, "wrapped": {wrap{wrap{sized{}}}, true}, "without": {wrap{plain{}}, false}, "nothing": {nil, false}, "around nothing": {wrap{}, false}} {
		if z, ok := As[Sizer](c.l); ok != c.want {
			t.Errorf("%s: As[Sizer] = %v, %t; want %t", name, z, ok, c.want)
		}
	}
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2h", "1-12:00:00", "90:00", "1d12h", "90"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := ParseTime(s); err == nil && d < 0 {
			t.Errorf("ParseTime(%q) = %v", s, d)
		}
		if m, err := ParseMem(s); err == nil && m < 0 {
			t.Errorf("ParseMem(%q) = %d", s, m)
		}
	})
}
