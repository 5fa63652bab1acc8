package slurm

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"orch/launcher"
)

// ErrNoAccounting says that this cluster keeps no accounting database, or none
// that users may ask.
var ErrNoAccounting = fmt.Errorf("%w: the cluster has no accounting database to ask", launcher.ErrNoRecord)

// accounting remembers whether sacct works here.
type accounting struct{ absent bool }

// pastColumns are sacct's. Free text is at the end, as in queueFormat.
const pastColumns = "JobID,State,ExitCode,NodeList,Reason,JobName"

// Past implements [launcher.Historian] by the accounting database. Without a
// time sacct would begin at midnight.
// The database lags the scheduler by seconds, and has never heard of a job that
// was not yet eligible to run; absent is not over here either. The controller
// has no work with it. On a cluster without accounting the error wraps
// ErrNoAccounting, and sacct is not tried again.
func (s *Slurm) Past(ctx context.Context, since time.Time, keys ...string) ([]launcher.Worker, error) {
	s.mu.Lock()
	absent := s.acct.absent
	s.mu.Unlock()
	if absent || s.ask(ctx).NoAcct {
		return nil, ErrNoAccounting
	}
	if len(keys) == 0 {
		return nil, nil
	}
	for _, k := range keys {
		if !isKey(k) {
			return nil, fmt.Errorf("no key of a job: %q", k)
		}
	}
	// TZ=UTC is in the environment, so the time is UTC. A minute of slack is
	// for clocks that differ.
	a := s.run(ctx, deadline, queryEnv(), "sacct", append(s.opt.elsewhere(), "-n", "-P", "-X", "-D", "--name="+strings.Join(keys, ","),
		"-S", since.UTC().Add(-time.Minute).Format("2006-01-02T15:04:05"), "-o", pastColumns)...)
	if a.err == nil && a.code != 0 && strings.Contains(a.stderr, "accounting storage is disabled") {
		s.mu.Lock()
		s.acct.absent = true
		s.mu.Unlock()
		return nil, ErrNoAccounting
	}
	if a.err != nil || a.code != 0 {
		return nil, fmt.Errorf("sacct: %w", a.failed("sacct"))
	}
	ws, bad := parsePast(a.stdout)
	if len(ws) == 0 && bad > 0 {
		if err := unreadable("sacct", a.stdout, parsePastLine); err != nil {
			return nil, err
		}
	}
	return s.ask(ctx).vouch(s.opt.there(ws)), nil
}

// parsePast reads sacct's lines. Of several tries of one task (-D) the last
// counts.
func parsePast(text string) (ws []launcher.Worker, bad int) {
	at := map[string]int{}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		r, ok := parsePastLine(line)
		switch {
		case !ok:
			bad++
			continue
		case r.index < 0 || !isKey(r.name):
			continue
		}
		id := r.job + "_" + strconv.Itoa(r.index) + " " + r.name
		if i, again := at[id]; again {
			ws[i] = r.worker()
			continue
		}
		at[id] = len(ws)
		ws = append(ws, r.worker())
	}
	return ws, bad
}

func parsePastLine(line string) (row, bool) {
	head := strings.SplitN(line, "|", 5)
	if len(head) < 5 {
		return row{}, false
	}
	tail := head[4]
	cut := strings.LastIndexByte(tail, '|')
	job, task, array := strings.Cut(strings.TrimSpace(head[0]), "_")
	st, ok := parseStatus(strings.TrimSpace(head[2]))
	if cut < 0 || !ok || !isID(job) {
		return row{}, false
	}
	r := row{
		job: job, state: baseState(head[1]), status: st,
		node:   noNull(strings.TrimSpace(head[3])),
		reason: noNull(strings.TrimSpace(tail[:cut])), name: strings.TrimSpace(tail[cut+1:]),
	}
	if array {
		r.index = parseIndex(task)
	}
	return r, true
}
