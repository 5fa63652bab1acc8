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
	finish(t, s)
	return s
}

// finish lets one worker do everything that is left.
func finish(t *testing.T, s *Sweep) {
	t.Helper()
	b, j := openBoard(t, s), openJournal(t, s)
	for {
		h, err := b.Claim(func() (*Journal, error) { return j, nil })
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			return
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

// Every rerun asks for a result anew, not only the newest.
func TestCheckAfterReruns(t *testing.T) {
	s := finished(t)
	for n := range 2 {
		h := testHeader(1, false)
		h.Kind = KindRerun
		if _, err := s.Publish(h, testRuns(6, 0), nil, n+1); err != nil {
			t.Fatal(err)
		}
		finish(t, s)
	}
	if c := counts(t, s); c.Done != 6 {
		t.Errorf("counts = %+v, want 6 done", c)
	}
	if f := check(t, s); len(f) != 0 {
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
				harm = harm || f.Harm()
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
		if f := check(t, s); len(f) != 1 || f[0].Harm() {
			t.Errorf("Check = %v, want one piece of litter", f)
		}
	})
}

// Each invariant can be broken, and fsck says which one it is.
func TestCheckNamesEveryInvariant(t *testing.T) {
	write := func(t *testing.T, s *Sweep, name string, v any) {
		t.Helper()
		b, err := encodeWhole(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(s.Path(), name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// zombie makes a sweep whose only worker was taken over, did its run all the
	// same and marked it: it did not see the fence.
	zombie := func(t *testing.T) (*Sweep, *Held, *Seal) {
		t.Helper()
		s := newSweep(t, 1, 1, true)
		b, j := openBoard(t, s), openJournal(t, s)
		h := mustClaim(t, b, j)
		c, err := s.ReadClaim(h.Block, h.Gen)
		if err != nil {
			t.Fatal(err)
		}
		seal, err := s.SealDead(c, "test", Lost)
		if err != nil {
			t.Fatal(err)
		}
		do(t, j, h, h.Runs[0], Done)
		if _, err := j.Mark(); err != nil {
			t.Fatal(err)
		}
		return s, h, seal
	}
	for breaks, broken := range map[Invariant]func(t *testing.T) *Sweep{
		PlanIsWhole: func(t *testing.T) *Sweep {
			s := finished(t)
			if err := os.WriteFile(filepath.Join(s.Path(), "plans/1/plan.jsonl"), []byte("\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return s
		},
		OneHolder: func(t *testing.T) *Sweep {
			s := newSweep(t, 1, 1, true)
			write(t, s, "claims/1-0-0.1", Claim{Format: Format, Block: "1-0-0", Gen: 1, Holder: Holder{Name: "x"}})
			return s
		},
		ResultsAreThere: func(t *testing.T) *Sweep {
			s := finished(t)
			names, err := filepath.Glob(filepath.Join(s.Path(), "journals/*"))
			if err != nil || len(names) != 1 {
				t.Fatal(names, err)
			}
			if err := os.Truncate(names[0], 300); err != nil {
				t.Fatal(err)
			}
			return s
		},
		SealsHold: func(t *testing.T) *Sweep {
			s, _, _ := zombie(t)
			return s
		},
		CountedOnce: func(t *testing.T) *Sweep {
			s, h, seal := zombie(t)
			j := openJournal(t, s)
			next := mustClaim(t, openBoard(t, s), j)
			do(t, j, next, next.Runs[0], Done)
			if _, err := j.Seal(next.Block, next.Gen, 0); err != nil {
				t.Fatal(err)
			}
			names, err := filepath.Glob(filepath.Join(s.Path(), "journals/*"))
			if err != nil || len(names) != 2 {
				t.Fatal(names, err)
			}
			// Somebody replaces the seal by one that counts the zombie's end too.
			for _, n := range names {
				if filepath.Base(n) != j.name {
					seal.Journals = []SealedJournal{{Name: filepath.Base(n), Upto: size(t, n)}}
				}
			}
			write(t, s, "claims/"+genName(h.Block, h.Gen)+sealSuffix, seal)
			return s
		},
		OrdersAreThere: func(t *testing.T) *Sweep {
			s := finished(t)
			if err := os.WriteFile(filepath.Join(s.Path(), "orders/sweep.1"), []byte("noise\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return s
		},
		SubmissionsKnown: func(t *testing.T) *Sweep {
			s := finished(t)
			if _, err := s.Submit(0, Intent{Key: "k", Workers: 1}); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(s.Path(), "subs/1/intent.json"), []byte("noise\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			return s
		},
		NobodyElseWrites: func(t *testing.T) *Sweep {
			if !modesMatter {
				t.Skip("no permission bits here")
			}
			s := finished(t)
			if err := os.Chmod(filepath.Join(s.Path(), "claims"), 0o777); err != nil {
				t.Fatal(err)
			}
			return s
		},
	} {
		t.Run(breaks.String(), func(t *testing.T) {
			found := check(t, broken(t))
			for _, f := range found {
				if f.Breaks == breaks {
					return
				}
			}
			t.Errorf("findings %+v, want one that breaks this", found)
		})
	}
	if n := len(Invariants()); n != 9 { // TablesMatch has its test in cmd/orch
		t.Errorf("there are %d invariants: one more needs a case here", n)
	}
}

func size(t *testing.T, path string) int64 {
	t.Helper()
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return st.Size()
}

// Damaged orders and submissions are passed over: the next ones work.
func TestDamageStopsNobody(t *testing.T) {
	s := newSweep(t, 2, 1, true)
	noise := func(name string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(s.Path(), name), []byte("noise\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Give(ActionHold, "", "", "test"); err != nil {
		t.Fatal(err)
	}
	noise("orders/sweep.1")
	if err := s.Give(ActionCancel, "", "", "test"); err != nil {
		t.Fatal(err)
	}
	if o, err := s.Orders(nil); err != nil || !o.Cancelled("any") {
		t.Errorf("orders %v, %v; want a cancel", o, err)
	}
	for n := range 2 {
		if _, err := s.Submit(n, Intent{Key: "k", Workers: 1}); err != nil {
			t.Fatal(err)
		}
	}
	noise("subs/1/intent.json")
	noise("subs/2/answer.json")
	subs, err := s.Submissions()
	if err != nil || len(subs) != 2 || subs[0].Damaged == nil || subs[0].Intent != nil || subs[1].Answer == nil || subs[1].Answer.Accepted {
		t.Errorf("submissions %+v, %v; want one without intent, one refused", subs, err)
	}
}

// What others leave in the folders is reported and hides nothing.
func TestForeignEntriesHideNothing(t *testing.T) {
	plain := func(t *testing.T, path string) {
		if err := os.WriteFile(path, []byte("mine\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	link := func(to string) func(t *testing.T, path string) {
		return func(t *testing.T, path string) {
			if err := os.Symlink(to, path); err != nil {
				t.Skip(err)
			}
		}
	}
	folder := func(t *testing.T, path string) {
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		name, file string
		make       func(t *testing.T, path string)
		harm       bool // it stands where an order would
	}{
		{"a file", "orders/README", plain, false},
		{"a copy of an order", "orders/sweep.1.bak", plain, false},
		{"a link loop", "orders/README", link("README"), false},
		{"a link leading outside", "orders/notes", link("../../../.."), false},
		{"a link loop with an order's name", "orders/sweep.2", link("sweep.2"), true},
		{"a link leading outside with an order's name", "orders/sweep.2", link("../../../.."), true},
		{"a folder with an order's name", "orders/sweep.2", folder, true},
		{"a file among submissions", "subs/README", plain, false},
		{"a file with a submission's name", "subs/2", plain, false},
		{"a link loop with a submission's name", "subs/2", link("2"), false},
		{"a folder that looks like a number", "subs/02", folder, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := finished(t)
			if err := s.Give(ActionHold, "", "", "test"); err != nil {
				t.Fatal(err)
			}
			sub, err := s.Submit(0, Intent{Key: "k", Workers: 1})
			if err != nil {
				t.Fatal(err)
			}
			if err := sub.Record(Answer{Accepted: true}); err != nil {
				t.Fatal(err)
			}
			c.make(t, filepath.Join(s.Path(), c.file))
			sn, err := s.Snapshot()
			if err != nil {
				t.Fatal(err)
			}
			if n := Count(sn.Derive()).Done; n != 6 || !sn.Orders.Stops("any") {
				t.Errorf("%d runs are done and orders are %v; want 6 and a hold", n, sn.Orders)
			}
			if f := check(t, s); len(f) != 1 || f[0].File != c.file || f[0].Harm() != c.harm {
				t.Errorf("Check = %v, want one finding about %s with harm %v", f, c.file, c.harm)
			}
			if err := s.Give(ActionGo, "", "", "test"); err != nil {
				t.Error(err)
			}
			if _, err := sn.Refresh(); err != nil || sn.Orders.Stops("any") {
				t.Errorf("after a go: orders %v, %v; want none in force", sn.Orders, err)
			}
			subs, err := s.Submissions()
			if err != nil || len(subs) == 0 || subs[0].Answer == nil || !subs[0].Answer.Accepted {
				t.Fatalf("submissions = %v, %v; want the accepted one among them", subs, err)
			}
			if _, err := s.Submit(subs[len(subs)-1].Number, Intent{Key: "l"}); err != nil {
				t.Errorf("the next submission: %v", err)
			}
		})
	}
}
