package compose

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// spot is where a key or array element stands in a TOML text. The TOML library
// keeps no positions of keys, so this file finds them in a second, much simpler
// pass over a text that the library has accepted: it need not judge, only
// follow. On a text that is no TOML it returns some spots and stops.
type spot struct {
	line  int // of the key's first mention, from 1
	keys  []string
	kids  []*spot // like keys
	elems []*spot // of an array
	index map[string]int
}

// kid returns the spot of a key, made at this line if it is new.
func (s *spot) kid(key string, line int) *spot {
	i, ok := -1, false
	if s.index != nil {
		i, ok = s.index[key]
	} else {
		for j, k := range s.keys {
			if k == key {
				i, ok = j, true
				break
			}
		}
	}
	if ok {
		return s.kids[i]
	}
	k := &spot{line: line}
	s.keys, s.kids = append(s.keys, key), append(s.kids, k)
	if s.index != nil {
		s.index[key] = len(s.keys) - 1
	} else if len(s.keys) > indexFrom {
		s.index = map[string]int{}
		for j, k := range s.keys {
			s.index[k] = j
		}
	}
	return k
}

// last returns the spot itself or, of an array of tables, its newest element:
// what a key below it refers to.
func (s *spot) last() *spot {
	if n := len(s.elems); n > 0 {
		return s.elems[n-1]
	}
	return s
}

// locate finds the spots of a TOML text.
func locate(text []byte) *spot {
	root := &spot{}
	l := &locator{text: strings.TrimPrefix(string(text), "\ufeff"), line: 1}
	current := root
	for l.skip(true); l.pos < len(l.text); l.skip(true) {
		before := l.pos
		if l.peek() != '[' {
			l.pair(current, 0)
		} else {
			current = l.header(root)
		}
		if l.pos == before || l.broken {
			break // no TOML
		}
	}
	return root
}

type locator struct {
	text   string
	pos    int
	line   int
	broken bool
}

func (l *locator) peek() byte {
	if l.pos < len(l.text) {
		return l.text[l.pos]
	}
	return 0
}

func (l *locator) has(prefix string) bool { return strings.HasPrefix(l.text[l.pos:], prefix) }

// advance moves on by n bytes and counts lines.
func (l *locator) advance(n int) {
	n = min(n, len(l.text)-l.pos)
	l.line += strings.Count(l.text[l.pos:l.pos+n], "\n")
	l.pos += n
}

// skip skips blanks and, if asked, line ends and comments.
func (l *locator) skip(lines bool) {
	for l.pos < len(l.text) {
		switch c := l.text[l.pos]; {
		case c == ' ' || c == '\t' || c == '\r':
			l.pos++
		case lines && c == '\n':
			l.advance(1)
		case lines && c == '#':
			if n := strings.IndexByte(l.text[l.pos:], '\n'); n >= 0 {
				l.pos += n
			} else {
				l.pos = len(l.text)
			}
		default:
			return
		}
	}
}

// header reads [a.b] or [[a.b]] and returns the table that it opens.
func (l *locator) header(root *spot) *spot {
	n := 1
	if l.has("[[") {
		n = 2
	}
	l.pos += n
	line := l.line
	path := l.key()
	if !l.has("]]"[:n]) || len(path) == 0 {
		l.broken = true
		return root
	}
	l.pos += n
	s := root
	for i, key := range path {
		s = s.kid(key, line)
		if n == 2 && i == len(path)-1 {
			s.elems = append(s.elems, &spot{line: line})
		}
		s = s.last()
	}
	return s
}

// pair reads key = value into the table s.
func (l *locator) pair(s *spot, depth int) {
	line := l.line
	for _, key := range l.key() {
		s = s.last().kid(key, line)
	}
	if l.peek() != '=' {
		l.broken = true
		return
	}
	l.pos++
	l.skip(false)
	l.value(s, depth)
}

// key reads a dotted key and the blanks after it.
func (l *locator) key() []string {
	var path []string
	for {
		l.skip(false)
		switch c := l.peek(); c {
		case '"', '\'':
			raw := l.quoted()
			if c == '"' {
				raw = unescape(raw)
			}
			path = append(path, raw)
		default:
			n := strings.IndexAny(l.text[l.pos:], " \t\r\n.=]\"'#[{},")
			if n <= 0 {
				l.broken = true
				return path
			}
			path = append(path, l.text[l.pos:l.pos+n])
			l.pos += n
		}
		l.skip(false)
		if l.peek() != '.' || len(path) > maxDepth {
			return path
		}
		l.pos++
	}
}

