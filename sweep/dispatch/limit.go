package dispatch

import (
	"fmt"
	"time"

	"orch/sweep/results"
)

// After a "not now" the next request waits, each time twice as long. Tests wait
// less.
var (
	limitFirst = 30 * time.Second
	limitMost  = 10 * time.Minute
)

// limitTag is the name under which a turned-down submission is observed, so that
// the waiting goes on over the short lives of cron's processes.
func limitTag(sub *results.Submission) string { return fmt.Sprintf("limited %d", sub.Number) }

// limitedFor returns how long no workers of a request are to be asked for, since
// the scheduler said "not now" a while ago: a queue that is full for one account
// may have room for another. A round of requests, each for half as many workers
// as the one before, counts once.
func (d *Dispatcher) limitedFor(subs []*results.Submission, group string) time.Duration {
	rounds := 0
	var last *results.Submission
	for i := len(subs) - 1; i >= 0; i-- {
		sub := subs[i]
		if sub.Intent == nil || sub.Answer == nil || sub.Intent.Group != group {
			continue
		}
		clean := sub.Answer.Accepted && sub.Intent.Halved == 0
		if clean {
			break
		}
		if !sub.Answer.Limited {
			continue
		}
		if last == nil {
			last = sub
		} else {
			d.seen.Forget(limitTag(sub))
		}
		if sub.Intent.Halved == 0 {
			rounds++
		}
	}
	if last == nil {
		return 0
	}
	wait := min(limitFirst<<min(max(rounds-1, 0), 10), limitMost)
	return wait - d.seen.Since(limitTag(last))
}
