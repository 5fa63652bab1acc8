package slurm

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"orch/launcher"
)

// Backend is Slurm as launcher configs name it: `backend = "slurm"`.
//
//	cluster = "big"
//	partition = "gpu"              account = "proj"       qos = "normal"
//	report_partition = "cpu"       # for the job of submit --report, which needs no GPU
//	constraint = "a100"            exclude = ["n3"]       nodelist = "n[1-4]"
//	reservation = "course"         gres = "shard:1"       gpu_type = "a100"
//	mem_as = "cpu"                 # "node" (--mem), "cpu" (--mem-per-cpu) or "none", where the cluster wants it so
//	comment = "anyone can read this"
//	setup = ["module load cuda", "source ~/venv/bin/activate"]
//	wrap  = ["apptainer", "exec", "--nv", "image.sif"]
//	env   = ["MY_TOKEN_FILE", "FOO_*"]
//	extra = ["--mail-type=END"]
//	max_workers = 64    max_user = 256    throttle = 0    warn = "2m"    bin = "/opt/slurm/bin"
var Backend = launcher.Backend{
	Name:  "slurm",
	Keys:  keys(),
	Check: func(options map[string]any) []error { _, errs := parseOptions(options); return errs },
	Open: func(_ context.Context, s launcher.Setup) (launcher.Launcher, error) {
		o, errs := parseOptions(s.Spec.Options)
		switch {
		case len(errs) > 0:
			return nil, errs[0]
		case s.Spec.GPUsShare > 1:
			return nil, launcher.BadKey("gpus_share", "is %d, and Slurm gives whole GPUs to workers: use launcher.parallel = %d, so that one worker runs %d at once on its GPU",
				s.Spec.GPUsShare, s.Spec.GPUsShare, s.Spec.GPUsShare)
		}
		o.StateDir = s.StateDir
		return Open(o)
	},
}

// option decodes one key of the backend's own.
type option struct {
	key    string
	decode func(o *Options, v any) error
}

// options are the backend's own keys.
var options = []option{
	{"cluster", func(o *Options, v any) error {
		s, ok := v.(string)
		if !ok || s != "" && !isKey(s) {
			return fmt.Errorf("is %v, want the name of one cluster, as `sacctmgr show cluster` lists them", v)
		}
		o.Cluster = s
		return nil
	}},
	{"partition", word(func(o *Options) *string { return &o.Partition })},
	{"report_partition", word(func(*Options) *string { return new(string) })}, // cmd/orch: of the job that reports
	{"account", word(func(o *Options) *string { return &o.Account })},
	{"qos", word(func(o *Options) *string { return &o.QOS })},
	{"reservation", word(func(o *Options) *string { return &o.Reservation })},
	{"constraint", form(constraintForm, func(o *Options) *string { return &o.Constraint })},
	{"exclude", hosts(func(o *Options) *string { return &o.Exclude })},
	{"nodelist", hosts(func(o *Options) *string { return &o.NodeList })},
	{"mem_as", func(o *Options, v any) error {
		s, ok := v.(string)
		if !ok || !slices.Contains([]string{"", memNode, memCPU, memNone}, s) {
			return fmt.Errorf(`is %v, want "node" (--mem), "cpu" (--mem-per-cpu) or "none"`, v)
		}
		o.MemAs = s
		return nil
	}},
	{"gres", word(func(o *Options) *string { return &o.Gres })},
	{"comment", func(o *Options, v any) error {
		s, ok := v.(string)
		if !ok || len(s) > 1024 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return fmt.Errorf("is %v, want one line of at most 1024 bytes", v)
		}
		o.Comment = s
		return nil
	}},
	{"gpu_type", word(func(o *Options) *string { return &o.GPUType })},
	{"setup", func(o *Options, v any) error {
		lines, err := texts(v)
		for _, l := range lines {
			if strings.ContainsRune(l, 0) {
				return fmt.Errorf("holds a NUL byte")
			}
		}
		if slices.ContainsFunc(lines, func(l string) bool { return strings.TrimSpace(l) != "" }) {
			o.Setup = lines
		}
		return err
	}},
	{"wrap", func(o *Options, v any) (err error) {
		if o.Wrap, err = list(v); err == nil && slices.ContainsFunc(o.Wrap, func(w string) bool { return strings.ContainsRune(w, 0) }) {
			err = fmt.Errorf("holds a NUL byte")
		}
		return err
	}},
	{"env", func(o *Options, v any) error {
		names, err := list(v)
		for _, n := range names {
			switch stem := strings.TrimSuffix(n, "*"); {
			case !envForm.MatchString(stem):
				return fmt.Errorf(`names %q, want a variable's name or a beginning of names like "FOO_*"`, n)
			case spoils(stem+"_") || spoils(stem):
				return fmt.Errorf("names %q, which would change what Slurm's commands do", n)
			}
		}
		o.Env = names
		return err
	}},
	{"extra", func(o *Options, v any) error {
		words, err := list(v)
		for _, w := range words {
			if err := checkExtra(w); err != nil {
				return err
			}
		}
		o.Extra = words
		return err
	}},
	{"max_workers", count(func(o *Options) *int { return &o.MaxWorkers })},
	{"max_user", count(func(o *Options) *int { return &o.MaxUser })},
	{"throttle", count(func(o *Options) *int { return &o.Throttle })},
	{"warn", func(o *Options, v any) (err error) {
		if o.Warn, err = launcher.ParseTime(v); err == nil && (o.Warn < time.Second || o.Warn > 18*time.Hour) {
			err = fmt.Errorf("is %v, want 1s to 18h", v) // --signal takes 65535 s
		}
		return err
	}},
	{"bin", func(o *Options, v any) error {
		s, ok := v.(string)
		if !ok || s != "" && !strings.HasPrefix(s, "/") {
			return fmt.Errorf("is %v, want the absolute path of the folder with sbatch", v)
		}
		o.Bin = s
		return nil
	}},
}

