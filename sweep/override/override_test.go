package override

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
)

func mustParse(t testing.TB, s string) Override {
	t.Helper()
	o, err := Parse(s)
	if err != nil {
		t.Fatalf("Parse(%q): %v", s, err)
	}
	return o
}

func wantError(t *testing.T, what string, err error, stage, class string, col int) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Errorf("%s: error %v, want %s %s at %d", what, err, stage, class, col)
		return
	}
	if e.Stage != stage || e.Class != class || e.Col != col {
		t.Errorf("%s: %s %s at column %d, want %s %s at %d", what, e.Stage, e.Class, e.Col, stage, class, col)
	}
	if !strings.Contains(e.Error(), e.Msg) || e.Msg == "" {
		t.Errorf("%s: Error() = %q, want it to hold the message %q", what, e.Error(), e.Msg)
	}
}

// TestTyped: the first deliberate difference. Where Hydra prints the values of a
// sweep and parses them again for every job, ours stay what they are.
func TestTyped(t *testing.T) {
	tests := []struct {
		in   string
		want []Value
	}{
		{"k=choice('1','true')", []Value{StringValue("1"), StringValue("true")}},
		{"k=str(choice(1,2.0,true))", []Value{StringValue("1"), StringValue("2.0"), StringValue("true")}},
		{"k='1',1,1.0,true,null", []Value{QuotedValue("1"), IntValue(1), FloatValue(1), BoolValue(true), NullValue()}},
		{"k=sort('b','a')", []Value{StringValue("a"), StringValue("b")}},
		{"k=int(choice(1.9,'-07',true,1e20))", []Value{IntValue(1), IntValue(-7), IntValue(1), BigIntValue("100000000000000000000")}},
		{"k=float('1_0.5','-inf',3)", []Value{FloatValue(10.5), FloatValue(math.Inf(-1)), FloatValue(3)}},
	}
	for _, tt := range tests {
		got, err := mustParse(t, tt.in).Sweep.Values(Env{})
		if err != nil {
			t.Errorf("%s: %v", tt.in, err)
		}
		if !slices.EqualFunc(got, tt.want, Value.Equal) {
			t.Errorf("%s = %v, want %v", tt.in, texts(got), texts(tt.want))
		}
	}
}

func texts(vs []Value) []string {
	out := make([]string, len(vs))
	for i, v := range vs {
		out[i] = v.Kind().String() + " " + v.Text()
	}
	return out
}

// TestWideAlphabet: the third difference. What is printable and no syntax may
// stand unquoted.
func TestWideAlphabet(t *testing.T) {
	for _, s := range []string{"déjà", "a&b", "a;b", "hi!", "#3", "a<b>c", "模型", "١٢", "x→y", "50%", "^`|", "naïve text"} {
		o, err := Parse("k=" + s)
		if err != nil {
			t.Errorf("k=%s: %v", s, err)
			continue
		}
		if got, ok := o.Value.Str(); !ok || got != s || o.Value.IsQuoted() {
			t.Errorf("k=%s is %s %q, want that string", s, o.Value.Kind(), got)
		}
		if got := o.Canonical(); mustParse(t, got).Value.Text() != s {
			t.Errorf("k=%s: canonical %s reads as another value", s, got)
		}
	}
	for in, col := range map[string]int{
		"k=a~b": 3, "k=~/x": 2, "k=it's": 4, "k=a\nb": 3, "k=模型\x00": 4, "k=é\u200b": 3, "k=a\u00a0b": 3, "k=a\xffb": 3,
		"k='a\xff'": 4, "k=${\xff}": 4, "é=1": 0, "k='it's'": 7,
	} {
		_, err := Parse(in)
		wantError(t, strconv.Quote(in), err, StageParse, ClassIllegalChar, col)
	}
}

// TestNestedSweeps: the fourth one.
func TestNestedSweeps(t *testing.T) {
	for in, col := range map[string]int{
		"k=[1,choice(2,3)]":       5,
		"k={a:range(3)}":          5,
		"k=1,range(3)":            4,
		"k=range(3),1":            2,
		"k=[[int(1,2)]]":          4,
		"k=choice(a,sort(1,2))":   11,
		"k=[é,{a:glob(*)}]":       8,
		"k=int([interval(0,1)])":  7,
		"k=extend_list(range(3))": 14,
	} {
		_, err := Parse(in)
		wantError(t, in, err, StageParse, ClassBadElement, col)
	}
}

