package override

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// The lexer follows Hydra's: the longest token wins, and of two of one length
// the one listed first below. It has two modes. In the key mode, up to the first
// "=", blanks are illegal; in the value mode they belong to the punctuation
// beside them, so that "range( 1 , 4 )" has no blank token at all, and only
// blanks inside a text ("two words") remain.

type tokenKind uint8

const (
	tokEOF tokenKind = iota
	tokBad           // a lexical error; the parser's err says which

	// Key mode.
	tokTilde
	tokPlus
	tokAt
	tokSlash
	tokSpecial // an ID that holds a $
	tokDotPath // a.b, xs.0

	// Value mode; ID, colon and equal occur in both.
	tokParenOpen
	tokComma
	tokParenClose
	tokBracketOpen
	tokBracketClose
	tokBraceOpen
	tokBraceClose
	tokEqual
	tokQuoted

	// The tokens from here on make up unquoted values.
	tokColon
	tokFloat
	tokInt
	tokBool
	tokNull
	tokChar // any other printable character that is no syntax
	tokID
	tokEscape // one or more escapes: \, \( \\ ...
	tokBlank
	tokInterpolation // ${...}
)

type token struct {
	kind     tokenKind
	pos, end int // byte offsets
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' || c == '_' }
func isDigit(c byte) bool  { return '0' <= c && c <= '9' }
func isBlank(c byte) bool  { return c == ' ' || c == '\t' }

func skipBlanks(s string, i int) int {
	for i < len(s) && isBlank(s[i]) {
		i++
	}
	return i
}

// at returns the byte at i, or 0 beyond the end.
func at(s string, i int) byte {
	if i < len(s) {
		return s[i]
	}
	return 0
}

// lexKey reads one token of the key mode.
func (p *parser) lexKey() token {
	s, i := p.src, p.pos
	if i >= len(s) {
		return token{tokEOF, i, i}
	}
	switch s[i] {
	case '=':
		return token{tokEqual, i, skipBlanks(s, i+1)}
	case '~':
		return token{tokTilde, i, i + 1}
	case '+':
		return token{tokPlus, i, i + 1}
	case '@':
		return token{tokAt, i, i + 1}
	case ':':
		return token{tokColon, i, i + 1}
	case '/':
		return token{tokSlash, i, i + 1}
	}
	end, kind := scanSegment(s, i)
	for end > i && at(s, end) == '.' {
		next, k := scanSegment(s, end+1)
		if k == tokEOF {
			break
		}
		end, kind = next, tokDotPath
	}
	if kind == tokEOF || kind == tokInt { // a number is a list index: only after or before a dot
		p.failChar(i, true)
		return token{tokBad, i, i}
	}
	return token{kind, i, end}
}

// scanSegment reads one segment of a key: an ID, a name with $, or a list index
// without leading zeros. Its kind is tokEOF if there is none.
func scanSegment(s string, i int) (end int, kind tokenKind) {
	c := at(s, i)
	if isDigit(c) {
		return scanInt(s, i), tokInt
	}
	if !isLetter(c) && c != '$' {
		return i, tokEOF
	}
	kind = tokID
	for ; i < len(s); i++ {
		if c := s[i]; c == '$' {
			kind = tokSpecial
		} else if !isLetter(c) && !isDigit(c) && c != '-' {
			break
		}
	}
	return i, kind
}

// lexValue reads one token of the value mode.
func (p *parser) lexValue() token {
	s, i := p.src, p.pos
	if i >= len(s) {
		return token{tokEOF, i, i}
	}
	if isBlank(s[i]) {
		j := skipBlanks(s, i)
		switch at(s, j) {
		case '(', ',', ')', ']', '}', ':', '=': // these swallow the blanks before them
			t := punctuation(s, j)
			return token{t.kind, i, t.end}
		}
		return token{tokBlank, i, j}
	}
	if t := punctuation(s, i); t.kind != tokEOF {
		return t
	}
	c := s[i]
	switch {
	case isLetter(c):
		return lexWord(s, i)
	case isDigit(c), c == '.', c == '+', c == '-':
		if end, kind := scanNumber(s, i); end > i {
			return token{kind, i, end}
		}
		return token{tokChar, i, i + 1}
	case c == '$':
		if at(s, i+1) == '{' {
			if n := strings.IndexByte(s[i+2:], '}'); n > 0 {
				return p.raw(tokInterpolation, i, i+2+n+1)
			}
		}
		return token{tokChar, i, i + 1}
	case c == '\\':
		j := i
		for at(s, j) == '\\' && j+1 < len(s) && strings.IndexByte(escapable, s[j+1]) >= 0 {
			j += 2
		}
		if j > i {
			return token{tokEscape, i, j}
		}
		return token{tokChar, i, i + 1}
	case c == '\'' || c == '"':
		if end := scanQuoted(s, i); end > 0 {
			return p.raw(tokQuoted, i, end)
		}
	case c < utf8.RuneSelf:
		if c > ' ' && c != '~' && c != 0x7f {
			return token{tokChar, i, i + 1}
		}
	default:
		if r, n := utf8.DecodeRuneInString(s[i:]); unicode.IsPrint(r) && (r != utf8.RuneError || n > 1) {
			return token{tokChar, i, i + n}
		}
	}
	p.failChar(i, false)
	return token{tokBad, i, i}
}

// raw returns a token whose characters the lexer has not looked at, after
// checking that they are UTF-8: a Value must survive the way through JSON.
func (p *parser) raw(kind tokenKind, i, end int) token {
	if !utf8.ValidString(p.src[i:end]) {
		for j := i; j < end; {
			r, n := utf8.DecodeRuneInString(p.src[j:end])
			if r == utf8.RuneError && n == 1 {
				p.failChar(j, false)
				return token{tokBad, j, j}
			}
			j += n
		}
	}
	return token{kind, i, end}
}

// escapable are the characters that a backslash makes literal in unquoted text.
// Before any other character a backslash stands for itself (C:\data).
const escapable = "\\()[]{}:=, \t"

func punctuation(s string, i int) token {
	switch s[i] {
	case '(':
		return token{tokParenOpen, i, skipBlanks(s, i+1)}
	case ',':
		return token{tokComma, i, skipBlanks(s, i+1)}
	case ')':
		return token{tokParenClose, i, i + 1}
	case '[':
		return token{tokBracketOpen, i, skipBlanks(s, i+1)}
	case ']':
		return token{tokBracketClose, i, i + 1}
	case '{':
		return token{tokBraceOpen, i, skipBlanks(s, i+1)}
	case '}':
		return token{tokBraceClose, i, i + 1}
	case ':':
		return token{tokColon, i, skipBlanks(s, i+1)}
	case '=':
		return token{tokEqual, i, skipBlanks(s, i+1)}
	}
	return token{tokEOF, i, i}
}

// lexWord reads an ID, or one of the words that are values of another type when
// they stand alone: true, false, null, inf, nan, in any case.
func lexWord(s string, i int) token {
	j := i
	for j < len(s) && (isLetter(s[j]) || isDigit(s[j]) || s[j] == '-') {
		j++
	}
	t := token{tokID, i, j}
	switch w := s[i:j]; len(w) {
	case 3:
		if strings.EqualFold(w, "inf") || strings.EqualFold(w, "nan") {
			t.kind = tokFloat
		}
	case 4:
		if strings.EqualFold(w, "true") {
			t.kind = tokBool
		} else if strings.EqualFold(w, "null") {
			t.kind = tokNull
		}
	case 5:
		if strings.EqualFold(w, "false") {
			t.kind = tokBool
		}
	}
	return t
}

// scanInt reads "0" or digits without a leading zero, in which single
// underscores may stand between digits. It returns i if there is none.
func scanInt(s string, i int) int {
	if at(s, i) == '0' {
		return i + 1
	}
	return scanDigits(s, i)
}

func scanDigits(s string, i int) int {
	if !isDigit(at(s, i)) {
		return i
	}
	i++
	for isDigit(at(s, i)) || at(s, i) == '_' && isDigit(at(s, i+1)) {
		i++
	}
	return i
}

// scanNumber reads the longest int or float at i; end is i if there is none.
func scanNumber(s string, i int) (end int, kind tokenKind) {
	j := i
	if s[j] == '+' || s[j] == '-' {
		j++
		if j+3 <= len(s) && (strings.EqualFold(s[j:j+3], "inf") || strings.EqualFold(s[j:j+3], "nan")) {
			return j + 3, tokFloat
		}
	}
	whole := scanInt(s, j)
	end, kind = i, tokInt
	if whole > j {
		end = whole
	}
	if at(s, whole) == '.' {
		if frac := scanDigits(s, whole+1); frac > whole+1 || whole > j {
			end, kind = frac, tokFloat
		}
	}
	if c := at(s, end); end > i && (c == 'e' || c == 'E') {
		k := end + 1
		if c := at(s, k); c == '+' || c == '-' {
			k++
		}
		if exp := scanDigits(s, k); exp > k {
			end, kind = exp, tokFloat
		}
	}
	return end, kind
}

// scanQuoted returns the end of the quoted string that starts at i, or -1 if it
// is never closed. It ends at the first quote of its kind that has an even
// number of backslashes before it.
func scanQuoted(s string, i int) int {
	quote, escaped := s[i], false
	for j := i + 1; j < len(s); j++ {
		switch {
		case s[j] == '\\':
			escaped = !escaped
		case s[j] == quote && !escaped:
			return j + 1
		default:
			escaped = false
		}
	}
	return -1
}

// failChar records that no token starts at byte i, and why.
func (p *parser) failChar(i int, inKey bool) {
	r, n := utf8.DecodeRuneInString(p.src[i:])
	msg := ""
	switch {
	case r == utf8.RuneError && n == 1:
		msg = "this byte is no UTF-8: retype the character"
	case inKey && (r == ' ' || r == '\t'):
		msg = `a key cannot hold blanks: write key=value without blanks before the "="`
	case inKey && r == '-':
		msg = `a key cannot start with "-": write key=value; options of orch such as --multirun go before or after the overrides`
	case inKey && r == '.':
		msg = `expected a name or a list index after the ".", as in training.lr or xs.0`
	case inKey && '0' <= r && r <= '9':
		msg = "a key cannot start with a number: a list index, without leading zeros, comes after a dot, as in xs.0"
	case inKey:
		msg = "a key holds letters, digits, _ - $ and dots (training.lr), or groups divided by / (db/engine): not " + quoteRune(r)
	case r == '\'' || r == '"':
		msg = "this quote is never closed: close it, or put the whole value in quotes of the other kind"
	case r == '~':
		msg = `"~" is not allowed in an unquoted value: quote the value, as in key='~/data'`
	case r == '\n' || r == '\r':
		msg = "a line break is only allowed inside quotes: quote the whole value"
	default:
		msg = quoteRune(r) + " is not printable: quote the whole value"
	}
	p.fail(i, ClassIllegalChar, msg)
}
