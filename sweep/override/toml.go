package override

import (
	"strings"
	"unicode/utf8"
)

// AppendTOML appends the value as TOML: a map as a document, with nested maps
// as [tables] and lists of maps as [[arrays of tables]]; anything else as it
// would stand after a key. A TOML reader gives back the same content; what it
// cannot know is this: null is written "null", an integer beyond int64 as a
// string of its digits, and the plain keys of a table come before its tables.
func (v Value) AppendTOML(b []byte) []byte {
	if v.kind != Map {
		return appendInline(b, v)
	}
	return appendTable(b, nil, v)
}

// appendTable appends a table's plain keys, then the tables in it. path is
// the table's name as its header has it.
func appendTable(b, path []byte, v Value) []byte {
	for _, f := range v.fields {
		if f.Val.kind == Map || isTableList(f.Val) {
			continue
		}
		b = appendKey(b, f.Key.Text())
		b = append(b, " = "...)
		b = appendInline(b, f.Val)
		b = append(b, '\n')
	}
	for _, f := range v.fields {
		if f.Val.kind != Map && !isTableList(f.Val) {
			continue
		}
		p := path
		if len(p) > 0 {
			p = append(p[:len(p):len(p)], '.')
		}
		p = appendKey(p[:len(p):len(p)], f.Key.Text())
		if f.Val.kind == Map {
			b = appendHeader(b, "[", p, "]", f.Val)
			b = appendTable(b, p, f.Val)
			continue
		}
		for _, e := range f.Val.list {
			b = appendHeader(b, "[[", p, "]]", Value{})
			b = appendTable(b, p, e)
		}
	}
	return b
}

// appendHeader appends a table's header, unless the table holds nothing but
// tables, whose headers imply it.
func appendHeader(b []byte, before string, path []byte, after string, v Value) []byte {
	implied := len(v.fields) > 0
	for _, f := range v.fields {
		implied = implied && (f.Val.kind == Map || isTableList(f.Val))
	}
	if implied {
		return b
	}
	if len(b) > 0 {
		b = append(b, '\n')
	}
	b = append(b, before...)
	b = append(b, path...)
	b = append(b, after...)
	return append(b, '\n')
}

// isTableList reports whether v is a list of maps only.
func isTableList(v Value) bool {
	for _, e := range v.list {
		if e.kind != Map {
			return false
		}
	}
	return len(v.list) > 0
}

// appendInline appends a value as it stands after a key or in an array.
func appendInline(b []byte, v Value) []byte {
	switch v.kind {
	case Null:
		return append(b, `"null"`...)
	case Int:
		if v.text != "" {
			return appendString(b, v.text)
		}
	case String:
		return appendString(b, v.text)
	case List:
		b = append(b, '[')
		for i, e := range v.list {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendInline(b, e)
		}
		return append(b, ']')
	case Map:
		b = append(b, '{')
		for i, f := range v.fields {
			if i > 0 {
				b = append(b, ", "...)
			}
			b = appendKey(b, f.Key.Text())
			b = append(b, " = "...)
			b = appendInline(b, f.Val)
		}
		return append(b, '}')
	}
	return v.AppendText(b) // bool, int, float: TOML writes them as we do
}

// appendKey appends a key, in quotes where TOML wants them.
func appendKey(b []byte, key string) []byte {
	bare := key != ""
	for i := 0; i < len(key) && bare; i++ {
		c := key[i]
		bare = c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-'
	}
	if bare {
		return append(b, key...)
	}
	return appendString(b, key)
}

// appendString appends a basic string. Text with many quotes or backslashes,
// such as a regular expression, is put in single quotes if it can be: it is
// written for people. Bytes that are no UTF-8 become U+FFFD.
func appendString(b []byte, s string) []byte {
	if strings.ContainsAny(s, `\"`) && !strings.ContainsFunc(s, func(r rune) bool {
		return r < ' ' || r == '\'' || r == 0x7f || r == utf8.RuneError
	}) {
		b = append(b, '\'')
		b = append(b, s...)
		return append(b, '\'')
	}
	b = append(b, '"')
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			b = append(b, '\\', byte(r))
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r < ' ' || r == 0x7f:
			const hex = "0123456789ABCDEF"
			b = append(b, `\u00`...)
			b = append(b, hex[r>>4], hex[r&15])
		default:
			b = utf8.AppendRune(b, r)
		}
	}
	return append(b, '"')
}

// TOML returns the value as TOML; see [Value.AppendTOML].
func (v Value) TOML() string { return string(v.AppendTOML(nil)) }
