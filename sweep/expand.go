package sweep

import (
	"orch/sweep/compose"
	"orch/sweep/override"
)

// DefaultMaxRuns is the limit on the size of a plan where a request names none.
const DefaultMaxRuns = 100_000

// Request is what is to be expanded.
type Request struct {
	Source    *compose.Source
	Primary   compose.Primary // the sweep file, or a config by name
	Overrides []string        // from the command line, as typed
	Env       []string        // overrides from the environment; the command line wins
	Multirun  bool            // an override may carry several values: a=1,2
	Launcher  string          // used when nothing chooses a launcher; may be empty

	// Checker judges a run's config; see trainer.Trainer. Errors with a method
	// Path() string, the dotted key to blame, get the place of its value in
	// front. nil: nothing is judged.
	Checker func(config override.Value) []error
	// CheckAll: every run is judged. Otherwise, above [CheckEach] runs, one is
	// judged for every base, every axis value on every base, and every pair of
	// values up to a bound; that misses no problem of a single key.
	CheckAll bool

	MaxRuns    int  // more are refused before any is made; 0: [DefaultMaxRuns]
	AllowEmpty bool // a plan without runs is no error

	// Known returns the name that a run of this identity has in the results
	// tree. Runs that have none are numbered from NextIndex on. nil: none has.
	Known     func(id string) (name string, ok bool)
	NextIndex int
}

// CheckEach is the size up to which a plan's runs are all shown to the checker.
const CheckEach = 10_000

// Expand makes the plan of a sweep. It reads what the request gives it and
// nothing else: no clock, no disk, no environment. Everything that is wrong
// with the sweep comes back at once, as [*Problems].
func Expand(req Request) (*Plan, error) {
	x := &expander{req: req, limit: req.MaxRuns, plan: &Plan{}}
	if x.limit <= 0 {
		x.limit = DefaultMaxRuns
	}
	x.limit = min(x.limit, 1<<31) // ordinals of a block fit 32 bits
	x.check = runCheck{check: req.Checker, pairs: pairBudget, found: &x.problems}
	if err := x.expand(); err != nil {
		x.problems.add(err)
	}
	if err := x.problems.err(); err != nil {
		return nil, err
	}
	return x.plan.Named(req.Known, req.NextIndex), nil
}

// expander carries the state of one call of Expand.
type expander struct {
	req   Request
	limit int
	plan  *Plan

	args    []arg   // fixed overrides, weakest first
	swept   []*axis // axes from overrides, in their order
	presets []*axis // more of them: groups whose options bring [sweep] tables of their own
	pending []*pending

	groups   groupTable
	bases    map[string]int // canonical base and choices -> index
	same     []override.Field
	vol      *volatileSet
	check    runCheck
	problems problems
}

// expand makes the plan step by step. Nothing that grows with the number of
// runs happens before measure has seen how many there are.
func (x *expander) expand() error {
	if err := x.parse(); err != nil {
		return err
	}
	if err := x.findPresets(); err != nil {
		return err
	}
	if err := x.readSweeps(); err != nil {
		return err
	}
	if err := x.measure(); err != nil {
		return err
	}
	if err := x.lay(); err != nil {
		return err
	}
	return x.enumerate()
}
