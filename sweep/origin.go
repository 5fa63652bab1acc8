package sweep

import "orch/sweep/compose"

// AxisOrigins returns, for the run of this index, where the axes that set its
// values were written: lines of the sweep file, or the command line.
func (p *Plan) AxisOrigins(run int) map[string]compose.Origin {
	for _, b := range p.blocks {
		for range b.points() {
			if run--; run >= 0 {
				continue
			}
			at := make(map[string]compose.Origin, len(b.axes))
			for _, a := range b.axes {
				at[a.key] = a.origin
			}
			return at
		}
	}
	return nil
}
