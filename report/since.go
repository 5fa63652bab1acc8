package report

import (
	"encoding/json"
	"fmt"
	"math"
)

// Since says what changed from an earlier report, given its report.json, in
// sentences: runs that came, rows whose mean moved, a verdict that turned. It is
// empty if nothing did.
func (r *Report) Since(earlier []byte) ([]string, error) {
	var old struct {
		Schema    string
		StudyHash string `json:"study_sha256"`
		Verdict   *struct {
			Outcome  Outcome
			Estimate num
			Used     int
		}
		Counts  struct{ Planned, Done, Failed, Missing int }
		Metrics []struct{ Name string }
		Rows    []struct {
			Settings []string
			Cells    []struct {
				N    int
				Mean num
			}
		}
		Provenance struct{ Orch string }
	}
	if err := json.Unmarshal(earlier, &old); err != nil {
		return nil, fmt.Errorf("read the earlier report.json: %w", err)
	}
	if old.Schema != "orch.report/1" {
		return nil, fmt.Errorf("the earlier report.json has the schema %q, want orch.report/1", old.Schema)
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	for _, c := range []struct {
		what      string
		was, isIt int
	}{{"planned", old.Counts.Planned, r.Counts.Planned}, {"done", old.Counts.Done, r.Counts.Done}, {"failed", old.Counts.Failed, r.Counts.Failed}, {"missing", old.Counts.Missing, r.Counts.Missing}} {
		if c.was != c.isIt {
			say("runs %s: %d, now %d", c.what, c.was, c.isIt)
		}
	}
	if old.StudyHash != r.Frozen.Hash {
		say("the study was changed: SHA-256 %s, now %s", cmpOr(first(old.StudyHash, 12), "none"), cmpOr(first(r.Frozen.Hash, 12), "none"))
	}
	switch {
	case old.Verdict == nil && r.Verdict != nil:
		say("there is a criterion now: %s", r.Verdict.Outcome)
	case old.Verdict != nil && r.Verdict == nil:
		say("there is no criterion any more; it was %s", old.Verdict.Outcome)
	case old.Verdict != nil && old.Verdict.Outcome != r.Verdict.Outcome:
		say("the criterion was %s with %d pairs, and is %s with %d", old.Verdict.Outcome, old.Verdict.Used, r.Verdict.Outcome, r.Verdict.Used)
	case old.Verdict != nil && !sameNumber(float64(old.Verdict.Estimate), r.Verdict.Estimate):
		say("the criterion's estimate was %s, and is %s", short(float64(old.Verdict.Estimate)), short(r.Verdict.Estimate))
	}
	means := map[string]float64{}
	for _, row := range old.Rows {
		for j, c := range row.Cells {
			if j < len(old.Metrics) {
				means[fmt.Sprint(row.Settings, old.Metrics[j].Name)] = float64(c.Mean)
			}
		}
	}
	const few = 5
	moved := 0
	for _, row := range r.Rows {
		for j, c := range row.Cells {
			was, ok := means[fmt.Sprint(some(row.Settings), r.Metrics[j].Name)]
			if ok && sameNumber(was, c.Mean) {
				continue
			}
			if moved++; moved > few {
				continue
			}
			if !ok {
				say("%s of %v is new: %s", r.Metrics[j].Name, row.Settings, short(c.Mean))
			} else {
				say("%s of %v: %s, now %s", r.Metrics[j].Name, row.Settings, short(was), short(c.Mean))
			}
		}
	}
	if moved > few {
		say("and %d more means", moved-few)
	}
	return out, nil
}

func sameNumber(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