func TestKeys(t *testing.T) {
	tests := []struct {
		in   string
		want Override
	}{
		{"a.b-c.$d=1", Override{Key: "a.b-c.$d"}},
		{"+db/engine@a.0=1", Override{Op: Add, Key: "db/engine", Package: "a.0", HasPackage: true}},
		{"++@=1", Override{Op: ForceAdd, HasPackage: true}},
		{"~=1", Override{Op: Delete}},
		{"0.a=1", Override{Key: "0.a"}},
	}
	for _, tt := range tests {
		tt.want.HasValue, tt.want.Value = true, IntValue(1)
		if got := mustParse(t, tt.in); !got.Equal(tt.want) || got.Text != tt.in {
			t.Errorf("Parse(%s) = %+v, want %+v", tt.in, got, tt.want)
		}
	}
	if o := mustParse(t, "~a.b"); o.HasValue || o.Op != Delete || o.Key != "a.b" {
		t.Errorf("~a.b = %+v, want a deletion without value", o)
	}
	if o := mustParse(t, "k=extend_list(1,[2],'x')"); o.Op != Extend || o.Value.Text() != "[1,[2],x]" {
		t.Errorf("extend_list = %s %s, want extend [1,[2],x]", o.Op, o.Value.Text())
	}
	for _, in := range []string{"+k=extend_list(1)", "k=[extend_list(1)]", "k=extend_list(1),2", "k=int(extend_list(1))"} {
		if _, err := Parse(in); err == nil {
			t.Errorf("%s is accepted", in)
		}
	}
}

func TestShuffle(t *testing.T) {
	o := mustParse(t, "k=shuffle(range(0,50))")
	order := func(env Env) string {
		vs, err := o.Sweep.Values(env)
		if err != nil {
			t.Fatal(err)
		}
		return ListValue(vs...).Text()
	}
	seed := func(n uint64) Env { return Env{Rand: rand.New(rand.NewPCG(n, 0))} }
	if a, b := order(seed(1)), order(seed(1)); a != b {
		t.Errorf("one seed, two orders: %s and %s", a, b)
	}
	if a, b := order(seed(1)), order(seed(2)); a == b {
		t.Errorf("two seeds give the one order %s", a)
	}
	if a, b := order(Env{}), order(Env{}); a != b {
		t.Errorf("no seed, two orders: %s and %s", a, b)
	}
	// A list is put into an order when it is parsed, always the same one.
	a, b := mustParse(t, "k=shuffle([1,2,3,4,5,6,7,8])"), mustParse(t, "k=shuffle([1,2,3,4,5,6,7,8])")
	if !a.Shuffled || !a.Equal(b) {
		t.Errorf("shuffled list: %s, then %s, want one order", a.Value.Text(), b.Value.Text())
	}
	if list, msg := sorted(a.Value.List(), false); msg != "" || ListValue(list...).Text() != "[1,2,3,4,5,6,7,8]" || a.Value.Text() == "[1,2,3,4,5,6,7,8]" {
		t.Errorf("shuffled list = %s, want another order of the same elements", a.Value.Text())
	}
	// The sequence can be walked twice, and stopped.
	seq, err := o.Sweep.All(seed(3))
	if err != nil {
		t.Fatal(err)
	}
	var first, second []Value
	for v := range seq {
		if first = append(first, v); len(first) == 5 {
			break
		}
	}
	for v := range seq {
		second = append(second, v)
	}
	if len(second) != 50 || !slices.EqualFunc(first, second[:5], Value.Equal) {
		t.Errorf("second walk %v does not begin with the first, %v", texts(second), texts(first))
	}
	if s := mustParse(t, "k=float(tag(x,shuffle(range(3))))").Sweep; !s.Shuffled || !slices.Equal(s.Tags, []string{"x"}) {
		t.Errorf("a cast keeps neither order nor tags: %+v", s)
	}
}

