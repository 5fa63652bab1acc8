package results

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"orch/sweep/override"
)

// newSweep makes a tree with one sweep whose plan has n runs for w workers.
func newSweep(t testing.TB, n, w int, single bool) *Sweep {
	t.Helper()
	tree, err := Create(t.TempDir(), DefaultSettings())
	if err != nil {
		t.Fatal(err)
	}
	s, err := tree.CreateSweep("s")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Publish(testHeader(w, single), testRuns(n, 0), []byte("name = \"s\"\n"), 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close(); tree.Close() })
	return s
}

func testHeader(w int, single bool) Header {
	l := override.MapValue(override.Field{Key: override.StringValue("backend"), Val: override.QuotedValue("pool")})
	return Header{Kind: KindPlan, Bases: []override.Value{override.MapValue(override.Field{Key: override.StringValue("x"), Val: override.IntValue(0)})},
		Groups: []Group{{Key: GroupKey(l), Launcher: l, Workers: w, Single: single}}}
}

func testRuns(n, from int) iter.Seq2[RunSpec, error] {
	return func(yield func(RunSpec, error) bool) {
		for i := from; i < from+n; i++ {
			r := RunSpec{ID: fmt.Sprintf("%024x", i), Name: fmt.Sprintf("%04d-x%d", i, i), Work: true,
				Delta: []override.Field{{Key: override.QuotedValue("x"), Val: override.IntValue(int64(i))}}}
			if !yield(r, nil) {
				return
			}
		}
	}
}

func testKey() string { return testHeader(1, true).Groups[0].Key }

