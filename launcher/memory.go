package launcher

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Memory is what the processes of a user on one host remember together of a
// machine, in a file. It is a cache: whoever cannot read or write it asks.
type Memory struct {
	file string
	now  func() time.Time

	mu    sync.Mutex
	info  os.FileInfo // of the file that s came from
	s     remembered
	ahead *early // the question of Ahead, until its answer is used
}

type early struct{ err error }

type remembered struct {
	Version int           `json:"v"`
	Asked   time.Time     `json:"asked"`   // when the list was asked for; zero: there is none
	Tried   time.Time     `json:"tried"`   // when the machine was last asked for a list
	Every   time.Duration `json:"every"`   // wait between two questions, longer after trouble
	Trouble string        `json:"trouble"` // why the last question had no answer
	Spare   float64       `json:"spare"`   // allowance left at Tried
	Calls   []time.Time   `json:"calls"`   // the newest questions of any kind
	Workers workerList    `json:"workers"`
	Added   []added       `json:"added"` // submitted since Asked
}

type added struct {
	At      time.Time  `json:"at"`
	Workers workerList `json:"workers"`
}

const memoryVersion = 2

// workerList is written as stretches of workers that differ in their index only:
// ten thousand tasks of an array that waits are one.
type workerList []Worker

type stretch struct {
	Worker
	N int `json:"n"` // workers, of which the index counts up
}

// stretchMost bounds what a damaged file can ask for.
const stretchMost = 1 << 20

// MarshalJSON implements [json.Marshaler].
func (l workerList) MarshalJSON() ([]byte, error) {
	list := []stretch{}
	for _, w := range l {
		if n := len(list); n > 0 {
			next := list[n-1].Worker
			if next.Index += list[n-1].N; next == w {
				list[n-1].N++
				continue
			}
		}
		list = append(list, stretch{w, 1})
	}
	return json.Marshal(list)
}

// UnmarshalJSON implements [json.Unmarshaler].
func (l *workerList) UnmarshalJSON(b []byte) error {
	var list []stretch
	if err := json.Unmarshal(b, &list); err != nil {
		return err
	}
	*l = nil
	for _, s := range list {
		if s.N < 1 || s.N > stretchMost-len(*l) {
			return fmt.Errorf("a stretch of %d workers", s.N)
		}
		for range s.N {
			*l = append(*l, s.Worker)
			s.Index++
		}
	}
	return nil
}

// NewMemory returns the memory that is kept in a file, whose folder is made when
// needed. Without a file only this process remembers.
func NewMemory(file string) *Memory {
	return &Memory{file: file, now: time.Now, s: remembered{Version: memoryVersion, Every: politeEvery, Spare: politeAllowance}}
}

// forget makes the next Jobs ask.
func (m *Memory) forget() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	m.called(m.now())
	m.s.Asked = time.Time{}
	m.save()
}

// Recent returns how many calls to the machine the processes of this user on
// this host have made in a stretch of time until now, of which not more than
// the last 64 are known.
func (m *Memory) Recent(stretch time.Duration) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.load()
	n := 0
	for _, t := range m.s.Calls {
		if age := m.now().Sub(t); age >= 0 && age < stretch {
			n++
		}
	}
	return n
}

func (m *Memory) called(now time.Time) {
	m.s.Calls = append(m.s.Calls, now)
	if n := len(m.s.Calls); n > politeCalls {
		m.s.Calls = slices.Delete(m.s.Calls, 0, n-politeCalls)
	}
}

// load takes over what another process has written. Every save makes a new
// file, so whether it is the one that is known already can be told without
// reading it.
func (m *Memory) load() {
	if m.file == "" {
		return
	}
	info, err := os.Stat(m.file)
	switch {
	case errors.Is(err, fs.ErrNotExist) && m.info != nil: // deleted: nothing is known
		m.info, m.s = nil, remembered{Version: memoryVersion, Every: politeEvery, Spare: politeAllowance}
		return
	case err != nil || m.info != nil && os.SameFile(info, m.info) && info.ModTime().Equal(m.info.ModTime()), info.Size() > politeMaxBytes:
		return
	}
	b, err := os.ReadFile(m.file)
	var s remembered
	if err != nil || json.Unmarshal(b, &s) != nil || s.Version != memoryVersion ||
		s.Every < politeEvery || s.Every > politeMost || math.IsNaN(s.Spare) {
		return
	}
	m.info, m.s = info, s
}

// save is for politeness only: if it fails, others ask for themselves.
func (m *Memory) save() {
	if m.file == "" {
		return
	}
	b, err := json.Marshal(m.s)
	if err != nil || len(b) > politeMaxBytes || os.MkdirAll(filepath.Dir(m.file), 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(filepath.Dir(m.file), ".tmp-*") // mode 0600
	if err != nil {
		return
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), m.file)
	}
	if err != nil {
		os.Remove(f.Name())
		return
	}
	m.info, _ = os.Stat(m.file)
}
