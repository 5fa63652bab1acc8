package pool

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"orch/launcher"
)

// format is the version of the record files.
const format = 1

// Names in the state folder.
const (
	jobSuffix    = ".job"
	cancelSuffix = ".cancel"
	closedSuffix = ".closed"
	tempPrefix   = ".t-"
)

// keep is how long records of ended jobs stay.
const keep = 7 * 24 * time.Hour

// origin is where a process lives: the place in which its pid means something.
type origin struct {
	Host    string `json:"host"`
	Machine string `json:"machine,omitempty"` // /etc/machine-id; tells apart hosts of one name
	Boot    string `json:"boot,omitempty"`    // the kernel's boot ID
	PIDs    string `json:"pidns,omitempty"`   // the namespace of pids: containers share host and boot
}

// record is what the state folder says of a job.
type record struct {
	intent
	workers []recorded
	left    bool  // the starter has stopped watching its workers
	closed  bool  // someone searched, and nothing of it is left
	cancel  bool  // someone asked for its end
	bad     error // it cannot be understood
}

// intent is the first line of a record.
type intent struct {
	Format  int    `json:"v"`
	Kind    string `json:"kind"`
	Key     string `json:"key"`
	ID      string `json:"id"`
	Nonce   string `json:"nonce"` // value of envNonce in the job's processes
	Workers int    `json:"workers"`
	Detach  bool   `json:"detach,omitempty"`
	origin
	PID   int    `json:"pid"` // of the starter
	Start string `json:"start,omitempty"`
}

// recorded is what is on record of one worker. pid is 0 before its start.
type recorded struct {
	pid    int
	start  string
	gpus   []string
	ended  bool
	end    launcher.End
	reason string
}

// entry is any further line.
type entry struct {
	Index  int      `json:"i"`
	PID    int      `json:"pid,omitempty"`
	Start  string   `json:"start,omitempty"`
	GPUs   []string `json:"gpus,omitempty"`
	End    string   `json:"end,omitempty"` // launcher.Cause
	Code   int      `json:"code,omitempty"`
	Signal string   `json:"signal,omitempty"`
	Reason string   `json:"reason,omitempty"`
	Proof  bool     `json:"proof,omitempty"`
	Left   bool     `json:"left,omitempty"`
}

func (r record) key() string { return r.intent.Key }

// over says that no process of the job can be left.
func (r record) over() bool {
	return r.closed || !slices.ContainsFunc(r.workers, func(w recorded) bool { return !w.ended })
}

func line(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers only
	}
	return append(b, '\n')
}

func startLine(i, pid int, start string, gpus []string) []byte {
	return line(entry{Index: i, PID: pid, Start: start, GPUs: gpus})
}

func endLine(w launcher.Worker) []byte {
	return line(entry{Index: w.Index, End: w.End.Cause.String(), Code: w.End.Code, Signal: w.End.Signal, Reason: w.Reason, Proof: w.End.Proof})
}

func leftLine() []byte { return line(entry{Left: true}) }

func (p *Pool) path(key, suffix string) string { return filepath.Join(p.opt.StateDir, key+suffix) }

// writeIntent publishes the first line of j's record, whole and synced, before
// any process of it starts. All its errors mean that nothing was started.
func (p *Pool) writeIntent(j *job) error {
	if p.opt.StateDir == "" {
		return nil
	}
	pid := os.Getpid()
	err := publish(p.opt.StateDir, j.req.Key+jobSuffix, line(intent{
		Format: format, Kind: "job", Key: j.req.Key, ID: j.req.Key, Nonce: j.nonce, Workers: j.req.Workers, Detach: p.opt.Detach,
		origin: p.self, PID: pid, Start: startTime(pid)}))
	switch {
	case errors.Is(err, fs.ErrExist):
		return &launcher.Refused{Reason: "there is a job " + j.req.Key, Advice: "choose a new key for each job"}
	case err != nil:
		return &launcher.Refused{Reason: fmt.Sprintf("note the job before starting it: %v", err), Advice: "make room in " + p.opt.StateDir + " and make it writable"}
	}
	return nil
}

// publish makes dir/name appear with this content, or fs.ErrExist. Readers see
// all of it or nothing, also after a power cut.
func publish(dir, name string, content []byte) error {
	temp, target := filepath.Join(dir, tempPrefix+rand.Text()), filepath.Join(dir, name)
	f, err := openAgain(temp, os.O_WRONLY|os.O_CREATE) // nobody else has this name
	if err != nil {
		return err
	}
	defer os.Remove(temp)
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		err := os.Link(temp, target)
		if err == nil || sameFile(temp, target) { // the reply of a network file system may have been lost
			break
		}
		if !unanswered(err) && !errors.Is(err, fs.ErrExist) || n == tries-1 {
			return err
		}
	}
	if err := syncDir(dir); err != nil {
		os.Remove(target)
		return err
	}
	return nil
}

// tries is how often a call is made that a network file system may have done
// without its answer reaching us (EIO), or for whose file it wants to be asked
// anew (ESTALE).
const tries = 5

func unanswered(err error) bool {
	return errors.Is(err, syscall.EIO) || errors.Is(err, syscall.ESTALE)
}

