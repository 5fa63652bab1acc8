package collect

import (
	"slices"

	"orch/sweep/results"
)

// curve gathers the metric rows of a run that went on from the checkpoint of an
// earlier attempt. What the counted attempt measured is only the end of its
// curve then; a report that takes the best step of all would judge half a run.
type curve struct {
	blocks []string // "<block>.<generation>" of its attempts, the counted one last
	rows   [][]Point
}

// curves returns, by place of the run, a curve for each run whose counted
// attempt may have resumed: attempts of one block hand checkpoints on.
func curves(states []results.RunState) map[int]*curve {
	all := map[int]*curve{}
	for i := range states {
		st := &states[i]
		if st.Counted < 1 {
			continue
		}
		counted := &st.Attempts[st.Counted]
		c := &curve{}
		for k := range st.Attempts[:st.Counted] {
			if a := &st.Attempts[k]; a.Block == counted.Block && a.Gen < counted.Gen && a.Counts && a.Checkpoint != nil {
				c.blocks = append(c.blocks, results.GenName(a.Block, a.Gen))
			}
		}
		if len(c.blocks) > 0 {
			c.blocks = append(c.blocks, results.GenName(counted.Block, counted.Gen))
			c.rows = make([][]Point, len(c.blocks))
			all[i] = c
		}
	}
	return all
}

// add keeps a row if it is of one of the curve's attempts.
func (c *curve) add(block string, p Point) {
	if k := slices.Index(c.blocks, block); k >= 0 {
		c.rows[k] = append(c.rows[k], p)
	}
}

// joined returns the rows of the whole run. A later attempt repeats what came
// after the checkpoint, and all of it if it could not resume: so of each metric
// an earlier attempt's rows count up to the first step that a later one has.
func (c *curve) joined() []Point {
	first := map[string]int64{} // by metric: the first step of the attempts after this one
	for k := len(c.rows) - 1; k >= 0; k-- {
		c.rows[k] = slices.DeleteFunc(c.rows[k], func(p Point) bool {
			step, known := first[p.Name]
			return known && p.Step >= step
		})
		for _, p := range c.rows[k] {
			if step, known := first[p.Name]; !known || p.Step < step {
				first[p.Name] = p.Step
			}
		}
	}
	return slices.Concat(c.rows...)
}
