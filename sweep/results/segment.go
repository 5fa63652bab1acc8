package results

import (
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
	Study      override.Value   `json:"study"`           // the sweep file's [study], resolved; null without one
	Retry      override.Value   `json:"retry"`           // the sweep file's [retry] policy, resolved; null without one
	Bases      []override.Value `json:"bases"`           // resolved configs; a run is one of them plus its delta
	Groups     []Group          `json:"groups"`          // resource requests, by number
	Owes       []string         `json:"owes,omitempty"`  // metrics a run must have to be done
	Volatile   []string         `json:"volatile"`        // keys that are no part of a run's identity
	Cause      string           `json:"cause,omitempty"` // why this segment exists, for retries
}

// Axis is a swept key with its values, for tables and labels.
type Axis struct {
	Key    string           `json:"key"`
	Values []override.Value `json:"values"`
}

// Group is a set of runs with one resource request; the unit of submission.
type Group struct {
	Launcher override.Value `json:"launcher"` // the resolved [launcher] table
	Runs     int            `json:"runs"`     // how many of this segment's work runs it has
	Workers  int            `json:"workers"`  // W of the block sizes; see [Blocks]
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
	Binary    string    `json:"binary"`  // SHA-256 of the orch binary
	Go        string    `json:"go"`
	Commit    string    `json:"commit,omitempty"` // git commit of Dir, if it is in a work tree
	Dirty     bool      `json:"dirty,omitempty"`
	DirtyHash string    `json:"dirty_hash,omitempty"` // SHA-256 of the diff against the commit
}

// RunSpec is one run of a segment.
type RunSpec struct {
	ID    string           // identity: hash of the resolved config without volatile keys
	Name  string           // folder name: short, readable, safe, unique in the sweep
	Base  int              // index into Header.Bases
	Group int              // index into Header.Groups
	Delta []override.Field // dotted path and value: what differs from the base
	Work  bool             // this segment asks for an attempt; else the run is only planned
}

// Config returns the run's whole resolved config.
func (r RunSpec) Config(h *Header) override.Value {
	v := h.Bases[r.Base]
	for _, f := range r.Delta {
		v = v.Set(f.Key.Text(), f.Val)
	}
	return v
}
