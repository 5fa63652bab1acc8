package results

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"time"

	"orch/sweep/override"
)

// Kind says what a plan segment does to the sweep's planned runs.
type Kind string

// The kinds of segment.
const (
	KindPlan  Kind = "plan"  // these runs are the plan, in place of every earlier one
	KindAdd   Kind = "add"   // these runs join the plan (orch train; a search's next ask)
	KindRetry Kind = "retry" // these runs, planned before, get another try
	KindRerun Kind = "rerun" // as retry, and their earlier results no longer count
)

// Header is everything of a plan segment but its runs.
type Header struct {
	Format     int              `json:"format"`
	Kind       Kind             `json:"kind"`
	Sweep      string           `json:"sweep"`
	Number     int              `json:"number"`
	Provenance Provenance       `json:"provenance"`
	Axes       []Axis           `json:"axes,omitempty"`
	Study      override.Value   `json:"study"`             // the sweep file's [study], resolved; null without one
	Retry      override.Value   `json:"retry"`             // the sweep file's [retry] policy, resolved; null without one
	Bases      []override.Value `json:"bases"`             // resolved configs; a run is one of them plus its delta
	Choices    []override.Value `json:"choices,omitempty"` // by base: the options of the swept config groups, {"model": "net5"}
	Groups     []Group          `json:"groups"`            // resource requests, by number
	Owes       []string         `json:"owes,omitempty"`    // metrics a run must have to be done
	Volatile   []string         `json:"volatile"`          // keys that are no part of a run's identity
	Adopts     []Adoption       `json:"adopts,omitempty"`  // blocks of earlier segments that other groups serve from now on
	Cause      string           `json:"cause,omitempty"`   // why this segment exists, for retries
	Code       *Code            `json:"code,omitempty"`    // the copy of the code that its runs execute; nil: they start where submit was typed
	Changes    []byte           `json:"-"`                 // the patch against Provenance.Commit, a file of its own; see [Sweep.Changes]
}

// Adoption says that the blocks of a group of an earlier segment are served by
// workers of another request from now on: a sweep that was begun on a laptop
// and goes on under Slurm keeps its blocks. The newest adoption holds.
type Adoption struct {
	Segment int    `json:"segment"`
	Group   int    `json:"group"`
	Key     string `json:"key"` // Group.Key of the request that serves them
}

// GroupKey returns the name of a resource request: a hash of the resolved
// [launcher] table, whatever the order of its keys.
func GroupKey(launcher override.Value) string {
	b, err := json.Marshal(launcher.Any()) // a Go map: sorted keys
	if err != nil {                        // NaN or infinity
		b = launcher.AppendJSON(nil)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:4])
}

// Axis is a swept key with its values, for tables and labels.
type Axis struct {
	Key    string           `json:"key"`
	Values []override.Value `json:"values"`
}

// Group is a set of runs with one resource request; the unit of submission.
type Group struct {
	Key      string         `json:"key"`      // names the request: workers serve one key; see [GroupKey]
	Launcher override.Value `json:"launcher"` // the resolved [launcher] table
	Runs     int            `json:"runs"`     // how many of the segment's work runs it has; set by Publish
	Workers  int            `json:"workers"`  // W of the block sizes: workers times runs at once
	Single   bool           `json:"single"`   // one run a block, since durations are unknown
}

// Provenance says where a segment came from. All of it is for people.
type Provenance struct {
	Time      time.Time `json:"time"`
	Host      string    `json:"host"`
	User      string    `json:"user,omitempty"`
	Dir       string    `json:"dir"`     // where submit was typed: a program's working directory
	Command   []string  `json:"command"` // the command line
	Orch      string    `json:"orch"`    // version
	Binary    string    `json:"binary"`  // hash of the orch binary: of its content by Go's linker, or its SHA-256
	Go        string    `json:"go"`
	Commit    string    `json:"commit,omitempty"` // git commit of Dir, if it is in a work tree
	Dirty     bool      `json:"dirty,omitempty"`
	DirtyHash string    `json:"dirty_hash,omitempty"` // SHA-256 of the diff against the commit
	DirtyNote string    `json:"dirty_note,omitempty"` // what the kept diff leaves out
	Data      []Data    `json:"data,omitempty"`       // data sets of the built-in trainers, as they were then
}

// Data identifies a data set.
type Data struct {
	Name   string `json:"name"`
	Dir    string `json:"dir,omitempty"` // of its files, or its one file
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256,omitempty"` // over its files; empty if they are too large to read while somebody waits
}

// RunSpec is one run of a segment.
type RunSpec struct {
	ID    string           // identity: hash of the resolved config without volatile keys
	Name  string           // folder name: short, readable, safe, unique in the sweep
	Base  int              // index into Header.Bases
	Group int              // index into Header.Groups
	Delta []override.Field // dotted path and value: what differs from the base; written, see Fields for reading
	Work  bool             // this segment asks for an attempt; else the run is only planned

	raw []byte // Delta as read, not parsed until asked for
}

// Fields returns the run's delta.
func (r *RunSpec) Fields() ([]override.Field, error) {
	if r.raw == nil {
		return r.Delta, nil
	}
	v, err := override.ParseJSON(r.raw)
	return v.Fields(), err
}

// Swept returns the value of an axis for this run: the option of a config
// group, or the value of a key.
func (r *RunSpec) Swept(h *Header, axis string, config override.Value) (override.Value, bool) {
	if r.Base < len(h.Choices) {
		if v, ok := h.Choices[r.Base].Lookup(axis); ok {
			return v, true
		}
	}
	return config.Get(axis)
}

// Config returns the run's whole resolved config.
func (r *RunSpec) Config(h *Header) (override.Value, error) {
	fields, err := r.Fields()
	if err != nil {
		return override.Value{}, fmt.Errorf("run %s: its delta: %w", r.Name, err)
	}
	v := h.Bases[r.Base]
	for _, f := range fields {
		v = v.Set(f.Key.Text(), f.Val)
	}
	return v, nil
}
