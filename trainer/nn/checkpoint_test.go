package nn

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func sample() *checkpoint {
	c := &checkpoint{manifest: manifest{Config: []byte(`{"a":1}`), Arithmetic: "x", Shuffle: []byte{1, 2, 3},
		Progress: progress{Epoch: 2, Update: 7, LossSum: 0.1 + 0.2, BestLoss: math.SmallestNonzeroFloat64}}}
	c.addInts("order", []uint32{2, 0, 1, math.MaxUint32})
	c.addFloats("w", []float32{1.5, -0, float32(math.Inf(1)), math.SmallestNonzeroFloat32})
	c.addFloats("empty", []float32{})
	return c
}

func TestCheckpointRoundTrip(t *testing.T) {
	want := sample()
	file, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeCheckpoint(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n got %+v\nwant %+v", got, want)
	}
}

// TestReleasedFormats: files of every released version stay readable. To add
// one, write what encode returns for sample into testdata.
func TestReleasedFormats(t *testing.T) {
	file, err := os.ReadFile("testdata/checkpoint-1.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeCheckpoint(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := sample(); !reflect.DeepEqual(got, want) {
		t.Errorf("version 1 reads as\n got %+v\nwant %+v", got, want)
	}
}

// seal replaces the checksum after a change, so that the checks behind it are
// reached.
func seal(file []byte) []byte {
	body := file[:len(file)-sha256.Size]
	sum := sha256.Sum256(body)
	return append(slices.Clone(body), sum[:]...)
}

func TestDecodeCheckpointProblems(t *testing.T) {
	good, _ := sample().encode()
	change := func(f func(b []byte) []byte) []byte { return f(slices.Clone(good)) }
	for _, tt := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "is no checkpoint"},
		{"other file", bytes.Repeat([]byte("x"), 100), "is no checkpoint"},
		{"torn", good[:len(good)-1], "damaged"},
		{"flipped bit", change(func(b []byte) []byte { b[len(b)/2] ^= 1; return b }), "damaged"},
		{"newer", change(func(b []byte) []byte { b[8] = 2; return b }), "has format 2, this orch knows 1"},
		{"huge manifest", change(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[12:], 1<<31); return b }), "claims a manifest of 2147483648 bytes"},
		{"manifest beyond the file", change(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[12:], uint32(len(b))); return b }), "claims a manifest"},
		{"no JSON", seal(change(func(b []byte) []byte { b[16] = 'x'; return b })), "manifest: "},
		{"lying block", seal(bytes.Replace(good, []byte(`"len":4`), []byte(`"len":9`), 2)), "elements"},
		{"negative block", seal(bytes.Replace(good, []byte(`"len":0`), []byte(`"len":-`), 1)), "manifest: "},
		{"too long", seal(append(good[:len(good)-sha256.Size:len(good)-sha256.Size], make([]byte, 4+sha256.Size)...)), "has 4 bytes more"},
		{"twice", seal(bytes.Replace(good, []byte(`"empty"`), []byte(`"order"`), 1)), `two blocks "order"`},
		{"type", seal(bytes.Replace(good, []byte(`"u32"`), []byte(`"u64"`), 1)), `type "u64"`},
	} {
		if _, err := decodeCheckpoint(tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: decodeCheckpoint = %v, want an error with %q", tt.name, err, tt.want)
		}
	}
}

func FuzzDecodeCheckpoint(f *testing.F) {
	good, _ := sample().encode()
	f.Add(good[:len(good)-sha256.Size])
	f.Add([]byte(checkpointMagic))
	f.Fuzz(func(t *testing.T, body []byte) {
		// The checksum is added here: no fuzzer would find one.
		sum := sha256.Sum256(body)
		c, err := decodeCheckpoint(append(slices.Clone(body), sum[:]...))
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("decoded, but not encoded again: %v", err)
		}
		if _, err := decodeCheckpoint(again); err != nil {
			t.Errorf("encoded again, but not decoded: %v", err)
		}
	})
}

// TestWriteCheckpoints: whole files only, and nothing left behind.
func TestWriteCheckpoints(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // a second time over the first
		if err := writeCheckpoints(dir, map[string]*checkpoint{lastFile: sample(), bestFile: sample()}); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	entries, err := os.ReadDir(filepath.Join(dir, checkpointDir))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
		b, _ := os.ReadFile(filepath.Join(dir, checkpointDir, e.Name()))
		if _, err := decodeCheckpoint(b); err != nil {
			t.Errorf("%s: %v", e.Name(), err)
		}
		if info, _ := e.Info(); info.Mode() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", e.Name(), info.Mode())
		}
	}
	if !slices.Equal(names, []string{bestFile, lastFile}) {
		t.Errorf("ckpt has %q", names)
	}
}

// A checkpoint folder that leads out of the attempt's folder is refused.
func TestWriteCheckpointsStaysInside(t *testing.T) {
	dir, outside := t.TempDir(), t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, checkpointDir)); err != nil {
		t.Skip(err)
	}
	if err := writeCheckpoints(dir, map[string]*checkpoint{lastFile: sample()}); err == nil {
		t.Error("wrote through a link that leads outside")
	}
	if entries, _ := os.ReadDir(outside); len(entries) > 0 {
		t.Errorf("left %v outside", entries)
	}
}
