package code

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path"
	"strings"
	"time"
)

// maxChanges bounds the patch that is kept with a plan.
const maxChanges = 1 << 20

// State is the code of a folder as git sees it. All of it is empty where there
// is no git or no work tree.
type State struct {
	Commit  string
	Dirty   bool
	Hash    string // SHA-256 of the changes against the commit
	Changes []byte // the changes themselves: what git apply takes; at most 1 MiB
	Note    string // what Changes leaves out, and why
}

// Look asks git about a folder. Untracked files are no changes; changes of
// files that look like secrets are in Hash but not in Changes.
func Look(ctx context.Context, dir string) State {
	var s State
	rev, err := git(ctx, dir, "rev-parse", "HEAD")
	if err != nil {
		return s
	}
	s.Commit = strings.TrimSpace(string(rev))
	changed, err := git(ctx, dir, "-c", "diff.relative=false", "diff", "HEAD", "--name-only", "-z")
	if err == nil && len(changed) == 0 {
		return s
	}
	s.Dirty = true
	var diff []byte
	if err == nil {
		diff, err = git(ctx, dir, append(patch, "HEAD")...)
	}
	if err != nil { // it took too long, perhaps; that is not clean
		s.Note = "all of it: " + err.Error()
		return s
	}
	sum := sha256.Sum256(diff)
	s.Hash = hex.EncodeToString(sum[:])
	var notes, left []string
	for name := range strings.SplitSeq(strings.TrimSuffix(string(changed), "\x00"), "\x00") {
		if secret(name) {
			left = append(left, ":(top,exclude,literal)"+name)
		}
	}
	if len(left) > 0 {
		notes = append(notes, fmt.Sprintf("%d files that look like secrets", len(left)))
		args := append(append(append([]string{}, patch...), "HEAD", "--", ":(top)"), left...)
		if diff, err = git(ctx, dir, args...); err != nil {
			diff = nil
			notes = append(notes, err.Error())
		}
	}
	if len(diff) > maxChanges {
		notes = append(notes, fmt.Sprintf("all of it: %d bytes, of which %d would be kept", len(diff), maxChanges))
		diff = nil
	}
	s.Changes, s.Note = diff, strings.Join(notes, "; ")
	return s
}

// patch is the git command that prints changes in the one form that does not
// depend on the user's settings and that git apply restores to the byte.
var patch = []string{"-c", "diff.relative=false", "-c", "core.quotePath=true", "diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"}

// deadline bounds each question to git: a work tree on a slow disk must not
// hold up a submission.
const deadline = 10 * time.Second

// git runs a git command that only reads: it takes no locks and asks nothing.
func git(ctx context.Context, dir string, args ...string) ([]byte, error) {
	return gitWith(ctx, dir, nil, nil, args...)
}

func gitWith(ctx context.Context, dir string, env []string, in []byte, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, deadline)
	defer cancel()
	cmd := exec.CommandContext(ctx, "git", append([]string{"--no-optional-locks", "-C", dir}, args...)...)
	cmd.Env = append(append(os.Environ(), "GIT_TERMINAL_PROMPT=0", "LC_ALL=C"), env...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(in), &out, &errs
	if err := cmd.Run(); err != nil {
		line, _, _ := strings.Cut(strings.TrimSpace(errs.String()), "\n")
		return out.Bytes(), fmt.Errorf("git %s: %w: %s", command(args), err, line)
	}
	return out.Bytes(), nil
}

// command returns the git command among arguments, for messages.
func command(args []string) string {
	for len(args) > 2 && args[0] == "-c" {
		args = args[2:]
	}
	return args[0]
}

// secretNames are names of files that hold keys or passwords, whatever is in
// them. Words like token are not among them: tokenizer.py is code.
var secretNames = []string{".env", ".env.*", ".netrc", ".pgpass", ".pypirc", ".npmrc", ".git-credentials", "*.pem", "*.key", "*.p12", "*.pfx", "*.kdbx",
	"id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "credentials", "credentials.*", "secrets", "secrets.*", "kaggle.json"}

// secret reports whether a file's name says that it holds a secret.
func secret(name string) bool {
	base := strings.ToLower(path.Base(name))
	for _, p := range secretNames {
		if ok, _ := path.Match(p, base); ok {
			return true
		}
	}
	return strings.Contains("/"+name, "/.ssh/") || strings.Contains("/"+name, "/.aws/")
}
