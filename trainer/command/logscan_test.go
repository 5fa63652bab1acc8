//go:build unix

package command

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"regexp/syntax"
	"runtime"
	"strings"
	"testing"

	"orch/sweep/results"
)

func compile(t testing.TB, expr string) *pattern {
	t.Helper()
	p, err := newPattern("m", expr)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// A log of 200 MB: mostly one line without end, holes of zero bytes, and the
// value somewhere in it.
func TestBigLog(t *testing.T) {
	const size = 200 << 20
	f, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	rng := rand.New(rand.NewPCG(1, 2))
	noise := make([]byte, 1<<20)
	for i := range noise {
		noise[i] = byte(rng.Uint32())
		if noise[i] == '\n' || noise[i] == '\r' {
			noise[i] = 'x'
		}
	}
	write := func(s []byte, at int64) {
		if _, err := f.WriteAt(s, at); err != nil {
			t.Fatal(err)
		}
	}
	write([]byte("acc = 0.1\nbad acc = 0.2\n"), 0)
	write(noise, 10<<20)
	write([]byte("\nacc = 0.3\n"), 20<<20)
	write([]byte(" acc = 0.75, then zero bytes"), 150<<20-9) // across a border of pieces
	write([]byte("x"), size-1)
	expr := []string{"acc = ([0-9.]+)", "^acc = ([0-9.]+)$", "[a]cc = ([0-9.]+)", "none = ([0-9.]+)"}
	want := []string{"0.75", "0.3", "0.75", ""}
	patterns := make([]*pattern, len(expr))
	for i, e := range expr {
		patterns[i] = compile(t, e)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := scanLog(f, 0, patterns); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	for i, p := range patterns {
		if p.text != want[i] {
			t.Errorf("%s = %q, want %q", expr[i], p.text, want[i])
		}
	}
	// Everything allocated, not only what was live: 8 MiB for 200 MiB read.
	if n := after.TotalAlloc - before.TotalAlloc; n > 8<<20 {
		t.Errorf("scanning allocated %d bytes, want at most 8 MiB", n)
	}
	if got := lastLine(must(readTail(f, 0))); got != "x" {
		t.Errorf("last line = %q, want x", got)
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// However the log arrives, the last match line by line counts.
func TestScanMatchesLineByLine(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const small = 1 << 10
	for round := range 20 {
		var log bytes.Buffer
		for log.Len() < 10*small {
			switch rng.IntN(6) {
			case 0:
				fmt.Fprintf(&log, "acc = %d.%d", rng.IntN(10), rng.IntN(1000))
			case 1: // often enough that no line is longer than the window
				log.WriteString("\n")
			case 2:
				log.WriteString("\r")
			case 3:
				log.Write(bytes.Repeat([]byte("-"), rng.IntN(40)))
			case 4:
				log.WriteString("acc = ")
			case 5:
				fmt.Fprintf(&log, "\nACC %d;", rng.IntN(100))
			}
		}
		for _, expr := range []string{"acc = ([0-9.]+)", "^acc = ([0-9.]+)$", "(?i)acc ?=? ?([0-9]+)", "([0-9]+);", "(acc)?", "x*(z)"} {
			want := ""
			re := regexp.MustCompile(expr)
			for _, line := range strings.FieldsFunc(log.String(), func(r rune) bool { return r == '\n' || r == '\r' }) {
				for _, m := range re.FindAllStringSubmatchIndex(line, -1) {
					if m[2] >= 0 {
						want = line[m[2]:m[3]]
					}
				}
			}
			p := compile(t, expr)
			s := &scanner{patterns: []*pattern{p}, window: small}
			for b := log.Bytes(); len(b) > 0; {
				n := min(len(b), 1+rng.IntN(2*small))
				s.Write(b[:n])
				b = b[n:]
			}
			s.end()
			if p.text != want {
				t.Errorf("round %d: %s = %q, want %q", round, expr, p.text, want)
			}
		}
	}
}

// A match that the border of two pieces of a long line cuts is found whole,
// wherever the border falls.
func TestMatchAcrossPieces(t *testing.T) {
	const text = " acc = 0.12345 "
	for shift := -2; shift <= len(text)+2; shift++ {
		log := append(bytes.Repeat([]byte{'.'}, window-shift), text...)
		log = append(log, bytes.Repeat([]byte{'.'}, window)...)
		p := compile(t, "acc = ([0-9.]+)")
		s := &scanner{patterns: []*pattern{p}}
		s.Write(log)
		s.end()
		if p.text != "0.12345" {
			t.Errorf("with %d bytes before the border: %q, want 0.12345", shift, p.text)
		}
	}
}

func TestLiteralOf(t *testing.T) {
	for expr, want := range map[string]string{
		"acc = ([0-9.]+)": "acc = ", "([0-9]+) correct": " correct", "(?i)acc (.)": "", "a|b(.)": "", "(?:loss: )+(.)": "loss: ", "(x{2,}yy)": "yy", "x?(.)": "", "^abc$(.)": "abc",
	} {
		tree, err := syntax.Parse(expr, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		if got := literalOf(tree); got != want {
			t.Errorf("literalOf(%s) = %q, want %q", expr, got, want)
		}
	}
}

func TestParseNumber(t *testing.T) {
	for s, want := range map[string]string{
		"1": "1", " 2.5 ": "2.5", "-3e-2": "-0.03", "0.93.": "0.93", "5,": "5", "NaN": "NaN", "-inf": "-Inf", "Infinity": "+Inf", "1e999": "+Inf",
		"": "", ".": "", "abc": "", "0x10": "", "1_000": "", "1 2": "",
		"93%": "93", "-nan": "NaN", "+NaN": "NaN", "--nan": "", "0.5)": "0.5", "\x1b[32m0.5\x1b[0m": "0.5", "\x1b[32m": "", "1,234.5": "",
	} {
		got := ""
		if x, ok := parseNumber(s); ok {
			got = fmt.Sprint(x)
		}
		if got != want {
			t.Errorf("parseNumber(%q) = %q, want %q", s, got, want)
		}
	}
}

func TestLastLine(t *testing.T) {
	long := strings.Repeat("y", 3*maxMessage)
	for log, want := range map[string]string{
		"":                                  "",
		"\n \n\t\n":                         "",
		"one\ntwo":                          "two",
		"one\ntwo\n\n":                      "two",
		"10%\r20%\r":                        "20%",
		"\x1b[1;31mError\x1b[0m: x\n":       "Error: x",
		"a\n\x1b[0m\n":                      "a",
		"\x1b]0;title\x07shown":             "shown",
		"\x1b]8;;u\x1b\\link\x1b]8;;\x1b\\": "link",
		"a\x00b\x07c\x7f\u202ed\u200b":      "abcd",
		"bad \xff utf8 \xc3":                "bad  utf8",
		"good ü":                            "good ü",
		long:                                long[:maxMessage] + "...",
		"\x1b[":                             "",
		"first\n\x1b":                       "first",
	} {
		if got := lastLine([]byte(log)); got != want {
			t.Errorf("lastLine(%q) = %q, want %q", log, got, want)
		}
	}
}

func FuzzLastLine(f *testing.F) {
	f.Add([]byte("a\n\x1b[31mb\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		line := lastLine(b)
		if len(line) > maxMessage+8 || strings.ContainsAny(line, "\n\r\x1b\x00") {
			t.Errorf("lastLine(%q) = %q", b, line)
		}
	})
}

func TestTail(t *testing.T) {
	var all []byte
	tl := &tail{}
	rng := rand.New(rand.NewPCG(5, 6))
	for range 200 {
		b := bytes.Repeat([]byte{byte('a' + rng.IntN(26))}, rng.IntN(3*tailSize/2))
		all = append(all, b...)
		tl.Write(b)
		if want := all[max(0, len(all)-tailSize):]; !bytes.Equal(tl.bytes(), want) {
			t.Fatalf("after %d bytes the tail is wrong", len(all))
		}
		if cap(tl.buf) > 8*tailSize {
			t.Fatalf("the tail holds %d bytes", cap(tl.buf))
		}
	}
}

// What stood in the log before the program began is not the program's.
func TestLogBeforeTheProgram(t *testing.T) {
	r := newTrial(t, sh("exit 1", "[task.metrics]", "acc = 'acc ([0-9]+)'"))
	fmt.Fprintln(r.Log, "acc 5")
	f := wantFailure(t, r.train(t), results.Failed)
	if _, ok := r.rec.results["acc"]; ok || !strings.Contains(f.Error(), "nothing on its log") {
		t.Errorf("Train = %v with %v, want neither message nor metric from earlier text", f, r.rec.results)
	}
}

// A group that stops before the exponent must not make another number of it.
func TestExponentBehindTheGroup(t *testing.T) {
	for line, want := range map[string]float64{
		"loss = 3.2e-05": 3.2e-05, "loss = 3.2E+2, lr = 1": 320, "loss = 3.2 epochs": 3.2, "loss = 3.2e": 3.2, "loss = 3.2eggs": 3.2,
	} {
		p, err := newPattern("loss", "loss = ([0-9.]+)")
		if err != nil {
			t.Fatal(err)
		}
		p.search([]byte(line), false)
		if x, err := p.value(); err != nil || x != want {
			t.Errorf("%q: %v, %v, want %v", line, x, err, want)
		}
	}
}
