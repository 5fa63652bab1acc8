package data

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func TestDigits(t *testing.T) {
	src, err := Load(Spec{Name: "digits"})
	if err != nil {
		t.Fatal(err)
	}
	if src.All.Len() != 1797 || src.All.Features() != 64 || src.Test != nil {
		t.Fatalf("digits: %d examples of %d features, own test set %v; want 1797, 64, none", src.All.Len(), src.All.Features(), src.Test)
	}
	// Class sizes as published with the data set (optdigits.names).
	want := []int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}
	got := make([]int, 10)
	all := View{Set: src.All, Rows: seq(src.All.Len())}
	for i := range all.Len() {
		got[all.Label(i)]++
	}
	if !slices.Equal(got, want) {
		t.Errorf("class sizes = %v, want %v", got, want)
	}
	// The first row of the published file.
	x := make([]float32, 64)
	all.Row(x, 0)
	if w := []float32{0, 0, 5. / 16, 13. / 16, 9. / 16, 1. / 16, 0, 0}; !slices.Equal(x[:8], w) || all.Label(0) != 0 {
		t.Errorf("first image starts with %v, label %d; want %v, 0", x[:8], all.Label(0), w)
	}
}

func TestParseDigitsProblems(t *testing.T) {
	row := strings.Repeat("1,", 64)
	for _, tt := range []struct{ name, text, want string }{
		{"short", "1,2\n", "line 1: 2 fields, want 65"},
		{"count", strings.Repeat("17,", 64) + "1\n", "line 1: count 17 is not in 0..16"},
		{"label", row + "10\n", "label 10 of example 0 is not in 0..9"},
		{"text", row + "1\n" + row + "x\n", `line 2: strconv.ParseUint: parsing "x": invalid syntax`},
	} {
		if _, err := parseDigits(tt.text); err == nil || err.Error() != tt.want {
			t.Errorf("%s: parseDigits = %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestSplit(t *testing.T) {
	src, _ := Load(Spec{Name: "digits"})
	rng := func(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }
	p, err := src.Split(rng(1), 0.1, 0.2)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := [3]int{p.Train.Len(), p.Val.Len(), p.Test.Len()}, [3]int{1258, 180, 359}; got != want {
		t.Errorf("sizes = %v, want %v", got, want)
	}
	all := slices.Concat(p.Train.Rows, p.Val.Rows, p.Test.Rows)
	slices.Sort(all)
	if !slices.Equal(all, seq(1797)) {
		t.Error("the parts are no partition of the examples")
	}
	again, _ := src.Split(rng(1), 0.1, 0.2)
	if !slices.Equal(p.Train.Rows, again.Train.Rows) {
		t.Error("the same stream gives another split")
	}
	other, _ := src.Split(rng(2), 0.1, 0.2)
	if slices.Equal(p.Test.Rows, other.Test.Rows) {
		t.Error("another stream gives the same split")
	}
	wider, _ := src.Split(rng(1), 0.3, 0.2)
	if !slices.Equal(p.Test.Rows, wider.Test.Rows) {
		t.Error("the test part changed with val_fraction")
	}
	if _, err := src.Split(rng(1), 0.5, 0.5); err == nil || !strings.Contains(err.Error(), "lower them") {
		t.Errorf("Split that leaves nothing to train on = %v, want the fix", err)
	}
}

// idx makes an IDX file of unsigned bytes.
func idx(data []byte, dims ...int) []byte {
	b := []byte{0, 0, 8, byte(len(dims))}
	for _, d := range dims {
		b = append(b, byte(d>>24), byte(d>>16), byte(d>>8), byte(d))
	}
	return append(b, data...)
}

// typed makes an IDX file of another type.
func typed(kind byte, data []byte, dims ...int) []byte {
	b := idx(data, dims...)
	b[2] = kind
	return b
}

// TestIDXTypes: the six types of the format, with their extremes, as features
// and, where they are whole, as labels.
func TestIDXTypes(t *testing.T) {
	for _, tt := range []struct {
		kind byte
		data []byte
		want []float32
	}{
		{0x09, []byte{0x80, 0x7f}, []float32{-128, 127}},
		{0x0b, []byte{0x80, 0, 0x7f, 0xff}, []float32{-32768, 32767}},
		{0x0c, []byte{0xff, 0xff, 0xff, 0xfe, 0, 1, 0, 0}, []float32{-2, 65536}},
		{0x0d, []byte{0x3f, 0xc0, 0, 0, 0xbd, 0xcc, 0xcc, 0xcd}, []float32{1.5, -0.1}},
		{0x0e, []byte{0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 0xbf, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a}, []float32{1.5, -0.1}},
	} {
		for _, file := range [][]byte{typed(tt.kind, tt.data, 1, 2), zip(t, typed(tt.kind, tt.data, 1, 2))} {
			a, err := readIDX(bytes.NewReader(file), 2, 2)
			if err != nil || !slices.Equal(a.numbers, tt.want) || a.bytes != nil {
				t.Errorf("type %#x: %v, %v; want %v", tt.kind, a, err, tt.want)
			}
		}
		if _, err := readIDX(bytes.NewReader(typed(tt.kind, tt.data[:len(tt.data)-1], 1, 2)), 2, 2); err == nil || !strings.Contains(err.Error(), "ends after") {
			t.Errorf("type %#x, one byte short: %v", tt.kind, err)
		}
	}
	if _, err := readIDX(bytes.NewReader(typed(0x0d, []byte{0x7f, 0xc0, 0, 0}, 1, 1)), 2, 2); err == nil || err.Error() != "number 0 is NaN" {
		t.Errorf("NaN: %v", err)
	}

	dir := t.TempDir()
	for name, b := range map[string][]byte{
		"x":    typed(0x0d, make([]byte, 4*3*2), 3, 2),
		"y":    typed(0x0c, []byte{0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1}, 3),
		"far":  typed(0x0b, []byte{0, 0, 1, 0, 0, 1}, 3),
		"less": typed(0x09, []byte{0, 0xff, 1}, 3),
		"b":    idx(make([]byte, 6), 3, 2), "c": idx([]byte{0, 1, 2}, 3),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src, err := Load(Spec{Name: "idx", Dir: dir, Images: "x", Labels: "y"})
	if err != nil {
		t.Fatal(err)
	}
	if v := (View{Set: src.All, Rows: seq(3)}); src.All.Classes != 3 || v.Label(0) != 2 || v.Label(2) != 1 || v.Features() != 2 {
		t.Errorf("%d classes, labels %v", src.All.Classes, src.All.labels)
	}
	for labels, want := range map[string]string{"far": "label 256 of example 1 is no number of a class, 0 to 255", "less": "label -1 of example 1"} {
		if _, err := Load(Spec{Name: "idx", Dir: dir, Images: "x", Labels: labels}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("labels %s: %v, want %q", labels, err, want)
		}
	}
	if _, err := Load(Spec{Name: "idx", Dir: dir, Images: "x", Labels: "y", TestImages: "b", TestLabels: "c"}); err == nil || !strings.Contains(err.Error(), "other numbers than those of") {
		t.Errorf("floats to train and bytes to test on: %v", err)
	}
}

func zip(t testing.TB, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := gzip.NewWriter(&buf)
	w.Write(b)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestReadIDX(t *testing.T) {
	good := idx([]byte{1, 2, 3, 4, 5, 6}, 3, 1, 2)
	for _, tt := range []struct {
		name string
		file []byte
		want string // "" for fine
	}{
		{"plain", good, ""},
		{"gzip", zip(t, good), ""},
		{"empty", nil, "unexpected EOF"},
		{"half a header", good[:7], "unexpected EOF"},
		{"wrong magic", append([]byte{0, 0, 10}, good[3:]...), "starts with 00 00 0a 03, want 00 00, a type"},
		{"wrong rank", idx(make([]byte, 20), 20), "starts with 00 00 08 01"},
		{"short", good[:len(good)-1], "ends after 5 of the 6 bytes"},
		{"long", append(slices.Clone(good), 0), "more than the 6 bytes"},
		{"lying header", idx(nil, 1<<31, 1<<31, 1<<31), "claims more than"},
		{"big header, small file", idx([]byte{1}, 1<<20, 28, 28), "ends after 1 of"},
		{"cut gzip", zip(t, good)[:20], "unexpected EOF"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := readIDX(bytes.NewReader(tt.file), 3, 3)
			if tt.want != "" {
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("readIDX = %v, want an error with %q", err, tt.want)
				}
				return
			}
			if err != nil || !slices.Equal(a.dims, []int{3, 1, 2}) || !bytes.Equal(a.bytes, []byte{1, 2, 3, 4, 5, 6}) {
				t.Errorf("readIDX = %v, %v", a, err)
			}
		})
	}
}

func TestReadIDXAllocatesWhatArrives(t *testing.T) {
	lie := idx([]byte{1, 2, 3}, 1<<15, 28, 28) // claims 25 MB
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	readIDX(bytes.NewReader(lie), 3, 3)
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
		t.Errorf("a file of %d bytes made readIDX allocate %d", len(lie), n)
	}
}

func FuzzReadIDX(f *testing.F) {
	good := idx([]byte{1, 2, 3, 4, 5, 6}, 3, 1, 2)
	f.Add(good)
	f.Add(zip(f, good))
	f.Add(idx(nil, 1<<31, 1<<31, 0))
	f.Add(typed(0x0e, make([]byte, 48), 3, 1, 2))
	f.Add(good[:9])
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := readIDX(bytes.NewReader(b), 3, 3)
		if err != nil {
			return
		}
		if n := max(len(a.bytes), len(a.numbers)); len(a.dims) != 3 || a.dims[0]*a.dims[1]*a.dims[2] != n {
			t.Errorf("readIDX accepted %d numbers for dimensions %v", n, a.dims)
		}
	})
}

