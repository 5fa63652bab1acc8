package override

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// intLiteral turns an int token into a value: 12, -7, +1, 2_500_000.
func intLiteral(s string) Value {
	s = strings.TrimPrefix(strings.ReplaceAll(s, "_", ""), "+")
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return IntValue(n)
	}
	return BigIntValue(s)
}

// floatLiteral turns a float token into a value: 5., .5, 1e-3, -inf, nan. Beyond
// the range of a float64 it is infinite, as in Python.
func floatLiteral(s string) Value {
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil && !math.IsInf(f, 0) {
		return FloatValue(math.NaN()) // "+nan": ParseFloat knows no signed NaN
	}
	return FloatValue(f)
}

// unquote strips the quotes of a quoted token. Only backslashes directly before
// a quote of the same kind, the closing one included, are escapes: of n of them,
// n/2 remain, and an odd one makes the quote literal. Others stay as they are.
func unquote(s string) Value {
	quote, body := s[0], s[1:]
	v := Value{kind: String, quote: quote}
	if strings.IndexByte(s, '\\') < 0 {
		v.text = body[:len(body)-1]
		return v
	}
	b := make([]byte, 0, len(body))
	slashes := 0
	for i := 0; i < len(body); i++ {
		c := body[i]
		if c == '\\' {
			slashes++
			b = append(b, c)
			continue
		}
		if c == quote {
			b = b[:len(b)-slashes+slashes/2]
			if slashes%2 == 0 { // the closing quote
				break
			}
		}
		b = append(b, c)
		slashes = 0
	}
	v.text = string(b)
	return v
}

// dict collects the entries of a map. A repeated key keeps its first place and
// takes the last value. As in Python, 1, 1.0 and true are the same key.
type dict struct {
	fields []Field
	index  map[string]int // only once there are many
}

const smallDict = 8

func (d *dict) set(key, val Value) {
	if i := d.find(key); i >= 0 {
		d.fields[i].Val = val
		return
	}
	d.fields = append(d.fields, Field{key, val})
	if d.index != nil {
		d.index[dictKey(key)] = len(d.fields) - 1
	} else if len(d.fields) > smallDict {
		d.index = make(map[string]int)
		for i, f := range d.fields {
			d.index[dictKey(f.Key)] = i
		}
	}
}

func (d *dict) find(key Value) int {
	if len(d.fields) == 0 {
		return -1
	}
	k := dictKey(key)
	if d.index != nil {
		if i, ok := d.index[k]; ok {
			return i
		}
		return -1
	}
	for i, f := range d.fields {
		if dictKey(f.Key) == k {
			return i
		}
	}
	return -1
}

// dictKey returns a text that two keys share if they are the same key.
func dictKey(k Value) string {
	switch k.kind {
	case String:
		return "s" + k.text
	case Bool:
		return strconv.FormatInt(k.num, 10)
	case Float:
		if k.float == math.Trunc(k.float) && !math.IsInf(k.float, 0) {
			n, _ := big.NewFloat(k.float).Int(nil)
			return n.String()
		}
	}
	return k.Text()
}

// quoteRune shows a character in an error message.
func quoteRune(r rune) string { return strconv.Quote(string(r)) }

// shorten keeps error messages readable when the offending text is long.
func shorten(s string) string {
	const most = 40
	n := 0
	for i := range s {
		if n == most {
			return s[:i] + "…"
		}
		n++
	}
	return s
}
