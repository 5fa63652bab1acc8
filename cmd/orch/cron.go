package main

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/urfave/cli/v2"

	"orch/launcher"
	"orch/sweep/dispatch"
	"orch/sweep/results"
)

// told is what orch collect --cron has told of a sweep, or has seen and not told
// yet. It is a memory for people's sake: deleted, it tells once more.
type told struct {
	Version int                  `json:"v"`
	Failed  map[string]int       `json:"failed"`  // runs, by cause
	Worries []string             `json:"worries"` // told, and still so
	Since   map[string]time.Time `json:"since"`   // seen, and told when it lasts
}

// lasts is how long what may pass by itself has to last until it is told: a
// controller that restarts, a sweep whose next worker starts in a minute.
const lasts = 10 * time.Minute

// worry is something about a sweep that got worse.
type worry struct {
	key   string // the same as long as it is the same trouble
	text  string
	waits bool // told only if it lasts
}

// cron makes one Step for each sweep, and prints nothing unless something got
// worse since the last time. Any number of them at once print a worry once:
// what was told is numbered files, and only who publishes the next one speaks.
func (p *program) cron(c *cli.Context) error {
	if jitter := c.Duration("jitter"); jitter > 0 { // the same minute comes to all users of a cluster
		select {
		case <-p.ctx.Done():
			return nil
		case <-time.After(rand.N(jitter)):
		}
	}
	p.log = p.log.Level(max(p.log.GetLevel(), zerolog.ErrorLevel)) // a warning would be mail
	tree, err := openTree(c)
	if err != nil {
		return onceDown(resultsRoot(c), err)
	}
	defer tree.Close()
	onceDown(resultsRoot(c), nil)
	sweeps, err := openSweeps(tree, c.Args().Slice())
	if err != nil {
		return err
	}
	var lines []string
	for _, s := range sweeps {
		st, step, err := p.collectOne(s, false)
		if err != nil {
			step = errors.Join(step, err)
		}
		now, failed := worries(&st, step)
		lines = append(lines, tellOnce(tree, s.Name, now, failed, time.Now())...)
		s.Close()
		if p.ctx.Err() != nil {
			break
		}
	}
	if len(lines) > 0 {
		fmt.Fprintf(p.stdout, "orch collect on %s, results in %s:\n%s\n", hostName(), tree.Path(), strings.Join(lines, "\n"))
	}
	return nil
}

// worries lists what is wrong with a sweep now. Counts are in failed.
func worries(st *sweepStatus, step error) (list []worry, failed map[string]failureGroup) {
	failed = map[string]failureGroup{}
	for _, g := range st.Failures {
		failed[fmt.Sprintf("%s %d %s", g.Class, g.Exit, results.Alike(g.Message))] = g
	}
	for _, line := range st.Attention {
		if !passing(line) {
			list = append(list, worry{key: results.Alike(line), text: line})
		}
	}
	if st.Runs.Queued > 0 && st.AtOnce == 0 && st.Lost == 0 {
		for _, line := range st.Attention {
			if strings.HasPrefix(line, "no worker holds") {
				list = append(list, worry{"nothing progresses", "nothing progresses: " + line, true})
			}
		}
	}
	if step != nil {
		key := "step " + results.Alike(step.Error())
		if dispatch.IsAway(step) { // it says so in many ways, and is one trouble
			key = "step scheduler away"
		}
		list = append(list, worry{key, "not complete: " + oneLine(step.Error()), !launcher.IsRefused(step)})
	}
	return list, failed
}

// passing says of a line of status that it is news of the moment, which a later
// Step deals with.
func passing(line string) bool {
	return strings.Contains(line, " in the queue: ") || slices.ContainsFunc([]string{"no worker holds", "no word from worker", "suspended by the scheduler", "whether submission", "the scheduler takes no more workers"},
		func(s string) bool { return strings.HasPrefix(line, s) }) || strings.Contains(line, " lost: the worker is gone")
}

