//go:build linux

package faults

import (
	"bufio"
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"orch/sweep/results"
)

// mount mounts a file system on the rig's tree folder until the test ends.
func (r *rig) mount(args ...string) {
	r.t.Helper()
	if os.Geteuid() != 0 {
		r.t.Skip("mounting needs root")
	}
	if err := os.MkdirAll(r.tree, 0o700); err != nil {
		r.t.Fatal(err)
	}
	if out, err := exec.Command("mount", append(args, r.tree)...).CombinedOutput(); err != nil {
		r.t.Skipf("cannot mount here: %v: %s", err, out)
	}
	r.t.Cleanup(func() { exec.Command("umount", "-l", r.tree).Run() })
}

func (r *rig) remount(options string) {
	r.t.Helper()
	r.unlessBusy("mount", "-o", "remount,"+options, r.tree)
}

// unlessBusy runs a command that fails as long as somebody has a file open on the
// rig's file system, such as a child that has not yet executed its program.
func (r *rig) unlessBusy(argv ...string) {
	r.t.Helper()
	var out []byte
	r.until(strings.Join(argv, " "), func() bool {
		var err error
		out, err = exec.Command(argv[0], argv[1:]...).CombinedOutput()
		if err != nil && !bytes.Contains(out, []byte("busy")) {
			r.t.Fatalf("%q: %v: %s", argv, err, out)
		}
		return err == nil
	})
}

// The disk is full at some point of the sweep; later there is room, and a plain
// resubmit goes on. One round leaves no bytes, one no inodes.
func TestFullDisk(t *testing.T) {
	rnd := chance(t)
	rounds, acked := times(2, 40), 0
	for n := range rounds {
		r := newRig(t, 8)
		r.mount("-t", "tmpfs", "-o", "size=1m,nr_inodes=1000", "tmpfs")
		if n%2 == 0 {
			ballast := (1<<20 - 40<<10 - rnd.IntN(120<<10)) &^ 4095
			if err := os.WriteFile(filepath.Join(r.tree, "ballast"), make([]byte, ballast), 0o600); err != nil {
				t.Fatal(err)
			}
		} else {
			r.remount(fmt.Sprintf("nr_inodes=%d", 20+rnd.IntN(60)))
		}
		_, stderr, code := r.run(r.command("submit", "s.toml"))
		r.observe()
		acked += len(r.acked)
		if code != 0 && !bytes.Contains([]byte(stderr), []byte("no space left")) && !bytes.Contains([]byte(stderr), []byte("worker")) {
			t.Errorf("on a full disk submit ends with code %d and does not say why:\n%s", code, stderr)
		}
		os.Remove(filepath.Join(r.tree, "ballast"))
		r.remount("size=64m,nr_inodes=100000")
		r.reopen()
		r.settle()
	}
	survived(t, "full disk under logs, journals and claims", rounds, "half of bytes, half of inodes; %d results seen on them", acked)
}

// Programs fill the disk with what they print, and fail for it. That is no
// failure of theirs: with room made, a plain resubmit executes them.
func TestDiskFilledByPrograms(t *testing.T) {
	r := newRig(t, 8)
	r.write("s.toml", strings.Replace(fmt.Sprintf(sweepFile, 4), "sleep {pause};", "head -c 3000000 /dev/zero && echo &&", 1))
	r.mount("-t", "tmpfs", "-o", "size=8m", "tmpfs")
	_, stderr, code := r.run(r.command("submit", "s.toml"))
	if code != 1 || !strings.Contains(stderr, "make room") {
		t.Errorf("on a full disk submit ends with code %d, want 1 and what to do:\n%s", code, stderr)
	}
	r.observe()
	r.remount("size=64m")
	if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 {
		t.Errorf("a plain resubmit ends with code %d, want 0:\n%s", code, stderr)
	}
	if c := r.status(); c.Done != 8 {
		t.Errorf("%+v, want 8 done", c)
	}
	r.settle()
}

// reopen resubmits and retries what failed for good, as a person would after a
// full disk: a program that could not write its log has failed, or has no result.
func (r *rig) reopen() {
	r.t.Helper()
	if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 && code != 3 {
		r.t.Errorf("a plain resubmit ends with code %d:\n%s", code, stderr)
	}
	for _, st := range r.states() {
		if st.State == results.StateFailed || st.Order != nil {
			if _, stderr, code := r.run(r.command("retry", "s")); code != 0 {
				r.t.Errorf("retry ends with code %d:\n%s", code, stderr)
			}
			return
		}
	}
}

