package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"orch/configs"
	"orch/sweep/compose"
	"orch/sweep/override"
	"orch/trainer"
	"orch/trainer/nn"
)

// source is the config search path of the command line that is being typed.
func (c *completer) source() *compose.Source {
	s := &compose.Source{Env: os.LookupEnv}
	dir := c.flags["config-dir"]
	if dir == "" {
		dir = "configs"
	}
	if st, err := os.Stat(dir); err == nil && st.IsDir() {
		s.Layers = append(s.Layers, compose.Layer{Label: filepath.ToSlash(dir), FS: os.DirFS(dir)})
	}
	s.Layers = append(s.Layers, compose.Layer{Label: "embedded", FS: configs.FS})
	return s
}

// config composes what the overrides change: the sweep file, or train.toml. The
// group choices that are typed already count, so that their keys are offered;
// with one that does not fit, the config without any.
func (c *completer) config(s *compose.Source, file string) *compose.Config {
	primary := compose.Primary{Name: "train"}
	if n := c.flags["config-name"]; n != "" {
		primary.Name = n
	}
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil || len(b) > 1<<20 {
			return nil
		}
		primary = compose.Primary{Path: filepath.ToSlash(file), Text: b}
	}
	var choices []override.Override
	for _, a := range c.args {
		o, err := override.Parse(a)
		if err == nil && o.Sweep == nil && s.IsGroup(strings.ReplaceAll(o.Key, ".", "/")) {
			choices = append(choices, o)
		}
	}
	// A launcher that nothing has chosen is the default one.
	name := c.flags["launcher"]
	if name == "" {
		name = defaultLauncher
	}
	launcher := override.Override{Op: override.Add, Key: "launcher", HasValue: true, Value: override.StringValue(name)}
	for _, try := range [][]override.Override{append(choices[:len(choices):len(choices)], launcher), choices, {launcher}, nil} {
		if config, err := s.Compose(primary, try); err == nil {
			return config
		}
	}
	return nil
}

// keys are the dotted keys of the config.
func (c *completer) keys(file string) []string {
	if file == "train" {
		file = ""
	}
	if config := c.config(c.source(), file); config != nil {
		return leaves("", config.Tree())
	}
	return nil
}

// overrides completes KEY=VALUE: config groups and their options, keys of the
// config and their values, behind any of + ++ ~.
func (c *completer) overrides(file string) []candidate {
	source := c.source()
	op := c.cur[:len(c.cur)-len(strings.TrimLeft(c.cur, "+~"))]
	key, value, valued := strings.Cut(c.cur[len(op):], "=")
	if valued {
		typed := value[:strings.LastIndexByte(value, ',')+1] // of a,b,c the last is completed
		before := op + key + "=" + typed
		group, _, _ := strings.Cut(key, "@")
		if source.IsGroup(group) {
			return named(before, source.Options(group), "option of "+group)
		}
		return named(before, c.values(source, file, key), "")
	}
	end, list := "=", []candidate(nil)
	if op == "~" {
		end = ""
	}
	config := c.config(source, file)
	var chosen []string
	if config != nil {
		for _, ch := range config.Choices() {
			chosen = append(chosen, ch.Key)
		}
	}
	for _, g := range source.Groups() {
		// A group that is not in use yet is added with a plus.
		if len(source.Options(g)) > 0 && (op != "" || slices.Contains(chosen, g) || g == "launcher") {
			list = append(list, candidate{op + g + end, "config group"})
		}
	}
	if config == nil || op == "+" {
		return list
	}
	tree := config.Tree()
	for _, k := range leaves("", tree.Without("study").Without("sweep")) {
		help := ""
		if v, ok := tree.Get(k); ok {
			help = "now " + oneLine(v.Text())
		}
		list = append(list, candidate{op + k + end, help})
	}
	if op == "" { // keys of the launcher that its file leaves out are set without a plus
		backend, _ := tree.Get("launcher.backend")
		for _, k := range launcherKeyNames(backend.Text()) {
			if _, ok := tree.Get("launcher." + k); !ok {
				list = append(list, candidate{"launcher." + k + end, "not set"})
			}
		}
	}
	axes, _ := tree.Lookup("sweep")
	for _, f := range axes.Fields() { // an override replaces an axis of the file
		list = append(list, candidate{op + f.Key.Text() + end, "axis"})
	}
	return list
}

// values are the values that a key may have, as far as that is a list: those of
// the trainer's schema, true and false, and the one that it has.
func (c *completer) values(source *compose.Source, file, key string) []string {
	schema := nn.Keys()
	if i := slices.IndexFunc(schema, func(k trainer.Key) bool { return k.Name == key }); i >= 0 && schema[i].Choices != nil {
		return schema[i].Choices
	}
	if key == "trainer" {
		var all []string
		for _, t := range trainers {
			all = append(all, t.Name())
		}
		return all
	}
	config := c.config(source, file)
	if config == nil {
		return nil
	}
	v, ok := config.Tree().Get(key)
	switch {
	case !ok || v.Kind() == override.Map:
		return nil
	case v.Kind() == override.Bool:
		return []string{"true", "false"}
	}
	return []string{v.Text()}
}
