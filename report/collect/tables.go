package collect

import (
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
)

// Tables is everything known about one sweep, in rows.
type Tables struct {
	Sweep    string
	Header   results.Header // of the newest plan or add segment
	Runs     []Run          // in plan order
	Attempts []Attempt
	Series   []Point // metric rows of counted attempts; only when asked for
	Problems []Problem
}

// Run is one planned run: the wide table.
type Run struct {
	ID, Name string
	State    string         // done, failed, running, queued, cancelled, held, unplanned
	Class    results.Class  // of the counted end
	Config   override.Value // resolved
	Swept    []override.Field
	Metrics  []Metric // final metrics of the counted attempt, sorted by name
	Attempts int
	Seconds  float64 // duration of the counted attempt
	Message  string  // why it failed
	Host     string
}

// Metric is a named number. NaN and infinities are kept.
type Metric struct {
	Name  string
	Value float64
}

// Attempt is one execution of a run.
type Attempt struct {
	Run     string // ID
	Folder  string // relative to the sweep
	Class   results.Class
	Counted bool
	Worker  string
	Host    string
	Start   time.Time // by the worker's clock: for display only
	Seconds float64
	Exit    int
	Signal  string
	Message string
	MaxRSS  int64 // bytes
	CPU     float64
}

// Point is one row of the long metrics table.
type Point struct {
	Run   string
	Step  int64
	Name  string
	Value float64
}

// Problem is something wrong with the tree's content that did not stop the fold.
type Problem struct {
	File   string // relative to the sweep
	Offset int64
	Text   string
}
