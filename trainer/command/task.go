package command

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"orch/sweep/override"
	"orch/trainer"
)

// task is a [task] table, understood.
type task struct {
	shell      bool
	command    []template // one template per word; with shell only one
	workdir    template   // empty: where submit was typed
	outputs    []template
	patterns   []*pattern
	env        []variableSetting
	stopSignal string        // SIGTERM or what [task] says
	stopGrace  time.Duration // from the stop signal to SIGKILL
	saveSignal string        // asks for a checkpoint; "": the program saves by itself
	saveEvery  time.Duration // how often it is asked; 0: only before the stop signal
	timeout    time.Duration // 0: none
	stall      time.Duration // 0: none
}

type variableSetting struct {
	name  string
	value template
}

// Keys of [task], in the order in which the documentation has them.
var taskKeys = []string{"command", "shell", "workdir", "outputs", "metrics", "env", "stop_signal", "stop_grace", "checkpoint_signal", "checkpoint_every", "timeout", "stall", "snapshot"}

// Signals that stop_signal may name. SIGKILL is not among them: it leaves no
// time for a checkpoint.
var stopSignals = []string{"SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"}

const defaultGrace = 10 * time.Second

// taskReader collects the problems of a [task] table while reading it.
type taskReader struct {
	config   override.Value
	problems []error
}

// readTask reads [task] of a config and returns every problem it finds. The
// task is usable only if there is none.
func readTask(config override.Value) (*task, []error) {
	r := &taskReader{config: config}
	t := &task{stopSignal: "SIGTERM", stopGrace: defaultGrace}
	table, ok := config.Lookup("task")
	if !ok || table.Kind() != override.Map {
		r.bad("task", table, "a program needs a table [task] with command = [\"program\", \"argument\"]", "")
		return t, r.problems
	}
	for _, f := range table.Fields() {
		if key := f.Key.Text(); !slices.Contains(taskKeys, key) {
			r.bad("task."+key, f.Val, "unknown key of [task]", nearest(key, taskKeys))
		}
	}
	get := func(key string) (override.Value, bool) {
		v, ok := table.Lookup(key)
		return v, ok && !v.IsNull()
	}
	if v, ok := get("shell"); ok {
		if v.Kind() != override.Bool {
			r.bad("task.shell", v, "is "+v.Text()+", want true or false", "")
		}
		t.shell = v.Bool()
	}
	v, _ := get("command")
	t.command = r.command(v, t.shell)
	if v, ok := get("workdir"); ok {
		t.workdir = r.template("task.workdir", v)
	}
	if v, ok := get("outputs"); ok {
		t.outputs = r.outputs(v)
	}
	if v, ok := get("metrics"); ok {
		t.patterns = r.patterns("", v, nil)
	}
	if v, ok := get("env"); ok {
		t.env = r.env(v)
	}
	if v, ok := get("stop_signal"); ok {
		t.stopSignal = r.signal("task.stop_signal", v)
	}
	if v, ok := get("checkpoint_signal"); ok {
		t.saveSignal = r.signal("task.checkpoint_signal", v)
	}
	if v, ok := get("checkpoint_every"); ok {
		t.saveEvery = r.duration("task.checkpoint_every", v, 1)
		if t.saveSignal == "" {
			r.bad("task.checkpoint_every", v, `needs the signal to send, such as checkpoint_signal = "SIGUSR1"`, "")
		}
	}
	if v, ok := get("stop_grace"); ok {
		t.stopGrace = r.duration("task.stop_grace", v, 0)
	}
	if v, ok := get("snapshot"); ok {
		if _, _, err := Snapshot(v); err != nil {
			r.bad("task.snapshot", v, err.Error(), "")
		}
	}
	if v, ok := get("timeout"); ok {
		t.timeout = r.duration("task.timeout", v, 1)
	}
	if v, ok := get("stall"); ok {
		t.stall = r.duration("task.stall", v, 1)
	}
	return t, r.problems
}

func (r *taskReader) bad(key string, v override.Value, problem, nearest string) {
	r.problems = append(r.problems, &trainer.ParamError{Key: key, Value: v, Problem: problem, Nearest: nearest})
}

func (r *taskReader) command(v override.Value, shell bool) []template {
	const key = "task.command"
	switch text, isText := v.Str(); {
	case v.IsNull():
		r.bad(key, v, `is missing, want a list such as ["python3", "fit.py", "--seed={seed}"]`, "")
	case shell && !isText:
		r.bad(key, v, "is a "+v.Kind().String()+", but shell = true wants one string for sh -c", "")
	case shell && strings.TrimSpace(text) == "":
		r.bad(key, v, "is empty, want a command for sh -c", "")
	case shell:
		t, err := parseShell(text)
		if err != nil {
			r.bad(key, v, err.Error(), "")
		}
		if r.keys(key, v, t) {
			// Filling it once tells whether every value can be quoted.
			if _, err := t.fillShell(r.sample); err != nil {
				r.bad(key, v, err.Error(), "")
			}
		}
		return []template{t}
	case v.Kind() != override.List:
		r.bad(key, v, fmt.Sprintf("is a %s, want a list of words such as [\"python3\", \"fit.py\"], or shell = true for a string that sh reads", v.Kind()), "")
	case v.Len() == 0:
		r.bad(key, v, "is empty, want at least the program", "")
	default:
		words := r.templates(key, v)
		if len(words) > 0 && len(words[0]) == 0 {
			r.bad(key, v, "begins with an empty word, want the program", "")
		}
		return words
	}
	return nil
}

func (r *taskReader) templates(key string, v override.Value) []template {
	if v.Kind() != override.List {
		r.bad(key, v, "is a "+v.Kind().String()+", want a list of strings", "")
		return nil
	}
	words := make([]template, v.Len())
	for i, w := range v.List() {
		words[i] = r.template(key, w)
	}
	return words
}

