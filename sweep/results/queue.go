package results

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Queue is what a scheduler last said of a submission's workers. Whoever makes
// Steps notes it, so that status can tell why nothing runs without asking.
type Queue struct {
	Pending int            `json:"pending,omitempty"`
	Running int            `json:"running,omitempty"`
	Waits   map[string]int `json:"waits,omitempty"` // why pending workers wait, in words
	Stuck   string         `json:"stuck,omitempty"` // why some of them will never start
	Bad     []Ending       `json:"bad,omitempty"`   // workers that ended badly, at most maxBad
	Fine    int            `json:"fine,omitempty"`  // workers that ended well, as far as they were seen
	Gone    bool           `json:"gone,omitempty"`  // no worker of it lives, or ever will
	At      time.Time      `json:"at"`              // of the answer, by the clock of the host that asked
}

// Ending is how a worker ended that did not end well.
type Ending struct {
	Index int    `json:"index"`
	Class Class  `json:"class"`
	Node  string `json:"node,omitempty"`
	Words string `json:"words,omitempty"`
}

// maxBad bounds what is remembered of one submission: enough to tell a bad node
// from a bad setup.
const maxBad = 64

// Ended notes a bad end, once for each worker.
func (q *Queue) Ended(e Ending) {
	if len(q.Bad) < maxBad && !slices.ContainsFunc(q.Bad, func(x Ending) bool { return x.Index == e.Index }) {
		q.Bad = append(q.Bad, e)
	}
}

// Queue returns what this host knows of a submission by its key, nil if nothing.
func (o *Observations) Queue(key string) *Queue { return o.data.Queues[key] }

// SetQueue notes what a scheduler says of a submission. What only the time of
// the answer changed in is written once a minute.
func (o *Observations) SetQueue(key string, q *Queue) {
	old := o.data.Queues[key]
	if old == nil || !old.same(q) || q.At.Sub(old.At) > time.Minute {
		o.fresh, o.pressing = true, true
	}
	if o.data.Queues == nil {
		o.data.Queues = map[string]*Queue{}
	}
	o.data.Queues[key] = q
}

func (q *Queue) same(p *Queue) bool {
	if q.Pending != p.Pending || q.Running != p.Running || q.Stuck != p.Stuck || q.Gone != p.Gone ||
		q.Fine != p.Fine || len(q.Bad) != len(p.Bad) || len(q.Waits) != len(p.Waits) {
		return false
	}
	for w, n := range q.Waits {
		if p.Waits[w] != n {
			return false
		}
	}
	return true
}

// Since notes that something holds, and returns how long ago this host noted it
// first: zero the first time. What holds no longer is forgotten by [Forget].
func (o *Observations) Since(what string) time.Duration {
	t, ok := o.data.Since[what]
	if !ok {
		t = bootSeconds()
		if o.data.Since == nil {
			o.data.Since = map[string]float64{}
		}
		o.data.Since[what] = t
		o.fresh, o.pressing = true, true
	}
	return time.Duration((bootSeconds() - t) * float64(time.Second))
}

// Forget ends what Since noted.
func (o *Observations) Forget(what string) {
	if _, ok := o.data.Since[what]; ok {
		delete(o.data.Since, what)
		o.fresh, o.pressing = true, true
	}
}

// Pressing reports whether something new was noted that the next Step, of
// whatever process, must know.
func (o *Observations) Pressing() bool { return o.pressing }

// Queues returns what any host last noted of each submission, by key. The times
// are the hosts' own and only for display.
func (s *Sweep) Queues() (map[string]*Queue, error) {
	names, err := list(s.dir, "observations")
	if err != nil {
		return nil, fmt.Errorf("list observations: %w", err)
	}
	all := map[string]*Queue{}
	for _, n := range names {
		if !strings.HasSuffix(n, ".json") {
			continue
		}
		var seen observed
		err := decodeWhole(s.dir, "observations/"+n, &seen)
		var damaged *DamagedError
		if errors.Is(err, fs.ErrNotExist) || errors.As(err, &damaged) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for key, q := range seen.Queues {
			if old := all[key]; q != nil && (old == nil || q.At.After(old.At)) {
				all[key] = q
			}
		}
	}
	return all, nil
}
