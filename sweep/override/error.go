package override

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The stages at which an override can be refused.
const (
	StageParse  = "parse"  // the text is no override
	StageExpand = "expand" // the text is one, but its sweep has no list of values
)

// The classes of errors, for programs that branch on them.
const (
	ClassIllegalChar  = "illegal_char"        // a character that no token starts with
	ClassSyntax       = "syntax"              // a token in the wrong place
	ClassTooDeep      = "too_deep"            // containers and calls nested deeper than 64
	ClassUnknownFunc  = "unknown_function"    // a call of a function that does not exist
	ClassBadCall      = "bad_call"            // wrong arguments of a function
	ClassBadElement   = "bad_sweep_element"   // a sweep inside a list, a dict or another sweep
	ClassZeroStep     = "zero_step"           // range(..., step=0)
	ClassNotFinite    = "not_finite"          // a range with an end that is inf or nan
	ClassNoList       = "not_enumerable"      // an interval, or a glob without a config group
	ClassTooMany      = "too_many"            // more values than the caller's bound
	ClassNeedMultirun = "sweep_in_single_run" // see [Override.SingleRun]
)

// Error is what [Parse], [ParseValue] and the expansion of a [Sweep] return.
type Error struct {
	Stage string // [StageParse] or [StageExpand]
	Class string // one of the Class constants
	Col   int    // 0-based, in characters (not bytes) of Input
	Msg   string // what was expected, ending with the fix
	Input string // the text as it was typed
}

// Error shows the message, the input and a caret under the offending column. A
// message of several lines stands for itself.
func (e *Error) Error() string {
	if strings.Contains(e.Msg, "\n") {
		return e.Msg
	}
	line, caret := excerpt(e.Input, e.Col)
	return fmt.Sprintf("%s (column %d)\n  %s\n  %s^", e.Msg, e.Col, line, strings.Repeat(" ", caret))
}

// excerptWidth is what a terminal line holds, with some room for the indent.
const excerptWidth = 72

// excerpt cuts the part of s around character col that fits on a terminal line,
// replaces what would move the cursor, and returns where the caret goes.
func excerpt(s string, col int) (line string, caret int) {
	from := max(0, col-excerptWidth/2)
	var b strings.Builder
	if from > 0 {
		b.WriteRune('…')
		caret = 1
	}
	i := 0
	for _, r := range s { // an invalid byte counts as one character, as in column
		if i >= from+excerptWidth {
			b.WriteRune('…')
			break
		}
		if i >= from {
			if !unicode.IsPrint(r) {
				r = '·'
			}
			b.WriteRune(r)
			if i < col {
				caret++
			}
		}
		i++
	}
	return b.String(), caret
}

// column turns a byte offset into a character offset.
func column(s string, off int) int { return utf8.RuneCountInString(s[:off]) }
