package data

import (
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func writeTable(t testing.TB, text string) Spec {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "t.csv"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Spec{Name: "csv", Dir: dir, File: "t.csv", Target: "y"}
}

// rowsOf is all features of a set, row after row.
func rowsOf(v View) (all []float32) {
	for i := range v.Len() {
		x := make([]float32, v.Features())
		v.Row(x, i)
		all = append(all, x...)
	}
	return all
}

func TestTable(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		change     func(*Spec)
		rows       []float32
		classes    []string
		labels     []int
		targets    []float64
	}{
		{name: "classes by text", text: "a,b,y\n1,2,no\n3,4.5,yes\n", rows: []float32{1, 2, 3, 4.5}, classes: []string{"no", "yes"}, labels: []int{0, 1}},
		{name: "classes by number, not by text", text: "a,y\n1,10\n2,9\n3,x\n", rows: []float32{1, 2, 3}, classes: []string{"9", "10", "x"}, labels: []int{1, 0, 2}},
		{name: "numbers", text: "y;a\n1.5;2\n-2;0\n", change: func(s *Spec) { s.Numbers = true }, rows: []float32{2, 0}, targets: []float64{1.5, -2}},
		{name: "one-hot", text: "c\ty\nred\ta\nblue\tb\nred\ta\n", rows: []float32{0, 1, 1, 0, 0, 1}, classes: []string{"a", "b"}, labels: []int{0, 1, 0}},
		{name: "drop, quotes, blanks", text: "\ufeffid, \"a,b\", y\r\nu1, 1, p\r\nu2, \"2\", q\r\n", change: func(s *Spec) { s.Drop = []string{"id"} }, rows: []float32{1, 2}, classes: []string{"p", "q"}, labels: []int{0, 1}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := writeTable(t, tt.text)
			if tt.change != nil {
				tt.change(&s)
			}
			src, err := Load(s)
			if err != nil {
				t.Fatal(err)
			}
			v := View{Set: src.All, Rows: seq(src.All.Len())}
			if got := rowsOf(v); !slices.Equal(got, tt.rows) {
				t.Errorf("rows = %v, want %v", got, tt.rows)
			}
			if !slices.Equal(v.Names, tt.classes) || v.Classes != len(tt.classes) {
				t.Errorf("classes = %d %q, want %q", v.Classes, v.Names, tt.classes)
			}
			for i, want := range tt.labels {
				if got := v.Label(i); got != want {
					t.Errorf("label %d = %d, want %d", i, got, want)
				}
			}
			for i, want := range tt.targets {
				if got := v.Target(i); got != want {
					t.Errorf("target %d = %v, want %v", i, got, want)
				}
			}
		})
	}
}

func TestTableProblems(t *testing.T) {
	for _, tt := range []struct {
		name, text string
		change     func(*Spec)
		want       string
	}{
		{"no target", "a,b\n1,2\n", nil, `no column "y": set data.target to one of ["a" "b"]`},
		{"missing value", "a,y\n1,p\n,q\n", nil, `t.csv:3: column "a" is "", a missing value: fill it in, leave the row out, or the column with data.drop`},
		{"not a number", "a,y\n1,2\n1,two\n", func(s *Spec) { s.Numbers = true }, `t.csv:3: column "y" is "two", which is no number`},
		{"one class", "a,y\n1,p\n2,p\n", nil, `column "y" has 1 different values, want 2 to 256 classes`},
		{"drop", "a,y\n1,p\n", func(s *Spec) { s.Drop = []string{"id"} }, `data.drop has "id", which is none of the columns`},
		{"ragged", "a,y\n1,p\n2\n", nil, "wrong number of fields"},
		{"only a header", "a,y\n", nil, "no rows below the header"},
		{"only the target", "y\np\nq\n", nil, `no column but the target "y"`},
		{"no file", "a,y\n1,p\n", func(s *Spec) { s.File = "u.csv" }, "no such file or directory: set data.dir and data.file"},
		{"no name", "", func(s *Spec) { s.File = "" }, "data.file is empty"},
	} {
		s := writeTable(t, tt.text)
		if tt.change != nil {
			tt.change(&s)
		}
		if _, err := Load(s); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: Load = %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

// TestNormalize: the training part gets mean 0 and deviation 1, the others the
// same change.
func TestNormalize(t *testing.T) {
	src, err := Load(writeTable(t, "a,b,y\n1,5,p\n2,5,q\n3,5,p\n4,5,q\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := Parts{Train: View{Set: src.All, Rows: []int{0, 2}}, Test: View{Set: src.All, Rows: []int{3}}}
	p.Normalize()
	if got, want := rowsOf(p.Train), []float32{-1, 0, 1, 0}; !slices.Equal(got, want) {
		t.Errorf("train = %v, want %v", got, want)
	}
	if got, want := rowsOf(p.Test), []float32{2, 0}; !slices.Equal(got, want) {
		t.Errorf("test = %v, want %v", got, want)
	}

	src, _ = Load(Spec{Name: "digits"})
	parts, err := src.Split(rand.New(rand.NewPCG(1, 1)), 0.1, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	parts.Normalize()
	var sum, squares float64
	all := rowsOf(parts.Train)
	for _, x := range all {
		sum += float64(x)
		squares += float64(x) * float64(x)
	}
	n := float64(len(all))
	if mean, variance := sum/n, squares/n; math.Abs(mean) > 1e-5 || math.Abs(variance-1) > 1e-5 {
		t.Errorf("pixels have mean %v and variance %v, want 0 and 1", mean, variance)
	}
}

func TestMoments(t *testing.T) {
	s := writeTable(t, "a,y\n1,2\n1,4\n1,9\n")
	s.Numbers = true
	src, err := Load(s)
	if err != nil {
		t.Fatal(err)
	}
	mean, deviation := View{Set: src.All, Rows: seq(3)}.Moments()
	if want := math.Sqrt((9 + 1 + 16) / 3.); mean != 5 || math.Abs(deviation-want) > 1e-12 {
		t.Errorf("Moments = %v, %v; want 5, %v", mean, deviation, want)
	}
	if mean, deviation = (View{Set: src.All, Rows: []int{1}}).Moments(); mean != 4 || deviation != 0 {
		t.Errorf("Moments of one number = %v, %v; want 4, 0", mean, deviation)
	}
}

func FuzzReadTable(f *testing.F) {
	f.Add([]byte("a,b,y\n1,2,no\n3,4.5,yes\n"))
	f.Add([]byte("a;y\n1;\"x\ny\"\n"))
	f.Add([]byte("\ufeffa\ty\n1\t2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		tab, err := readTable(strings.NewReader(string(b)))
		if err != nil {
			return
		}
		sets, err := encode(Spec{Target: tab.header[len(tab.header)-1]}, []*table{tab})
		if err != nil {
			return
		}
		s := sets[0]
		if s.Len() != len(tab.rows) || len(s.values) != s.Len()*s.Features() {
			t.Errorf("%d rows became %d examples with %d values of %d features", len(tab.rows), s.Len(), len(s.values), s.Features())
		}
	})
}
