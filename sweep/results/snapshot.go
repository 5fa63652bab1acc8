package results

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"
)

// Snapshot is everything the tree says about a sweep, read incrementally:
// Refresh reads what is new since the last time. Dispatch, status and the
// collector all read through it. Not safe for concurrent use.
type Snapshot struct {
	Plan     *Plan
	Orders   *Orders
	Problems []Problem

	sweep    *Sweep
	gens     map[string]*generation // by "<block>.<generation>"
	journals map[string]*journalState
	latest   map[string]int // by block: its newest generation
	bad      map[string]bool
	perFile  map[string]int  // how many problems are listed
	unowned  map[string]bool // generations whose claims are there and cannot be read
	states   []RunState      // what Derive returned, nil after a change

	// early are the seals that count more of a journal than was seen, by
	// generation. Such a seal is not there yet, until the journals were read
	// again: they are read before the seals. Where files are cached a journal may
	// still be seen shorter than it is, until the caches have had their time.
	early map[string]*earlySeal
	cache patience
}

type earlySeal struct {
	*Seal
	again bool // the journals were read since it was first seen, and are short still
}

type journalState struct {
	length int64
	before int64 // length when the journal was read last
	holes  []hole
	worker *Holder
	grew   time.Time // by this process's clock: when it was last seen growing
	newest int64     // Time of its newest record
}

// Snapshot opens a view of the sweep and reads it.
func (s *Sweep) Snapshot() (*Snapshot, error) {
	sn := &Snapshot{sweep: s, gens: map[string]*generation{}, journals: map[string]*journalState{},
		latest: map[string]int{}, bad: map[string]bool{}, perFile: map[string]int{}, unowned: map[string]bool{},
		early: map[string]*earlySeal{}, cache: newPatience(s.tree)}
	// The plan and the journals need nothing of each other until both are read.
	planned := make(chan error, 1)
	go func() {
		var err error
		sn.Plan, err = s.Plan()
		planned <- err
	}()
	_, err := sn.readJournals()
	if perr := <-planned; perr != nil {
		return nil, perr
	}
	if err == nil {
		_, err = sn.readClaims()
	}
	if err == nil && len(sn.early) > 0 {
		_, err = sn.readAgain()
	}
	if err == nil {
		_, err = sn.readOrders()
	}
	return sn, err
}

// Sweep returns the sweep that the snapshot is of.
func (sn *Snapshot) Sweep() *Sweep { return sn.sweep }

// Refresh reads what was added to the tree. Journals are read before claims:
// then every seal that a counted record depends on is seen too. It reports
// whether anything changed.
func (sn *Snapshot) Refresh() (changed bool, err error) {
	defer func() {
		if changed || err != nil {
			sn.states = nil
		}
	}()
	if changed, err = sn.Plan.Refresh(); err != nil {
		return changed, err
	}
	for _, read := range []func() (bool, error){sn.readJournals, sn.readClaims, sn.readAgain, sn.readOrders} {
		c, err := read()
		if err != nil {
			return changed, err
		}
		changed = changed || c
	}
	return changed, nil
}

func (sn *Snapshot) generation(full string) *generation {
	g := sn.gens[full]
	if g == nil {
		g = &generation{}
		sn.gens[full] = g
		if block, n, ok := splitGen(full); ok {
			sn.latest[block] = max(sn.latest[block], n)
		}
	}
	return g
}

// maxProblems is how many problems of one file are listed: a file of a million
// damaged lines must not fill the memory with them.
const maxProblems = 10_000

func tooMany(file string, offset int64) Problem {
	return Problem{file, offset, fmt.Sprintf("from here on there are more: only the first %d problems of a file are listed", maxProblems)}
}

func (sn *Snapshot) problem(p Problem) {
	key := fmt.Sprint(p.File, p.Offset)
	if sn.perFile[p.File] > maxProblems || sn.bad[key] {
		return
	}
	sn.bad[key] = true
	if sn.perFile[p.File]++; sn.perFile[p.File] > maxProblems {
		p = tooMany(p.File, p.Offset)
	}
	sn.Problems = append(sn.Problems, p)
}

func (sn *Snapshot) readJournals() (changed bool, err error) {
	names, err := sortedList(sn.sweep.dir, "journals")
	if err != nil {
		return false, fmt.Errorf("list journals: %w", err)
	}
	if sn.filled() {
		sn.forget()
		changed = true
	}
	parse := inBackground(parsePart)
	var parts []func() *part // in the order of the journals and their bytes
	for _, name := range names {
		if journalOwner(name) == "" {
			sn.problem(Problem{"journals/" + name, 0, foreign})
			continue
		}
		js := sn.journals[name]
		if js == nil {
			js = &journalState{grew: time.Now()}
			sn.journals[name] = js
		}
		next, err := readChunks(sn.sweep.dir, "journals/"+name, js.length, func(at int64, b []byte) {
			parts = append(parts, parse(name, at, b))
		}, func(at int64) {
			parts = append(parts, func() *part { return &part{journal: name, problems: []Problem{longLine(name, at)}} })
		})
		if next != js.before {
			js.grew, changed = time.Now(), true
		}
		js.length, js.before = next, next
		if err != nil {
			sn.problem(Problem{"journals/" + name, next, err.Error()})
		}
	}
	for _, wait := range parts {
		sn.add(wait())
	}
	return changed, nil
}

