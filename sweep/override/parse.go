package override

import (
	"strconv"
	"strings"
)

// Parse reads one override such as "training.lr=0.1", "+model=net2,net5" or
// "~scheduler". The error is an [*Error]. See the package documentation for the
// grammar.
func Parse(s string) (Override, error) {
	p := parser{src: s}
	o := Override{Text: s}
	p.key(&o)
	if p.err == nil && o.HasValue {
		p.next()
		r := p.value()
		o.Value, o.Sweep, o.Shuffled = r.val, r.sweep, p.shuffled
		if r.extend {
			if o.Op != Change {
				p.reject(r.pos, ClassBadCall, "extend_list appends to a list that exists: write it without "+o.Op.prefix())
			}
			o.Op = Extend
		}
	}
	if err := p.error(); err != nil {
		return Override{Text: s}, err
	}
	if o.Sweep != nil {
		o.Sweep.Group = o.Key
	}
	return o, nil
}

// ParseValue reads the right-hand side alone: what an axis of a sweep file
// holds, such as "range(0,5)" or "net2,net5". It returns a sweep, or a single
// value and a nil sweep. Columns of errors count from the start of s. A glob
// gets its options from the group that the caller writes into [Sweep.Group].
func ParseValue(s string) (Value, *Sweep, error) {
	p := parser{src: s, pos: skipBlanks(s, 0)}
	p.next()
	r := p.value()
	if r.extend {
		p.reject(r.pos, ClassBadCall, "extend_list changes a config, it is no value: write the whole list")
	}
	if err := p.error(); err != nil {
		return Value{}, nil, err
	}
	return r.val, r.sweep, nil
}

// parser is a recursive-descent parser with one token of lookahead. It computes
// values while it parses. An error in the text stops it at once; an error in
// what the text means (a function that does not exist) is kept until the end, so
// that a typo further right, which may be its cause, is reported first.
type parser struct {
	src      string
	pos      int   // where the token after tok starts
	tok      token // the current token
	err      *Error
	meaning  *Error // the first error in meaning
	keyMode  bool
	depth    int
	shuffled bool
}

// result is an element: a value, a sweep, or the arguments of extend_list.
type result struct {
	val    Value
	sweep  *Sweep
	extend bool
	pos    int // where it starts
}

func (p *parser) fail(off int, class, msg string) {
	if p.err == nil {
		p.err = &Error{Stage: StageParse, Class: class, Col: column(p.src, off), Msg: msg, Input: p.src}
		p.tok = token{tokBad, off, off}
	}
}

func (p *parser) reject(off int, class, msg string) {
	if p.meaning == nil && p.err == nil {
		p.meaning = &Error{Stage: StageParse, Class: class, Col: column(p.src, off), Msg: msg, Input: p.src}
	}
}

func (p *parser) error() error {
	if p.err != nil {
		return p.err
	}
	if p.meaning != nil {
		return p.meaning
	}
	return nil
}

// next moves to the next token of the value. Once an error is set it stays on
// tokBad, which fits nowhere, so that everything unwinds.
func (p *parser) next() {
	if p.err != nil {
		return
	}
	t := p.lexValue()
	p.tok = t
	p.pos = t.end
}

func (p *parser) text(t token) string { return p.src[t.pos:t.end] }

// unexpected records that the current token is not what the grammar wants here.
// Like the parser that ANTLR generates, it first looks one token further,
// outside of containers: in 'it's' the s is out of place, but the last quote,
// which is never closed, says better what is wrong.
func (p *parser) unexpected(want string) {
	if p.tok.kind != tokEOF && p.err == nil && p.depth == 0 {
		if p.keyMode && p.tok.kind != tokEqual {
			p.lexKey()
		} else {
			p.lexValue()
		}
		if p.err != nil {
			return
		}
	}
	found := "the end"
	if p.tok.kind != tokEOF {
		found = strconv.Quote(shorten(strings.Trim(p.text(p.tok), " \t")))
		if p.tok.kind == tokBlank {
			found = "a blank"
		}
	}
	p.fail(p.tok.pos, ClassSyntax, "expected "+want+", found "+found)
}

