package dispatch

import (
	"errors"
	"fmt"
	"math"

	"orch/launcher"
	"orch/sweep/override"
	"orch/sweep/results"
)

// again publishes the tries that the sweep's [retry] policy grants by itself:
// after a program's own error if it says so, and with more memory after running
// out of it. A run has as many tries as its ends and its policy allow, so
// however many Steps look, each grant is made once: the segment's number is
// taken by the first.
func (d *Dispatcher) again(out *Outcome) error {
	header := d.Snapshot.Plan.Header()
	grant := Granted(header, out.States)
	if len(grant) == 0 || d.Workers == nil {
		return nil
	}
	out.Due = true
	policy, _ := results.ParseRetryPolicy(header.Retry)
	for class, change := range map[results.Class]func(override.Value) override.Value{
		results.Failed:      nil,
		results.OutOfMemory: func(l override.Value) override.Value { return raiseMemory(l, policy.MemoryFactor) },
	} {
		if class == results.OutOfMemory {
			if err := d.holdTooBig(grant, out, change); err != nil {
				return err
			}
		}
		any := false
		for _, c := range grant {
			any = any || c == class
		}
		if !any {
			continue
		}
		r, err := retry(d.Sweep, d.Snapshot, func(st results.RunState) bool { return grant[st.Run.ID] == class },
			"by the retry policy: "+class.String(), Publication{Workers: d.Workers, launcher: change})
		if errors.Is(err, results.ErrChanged) {
			return nil // another Step was first: look again next time
		}
		if err != nil {
			return err
		}
		if r.Again > 0 {
			runs := "runs get"
			if r.Again == 1 {
				runs = "run gets"
			}
			out.Notes = append(out.Notes, fmt.Sprintf("%d %s another try (%s)", r.Again, runs, class))
			if _, err := d.Snapshot.Refresh(); err != nil {
				return err
			}
			out.look(d.Snapshot)
		}
	}
	out.Due = false
	return nil
}

// TooBigError is that of Workers for a request that no machine could ever serve.
type TooBigError struct{ Err error }

func (e *TooBigError) Error() string { return e.Err.Error() }
func (e *TooBigError) Unwrap() error { return e.Err }

// holdTooBig takes back the grants of runs for which there is no machine with the
// memory that they would be given, and holds these runs.
func (d *Dispatcher) holdTooBig(grant map[string]results.Class, out *Outcome, raise func(override.Value) override.Value) error {
	problem := map[string]error{} // by request
	held := 0
	for _, st := range out.States {
		if grant[st.Run.ID] != results.OutOfMemory {
			continue
		}
		key, table := request(d.Snapshot.Plan, st.Run)
		err, known := problem[key]
		if !known {
			_, _, _, err = d.Workers(raise(table))
			problem[key] = err
		}
		var big *TooBigError
		if !errors.As(err, &big) {
			continue // there is room, or whoever publishes the try hears of the trouble
		}
		delete(grant, st.Run.ID)
		cause := "out of memory, and with more: " + err.Error()
		if err := d.Sweep.Give(results.ActionHold, st.Run.ID, cause, "orch"); err != nil {
			return err
		}
		if held++; held == 1 {
			out.Notes = append(out.Notes, st.Run.Name+" is not tried again: "+cause)
		}
	}
	if held == 0 {
		return nil
	}
	if _, err := d.Snapshot.Refresh(); err != nil {
		return err
	}
	out.look(d.Snapshot)
	return nil
}

// Granted returns the runs, by ID, to which the retry policy grants a try that no
// Step has published yet, and what ended their last one. A sweep with such runs
// is not over. The header is that of the plan; nil grants nothing.
func Granted(header *results.Header, states []results.RunState) map[string]results.Class {
	if header == nil {
		return nil
	}
	policy, _ := results.ParseRetryPolicy(header.Retry)
	var grant map[string]results.Class
	for _, st := range states {
		if st.State != results.StateFailed || !st.Run.Planned || st.End.GiveUp || st.Order != nil {
			continue
		}
		switch n := endsOf(st); {
		case st.End.Class == results.Failed && n[results.Failed] <= policy.Failed,
			st.End.Class == results.OutOfMemory && n[results.OutOfMemory] <= policy.OutOfMemory:
			if grant == nil {
				grant = map[string]results.Class{}
			}
			grant[st.Run.ID] = st.End.Class
		}
	}
	return grant
}

// endsOf counts how the tries of a run ended so far.
func endsOf(st results.RunState) map[results.Class]int {
	n := map[results.Class]int{}
	for _, a := range st.Attempts {
		if a.Counts && a.End != nil {
			n[a.End.Class]++
		}
	}
	return n
}

// raiseMemory returns a resource request with factor times the memory. A
// request without a limit stays as it is.
func raiseMemory(table override.Value, factor float64) override.Value {
	mem, ok := table.Lookup("mem")
	if !ok {
		return table
	}
	mib, err := launcher.ParseMem(mem.Any())
	if err != nil || mib == 0 {
		return table
	}
	return table.With("mem", override.QuotedValue(fmt.Sprintf("%dM", int64(math.Ceil(float64(mib)*factor)))))
}
