package results

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// Invariant is something that holds of every sweep's tree at every instant,
// whatever has died while writing to it.
type Invariant uint8

// The invariants.
const (
	Litter           Invariant = iota // none: what harms nothing
	PlanIsWhole                       // I1
	OneHolder                         // I5
	ResultsAreThere                   // I3
	CountedOnce                       // I2, I4
	SealsHold                         // I2
	OrdersAreThere                    //
	SubmissionsKnown                  // I6
	TablesMatch                       // I7; tested by who writes them
	NobodyElseWrites                  // I10
)

var invariants = [...]string{
	Litter:           "",
	PlanIsWhole:      "every plan segment is whole, and every planned run is in exactly one state",
	OneHolder:        "every generation of a block has one holder, and is claimed only after the one before it is sealed",
	ResultsAreThere:  "every result that a seal counts can be read, intact",
	CountedOnce:      "no run is counted twice, and none goes on after its result",
	SealsHold:        "no mark claims what the seal of its generation left out",
	OrdersAreThere:   "every cancel, hold and release that was given can be read",
	SubmissionsKnown: "of every submission it is known what was asked for, and what became of it",
	TablesMatch:      "the tables in collected/ are what the tree gives",
	NobodyElseWrites: "nobody but owner and group may write here",
}

func (i Invariant) String() string { return invariants[i] }

// Invariants returns all invariants.
func Invariants() []Invariant {
	var all []Invariant
	for i := range invariants {
		if i := Invariant(i); i != Litter {
			all = append(all, i)
		}
	}
	return all
}

// Finding is something that fsck has to say about a file of a sweep.
type Finding struct {
	File   string // relative to the sweep
	Offset int64
	Text   string
	Breaks Invariant // Litter: none
}

// Harm reports whether an invariant does not hold.
func (f Finding) Harm() bool { return f.Breaks != Litter }

// harmful notes what breaks an invariant.
type harmful func(breaks Invariant, file, format string, args ...any)

// Check tests the invariants of a sweep's tree from its raw files, reading
// everything anew; all but [TablesMatch]. Damaged lines outside of what counts,
// unpublished temporary files and foreign names harm nothing; they are reported
// as litter.
func (s *Sweep) Check() ([]Finding, error) {
	var found []Finding
	harm := func(breaks Invariant, file, format string, args ...any) {
		found = append(found, Finding{File: file, Text: fmt.Sprintf(format, args...), Breaks: breaks})
	}
	sn, err := s.Snapshot()
	if err != nil {
		var damaged *DamagedError
		if errors.As(err, &damaged) {
			harm(PlanIsWhole, damaged.File, "%s", damaged.Why)
			return found, nil
		}
		return nil, err
	}
	for _, p := range sn.Problems {
		f := Finding{File: p.File, Offset: p.Offset, Text: p.Text}
		if p.Text == foreign {
			found = append(found, f)
			continue
		}
		switch folder, name, _ := strings.Cut(p.File, "/"); {
		case folder == "claims" && strings.HasSuffix(name, sealSuffix):
			f.Breaks = ResultsAreThere
		case folder == "claims":
			f.Breaks = OneHolder
		case folder == "orders":
			f.Breaks = OrdersAreThere
		}
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
			harm(OneHolder, "claims/"+full, "no plan has a block %s", block)
			continue
		}
		if !g.claimed {
			harm(OneHolder, "claims/"+full, "records, a fence or a seal of a generation that nobody claimed")
		}
		if gen > 0 && g.claimed {
			before := genName(block, gen-1)
			if g := sn.gens[before]; g == nil || g.seal == nil && sn.early[before] == nil {
				harm(OneHolder, "claims/"+full, "claimed although generation %d is not sealed", gen-1)
			}
		}
		seal, wait := g.seal, ""
		if early := sn.early[full]; seal == nil && early != nil && early.again {
			seal, wait = early.Seal, "; where files are cached this may be so for a while after another host has written it: check again"
		}
		if seal == nil {
			continue
		}
		for _, sj := range seal.Journals {
			js := sn.journals[sj.Name]
			if js == nil || js.length < sj.Upto {
				harm(ResultsAreThere, "journals/"+sj.Name, "shorter than the %d bytes that the seal of %s counts%s", sj.Upto, full, wait)
				continue
			}
			for at := range intact[sj.Name] {
				if at < sj.Upto {
					harm(ResultsAreThere, "journals/"+sj.Name, "a damaged line at %d, in what the seal of %s counts", at, full)
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
					harm(SealsHold, "journals/"+journal, "a mark covers the record at %d of %s, which the seal does not count: a cache older than D, or a worker that was dead", r.at, full)
				}
			}
		}
	}
	sn.checkCounts(harm)
	sn.checkReadable(harm)
	err = errors.Join(s.checkSubmissions(&found), s.checkFolders(&found), s.Rows(func(Row) {}, func(p Problem) {
		found = append(found, Finding{File: p.File, Offset: p.Offset, Text: p.Text})
	}))
	return found, err
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
func (sn *Snapshot) checkCounts(harm harmful) {
	d := sn.derivation()
	planned := 0
	for _, r := range sn.Plan.Runs {
		if r.Planned {
			planned++
		}
		result := false
		for _, try := range r.Tries {
			if try.Segment.Kind == KindRerun { // each of them asks for a result anew
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
						harm(CountedOnce, "claims/"+genName(view.name, v.gen), "run %s ends again after it had a result", r.Name)
					}
					result = result || h.end.Class == Done
				}
			}
			if ends > 1 {
				harm(CountedOnce, "plans", "run %s has %d ends that count in block %s", r.Name, ends, view.name)
			}
		}
	}
	if c := Count(sn.Derive()); c.Done+c.Failed+c.Running+c.Queued+c.Held+c.Cancelled != planned || c.Total != planned {
		harm(PlanIsWhole, "plans", "%d runs are planned, but the states add up to %+v", planned, c)
	}
}