func TestGlobMatch(t *testing.T) {
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"*", "", true}, {"*", "net2", true}, {"", "", true}, {"", "a", false},
		{"net*", "net2", true}, {"net*", "a_net2", false}, {"*net*", "a_net2", true}, {"n*t*2", "net_t_2", true},
		{"net?", "net2", true}, {"net?", "net", false}, {"?", "é", true},
		{"net[25]", "net5", true}, {"net[25]", "net7", false}, {"net[!25]", "net7", true}, {"net[!25]", "net2", false},
		{"net[2-5]", "net4", true}, {"net[2-5]", "net6", false}, {"net[5-2]", "net3", false}, {"n[a-]t", "n-t", true},
		{"[]]", "]", true}, {"[!]]", "]", false}, {"[", "[", true}, {"a[b", "a[b", true}, {"[*]", "*", true}, {"[*]", "x", false},
		{"Net", "net", false}, {"*a*a*a*a*a*b", strings.Repeat("a", 200), false},
	}
	for _, tt := range tests {
		if got := globMatch(tt.pattern, tt.name); got != tt.want {
			t.Errorf("globMatch(%q, %q) = %v, want %v", tt.pattern, tt.name, got, tt.want)
		}
	}
}

func TestDeepAndLong(t *testing.T) {
	deep := func(n int, open, close string) string {
		return "k=" + strings.Repeat(open, n) + strings.Repeat(close, n)
	}
	mustParse(t, deep(64, "[", "]"))
	_, err := Parse(deep(65, "[", "]"))
	wantError(t, "65 lists", err, StageParse, ClassTooDeep, 2+64)
	_, err = Parse("k=" + strings.Repeat("{a:", 1e6))
	wantError(t, "a million dicts", err, StageParse, ClassTooDeep, 2+64*3)
	_, err = Parse("k=" + strings.Repeat("int(", 1e6))
	wantError(t, "a million calls", err, StageParse, ClassTooDeep, 2+65*4-4)

	const mib = 1 << 20
	for name, s := range map[string]string{
		"text":           strings.Repeat("a.", mib/2),
		"list":           "[" + strings.Repeat("1,", mib/2) + "1]",
		"comma sweep":    strings.Repeat("1,", mib/2) + "1",
		"quoted":         "'" + strings.Repeat(`\'`, mib/2) + "'",
		"escapes":        strings.Repeat(`\,`, mib/2),
		"int":            strings.Repeat("7", mib),
		"interpolations": strings.Repeat("${a}", mib/4),
		"blanks":         strings.Repeat(" ", mib) + "x",
	} {
		if _, err := Parse("k=" + s); err != nil {
			t.Errorf("1 MiB of %s: %v", name, err)
		}
	}
	var b strings.Builder
	b.WriteString("{")
	for i := range mib / 8 {
		fmt.Fprintf(&b, "k%d:1,", i)
	}
	if n := mustParse(t, "k="+b.String()+"k0:2}").Value.Len(); n != mib/8 {
		t.Errorf("a large dict has %d entries, want %d", n, mib/8)
	}
	for _, s := range []string{strings.Repeat("$", mib), strings.Repeat("${", mib/2), strings.Repeat("'", mib), strings.Repeat(" ", mib) + "~"} {
		if _, err := Parse("k=" + s); err != nil && len(err.Error()) > 1000 {
			t.Errorf("the error for 1 MiB of %q has %d bytes, want an excerpt", s[:2], len(err.Error()))
		}
	}
}

func TestErrorText(t *testing.T) {
	_, err := Parse("model=net2 (x)")
	want := `unknown function net2`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want %q in it", err, want)
	}
	_, err = Parse("x=模型~")
	const caret = "\n  x=模型~\n      ^"
	if err == nil || !strings.HasSuffix(err.Error(), caret) {
		t.Errorf("got %q, want it to end in %q", err, caret)
	}
	_, err = Parse("k=rnge(3)")
	if err == nil || !strings.Contains(err.Error(), "did you mean range?") {
		t.Errorf("got %v, want a near miss", err)
	}
}

