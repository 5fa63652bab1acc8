package override

import "unicode/utf8"

// globMatch reports whether name matches a pattern in the manner of Python's
// fnmatch: * is any text, ? any character, [abc0-9] one of these, [!abc] none
// of them; anything else, a "[" that is never closed included, is itself. There
// is no escape: [*] matches a star.
func globMatch(pattern, name string) bool {
	p, n := 0, 0
	star, retry := -1, 0 // after the last *, and where its text would end next
	for n < len(name) {
		r, size := utf8.DecodeRuneInString(name[n:])
		if p < len(pattern) {
			if pattern[p] == '*' {
				p++
				star, retry = p, n
				continue
			}
			if ok, next := matchOne(pattern, p, r); ok {
				p, n = next, n+size
				continue
			}
		}
		if star < 0 {
			return false
		}
		_, skip := utf8.DecodeRuneInString(name[retry:])
		retry += skip
		p, n = star, retry
	}
	for p < len(pattern) && pattern[p] == '*' {
		p++
	}
	return p == len(pattern)
}

// matchOne matches one character against the pattern element at p, and returns
// where the next element starts.
func matchOne(pattern string, p int, r rune) (ok bool, next int) {
	c, size := utf8.DecodeRuneInString(pattern[p:])
	if c == '?' {
		return true, p + 1
	}
	if c != '[' {
		return c == r, p + size
	}
	i := p + 1
	negate := at(pattern, i) == '!'
	if negate {
		i++
	}
	end := i
	if at(pattern, end) == ']' { // []] is the set of one bracket
		end++
	}
	for end < len(pattern) && pattern[end] != ']' {
		end++
	}
	if end >= len(pattern) {
		return r == '[', p + 1
	}
	set := []rune(pattern[i:end])
	in := false
	for k := 0; k < len(set); k++ {
		if k+2 < len(set) && set[k+1] == '-' {
			in = in || set[k] <= r && r <= set[k+2]
			k += 2
			continue
		}
		in = in || set[k] == r
	}
	return in != negate, end + 1
}
