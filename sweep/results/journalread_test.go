//go:build unix

package results

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Lines are found at the same offsets however the file falls into chunks, and
// what is too long costs its own length of nothing.
func TestReadLines(t *testing.T) {
	dir, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	long := strings.Repeat("x", 5<<20)
	most := strings.Repeat("m", maxLine)
	short := strings.Repeat("short line\n", 700_000) // more than a chunk
	for _, c := range []struct {
		name, text  string
		lines, long int
		left        int // bytes of an unfinished line
	}{
		{"empty", "", 0, 0, 0},
		{"torn", "a\nb\nc", 2, 0, 1},
		{"only torn", "abc", 0, 0, 3},
		{"many", short, 700_000, 0, 0},
		{"longest", most + "\n" + short + most + "\n", 700_002, 0, 0},
		{"too long", "a\n" + long + "\nb\n", 2, 1, 0},
		{"too long by one", most + "m\nb\n", 1, 1, 0},
		{"too long and unfinished", "a\n" + long, 1, 1, 0},
		{"too long twice", long + "\n" + long + "\nb\nrest", 1, 2, 4},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir.Remove("f")
			if err := writeFile(dir, "f", []byte(c.text)); err != nil {
				t.Fatal(err)
			}
			lines, tooLong := 0, 0
			next, err := readLines(dir, "f", 0, func(at int64, b []byte) {
				lines++
				if !bytes.Equal(b, []byte(c.text[at:at+int64(len(b))])) || c.text[at+int64(len(b))] != '\n' {
					t.Fatalf("the line at %d is not there in the file", at)
				}
			}, func(at int64) {
				tooLong++
				if !strings.HasPrefix(c.text[at:], long[:1]) && !strings.HasPrefix(c.text[at:], most) {
					t.Fatalf("a long line at %d is not there in the file", at)
				}
			})
			if err != nil || lines != c.lines || tooLong != c.long || next != int64(len(c.text)-c.left) {
				t.Errorf("%d lines, %d too long, next %d, %v; want %d, %d, %d", lines, tooLong, next, err, c.lines, c.long, len(c.text)-c.left)
			}
		})
	}
}

// What does not belong into a folder of the tree is a problem to report, never
// a hang, and hides nothing else.
func TestForeignEntries(t *testing.T) {
	for _, folder := range []string{"claims", "fences", "journals", "series"} {
		for _, c := range []struct {
			kind string
			make func(path string) error
		}{
			{"fifo", func(p string) error { return syscall.Mkfifo(p, 0o600) }},
			{"folder", func(p string) error { return os.Mkdir(p, 0o700) }},
			{"symlink out", func(p string) error { return os.Symlink("/dev/zero", p) }},
			{"symlink loop", func(p string) error { return os.Symlink(p, p) }},
			{"empty", func(p string) error { return os.WriteFile(p, nil, 0o600) }},
		} {
			name := map[string]string{"claims": "1-0-0.1", "fences": "1-0-0.999999999", "journals": "w.jsonl", "series": "w.jsonl"}[folder]
			t.Run(folder+" "+c.kind, func(t *testing.T) {
				s := finished(t)
				if err := c.make(s.Path() + "/" + folder + "/" + name); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				sn, err := s.Snapshot()
				if err != nil {
					t.Fatal(err)
				}
				if got := Count(sn.Derive()); got.Done != got.Total {
					t.Errorf("counts = %+v, want all done", got)
				}
				if err := s.Rows(func(Row) {}, nil); err != nil {
					t.Error(err)
				}
				if d := time.Since(begin); d > 2*time.Minute { // a moment, but for what else the machine does
					t.Errorf("it took %v", d)
				}
			})
		}
	}
}

// A claim or seal under another's name is damage, not evidence.
func TestSwappedFiles(t *testing.T) {
	s := finished(t)
	claims := s.Path() + "/claims/"
	names, err := sortedList(s.dir, "claims")
	if err != nil {
		t.Fatal(err)
	}
	swap := func(a, b string) {
		for _, m := range [][2]string{{a, "x"}, {b, a}, {"x", b}} {
			if err := os.Rename(claims+m[0], claims+m[1]); err != nil {
				t.Fatal(err)
			}
		}
	}
	var sealed, claimed []string
	for _, n := range names {
		if strings.HasSuffix(n, sealSuffix) {
			sealed = append(sealed, strings.TrimSuffix(n, sealSuffix))
		} else {
			claimed = append(claimed, n)
		}
	}
	swap(claimed[0], claimed[1])
	swap(sealed[0]+sealSuffix, sealed[1]+sealSuffix)
	var damaged *DamagedError
	block, gen, _ := splitGen(claimed[0])
	if _, err := s.ReadClaim(block, gen); !errors.As(err, &damaged) {
		t.Errorf("ReadClaim of a swapped claim = %v, want damage", err)
	}
	if _, err := s.readSeal(block, gen); !errors.As(err, &damaged) {
		t.Errorf("readSeal of a swapped seal = %v, want damage", err)
	}
	harm := 0
	for _, f := range check(t, s) {
		if f.Harm() {
			harm++
		}
	}
	if harm < 4 {
		t.Errorf("%d findings of harm, want one for each of the 4 files", harm)
	}
	// The claim of the very same generation reads like a seal that counts nothing.
	b, err := os.ReadFile(claims + claimed[2])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(claims+claimed[2]+sealSuffix, b, 0o600); err != nil {
		t.Fatal(err)
	}
	block, gen, _ = splitGen(claimed[2])
	if _, err := s.readSeal(block, gen); !errors.As(err, &damaged) {
		t.Errorf("readSeal of a claim = %v, want damage", err)
	}
}