// key reads everything up to and including the "=", or up to the end for ~key.
func (p *parser) key(o *Override) {
	advance := func() {
		if p.err == nil {
			p.tok = p.lexKey()
			p.pos = p.tok.end
		}
	}
	p.keyMode = true
	defer func() { p.keyMode = false }()
	advance()
	switch p.tok.kind {
	case tokTilde:
		o.Op = Delete
		advance()
	case tokPlus:
		o.Op = Add
		if advance(); p.tok.kind == tokPlus {
			o.Op = ForceAdd
			advance()
		}
	}
	start := p.tok.pos
	switch p.tok.kind {
	case tokID:
		for advance(); p.tok.kind == tokSlash; advance() {
			if advance(); p.tok.kind != tokID {
				p.unexpected("the name of a config group after the \"/\", as in db/engine")
				return
			}
		}
	case tokSpecial, tokDotPath:
		advance()
	}
	o.Key = p.src[start:p.tok.pos]
	if p.tok.kind == tokAt {
		advance()
		o.HasPackage = true
		start := p.tok.pos
		switch p.tok.kind {
		case tokID, tokSpecial, tokDotPath:
			advance()
		}
		o.Package = p.src[start:p.tok.pos]
	}
	switch {
	case p.tok.kind == tokEqual:
		o.HasValue = true
	case p.tok.kind == tokEOF && o.Op == Delete:
	default:
		want := `"=" after the key`
		switch {
		case p.tok.kind == tokEOF:
			want = `"=" and a value, as in ` + shorten(p.src) + "=1, or ~key to delete a key"
		case p.pos == 0 || o.Key == "" && p.tok.kind != tokAt:
			want = "a key, as in key=value, +key=value, ++key=value or ~key"
		case p.tok.kind == tokColon:
			want += `; a package is given as group@package=option`
		}
		p.unexpected(want)
	}
}

// value: element | element ("," element)+ | nothing, which is the empty string.
func (p *parser) value() result {
	if p.tok.kind == tokEOF {
		return result{val: StringValue(""), pos: p.tok.pos}
	}
	r := p.element()
	if p.tok.kind == tokComma {
		sweep := &Sweep{Kind: SimpleChoice, src: p.src, col: column(p.src, r.pos)}
		start := r.pos
		for {
			p.notNested(r, "a comma sweep")
			sweep.Choices = append(sweep.Choices, r.val)
			if p.tok.kind != tokComma {
				break
			}
			p.next()
			r = p.element()
		}
		r = result{sweep: sweep, pos: start}
	}
	if p.tok.kind != tokEOF {
		switch p.tok.kind {
		case tokQuoted:
			p.unexpected("the end of the value or a comma; a quoted part needs the whole value quoted")
		case tokEqual:
			p.unexpected(`the end of the value or a comma; a "=" in a value is written \= or quoted`)
		default:
			p.unexpected("the end of the value or a comma; quote the whole value, or write a backslash before ( ) [ ] { } : = ,")
		}
	}
	return r
}

// notNested refuses a sweep, or an extend_list, as an element of something. A
// sweep there would need to multiply its container, which no sweeper does.
func (p *parser) notNested(r result, in string) {
	switch {
	case r.extend:
		p.reject(r.pos, ClassBadCall, "extend_list must be the whole value, not part of "+in)
	case r.sweep != nil:
		p.reject(r.pos, ClassBadElement, "a sweep cannot be part of "+in+": sweep over whole values, as in "+
			"choice([1,2],[1,3]), or over a key of its own")
	}
}

