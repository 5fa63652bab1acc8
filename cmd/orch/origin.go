package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"

	"orch/sweep"
	"orch/sweep/compose"
	"orch/sweep/override"
	"orch/sweep/results"
)

// valueJSON is a value of a run's config with its place, in the schema
// orch.config/1.
type valueJSON struct {
	Key   string         `json:"key"`
	Value override.Value `json:"value"`
	File  string         `json:"file,omitempty"`
	Line  int            `json:"line,omitempty"`
	From  string         `json:"from,omitempty"` // where there is no file: "command line"
}

// showPlanned prints a planned run's resolved config, the origin beside each
// value. What it prints is TOML.
func (p *program) showPlanned(c *cli.Context, plan *sweep.Plan, word string) error {
	spec, index, err := plannedRun(plan, word)
	if err != nil {
		return err
	}
	h := plan.Header()
	config, err := spec.Config(&h)
	if err != nil {
		return err
	}
	o := origins{plan.AxisOrigins(index), plan.Composed(spec.Base)}
	values := o.values(nil, nil, config)
	if g := plan.Groups[spec.Group].Launcher; !g.IsNull() {
		values = o.values(values, []string{"launcher"}, g)
	}
	if c.Bool("json") {
		return p.printJSON(struct {
			Schema string      `json:"schema"`
			Run    string      `json:"run"`
			ID     string      `json:"id"`
			Values []valueJSON `json:"values"`
		}{"orch.config/1", spec.Name, spec.ID, values})
	}
	lines, wide := make([]string, len(values)), 0
	const far = 60 // an origin behind a longer value follows it at once
	for i, v := range values {
		lines[i] = v.Key + " = " + v.Value.TOML()
		if n := utf8.RuneCountInString(lines[i]); n <= far {
			wide = max(wide, n)
		}
	}
	fmt.Fprintf(p.stdout, "# %s\n", spec.Name)
	for i, v := range values {
		from := v.From
		if v.File != "" {
			from = fmt.Sprintf("%s:%d", v.File, v.Line)
		}
		pad := strings.Repeat(" ", max(0, wide-utf8.RuneCountInString(lines[i])))
		fmt.Fprintf(p.stdout, "%s%s  %s\n", lines[i], pad, p.paint(dim, "# "+from))
	}
	return nil
}

// plannedRun finds a run of a plan by the beginning of its name or ID; the first
// one without a word.
func plannedRun(plan *sweep.Plan, word string) (run results.RunSpec, index int, err error) {
	var names []string
	i := -1
	for spec, err := range plan.Specs() {
		i++
		if err != nil {
			return spec, i, err
		}
		if spec.Name == word || spec.ID == word || word == "" {
			return spec, i, nil
		}
		if strings.HasPrefix(spec.Name, word) || strings.HasPrefix(spec.ID, word) {
			run, index = spec, i
			names = append(names, spec.Name)
		}
	}
	switch {
	case word == "":
		return run, 0, usage("the plan has no runs")
	case len(names) == 0:
		return run, 0, usage("no planned run begins with %q: orch plan --all lists them", word)
	case len(names) == 1:
		return run, index, nil
	}
	return run, 0, usage("%q fits %d planned runs: %s, %s ...: type more of the name", word, len(names), names[0], names[1])
}

// origins knows where the values of a run come from: a swept key's value from
// its axis, a computed one from where its expression was written.
type origins struct {
	axes     map[string]compose.Origin
	composed *compose.Config
}

// values appends the leaves of a config at a path.
func (o origins) values(list []valueJSON, path []string, v override.Value) []valueJSON {
	if v.Kind() == override.Map && v.Len() > 0 {
		for _, f := range v.Fields() {
			list = o.values(list, append(path[:len(path):len(path)], f.Key.Text()), f.Val)
		}
		return list
	}
	if len(path) == 0 {
		return list
	}
	keys := make([]string, len(path))
	for i, k := range path {
		keys[i] = tomlKey(k)
	}
	at, swept := o.axes[strings.Join(path, ".")]
	if !swept {
		at = o.composed.OriginAt(path...)
	}
	x := valueJSON{Key: strings.Join(keys, "."), Value: v, File: at.File, Line: at.Line}
	if at.File == "" {
		x.From = at.String()
	}
	return append(list, x)
}

// tomlKey quotes a key that TOML does not take bare.
func tomlKey(k string) string {
	bare := k != ""
	for _, r := range k {
		bare = bare && (r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	}
	if bare {
		return k
	}
	return override.StringValue(k).TOML()
}
