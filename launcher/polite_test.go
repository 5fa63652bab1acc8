package launcher

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// slow is a machine whose answers take time on a clock that the test sets.
type slow struct {
	now   time.Time
	takes time.Duration
	err   error
	list  []Worker
	asked int

	meanwhile func() // before it answers
}

func (s *slow) clock() time.Time { return s.now }
func (s *slow) Jobs(context.Context) ([]Worker, error) {
	s.asked++
	list := s.list
	s.now = s.now.Add(s.takes)
	if s.meanwhile != nil {
		s.meanwhile()
	}
	return list, s.err
}
func (s *slow) Submit(_ context.Context, r Request) (string, error) { return "7", s.err }
func (s *slow) Cancel(context.Context, ...string) error             { return nil }

// process is a launcher of a new process, which knows what the file says.
func (s *slow) process(file string) *Polite {
	m := NewMemory(file)
	m.now = s.clock
	return Politely(s, m)
}

// jobs asks as a Step does, and returns how many workers it is told of.
func jobs(t *testing.T, p *Polite) int {
	t.Helper()
	list, err := p.Jobs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// What is asked ahead of a Step is not asked again, whether there is an answer,
// none, or no time to wait for it.
func TestPoliteAhead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "slurm.json")
	s := &slow{now: time.Unix(1e9, 0), list: []Worker{{Job: "1", Key: "a", State: Running}}}
	p := s.process(file)
	p.Ahead(t.Context())
	p.Reset()
	if n := jobs(t, p); n != 1 || s.asked != 1 {
		t.Errorf("told of %d workers after %d questions, want 1 after 1", n, s.asked)
	}

	s.now, s.err = s.now.Add(time.Hour), errors.New("no controller")
	p.Ahead(t.Context())
	p.Reset()
	if _, err := p.Jobs(t.Context()); err != s.err || s.asked != 2 {
		t.Errorf("err = %v after %d questions, want %v after 2", err, s.asked, s.err)
	}
	var not *NotAskedError
	if _, err := p.Jobs(t.Context()); !errors.As(err, &not) || s.asked != 2 {
		t.Errorf("the second Step: err = %v after %d questions, want a %T and 2", err, s.asked, not)
	}
	s.err = nil
	p.Reset() // somebody tries again
	if n := jobs(t, p); n != 1 || s.asked != 3 {
		t.Errorf("told of %d workers after %d questions, want 1 after 3", n, s.asked)
	}

	s.now = s.now.Add(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	s.meanwhile = cancel
	s.err = context.Canceled
	<-p.Ahead(ctx)
	s.meanwhile, s.err = nil, nil
	if n := jobs(t, p); n != 1 || s.asked != 5 {
		t.Errorf("told of %d workers after %d questions, want 1 after 5", n, s.asked)
	}
}

// All processes of a user together ask twice a minute, however many Steps of
// however many sweeps they make.
func TestPoliteTwiceAMinute(t *testing.T) {
	s := &slow{now: time.Unix(1e9, 0), list: []Worker{{Job: "1", Key: "a", State: Running}}}
	file := filepath.Join(t.TempDir(), "cache", "slurm.json")
	daemon := s.process(file)
	const minutes = 10
	for range minutes * 60 {
		for range 3 { // sweeps
			if n := jobs(t, daemon); n != 1 {
				t.Fatalf("told of %d workers, want 1", n)
			}
		}
		if s.now.Unix()%60 == 0 {
			if n := jobs(t, s.process(file)); n != 1 { // cron
				t.Fatalf("cron is told of %d workers, want 1", n)
			}
		}
		s.now = s.now.Add(time.Second)
	}
	if s.asked > 2*minutes {
		t.Errorf("asked %d times in %d minutes, want at most %d", s.asked, minutes, 2*minutes)
	}
	if n := daemon.Memory().Recent(time.Hour); n != s.asked {
		t.Errorf("Recent = %d, want %d", n, s.asked)
	}
}

// A machine that is slow or silent is asked half as often each time, down to
// every five minutes; one good answer, and it is as before. The next process
// knows.
func TestPoliteBacksOff(t *testing.T) {
	for _, x := range []struct {
		name  string
		takes time.Duration
		err   error
	}{{"slow", 6 * time.Second, nil}, {"silent", 0, errors.New("Unable to contact slurm controller")}} {
		s := &slow{now: time.Unix(1e9, 0), takes: x.takes, err: x.err}
		file := filepath.Join(t.TempDir(), "slurm.json")
		var waits []time.Duration
		last := s.now
		said := map[string]bool{} // who watches says each text once
		for range 2000 {
			before := s.asked
			_, err := s.process(file).Jobs(t.Context())
			if s.asked > before {
				waits = append(waits, s.now.Sub(last))
				last = s.now
			} else if x.err != nil {
				var e *NotAskedError
				if !errors.As(err, &e) || !e.Again.After(s.now) {
					t.Fatalf("%s: not asked: %v, want NotAskedError", x.name, err)
				}
				said[err.Error()] = true
			}
			s.now = s.now.Add(time.Second)
		}
		if len(said) > len(waits) {
			t.Errorf("%s: %d different texts for %d questions", x.name, len(said), len(waits))
		}
		for i, w := range []time.Duration{1, 2, 4, 8} {
			if got, want := waits[i+1], min(w*60*time.Second, politeMost); got < want || got > want+10*time.Second {
				t.Errorf("%s: wait %d is %v, want %v", x.name, i+1, got, want)
			}
		}
		s.takes, s.err = 0, nil
		s.now = s.now.Add(politeMost)
		p := s.process(file)
		jobs(t, p)
		s.now = s.now.Add(politeEvery)
		before := s.asked
		if jobs(t, p); s.asked != before+1 {
			t.Errorf("%s: after a good answer the next is not asked for in time", x.name)
		}
	}
}