// element: primitive | list | dict | function call.
func (p *parser) element() result {
	start := p.tok.pos
	switch p.tok.kind {
	case tokBracketOpen:
		return result{val: p.list(), pos: start}
	case tokBraceOpen:
		return result{val: p.dict(), pos: start}
	case tokQuoted:
		v := unquote(p.text(p.tok))
		p.next()
		return result{val: v, pos: start}
	case tokID:
		// The byte after the name tells a call from a text without a second
		// token of lookahead.
		if at(p.src, skipBlanks(p.src, p.pos)) == '(' {
			return p.call()
		}
	}
	if p.tok.kind < tokColon {
		p.unexpected("a value")
		return result{pos: start}
	}
	return result{val: p.primitive(tokEOF), pos: start}
}

// enter counts a level of nesting.
func (p *parser) enter() bool {
	if p.depth++; p.depth > maxDepth {
		p.fail(p.tok.pos, ClassTooDeep, "lists, dicts and calls may be nested "+strconv.Itoa(maxDepth)+" deep: put such a value in a config file")
		return false
	}
	return true
}

func (p *parser) list() Value {
	if !p.enter() {
		return Value{}
	}
	defer func() { p.depth-- }()
	list := []Value{}
	p.next()
	if p.tok.kind != tokBracketClose {
		for {
			r := p.element()
			p.notNested(r, "a list")
			list = append(list, r.val)
			if p.tok.kind != tokComma {
				break
			}
			p.next()
		}
	}
	if p.tok.kind != tokBracketClose {
		p.unexpected(`"," or "]" in a list`)
	}
	p.next()
	return Value{kind: List, list: list}
}

func (p *parser) dict() Value {
	if !p.enter() {
		return Value{}
	}
	defer func() { p.depth-- }()
	var d dict
	p.next()
	if p.tok.kind != tokBraceClose {
		for {
			if p.tok.kind <= tokColon {
				p.unexpected("a dict key; keys are not quoted")
				return Value{}
			}
			key := p.primitive(tokColon)
			if p.tok.kind != tokColon {
				p.unexpected(`":" after a dict key`)
			}
			p.next()
			r := p.element()
			p.notNested(r, "a dict")
			d.set(key, r.val)
			if p.tok.kind != tokComma {
				break
			}
			p.next()
		}
	}
	if p.tok.kind != tokBraceClose {
		p.unexpected(`"," or "}" in a dict`)
	}
	p.next()
	return Value{kind: Map, fields: d.fields}
}

// primitive reads unquoted text: a single token keeps its type, several make a
// string. A dict key ends at a colon and holds no interpolation.
func (p *parser) primitive(stop tokenKind) Value {
	first, last, n := p.tok, p.tok, 0
	escapes := false
	for p.tok.kind >= tokColon && p.tok.kind != stop && (stop == tokEOF || p.tok.kind != tokInterpolation) {
		if p.tok.kind == tokEscape {
			escapes = true
		}
		last = p.tok
		n++
		p.next()
	}
	if n == 0 {
		p.unexpected("a value")
		return Value{}
	}
	end := last.end
	if last.kind == tokBlank && n > 1 {
		end = last.pos
		n--
	}
	s := p.src[first.pos:end]
	if n == 1 {
		switch first.kind {
		case tokInt:
			return intLiteral(s)
		case tokFloat:
			return floatLiteral(s)
		case tokBool:
			return BoolValue(s[0]|0x20 == 't')
		case tokNull:
			return Value{}
		}
	}
	if escapes {
		s = p.unescape(first.pos, end)
	}
	return StringValue(s)
}

// unescape drops the backslashes of escapes. It lexes the text once more, since
// a backslash only counts where the lexer sees an escape, not inside ${...}.
func (p *parser) unescape(pos, end int) string {
	q := parser{src: p.src[:end], pos: pos}
	b := make([]byte, 0, end-pos)
	for q.next(); q.tok.kind != tokEOF; q.next() {
		t := q.text(q.tok)
		if q.tok.kind == tokEscape {
			for i := 1; i < len(t); i += 2 {
				b = append(b, t[i])
			}
			continue
		}
		b = append(b, t...)
	}
	return string(b)
}
