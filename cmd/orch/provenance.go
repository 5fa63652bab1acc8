package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
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

// provenance collects where a submission comes from. What cannot be found out,
// because there is no git or no work tree, stays empty.
func (p *program) provenance() results.Provenance {
	pr := results.Provenance{Time: time.Now().UTC().Truncate(time.Second), Command: p.args, Orch: version + " " + commit(), Go: runtime.Version()}
	pr.Host, _ = os.Hostname()
	pr.Dir, _ = os.Getwd()
	if u, err := user.Current(); err == nil {
		pr.User = u.Username
	}
	var wg sync.WaitGroup
	wg.Go(func() { pr.Binary = binaryHash() })
	wg.Go(func() {
		rev, ok := git(p.ctx, pr.Dir, "rev-parse", "HEAD")
		if !ok {
			return
		}
		pr.Commit = strings.TrimSpace(string(rev))
		if changes, ok := git(p.ctx, pr.Dir, "status", "--porcelain", "--untracked-files=no"); ok && len(changes) > 0 {
			pr.Dirty = true
			if diff, ok := git(p.ctx, pr.Dir, "diff", "HEAD"); ok {
				sum := sha256.Sum256(diff)
				pr.DirtyHash = hex.EncodeToString(sum[:])
			}
		}
	})
	wg.Wait()
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

// binaryHash returns the SHA-256 of this program. 40 MB take 30 ms, which a
// submission of one run notices: commands that will need it call it in the
// background as the first thing they do.
var binaryHash = sync.OnceValue(hashBinary)

func hashBinary() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	f, err := os.Open(filepath.Clean(path))
	if err != nil {
		return ""
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return ""
	}
	return hex.EncodeToString(h.Sum(nil))
}
