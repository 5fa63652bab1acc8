package override

import (
	"slices"
	"strings"
)

// Canonical returns the override in the form in which Hydra prints it: no
// needless blanks, numbers in their shortest form, True and False capitalised,
// special characters of unquoted text escaped, quotes kept. It is meant for
// people and for comparing with Hydra. Texts that a function has made, such as
// str(1), print without quotes, as 1; [Override.Line] keeps them apart.
//
// Hydra has no such form for sweeps; for those it is that of Line.
func (o Override) Canonical() string { return o.print(false) }

// Line returns a text that [Parse] reads back as an equal override, whatever it
// was made from. It is what to put into a script or a file.
func (o Override) Line() string { return o.print(true) }

func (o Override) print(exact bool) string {
	b := o.appendKey(nil)
	if !o.HasValue {
		return string(b)
	}
	pr := printer{exact}
	b = append(b, '=')
	switch {
	case o.Sweep != nil:
		b = o.Sweep.appendText(b)
	case o.Op == Extend:
		b = printer{true}.args(append(b, "extend_list"...), o.Value.list)
	case o.Value.kind == String && o.Value.text == "" && o.Value.quote == 0:
	default:
		b = pr.value(b, o.Value)
	}
	return string(b)
}

// appendKey appends what stands before the "=".
func (o Override) appendKey(b []byte) []byte {
	b = append(b, o.Op.prefix()...)
	b = append(b, o.Key...)
	if o.HasPackage {
		b = append(b, '@')
		b = append(b, o.Package...)
	}
	return b
}

// printer writes values in the grammar of this package.
type printer struct {
	exact bool // quote a text that would be read as something else
}

func (pr printer) value(b []byte, v Value) []byte {
	switch v.kind {
	case Bool:
		if v.num != 0 {
			return append(b, "True"...)
		}
		return append(b, "False"...)
	case String:
		switch {
		case v.quote != 0:
			return appendInQuotes(b, v.text, v.quote)
		case pr.exact && !readsAsItself(v.text):
			return appendInQuotes(b, v.text, '\'')
		}
		return appendEscaped(b, v.text)
	case List:
		return append(pr.list(append(b, '['), v.list), ']')
	case Map:
		b = append(b, '{')
		for i, f := range v.fields {
			if i > 0 {
				b = append(b, ',')
			}
			if f.Key.kind == String {
				b = appendEscaped(b, f.Key.text) // a key has no quoted form
			} else {
				b = pr.value(b, f.Key)
			}
			b = append(b, ':')
			b = pr.value(b, f.Val)
		}
		return append(b, '}')
	}
	return v.AppendText(b)
}

func (pr printer) list(b []byte, vs []Value) []byte {
	for i, v := range vs {
		if i > 0 {
			b = append(b, ',')
		}
		b = pr.value(b, v)
	}
	return b
}

// args appends values in parentheses.
func (pr printer) args(b []byte, vs []Value) []byte {
	return append(pr.list(append(b, '('), vs), ')')
}

// appendEscaped appends unquoted text with a backslash before syntax.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		if strings.IndexByte(escapable, s[i]) >= 0 {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return b
}

// appendInQuotes is the inverse of unquote: backslashes count only before a
// quote, where each is doubled.
func appendInQuotes(b []byte, s string, quote byte) []byte {
	b = append(b, quote)
	slashes := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			slashes++
		case quote:
			for ; slashes >= 0; slashes-- {
				b = append(b, '\\')
			}
			slashes = 0
		default:
			slashes = 0
		}
		b = append(b, s[i])
	}
	for ; slashes > 0; slashes-- {
		b = append(b, '\\')
	}
	return append(b, quote)
}

// readsAsItself reports whether a text, escaped but not quoted, is parsed as the
// string it is: not so for "1", "true", "", "it's".
func readsAsItself(s string) bool {
	p := parser{src: string(appendEscaped(nil, s))}
	p.next()
	if p.tok.kind < tokColon {
		return false
	}
	v := p.primitive(tokEOF)
	return p.err == nil && p.tok.kind == tokEOF && v.kind == String && v.text == s
}

// appendText appends the sweep as it would be typed.
func (s *Sweep) appendText(b []byte) []byte {
	pr := printer{true}
	if s.Kind == SimpleChoice && !s.Shuffled && len(s.Tags) == 0 && len(s.Choices) > 1 {
		return pr.list(b, s.Choices)
	}
	close := 0
	if len(s.Tags) > 0 {
		b = append(b, "tag("...)
		for _, t := range s.Tags {
			b = append(pr.value(b, StringValue(t)), ',')
		}
		close++
	}
	if s.Shuffled && s.Kind != SimpleChoice {
		b = append(b, "shuffle("...)
		close++
	}
	switch s.Kind {
	case SimpleChoice:
		b = s.appendSimpleCall(b)
	case Choice:
		b = pr.args(append(b, "choice"...), s.Choices)
	case Range:
		b = pr.args(append(b, "range"...), []Value{s.Start, s.Stop, s.Step})
	case Interval:
		if s.Start.kind == Int { // an interval is made of floats
			b = append(b, "int("...)
			close++
		}
		b = pr.args(append(b, "interval"...), []Value{s.Start, s.Stop})
	case Glob:
		b = append(b, "glob("...)
		b = pr.value(b, patterns(s.Include))
		if len(s.Exclude) > 0 {
			b = pr.value(append(b, ",exclude="...), patterns(s.Exclude))
		}
		b = append(b, ')')
	}
	return append(b, strings.Repeat(")", close)...)
}

// appendSimpleCall appends a function call that makes a simple sweep; a,b is
// none inside another call.
func (s *Sweep) appendSimpleCall(b []byte) []byte {
	pr := printer{true}
	if s.Shuffled {
		return pr.args(append(b, "shuffle"...), s.Choices)
	}
	for _, k := range []Kind{Int, Float, Bool, String} {
		cast, msg := castSweep(s, k)
		if msg == "" && cast.Equal(s) { // a cast that changes nothing
			name := k.String()
			if k == String {
				name = "str"
			}
			return pr.args(append(b, name...), s.Choices)
		}
	}
	b = pr.list(append(b, "sort("...), s.Choices)
	if up, _ := sorted(s.Choices, false); !slices.EqualFunc(up, s.Choices, Value.Equal) {
		b = append(b, ",reverse=True"...)
	}
	return append(b, ')')
}

func patterns(ps []string) Value {
	vs := make([]Value, len(ps))
	for i, p := range ps {
		vs[i] = QuotedValue(p)
	}
	if len(vs) == 1 {
		return vs[0]
	}
	return ListValue(vs...)
}
