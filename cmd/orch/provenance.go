package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"orch/sweep/results"
)

// lookAround finds out in the background where a submission comes from, as the
// first thing that a command does which will need it: git takes as long as all
// the rest of submitting one run. What it returns waits for the answer.
func (p *program) lookAround() (provenance func() results.Provenance) {
	found := make(chan results.Provenance, 1)
	go func() { found <- p.provenance() }()
	return sync.OnceValue(func() results.Provenance { return <-found })
}

// provenance collects where a submission comes from. What cannot be found out,
// because there is no git or no work tree, stays empty.
func (p *program) provenance() results.Provenance {
	pr := results.Provenance{Time: time.Now().UTC().Truncate(time.Second), Command: p.args, Orch: version + " " + commit(), Go: runtime.Version()}
	pr.Host, _ = os.Hostname()
	pr.Dir, _ = os.Getwd()
	if u, err := user.Current(); err == nil {
		pr.User = u.Username
	}
	pr.Binary = binaryID()
	rev, ok := git(p.ctx, pr.Dir, "rev-parse", "HEAD")
	if !ok {
		return pr
	}
	pr.Commit = strings.TrimSpace(string(rev))
	if changes, ok := git(p.ctx, pr.Dir, "status", "--porcelain", "--untracked-files=no"); ok && len(changes) > 0 {
		pr.Dirty = true
		if diff, ok := git(p.ctx, pr.Dir, "diff", "HEAD"); ok {
			sum := sha256.Sum256(diff)
			pr.DirtyHash = hex.EncodeToString(sum[:])
		}
	}
	return pr
}

// git runs a git command that only reads. It takes no locks, asks nothing and
// has a deadline: a work tree on a slow disk must not hold up a submission.
func git(ctx context.Context, dir string, args ...string) ([]byte, bool) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks", "-C", dir}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	var out bytes.Buffer
	cmd.Stdout = &out
	err := cmd.Run()
	return out.Bytes(), err == nil
}

// binaryID returns what identifies this program: the hash of its content that
// Go's linker wrote into it, the last part of what "go tool buildid" prints. A
// binary without one, linked by another linker or stripped of it, gets its
// SHA-256: 45 MB take 30 ms, which a submission of one run would notice.
func binaryID() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return ""
	}
	defer f.Close()
	begin := make([]byte, linkedIn)
	n, err := io.ReadFull(f, begin)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return ""
	}
	if id := contentID(begin[:n]); id != "" {
		return id
	}
	h := sha256.New()
	h.Write(begin[:n])
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}

// linkedIn is how far into a binary Go's linker puts the build ID, at most; the
// go command reads as much (cmd/internal/buildid, readSize).
const linkedIn = 32 << 10

// contentID finds the build ID in the beginning of a binary, which has the form
// <action>/<action>/<content>/<content>: on ELF systems in a note of the owner
// "Go" and type 4, elsewhere quoted between marks in front of the program's text.
func contentID(begin []byte) string {
	var id []byte
	if head, rest, ok := bytes.Cut(begin, []byte("\x04\x00\x00\x00Go\x00\x00")); ok && len(head) >= 4 {
		size := binary.LittleEndian.Uint32(head[len(head)-4:])
		id = rest[:min(int(size), len(rest))]
	} else if _, rest, ok := bytes.Cut(begin, []byte("\xff Go build ID: \"")); ok {
		id, _, _ = bytes.Cut(rest, []byte("\"\n \xff"))
	}
	if bytes.Count(id, []byte("/")) != 3 {
		return ""
	}
	return string(id[bytes.LastIndexByte(id, '/')+1:])
}