func openAgain(path string, flag int) (f *os.File, err error) {
	for range tries {
		if f, err = os.OpenFile(path, flag, 0o600); !unanswered(err) {
			break
		}
	}
	return f, err
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

func syncDir(dir string) error {
	if runtime.GOOS == "windows" {
		return nil // folders cannot be opened for that there
	}
	d, err := openAgain(dir, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// flush appends j's new lines to its record. What cannot be written now is
// tried again with the next line; until then others find the processes by
// their environment. p.mu is held, so that lines are in order.
func (p *Pool) flush(j *job) {
	if p.opt.StateDir == "" {
		j.unwritten = nil
	}
	if len(j.unwritten) == 0 {
		return
	}
	f, err := openAgain(p.path(j.req.Key, jobSuffix), os.O_WRONLY|os.O_APPEND)
	if err != nil {
		return
	}
	defer f.Close()
	n, _ := f.Write(j.unwritten)
	j.unwritten = j.unwritten[n:]
}

func (p *Pool) removeRecord(key string) {
	if p.opt.StateDir == "" {
		return
	}
	// The job itself last: without its markers it is only looked at more closely.
	for _, s := range []string{cancelSuffix, closedSuffix, jobSuffix} {
		os.Remove(p.path(key, s))
	}
}

// askCancel and cancelAsked are how processes tell each other that a job was
// cancelled, so that its end is not taken for an accident.
func (p *Pool) askCancel(key string) { p.mark(key, cancelSuffix) }

func (p *Pool) mark(key, suffix string) {
	if p.opt.StateDir == "" {
		return
	}
	if f, err := os.OpenFile(p.path(key, suffix), os.O_WRONLY|os.O_CREATE, 0o600); err == nil {
		f.Close()
	}
}

func (p *Pool) cancelAsked(key string) bool {
	if p.opt.StateDir == "" {
		return false
	}
	_, err := os.Stat(p.path(key, cancelSuffix))
	return err == nil
}

// records returns what the state folder holds of the jobs that are not own.
func (p *Pool) records(own map[string]bool) ([]record, error) {
	if p.opt.StateDir == "" {
		return nil, nil
	}
	list, err := os.ReadDir(p.opt.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	there := make(map[string]bool, len(list))
	for _, d := range list {
		there[d.Name()] = true
	}
	var recs []record
	for _, d := range list {
		key, ok := strings.CutSuffix(d.Name(), jobSuffix)
		if !ok || !d.Type().IsRegular() || own[key] || !isKey(key) {
			continue
		}
		b, err := os.ReadFile(p.path(key, jobSuffix))
		if errors.Is(err, fs.ErrNotExist) {
			continue // pruned, or refused after all
		}
		if err != nil {
			return nil, err
		}
		r := parseRecord(key, b)
		r.cancel, r.closed = there[key+cancelSuffix], there[key+closedSuffix]
		recs = append(recs, r)
	}
	return recs, nil
}

// readRecord returns one record; a job nobody knows has no workers.
func (p *Pool) readRecord(key string) (record, error) {
	if p.opt.StateDir == "" {
		return record{}, nil
	}
	b, err := os.ReadFile(p.path(key, jobSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		return record{}, nil
	}
	if err != nil {
		return record{}, err
	}
	r := parseRecord(key, b)
	_, err = os.Stat(p.path(key, closedSuffix))
	r.cancel, r.closed = p.cancelAsked(key), err == nil
	return r, r.bad
}

// parseRecord understands a record's content. Lines that are no JSON (the last
// may be torn) are passed over: what they said is found out otherwise.
func parseRecord(key string, content []byte) record {
	first, rest, _ := bytes.Cut(content, []byte{'\n'})
	var r record
	err := json.Unmarshal(first, &r.intent)
	switch {
	case err == nil && r.Format > format:
		r.bad = fmt.Errorf("record of job %s: format %d is newer than this orch (%d): install a newer orch", key, r.Format, format)
	case err != nil || r.intent.Key != key || r.Workers < 1 || r.Workers > 1e6:
		r.bad = fmt.Errorf("record of job %s is damaged: delete %s%s once its processes are gone", key, key, jobSuffix)
	}
	r.intent.Key = key
	if r.bad != nil {
		return r
	}
	r.workers = make([]recorded, r.Workers)
	for l := range bytes.Lines(rest) {
		var e entry
		if json.Unmarshal(l, &e) != nil {
			continue
		}
		if e.Left {
			r.left = true
			continue
		}
		if e.Index < 0 || e.Index >= r.Workers {
			continue
		}
		w := &r.workers[e.Index]
		if e.PID > 0 {
			w.pid, w.start, w.gpus = e.PID, e.Start, e.GPUs
		}
		if e.End != "" {
			w.ended, w.reason = true, e.Reason
			w.end = launcher.End{Cause: causeOf(e.End), Code: e.Code, Signal: e.Signal, Proof: e.Proof}
		}
	}
	return r
}

func causeOf(s string) launcher.Cause {
	for c := launcher.EndUnknown; c <= launcher.Cancelled; c++ {
		if c.String() == s {
			return c
		}
	}
	return launcher.EndUnknown
}

// prune deletes what is a week old and over, once in a Pool's life. The times
// are only those of this folder, and nothing depends on them: a forgotten job
// is an absent one.
func (p *Pool) prune() {
	if p.opt.StateDir == "" {
		return
	}
	p.pruned.Do(func() {
		list, _ := os.ReadDir(p.opt.StateDir)
		for _, d := range list {
			info, err := d.Info()
			if err != nil || time.Since(info.ModTime()) < keep {
				continue
			}
			if strings.HasPrefix(d.Name(), tempPrefix) {
				os.Remove(filepath.Join(p.opt.StateDir, d.Name()))
			}
			key, ok := strings.CutSuffix(d.Name(), jobSuffix)
			if !ok || !isKey(key) {
				continue
			}
			if r, err := p.readRecord(key); err == nil && r.Workers > 0 && p.judge().finished(r) {
				p.removeRecord(key)
			}
		}
	})
}
