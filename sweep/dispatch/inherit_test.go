package dispatch

import (
	"fmt"
	"slices"
	"testing"

	"orch/launcher"
	"orch/sweep/results"
)

// Workers that cron's Step starts find what those of the newest submit found.
func TestInherited(t *testing.T) {
	limits(t, 0)
	f, s := newFixture(t), newScheduler()
	f.publish(fmt.Sprintf(onScheduler, 1), results.KindPlan)
	for i, x := range []struct {
		insist    bool
		env, want string // of the process, of the workers; "": the process's own
	}{
		{false, "PATH=/cron", ""},
		{true, "PATH=/venv/bin", "PATH=/venv/bin"},
		{false, "PATH=/cron", "PATH=/venv/bin"},
		{true, "PATH=/venv2/bin", "PATH=/venv2/bin"},
		{false, "PATH=/cron", "PATH=/venv2/bin"},
	} {
		s.env, s.answers = []string{x.env}, []error{&launcher.Limited{Reason: "MaxSubmitJobs"}}
		d := f.process(s)
		d.Insist = x.insist
		f.step(d)
		if len(s.asked) != i+1 {
			t.Fatalf("%d submissions after %d Steps", len(s.asked), i+1)
		}
		var want []string
		if x.want != "" {
			want = []string{x.want}
		}
		if got := s.asked[i].Inherited; !slices.Equal(got, want) {
			t.Errorf("Step %d: workers inherit %q, want %q", i, got, want)
		}
		if got := f.submissions()[i].Intent.Env; x.insist != (got != nil) {
			t.Errorf("Step %d: the intent has %q, want it of a person's alone", i, got)
		}
	}
}
