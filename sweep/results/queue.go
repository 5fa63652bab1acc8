package results

import (
	"errors"
	"fmt"
	"io/fs"
	"math/bits"
	"slices"
	"strings"
	"time"
)

// Queue is what a scheduler last said of a submission's workers. Whoever makes
// Steps notes it, so that status can tell why nothing runs without asking.
type Queue struct {
	Pending int            `json:"pending,omitempty"`
	Running int            `json:"running,omitempty"`
	Paused  int            `json:"paused,omitempty"` // of the running ones: suspended
	Waits   map[string]int `json:"waits,omitempty"`  // why pending workers wait, in words
	Stuck   string         `json:"stuck,omitempty"`  // why some of them will never start
	Bad     []Ending       `json:"bad,omitempty"`    // of the others, at most maxBad
	Over    []byte         `json:"over,omitempty"`   // a bit for each worker whose end was seen
	Fine    int            `json:"fine,omitempty"`   // how many of them ended well
	Gone    bool           `json:"gone,omitempty"`   // no worker of it lives, or ever will
	At      time.Time      `json:"at"`               // of the answer, by the clock of the host that asked
}

// Ending is how a worker ended: Class is Done if it left by itself with code 0.
type Ending struct {
	Index int    `json:"index"`
	Class Class  `json:"class"`
	Node  string `json:"node,omitempty"`
	Words string `json:"words,omitempty"`
}

// maxBad bounds what is remembered of one submission: enough to tell a bad node
// from a bad setup.
const maxBad = 64

// Ended notes the end of a worker, once for each: a scheduler forgets those that
// ended first while others still run.
func (q *Queue) Ended(e Ending) {
	const most = 1 << 20 // workers of a job: what is beyond is no index of ours
	if e.Index < 0 || e.Index >= most {
		return
	}
	for len(q.Over) <= e.Index/8 {
		q.Over = append(q.Over, 0)
	}
	bit := byte(1) << (e.Index % 8)
	if q.Over[e.Index/8]&bit != 0 {
		return
	}
	q.Over[e.Index/8] |= bit
	if e.Class == Done {
		q.Fine++
		return
	}
	if len(q.Bad) < maxBad && !slices.ContainsFunc(q.Bad, func(x Ending) bool { return x.Index == e.Index }) {
		q.Bad = append(q.Bad, e)
	}
}

// Ends returns of how many workers the end was seen.
func (q *Queue) Ends() int {
	n := 0
	for _, b := range q.Over {
		n += bits.OnesCount8(b)
	}
	return n
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
	if q.Pending != p.Pending || q.Running != p.Running || q.Paused != p.Paused || q.Stuck != p.Stuck || q.Gone != p.Gone ||
		q.Ends() != p.Ends() || q.Fine != p.Fine || len(q.Bad) != len(p.Bad) || len(q.Waits) != len(p.Waits) {
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

// Noted reports whether Since has noted it, and nobody has forgotten it.
func (o *Observations) Noted(what string) bool {
	_, ok := o.data.Since[what]
	return ok
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
