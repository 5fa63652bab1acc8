package main

import (
	"fmt"
	"strings"

	"orch/launcher"
	"orch/sweep"
	"orch/sweep/results"
)

// estimateJSON says what the runs without a result may cost.
type estimateJSON struct {
	CoreHours float64 `json:"core_hours"`
	GPUHours  float64 `json:"gpu_hours"`
	Runs      int     `json:"runs"`
	AtMost    bool    `json:"at_most"` // a bound rather than an expectation
	Basis     string  `json:"basis"`
}

func (e *estimateJSON) String() string {
	most := "about "
	switch {
	case e.AtMost:
		most = "at most "
	case e.CoreHours < 0.01:
		most = "under "
	}
	s := most + hours(e.CoreHours) + " core hours"
	if e.GPUHours > 0 {
		s += fmt.Sprintf(" and %s GPU hours", hours(e.GPUHours))
	}
	return s + fmt.Sprintf(" for %d %s (%s)", e.Runs, plural(e.Runs, "run", "runs"), e.Basis)
}

func hours(h float64) string {
	switch {
	case h < 0.01:
		return "0.01"
	case h < 10:
		return fmt.Sprintf("%.2g", h)
	}
	return fmt.Sprintf("%.0f", h)
}

// costs adds up the time of planned runs. What is known of a run is, the better
// first: how long finished runs of the sweep took, those with the same group
// options where there are some; the launcher's run_time; its timeout, a bound;
// and its time, a bound too, where the user set it: the shipped default of a
// worker's life says nothing about a run.
type costs struct {
	plan     *sweep.Plan
	specs    []launcher.Spec
	finished map[string]moments // by group options; "" is all
	out      estimateJSON
	basis    []string
	blind    bool // some run has no basis
}

func newCosts(plan *sweep.Plan, old *view) *costs {
	c := &costs{plan: plan, finished: map[string]moments{}}
	for _, g := range plan.Groups {
		spec, _ := parseLauncher(g.Launcher)
		c.specs = append(c.specs, spec)
	}
	if old == nil {
		return c
	}
	for _, st := range old.states {
		if st.State != results.StateDone {
			continue
		}
		key := ""
		if h := &st.Run.Segment.Header; st.Run.Spec.Base < len(h.Choices) {
			key = h.Choices[st.Run.Spec.Base].Text()
		}
		for _, k := range []string{key, ""} {
			m := c.finished[k]
			m.add(st.End.Seconds)
			c.finished[k] = m
			if key == "" {
				break
			}
		}
	}
	return c
}

func (c *costs) add(run *results.RunSpec) {
	spec := c.specs[run.Group]
	var took float64
	all := c.finished[""]
	timeAt := c.plan.Composed(run.Base).Origin("launcher.time")
	switch {
	case all.n > 0:
		m := all
		if run.Base < len(c.plan.Choices) {
			if own, ok := c.finished[c.plan.Choices[run.Base].Text()]; ok {
				m = own
			}
		}
		took = m.mean()
		c.because(fmt.Sprintf("%d finished %s of this sweep took %s on average", all.n, plural(all.n, "run", "runs"), span(seconds(all.mean()))))
	case spec.RunTime > 0:
		took = spec.RunTime.Seconds()
		c.because("launcher.run_time is " + span(spec.RunTime))
	case spec.Timeout > 0:
		took, c.out.AtMost = spec.Timeout.Seconds(), true
		c.because("launcher.timeout is " + span(spec.Timeout))
	case spec.Time > 0 && !strings.HasPrefix(timeAt.File, "embedded/"):
		took, c.out.AtMost = spec.Time.Seconds(), true
		c.because("launcher.time is " + span(spec.Time))
	default:
		c.blind = true
	}
	parallel := float64(max(1, spec.Parallel))
	c.out.Runs++
	c.out.CoreHours += took * float64(max(1, spec.CPUs)) / parallel / 3600
	c.out.GPUHours += took * float64(spec.GPUs) / parallel / float64(max(1, spec.GPUsShare)) / 3600
}

func (c *costs) because(basis string) {
	if len(c.basis) == 0 || c.basis[len(c.basis)-1] != basis {
		c.basis = append(c.basis, basis)
	}
}

// estimate returns the sum, nil if nothing is left to do or some run has no
// basis.
func (c *costs) estimate() *estimateJSON {
	if c.out.Runs == 0 || c.blind {
		return nil
	}
	c.out.Basis = c.basis[0]
	if len(c.basis) > 1 {
		c.out.Basis = "by resource group: " + strings.Join(c.basis[:min(3, len(c.basis))], "; ")
	}
	return &c.out
}