func TestSingleRun(t *testing.T) {
	if err := mustParse(t, "lr=0.1").SingleRun(); err != nil {
		t.Errorf("lr=0.1: %v, want nil", err)
	}
	tests := []struct{ in, list, text, sweep string }{
		{"lr=0.1,0.2", "'lr=[0.1,0.2]'", `"lr='0.1,0.2'"`, "--multirun lr=0.1,0.2"},
		{"+seed=range(0,3)", "'+seed=[0,1,2]'", `"+seed='range(0,3)'"`, "--multirun '+seed=range(0,3)'"},
		{"lr=interval(0,1)", "'lr=[value1,value2]'", `"lr='interval(0,1)'"`, "--multirun 'lr=interval(0,1)'"},
		{"x='a','b'", `"x=['a','b']"`, `'x='\''\'\''a\'\'','\'\''b\'\'''\'''`, `--multirun "x='a','b'"`},
	}
	for _, tt := range tests {
		err := mustParse(t, tt.in).SingleRun()
		wantError(t, tt.in, err, StageExpand, ClassNeedMultirun, strings.Index(tt.in, "=")+1)
		for _, want := range []string{tt.list, tt.sweep} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %s in it", tt.in, err, want)
			}
		}
	}
	// The text proposal must give that text.
	for _, tt := range tests[:3] {
		if !strings.Contains(mustParse(t, tt.in).SingleRun().Error(), tt.text) {
			t.Errorf("%s: want %s in the proposals", tt.in, tt.text)
		}
		if v := mustParse(t, strings.Trim(tt.text, `"`)).Value; v.Text() != tt.in[strings.Index(tt.in, "=")+1:] {
			t.Errorf("%s: the proposed text reads as %q", tt.in, v.Text())
		}
	}
}

func TestParseValue(t *testing.T) {
	v, s, err := ParseValue(" [1, a]")
	if err != nil || s != nil || v.Text() != "[1,a]" {
		t.Errorf("got %s %v %v, want the list [1,a]", v.Text(), s, err)
	}
	v, s, err = ParseValue("net2,net5")
	if err != nil || s == nil || len(s.Choices) != 2 || !v.IsNull() {
		t.Errorf("got %s %v %v, want a sweep of two", v.Text(), s, err)
	}
	_, _, err = ParseValue("a=b")
	wantError(t, "a=b", err, StageParse, ClassSyntax, 1)
	_, _, err = ParseValue("extend_list(1)")
	wantError(t, "extend_list", err, StageParse, ClassBadCall, 0)
	_, s, err = ParseValue("glob([net*,'x[12]'],exclude='net5')")
	if err != nil {
		t.Fatal(err)
	}
	s.Group = "model"
	vs, err := s.Values(Env{Options: func(group string) []string {
		return map[string][]string{"model": {"x2", "net5", "net2", "x3"}}[group]
	}})
	if got := ListValue(vs...).Text(); got != "[net2,x2]" || err != nil {
		t.Errorf("glob = %s, %v, want [net2,x2]", got, err)
	}
}

func TestExplainBounds(t *testing.T) {
	if got := string(Explain("x=range(0,1e12)", Env{})); !strings.Contains(got, `"count":1000000000000`) || strings.Contains(got, "values") {
		t.Errorf("got %s, want a count only", got)
	}
	if got := string(Explain("x =5", Env{})); !strings.Contains(got, `"kind":"error","stage":"parse","class":"illegal_char","col":1,"message":`) {
		t.Errorf("got %s, want stage, class, column and message", got)
	}
}

func TestNearest(t *testing.T) {
	tests := []struct {
		word       string
		candidates []string
		want       string
	}{
		{"learning_rte", []string{"epochs", "learning_rate"}, "learning_rate"},
		{"trianing", []string{"training"}, "training"}, // one swap
		{"TRAINING", []string{"training"}, "training"},
		{"net3", []string{"net2", "net5"}, "net2"}, // the first of equals
		{"lr", []string{"rl"}, ""},                 // an edit is more than a third of two letters
		{"seed", []string{"speed", "seed"}, "seed"},
		{"xyz", []string{"model", "data"}, ""},
		{"", []string{"a"}, ""},
		{"modèle", []string{"modele"}, "modele"},
		{"a", nil, ""},
	}
	for _, tt := range tests {
		if got := Nearest(tt.word, tt.candidates); got != tt.want {
			t.Errorf("Nearest(%q, %q) = %q, want %q", tt.word, tt.candidates, got, tt.want)
		}
	}
}
