package results

import (
	"errors"
	"fmt"
	"io/fs"
)

// Board is a worker's view of the work that is left in one resource group. It
// reads what claiming needs and no more: names in claims/, and of journals only
// those that a seal points to.
type Board struct {
	Plan *Plan

	sweep    *Sweep
	key      string
	blocks   []*Block // of the key, in order
	from     int      // blocks before this are finished
	gens     map[string][]genState
	finished map[*Block]bool
	journals map[string][]evidence // whole journals, by name; read again when a seal reaches beyond
	lengths  map[string]int64
	cache    patience
	orders   *Orders
}

// Board opens the view of the blocks that a resource request serves.
func (s *Sweep) Board(key string) (*Board, error) {
	p, err := s.Plan()
	if err != nil {
		return nil, err
	}
	b := &Board{Plan: p, sweep: s, key: key, finished: map[*Block]bool{},
		journals: map[string][]evidence{}, lengths: map[string]int64{}, cache: newPatience(s.tree)}
	b.collectBlocks()
	return b, b.Refresh()
}

func (b *Board) collectBlocks() {
	b.blocks, b.from = b.blocks[:0], 0
	for _, seg := range b.Plan.Segments {
		for k := range seg.Blocks {
			for i := range seg.Blocks[k] {
				if blk := &seg.Blocks[k][i]; b.Plan.Key(blk) == b.key {
					b.blocks = append(b.blocks, blk)
				}
			}
		}
	}
}

// Refresh lists claims, orders and segments again.
func (b *Board) Refresh() error {
	changed, err := b.Plan.Refresh()
	if err != nil {
		return err
	}
	if changed {
		clear(b.finished)
		b.collectBlocks()
	}
	if b.orders, err = b.sweep.Orders(b.orders); err != nil {
		return err
	}
	names, err := list(b.sweep.dir, "claims")
	if err != nil {
		return fmt.Errorf("list claims: %w", err)
	}
	b.gens = parseClaimNames(names).gens
	return nil
}

// Orders returns the orders as of the last Refresh.
func (b *Board) Orders() *Orders { return b.orders }

// Held is a generation of a block that this worker holds.
type Held struct {
	Block string
	Gen   int
	Runs  []HeldRun // what is left to do in it, in order
	// Skipped is how many runs of the block are not done and not in Runs, since
	// an order or a later plan stops them. Who seals the generation counts them
	// as left: the order may be undone, the run planned again.
	Skipped int
}

// HeldRun is a run to execute.
type HeldRun struct {
	Run     *PlannedRun
	Header  *Header // of the block's segment: where and with which code it executes
	Attempt string  // its folder's name
	Resume  string  // attempt folder, absolute, with the newest checkpoint; empty without one
	Lost    int     // how many earlier attempts in a row vanished or were asked to leave without a newer checkpoint
	Before  Class   // what became of the attempt before this one, if that vanished with its worker; else NoEnd
}

// Claim takes the next open block for the worker whose journal it is given; the
// journal is asked for only when there is something to claim, so that a worker
// that finds nothing leaves no file behind. It returns nil if every block is
// held or finished. Claims of others make it try the next block, so it costs no
// more than one listing and one link() when all goes well. A block whose files
// cannot be read keeps nobody from the others.
func (b *Board) Claim(journal func() (*Journal, error)) (*Held, error) {
	var unread []error
	for i := b.from; i < len(b.blocks); i++ {
		blk := b.blocks[i]
		if b.finished[blk] {
			if i == b.from {
				b.from++
			}
			continue
		}
		gen, runs, skipped, err := b.open(blk)
		if err != nil {
			unread = append(unread, err)
			continue
		}
		if len(runs) == 0 {
			continue
		}
		j, err := journal()
		if err != nil {
			return nil, err
		}
		name := blk.Name()
		_, won, err := b.sweep.claim(name, gen, j.holder)
		if err != nil {
			return nil, fmt.Errorf("claim %s: %w", genName(name, gen), err)
		}
		for len(b.gens[name]) <= gen {
			b.gens[name] = append(b.gens[name], genState{})
		}
		b.gens[name][gen].claimed = true
		if !won {
			continue
		}
		j.hold(name, gen)
		return &Held{name, gen, runs, skipped}, nil
	}
	return nil, errors.Join(unread...)
}

