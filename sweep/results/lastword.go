package results

import "time"

// LastWord returns when a worker last wrote to its journal, or, for "", when any
// worker of the sweep did; zero if none has. It is the writer's clock, which
// other hosts need not share: for display only, never for a decision.
func (sn *Snapshot) LastWord(worker string) time.Time {
	newest := int64(0)
	for name, js := range sn.journals {
		if worker == "" || journalOwner(name) == worker {
			newest = max(newest, js.newest)
		}
	}
	if newest == 0 {
		return time.Time{}
	}
	return time.UnixMilli(newest).UTC()
}
