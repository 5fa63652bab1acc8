package launcher

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// Spec is a resolved [launcher] table: what the user asked of the machine.
type Spec struct {
	Name    string // the config file: "joblib", "slurmgpu"
	Backend string // the Go package behind it: "pool", "slurm"

	Threads  int // CPU threads one run may use; at least 1
	Parallel int // runs a worker executes at once; at least 1
	CPUs     int // CPUs of one worker; unless given, Threads x Parallel
	MemMiB   int // memory of one worker; 0: not limited
	GPUs     int // GPUs of one worker
	// GPUsShare is how many workers share one GPU; at least 1.
	GPUsShare int
	// RequireGPU refuses built-in trainings on a machine whose GPUs cannot be
	// used, which else happen on its CPU.
	RequireGPU bool
	Nodes      int // nodes of one worker; 0: one
	Tasks      int // tasks of one worker; 0: one

	Time    time.Duration // how long a worker may live; 0: not limited
	RunTime time.Duration // how long a run usually takes; 0: unknown
	Timeout time.Duration // a run that takes longer is ended; 0: never
	Stall   time.Duration // a run that says nothing for so long is ended; 0: never

	Workers       int // how many workers at most; 0: "auto", as many as pay
	RunsPerWorker int // a worker leaves after so many runs; 0: no limit

	// Options are the backend's own keys.
	Options map[string]any
}

// Resources returns what one worker of this spec may use.
func (s Spec) Resources() Resources {
	return Resources{CPUs: s.CPUs, MemMiB: s.MemMiB, GPUs: s.GPUs, Nodes: s.Nodes, Tasks: s.Tasks, Time: s.Time}
}

// KeyError is a problem with one key of the [launcher] table. Whoever knows
// where the value came from adds file and line.
type KeyError struct {
	Key     string // dotted path: "launcher.mem"
	Problem string // "unknown key", `is -1, want at least 0`
	Nearest string // a name that exists and looks alike, or empty
}

// Error implements error.
func (e *KeyError) Error() string {
	s := e.Key + ": " + e.Problem
	if e.Nearest != "" {
		s += fmt.Sprintf(" (did you mean %q?)", e.Nearest)
	}
	return s
}

// Path returns the dotted key.
func (e *KeyError) Path() string { return e.Key }

// BadKey says that a value under the key of the [launcher] table does not do:
// BadKey("n_jobs", "is 0: use -1 for all cores").
func BadKey(key, format string, args ...any) *KeyError {
	return &KeyError{Key: "launcher." + key, Problem: fmt.Sprintf(format, args...)}
}

// A field decodes the value of one common key into a Spec.
type field struct {
	key    string
	decode func(s *Spec, v any) error
}

// fields are the common keys, in the order of a reader's interest.
var fields = []field{
	{"name", text(func(s *Spec) *string { return &s.Name })},
	{"backend", text(func(s *Spec) *string { return &s.Backend })},
	{"threads", whole(1, func(s *Spec) *int { return &s.Threads })},
	{"cpus", whole(1, func(s *Spec) *int { return &s.CPUs })},
	{"mem", func(s *Spec, v any) (err error) { s.MemMiB, err = ParseMem(v); return }},
	{"gpus", whole(0, func(s *Spec) *int { return &s.GPUs })},
	{"gpus_share", whole(1, func(s *Spec) *int { return &s.GPUsShare })},
	{"require_gpu", func(s *Spec, v any) error {
		b, ok := v.(bool)
		if !ok {
			return fmt.Errorf("is %s, want true or false", show(v))
		}
		s.RequireGPU = b
		return nil
	}},
	{"time", span(func(s *Spec) *time.Duration { return &s.Time })},
	{"run_time", span(func(s *Spec) *time.Duration { return &s.RunTime })},
	{"timeout", span(func(s *Spec) *time.Duration { return &s.Timeout })},
	{"stall", span(func(s *Spec) *time.Duration { return &s.Stall })},
	{"parallel", whole(1, func(s *Spec) *int { return &s.Parallel })},
	{"workers", func(s *Spec, v any) error {
		if v == "auto" {
			s.Workers = 0
			return nil
		}
		if _, isText := v.(string); isText {
			return fmt.Errorf("is %q, want \"auto\" or a number of at least 1", v)
		}
		return whole(1, func(s *Spec) *int { return &s.Workers })(s, v)
	}},
	{"runs_per_worker", whole(0, func(s *Spec) *int { return &s.RunsPerWorker })},
	{"nodes", whole(1, func(s *Spec) *int { return &s.Nodes })},
	{"tasks", whole(1, func(s *Spec) *int { return &s.Tasks })},
}

// CommonKeys returns the keys that every backend knows.
func CommonKeys() []string { return commonKeys() }

func commonKeys() []string {
	keys := make([]string, len(fields))
	for i, f := range fields {
		keys[i] = f.key
	}
	return keys
}

// ParseSpec decodes the common keys of a resolved [launcher] table and leaves
// all others in Options, unjudged; [Registry.ParseSpec] judges those too. The
// table's values are strings, bools, int, int64 or float64, lists and tables.
// Problems are [*KeyError]s, one per key, in no other order than the keys'.
func ParseSpec(table map[string]any) (Spec, []error) {
	s := Spec{Threads: 1, Parallel: 1, GPUsShare: 1, Options: map[string]any{}}
	var errs []error
	for _, k := range sortedKeys(table) {
		i := slices.IndexFunc(fields, func(f field) bool { return f.key == k })
		if i < 0 {
			s.Options[k] = table[k]
			continue
		}
		if err := fields[i].decode(&s, table[k]); err != nil {
			errs = append(errs, &KeyError{Key: "launcher." + k, Problem: err.Error()})
		}
	}
	if _, given := table["cpus"]; !given {
		s.CPUs = s.Threads * s.Parallel
	}
	if s.CPUs > 0 && s.CPUs < s.Threads {
		errs = append(errs, BadKey("cpus", "is %d, less than the %d threads a single run may use: raise cpus or lower launcher.threads", s.CPUs, s.Threads))
	}
	if s.RequireGPU && s.GPUs == 0 {
		errs = append(errs, BadKey("require_gpu", "is true, but launcher.gpus is 0: set that to the GPUs of one worker"))
	}
	return s, errs
}

func text(at func(*Spec) *string) func(*Spec, any) error {
	return func(s *Spec, v any) error {
		t, ok := v.(string)
		if !ok {
			return fmt.Errorf("is %v, want a string", v)
		}
		*at(s) = t
		return nil
	}
}

func whole(least int, at func(*Spec) *int) func(*Spec, any) error {
	return func(s *Spec, v any) error {
		n, ok := Int(v)
		if !ok || n < least {
			return fmt.Errorf("is %s, want a whole number of at least %d", show(v), least)
		}
		*at(s) = n
		return nil
	}
}

func span(at func(*Spec) *time.Duration) func(*Spec, any) error {
	return func(s *Spec, v any) error {
		d, err := ParseTime(v)
		if err == nil {
			*at(s) = d
		}
		return err
	}
}

// Int returns v as an int, if it is a whole number of any numeric type a
// config can hold.
func Int(v any) (int, bool) {
	switch n := v.(type) {
	case int:
		return n, true
	case int64:
		return int(n), int64(int(n)) == n
	case float64:
		return int(n), n == math.Trunc(n) && math.Abs(n) < 1<<53
	}
	return 0, false
}

// show quotes strings, so that "4" and 4 look different.
func show(v any) string {
	if s, ok := v.(string); ok {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprint(v)
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
