package dispatch

import (
	"slices"

	"orch/launcher"
	"orch/sweep/results"
)

// inherited returns what workers are to find in their environment, nil where that
// is for the launcher to say: what the person has who asks for them now, else
// what the one had who asked last. A Step of cron's, a daemon or another shell
// would start workers that find another python than those before.
func (d *Dispatcher) inherited(o opened, backend string, subs []*results.Submission) []string {
	h, ok := launcher.As[launcher.Inheritor](o.Launcher)
	if !ok {
		return nil
	}
	if d.Insist {
		return h.Inherited()
	}
	for _, sub := range slices.Backward(subs) {
		if in := sub.Intent; in != nil && in.Backend == backend && len(in.Env) > 0 {
			return in.Env
		}
	}
	return nil
}