// What was submitted since the last answer is known without asking, to other
// processes too; an outcome that nobody knows makes the next one ask.
func TestPoliteKnowsWhatItSubmitted(t *testing.T) {
	s := &slow{now: time.Unix(1e9, 0)}
	file := filepath.Join(t.TempDir(), "slurm.json")
	p := s.process(file)
	jobs(t, p)
	s.now = s.now.Add(time.Second)
	if _, err := p.Submit(t.Context(), Request{Key: "orch-x", Workers: 3}); err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(time.Second)
	if n := jobs(t, s.process(file)); n != 3 || s.asked != 1 {
		t.Errorf("another process is told of %d workers after %d questions, want 3 after 1", n, s.asked)
	}
	s.err = errors.New("Socket timed out")
	p.Submit(t.Context(), Request{Key: "orch-y", Workers: 1})
	s.err, s.list = nil, []Worker{{Key: "orch-x"}, {Key: "orch-y"}}
	if n := jobs(t, s.process(file)); n != 2 || s.asked != 2 {
		t.Errorf("after an unknown outcome: %d workers after %d questions, want 2 after 2", n, s.asked)
	}
}

// What other processes write down while a question is out is not lost.
func TestPoliteKnowsWhatOthersSubmitMeanwhile(t *testing.T) {
	s := &slow{now: time.Unix(1e9, 0), takes: time.Second}
	file := filepath.Join(t.TempDir(), "slurm.json")
	p, other := s.process(file), s.process(file)
	s.meanwhile = func() {
		if _, err := other.Submit(t.Context(), Request{Key: "orch-x", Workers: 3}); err != nil {
			t.Error(err)
		}
	}
	if n := jobs(t, p); n != 3 {
		t.Errorf("told of %d workers, want the 3 that were submitted meanwhile", n)
	}
	if n := jobs(t, s.process(file)); n != 3 || s.asked != 1 {
		t.Errorf("the next process is told of %d workers after %d questions, want 3 after 1", n, s.asked)
	}
	if n := p.Memory().Recent(time.Minute); n != 2 {
		t.Errorf("%d calls are remembered, want 2", n)
	}

	// The other has asked meanwhile, too: the newer answer stays.
	s.now = s.now.Add(time.Minute)
	s.meanwhile = func() {
		s.meanwhile = nil
		s.list = []Worker{{Key: "orch-x"}, {Key: "orch-y"}}
		jobs(t, other)
		s.list = nil
	}
	if n := jobs(t, p); n != 2 {
		t.Errorf("told of %d workers, want the 2 of the newer answer", n)
	}
}

// An answer from the future, since the clock was set back, is none.
func TestPoliteClockSetBack(t *testing.T) {
	s := &slow{now: time.Unix(1e9, 0)}
	p := s.process(filepath.Join(t.TempDir(), "slurm.json"))
	jobs(t, p)
	s.now, s.list = s.now.Add(-time.Hour), []Worker{{Key: "orch-x"}}
	if n := jobs(t, p); n != 1 {
		t.Errorf("told of %d workers, want the 1 there is", n)
	}
}

// There is a small allowance for questions out of turn, which fills up again.
func TestPoliteAllowance(t *testing.T) {
	s := &slow{now: time.Unix(1e9, 0)}
	p := s.process(filepath.Join(t.TempDir(), "slurm.json"))
	for range 100 {
		s.now = s.now.Add(100 * time.Millisecond)
		if _, err := p.Now(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
	}
	if s.asked < politeAllowance || s.asked > politeAllowance+1 {
		t.Errorf("asked %d times in 10 s, want the allowance of %d", s.asked, politeAllowance)
	}
	s.now = s.now.Add(10 * time.Minute)
	before := s.asked
	if p.Now(t.Context(), 0); s.asked != before+1 {
		t.Error("the allowance does not fill up")
	}
}

// What waits takes next to no room, and comes back as it was.
func TestWorkerListComesBack(t *testing.T) {
	var l workerList
	for i := range 10_000 {
		l = append(l, Worker{Job: "7", Key: "k", Index: i, State: Pending, Reason: "Priority"})
	}
	l[5000].State, l[5000].Host, l[5000].Reason = Running, "n1", ""
	l = append(l, Worker{Job: "8", Key: "k2", Index: 3, State: Ended, End: End{Cause: Exited, Code: 7}}, Worker{Job: "8", Key: "k2", Index: 2, State: Running, PID: 5})
	b, err := json.Marshal(l)
	if err != nil || len(b) > 2000 {
		t.Errorf("%d bytes, %v; want a few hundred", len(b), err)
	}
	var back workerList
	if err := json.Unmarshal(b, &back); err != nil || !slices.Equal(back, l) {
		t.Errorf("%d workers came back of %d, %v", len(back), len(l), err)
	}
	for _, bad := range []string{`[{"n":0}]`, `[{"n":-1}]`, `[{"n":9000000000}]`, `[{"n":1048576},{"n":1}]`} {
		if err := json.Unmarshal([]byte(bad), &back); err == nil {
			t.Errorf("%s is taken for %d workers", bad, len(back))
		}
	}
}