// template reads one text with placeholders, checks its keys and that every
// value can be passed to a program.
func (r *taskReader) template(key string, v override.Value) template {
	switch v.Kind() {
	case override.List, override.Map, override.Null:
		r.bad(key, v, fmt.Sprintf("holds a %s (%s), want a string", v.Kind(), v.Text()), "")
		return nil
	}
	text := v.Text()
	t, err := parseTemplate(text)
	if err != nil {
		r.bad(key, v, fmt.Sprintf("%q %v", text, err), "")
		return nil
	}
	if r.keys(key, v, t) {
		if _, err := t.fill(r.sample); err != nil {
			r.bad(key, v, err.Error(), "")
		}
	}
	return t
}

// keys reports whether every placeholder has a value, and the problem if not.
func (r *taskReader) keys(key string, v override.Value, t template) bool {
	ok := true
	for _, p := range t {
		switch _, own := r.config.Lookup(p.key); {
		case p.key == "":
		case slices.Contains(runtimeNames, p.key):
			// name, threads and gpus of a config say the same as at run time.
			if own && !slices.Contains([]string{"name", "threads", "gpus"}, p.key) {
				r.bad(key, v, fmt.Sprintf("{%s} is filled in by orch and hides the config's key %q; rename that key", p.key, p.key), "")
				ok = false
			}
		default:
			if _, found := lookup(r.config, p.key); !found {
				all := append(keysOf(r.config, "", nil), runtimeNames...)
				r.bad(key, v, fmt.Sprintf("{%s} names no key of the config; literal braces are {{ and }}", p.key), nearest(p.key, all))
				ok = false
			}
		}
	}
	return ok
}

// sample stands in for the values of a run that is not there yet.
func (r *taskReader) sample(key string) (string, bool) {
	if slices.Contains(runtimeNames, key) {
		return "x", true
	}
	v, ok := lookup(r.config, key)
	return textOf(v), ok
}

func (r *taskReader) outputs(v override.Value) []template {
	ts := r.templates("task.outputs", v)
	for i, t := range ts {
		if name, err := t.fill(r.sample); err == nil && len(t) > 0 && !filepath.IsLocal(name) {
			r.bad("task.outputs", v.List()[i], fmt.Sprintf("%q is outside the run's folder; name files relative to it", name), "")
		}
	}
	return ts
}

// patterns reads [task.metrics]. A dotted key that TOML has split into tables
// is put together again.
func (r *taskReader) patterns(prefix string, v override.Value, ps []*pattern) []*pattern {
	if v.Kind() != override.Map {
		r.bad("task.metrics", v, "is a "+v.Kind().String()+`, want a table such as accuracy = 'accuracy = (\S+)'`, "")
		return ps
	}
	for _, f := range v.Fields() {
		name := prefix + f.Key.Text()
		if f.Val.Kind() == override.Map {
			ps = r.patterns(name+".", f.Val, ps)
			continue
		}
		text, ok := f.Val.Str()
		if !ok {
			r.bad("task.metrics."+name, f.Val, "is a "+f.Val.Kind().String()+", want a regular expression in quotes", "")
			continue
		}
		p, err := newPattern(name, text)
		if err != nil {
			r.bad("task.metrics."+name, f.Val, err.Error(), "")
			continue
		}
		ps = append(ps, p)
	}
	return ps
}

func (r *taskReader) env(v override.Value) []variableSetting {
	if v.Kind() != override.Map {
		r.bad("task.env", v, "is a "+v.Kind().String()+`, want a table such as DATA = "/data"`, "")
		return nil
	}
	var vars []variableSetting
	for _, f := range v.Fields() {
		name := f.Key.Text()
		if !variableName(name) {
			r.bad("task.env."+name, f.Val, "is no name of a variable: letters, digits and _, not beginning with a digit", "")
			continue
		}
		vars = append(vars, variableSetting{name, r.template("task.env."+name, f.Val)})
	}
	return vars
}

func variableName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if !(c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}

func (r *taskReader) signal(key string, v override.Value) string {
	s, _ := v.Str()
	name := strings.ToUpper(s)
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	if !slices.Contains(stopSignals, name) {
		r.bad(key, v, fmt.Sprintf("is %q, want one of %s", v.Text(), strings.Join(stopSignals, ", ")), nearest(name, stopSignals))
	}
	return name
}

func (r *taskReader) duration(key string, v override.Value, least time.Duration) time.Duration {
	s, ok := v.Str()
	d, err := time.ParseDuration(s)
	switch {
	case !ok || err != nil:
		r.bad(key, v, fmt.Sprintf(`is %s, want a duration with its unit such as "90s", "10m" or "2h"`, v.Text()), "")
	case d < least:
		r.bad(key, v, fmt.Sprintf("is %s, want more", s), "")
	}
	return d
}

// Snapshot reads task.snapshot: whether the code is copied at submit, and which
// files, none for all that git does not ignore.
func Snapshot(v override.Value) (wanted bool, only []string, err error) {
	switch v.Kind() {
	case override.Null:
		return false, nil, nil
	case override.Bool:
		return v.Bool(), nil, nil
	case override.List:
		for _, e := range v.List() {
			s, ok := e.Str()
			if !ok || !filepath.IsLocal(s) {
				return false, nil, fmt.Errorf("holds %s, want files, folders or patterns of the folder where you submit", e.Text())
			}
			only = append(only, s)
		}
		return len(only) > 0, only, nil
	}
	return false, nil, fmt.Errorf(`is %s, want true, false, or a list such as ["src", "*.py"]`, v.Text())
}
