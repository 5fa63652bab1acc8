package command

import (
	"cmp"
	"path/filepath"
	"strconv"
	"strings"

	"orch/sweep/results"
	"orch/trainer"
)

// Files in an attempt's folder, besides those that the results tree names.
const (
	configJSONFile = "config.json"
	metricsFile    = "metrics.jsonl" // $ORCH_METRICS
	finalFile      = "metrics.json"
)

// Libraries that start one thread per core unless told otherwise; k runs on
// one machine would then fight over it.
var threadVariables = []string{"OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "BLIS_NUM_THREADS",
	"NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"}

// Variables of an enclosing run that must not leak into a run started by it.
var runVariables = []string{"ORCH_SEED", "ORCH_CONFIG_JSON"}

// valuesOf returns the values of a run's placeholders.
func valuesOf(r *trainer.Run) values {
	return func(key string) (string, bool) {
		switch key {
		case "run_dir":
			return r.Dir, true
		case "name":
			return r.Name, true
		case "id":
			return r.ID, true
		case "threads":
			return strconv.Itoa(max(1, r.Threads)), true
		case "gpus":
			return strings.Join(r.GPUs, ","), true
		case "config":
			return filepath.Join(r.Dir, results.ConfigFile), true
		case "config_json":
			return filepath.Join(r.Dir, configJSONFile), true
		case "resume":
			return r.Resume, true
		}
		v, ok := lookup(r.Config, key)
		return textOf(v), ok
	}
}

// environment builds a program's environment. From weak to strong: the
// conveniences of orch, what the user exported, what orch knows about the run,
// what the worker adds, [task.env].
func (t *task) environment(r *trainer.Run, dir string, inherited []string) ([]string, error) {
	vals := valuesOf(r)
	e := &environ{list: make([]string, 0, len(inherited)+32), at: make(map[string]int, len(inherited)+32)}
	e.set("PYTHONUNBUFFERED", "1")
	e.set("WANDB_RUN_GROUP", r.Sweep)
	e.set("WANDB_NAME", r.Name)
	e.set("WANDB_DIR", r.Dir)
	e.set("WANDB_MODE", "offline") // compute nodes see no network; wandb sync uploads later
	e.set("MLFLOW_EXPERIMENT_NAME", r.Sweep)
	e.set("TENSORBOARD_LOGDIR", r.Dir)
	e.add(inherited)
	for _, name := range runVariables {
		e.unset(name)
	}
	if dir != "" {
		e.set("PWD", dir) // as a shell's cd does; getcwd(3) would resolve symbolic links
	}
	e.set("ORCH_RUN_DIR", r.Dir)
	e.set("ORCH_RUN_ID", r.ID)
	e.set("ORCH_RUN_NAME", r.Name)
	e.set("ORCH_SWEEP", r.Sweep)
	if v, ok := lookup(r.Config, "seed"); ok {
		e.set("ORCH_SEED", textOf(v))
	}
	e.set("ORCH_CONFIG", filepath.Join(r.Dir, results.ConfigFile))
	e.set("ORCH_CKPT_DIR", filepath.Join(r.Dir, results.CheckpointsDir))
	e.set("ORCH_RESUME", r.Resume)
	e.set(MetricsVariable, filepath.Join(r.Dir, metricsFile))
	threads, _ := vals("threads")
	e.set("ORCH_THREADS", threads)
	e.set("ORCH_SUBMIT_DIR", cmp.Or(r.Origin, r.Workdir))
	for _, name := range threadVariables {
		e.set(name, threads)
	}
	if r.GPUs != nil {
		gpus := strings.Join(r.GPUs, ",")
		e.set("ORCH_GPUS", gpus)
		e.set("CUDA_VISIBLE_DEVICES", gpus)
	}
	e.add(r.Env)
	for _, v := range t.env {
		s, err := v.value.fill(vals)
		if err != nil {
			return nil, err
		}
		if v.name == "ORCH_CONFIG_JSON" {
			s, _ = vals("config_json")
		}
		e.set(v.name, s)
	}
	return e.list, nil
}

// wantsJSON reports whether the program is given the config as JSON.
func (t *task) wantsJSON() bool {
	for _, w := range t.command {
		if w.uses("config_json") {
			return true
		}
	}
	for _, v := range t.env {
		if v.name == "ORCH_CONFIG_JSON" || v.value.uses("config_json") {
			return true
		}
	}
	return false
}

// environ is an environment in which every name occurs once.
type environ struct {
	list []string
	at   map[string]int
}

func (e *environ) set(name, value string) { e.put(name, name+"="+value) }

func (e *environ) put(name, entry string) {
	if strings.IndexByte(entry, 0) >= 0 {
		return // no system passes it on
	}
	if i, ok := e.at[name]; ok {
		e.list[i] = entry
		return
	}
	e.at[name] = len(e.list)
	e.list = append(e.list, entry)
}

func (e *environ) add(entries []string) {
	for _, s := range entries {
		// Windows keeps entries such as =C:=C:\dir, whose name begins with =.
		if i := strings.IndexByte(s, '='); i > 0 {
			e.put(s[:i], s)
		} else {
			e.list = append(e.list, s)
		}
	}
}

func (e *environ) unset(name string) {
	if i, ok := e.at[name]; ok {
		e.list[i] = e.list[len(e.list)-1]
		last, _, _ := strings.Cut(e.list[i], "=")
		e.at[last] = i
		e.list = e.list[:len(e.list)-1]
		delete(e.at, name)
	}
}

// getenv finds a variable in a built environment.
func getenv(env []string, name string) string {
	for _, s := range env {
		if v, ok := strings.CutPrefix(s, name+"="); ok {
			return v
		}
	}
	return ""
}
