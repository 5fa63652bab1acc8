package slurm

import (
	"fmt"
	"strconv"
	"strings"

	"orch/launcher"
)

// queueFormat are the columns of squeue. Only -O knows exit_code, and that is
// what tells a missing log folder (0:53) from a killed worker (0:9). Its
// columns are cut at 20 characters unless a suffix is given. Free text is at
// the end: reasons may hold anything, and so may the names of jobs that are
// not ours.
const queueFormat = "ArrayJobID:|,ArrayTaskID:|,State:|,exit_code:|,NodeList:|,Reason:|,Name:|"

const queueColumns = 7

// row is one worker as squeue or sacct has it.
type row struct {
	job    string
	index  int
	state  string // base state, in capitals
	status status
	node   string
	reason string
	name   string
}

// parseQueue reads squeue's lines. Jobs that are not ours to know (another
// kind of name) are left out; lines that make no sense are counted. It
// never fails: a row of tomorrow's Slurm must not hide the others.
func parseQueue(text string) (ws []launcher.Worker, bad int) {
	ws = make([]launcher.Worker, 0, strings.Count(text, "\n"))
	var last row // tasks of an array follow each other and mostly wait for the same
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if strings.TrimSpace(line) == "" {
			continue
		}
		r, ok := parseQueueLine(line)
		switch {
		case !ok:
			bad++
		case r.index >= 0 && isKey(r.name) && !r.refused():
			if n := len(ws); n > 0 && r.likes(last) {
				w := ws[n-1]
				w.Job, w.Index, w.Key = r.job, r.index, r.name
				ws = append(ws, w)
			} else {
				ws = append(ws, r.worker())
			}
			last = r
		}
	}
	return ws, bad
}

// unreadable says that an answer with rows has none that can be read: it is of a
// Slurm that writes them in another way, and by no means an empty queue. Lines
// that are no rows are a site's greeting, or name the cluster ("CLUSTER: big").
func unreadable(command, text string, reads func(line string) (row, bool)) error {
	first := ""
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		if _, ok := reads(line); ok {
			return nil
		}
		if first == "" && strings.Contains(line, "|") {
			first = line
		}
	}
	if first == "" {
		return nil
	}
	return fmt.Errorf("%s: no line of its answer can be read, the first is %.200q", command, first)
}

// likes reports whether a row says the same of its worker as another of another.
func (r row) likes(o row) bool {
	return r.state == o.state && r.status == o.status && r.node == o.node && r.reason == o.reason
}

// refused recognises the record that the controller keeps of a job for which
// it has told sbatch that no node can have it: FAILED 0:1, and never a node.
func (r row) refused() bool {
	return r.state == "FAILED" && r.node == "" && r.status == status{signal: 1}
}

// parseQueueLine splits a line from both ends, so that a "|" in a reason does
// no harm. A row of several array tasks has index -1.
func parseQueueLine(line string) (row, bool) {
	line, ok := strings.CutSuffix(line, "|")
	if !ok {
		return row{}, false
	}
	var head [queueColumns - 1]string
	for i := range head {
		if i == len(head)-1 {
			head[i] = line
		} else if head[i], line, ok = strings.Cut(line, "|"); !ok {
			return row{}, false
		}
		head[i] = strings.TrimSpace(head[i])
	}
	tail := head[queueColumns-2]
	cut := strings.LastIndexByte(tail, '|')
	if cut < 0 || !isID(head[0]) {
		return row{}, false
	}
	st, ok := parseStatus(head[3])
	if !ok {
		return row{}, false
	}
	r := row{
		job: head[0], index: parseIndex(head[1]), state: baseState(head[2]), status: st,
		node:   noNull(head[4]),
		reason: noNull(strings.TrimSpace(tail[:cut])), name: strings.TrimSpace(tail[cut+1:]),
	}
	return r, true
}

// parseIndex reads an array index; 0 for a job that is no array, -1 for anything
// else ("0-3", "5%2", which squeue -r does not print, but a federation's sibling may).
func parseIndex(s string) int {
	if s == "N/A" {
		return 0
	}
	if n, err := strconv.ParseUint(s, 10, 31); err == nil {
		return int(n)
	}
	return -1
}

// baseState is the state without its flags and remarks: "CANCELLED by 1000",
// "CANCELLED+", "RUNNING*".
func baseState(s string) string {
	s = strings.ToUpper(strings.TrimSpace(s))
	if i := strings.IndexAny(s, " +,*"); i >= 0 {
		s = s[:i]
	}
	return s
}

func noNull(s string) string {
	switch s {
	case "None", "N/A", "(null)", "Unknown", "None assigned":
		return ""
	}
	return s
}

// status is how a job's batch process ended: by a signal, or with a code.
type status struct{ code, signal int }

// parseStatus reads squeue's raw wait status (1792 is exit 7; wait(2)), or the
// "7:0" of sacct and scontrol. An empty one is zero.
func parseStatus(s string) (status, bool) {
	if code, sig, ok := strings.Cut(s, ":"); ok {
		c, err1 := strconv.ParseUint(code, 10, 16)
		n, err2 := strconv.ParseUint(sig, 10, 16)
		return status{int(c), int(n)}, err1 == nil && err2 == nil
	}
	if s == "" || s == "N/A" {
		return status{}, true
	}
	raw, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return status{}, false
	}
	if raw == 0xfffffffe || raw == 0xffffffff { // Slurm's NO_VAL
		return status{}, true
	}
	if sig := int(raw & 0x7f); sig != 0 {
		return status{signal: sig}, true
	}
	return status{code: int(raw >> 8 & 0xff)}, true
}
