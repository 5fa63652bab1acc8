package hydra

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"orch/sweep/override"
)

// backend says what a launcher of Hydra is here.
type backend struct {
	name   string            // of orch's launcher config that comes with it
	pool   bool              // on this machine; else Slurm
	same   map[string]string // Hydra's key -> orch's
	needed map[string]string // keys that orch has no use for, with the reason
}

var (
	joblib = backend{name: "joblib", pool: true,
		same: map[string]string{"n_jobs": "n_jobs", "inner_max_num_threads": "threads"},
		needed: map[string]string{
			"backend": "", "prefer": "", "require": "", "verbose": "", "pre_dispatch": "", "batch_size": "",
			"temp_folder": "", "max_nbytes": "", "mmap_mode": "",
			"timeout": "write timeout = \"2h\", the time after which one run is ended",
		}}
	slurm = backend{name: "slurm",
		same: map[string]string{"cpus_per_task": "cpus", "gpus_per_node": "gpus", "nodes": "nodes", "tasks_per_node": "tasks",
			"array_parallelism": "max_workers", "partition": "partition", "qos": "qos", "account": "account",
			"constraint": "constraint", "exclude": "exclude", "comment": "comment", "setup": "setup"},
		needed: map[string]string{
			"submitit_folder":  "scripts and logs lie in the results tree",
			"name":             "orch names jobs itself, to find them again",
			"stderr_to_stdout": "both are in log.txt of the attempt",
			"python":           "name the interpreter in [task] command, or activate it in setup",
			"srun_args":        "orch starts no srun: a worker is the batch script itself",
			"max_num_timeout":  "[retry] says how often; a run that was cut off goes on from its checkpoint",
		}}
)

// launchers are Hydra's launchers by the name under which they are chosen.
var launchers = map[string]*backend{
	"joblib": &joblib, "basic": &joblib, "submitit_slurm": &slurm, "submitit_local": &joblib,
}

// backendOf tells which launcher a table is for: by the name that chooses it,
// by its class, or by its keys.
func (f *config) backendOf() *backend {
	if b := launchers[f.launcherName]; b != nil {
		return b
	}
	target := ""
	if e := f.launcher.get("_target_"); e != nil {
		target = e.val.text()
	}
	switch {
	case strings.HasSuffix(target, "JoblibLauncher"), strings.HasSuffix(target, "BasicLauncher"), strings.HasSuffix(target, "LocalLauncher"):
		return &joblib
	case strings.HasSuffix(target, "SlurmLauncher"):
		return &slurm
	case target != "" || f.launcher == nil:
		return nil
	case f.launcher.get("n_jobs") != nil:
		return &joblib
	}
	for _, key := range []string{"partition", "timeout_min", "cpus_per_task", "setup", "array_parallelism", "gres", "mem_gb"} {
		if f.launcher.get(key) != nil {
			return &slurm
		}
	}
	return nil
}

// launcherFile converts a file that is a launcher to launcher/NAME.toml. ok is
// false if it is none that orch knows.
func (f *config) launcherFile() (File, bool) {
	b := f.backendOf()
	if b == nil {
		f.lost(f.launcherLine, "orch has launchers for this machine and for Slurm", "the launcher %s", f.launcherName)
		return File{}, false
	}
	t := &table{}
	t.set("backend", override.QuotedValue(map[bool]string{true: "pool", false: "slurm"}[b.pool]), "")
	f.keys(b, t)
	if f.launcherName == "basic" && t.get("n_jobs") == nil {
		t.set("n_jobs", override.IntValue(1), "")
	}
	if b.pool && t.get("n_jobs") == nil {
		t.set("n_jobs", override.IntValue(-1), "# one worker for each core")
	}
	if t.get("mem") == nil {
		t.set("mem", override.QuotedValue("2G"), "# of one worker; the Hydra config named none")
	}
	if t.get("time") == nil {
		t.set("time", override.QuotedValue("24h"), "# a worker stops taking runs after that; the Hydra config named none")
	}
	f.values(t)
	for _, e := range f.body.entries {
		f.lost(e.line, "put it into a preset under experiment/", "%s in a launcher's file", e.key)
	}
	var text strings.Builder
	for _, line := range f.head {
		text.WriteString(line + "\n")
	}
	w := &writer{}
	w.table("", t)
	text.WriteString(w.b.String())
	return File{Path: "launcher/" + f.option() + ".toml", From: f.notes.file, Text: []byte(text.String())}, true
}

// launcherTable converts what another file says of its launcher to [launcher].
func (f *config) launcherTable() {
	if f.launcherName == "" && f.launcher == nil {
		return
	}
	t := &table{}
	b := f.backendOf()
	switch {
	case f.imp.has("hydra/launcher/"+f.launcherName) || f.imp.has("launcher/"+f.launcherName):
		t.set("name", override.QuotedValue(f.launcherName), "")
	case b != nil:
		t.set("name", override.QuotedValue(b.name), "")
	default:
		f.lost(f.launcherLine, "orch has launchers for this machine and for Slurm", "the launcher %s", f.launcherName)
		return
	}
	if b == nil {
		b = &slurm
	}
	f.keys(b, t)
	if f.launcherName == "basic" && t.get("n_jobs") == nil {
		t.set("n_jobs", override.IntValue(1), "")
	}
	f.body.add(&entry{key: "launcher", val: value{table: t}, line: f.launcherLine})
}

