package override

import (
	"fmt"
	"strings"
)

// SingleRun returns nil if the override stands for one value, and otherwise the
// error for a command that makes one run. What was typed may have been meant in
// three ways, and the error shows how each is written:
//
//	lr=0.1,0.2 stands for several values, and this is a single run. What did you mean?
//	  a list:    'lr=[0.1,0.2]'
//	  a text:    "lr='0.1,0.2'"
//	  a sweep:   --multirun lr=0.1,0.2
//
// The proposals are quoted for a POSIX shell.
func (o Override) SingleRun() error {
	s := o.Sweep
	if s == nil {
		return nil
	}
	key := string(o.appendKey(nil)) + "="
	list := ""
	const few = 10 // a list that is pleasant to read
	switch s.Kind {
	case SimpleChoice, Choice:
		list = key + string(printer{true}.value(nil, ListValue(s.Choices...)))
	case Range:
		if vs, err := s.Values(Env{Max: few}); err == nil {
			list = key + string(printer{true}.value(nil, ListValue(vs...)))
		}
	}
	text := o.Text
	if text == "" {
		text = o.Line()
	}
	typed := text[min(len(key), len(text)):]
	if _, after, ok := strings.Cut(text, "="); ok {
		typed = after
	}
	col := column(text, len(text)-len(typed))
	var b strings.Builder
	fmt.Fprintf(&b, "%s stands for several values, and this is a single run. What did you mean?", shorten(text))
	if list != "" {
		fmt.Fprintf(&b, "\n  a list:    %s", shellWord(list))
	} else {
		fmt.Fprintf(&b, "\n  a list:    %s", shellWord(key+"[value1,value2]"))
	}
	fmt.Fprintf(&b, "\n  a text:    %s", shellWord(key+string(appendInQuotes(nil, typed, '\''))))
	fmt.Fprintf(&b, "\n  a sweep:   --multirun %s", shellWord(text))
	return &Error{Stage: StageExpand, Class: ClassNeedMultirun, Col: col, Msg: b.String(), Input: text}
}

// shellWord quotes s for a POSIX shell if it needs it.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' || strings.ContainsRune("_-+=./:,@%", r)
	}
	switch {
	case s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0:
		return s
	case !strings.Contains(s, "'"):
		return "'" + s + "'"
	case !strings.ContainsAny(s, "\"$`\\!"):
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