// writeMNIST writes a small set in MNIST's form; change may replace files.
func writeMNIST(t *testing.T, change map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	files := map[string][]byte{
		"train-images-idx3-ubyte":    idx(bytes.Repeat([]byte{0, 51, 102, 255}, 5), 5, 2, 2),
		"train-labels-idx1-ubyte.gz": zip(t, idx([]byte{0, 1, 2, 3, 4}, 5)),
		"t10k-images.idx3-ubyte":     idx(make([]byte, 8), 2, 2, 2),
		"t10k-labels-idx1-ubyte":     idx([]byte{9, 8}, 2),
	}
	for name, b := range change {
		files[name] = b
	}
	for name, b := range files {
		if b == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestMNIST(t *testing.T) {
	dir := writeMNIST(t, nil)
	src, err := Load(Spec{Name: "mnist", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := Load(Spec{Name: "mnist", Dir: dir}); again != src {
		t.Error("a second Load read the files again")
	}
	p, err := src.Split(rand.New(rand.NewPCG(1, 1)), 0.2, 0.9)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := [3]int{p.Train.Len(), p.Val.Len(), p.Test.Len()}, [3]int{4, 1, 2}; got != want {
		t.Errorf("sizes = %v, want %v (the set's own test part)", got, want)
	}
	x := make([]float32, 4)
	p.Train.Row(x, 0)
	if !slices.Equal(x, []float32{0, 0.2, 0.4, 1}) || p.Test.Label(0) != 9 {
		t.Errorf("row = %v, test label %d; want [0 0.2 0.4 1], 9", x, p.Test.Label(0))
	}
}

func TestMNISTProblems(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change map[string][]byte
		want   string
	}{
		{"missing", map[string][]byte{"t10k-labels-idx1-ubyte": nil}, " has not the file t10k-labels-idx1-ubyte: put "},
		{"label", map[string][]byte{"t10k-labels-idx1-ubyte": idx([]byte{9, 10}, 2)}, "t10k-labels-idx1-ubyte: label 10 of example 1"},
		{"count", map[string][]byte{"t10k-labels-idx1-ubyte": idx([]byte{9}, 1)}, "1 labels for the 2 images"},
		{"shape", map[string][]byte{"t10k-images.idx3-ubyte": idx(make([]byte, 6), 2, 3, 1)}, "images of [3 1] pixels, but those of"},
		{"torn", map[string][]byte{"train-images-idx3-ubyte": idx(make([]byte, 5), 5, 2, 2)}, "train-images-idx3-ubyte: ends after 5 of the 20 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load(Spec{Name: "mnist", Dir: writeMNIST(t, tt.change)})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Fatalf("Load = %v, want an error with %q", err, tt.want)
			}
			if got := errors.Is(err, fs.ErrNotExist); got != (tt.name == "missing") {
				t.Errorf("errors.Is(%v, fs.ErrNotExist) = %v", err, got)
			}
		})
	}
	if _, err := Load(Spec{Name: "mnist"}); err == nil || !strings.Contains(err.Error(), "data.dir is empty") {
		t.Errorf("Load without a folder = %v", err)
	}
	if _, err := Load(Spec{Name: "minst"}); err == nil || !strings.Contains(err.Error(), "csv, digits, idx, mnist") {
		t.Errorf("Load of an unknown set = %v", err)
	}
}

// TestIDX: names of one's own, a test part or none, channels, and classes
// counted from the labels.
func TestIDX(t *testing.T) {
	dir := writeMNIST(t, map[string][]byte{
		"x": idx(make([]byte, 3*2*2*3), 3, 2, 2, 3), "y": idx([]byte{0, 4, 2}, 3),
		"u": idx([]byte{1, 2, 3, 4}, 2, 2), "v": idx([]byte{1, 5}, 2),
	})
	src, err := Load(Spec{Name: "idx", Dir: dir, TestLabels: "t10k-labels-idx1-ubyte"})
	if want := "10 classes, but"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Load = %v, %v; want an error with %q: the training part knows 5 classes", src, err, want)
	}
	os.Remove(filepath.Join(dir, "t10k-images.idx3-ubyte"))
	src, err = Load(Spec{Name: "idx", Dir: dir, Images: "x", Labels: "y"})
	if err != nil {
		t.Fatal(err)
	}
	if src.Test != nil || src.All.Classes != 5 || !slices.Equal(src.All.Shape, []int{2, 2, 3}) || src.All.Len() != 3 {
		t.Errorf("Load = %d examples of %v, %d classes, own test part %v; want 3 of [2 2 3], 5, none", src.All.Len(), src.All.Shape, src.All.Classes, src.Test)
	}
	if _, err = Load(Spec{Name: "idx", Dir: dir, Images: "x", Labels: "y", TestImages: "u", TestLabels: "v"}); err == nil || !strings.Contains(err.Error(), "images of [2] pixels, but those of") {
		t.Errorf("Load of a test part of another shape = %v", err)
	}
}
