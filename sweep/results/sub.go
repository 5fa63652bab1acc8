package results

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"orch/sweep/override"
)

// Submission is one request to a launcher: a folder subs/<n>, which gets its
// number with the intent in it, so that two Steps at once cannot both top up: who
// sees the number sees what was asked for.
type Submission struct {
	Number int
	Intent *Intent // nil: damaged, or of an earlier version, whose Step died before it wrote what it wanted
	Answer *Answer // nil: not known yet
	// Damaged says that the intent cannot be read, which counts as if there were
	// none, or that the answer cannot, which counts as a refusal: if its workers
	// exist, their launcher knows them.
	Damaged error
	foreign bool // it is no folder: nobody asked for anything with it
	sweep   *Sweep
	in      string // the folder that the number was taken in
}

// The folders of submissions: those that ask for workers, and those that ask
// for a job which makes a Step when the workers have ended, and at last the
// report. They are numbered apart, since only the first are a Step's business.
const (
	subsFolder      = "subs"
	followersFolder = "followers"

	intentFile = "intent.json"
)

// Intent is what a Step is about to ask of a launcher; written before it asks.
type Intent struct {
	Format   int            `json:"v"`
	Key      string         `json:"key"`   // unique name of the job: how it is found again
	Group    string         `json:"group"` // Group.Key of the request
	Backend  string         `json:"backend"`
	Launcher override.Value `json:"launcher"`
	Workers  int            `json:"workers"`
	Argv     []string       `json:"argv"`
	Avoid    []string       `json:"avoid,omitempty"`  // nodes left out, since workers failed there
	Halved   int            `json:"halved,omitempty"` // how many requests for twice as many were just turned down
	Epoch    int            `json:"epoch,omitempty"`  // orders about the whole sweep there were then
	Env      []string       `json:"env,omitempty"`    // NAME=value: what workers are to inherit; of a request that a person made
	By       Holder         `json:"by"`
	Time     time.Time      `json:"time"`
}

// Answer is what became of an intent.
type Answer struct {
	Format   int       `json:"v"`
	Accepted bool      `json:"accepted"`
	Limited  bool      `json:"limited,omitempty"` // not accepted for now: a later request may be
	Refused  bool      `json:"refused,omitempty"` // not accepted for good: the same request never will be
	Job      string    `json:"job,omitempty"`
	How      string    `json:"how"` // "submit", or how it was found out later
	Reason   string    `json:"reason,omitempty"`
	Time     time.Time `json:"time"`
}

// Submissions returns the sweep's submissions in order.
func (s *Sweep) Submissions() ([]*Submission, error) { return s.submissions(subsFolder) }

