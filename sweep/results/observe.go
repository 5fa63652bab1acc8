package results

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"
)

// Observations are what one host has seen of a sweep over several short-lived
// processes: a Step from cron lives for a second, but a worker counts as dead
// only after five minutes of silence, seen by one clock. They are kept in
// observations/<host>-<nonce>.json with the boot ID, and times are on the clock
// since boot: after a restart, or on another host, waiting begins anew.
//
// Several processes of a host may observe at once: each writes a whole file of
// its own and removes those that it has merged into it. Losing one costs a
// longer wait, nothing else.
type Observations struct {
	sweep    *Sweep
	merged   []string // names of the files that were read
	data     observed
	fresh    bool // something to write
	pressing bool // at once
}

type observed struct {
	Format  int                `json:"v"`
	Host    string             `json:"host"`
	Boot    string             `json:"boot"`
	Workers map[string]seen    `json:"workers"`          // by holder name
	Paused  map[string]float64 `json:"paused,omitempty"` // by holder name: when it was seen to go on again; 0: it stands still
	Fences  map[string]float64 `json:"fences"`           // by generation: when link() of the fence returned here
	Queues  map[string]*Queue  `json:"queues,omitempty"` // by key of the submission: what the scheduler said
	Since   map[string]float64 `json:"since,omitempty"`  // what holds, and when this was noted first
}

// seen is since when a worker's journals have had a length.
type seen struct {
	Length int64   `json:"length"`
	Since  float64 `json:"since"` // seconds since boot
}

func bootSeconds() float64 {
	boot, _ := clocks()
	return boot.Seconds()
}

// Observations reads what this host remembers of the sweep in this boot.
func (s *Sweep) Observations() (*Observations, error) {
	self := Self()
	o := &Observations{sweep: s, data: observed{Format: Format, Host: self.Host, Boot: self.Boot,
		Workers: map[string]seen{}, Fences: map[string]float64{}}}
	return o, o.Refresh()
}

// Refresh adds what other processes of this host have written since. What this
// one has seen and not saved stays: who makes many Steps keeps its Observations,
// else a grace time that is longer than the time between two saves begins again
// and again.
func (o *Observations) Refresh() error {
	names, err := list(o.sweep.dir, "observations")
	if err != nil {
		return fmt.Errorf("list observations: %w", err)
	}
	for _, n := range names {
		if !strings.HasPrefix(n, safeName(o.data.Host)+"-") || slices.Contains(o.merged, n) {
			continue
		}
		var old observed
		err := decodeWhole(o.sweep.dir, "observations/"+n, &old)
		var damaged *DamagedError
		switch {
		case errors.Is(err, fs.ErrNotExist): // merged by another process just now
			continue
		case errors.As(err, &damaged):
		case err != nil:
			return err
		case old.Host != o.data.Host:
			continue
		case old.Boot == o.data.Boot && o.data.Boot != "":
			o.merge(old)
		}
		o.merged = append(o.merged, n) // a former boot's memory is worth nothing
	}
	return nil
}

// merge takes over what another observation of this boot knows: of two for the
// same length the earlier, of two lengths the longer.
func (o *Observations) merge(old observed) {
	for w, x := range old.Workers {
		if y, ok := o.data.Workers[w]; !ok || x.Length > y.Length || x.Length == y.Length && x.Since < y.Since {
			o.data.Workers[w] = x
		}
	}
	for w, t := range old.Paused {
		if u, ok := o.data.Paused[w]; !ok || u != 0 && (t == 0 || t > u) { // the later: that waits longer
			o.setPaused(w, t)
		}
	}
	for f, t := range old.Fences {
		if u, ok := o.data.Fences[f]; !ok || t < u {
			o.data.Fences[f] = t
		}
	}
	for key, q := range old.Queues {
		switch p := o.data.Queues[key]; {
		case q == nil:
		case o.data.Queues == nil:
			o.data.Queues = map[string]*Queue{key: q}
		case p == nil || q.At.After(p.At):
			o.data.Queues[key] = q
		}
	}
	for what, t := range old.Since {
		if o.data.Since == nil {
			o.data.Since = map[string]float64{}
		}
		if u, ok := o.data.Since[what]; !ok || t < u {
			o.data.Since[what] = t
		}
	}
}

