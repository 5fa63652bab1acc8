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

// evidence is an intact record with its place.
type evidence struct {
	journal string
	at      int64
	Record
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
			var r Record
			if ok {
				r, err = parseRecord(body)
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

func runHistory(records []evidence, run string) history {
	var h history
	for i := range records {
		r := &records[i].Record
		if r.Run != run {
			continue
		}
		switch {
		case r.Kind == RecordStart && h.start == nil:
			h.start = r
		case r.Kind == RecordCheckpoint:
			h.checkpoint = r
		case r.Kind == RecordEnd && h.end == nil:
			h.end = r
		}
	}
	return h
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
