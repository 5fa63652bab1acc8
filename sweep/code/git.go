package code

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
	commit, clean, err := glance(ctx, dir)
	s.Commit = commit
	switch {
	case commit == "" || clean:
		return s
	case err != nil: // it took too long, perhaps; that is not clean
		s.Dirty, s.Note = true, "all of it: "+err.Error()
		return s
	}
	changed, err := git(ctx, dir, "-c", "diff.relative=false", "diff", "HEAD", "--name-only", "-z")
	if err == nil && len(changed) == 0 {
		return s
	}
	s.Dirty = true
	var diff []byte
	if err == nil {
		diff, err = git(ctx, dir, append(patch, "HEAD")...)
	}
	if err != nil {
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

// glance asks one git, since starting one takes as long as its answer: for the
// commit, and whether nothing has changed that git knows of. What seems to have
// changed may be as in the commit all the same. The commit is "" if there is none;
// beside one, an error says that it is not known what has changed.
func glance(ctx context.Context, dir string) (commit string, clean bool, err error) {
	const oid = "# branch.oid "
	said, err := git(ctx, dir, "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=no", "--no-renames", "-z")
	var exit *exec.ExitError
	if errors.As(err, &exit) && !strings.Contains(err.Error(), "not a git repository") {
		rev, none := git(ctx, dir, "rev-parse", "HEAD")
		if none != nil {
			return "", false, none
		}
		if exit.ExitCode() == 129 { // git before 2.18 does not know these options
			err = nil
		}
		return strings.TrimSpace(string(rev)), false, err
	}
	if err != nil {
		return "", false, err
	}
	clean = true
	for line := range strings.SplitSeq(strings.TrimSuffix(string(said), "\x00"), "\x00") {
		if rest, ok := strings.CutPrefix(line, oid); ok {
			commit = rest
		} else if !strings.HasPrefix(line, "# ") {
			clean = false
		}
	}
	if commit == "" || commit == "(initial)" {
		return "", false, errors.New("no commit yet")
	}
	return commit, clean, nil
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
	cmd.Stdout, cmd.Stderr = &out, &errs
	if in != nil {
		cmd.Stdin = bytes.NewReader(in)
	}
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