// tellOnce returns the lines about what nobody has told yet.
func tellOnce(tree *results.Tree, sweep string, now []worry, failed map[string]failureGroup, at time.Time) []string {
	dir := filepath.Join(tree.BackendDir("cron"), sweep)
	for range 100 { // others may be first; each look sees more of what they told
		n, old := lastTold(dir)
		lines, next := worse(sweep, old, now, failed, at)
		if next.same(old) {
			return nil
		}
		err := next.publish(dir, n+1)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		forgetTold(dir, n-20)
		return lines // told even if it cannot be noted
	}
	return nil
}

// worse compares what is wrong now with what was told.
func worse(sweep string, old told, now []worry, failed map[string]failureGroup, at time.Time) (lines []string, next told) {
	next = told{Version: 1, Failed: map[string]int{}, Since: map[string]time.Time{}}
	for _, key := range sortedKeys(failed) {
		g := failed[key]
		n, before := len(g.Runs), old.Failed[key]
		next.Failed[key] = n
		if n <= before {
			continue
		}
		more := ""
		if before > 0 {
			more = fmt.Sprintf(" (%d more)", n-before)
		}
		last := g.Runs[n-1]
		line := fmt.Sprintf("x %s: %d %s failed%s: %s", sweep, n, plural(n, "run", "runs"), more, oneLine(g.Message))
		if g.Log != "" {
			line += ": " + g.Log
		}
		lines = append(lines, line, fmt.Sprintf("  %s -> orch logs %s/%s", last, sweep, last))
	}
	for _, w := range now {
		switch since, seen := old.Since[w.key]; {
		case slices.Contains(old.Worries, w.key) || slices.Contains(next.Worries, w.key):
		case w.waits && !seen:
			next.Since[w.key] = at
			continue
		case w.waits && at.Sub(since) < lasts:
			next.Since[w.key] = since
			continue
		default:
			lines = append(lines, fmt.Sprintf("! %s: %s", sweep, w.text))
		}
		if !slices.Contains(next.Worries, w.key) {
			next.Worries = append(next.Worries, w.key)
		}
	}
	slices.Sort(next.Worries)
	return lines, next
}

func (t told) same(o told) bool {
	if len(t.Failed) != len(o.Failed) || len(t.Since) != len(o.Since) || !slices.Equal(t.Worries, o.Worries) {
		return false
	}
	for k, n := range t.Failed {
		if o.Failed[k] != n {
			return false
		}
	}
	for k := range t.Since {
		if _, ok := o.Since[k]; !ok {
			return false
		}
	}
	return true
}

// lastTold reads the newest of the numbered files.
func lastTold(dir string) (n int, t told) {
	for _, i := range toldNumbers(dir) {
		b, err := os.ReadFile(filepath.Join(dir, strconv.Itoa(i)))
		var x told
		if err == nil && json.Unmarshal(b, &x) == nil && x.Version == 1 {
			t = x
		}
		n = i // a damaged one counts as nothing told
	}
	return n, t
}

func toldNumbers(dir string) (list []int) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if i, err := strconv.Atoi(e.Name()); err == nil {
			list = append(list, i)
		}
	}
	slices.Sort(list)
	return list
}

// publish writes the n-th file whole, unless there is one.
func (t told) publish(dir string, n int) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(t)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(dir, ".tmp-")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Link(f.Name(), filepath.Join(dir, strconv.Itoa(n)))
}

// forgetTold removes files that are so old that nobody is about to number the
// next one after them.
func forgetTold(dir string, upTo int) {
	for _, i := range toldNumbers(dir) {
		if i <= upTo {
			os.Remove(filepath.Join(dir, strconv.Itoa(i)))
		}
	}
}

// onceDown passes on that the tree cannot be opened, the first time: a file
// system that is away for a night is one mail. err nil: it can.
func onceDown(root string, err error) error {
	dir, derr := os.UserCacheDir()
	if derr != nil {
		return err
	}
	sum := sha256.Sum256([]byte(root))
	mark := filepath.Join(dir, "orch", fmt.Sprintf("cron-%s-%x.down", hostName(), sum[:6]))
	if err == nil {
		os.Remove(mark)
		return nil
	}
	os.MkdirAll(filepath.Dir(mark), 0o700)
	f, merr := os.OpenFile(mark, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(merr, fs.ErrExist) {
		return quiet(exitFailed)
	}
	if merr == nil {
		f.Close()
	}
	return err
}
