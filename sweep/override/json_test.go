package override

import (
	"encoding/json"
	"strings"
	"testing"
)

// A value alone is read as the same one in a list is, which no shortcut reads.
func TestParseJSONScalar(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `false`, `0`, `-0`, `7`, `-12`, `1.0`, `1e3`, `-2.5E-7`, `1e999`, `123456789012345678901234567890`, `9223372036854775808`,
		`""`, `"a"`, `"a b"`, `"é"`, `"a\"b"`, `"a\\"`, `"\u0041"`, "\"\xff\"", `"null"`, `{"$float":"inf"}`, ` 7`, `7 `, "7\n", `"a" `, ` "a"`,
		``, `nul`, `nulll`, `01`, `1.`, `.5`, `+1`, `1e`, `-`, `--1`, `1 2`, `"`, `"a`, `"a"b"`, `"a" "b"`, "\"a\nb\"", `TRUE`, `0x1`, `1_000`, `Infinity`, `NaN`,
	} {
		got, err := ParseJSON([]byte(text))
		list, lerr := ParseJSON([]byte("[" + text + "]"))
		// A list of nothing, or of one value that the brackets let pass.
		if !json.Valid([]byte(text)) {
			lerr = firstOf(lerr, json.Unmarshal([]byte(text), new(any)))
		}
		switch {
		case (err == nil) != (lerr == nil):
			t.Errorf("%q: err = %v, in a list %v", text, err, lerr)
		case err == nil && (len(list.list) != 1 || !got.Equal(list.list[0]) || got.kind != list.list[0].kind):
			t.Errorf("%q = %v, in a list %v", text, got, list)
		}
	}
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

func BenchmarkHeaderValues(b *testing.B) {
	text := []byte("[" + strings.Repeat(`1,0.5,"name",`, 333) + "0]")
	for b.Loop() {
		var list []Value
		if err := json.Unmarshal(text, &list); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/value")
}
