package compose

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// TestLocate lists every key and element with its line.
func TestLocate(t *testing.T) {
	const text = "\ufeff# comment [not.a.table]\r\n" + // 1
		"a = 1 # b = 2\r\n" +
		"'q.1' = \"x = [\\\"\"\n" + // 3
		"\"e\\u00e9\\n\" . c = '''\n" +
		"k = 1\n" + // 5
		"''''' \n" +
		"d.e = [ # one\n" + // 7
		"  1, {x = 1, y.z = [2,\n" +
		"  3]}, # ]\n" + // 9
		"]\n" +
		"t = 2026-01-01 00:00:00 # ,\n" + // 11
		"[s . \"t u\"]\n" +
		"k = \"\"\"\\\"\"\"\\\n" + // 13
		"[x]\"\"\"\"\n" +
		"l = -inf\n" + // 15
		"[[v]]\n" +
		"a = {}\n" + // 17
		"[v.w]\n" +
		"b = [[], [1]]\n" + // 19
		"[[v]]\n" +
		"a.b = 1\n" + // 21
		"[s]\n" +
		"z = 1"
	want := `a 2
q.1 3
eé
 4
eé
.c 4
d 7
d.e 7
d.e#0 8
d.e#1 8
d.e#1.x 8
d.e#1.y 8
d.e#1.y.z 8
d.e#1.y.z#0 8
d.e#1.y.z#1 9
t 11
s 12
s.t u 12
s.t u.k 13
s.t u.l 15
s.z 23
v 16
v#0 16
v#0.a 17
v#0.w 18
v#0.w.b 19
v#0.w.b#0 19
v#0.w.b#1 19
v#0.w.b#1#0 19
v#1 20
v#1.a 21
v#1.a.b 21
`
	var data map[string]any
	if _, err := toml.Decode(text, &data); err != nil {
		t.Fatalf("the case is no TOML: %v", err)
	}
	var b strings.Builder
	var list func(prefix, sep string, s *spot)
	list = func(prefix, sep string, s *spot) {
		for i, k := range s.kids {
			name := prefix + sep + s.keys[i]
			fmt.Fprintf(&b, "%s %d\n", name, k.line)
			list(name, ".", k)
		}
		for i, e := range s.elems {
			name := fmt.Sprintf("%s#%d", prefix, i)
			fmt.Fprintf(&b, "%s %d\n", name, e.line)
			list(name, ".", e)
		}
	}
	list("", "", locate([]byte(text)))
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}

// FuzzLocate compares with the TOML library on whatever it accepts: the same
// keys, in the order in which the library met them, each on a line that
// mentions it; and on anything at all, no crash.
func FuzzLocate(f *testing.F) {
	f.Add("a = 1\n[b]\nc.d = [1, {e = 2}]\n[[f]]\ng = '''\nx'''\n[[f]]\n'h i' = \"\\u0041\"\n")
	f.Add("[a]\n[a.b]\nx = {y = 1, z.w = [[1], [2]]}\n[c.d]\n[c]\n")
	f.Add("a = \"\"\"\"\"\"\"\"\nb = '''''''\n'' = 1\n\"\\\"\" = 2\n")
	f.Add("t = 1979-05-27 07:32:00Z\nx = +inf # ]\ny = [\n1, # ,\n]\n")
	f.Add("a = {b = 1,\n c = 2,\n}\n\"\\e\\x41\" = 1\n")
	f.Fuzz(func(t *testing.T, text string) {
		root := locate([]byte(text))
		if tooDeep([]byte(text)) > 0 {
			return
		}
		var data map[string]any
		md, err := toml.Decode(text, &data)
		if err != nil {
			return
		}
		compareSpots(t, "", data, root, strings.Split(strings.ReplaceAll(text, "\r", " "), "\n"))
		if !strings.Contains(text, `""`) && !strings.Contains(text, `''`) { // the library confuses empty keys
			if got, want := mentions(root), keysOf(md); !slices.Equal(got, want) {
				t.Errorf("order of keys\ngot  %q\nwant %q\ntext %q", got, want, text)
			}
		}
	})
}

// compareSpots checks that spots and decoded data have the same shape, and
// that each key stands on its line.
func compareSpots(t *testing.T, path string, x any, s *spot, lines []string) {
	switch x := x.(type) {
	case map[string]any:
		if len(x) != len(s.keys) {
			t.Fatalf("%q: keys %q, want those of %v", path, s.keys, x)
		}
		for i, key := range s.keys {
			if _, ok := x[key]; !ok {
				t.Fatalf("%q: key %q, want one of %v", path, key, x)
			}
			k := s.kids[i]
			if k.line < 1 || k.line > len(lines) || plain(key) && !strings.Contains(lines[k.line-1], key) {
				t.Fatalf("%q: key %q on line %d, which is not about it", path, key, k.line)
			}
			compareSpots(t, path+"."+key, x[key], k, lines)
		}
	case []any:
		compareElems(t, path, len(x), func(i int) any { return x[i] }, s, lines)
	case []map[string]any:
		compareElems(t, path, len(x), func(i int) any { return x[i] }, s, lines)
	}
}

func compareElems(t *testing.T, path string, n int, get func(int) any, s *spot, lines []string) {
	if n != len(s.elems) {
		if strings.Contains(strings.Join(lines, ""), `""`) || strings.Contains(strings.Join(lines, ""), `''`) {
			return // the library loses elements after [{"" = 1}]
		}
		t.Fatalf("%q: %d elements, want %d", path, len(s.elems), n)
	}
	for i, e := range s.elems {
		compareSpots(t, fmt.Sprintf("%s#%d", path, i), get(i), e, lines)
	}
}

// plain reports whether a key is written as it is, without escapes.
func plain(key string) bool {
	return utf8.ValidString(key) && !strings.ContainsFunc(key, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9')
	}) && !strings.ContainsAny(key, "uUxe0123456789") // may be the product of an escape
}

// mentions returns the top-level keys in order.
func mentions(root *spot) []string { return slices.Clone(root.keys) }

// keysOf returns the library's top-level keys in order of appearance.
func keysOf(md toml.MetaData) []string {
	var keys []string
	for _, k := range md.Keys() {
		if !slices.Contains(keys, k[0]) {
			keys = append(keys, k[0])
		}
	}
	return keys
}
