package dispatch

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"orch/launcher"
	"orch/sweep/results"
)

// logEnd returns the last line of a worker's log that is not empty and not
// orch's own, shortened; "" if there is none.
func logEnd(path string) string {
	own := ""
	for _, line := range slices.Backward(logTail(path)) {
		line = strings.TrimSpace(line)
		if r := []rune(line); len(r) > 200 {
			line = string(r[:200])
		}
		switch {
		case line == "":
		case strings.HasPrefix(line, "orch: "):
			if own == "" {
				own = line
			}
		default:
			return line
		}
	}
	return own
}

// logTail returns the last lines of a worker's log, none if it cannot be read.
func logTail(path string) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	const tail = 4 << 10
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	} else if info.Size() > tail {
		if _, err := f.Seek(-tail, io.SeekEnd); err != nil {
			return nil
		}
	}
	b, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return nil
	}
	return strings.Split(strings.ToValidUTF8(string(b), "?"), "\n")
}

// memoryWords are what a scheduler's own daemon writes below a worker's log when
// it has killed it for its memory (Slurm with OverMemoryKill, and with control
// groups).
var memoryWords = []string{"Exceeded job memory limit", "exceeded memory limit", "oom-kill event"}

// forMemory finds, among workers that were killed and of which the scheduler says
// no more than that, those that were killed for their memory: only the end of
// their log says so.
func forMemory(subs []*results.Submission, jobs workers) {
	for _, sub := range subs {
		if sub.Intent == nil {
			continue
		}
		rows, own := jobs[sub.Intent.Key], false
		for i, w := range rows {
			if w.State != launcher.Ended || w.End.Cause != launcher.Signaled || w.End.Signal != "SIGKILL" {
				continue
			}
			tail := logTail(filepath.Join(sub.Dir(), fmt.Sprintf("worker-%d.log", w.Index)))
			if slices.ContainsFunc(tail, func(line string) bool {
				return strings.HasPrefix(line, "slurmstepd") && slices.ContainsFunc(memoryWords, func(x string) bool { return strings.Contains(line, x) })
			}) {
				if !own { // what launchers return is theirs
					rows, own = slices.Clone(rows), true
					jobs[sub.Intent.Key] = rows
				}
				rows[i].End.Cause, rows[i].End.Signal = launcher.OutOfMemory, ""
				rows[i].Reason = "killed for using more memory than it asked for: raise launcher.mem"
			}
		}
	}
}
