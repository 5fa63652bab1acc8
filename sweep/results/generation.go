package results

import (
	"fmt"
	"slices"
)

// generation is the evidence about one generation of a block. What it counts is
// decided by [generation.counts] alone.
type generation struct {
	claimed bool
	fenced  bool
	claim   *Claim
	seal    *Seal
	records []evidence
	marks   map[string]int64 // by journal: where its last mark of this generation ends
}

// evidence is an intact record with its place. It is small, since a big sweep
// has hundreds of thousands, which are grouped and filtered.
type evidence struct {
	journal string
	at      int64
	*Record
}

func (g *generation) mark(journal string, upto int64) {
	if g.marks == nil {
		g.marks = map[string]int64{}
	}
	g.marks[journal] = max(g.marks[journal], upto)
}

// counts returns the records that count: with a seal exactly what it says;
// without one what marks cover. A fence alone changes nothing.
func (g *generation) counts() (records []evidence, err error) {
	records = make([]evidence, 0, len(g.records))
	if g.seal == nil {
		for _, r := range g.records {
			if r.at < g.marks[r.journal] {
				records = append(records, r)
			}
		}
		return records, nil
	}
	full := genName(g.seal.Block, g.seal.Gen)
	for _, sj := range g.seal.Journals {
		for _, r := range g.records {
			if r.journal == sj.Name && r.at < sj.Upto {
				records = append(records, r)
			}
		}
		for i, line := range sj.Tail {
			body, ok := checkLine([]byte(line))
			r := new(Record)
			if ok {
				*r, err = parseRecord(body)
			}
			if !ok || err != nil || r.Block != full {
				return records, fmt.Errorf("seal of %s: line %d of its tail is damaged", full, i+1)
			}
			records = append(records, evidence{sj.Name, sj.Upto + int64(i), r})
		}
	}
	return records, nil
}

// history is what counted records say about one run in one generation.
type history struct {
	start      *Record
	end        *Record // the first that counts: a line that was written again into a new journal is the same end
	checkpoint *Record // the last
}

func (h *history) add(r *Record) {
	switch {
	case r.Kind == RecordStart && h.start == nil:
		h.start = r
	case r.Kind == RecordCheckpoint:
		h.checkpoint = r
	case r.Kind == RecordEnd && h.end == nil:
		h.end = r
	}
}

func runHistory(records []evidence, run string) history {
	var h history
	for _, r := range records {
		if r.Run == run {
			h.add(r.Record)
		}
	}
	return h
}

// histories is what records say about the runs of one block, by place in the
// block. A worker takes the runs of a block in order, so a list that is looked
// through in the same order does better than a map.
type histories struct {
	list []placed
	next int // in list: where the next one asked for probably is
}

type placed struct {
	place int32 // in Block.Runs
	history
}

// histories groups records by run. Those of runs that the block does not have
// are left out.
func (p *Plan) histories(b *Block, records []evidence) histories {
	list := make([]placed, 0, len(records)/2)
	planned := p.segment(b.Segment).planned
	sorted := true
	next := int32(0) // the place after the last one, where the next run mostly is
	var run string   // of the record before
	known := false   // it is in the block
	for _, r := range records {
		if r.Run == run && known && len(list) > 0 {
			list[len(list)-1].add(r.Record)
			continue
		}
		run, known = r.Run, false
		var place int32
		if int(next) < len(b.Runs) && planned[b.Runs[next]].ID == run {
			place, known = planned[b.Runs[next]].place(b)
		} else if pr := p.byID[run]; pr != nil {
			place, known = pr.place(b)
		}
		if !known {
			continue
		}
		next = place + 1
		sorted = sorted && (len(list) == 0 || list[len(list)-1].place < place)
		list = append(list, placed{place: place})
		list[len(list)-1].add(r.Record)
	}
	if !sorted { // several journals, or a worker that does not go in order
		slices.SortStableFunc(list, func(x, y placed) int { return int(x.place - y.place) })
		merged := list[:0]
		for _, x := range list {
			if n := len(merged); n > 0 && merged[n-1].place == x.place {
				merged[n-1].merge(x.history)
			} else {
				merged = append(merged, x)
			}
		}
		list = merged
	}
	return histories{list: list}
}

// merge adds what later records say.
func (h *history) merge(later history) {
	for _, r := range []*Record{later.start, later.checkpoint, later.end} {
		if r != nil {
			h.add(r)
		}
	}
}

// of returns the history of the run at a place. ok is false if there is none.
func (h *histories) of(place int32) (x history, ok bool) {
	i := h.next
	if i >= len(h.list) || h.list[i].place != place {
		i, ok = slices.BinarySearchFunc(h.list, place, func(x placed, place int32) int { return int(x.place - place) })
		if !ok {
			return history{}, false
		}
	}
	h.next = i + 1
	return h.list[i].history, true
}

// final reports whether the end answers the run's try.
func (h history) final() bool { return h.end != nil && (h.end.Class.Final() || h.end.GiveUp) }

// claimNames splits the names in claims/ into claims and seals by block:
// gens[block] has one element per generation, in order.
type claimNames struct {
	gens map[string][]genState
	odd  []string // names that orch did not make
}

type genState struct{ claimed, sealed bool }

func parseClaimNames(names []string) claimNames {
	c := claimNames{gens: map[string][]genState{}}
	slices.Sort(names)
	for _, n := range names {
		base, sealed := n, false
		if m := len(n) - len(sealSuffix); m > 0 && n[m:] == sealSuffix {
			base, sealed = n[:m], true
		}
		block, gen, ok := splitGen(base)
		if !ok || gen > maxGen {
			c.odd = append(c.odd, n)
			continue
		}
		gens := c.gens[block]
		for len(gens) <= gen {
			gens = append(gens, genState{})
		}
		if sealed {
			gens[gen].sealed = true
		} else {
			gens[gen].claimed = true
		}
		c.gens[block] = gens
	}
	return c
}

// maxGen bounds generations, so that a foreign file name cannot ask for memory.
const maxGen = 100_000
