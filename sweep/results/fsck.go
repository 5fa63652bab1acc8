package results

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Finding is something that fsck has to say about a file of a sweep.
type Finding struct {
	File   string // relative to the sweep
	Offset int64
	Text   string
	Harm   bool // an invariant does not hold; else it is only litter
}

// Check tests the invariants of a sweep's tree from its raw files, reading
// everything anew:
//
//   - every plan segment is whole and its number is its name;
//   - a generation is claimed only after the one before it is sealed, and every
//     claim is of a block that a plan has;
//   - what a seal counts is there, intact;
//   - no run has two ends that count in one try, and no try follows a result;
//   - no mark claims records that the seal of its generation left out;
//   - every planned run is in exactly one state.
//
// Damaged lines outside of what counts, unpublished temporary files and foreign
// names harm nothing; they are reported as litter.
func (s *Sweep) Check() ([]Finding, error) {
	var found []Finding
	harm := func(file, format string, args ...any) {
		found = append(found, Finding{File: file, Text: fmt.Sprintf(format, args...), Harm: true})
	}
	sn, err := s.Snapshot()
	if err != nil {
		var damaged *DamagedError
		if errors.As(err, &damaged) {
			harm(damaged.File, "%s", damaged.Why)
			return found, nil
		}
		return nil, err
	}
	for _, p := range sn.Problems {
		f := Finding{p.File, p.Offset, p.Text, false}
		f.Harm = strings.HasPrefix(p.File, "claims/") && !strings.Contains(p.Text, "did not make")
		found = append(found, f)
	}
	intact := map[string]map[int64]bool{} // by journal: offsets of damaged lines
	for _, p := range sn.Problems {
		if name, ok := strings.CutPrefix(p.File, "journals/"); ok {
			if intact[name] == nil {
				intact[name] = map[int64]bool{}
			}
			intact[name][p.Offset] = true
		}
	}
	names := make([]string, 0, len(sn.gens))
	for full := range sn.gens {
		names = append(names, full)
	}
	slices.Sort(names)
	for _, full := range names {
		g := sn.gens[full]
		block, gen, _ := splitGen(full)
		if sn.Plan.byBlock[block] == nil {
			harm("claims/"+full, "no plan has a block %s", block)
			continue
		}
		if !g.claimed {
			harm("claims/"+full, "records, a fence or a seal of a generation that nobody claimed")
		}
		if gen > 0 && g.claimed {
			if before := sn.gens[genName(block, gen-1)]; before == nil || before.seal == nil {
				harm("claims/"+full, "claimed although generation %d is not sealed", gen-1)
			}
		}
		seal, wait := g.seal, ""
		if seal == nil {
			seal, wait = sn.early[full], "; where files are cached this may be so for a while after another host has written it: check again"
		}
		if seal == nil {
			continue
		}
		for _, sj := range seal.Journals {
			js := sn.journals[sj.Name]
			if js == nil || js.length < sj.Upto {
				harm("journals/"+sj.Name, "shorter than the %d bytes that the seal of %s counts%s", sj.Upto, full, wait)
				continue
			}
			for at := range intact[sj.Name] {
				if at < sj.Upto {
					harm("journals/"+sj.Name, "a damaged line at %d, in what the seal of %s counts", at, full)
				}
			}
		}
		if g.seal == nil {
			continue
		}
		for journal, upto := range g.marks {
			i := slices.IndexFunc(g.seal.Journals, func(sj SealedJournal) bool { return sj.Name == journal })
			for _, r := range g.records {
				if r.journal == journal && r.at < upto && (i < 0 || r.at >= g.seal.Journals[i].Upto) && !inTail(g.seal, r) {
					harm("journals/"+journal, "a mark covers the record at %d of %s, which the seal does not count: a cache older than D, or a worker that was dead", r.at, full)
				}
			}
		}
	}
	sn.checkCounts(harm)
	sn.checkReadable(harm)
	litter, err := s.litter()
	return append(found, litter...), err
}

func inTail(seal *Seal, r evidence) bool {
	line := r.Record.appendLine(nil)
	for _, sj := range seal.Journals {
		for _, t := range sj.Tail {
			if t+"\n" == string(line) {
				return true
			}
		}
	}
	return false
}

// checkCounts tests that no run is counted twice.
func (sn *Snapshot) checkCounts(harm func(file, format string, args ...any)) {
	d := sn.derivation()
	planned := 0
	for _, r := range sn.Plan.Runs {
		if r.Planned {
			planned++
		}
		result := false
		for t, try := range r.Tries {
			if t == r.Epoch {
				result = false
			}
			ends := 0
			view := d.view(try.Block)
			place, _ := r.place(try.Block)
			for g := range view.gens {
				v := &view.gens[g]
				if h, _ := v.counted.of(place); h.final() {
					ends++
					if result {
						harm("claims/"+genName(view.name, v.gen), "run %s ends again after it had a result", r.Name)
					}
					result = result || h.end.Class == Done
				}
			}
			if ends > 1 {
				harm("plans", "run %s has %d ends that count in block %s", r.Name, ends, view.name)
			}
		}
	}
	if c := Count(sn.Derive()); c.Done+c.Failed+c.Running+c.Queued+c.Held+c.Cancelled != planned || c.Total != planned {
		harm("plans", "%d runs are planned, but the states add up to %+v", planned, c)
	}
}

// litter finds temporary files that a crash left behind.
func (s *Sweep) litter() ([]Finding, error) {
	var found []Finding
	for _, folder := range []string{"plans", "subs", "claims", "fences", "orders", "journals", "series", "observations"} {
		f, err := s.dir.Open(folder)
		if errors.Is(err, fs.ErrNotExist) {
			found = append(found, Finding{File: folder, Text: "the folder is missing", Harm: true})
			continue
		}
		if err != nil {
			return found, err
		}
		names, err := f.Readdirnames(-1)
		f.Close()
		if err != nil {
			return found, err
		}
		slices.Sort(names)
		for _, n := range names {
			if strings.HasPrefix(n, tempPrefix) {
				found = append(found, Finding{File: folder + "/" + n, Text: "a temporary file that a crash left behind; it can be deleted"})
			}
		}
	}
	return found, nil
}
