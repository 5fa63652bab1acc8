package results

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// finished makes a sweep in which one worker has done everything.
func finished(t *testing.T) *Sweep {
	t.Helper()
	s := newSweep(t, 6, 1, false)
	b, j := openBoard(t, s), openJournal(t, s)
	for {
		h, err := b.Claim(func() (*Journal, error) { return j, nil })
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			return s
		}
		for _, r := range h.Runs {
			do(t, j, h, r, Done)
		}
		if _, err := j.Mark(); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
			t.Fatal(err)
		}
	}
}

func check(t *testing.T, s *Sweep) []Finding {
	t.Helper()
	f, err := s.Check()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestCheckOfASoundTree(t *testing.T) {
	if f := check(t, finished(t)); len(f) != 0 {
		t.Errorf("Check = %v, want nothing", f)
	}
}

func TestCheckFindsDamage(t *testing.T) {
	damage := func(t *testing.T, path string, f func([]byte) []byte) {
		t.Helper()
		matches, err := filepath.Glob(path)
		if err != nil || len(matches) == 0 {
			t.Fatalf("no file %s", path)
		}
		b, err := os.ReadFile(matches[0])
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(matches[0], f(b), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	for _, c := range []struct {
		name, path string
		change     func([]byte) []byte
		harm       bool
		want       string
	}{
		{"plan flipped", "plans/1/plan.jsonl", flip, true, "hash does not match"},
		{"claim flipped", "claims/1-0-0.0", flip, true, "checksum"},
		{"seal flipped", "claims/1-0-0.0.seal", flip, true, "checksum"},
		{"journal cut", "journals/*.jsonl", func(b []byte) []byte { return b[:len(b)/2] }, true, "shorter than"},
		{"journal flipped", "journals/*.jsonl", flip, true, "damaged line"},
		{"journal torn at its end", "journals/*.jsonl", func(b []byte) []byte { return append(b, `{"k":"en`...) }, false, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := finished(t)
			damage(t, filepath.Join(s.Path(), c.path), c.change)
			var texts []string
			harm := false
			for _, f := range check(t, s) {
				texts = append(texts, f.Text)
				harm = harm || f.Harm
			}
			if all := strings.Join(texts, "; "); harm != c.harm || !strings.Contains(all, c.want) {
				t.Errorf("harm %v, findings %q; want harm %v and %q", harm, all, c.harm, c.want)
			}
		})
	}
	t.Run("litter", func(t *testing.T) {
		s := finished(t)
		if err := os.WriteFile(filepath.Join(s.Path(), "claims", ".t-dead"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if f := check(t, s); len(f) != 1 || f[0].Harm {
			t.Errorf("Check = %v, want one piece of litter", f)
		}
	})
}
