package hydra

import (
	"cmp"
	"fmt"
	"slices"
)

// Note is something that a user has to know about an import.
type Note struct {
	File string // of the Hydra folder
	Line int    // from 1; 0: the file as a whole
	Lost bool   // not carried over; else carried over, but worth a look
	What string // what it is
	Do   string // what to do instead; may be empty
}

// String returns "file:line: what (what to do)".
func (n Note) String() string {
	s := n.File
	if n.Line > 0 {
		s += fmt.Sprintf(":%d", n.Line)
	}
	s += ": " + n.What
	if n.Do != "" {
		s += " (" + n.Do + ")"
	}
	return s
}

// notes collects what there is to say of one file.
type notes struct {
	file string
	list []Note
}

// lost notes what was not carried over, and what to do instead.
func (n *notes) lost(line int, do, format string, args ...any) {
	n.list = append(n.list, Note{n.file, line, true, fmt.Sprintf(format, args...), do})
}

// look notes what was carried over and is worth a look.
func (n *notes) look(line int, do, format string, args ...any) {
	n.list = append(n.list, Note{n.file, line, false, fmt.Sprintf(format, args...), do})
}

func sortNotes(list []Note) []Note {
	slices.SortStableFunc(list, func(a, b Note) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line))
	})
	return list
}