// quoted skips a one-line string and returns what is between the quotes.
func (l *locator) quoted() string {
	q := l.text[l.pos]
	for i := l.pos + 1; i < len(l.text) && l.text[i] != '\n'; i++ {
		switch {
		case l.text[i] == '\\' && q == '"':
			i++
		case l.text[i] == q:
			s := l.text[l.pos+1 : i]
			l.pos = i + 1
			return s
		}
	}
	l.broken = true
	return ""
}

// value skips a value; arrays and inline tables leave their spots in s.
func (l *locator) value(s *spot, depth int) {
	if depth > maxDepth {
		l.broken = true
		return
	}
	switch {
	case l.has(`"""`), l.has(`'''`):
		l.multiline()
	case l.peek() == '"', l.peek() == '\'':
		l.quoted()
	case l.peek() == '[':
		l.pos++
		for l.skip(true); l.peek() != ']' && !l.broken; l.skip(true) {
			e := &spot{line: l.line}
			s.elems = append(s.elems, e)
			l.value(e, depth+1)
			l.comma(']')
		}
		l.pos++
	case l.peek() == '{':
		l.pos++
		for l.skip(true); l.peek() != '}' && !l.broken; l.skip(true) {
			l.pair(s, depth+1)
			l.comma('}')
		}
		l.pos++
	default: // a number, a boolean, a date, which may hold a blank
		n := strings.IndexAny(l.text[l.pos:], ",]}#\n")
		if n < 0 {
			n = len(l.text) - l.pos
		}
		if n == 0 {
			l.broken = true
		}
		l.pos += n
	}
}

// comma skips the comma between elements; without one the end must follow.
func (l *locator) comma(end byte) {
	l.skip(true)
	switch l.peek() {
	case ',':
		l.pos++
	case end:
	default:
		l.broken = true
	}
}

// multiline skips a string in three quotes. Up to two quotes may stand right
// before the closing three.
func (l *locator) multiline() {
	q := l.text[l.pos : l.pos+3]
	i := l.pos + 3
	for i < len(l.text) && !strings.HasPrefix(l.text[i:], q) {
		if l.text[i] == '\\' && q[0] == '"' {
			i++
		}
		i++
	}
	if i >= len(l.text) {
		l.broken = true
		return
	}
	for i += 3; i < len(l.text) && l.text[i] == q[0]; i++ {
	}
	l.advance(i - l.pos)
}

// unescape undoes the escapes of a basic string.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			continue
		}
		i++
		if digits := strings.IndexByte("xu U", s[i])*2 + 2; digits > 0 && s[i] != ' ' {
			n, err := strconv.ParseUint(s[i+1:min(len(s), i+1+digits)], 16, 32)
			if err != nil || n > utf8.MaxRune {
				n = utf8.RuneError
			}
			b.WriteRune(rune(n))
			i += digits
			continue
		}
		if j := strings.IndexByte(`btnfre"\`, s[i]); j >= 0 {
			b.WriteByte("\b\t\n\f\r\x1b\"\\"[j])
		}
	}
	return b.String()
}

// tooDeep returns the first line on which a text is nested deeper than
// maxDepth in brackets or dotted keys, 0 if none is. It reads strings and
// comments as TOML does; where a text stops being TOML the count may be off,
// but the library stops there too.
func tooDeep(text []byte) int {
	l := &locator{text: string(text), line: 1}
	depth, dots := 0, 0
	for l.pos < len(l.text) && !l.broken {
		switch c := l.peek(); c {
		case '"', '\'':
			if l.has(`"""`) || l.has(`'''`) {
				l.multiline()
			} else {
				l.quoted()
			}
			continue
		case '#':
			l.skip(true)
			continue
		case '[', '{':
			depth++
			dots = 0
		case ']', '}':
			depth = max(0, depth-1)
			dots = 0
		case '.':
			dots++
		case ',', '=', '\n':
			dots = 0
		}
		if depth > maxDepth || dots >= maxDepth {
			return l.line
		}
		l.advance(1)
	}
	return 0
}
