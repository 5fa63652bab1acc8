package results

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

// Whoever sees that a number is taken sees what was asked for: a Step that saw
// only the number would ask for the same workers again.
func TestNumberComesWithIntent(t *testing.T) {
	s := newSweep(t, 1, 1, false)
	const n = 50
	done := make(chan error, 1)
	go func() {
		var err error
		for after := range n {
			if _, err = s.Submit(after, Intent{Key: "k" + strconv.Itoa(after), Workers: 1}); err != nil {
				break
			}
		}
		done <- err
	}()
	for over := false; !over; {
		select {
		case err := <-done:
			if err != nil {
				t.Fatal(err)
			}
			over = true
		default:
		}
		subs, err := s.Submissions()
		if err != nil {
			t.Fatal(err)
		}
		for _, sub := range subs {
			if sub.Intent == nil {
				t.Fatalf("submission %d is there without its intent", sub.Number)
			}
		}
		if over && len(subs) != n {
			t.Errorf("%d submissions, want %d", len(subs), n)
		}
	}
}

// A number has one owner, also one that was taken by an earlier version, which
// made the folder first, and whose process died then.
func TestNumberIsTakenOnce(t *testing.T) {
	s := newSweep(t, 1, 1, false)
	if err := os.Mkdir(filepath.Join(s.Path(), "subs/1"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Submit(0, Intent{Key: "a"}); !errors.Is(err, ErrTaken) {
		t.Errorf("Submit = %v, want ErrTaken", err)
	}
	const n = 8
	won := make(chan string, n)
	for i := range n {
		go func() {
			key := "k" + strconv.Itoa(i)
			if _, err := s.Submit(1, Intent{Key: key}); err != nil {
				if !errors.Is(err, ErrTaken) {
					t.Error(err)
				}
				key = ""
			}
			won <- key
		}()
	}
	winner := ""
	for range n {
		if key := <-won; key != "" {
			if winner != "" {
				t.Errorf("%s and %s both have number 2", winner, key)
			}
			winner = key
		}
	}
	subs, err := s.Submissions()
	if err != nil {
		t.Fatal(err)
	}
	if len(subs) != 2 || subs[1].Intent == nil || subs[1].Intent.Key != winner {
		t.Errorf("%d submissions, the second %+v, want that of %s", len(subs), subs[1].Intent, winner)
	}
	if names, err := os.ReadDir(filepath.Join(s.Path(), "subs")); err != nil || len(names) != 2 {
		t.Errorf("subs/ holds %v, %v, want two folders and nothing else", names, err)
	}
}

// What a failed try to write a file left behind is not taken for the file.
func TestSegmentIsWrittenAnew(t *testing.T) {
	s := newSweep(t, 1, 1, false)
	temp, err := makeTemp(s.dir, "plans")
	if err != nil {
		t.Fatal(err)
	}
	h, whole := testHeader(1, false), "name = \"s\"\n"
	h.Changes = []byte("a patch\n")
	for _, name := range []string{sweepFile, changesFile} {
		if err := s.dir.WriteFile(temp+"/"+name, []byte("na"), fileMode); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.writeSegment(temp, h, testRuns(1, 0), []byte(whole)); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{sweepFile: whole, changesFile: "a patch\n"} {
		if got, err := s.dir.ReadFile(temp + "/" + name); string(got) != want {
			t.Errorf("%s = %q, %v, want %q", name, got, err, want)
		}
	}
}
