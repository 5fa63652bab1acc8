package code

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Side is one of two states of code to compare: a copy, or a commit with the
// changes that were made to it.
type Side struct {
	Copy    string // folder of the copy; "" without one
	Dir     string // a folder of the git work tree
	Commit  string
	Changes []byte // nil: none
}

// Change is a file that is not the same on both sides.
type Change struct {
	Path string
	How  string // "added", "deleted", "changed"
}

// Diff compares two states of code: which files differ, and with patch how. It
// works in temporary folders; neither work trees nor repositories are touched.
func Diff(ctx context.Context, a, b Side, patch bool) ([]Change, []byte, error) {
	if a.Copy != "" && b.Copy != "" {
		return between(ctx, patch, "/", nil, "--no-index", a.Copy, b.Copy)
	}
	if a.Commit == "" || b.Commit == "" {
		return nil, nil, errors.New("it is neither in a commit nor in a copy")
	}
	objects, err := git(ctx, a.Dir, "rev-parse", "--git-path", "objects")
	if err != nil {
		return nil, nil, err
	}
	store := strings.TrimSuffix(string(objects), "\n")
	if !filepath.IsAbs(store) {
		store = filepath.Join(a.Dir, store)
	}
	temp, err := os.MkdirTemp("", "orch-diff-")
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(temp)
	env := []string{"GIT_OBJECT_DIRECTORY=" + temp, "GIT_ALTERNATE_OBJECT_DIRECTORIES=" + store}
	var trees [2]string
	for i, s := range []Side{a, b} {
		if trees[i], err = s.tree(ctx, a.Dir, append(env, "GIT_INDEX_FILE="+filepath.Join(temp, fmt.Sprint("index", i)))); err != nil {
			return nil, nil, err
		}
	}
	return between(ctx, patch, a.Dir, env, trees[0], trees[1])
}

// tree makes a git tree of a commit and the changes to it.
func (s Side) tree(ctx context.Context, dir string, env []string) (string, error) {
	if _, err := gitWith(ctx, dir, env, nil, "read-tree", s.Commit); err != nil {
		return "", err
	}
	if len(s.Changes) > 0 {
		top, err := git(ctx, dir, "rev-parse", "--show-toplevel")
		if err != nil {
			return "", err
		}
		if _, err := gitWith(ctx, strings.TrimSuffix(string(top), "\n"), env, s.Changes, "apply", "--cached", "--whitespace=nowarn", "-"); err != nil {
			return "", err
		}
	}
	out, err := gitWith(ctx, dir, env, nil, "write-tree")
	return strings.TrimSpace(string(out)), err
}

// between runs git diff on two trees, or with --no-index on two folders.
func between(ctx context.Context, withPatch bool, dir string, env []string, what ...string) ([]Change, []byte, error) {
	run := func(args ...string) ([]byte, error) {
		out, err := gitWith(ctx, dir, env, nil, append(args, what...)...)
		var exit *exec.ExitError
		if errors.As(err, &exit) && exit.ExitCode() == 1 { // --no-index: they differ
			err = nil
		}
		return out, err
	}
	out, err := run("diff", "--name-status", "--no-renames", "--no-ext-diff", "-z")
	if err != nil {
		return nil, nil, err
	}
	var changes []Change
	words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	for i := 0; i+1 < len(words); i += 2 {
		c := Change{Path: words[i+1], How: "changed"}
		switch words[i] {
		case "A":
			c.How = "added"
		case "D":
			c.How = "deleted"
		}
		for _, folder := range what { // of --no-index: names with their folders
			if rel, ok := strings.CutPrefix(c.Path, folder+"/"); ok {
				c.Path = rel
			}
		}
		changes = append(changes, c)
	}
	if !withPatch || len(changes) == 0 {
		return changes, nil, nil
	}
	out, err = run("diff", "--no-color", "--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
	text := string(out)
	for _, folder := range what {
		if filepath.IsAbs(folder) { // of --no-index: names with their folders
			text = strings.NewReplacer("a"+folder+"/", "a/", "b"+folder+"/", "b/").Replace(text)
		}
	}
	return changes, []byte(text), err
}