func openBoard(t testing.TB, s *Sweep) *Board {
	t.Helper()
	b, err := s.Board(testKey())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func openJournal(t testing.TB, s *Sweep) *Journal {
	t.Helper()
	j, err := s.OpenJournal(Self())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func mustClaim(t testing.TB, b *Board, j *Journal) *Held {
	t.Helper()
	h, err := b.Claim(func() (*Journal, error) { return j, nil })
	if err != nil {
		t.Fatal(err)
	}
	if h == nil {
		t.Fatal("Claim found nothing open")
	}
	return h
}

// do executes a held run as far as the journal sees it.
func do(t testing.TB, j *Journal, h *Held, r HeldRun, class Class) {
	t.Helper()
	full := genName(h.Block, h.Gen)
	if err := j.Append(Record{Kind: RecordStart, Run: r.Run.ID, Block: full, Folder: r.Attempt}); err != nil {
		t.Fatal(err)
	}
	if class == NoEnd {
		return
	}
	if err := j.Append(Record{Kind: RecordEnd, Run: r.Run.ID, Block: full, Class: class, Metrics: []Metric{{"acc", 0.5}}}); err != nil {
		t.Fatal(err)
	}
}

func counts(t testing.TB, s *Sweep) Counts {
	t.Helper()
	sn, err := s.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if len(sn.Problems) > 0 {
		t.Fatalf("problems: %v", sn.Problems)
	}
	return Count(sn.Derive())
}

func TestOneWorkerFinishesEverything(t *testing.T) {
	s := newSweep(t, 20, 2, false)
	b, j := openBoard(t, s), openJournal(t, s)
	for {
		h, err := b.Claim(func() (*Journal, error) { return j, nil })
		if err != nil {
			t.Fatal(err)
		}
		if h == nil {
			break
		}
		for _, r := range h.Runs {
			do(t, j, h, r, Done)
		}
		if _, err := j.Seal(h.Block, h.Gen, 0); err != nil {
			t.Fatal(err)
		}
	}
	if got := counts(t, s); got.Done != 20 || got.Total != 20 {
		t.Errorf("counts = %+v, want 20 done", got)
	}
	if h, err := openBoard(t, s).Claim(func() (*Journal, error) { return j, nil }); h != nil || err != nil {
		t.Errorf("Claim on a finished sweep = %v, %v, want nothing", h, err)
	}
}

func TestMarkMakesRecordsCount(t *testing.T) {
	s := newSweep(t, 4, 1, false)
	b, j := openBoard(t, s), openJournal(t, s)
	h := mustClaim(t, b, j)
	do(t, j, h, h.Runs[0], Done)
	if got := counts(t, s); got.Done != 0 || got.Running != 1 {
		t.Errorf("before the mark: %+v, want 0 done, 1 running", got)
	}
	if fenced, err := j.Mark(); err != nil || fenced != nil {
		t.Fatalf("Mark = %v, %v", fenced, err)
	}
	if got := counts(t, s); got.Done != 1 {
		t.Errorf("after the mark: %+v, want 1 done", got)
	}
}

// A taker adopts what no mark covers, and the zombie's later records count nowhere.
func TestTakeover(t *testing.T) {
	s := newSweep(t, 4, 1, false) // blocks of 2, 1, 1
	b, zombie := openBoard(t, s), openJournal(t, s)
	h := mustClaim(t, b, zombie)
	if len(h.Runs) != 2 {
		t.Fatalf("first block has %d runs, want 2", len(h.Runs))
	}
	do(t, zombie, h, h.Runs[0], Done) // unmarked
	c, err := s.ReadClaim(h.Block, h.Gen)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Fence(h.Block, h.Gen, "test"); err != nil {
		t.Fatal(err)
	}
	seal, err := s.SealDead(c, "test", Lost)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(seal.Journals); n != 1 || len(seal.Journals[0].Tail) != 2 {
		t.Fatalf("seal = %+v, want one journal with a tail of start and end", seal)
	}
	do(t, zombie, h, h.Runs[1], Done) // too late
	if fenced, err := zombie.Mark(); err != nil || !slices.Equal(fenced, []string{genName(h.Block, h.Gen)}) {
		t.Errorf("zombie's Mark = %v, %v, want its generation fenced", fenced, err)
	}
	if err := zombie.Append(Record{Kind: RecordBeat, Block: genName(h.Block, h.Gen)}); !errors.Is(err, ErrFenced) {
		t.Errorf("Append after the fence = %v, want ErrFenced", err)
	}
	if winner, err := zombie.Seal(h.Block, h.Gen, 0); err != nil || winner.Self {
		t.Errorf("zombie's Seal = %+v, %v, want the taker's seal", winner, err)
	}
	if got := counts(t, s); got.Done != 1 {
		t.Errorf("counts = %+v, want 1 done", got)
	}
	b2, j2 := openBoard(t, s), openJournal(t, s)
	h2 := mustClaim(t, b2, j2)
	if h2.Block != h.Block || h2.Gen != 1 || len(h2.Runs) != 1 || h2.Runs[0].Run.ID != h.Runs[1].Run.ID || h2.Runs[0].Attempt != "a1" {
		t.Errorf("next claim = %+v, want generation 1 with exactly the other run", h2)
	}
}

func TestCleanLeaveReopensTheRest(t *testing.T) {
	s := newSweep(t, 8, 1, false) // first block has 4 runs
	b, j := openBoard(t, s), openJournal(t, s)
	h := mustClaim(t, b, j)
	do(t, j, h, h.Runs[0], Done)
	full := genName(h.Block, h.Gen)
	do(t, j, h, h.Runs[1], NoEnd)
	if err := j.Append(Record{Kind: RecordCheckpoint, Run: h.Runs[1].Run.ID, Block: full, Step: 7, File: "last"}); err != nil {
		t.Fatal(err)
	}
	if err := j.Append(Record{Kind: RecordEnd, Run: h.Runs[1].Run.ID, Block: full, Class: Preempted}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Seal(h.Block, h.Gen, 3); err != nil {
		t.Fatal(err)
	}
	h2 := mustClaim(t, openBoard(t, s), openJournal(t, s))
	if h2.Gen != 1 || len(h2.Runs) != 3 {
		t.Fatalf("next generation = %+v, want 3 runs", h2)
	}
	if r := h2.Runs[0]; r.Lost != 0 || r.Resume != s.AttemptPath(h.Runs[1].Run.Name, "a0") {
		t.Errorf("preempted run: lost %d, resume %q; want no loss, since it has a checkpoint", r.Lost, r.Resume)
	}
	if got := counts(t, s); got.Done != 1 || got.Queued != 7 {
		t.Errorf("counts = %+v, want 1 done and 7 queued", got)
	}
}

// A run that is longer than its allocations goes on as long as each brings it
// further; attempts that bring nothing count as lost.
func TestLostCountsOnlyAttemptsWithoutProgress(t *testing.T) {
	s := newSweep(t, 1, 1, true)
	for gen, x := range []struct {
		step int64 // of its checkpoint; -1: none
		lost int   // seen by the next attempt
	}{{7, 0}, {9, 0}, {-1, 1}, {9, 2}, {-1, 3}, {12, 0}, {-1, 1}} {
		j := openJournal(t, s)
		h := mustClaim(t, openBoard(t, s), j)
		do(t, j, h, h.Runs[0], NoEnd)
		full := genName(h.Block, h.Gen)
		if x.step >= 0 {
			if err := j.Append(Record{Kind: RecordCheckpoint, Run: h.Runs[0].Run.ID, Block: full, Step: x.step, File: "last"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Append(Record{Kind: RecordEnd, Run: h.Runs[0].Run.ID, Block: full, Class: Preempted}); err != nil {
			t.Fatal(err)
		}
		if _, err := j.Seal(h.Block, h.Gen, 1); err != nil {
			t.Fatal(err)
		}
		b := openBoard(t, s)
		_, runs, _, err := b.open(b.blocks[0])
		if err != nil || len(runs) != 1 || runs[0].Lost != x.lost {
			t.Errorf("after attempt %d: %+v, %v; want 1 run with %d lost", gen, runs, err, x.lost)
		}
	}
}

func TestPublishIsFirstWriterWins(t *testing.T) {
	s := newSweep(t, 2, 1, true)
	if _, err := s.Publish(testHeader(1, true), testRuns(1, 9), nil, 0); !errors.Is(err, ErrChanged) {
		t.Errorf("Publish on an old view = %v, want ErrChanged", err)
	}
	if n, err := s.Publish(testHeader(1, true), testRuns(3, 1), nil, 1); n != 2 || err != nil {
		t.Errorf("Publish = %d, %v, want 2", n, err)
	}
	c := counts(t, s)
	if c.Total != 3 || c.Unplanned != 1 {
		t.Errorf("counts = %+v, want 3 planned and 1 unplanned", c)
	}
	names, _ := os.ReadDir(filepath.Join(s.Path(), "plans"))
	if len(names) != 2 {
		t.Errorf("plans/ holds %d names, want 2: no temporary folder may stay", len(names))
	}
}

func TestOrdersHoldAndGo(t *testing.T) {
	s := newSweep(t, 2, 1, true)
	id := fmt.Sprintf("%024x", 0)
	for _, step := range []struct {
		action Action
		want   RunStateName
	}{{ActionGo, StateQueued}, {ActionHold, StateHeld}, {ActionHold, StateHeld}, {ActionCancel, StateCancelled}, {ActionGo, StateQueued}, {ActionHold, StateHeld}} {
		if err := s.Give(step.action, id, "test", "me"); err != nil {
			t.Fatal(err)
		}
		sn, err := s.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		if got := sn.Derive()[0].State; got != step.want {
			t.Errorf("after %s: state %s, want %s", step.action, got, step.want)
		}
	}
}

func TestBlockSizes(t *testing.T) {
	for _, c := range []struct {
		n, w   int
		single bool
		want   []int
	}{
		{0, 4, false, nil},
		{3, 2, true, []int{1, 1, 1}},
		{16, 2, false, []int{4, 4, 2, 2, 1, 1, 1, 1}},
		{5, 0, false, []int{3, 1, 1}},
	} {
		if got := blockSizes(c.n, c.w, c.single); !slices.Equal(got, c.want) {
			t.Errorf("blockSizes(%d, %d, %v) = %v, want %v", c.n, c.w, c.single, got, c.want)
		}
	}
}

func TestRecordRoundTrip(t *testing.T) {
	for _, want := range []Record{
		{Kind: RecordStart, Time: 5, Run: "r", Block: "1-0-0.0", Folder: "a0"},
		{Kind: RecordCheckpoint, Run: "r", Block: "1-0-0.0", Step: 12, File: "last.ckpt"},
		{Kind: RecordEnd, Run: "r", Block: "1-0-0.0", Class: OutOfMemory, GiveUp: true, Seconds: 1.5, Exit: -1, Signal: "SIGKILL",
			Message: "a \"quoted\"\nline \x01 é", Metrics: []Metric{{"a b", 1e-300}, {"n", 3}}, CPU: 0.25, MaxRSS: 1 << 40},
		{Kind: RecordMark, Offset: 1 << 40, Blocks: []string{"1-0-0.0", "1-0-1.3"}},
		{Kind: RecordBeat, Time: 9},
	} {
		line := want.appendLine(nil)
		body, ok := checkLine(line[:len(line)-1])
		if !ok {
			t.Fatalf("checkLine(%s) says damaged", line)
		}
		got, err := parseRecord(body)
		if err != nil {
			t.Fatalf("parseRecord(%s): %v", line, err)
		}
		if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
			t.Errorf("round trip:\n got %+v\nwant %+v", got, want)
		}
		for i := range line[:len(line)-1] { // any flipped byte is noticed
			bad := slices.Clone(line[:len(line)-1])
			bad[i] ^= 0x20
			if _, ok := checkLine(bad); ok {
				t.Fatalf("checkLine accepts %s", bad)
			}
		}
	}
}

// A seal must not call a block finished while an order or a plan keeps some of
// its runs back: the order may be undone.
func TestStoppedRunsAreLeft(t *testing.T) {
	for _, c := range []struct {
		name       string
		stop, free func(t *testing.T, s *Sweep)
	}{
		{"hold", func(t *testing.T, s *Sweep) { give(t, s, ActionHold) }, func(t *testing.T, s *Sweep) { give(t, s, ActionGo) }},
		{"plan", func(t *testing.T, s *Sweep) { publish(t, s, 1, 1, 1) }, func(t *testing.T, s *Sweep) { publish(t, s, 2, 0, 2) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSweep(t, 4, 1, false) // blocks of 2, 1, 1
			c.stop(t, s)
			b, j := openBoard(t, s), openJournal(t, s)
			h := mustClaim(t, b, j)
			if len(h.Runs) != 1 || h.Skipped != 1 {
				t.Fatalf("claimed %d runs, %d skipped, want 1 and 1", len(h.Runs), h.Skipped)
			}
			do(t, j, h, h.Runs[0], Done)
			if _, err := j.Seal(h.Block, h.Gen, h.Skipped); err != nil {
				t.Fatal(err)
			}
			c.free(t, s)
			if h := mustClaim(t, openBoard(t, s), j); h.Block != "1-0-0" || h.Gen != 1 || len(h.Runs) != 1 || h.Runs[0].Run.ID != fmt.Sprintf("%024x", 0) {
				t.Errorf("claimed %+v after the run was let go, want it in generation 1", h)
			}
		})
	}
}

func give(t *testing.T, s *Sweep, a Action) {
	t.Helper()
	if err := s.Give(a, fmt.Sprintf("%024x", 0), "test", "test"); err != nil {
		t.Fatal(err)
	}
}

// publish makes the runs from..from+n-1 the plan; none of them is work again.
func publish(t *testing.T, s *Sweep, after, from, n int) {
	t.Helper()
	_, err := s.Publish(testHeader(1, false), func(yield func(RunSpec, error) bool) {
		for r, err := range testRuns(n, from) {
			r.Work = false
			if !yield(r, err) {
				return
			}
		}
	}, nil, after)
	if err != nil {
		t.Fatal(err)
	}
}