// Followers returns the submissions of jobs that follow the workers, in order.
// Of several that live the last goes on, and the others leave.
func (s *Sweep) Followers() ([]*Submission, error) {
	subs, err := s.submissions(followersFolder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return subs, err
}

func (s *Sweep) submissions(folder string) ([]*Submission, error) {
	names, err := list(s.dir, folder)
	if err != nil {
		return nil, fmt.Errorf("list submissions: %w", err)
	}
	var subs []*Submission
	for _, n := range names {
		i, ok := subNumber(n)
		if !ok {
			continue
		}
		sub := &Submission{Number: i, sweep: s, in: folder}
		intent, answer := new(Intent), new(Answer)
		var damaged *DamagedError
		switch err := s.readSub(folder+"/"+n, intentFile, intent); {
		case err == nil:
			sub.Intent = intent
		case errors.As(err, &damaged):
			sub.Damaged = err
		case errors.Is(err, fs.ErrNotExist):
		case s.foreignSub(folder + "/" + n): // its number is taken all the same
			sub.Damaged, sub.foreign = &DamagedError{folder + "/" + n, foreign}, true
			sub.Answer = &Answer{How: "damaged", Reason: foreign} // and no workers of it exist
			subs = append(subs, sub)
			continue
		default: // what may have been asked for must not be asked for again
			return nil, err
		}
		switch err := s.readSub(folder+"/"+n, "answer.json", answer); {
		case err == nil:
			sub.Answer = answer
		case errors.As(err, &damaged):
			sub.Damaged, sub.Answer = err, &Answer{How: "damaged", Reason: err.Error()}
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		}
		subs = append(subs, sub)
	}
	slices.SortFunc(subs, func(a, b *Submission) int { return a.Number - b.Number })
	return subs, nil
}

// subNumber returns the number of a submission's folder.
func subNumber(name string) (n int, ok bool) {
	n, err := strconv.Atoi(name)
	return n, err == nil && n > 0 && strconv.Itoa(n) == name
}

// foreignSub reports whether what has a submission's name is no folder: Steps
// make nothing else.
func (s *Sweep) foreignSub(name string) bool {
	st, err := s.dir.Lstat(name)
	return err == nil && !st.IsDir()
}

func (s *Sweep) readSub(folder, file string, v any) error {
	return decodeWhole(s.dir, folder+"/"+file, v)
}

// ErrTaken says that another Step took the submission number first.
var ErrTaken = errors.New("another process is submitting for this sweep right now")

// Submit takes the submission number after the newest one that the caller saw,
// with the intent. ErrTaken means that someone else decided at the same
// time: the caller looks again.
func (s *Sweep) Submit(after int, in Intent) (*Submission, error) {
	return s.submit(subsFolder, after, in)
}

// Follow is Submit for a job that follows the workers.
func (s *Sweep) Follow(after int, in Intent) (*Submission, error) {
	if err := s.dir.Mkdir(followersFolder, dirMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("take submission number: %w", err)
	}
	return s.submit(followersFolder, after, in)
}

func (s *Sweep) submit(in string, after int, intent Intent) (*Submission, error) {
	number := after + 1
	folder := in + "/" + strconv.Itoa(number)
	if _, err := s.dir.Stat(folder); err == nil {
		return nil, ErrTaken
	}
	intent.Format, intent.Time = Format, time.Now().UTC()
	b, err := encodeWhole(intent)
	if err != nil {
		return nil, err
	}
	won, err := s.take(in, folder, b)
	switch {
	case err != nil:
		return nil, fmt.Errorf("take submission number %d: %w", number, err)
	case !won:
		return nil, ErrTaken
	}
	return &Submission{Number: number, Intent: &intent, sweep: s, in: in}, nil
}

// take gives a folder with an intent in it its name. rename() onto a folder that
// is not empty fails, so the first writer wins.
func (s *Sweep) take(in, folder string, intent []byte) (won bool, err error) {
	temp, err := makeTemp(s.dir, in)
	if err != nil {
		return false, err
	}
	if err = writeOwn(s.dir, temp+"/"+intentFile, intent); err == nil {
		err = syncDir(s.dir, temp)
	}
	if err == nil {
		if err = s.dir.Rename(temp, folder); err == nil {
			return true, syncDir(s.dir, in)
		}
		var there []byte
		rerr := Again(func() (err error) {
			there, err = s.dir.ReadFile(folder + "/" + intentFile)
			return err
		})
		switch {
		case rerr == nil && bytes.Equal(there, intent): // ours: the reply was lost
			return true, syncDir(s.dir, in)
		case rerr == nil:
			err = nil
		}
	}
	s.dir.RemoveAll(temp)
	return false, err
}

// Dir returns the submission's absolute folder, for the job's script and logs.
func (sub *Submission) Dir() string {
	return sub.sweep.Path() + "/" + sub.in + "/" + strconv.Itoa(sub.Number)
}

// Record publishes what became of the intent; the first answer stays.
func (sub *Submission) Record(a Answer) error {
	a.Format, a.Time = Format, time.Now().UTC()
	b, err := encodeWhole(a)
	if err != nil {
		return err
	}
	folder := sub.in + "/" + strconv.Itoa(sub.Number)
	won, err := putNew(sub.sweep.dir, folder+"/answer.json", b)
	if err != nil {
		return fmt.Errorf("record answer: %w", err)
	}
	if won {
		sub.Answer = &a
		return nil
	}
	sub.Answer = new(Answer)
	return decodeWhole(sub.sweep.dir, folder+"/answer.json", sub.Answer)
}