// keys converts the keys of hydra.launcher.
func (f *config) keys(b *backend, out *table) {
	if f.launcher == nil {
		return
	}
	number := func(key string) (int64, bool) {
		e := f.launcher.get(key)
		if e == nil || e.val.table != nil || e.val.isList {
			return 0, false
		}
		return e.val.scalar.Int()
	}
	for _, e := range f.launcher.entries {
		if e.val.isNull() || e.key == "_target_" {
			continue
		}
		add := func(key string, v value) {
			if old := out.get(key); old != nil {
				if inline(old.val) != inline(v) {
					f.lost(e.line, "", "launcher.%s: %s is %s already", e.key, key, inline(old.val))
				} else {
					f.look(e.line, "", "launcher.%s says %s = %s a second time", e.key, key, inline(v))
				}
				return
			}
			out.add(&entry{key: key, val: v, line: e.line, head: e.head, comment: e.comment})
		}
		n, isInt := e.val.scalar.Int()
		switch key, ok := b.same[e.key]; {
		case ok && (key == "nodes" || key == "tasks") && n == 1:
			// what orch asks for anyway
		case ok && key == "setup" && !e.val.isList:
			add(key, value{isList: true, list: []value{e.val}})
		case ok:
			add(key, e.val)
		case b.pool && f.launcherName == "submitit_local":
			f.lost(e.line, "n_jobs, threads, mem and time are the keys of a launcher on this machine", "launcher.%s", e.key)
		case e.key == "timeout_min" && isInt:
			add("time", quoted(minutes(n), e.line))
		case e.key == "mem_gb":
			add("mem", quoted(e.val.text()+"G", e.line))
		case e.key == "mem_per_cpu" || e.key == "mem_per_gpu":
			per, unit := "cpus_per_task", "CPU"
			if e.key == "mem_per_gpu" {
				per, unit = "gpus_per_node", "GPU"
			}
			count, known := number(per)
			mem, ok := times(e.val.text(), count)
			if !known || !ok {
				f.lost(e.line, "write mem, the memory of one worker", "launcher.%s = %s", e.key, e.val.text())
				continue
			}
			f.look(e.line, "", "launcher.%s: %s for each of %d %ss is mem = %q of a worker", e.key, e.val.text(), count, unit, mem)
			add("mem", quoted(mem, e.line))
		case e.key == "cpus_per_gpu" || e.key == "gpus_per_task":
			other, key := "gpus_per_node", "cpus"
			if e.key == "gpus_per_task" {
				other, key = "tasks_per_node", "gpus"
			}
			count, known := number(other)
			if !known {
				count = 1
			}
			add(key, scalarOf(override.IntValue(n*count), e.line))
		case e.key == "gres":
			m := gpuGres.FindStringSubmatch(e.val.text())
			if m == nil {
				f.lost(e.line, "orch asks for GPUs by gpus = n", "launcher.gres = %s", e.val.text())
				continue
			}
			if m[1] != "" {
				add("gpu_type", quoted(strings.Trim(m[1], ":"), e.line))
			}
			count, _ := strconv.ParseInt(m[2], 10, 64)
			if m[2] == "" {
				count = 1
			}
			add("gpus", scalarOf(override.IntValue(count), e.line))
		case e.key == "additional_parameters" && e.val.table != nil:
			extra := value{isList: true}
			for _, p := range e.val.table.entries {
				option := "--" + p.key
				if text := p.val.text(); !p.val.isNull() && text != "" && text != "true" {
					option += "=" + text
				}
				extra.list = append(extra.list, quoted(option, p.line))
			}
			if len(extra.list) > 0 {
				add("extra", extra)
			}
		case e.key == "signal_delay_s" && isInt:
			add("warn", quoted(fmt.Sprintf("%ds", n), e.line))
		default:
			do, known := b.needed[e.key]
			if !known {
				do = "no such key in orch"
			}
			if known && do == "" {
				do = "not needed"
			}
			f.lost(e.line, do, "launcher.%s", e.key)
		}
	}
}

var gpuGres = regexp.MustCompile(`^gpu((?::[A-Za-z][^:]*)?)(?::([0-9]+))?$`)

// minutes writes a time as people do.
func minutes(n int64) string {
	if n > 0 && n%60 == 0 {
		return fmt.Sprintf("%dh", n/60)
	}
	return fmt.Sprintf("%dm", n)
}

var memory = regexp.MustCompile(`^([0-9]+)\s*([KMGT]?)B?$`)

// times multiplies an amount of memory such as "2G"; without a unit it is in
// megabytes, as for sbatch.
func times(mem string, n int64) (string, bool) {
	m := memory.FindStringSubmatch(strings.ToUpper(mem))
	if m == nil || n < 1 {
		return "", false
	}
	x, err := strconv.ParseInt(m[1], 10, 32)
	if m[2] == "" {
		m[2] = "M"
	}
	return fmt.Sprintf("%d%s", x*n, m[2]), err == nil
}
