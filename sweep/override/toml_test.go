package override

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

func TestAppendTOML(t *testing.T) {
	m := func(kv ...any) Value {
		var fs []Field
		for i := 0; i < len(kv); i += 2 {
			v, err := FromAny(kv[i+1])
			if err != nil {
				t.Fatal(err)
			}
			fs = append(fs, Field{StringValue(kv[i].(string)), v})
		}
		return MapValue(fs...)
	}
	tests := []struct {
		name string
		v    Value
		want string
	}{
		{"scalars", m("a", 1, "b", 0.001, "c", true, "d", "x y", "e", nil, "f", 1e-5),
			"a = 1\nb = 0.001\nc = true\nd = \"x y\"\ne = \"null\"\nf = 1e-05\n"},
		{"tables after plain keys", m("t", m("x", 1), "a", 1), "a = 1\n\n[t]\nx = 1\n"},
		{"implied header", m("t", m("u", m("x", 1))), "[t.u]\nx = 1\n"},
		{"empty table", m("t", m()), "[t]\n"},
		{"table list", m("t", []any{m("a", 1, "s", m("b", 2)), m()}), "[[t]]\na = 1\n\n[t.s]\nb = 2\n\n[[t]]\n"},
		{"mixed list", m("t", []any{m("a", 1), 2}), "t = [{a = 1}, 2]\n"},
		{"keys", m("a.b", 1, "", 2, "ä", 3), "\"a.b\" = 1\n\"\" = 2\n\"ä\" = 3\n"},
		{"strings", m("r", `a\d"b"`, "q", `it's \ "so"`, "n", "a\nb\x01"),
			"r = 'a\\d\"b\"'\nq = \"it's \\\\ \\\"so\\\"\"\nn = \"a\\nb\\u0001\"\n"},
		{"floats", m("i", math.Inf(1), "j", math.Inf(-1), "n", math.NaN(), "b", 1e30, "w", 3.0),
			"i = inf\nj = -inf\nn = nan\nb = 1e+30\nw = 3.0\n"},
		{"no document", ListValue(IntValue(1), StringValue("a")), `[1, "a"]`},
		{"big integer", MapValue(Field{StringValue("a"), BigIntValue("123456789012345678901")}), "a = \"123456789012345678901\"\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.v.TOML(); got != tt.want {
				t.Errorf("TOML of %s:\ngot\n%s\nwant\n%s", tt.v.Text(), got, tt.want)
			}
			if tt.v.Kind() == Map {
				readBack(t, tt.v)
			}
		})
	}
}

// readBack checks that the TOML library reads what was written.
func readBack(t *testing.T, v Value) {
	t.Helper()
	var data map[string]any
	if _, err := toml.Decode(v.TOML(), &data); err != nil {
		t.Fatalf("the library refuses it: %v\n%s", err, v.TOML())
	}
	got, err := FromAny(data)
	if err != nil {
		t.Fatal(err)
	}
	if want := asTOML(v); !got.Equal(want) {
		t.Errorf("read back %s, want %s, from\n%s", got.Text(), want.Text(), v.TOML())
	}
}

// asTOML is the value with the losses that AppendTOML documents.
func asTOML(v Value) Value {
	switch v.Kind() {
	case Null:
		return StringValue("null")
	case Int:
		if _, ok := v.Int(); !ok {
			return StringValue(v.Text())
		}
	case String:
		return StringValue(string([]rune(v.Text())))
	case List:
		var vs []Value
		for _, e := range v.List() {
			vs = append(vs, asTOML(e))
		}
		return ListValue(vs...)
	case Map:
		var fs []Field
		for _, f := range v.Fields() {
			fs = append(fs, Field{StringValue(string([]rune(f.Key.Text()))), asTOML(f.Val)})
		}
		return MapValue(fs...)
	}
	return v
}

// FuzzAppendTOML writes values made of arbitrary bytes and reads them back.
func FuzzAppendTOML(f *testing.F) {
	f.Add([]byte("a\x00b\x05\x03x\ny\x04z"))
	f.Add([]byte("\x05\x02k\x04\x05\x01'\"\\"))
	f.Fuzz(func(t *testing.T, data []byte) {
		g := generator{data: data}
		readBack(t, g.table(0))
	})
}

type generator struct{ data []byte }

func (g *generator) next() byte {
	if len(g.data) == 0 {
		return 0
	}
	b := g.data[0]
	g.data = g.data[1:]
	return b
}

func (g *generator) text() string {
	n := min(int(g.next()%8), len(g.data))
	s := string(g.data[:n])
	g.data = g.data[n:]
	return s
}

func (g *generator) table(depth int) Value {
	v := MapValue()
	for i := range int(g.next() % 5) {
		key := strings.ToValidUTF8(g.text(), "?")
		if key == "" {
			key = "e" // the library loses elements after [{"" = 1}, 2]
		}
		if _, ok := v.Lookup(key); ok {
			key += fmt.Sprint("#", i, depth)
		}
		v = v.With(key, g.value(depth+1))
	}
	return v
}

func (g *generator) value(depth int) Value {
	kind := g.next() % 8
	if depth > 5 {
		kind %= 5
	}
	switch kind {
	case 0:
		return NullValue()
	case 1:
		return BoolValue(g.next()%2 == 0)
	case 2:
		return IntValue(int64(g.next())<<56 | int64(g.next()))
	case 3:
		return FloatValue(math.Float64frombits(uint64(g.next())<<56 | uint64(g.next())<<48 | uint64(g.next())))
	case 4:
		return StringValue(g.text())
	case 5:
		return g.table(depth)
	}
	vs := []Value{}
	for range g.next() % 4 {
		vs = append(vs, g.value(depth+1))
	}
	return ListValue(vs...)
}
