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
}

// Quiet returns how long this host has seen a holder's journals not grow.
func (o *Observations) Quiet(holder string) time.Duration {
	x, ok := o.data.Workers[holder]
	if !ok {
		return 0
	}
	return time.Duration((bootSeconds() - x.Since) * float64(time.Second))
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
	if len(o.data.Workers)+len(o.data.Fences)+len(o.data.Queues)+len(o.data.Since) > 0 {
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
