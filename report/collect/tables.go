package collect

import (
	"maps"
	"slices"
	"strings"
	"time"

	"orch/sweep/override"
	"orch/sweep/results"
)

// Tables is everything known about one sweep, in rows. [Tables.Write] makes
// files of them.
type Tables struct {
	Sweep    string
	Header   results.Header // of the newest plan or add segment
	Runs     []Run          // in plan order
	Attempts []Attempt
	Series   []Point // metric rows of counted attempts, with those before the checkpoint they resumed from; only when asked for
	Problems []Problem

	Segments    []results.Header // of all plan segments, oldest first: how the plan came to be
	Submissions []Submission     // what was asked of launchers, in order
}

// Submission is one request to a launcher for workers.
type Submission struct {
	Number   int
	Key      string // the job's unique name; see Attempt.Submission
	Backend  string
	Launcher override.Value // the resolved [launcher] table
	Workers  int
	Time     time.Time // by the submitting host's clock: for display only
	Accepted bool
	Job      string
	Reason   string // why it was not accepted
}

// Run is one planned run: the wide table.
type Run struct {
	ID, Name string
	Dropped  bool           // a later plan no longer has it; it may still be done
	State    string         // done, failed, running, queued, cancelled, held, unplanned
	Class    results.Class  // of the counted end
	Config   override.Value // resolved; null in what [Fold] returns, which leaves it to be asked for: see Resolved
	Swept    []override.Field
	Metrics  []Metric // final metrics of the counted attempt, sorted by name
	Attempts int
	Seconds  float64 // duration of the counted attempt
	Message  string  // why it failed
	Host     string
	Code     string // what made the counted attempt: version and binary of its worker; empty if unknown
	// Arithmetic is what computed it, as far as last bits go: that of each
	// attempt where another is than before, in their order; see
	// [results.RunState.Arithmetic].
	Arithmetic string

	spec   *results.RunSpec
	header *results.Header
	deltas *results.DeltaReader
}

// Resolved returns the run's whole config, null if the plan's is damaged.
func (r *Run) Resolved() override.Value {
	if r.spec == nil {
		return r.Config
	}
	v, _ := r.spec.Config(r.header) // Fold has reported the error
	return v
}

// appendConfig appends the run's whole config as JSON.
func (r *Run) appendConfig(b []byte) []byte {
	if r.spec == nil {
		return r.Config.AppendJSON(b)
	}
	from := len(b)
	b, err := r.deltas.AppendConfig(b, r.spec)
	if err != nil {
		return append(b[:from], "null"...)
	}
	return b
}

// Planned reports whether the run is in the plan; the results of other runs
// are kept, but they are in no denominator.
func (r *Run) Planned() bool { return !r.Dropped && r.State != "unplanned" }

// Metric returns a final metric by name.
func (r *Run) Metric(name string) (value float64, ok bool) {
	i, ok := slices.BinarySearchFunc(r.Metrics, name, func(m Metric, name string) int { return strings.Compare(m.Name, name) })
	if !ok {
		return 0, false
	}
	return r.Metrics[i].Value, true
}

// Setting returns a swept value by its key.
func (r *Run) Setting(key string) (override.Value, bool) {
	for _, f := range r.Swept {
		if f.Key.Text() == key {
			return f.Val, true
		}
	}
	return override.Value{}, false
}

// SweptKeys returns the swept keys: first those of the header's axes in their
// order, then others in the order in which runs have them.
func (t *Tables) SweptKeys() []string {
	var keys []string
	seen := map[string]bool{}
	add := func(key string) {
		if !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	for _, a := range t.Header.Axes {
		add(a.Key)
	}
	var last []override.Field // most runs have what the run before has
	for i := range t.Runs {
		r := &t.Runs[i]
		if slices.EqualFunc(r.Swept, last, func(a, b override.Field) bool { return a.Key.Text() == b.Key.Text() }) {
			continue
		}
		for _, f := range r.Swept {
			add(f.Key.Text())
		}
		last = r.Swept
	}
	return keys
}

// MetricNames returns the names of all final metrics, sorted.
func (t *Tables) MetricNames() []string {
	seen := map[string]bool{}
	var last []Metric // most runs have what the run before has
	for i := range t.Runs {
		r := &t.Runs[i]
		if slices.EqualFunc(r.Metrics, last, func(a, b Metric) bool { return a.Name == b.Name }) {
			continue
		}
		for _, m := range r.Metrics {
			seen[m.Name] = true
		}
		last = r.Metrics
	}
	return slices.Sorted(maps.Keys(seen))
}

// Metric is a named number. NaN and infinities are kept.
type Metric = results.Metric

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

	Submission string // Key of the submission that started the worker; empty if unknown
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