// filled reports whether a hole in some journal has got its bytes. A client of a
// file server sends what was written in any order, so a line that was read as
// damaged may be whole a moment later; it may count since, and must be read.
func (sn *Snapshot) filled() bool {
	for name, js := range sn.journals {
		if len(js.holes) == 0 {
			continue
		}
		f, _, err := openFile(sn.sweep.dir, "journals/"+name)
		if err != nil {
			continue
		}
		for _, h := range js.holes {
			b := make([]byte, h.to-h.from)
			if n, err := f.ReadAt(b, h.from); err == nil && bytes.IndexByte(b[:n], 0) < 0 {
				f.Close()
				return true
			}
		}
		f.Close()
	}
	return false
}

// forget drops what was read of the journals, so that all of them are read again:
// records stand in the order of their places.
func (sn *Snapshot) forget() {
	for _, g := range sn.gens {
		g.records, g.marks = nil, nil
	}
	for _, js := range sn.journals {
		js.length, js.holes, js.worker = 0, nil, nil
	}
	sn.Problems = nil
	clear(sn.bad)
	clear(sn.perFile)
}

// add takes over what a part of a journal says.
func (sn *Snapshot) add(p *part) {
	js := sn.journals[p.journal]
	if n := min(len(p.holes), maxHoles-len(js.holes)); n > 0 {
		js.holes = append(js.holes, p.holes[:n]...)
	}
	if p.newest != 0 {
		js.newest = p.newest
	}
	if js.worker == nil {
		js.worker = p.worker
	}
	for _, pg := range p.gens {
		g := sn.generation(pg.full)
		if g.records == nil {
			g.records = pg.records
		} else {
			g.records = append(g.records, pg.records...)
		}
		if pg.mark > 0 {
			g.mark(p.journal, pg.mark)
		}
	}
	for _, problem := range p.problems {
		sn.problem(problem)
	}
}

func (sn *Snapshot) readClaims() (changed bool, err error) {
	names, err := list(sn.sweep.dir, "claims")
	if err != nil {
		return false, fmt.Errorf("list claims: %w", err)
	}
	parsed := parseClaimNames(names)
	for _, n := range parsed.odd {
		sn.problem(Problem{"claims/" + n, 0, foreign})
	}
	for block, gens := range parsed.gens {
		for n, st := range gens {
			full := genName(block, n)
			g := sn.generation(full)
			if st.claimed && g.claim == nil {
				c, err := sn.sweep.ReadClaim(block, n)
				if err := sn.tolerate(err, "claims/"+full); err != nil {
					return changed, err
				}
				switch {
				case err == nil:
					g.claim, changed = c, true
					delete(sn.unowned, full)
				case !errors.Is(err, fs.ErrNotExist):
					sn.unowned[full] = true
				}
				g.claimed = true
			}
			if st.sealed && g.seal == nil {
				seal, err := sn.sweep.readSeal(block, n)
				if err := sn.tolerate(err, "claims/"+full+sealSuffix); err != nil {
					return changed, err
				}
				switch early := sn.early[full]; {
				case seal == nil:
				case early == nil && sn.short(seal):
					// The journals were read before the claims were listed, and
					// may have grown and been sealed in between, on any file system.
					sn.cache.young(full)
					sn.early[full] = &earlySeal{Seal: seal}
				case early != nil && sn.short(seal) && sn.cache.young(full):
					early.again = true
				default:
					g.seal, changed = seal, true
					delete(sn.early, full)
				}
			}
		}
	}
	fences, err := list(sn.sweep.dir, "fences")
	if err != nil {
		return changed, fmt.Errorf("list fences: %w", err)
	}
	for _, full := range fences {
		if !saneGen(full) {
			sn.problem(Problem{"fences/" + full, 0, foreign})
			continue
		}
		if g := sn.generation(full); !g.fenced {
			g.fenced, changed = true, true
		}
	}
	return changed, nil
}

// short reports whether a seal counts more of a journal than was seen of it.
func (sn *Snapshot) short(seal *Seal) bool {
	for _, sj := range seal.Journals {
		if js := sn.journals[sj.Name]; js == nil || js.length < sj.Upto {
			return true
		}
	}
	return false
}

