package hydra

import (
	"strings"

	"orch/sweep/override"
)

// interpolations rewrites the ${...} of a text from OmegaConf's to orch's. lost
// says what of it orch has no word for, with what to do instead; it is empty
// if the text is carried over.
func (f *config) interpolations(s string) (out, lost, do string) {
	var b strings.Builder
	for i := 0; i < len(s); {
		slashes := 0
		for i+slashes < len(s) && s[i+slashes] == '\\' {
			slashes++
		}
		b.WriteString(s[i : i+slashes])
		i += slashes
		if i == len(s) {
			break
		}
		if !strings.HasPrefix(s[i:], "${") || slashes%2 == 1 {
			b.WriteByte(s[i])
			i++
			continue
		}
		end := closing(s, i+2)
		if end < 0 {
			return s, `"${" without "}"`, "close it"
		}
		inner, l, d := f.reference(s[i+2 : end])
		if l != "" {
			return s, l, d
		}
		b.WriteString("${" + inner + "}")
		i = end + 1
	}
	return b.String(), "", ""
}

// closing returns the index of the brace that closes a reference, or -1.
func closing(s string, i int) int {
	depth := 0
	quote := byte(0)
	for ; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '{':
			depth++
		case c == '}' && depth == 0:
			return i
		case c == '}':
			depth--
		}
	}
	return -1
}

// reference rewrites what is between the braces.
func (f *config) reference(s string) (out, lost, do string) {
	s = strings.TrimSpace(s)
	name, arg, isCall := strings.Cut(s, ":")
	if !isCall || strings.ContainsAny(name, "${[") {
		if root, _, _ := strings.Cut(s, "."); root == "hydra" {
			return s, "${" + s + "}", hydraValue(strings.TrimPrefix(s, "hydra."))
		}
		out, lost, do = f.interpolations(f.imp.renamed(s))
		return out, lost, do
	}
	switch name = strings.TrimSpace(name); name {
	case "oc.env", "env":
		arg, lost, do = f.interpolations(arg)
		if lost != "" {
			return s, lost, do
		}
		variable, fallback, has := strings.Cut(arg, ",")
		variable = strings.Trim(strings.TrimSpace(variable), `"'`)
		if strings.Contains(variable, "${") {
			return s, "${" + s + "}, a variable whose name is computed", "name the variable, which orch has to know before it reads it"
		}
		if secretName(variable) {
			return s, "${" + s + "}, which looks like a secret", "configs are stored with the results: have the program read the variable itself"
		}
		f.imp.env[variable] = true
		if has {
			return "env:" + variable + "," + strings.TrimSpace(fallback), "", ""
		}
		return "env:" + variable, "", ""
	case "now":
		return "now:" + arg, "", ""
	case "hydra":
		return s, "${" + s + "}", hydraValue(arg)
	case "oc.select":
		return s, "${" + s + "}", "orch has no such resolver: give the key a value in every config, and refer to it as ${key}"
	case "oc.decode":
		return s, "${" + s + "}", "orch has no such resolver: set the key on the command line or by an axis, where it gets a type"
	case "oc.create", "oc.dict.keys", "oc.dict.values", "oc.deprecated":
		return s, "${" + s + "}", "orch has no such resolver: write the value itself"
	}
	return s, "${" + s + "}, a resolver from Python", "compute it in the program, or write the value itself"
}

// hydraValue says what takes the place of a value of Hydra's own config.
func hydraValue(path string) string {
	switch {
	case strings.HasPrefix(path, "runtime.cwd"):
		return "runs start in the folder where orch submit was typed: write the path relative to it"
	case strings.HasPrefix(path, "runtime.output_dir"), strings.HasPrefix(path, "run.dir"), strings.HasPrefix(path, "sweep."):
		return "a run's own folder is {run_dir} in [task], and $ORCH_RUN_DIR in its environment"
	case strings.HasPrefix(path, "job.num"), strings.HasPrefix(path, "job.id"), strings.HasPrefix(path, "job.override_dirname"), strings.HasPrefix(path, "job.name"):
		return "orch names runs itself, such as 0042-net5-lr0.01-s3-9f3a: leave it out"
	case strings.HasPrefix(path, "runtime.choices"):
		return "write the name of the option into its file: name = \"net2\", and refer to ${model.name}"
	}
	return "orch has no config of its own to refer to: write the value itself"
}

// secretName says which variables orch refuses to write into configs.
func secretName(name string) bool {
	s := strings.ToLower(name)
	for _, w := range []string{"token", "secret", "password", "passwd", "credential"} {
		if strings.Contains(s, w) {
			return true
		}
	}
	for _, w := range strings.Split(s, "_") {
		if strings.HasSuffix(w, "key") || strings.HasSuffix(w, "keys") {
			return true
		}
	}
	return false
}

// values rewrites the interpolations of a table. What cannot be written any
// more becomes "???", so that nothing runs without it.
func (f *config) values(t *table) {
	for _, e := range t.entries {
		e.val = f.value(e, e.val)
		if e.key == "_target_" {
			f.look(e.line, "the program finds it in its config; orch itself starts nothing in Python", "_target_ is a plain key here")
		}
	}
}

func (f *config) value(e *entry, v value) value {
	switch {
	case v.table != nil:
		f.values(v.table)
	case v.isList:
		for i := range v.list {
			v.list[i] = f.value(e, v.list[i])
		}
	default:
		s, ok := v.str()
		if !ok || !strings.Contains(s, "${") {
			return v
		}
		out, lost, do := f.interpolations(s)
		if lost != "" {
			f.lost(v.line, do, "%s: %s", e.key, lost)
			e.head = append(e.head, "# "+e.key+" was: "+strings.ReplaceAll(s, "\n", " "))
			return scalarOf(override.QuotedValue("???"), v.line)
		}
		return scalarOf(override.QuotedValue(out), v.line)
	}
	return v
}
