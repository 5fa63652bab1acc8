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
	commit, changed, err := glance(ctx, dir)
	s.Commit = commit
	if commit == "" || err == nil && len(changed) == 0 {
		return s
	}
	var diff []byte
	if err == nil {
		diff, err = git(ctx, dir, append(patch, "HEAD")...)
	}
	if err != nil { // it took too long, perhaps; that is not clean
		s.Dirty, s.Note = true, "all of it: "+err.Error()
		return s
	}
	if len(diff) == 0 { // staged, and then as it was
		return s
	}
	s.Dirty = true
	sum := sha256.Sum256(diff)
	s.Hash = hex.EncodeToString(sum[:])
	var notes, left []string
	for _, name := range changed {
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
// commit, "" if there is none, and for the names of files that have changed, or
// seem to have. Beside a commit, an error says that these are not known.
func glance(ctx context.Context, dir string) (commit string, changed []string, err error) {
	said, err := git(ctx, dir, "status", "--porcelain=v2", "--branch", "--no-ahead-behind", "--untracked-files=no", "--no-renames", "-z")
	var exit *exec.ExitError
	switch {
	case err == nil:
		return readStatus(string(said))
	case !errors.As(err, &exit) || strings.Contains(err.Error(), "not a git repository"):
		return "", nil, err
	}
	rev, none := git(ctx, dir, "rev-parse", "HEAD")
	if none != nil {
		return "", nil, none
	}
	if exit.ExitCode() == 129 { // git before 2.18 does not know these options
		if said, err = git(ctx, dir, "-c", "diff.relative=false", "diff", "HEAD", "--name-only", "-z"); err == nil && len(said) > 0 {
			changed = strings.Split(strings.TrimSuffix(string(said), "\x00"), "\x00")
		}
	}
	return strings.TrimSpace(string(rev)), changed, err
}

// readStatus reads what git status --porcelain=v2 -z says: headers, and a line for
// each changed file, of which the last field is its name (git-status(1)).
func readStatus(said string) (commit string, changed []string, err error) {
	fields := map[byte]int{'1': 9, 'u': 11} // changed; unmerged. Renames ('2') are not asked for
	for line := range strings.SplitSeq(strings.TrimSuffix(said, "\x00"), "\x00") {
		if rest, ok := strings.CutPrefix(line, "# branch.oid "); ok {
			commit = rest
		}
		if line == "" || line[0] == '#' {
			continue
		}
		f := strings.SplitN(line, " ", max(fields[line[0]], 1))
		if len(f) < 9 {
			err = fmt.Errorf("git status says %.100q", line)
			continue
		}
		changed = append(changed, f[len(f)-1])
	}
	if commit == "(initial)" {
		commit = ""
	}
	return commit, changed, err
}

// patch is the git command that prints changes in the one form that does not
// depend on the user's settings and that git apply restores to the byte.
var patch = []string{"-c", "diff.relative=false", "-c", "core.quotePath=true", "diff", "--binary", "--full-index", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/"}

// deadline bounds each question to git: a work tree on a slow disk must not
// hold up a submission. Tests have more.
var deadline = 10 * time.Second

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