// checkSubmissions finds submissions whose files are damaged, and those of which
// nobody has told yet what became of them.
func (s *Sweep) checkSubmissions(found *[]Finding) error {
	subs, err := s.Submissions()
	for _, sub := range subs {
		file := fmt.Sprintf("subs/%d", sub.Number)
		switch {
		case sub.foreign:
			*found = append(*found, Finding{File: file, Text: foreign})
		case sub.Damaged != nil:
			*found = append(*found, Finding{File: file, Text: sub.Damaged.Error(), Breaks: SubmissionsKnown})
		case sub.Intent == nil:
			*found = append(*found, Finding{File: file, Text: "a number that was taken, and nothing was asked for"})
		case sub.Answer == nil:
			*found = append(*found, Finding{File: file, Text: fmt.Sprintf("%d workers were asked for, and it is not known yet what became of them: orch collect finds out", sub.Intent.Workers)})
		}
	}
	return err
}

// checkFolders finds folders that are missing or open to everyone, and temporary
// files that a crash left behind.
func (s *Sweep) checkFolders(found *[]Finding) error {
	for _, folder := range []string{".", "plans", "subs", "claims", "fences", "orders", "journals", "series", "observations", "runs"} {
		f, err := open(s.dir, folder, os.O_RDONLY)
		if errors.Is(err, fs.ErrNotExist) {
			*found = append(*found, Finding{File: folder, Text: "the folder is missing", Breaks: PlanIsWhole})
			continue
		}
		if err != nil {
			return err
		}
		names, err := f.Readdirnames(-1)
		st, serr := f.Stat()
		f.Close()
		if err := errors.Join(err, serr); err != nil {
			return err
		}
		if st.Mode().Perm()&0o002 != 0 && modesMatter {
			*found = append(*found, Finding{File: folder, Text: "everyone on this machine may write here: chmod o-w", Breaks: NobodyElseWrites})
		}
		slices.Sort(names)
		for _, n := range names {
			_, numbered := subNumber(n)
			switch {
			case strings.HasPrefix(n, tempPrefix):
				*found = append(*found, Finding{File: path.Join(folder, n), Text: "a temporary file that a crash left behind; it can be deleted"})
			case folder == subsFolder && !numbered && n[0] != '.':
				*found = append(*found, Finding{File: path.Join(folder, n), Text: foreign})
			}
		}
	}
	return nil
}
