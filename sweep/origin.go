package sweep

import "orch/sweep/compose"

// AxisOrigin returns where an axis was written: a line of the sweep file, or the
// command line. Of an axis that several [[sweep]] blocks have it is the first.
func (p *Plan) AxisOrigin(key string) (at compose.Origin, ok bool) {
	for _, b := range p.blocks {
		for _, a := range b.axes {
			if a.key == key {
				return a.origin, true
			}
		}
	}
	return at, false
}