// A tree that cannot be written is an error that names it, and nothing is lost.
func TestUnwritableTree(t *testing.T) {
	t.Run("read-only", func(t *testing.T) {
		r := newRig(t, 4)
		r.mount("-t", "tmpfs", "tmpfs")
		if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 {
			t.Fatal(stderr)
		}
		r.observe()
		r.remount("ro")
		r.write("s.toml", fmt.Sprintf(sweepFile, 3))
		for _, args := range [][]string{{"submit", "s.toml"}, {"collect", "--rebuild"}} {
			if _, stderr, code := r.run(r.command(args...)); code == 0 || !bytes.Contains([]byte(stderr), []byte("read-only file system")) {
				t.Errorf("%v on a read-only tree ends with code %d:\n%s", args, code, stderr)
			}
		}
		if _, stderr, code := r.run(r.command("collect")); code != 0 { // with nothing new it has nothing to write
			t.Errorf("collect of a finished sweep ends with code %d:\n%s", code, stderr)
		}
		if c := r.status(); c.Done != 4 {
			t.Errorf("status of a read-only tree = %+v, want 4 done", c)
		}
		r.remount("rw")
		r.settle()
	})
	t.Run("no permission", func(t *testing.T) {
		if os.Geteuid() == 0 {
			t.Skip("root may do everything")
		}
		r := newRig(t, 4)
		if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 {
			t.Fatal(stderr)
		}
		r.observe()
		r.write("s.toml", fmt.Sprintf(sweepFile, 3))
		for _, folder := range []string{"plans", "claims", "journals", "subs", "runs"} {
			path := filepath.Join(r.tree, "s", folder)
			if err := os.Chmod(path, 0o500); err != nil {
				t.Fatal(err)
			}
			_, stderr, code := r.run(r.command("submit", "s.toml"))
			if err := os.Chmod(path, 0o700); err != nil {
				t.Fatal(err)
			}
			if code != 0 && !bytes.Contains([]byte(stderr), []byte("permission denied")) && !bytes.Contains([]byte(stderr), []byte("worker")) {
				t.Errorf("submit without permission for %s ends with code %d:\n%s", folder, code, stderr)
			}
			r.settle()
		}
	})
}

// Times of files and clocks of writers decide nothing: what was written in 1970
// or 2100, by the files' times and by what their writers took for the time, gives
// the same states, and the sweep goes on with today's clock.
func TestClockJumps(t *testing.T) {
	for _, year := range []int{1970, 2100} {
		r := newRig(t, 6)
		cmd := r.command("submit", "s.toml")
		ended := r.start(cmd)
		r.until("two results", func() bool { r.observe(); return len(r.acked) >= 2 })
		cmd.Process.Kill()
		<-ended
		r.alone() // its workers die with it, but not at once
		at := time.Date(year, 1, 1, 0, 0, 1, 0, time.UTC)
		before := fmt.Sprint(summary(r))
		err := filepath.WalkDir(r.tree, func(path string, _ os.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if text, rerr := os.ReadFile(path); rerr == nil && inTruth(path) {
				if err := os.WriteFile(path, redate(text, at), 0o600); err != nil {
					return err
				}
			}
			return os.Chtimes(path, at, at)
		})
		if err != nil {
			t.Fatal(err)
		}
		if after := fmt.Sprint(summary(r)); after != before {
			t.Errorf("with files of %d the states are\n%s\nbefore\n%s", year, after, before)
		}
		r.settle()
	}
	survived(t, "clock jump of decades", 2, "to 1970 and 2100, of files and of what writers noted: the same states")
}

// inTruth reports whether a file is one of those whose lines have a sum.
func inTruth(path string) bool {
	switch filepath.Base(filepath.Dir(path)) {
	case "journals", "series", "claims", "fences", "orders":
		return !strings.HasPrefix(filepath.Base(path), ".")
	}
	return false
}

var (
	lineTime = regexp.MustCompile(`"t":[0-9]+`)
	fileTime = regexp.MustCompile(`"time":"[^"]*"`)
)

