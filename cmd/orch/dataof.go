package main

import (
	"path/filepath"
	"slices"

	"orch/sweep/override"
	"orch/sweep/results"
	"orch/trainer/data"
	"orch/trainer/nn"
)

// maxDataSets bounds the data sets that a submission looks at.
const maxDataSets = 16

// dataOf identifies the data sets that a plan's runs learn from, each once, so
// that the report can tell whether two submissions saw the same. A set that is
// not there, or is only where the runs will be, is left out: its runs will say so.
func dataOf(bases []override.Value, dir string) []results.Data {
	var out []results.Data
	for _, config := range bases {
		if v, _ := config.Lookup("trainer"); v.Text() != "nn" {
			continue
		}
		s, ok := nn.DataOf(config, dir)
		if !ok || len(out) == maxDataSets {
			continue
		}
		where := filepath.Join(s.Dir, s.File)
		if s.Name == "digits" {
			where = "" // part of the program
		}
		if slices.ContainsFunc(out, func(d results.Data) bool { return d.Name == s.Name && d.Dir == where }) {
			continue
		}
		if digest, size, err := data.Digest(s); err == nil {
			out = append(out, results.Data{Name: s.Name, Dir: where, Bytes: size, SHA256: digest})
		}
	}
	return out
}