func keys() []string {
	list := make([]string, len(options))
	for i, x := range options {
		list[i] = x.key
	}
	return list
}

func parseOptions(given map[string]any) (Options, []error) {
	var o Options
	var errs []error
	for _, x := range options {
		if v, ok := given[x.key]; ok {
			if err := x.decode(&o, v); err != nil {
				errs = append(errs, launcher.BadKey(x.key, "%v", err))
			}
		}
	}
	return o, errs
}

// valueForm is what names of partitions, accounts, features and nodes are made
// of, with the operators of --constraint and the brackets of node lists. A
// constraint may begin with a bracket: "[rack1|rack2]", all nodes of one of them
// (sbatch(1)).
var (
	valueForm      = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.,:*&|()\[\]=/@+-]*$`)
	constraintForm = regexp.MustCompile(`^[A-Za-z0-9_(\[][A-Za-z0-9_.,:*&|()\[\]=/@+-]*$`)
)

func word(at func(*Options) *string) func(*Options, any) error { return form(valueForm, at) }

func form(want *regexp.Regexp, at func(*Options) *string) func(*Options, any) error {
	return func(o *Options, v any) error {
		s, ok := v.(string)
		switch {
		case !ok:
			return fmt.Errorf("is %v, want a string", v)
		case s != "" && !want.MatchString(s):
			return fmt.Errorf("is %q, which is no name that Slurm knows", s)
		}
		*at(o) = s
		return nil
	}
}

func hosts(at func(*Options) *string) func(*Options, any) error {
	return func(o *Options, v any) error {
		names, err := texts(v)
		if err != nil {
			return err
		}
		return word(at)(o, strings.Join(names, ","))
	}
}

func count(at func(*Options) *int) func(*Options, any) error {
	return func(o *Options, v any) error {
		n, ok := launcher.Int(v)
		if !ok || n < 0 {
			return fmt.Errorf("is %v, want a whole number of at least 0", v)
		}
		*at(o) = n
		return nil
	}
}

// texts reads a string or a list of strings.
func texts(v any) ([]string, error) {
	if s, ok := v.(string); ok {
		if s == "" {
			return nil, nil
		}
		return []string{s}, nil
	}
	return list(v)
}

func list(v any) ([]string, error) {
	var out []string
	switch l := v.(type) {
	case []string:
		out = l
	case []any:
		for _, x := range l {
			s, ok := x.(string)
			if !ok {
				return nil, fmt.Errorf("holds %v, want a list of strings", x)
			}
			out = append(out, s)
		}
	default:
		return nil, fmt.Errorf("is %v, want a list of strings", v)
	}
	return out, nil
}

// taken are the options of sbatch that orch sets itself, and the key to use
// instead; "" if there is nothing to set.
var taken = map[string]string{
	"partition": "partition", "account": "account", "qos": "qos", "reservation": "reservation", "constraint": "constraint",
	"exclude": "exclude", "nodelist": "nodelist", "gres": "gres", "gpus": "gpus", "gpus-per-node": "gpus", "gpus-per-task": "gpus",
	"mem": "mem", "mem-per-cpu": "mem_as", "mem-per-gpu": "mem", "time": "time", "cpus-per-task": "cpus", "nodes": "nodes", "ntasks": "tasks",
	"signal": "warn", "array": "workers", "export": "env", "export-file": "env", "get-user-env": "setup",
	"job-name": "", "output": "", "error": "", "input": "", "chdir": "", "workdir": "", "parsable": "", "requeue": "", "no-requeue": "",
	"open-mode": "", "wrap": "", "wait": "", "test-only": "", "quiet": "", "verbose": "", "help": "", "usage": "", "version": "",
	"comment": "comment", "clusters": "cluster", "cluster": "cluster", "uid": "", "gid": "", "bb": "", "hold": "",
}

var extraForm = regexp.MustCompile(`^--([a-z][a-z-]*)(=.*)?$`)

// checkExtra judges one further option of sbatch. sbatch takes beginnings of
// names too (--part=x), so those of the options that orch sets are refused as
// well.
func checkExtra(w string) error {
	if strings.ContainsFunc(w, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fmt.Errorf("holds %q, want one line of text", w)
	}
	m := extraForm.FindStringSubmatch(w)
	if m == nil {
		return fmt.Errorf("holds %q, want options of sbatch in the form --name or --name=value", w)
	}
	for _, own := range slices.Sorted(maps.Keys(taken)) {
		switch key := taken[own]; {
		case !strings.HasPrefix(own, m[1]):
		case key == "":
			return fmt.Errorf("holds %q, which orch sets itself", w)
		default:
			return fmt.Errorf("holds %q: use launcher.%s", w, key)
		}
	}
	return nil
}
