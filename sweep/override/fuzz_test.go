package override

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzParse: nothing panics; what parses is read back from its Line as an equal
// override, and its Canonical form is that line unless it shows a text without
// the quotes it would need; explanations are JSON; a column lies in the text.
func FuzzParse(f *testing.F) {
	for _, file := range []string{"override.jsonl", "generated.jsonl"} {
		for _, v := range vectors(f, file) {
			f.Add(v.In)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		env := Env{Options: func(string) []string { return []string{"b", "a"} }, Max: 1000}
		if line := Explain(s, env); !json.Valid(line) || bytes.ContainsRune(line, '\n') {
			t.Errorf("Explain(%q) = %s, want one line of JSON", s, line)
		}
		o, err := Parse(s)
		if err != nil {
			e := err.(*Error)
			if e.Col < 0 || e.Col > utf8.RuneCountInString(s) || e.Msg == "" || e.Class == "" || e.Stage != StageParse {
				t.Errorf("Parse(%q): bad error %+v", s, e)
			}
			_ = err.Error()
			return
		}
		line := o.Line()
		again, err := Parse(line)
		if o.Shuffled { // a list in the line is not shuffled once more
			again.Shuffled = true
		}
		if err != nil || !again.Equal(o) {
			t.Errorf("Parse(%q).Line() = %q, which reads as %+v (%v), want %+v", s, line, again, err, o)
		}
		if canon := o.Canonical(); canon != line {
			if !losesQuotes(o.Value) {
				t.Errorf("%q: canonical form %q is not the line %q, and no text needs quotes", s, canon, line)
			}
		}
		if v, err := ParseJSON(o.Value.AppendJSON(nil)); o.Sweep == nil && plain(o.Value) && (err != nil || !v.Equal(o.Value)) {
			t.Errorf("%q: JSON %s reads as another value (%v)", s, o.Value.AppendJSON(nil), err)
		}
		if o.Sweep == nil {
			return
		}
		vs, err := o.Sweep.Values(env)
		if n, lenErr := o.Sweep.Len(env); err == nil && (lenErr != nil || n != len(vs)) {
			t.Errorf("%q: Len = %d, %v, want %d", s, n, lenErr, len(vs))
		}
		for _, v := range vs {
			job := o.With(v)
			if again, err := Parse(job.Text); err != nil || !again.Equal(job) {
				t.Errorf("%q: job %q reads as %+v (%v), want %+v", s, job.Text, again, err, job)
			}
		}
	})
}

// losesQuotes reports whether the value holds an unquoted text that would be
// read as something else, such as the result of str(1).
func losesQuotes(v Value) bool {
	if s, ok := v.Str(); ok {
		return !v.IsQuoted() && !readsAsItself(s)
	}
	for _, e := range v.List() {
		if losesQuotes(e) {
			return true
		}
	}
	for _, f := range v.Fields() {
		if losesQuotes(f.Val) {
			return true
		}
	}
	return false
}

// plain reports whether JSON can tell the value: not with keys that are no
// strings, nor with a dict of our own escape for floats.
func plain(v Value) bool {
	for _, e := range v.List() {
		if !plain(e) {
			return false
		}
	}
	for _, f := range v.Fields() {
		if f.Key.Kind() != String || f.Key.Text() == "$float" || !plain(f.Val) {
			return false
		}
	}
	return true
}

func BenchmarkParse(b *testing.B) {
	for _, s := range []string{"training.lr=0.1", "+model=net2,net5,net7", "m={lr:0.1,name:adam,betas:[0.9,0.999]}"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
