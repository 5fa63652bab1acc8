package collect

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"orch/sweep/override"
)

// jsonl writes one JSON object a line, with members in the order in which they
// are added.
type jsonl struct {
	out  output
	some bool // the object that is open has a member
}

// begin opens the object of the next line.
func (j *jsonl) begin() *jsonl {
	j.out.b = append(j.out.b, '{')
	j.some = false
	return j
}

// end closes the line.
func (j *jsonl) end() {
	j.out.b = append(j.out.b, '}', '\n')
	j.out.spill()
}

// key begins a member whose name is one of ours, plain ASCII.
func (j *jsonl) key(k string) {
	j.comma()
	b := append(j.out.b, '"')
	b = append(b, k...)
	j.out.b = append(b, '"', ':')
}

// name begins a member whose name is a user's: of a metric, or a key of the config.
func (j *jsonl) name(k string) {
	j.comma()
	j.out.b = append(appendText(j.out.b, k), ':')
}

func (j *jsonl) comma() {
	if j.some {
		j.out.b = append(j.out.b, ',')
	}
	j.some = true
}

// open begins a member that is an object itself; close ends it.
func (j *jsonl) open(k string) {
	j.key(k)
	j.out.b = append(j.out.b, '{')
	j.some = false
}

func (j *jsonl) close() {
	j.out.b = append(j.out.b, '}')
	j.some = true
}

func (j *jsonl) raw(k string, json []byte) *jsonl {
	j.key(k)
	j.out.b = append(j.out.b, json...)
	return j
}

func (j *jsonl) value(k string, v override.Value) *jsonl {
	j.key(k)
	j.out.b = v.AppendJSON(j.out.b)
	return j
}

func (j *jsonl) str(k, s string) *jsonl {
	j.key(k)
	j.out.b = appendText(j.out.b, s)
	return j
}

func (j *jsonl) int(k string, n int64) *jsonl {
	j.key(k)
	j.out.b = strconv.AppendInt(j.out.b, n, 10)
	return j
}

// time adds a time.
func (j *jsonl) time(k string, t time.Time) *jsonl {
	j.key(k)
	j.out.b = append(appendUTC(append(j.out.b, '"'), t), '"')
	return j
}

func (j *jsonl) bool(k string, v bool) *jsonl {
	j.key(k)
	j.out.b = strconv.AppendBool(j.out.b, v)
	return j
}

func (j *jsonl) null(k string) *jsonl {
	j.key(k)
	j.out.b = append(j.out.b, "null"...)
	return j
}

// float adds a number; null where it is not finite.
func (j *jsonl) float(k string, f float64) *jsonl {
	j.key(k)
	j.number(f)
	return j
}

func (j *jsonl) number(f float64) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		j.out.b = append(j.out.b, "null"...)
	} else {
		j.out.b = override.AppendFloat(j.out.b, f)
	}
}

// fields adds a map as an object.
func (j *jsonl) fields(k string, list []override.Field) *jsonl {
	j.open(k)
	for i := range list {
		j.name(list[i].Key.Text())
		j.out.b = list[i].Val.AppendJSON(j.out.b)
	}
	j.close()
	return j
}

// plain says which bytes stand for themselves in a string of JSON.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendText appends a string as JSON.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if !plain[s[i]] {
			return override.StringValue(s).AppendJSON(b)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}
