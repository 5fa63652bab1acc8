// Package configs holds the config files that orch ships with, embedded in the
// binary: the tasks train and report, and the options of the groups model,
// data, training, launcher and experiment. A file of the same name in the
// user's config folder takes the place of the one here; all others stay.
package configs

import "embed"

// FS holds the files: "train.toml", "model/net2.toml", ...
//
//go:embed *.toml */*.toml
var FS embed.FS