// redate gives lines another time, and the sums that they then have. Lines that
// hold copies of others, the tails of seals, stay as they are.
func redate(text []byte, at time.Time) []byte {
	var out []byte
	for line := range bytes.Lines(text) {
		i := bytes.LastIndex(line, []byte(`,"sum":"`))
		if i < 0 || bytes.Contains(line, []byte(`"tail"`)) {
			out = append(out, line...)
			continue
		}
		body := lineTime.ReplaceAll(line[:i], fmt.Appendf(nil, `"t":%d`, at.UnixMilli()))
		body = fileTime.ReplaceAll(body, fmt.Appendf(nil, `"time":%q`, at.Format(time.RFC3339)))
		// Marks and seals name places in a journal, so lines keep their lengths: with
		// a member that nobody knows.
		const filler = `"z":"",`
		if pad := i - len(body) - len(filler); pad >= 0 {
			body = append(fmt.Appendf(nil, `{"z":%q,`, strings.Repeat("z", pad)), body[1:]...)
		}
		out = append(out, body...)
		out = fmt.Appendf(out, `,"sum":"%08x"}`+"\n", crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli)))
	}
	return out
}

func summary(r *rig) []string {
	var s []string
	for _, st := range r.states() {
		if st.State == results.StateDone || st.State == results.StateFailed {
			s = append(s, st.Run.Name+" "+result(st))
		}
	}
	return s
}

// measured runs a command and returns the most memory that it had, in bytes. A
// process begins with the figure of the one that started it, and this one is
// large at times: a small Python stands between.
func (r *rig) measured(cmd *exec.Cmd) (stderr string, code int, rss int64) {
	r.t.Helper()
	const between = `import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=sys.stderr)
sys.exit(code)`
	python, err := exec.LookPath("python3")
	if err != nil {
		r.t.Skip(err)
	}
	cmd.Args = append([]string{python, "-c", between, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = python
	_, stderr, code = r.run(cmd)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	kib, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
	if err != nil {
		r.t.Fatalf("no figure of memory: %v in %.2000q", err, stderr)
	}
	return stderr, code, kib << 10
}

// Malformed lines by the million, and one line of a gigabyte, cost little memory.
func TestHugeFiles(t *testing.T) {
	lines, width, most := 100_000, 64<<20, int64(192<<20)
	if long {
		lines, width, most = 1_000_000, 1<<30, 512<<20
	}
	r := newRig(t, 4)
	if _, stderr, code := r.run(r.command("submit", "s.toml")); code != 0 {
		t.Fatal(stderr)
	}
	r.observe()
	fill := func(name string, write func(w *bufio.Writer)) {
		f, err := os.OpenFile(filepath.Join(r.tree, "s", name), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		w := bufio.NewWriterSize(f, 1<<20)
		write(w)
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	check := func(what string) {
		t.Helper()
		worst := int64(0)
		for _, args := range [][]string{{"status", "--json"}, {"fsck"}, {"collect"}} {
			stderr, code, rss := r.measured(r.command(args...))
			if code != 0 {
				t.Errorf("%s: %v ends with code %d:\n%.2000s", what, args, code, stderr)
			}
			if worst = max(worst, rss); rss > most {
				t.Errorf("%s: %v takes %d MiB, want at most %d", what, args, rss>>20, most>>20)
			}
		}
		r.observe()
		if c := r.status(); c.Done != 4 {
			t.Errorf("%s: status = %+v, want 4 done", what, c)
		}
		survived(t, what, 1, "status, fsck and collect take at most %d MiB", worst>>20)
	}
	for _, folder := range []string{"journals", "series"} {
		fill(folder+"/other-1-aaaaaa.jsonl", func(w *bufio.Writer) {
			for n := range lines {
				fmt.Fprintf(w, `{"k":"end","t":%d,"r":"nothing","sum":"00000000"}`+"\n", n)
			}
		})
	}
	check(fmt.Sprintf("%d malformed lines, twice", lines))
	for _, folder := range []string{"journals", "series"} {
		os.Remove(filepath.Join(r.tree, "s", folder, "other-1-aaaaaa.jsonl"))
		fill(folder+"/other-2-aaaaaa.jsonl", func(w *bufio.Writer) {
			block := bytes.Repeat([]byte("x"), 1<<20)
			for range width >> 20 {
				w.Write(block)
			}
		})
	}
	check(fmt.Sprintf("a line of %d MiB, twice", width>>20))
}
