// Package hydra turns a config folder of Hydra (YAML) into one of orch (TOML).
//
//	r, err := hydra.Import(os.DirFS("config"), hydra.Options{})
//	for _, f := range r.Files { ... f.Path, f.Text ... }
//	for _, n := range r.Notes { fmt.Println(n) }
//
// # What becomes of what
//
//	train_model.yaml             train_model.toml: the same keys, order and comments
//	defaults:                    defaults = [...], entry by entry
//	# @package _global_          package = "_global_"; nothing under experiment/, where it is the rule
//	hydra.sweeper.params         [sweep]; a preset then also names its primary config, and is a sweep file
//	hydra.launcher, hydra/launcher, a group launcher/
//	                             launcher/NAME.toml, or [launcher] where it was part of another file
//	${oc.env:HOME}               ${env:HOME}, and "HOME" in the list env of the top-level configs
//	anything else of hydra:      a [Note]; orch does it itself, or does not do it
//
// What cannot be carried over is never dropped in silence: there is a Note with
// file, line and what to do instead, and where a value was needed the file
// says "???", so that nothing runs with a value that nobody chose.
//
// # YAML as Hydra reads it
//
// Hydra loads YAML 1.1 by PyYAML, with OmegaConf's own rule for floats, and no
// YAML library of Go's does quite that. So plain scalars are read here:
//
//	yes no on off True FALSE     booleans (in a file; on Hydra's command line they are strings)
//	~ null, and nothing          null; "null" in TOML
//	1_000  0x1f  0b101  017      integers; 017 is octal, 0o17 a string
//	12:30                        the integer 750, base 60; with a Note, since nobody means it
//	1e3  1.  .5  .inf            floats; 1e3 is none in plain PyYAML
//	2024-01-31                   a string
//	"1"  'yes'  !!str no         strings
//
// Two things TOML does not have: null, written "null" (so the quoted text
// "null" is noted), and integers beyond 64 bits, which become strings (noted).
// Anchors, aliases and merge keys are written out.
package hydra
