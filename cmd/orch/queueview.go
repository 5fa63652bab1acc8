package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"orch/launcher"
	"orch/launcher/slurm"
	"orch/sweep/results"
)

// queueLines says what the scheduler said of the sweep's workers when a Step
// asked it last, since status never does: why they wait, what keeps them from
// ever starting, how they ended. known is whether that tells why nothing runs.
func (v *view) queueLines(queues map[string]*results.Queue) (lines []string, known bool) {
	subs, err := v.sweep.Submissions()
	if err != nil || len(subs) == 0 || queues == nil {
		return nil, false
	}
	waits := map[string]int{}
	stuck := map[string][]string{} // job IDs, by reason
	bad := map[string]int{}
	example := map[string]string{} // log, by words
	asked := time.Time{}
	var last *results.Submission
	for _, sub := range subs {
		if sub.Intent == nil || sub.Intent.Backend == "pool" {
			continue
		}
		last = sub
		if sub.Answer == nil {
			lines = append(lines, fmt.Sprintf("whether submission %d was accepted is not known yet -> orch collect finds out, within minutes", sub.Number))
			known = true
			continue
		}
		q := queues[sub.Intent.Key]
		if q == nil {
			continue
		}
		if q.Pending+q.Running > 0 && q.At.After(asked) {
			asked = q.At
		}
		for words, n := range q.Waits {
			waits[words] += n
		}
		if q.Stuck != "" {
			stuck[q.Stuck] = append(stuck[q.Stuck], sub.Answer.Job)
		}
		if sub.Intent.Epoch != v.sn.Orders.Epoch() {
			continue // mended since
		}
		for _, e := range q.Bad {
			if e.Class == results.BadSetup {
				bad[e.Words]++
				example[e.Words] = fmt.Sprintf("%s/worker-%d.log", sub.Dir(), e.Index)
			}
		}
	}
	if last == nil {
		return nil, false
	}
	age := ""
	if !asked.IsZero() {
		age = ", " + span(max(0, v.now.Sub(asked))) + " ago"
	}
	for _, words := range sortedKeys(waits) {
		known = true
		if jobs := stuck[words]; jobs != nil {
			lines = append(lines, fmt.Sprintf("stuck: job %s will not start: %s%s -> %s", strings.Join(jobs, ", "), oneLine(words), age, slurm.CancelLine(true, jobs...)))
			continue
		}
		n := waits[words]
		if words == launcher.JustSubmitted && v.atOnce > 0 {
			continue // the answer is older than what the tree shows
		}
		age := age
		if words == launcher.JustSubmitted { // after the answer
			age = ""
		}
		lines = append(lines, fmt.Sprintf("%d %s in the queue: %s%s", n, plural(n, "worker is", "workers are"), oneLine(cmp.Or(words, "the scheduler gives no reason")), age))
	}
	for _, words := range sortedKeys(bad) {
		n := bad[words]
		lines = append(lines, fmt.Sprintf("%d %s ended before a run began: %s -> %s", n, plural(n, "worker", "workers"), oneLine(words), example[words]))
		if line := lastOwnLine(example[words]); line != "" {
			lines[len(lines)-1] += ": " + line
		}
	}
	switch a := last.Answer; {
	case a == nil || a.Accepted:
	case a.Limited:
		known = true
		lines = append(lines, fmt.Sprintf("the scheduler takes no more workers for now: %s; later Steps ask again", oneLine(a.Reason)))
	case a.Refused:
		known = true
		lines = append(lines, oneLine(a.Reason)+" -> "+v.goOn())
	}
	if nodes := last.Intent.Avoid; len(nodes) > 0 {
		lines = append(lines, fmt.Sprintf("%s %s left out: workers kept failing there", strings.Join(nodes, ", "), plural(len(nodes), "is", "are")))
	}
	return lines, known
}

// pausedLine says that workers stand still; "" if none does.
func (v *view) pausedLine(queues map[string]*results.Queue) string {
	paused, asked := 0, time.Time{}
	for _, q := range queues {
		if paused += q.Paused; q.Paused > 0 && q.At.After(asked) {
			asked = q.At
		}
	}
	if paused == 0 {
		return ""
	}
	return fmt.Sprintf("%d %s suspended by the scheduler, %s ago: nothing is lost, %s when it says", paused, plural(paused, "worker is", "workers are"),
		span(max(0, v.now.Sub(asked))), plural(paused, "it goes on", "they go on"))
}

// lastOwnLine is the last line of a worker's log that is not orch's.
func lastOwnLine(path string) string {
	for _, l := range slices.Backward(lastLines(path, 20)) {
		if l = oneLine(l); l != "" && !strings.HasPrefix(l, "orch: ") {
			return l
		}
	}
	return ""
}
