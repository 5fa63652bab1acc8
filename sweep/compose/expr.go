package compose

import (
	"strings"
)

// expr is a parsed string with interpolations: literal text and references in
// turn.
type expr struct {
	parts []part
	err   string // what is wrong with the text, if something is
}

// part is literal text or, if ref is set, a reference.
type part struct {
	text string
	ref  *ref
}

// ref is one ${...}: a key, or a resolver with its argument.
type ref struct {
	resolver string // "env", "now"; empty for a key
	parts    []part // the key or the argument, which may hold references itself
	text     string // as written
}

// whole returns the reference if the expression is nothing else: its value
// then keeps its type.
func (e *expr) whole() *ref {
	if len(e.parts) == 1 {
		return e.parts[0].ref
	}
	return nil
}

// parseExpr parses a string that holds "${". Of backslashes only those right
// before "${" mean something: each pair is one backslash, and one left over
// makes the "${" literal.
func parseExpr(s string) *expr {
	p := &exprParser{s: s}
	e := &expr{parts: p.parse(0)}
	e.err = p.err
	return e
}

type exprParser struct {
	s   string
	pos int
	err string
}

// parse reads parts up to the end of the text or, inside a reference, up to
// its closing brace.
func (p *exprParser) parse(depth int) []part {
	var parts []part
	var lit strings.Builder
	flush := func() {
		if lit.Len() > 0 {
			parts = append(parts, part{text: lit.String()})
			lit.Reset()
		}
	}
	quote := byte(0)
	for p.pos < len(p.s) && p.err == "" {
		c := p.s[p.pos]
		switch {
		case c == '\\':
			n := 1
			for p.pos+n < len(p.s) && p.s[p.pos+n] == '\\' {
				n++
			}
			p.pos += n
			if !strings.HasPrefix(p.s[p.pos:], "${") {
				lit.WriteString(p.s[p.pos-n : p.pos])
				continue
			}
			lit.WriteString(strings.Repeat(`\`, n/2))
			if n%2 == 1 {
				lit.WriteString("${")
				p.pos += 2
			}
			continue
		case strings.HasPrefix(p.s[p.pos:], "${"):
			flush()
			parts = append(parts, part{ref: p.ref(depth + 1)})
			continue
		case depth > 0 && quote == 0 && c == '}':
			flush()
			return parts
		case depth > 0 && (c == '"' || c == '\''):
			switch quote {
			case 0:
				quote = c
			case c:
				quote = 0
			}
		}
		lit.WriteByte(c)
		p.pos++
	}
	if depth > 0 && p.err == "" {
		p.err = `"${" without "}"`
	}
	flush()
	return parts
}

func (p *exprParser) ref(depth int) *ref {
	start := p.pos
	p.pos += 2
	r := &ref{}
	if depth > maxDepth {
		p.err = "interpolations nested too deep"
		return r
	}
	if n := resolverName(p.s[p.pos:]); n > 0 {
		r.resolver = strings.TrimSpace(p.s[p.pos : p.pos+n])
		p.pos += n + 1
	}
	r.parts = p.parse(depth)
	if p.err != "" {
		return r
	}
	p.pos++ // the brace
	r.text = p.s[start:p.pos]
	if len(r.parts) == 0 && r.resolver == "" {
		p.err = `"${}" names no key`
	}
	return r
}

// resolverName returns the length of a name before a colon, 0 if there is none.
func resolverName(s string) int {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ':':
			return i
		case c == '_' || c == '.' || c == ' ' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9':
		default:
			return 0
		}
	}
	return 0
}
