package results

// unreadable returns the end of a run whose block is finished, by the word of its
// holder, although no end of it can be read: a disk has damaged its records after
// they counted. Nobody will claim the block again, so the run has failed until
// someone retries it. It returns nil for every other run.
func (sn *Snapshot) unreadable(r *PlannedRun) *Record {
	if len(r.Tries) == 0 {
		return nil
	}
	name := r.Tries[len(r.Tries)-1].Block.Name()
	newest, ok := sn.latest[name]
	if !ok {
		return nil
	}
	full := genName(name, newest)
	if g := sn.gens[full]; g.seal == nil || g.seal.Left == nil || *g.seal.Left != 0 {
		return nil
	}
	return &Record{Kind: RecordEnd, Run: r.ID, Block: full, Class: Lost, GiveUp: true,
		Message: "its end counted once and cannot be read any more: orch fsck says what is damaged, orch retry runs it again"}
}

// checkReadable tests that every run that a seal calls finished has an end.
func (sn *Snapshot) checkReadable(harm harmful) {
	for _, st := range sn.Derive() {
		if st.End != nil && st.Counted < 0 {
			harm(ResultsAreThere, "claims/"+st.End.Block+sealSuffix, "it says that nothing is left, but no end of run %s can be read", st.Run.Name)
		}
	}
}