// Look notes how long the journals of the open claims' holders are, as far as
// only their silence can tell what became of them, and forgets the others.
func (o *Observations) Look(sn *Snapshot) {
	lengths := map[string]int64{}
	for name, js := range sn.journals {
		lengths[journalOwner(name)] += js.length
	}
	workers, fences := map[string]seen{}, map[string]float64{}
	now := bootSeconds()
	for _, c := range sn.OpenClaims() {
		full := genName(c.Block, c.Gen)
		if t, ok := o.data.Fences[full]; ok {
			fences[full] = t
		}
		if c.Holder.Fate() != FateUnknown {
			continue
		}
		w := c.Holder.Name
		x, known := o.data.Workers[w]
		if !known || x.Length != lengths[w] {
			x = seen{lengths[w], now}
			o.fresh = true
		}
		workers[w] = x
	}
	o.fresh = o.fresh || len(workers) != len(o.data.Workers) || len(fences) != len(o.data.Fences) || len(o.merged) > 1
	o.data.Workers, o.data.Fences = workers, fences
	for w := range o.data.Paused {
		if _, ok := workers[w]; !ok {
			delete(o.data.Paused, w)
			o.fresh = true
		}
	}
}

// Pause notes whether the scheduler says that a holder stands still, suspended for
// others. It cannot beat then, and its silence begins when it is seen to go on.
func (o *Observations) Pause(holder string, paused bool) {
	t, was := o.data.Paused[holder]
	switch {
	case paused && (!was || t != 0):
		o.setPaused(holder, 0)
	case !paused && was && t == 0:
		o.setPaused(holder, bootSeconds())
	default:
		return
	}
	o.fresh, o.pressing = true, true
}

func (o *Observations) setPaused(holder string, t float64) {
	if o.data.Paused == nil {
		o.data.Paused = map[string]float64{}
	}
	o.data.Paused[holder] = t
}

// Quiet returns how long the holder of a claim has been silent while it could have
// spoken: as long as this process or this host has seen its journals not grow,
// without the time in which it stood still.
func (o *Observations) Quiet(c OpenClaim) time.Duration {
	now := bootSeconds()
	quiet := c.Quiet
	if x, ok := o.data.Workers[c.Holder.Name]; ok {
		quiet = max(quiet, time.Duration((now-x.Since)*float64(time.Second)))
	}
	switch t, ok := o.data.Paused[c.Holder.Name]; {
	case ok && t == 0:
		return 0
	case ok:
		return min(quiet, time.Duration((now-t)*float64(time.Second)))
	}
	return quiet
}

// Fenced notes that this host's link() of a generation's fence has returned,
// and returns how long ago that was the first time.
func (o *Observations) Fenced(block string, gen int) time.Duration {
	full := genName(block, gen)
	t, ok := o.data.Fences[full]
	if !ok {
		t = bootSeconds()
		o.data.Fences[full] = t
		o.fresh = true
	}
	return time.Duration((bootSeconds() - t) * float64(time.Second))
}

// Knows reports whether a fence of this generation was noted before.
func (o *Observations) Knows(block string, gen int) bool {
	_, ok := o.data.Fences[genName(block, gen)]
	return ok
}

// Save writes what later processes of this host need, if it is new, and removes
// the files that it replaces. With nothing left to remember it leaves no file.
func (o *Observations) Save() error {
	if !o.fresh || o.data.Boot == "" {
		return nil
	}
	var kept []string
	if len(o.data.Workers)+len(o.data.Fences)+len(o.data.Queues)+len(o.data.Since)+len(o.data.Paused) > 0 {
		b, err := encodeWhole(o.data)
		if err != nil {
			return err
		}
		name := fmt.Sprintf("%s-%s.json", safeName(o.data.Host), randomHex(6))
		if _, err := putNew(o.sweep.dir, "observations/"+name, b); err != nil {
			return fmt.Errorf("save observations: %w", err)
		}
		kept = []string{name}
	}
	for _, n := range o.merged {
		o.sweep.dir.Remove("observations/" + n) // another process may have been first
	}
	o.merged, o.fresh, o.pressing = kept, false, false
	return nil
}
