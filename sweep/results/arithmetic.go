package results

import "strings"

// Arithmetic says what computed the counted result of a run, as far as its last
// bits go: [Holder.Arithmetic] of its attempts up to the counted one, each where
// it is another than before, joined by " then ". Empty: not known, as of results
// of earlier versions.
func (st *RunState) Arithmetic() string {
	if st.Counted < 0 {
		return ""
	}
	var b strings.Builder
	last := ""
	for i := range st.Attempts[:st.Counted+1] {
		h := st.Attempts[i].Holder
		if h == nil || h.Arithmetic == "" || h.Arithmetic == last {
			continue
		}
		if last != "" {
			b.WriteString(" then ")
		}
		b.WriteString(h.Arithmetic)
		last = h.Arithmetic
	}
	return b.String()
}