// open returns the generation of a block that may be claimed, what there is to
// do in it, and how many more of its runs are not done but stopped; nothing if
// the block is held or finished.
func (b *Board) open(blk *Block) (gen int, runs []HeldRun, skipped int, err error) {
	name := blk.Name()
	gens := b.gens[name]
	for n, g := range gens {
		if !g.sealed {
			// Held; or g is only known by a later generation's name, which a
			// listing may show first: then its seal is there too, unseen yet.
			if n < len(gens)-1 {
				return 0, nil, 0, nil
			}
			if g.claimed {
				return 0, nil, 0, nil
			}
		}
	}
	gen = len(gens)
	counted := make([][]evidence, gen)
	seals := make([]*Seal, gen)
	for g := gen - 1; g >= 0; g-- {
		seal, err := b.sweep.readSeal(name, g)
		if err != nil {
			return 0, nil, 0, err
		}
		if seal == nil { // listed, but not to be opened yet
			return 0, nil, 0, nil
		}
		if g == gen-1 && seal.Left != nil && *seal.Left == 0 {
			b.finished[blk] = true
			return 0, nil, 0, nil
		}
		seals[g] = seal
	}
	for g, seal := range seals {
		if counted[g], err = b.sealed(seal); errors.Is(err, errShort) && b.cache.young(genName(name, g)) {
			return 0, nil, 0, nil // as if its seal were not listed yet
		}
		if err != nil {
			return 0, nil, 0, err
		}
	}
	seg := b.Plan.segment(blk.Segment)
	undone := false
	for _, i := range blk.Runs {
		r := b.Plan.run(blk, i)
		retry, last := r.lastTry(blk)
		if !last {
			continue // it has another try, in another block
		}
		hr := HeldRun{Run: r, Header: &seg.Header, Attempt: AttemptName(retry, gen)}
		ended, step, file := false, int64(-1), ""
		for g := range counted {
			h := runHistory(counted[g], r.ID)
			if h.final() {
				ended = true
				break
			}
			if h.start == nil {
				continue
			}
			hr.Lost++
			if hr.Before = NoEnd; h.end == nil {
				hr.Before = seals[g].Class
			}
			if h.checkpoint == nil {
				continue
			}
			hr.Resume = b.sweep.AttemptPath(r.Name, h.start.Folder)
			// A run that is longer than its allocations goes on and on, as long as
			// each brings it further.
			if c := h.checkpoint; c.Step > step || c.File != file {
				hr.Lost, step, file = 0, max(step, c.Step), c.File
			}
		}
		if ended {
			continue
		}
		undone = undone || r.Planned
		if !r.Planned || b.orders.Stops(r.ID) {
			skipped++
			continue
		}
		runs = append(runs, hr)
	}
	if !undone {
		b.finished[blk] = true
	}
	return gen, runs, skipped, nil
}

// errShort is why a seal cannot be followed.
var errShort = errors.New("is shorter than what the seal")

// sealed returns what a seal counts.
func (b *Board) sealed(seal *Seal) ([]evidence, error) {
	full := genName(seal.Block, seal.Gen)
	g := generation{seal: seal}
	for _, sj := range seal.Journals {
		if b.lengths[sj.Name] < sj.Upto {
			from := b.lengths[sj.Name]
			all := b.journals[sj.Name]
			hole := false
			next, err := readJournal(b.sweep.dir, sj.Name, from, func(at int64, _ []byte, r Record) {
				if r.Block != "" && at < sj.Upto {
					all = append(all, evidence{sj.Name, at, &r})
				}
			}, func(at int64, _ string) { hole = hole || at < sj.Upto })
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("read journal: %w", err)
			}
			if next < sj.Upto || hole && b.cache.young(full+" "+sj.Name) {
				// The holder synced this much before it sealed, so the bytes
				// exist; this host just cannot see them yet.
				return nil, fmt.Errorf("journal %s %w of %s counts: try again, or see orch fsck", sj.Name, errShort, full)
			}
			// What lies beyond may not all be on its server yet: it is read when a
			// seal counts it, or a record would be missed for good.
			b.journals[sj.Name], b.lengths[sj.Name] = all, sj.Upto
		}
		for _, r := range b.journals[sj.Name] {
			if r.Block == full {
				g.records = append(g.records, r)
			}
		}
	}
	return g.counts()
}

// Suspects returns the claims of open generations in this group whose holders
// are proven dead (FateDead) or, after a restart of this machine, suspected.
// An idle worker closes them.
func (b *Board) Suspects() (dead, rebooted []*Claim, err error) {
	for _, blk := range b.blocks[b.from:] {
		name := blk.Name()
		gens := b.gens[name]
		if b.finished[blk] || len(gens) == 0 || gens[len(gens)-1].sealed {
			continue
		}
		c, err := b.sweep.ReadClaim(name, len(gens)-1)
		if err != nil {
			continue // damaged: who holds the block cannot be told; fsck says so
		}
		switch c.Holder.Fate() {
		case FateDead:
			dead = append(dead, c)
		case FateRebooted:
			rebooted = append(rebooted, c)
		}
	}
	return dead, rebooted, nil
}