// readAgain reads journals that were read before they had grown to what a seal
// counts: opening a file asks its server anew (close-to-open, nfs(5)).
func (sn *Snapshot) readAgain() (changed bool, err error) {
	if len(sn.early) == 0 {
		return false, nil
	}
	j, err := sn.readJournals()
	if err != nil {
		return j, err
	}
	c, err := sn.readClaims()
	return j || c, err
}

// patience is for what is seen and cannot be so: where a host's view of a folder
// may be old it is given the time in which it must become right.
type patience struct {
	wait  time.Duration
	since map[string]time.Time
}

func newPatience(t *Tree) patience { return patience{t.DirCacheTime(), map[string]time.Time{}} }

// young reports whether what a key names was first met less than the time ago.
func (p patience) young(key string) bool {
	first, ok := p.since[key]
	if !ok {
		first = time.Now()
		p.since[key] = first
	}
	return time.Since(first) < p.wait
}

// tolerate turns what is wrong with one file into a problem, so that it hides no
// other; only a newer format passes. What cannot be read now is asked for again
// at the next Refresh.
func (sn *Snapshot) tolerate(err error, file string) error {
	var damaged *DamagedError
	var newer *NewerError
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist): // listed, not yet to be opened
		return nil
	case errors.As(err, &newer):
		return err
	case errors.As(err, &damaged):
		sn.problem(Problem{file, 0, damaged.Why})
	default:
		sn.problem(Problem{file, 0, err.Error()})
	}
	return nil
}

func (sn *Snapshot) readOrders() (bool, error) {
	before := 0
	if sn.Orders != nil {
		before = len(sn.Orders.read)
	}
	var err error
	sn.Orders, err = sn.sweep.Orders(sn.Orders)
	if sn.Orders != nil {
		for _, p := range slices.Concat(sn.Orders.bad, sn.Orders.unread) {
			sn.problem(p)
		}
	}
	return sn.Orders != nil && len(sn.Orders.read) != before, err
}

// Claims returns how many generations have been claimed so far.
func (sn *Snapshot) Claims() int {
	n := 0
	for _, g := range sn.gens {
		if g.claimed {
			n++
		}
	}
	return n
}

// Claimers returns the keys of the submissions whose workers have ever claimed
// anything, each with one of those workers.
func (sn *Snapshot) Claimers() map[string]*Holder {
	by := map[string]*Holder{}
	for _, g := range sn.gens {
		if g.claim != nil && g.claim.Holder.Key != "" {
			by[g.claim.Holder.Key] = &g.claim.Holder
		}
	}
	return by
}

// OpenClaim is a generation that is claimed and not sealed.
type OpenClaim struct {
	*Claim
	Key    string        // request that serves the block
	Quiet  time.Duration // how long this process has not seen the holder's journals grow
	Fenced bool
}

// OpenClaims returns the generations that someone holds, or held when it died.
func (sn *Snapshot) OpenClaims() []OpenClaim {
	quiet := map[string]time.Time{}
	for name, js := range sn.journals {
		if w := journalOwner(name); js.grew.After(quiet[w]) {
			quiet[w] = js.grew
		}
	}
	var open []OpenClaim
	for block, n := range sn.latest {
		g := sn.gens[genName(block, n)]
		b := sn.Plan.byBlock[block]
		if g.claim == nil || g.seal != nil || sn.early[genName(block, n)] != nil || b == nil {
			continue
		}
		o := OpenClaim{Claim: g.claim, Key: sn.Plan.Key(b), Fenced: g.fenced}
		if t, ok := quiet[g.claim.Holder.Name]; ok {
			o.Quiet = time.Since(t)
		}
		open = append(open, o)
	}
	slices.SortFunc(open, func(a, b OpenClaim) int {
		if a.Block != b.Block {
			return compareBlocks(a.Block, b.Block)
		}
		return a.Gen - b.Gen
	})
	return open
}

func compareBlocks(a, b string) int {
	var x, y [3]int
	fmt.Sscanf(a, "%d-%d-%d", &x[0], &x[1], &x[2])
	fmt.Sscanf(b, "%d-%d-%d", &y[0], &y[1], &y[2])
	return slices.Compare(x[:], y[:])
}

// Claimable returns, by key, how many blocks a worker could claim now: open
// runs in them, and nobody holds them.
func (sn *Snapshot) Claimable(states []RunState) map[string]int {
	open := map[*Block]bool{}
	for _, st := range states {
		if st.State == StateQueued && len(st.Run.Tries) > 0 {
			open[st.Run.Tries[len(st.Run.Tries)-1].Block] = true
		}
	}
	n := map[string]int{}
	for b := range open {
		name := b.Name()
		if newest, ok := sn.latest[name]; ok {
			if g := sn.gens[genName(name, newest)]; g.claimed && g.seal == nil {
				continue
			}
		}
		n[sn.Plan.Key(b)]++
	}
	return n
}
