package nn

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"orch/trainer/data"
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
	got, err := decoded(file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded\n got %+v\nwant %+v", got, want)
	}
}

// decoded reads a file's content, whatever run it is of.
func decoded(file []byte) (*checkpoint, error) {
	return decodeCheckpoint(bytes.NewReader(file), int64(len(file)), func(*manifest) error { return nil })
}

// TestReleasedFormats: files of every released version stay readable. To add
// one, write what encode returns for sample into testdata.
func TestReleasedFormats(t *testing.T) {
	file, err := os.ReadFile("testdata/checkpoint-1.ckpt")
	if err != nil {
		t.Fatal(err)
	}
	got, err := decoded(file)
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
		{"torn", good[:len(good)-1], "15 bytes are left"},
		{"flipped bit", change(func(b []byte) []byte { b[len(b)-sha256.Size-1] ^= 1; return b }), "damaged"},
		{"flipped bit in the checksum", change(func(b []byte) []byte { b[len(b)-1] ^= 1; return b }), "damaged"},
		{"newer", change(func(b []byte) []byte { b[8] = 2; return b }), "has format 2, this orch knows 1"},
		{"huge manifest", change(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[12:], 1<<31); return b }), "claims a manifest of 2147483648 bytes"},
		{"manifest beyond the file", change(func(b []byte) []byte { binary.LittleEndian.PutUint32(b[12:], uint32(len(b))); return b }), "claims a manifest"},
		{"no JSON", seal(change(func(b []byte) []byte { b[16] = 'x'; return b })), "manifest: "},
		{"lying block", seal(bytes.Replace(good, []byte(`"len":4`), []byte(`"len":9`), 2)), "elements"},
		{"block of 2^62", seal(bytes.Replace(good, []byte(`"len":0`), []byte(`"len":4611686018427387904`), 1)), "manifest"},
		{"negative block", seal(bytes.Replace(good, []byte(`"len":0`), []byte(`"len":-`), 1)), "manifest: "},
		{"too long", seal(append(good[:len(good)-sha256.Size:len(good)-sha256.Size], make([]byte, 4+sha256.Size)...)), "has 4 bytes more"},
		{"twice", seal(bytes.Replace(good, []byte(`"empty"`), []byte(`"order"`), 1)), `two blocks "order"`},
		{"type", seal(bytes.Replace(good, []byte(`"u32"`), []byte(`"u64"`), 1)), `type "u64"`},
	} {
		if _, err := decoded(tt.file); err == nil || !strings.Contains(err.Error(), tt.want) {
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
		c, err := decoded(append(slices.Clone(body), sum[:]...))
		if err != nil {
			return
		}
		again, err := c.encode()
		if err != nil {
			t.Fatalf("decoded, but not encoded again: %v", err)
		}
		if _, err := decoded(again); err != nil {
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
		if _, err := decoded(b); err != nil {
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

// TestHostileFiles: whatever lies where a checkpoint should be is refused in
// under a second, at the best of three times, since the machine may be busy, and
// takes no more memory than the run itself. Each of the
// files is well formed as far as it goes: lengths fit its size, which may be
// large without taking any disk.
func TestHostileFiles(t *testing.T) {
	c := config(t, "training.batch", 500)
	whole, _ := train(t, c)
	good, err := os.ReadFile(filepath.Join(whole.Dir, checkpointDir, lastFile))
	if err != nil {
		t.Fatal(err)
	}
	ck, err := decoded(good)
	if err != nil {
		t.Fatal(err)
	}
	// forge writes a manifest and as much nothing as it claims.
	forge := func(file string, change func(m *manifest)) {
		m := ck.manifest
		m.Blocks = slices.Clone(m.Blocks)
		change(&m)
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		head := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32([]byte(checkpointMagic), checkpointVersion), uint32(len(text)))
		size := int64(headerSize + len(text) + sha256.Size)
		for _, b := range m.Blocks {
			size += 4 * int64(b.Len)
		}
		if err := os.WriteFile(file, append(head, text...), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(file, size); err != nil {
			t.Skip(err) // a file system without large files
		}
	}
	for _, tt := range []struct {
		name, want string
		make       func(file string)
	}{
		{"large block", `block "weight/layer1.weight" has 17179869184 elements, want 1024`, func(file string) {
			forge(file, func(m *manifest) {
				for i := range m.Blocks {
					if m.Blocks[i].Name == "weight/layer1.weight" {
						m.Blocks[i].Len = 1 << 34
					}
				}
			})
		}},
		{"block too many", "blocks, want", func(file string) {
			forge(file, func(m *manifest) { m.Blocks = append(m.Blocks, blockInfo{"more", "f32", 1 << 34}) })
		}},
		{"wrong type", `block "order" has 0 elements`, func(file string) {
			forge(file, func(m *manifest) { m.Blocks[0].Type = "f32" })
		}},
		{"nothing in it", "is damaged: its checksum does not match", func(file string) { forge(file, func(*manifest) {}) }},
		{"other run", "training.lr is 0.5, here 0.001", func(file string) {
			forge(file, func(m *manifest) {
				m.Config = bytes.Replace(m.Config, []byte(`"LR":0.001`), []byte(`"LR":0.5`), 1)
				m.Blocks = append(m.Blocks, blockInfo{"more", "f32", 1 << 34})
			})
		}},
		{"impossible place", "which this run never does", func(file string) { forge(file, func(m *manifest) { m.Progress.Update = math.MaxInt64 }) }},
		{"no stream", "state of the stream", func(file string) { forge(file, func(m *manifest) { m.Shuffle = nil }) }},
		{"endless", "is no regular file", func(file string) {
			if err := os.Symlink("/dev/zero", file); err != nil {
				t.Skip(err)
			}
		}},
		{"zeros", "is no checkpoint", func(file string) {
			if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, 1<<36)); err != nil {
				t.Skip(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			run, _ := attempt(t, c)
			p, _ := parse(c)
			src, err := data.Load(p.Data.spec(run.Workdir))
			if err != nil {
				t.Fatal(err)
			}
			s, err := newSession(&p, run, src)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(t.TempDir(), lastFile)
			tt.make(file)
			took := time.Duration(math.MaxInt64)
			for try := 0; try < 3 && took > time.Second; try++ {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				begin := time.Now()
				_, err = readCheckpoint(file, s.fits)
				took = min(took, time.Since(begin))
				runtime.ReadMemStats(&after)
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Fatalf("readCheckpoint = %v, want an error with %q", err, tt.want)
				}
				// A state is 20 kB here, a manifest's text a few times that.
				if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
					t.Fatalf("took %d bytes of memory", n)
				}
			}
			if took > time.Second {
				t.Errorf("refused after %v at best, want at most a second", took)
			}
			if err := s.load(file); err == nil {
				t.Error("was evaluated")
			}
		})
	}
}
