package code

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// The answers are tested, not how soon a busy machine gives them.
func TestMain(m *testing.M) {
	deadline = 3 * time.Minute
	os.Exit(m.Run())
}

// tree makes files; a name that ends in a slash is a folder.
func tree(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// repository makes a git work tree with these files in its first commit.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("no git here")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree(t, dir, files)
	run(t, dir, "init", "-q", ".")
	run(t, dir, "add", "-A", "-f")
	run(t, dir, "commit", "-q", "--allow-empty", "-m", "one")
	return dir
}

func run(t *testing.T, dir string, args ...string) string {
	t.Helper()
	// Without maintenance, which goes on in the background and writes into what is removed then.
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=n", "-c", "user.email=e@x", "-c", "maintenance.auto=false", "-c", "gc.auto=0"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %q: %v\n%s", args, err, out)
	}
	return strings.TrimSpace(string(out))
}

// A git that does not say what has changed has not said that nothing has.
func TestLookWithoutAnswer(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\ncase \" $* \" in *\" rev-parse \"*) echo abc;; *) echo 'fatal: index is corrupt' >&2; exit 128;; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	if s := Look(t.Context(), t.TempDir()); s.Commit != "abc" || !s.Dirty || !strings.Contains(s.Note, "index is corrupt") {
		t.Errorf("Look = %+v, want it dirty, with a note that says why nothing is kept", s)
	}
}

// Nor has it said that there is no work tree: all that is ignored would be listed.
func TestListWithoutAnswer(t *testing.T) {
	bin := t.TempDir()
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte("#!/bin/sh\nkill -KILL $$\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	dir := t.TempDir()
	tree(t, dir, map[string]string{"a.py": ""})
	if l, err := List(t.Context(), dir, nil, nil); err == nil || !strings.Contains(err.Error(), "git rev-parse") {
		t.Errorf("List = %+v, %v, want an error that names git", l, err)
	}
}

// A git of before 2018 knows no such status; a file that is staged and then as it
// was is no change.
func TestLookWithAnOldGit(t *testing.T) {
	dir := repository(t, map[string]string{"a.py": "one\n"})
	real, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	script := "#!/bin/sh\ncase \" $* \" in *\" status \"*) echo 'error: option `porcelain'\"'\"' takes no value' >&2; exit 129;; esac\nexec " + real + " \"$@\"\n"
	if err := os.WriteFile(filepath.Join(bin, "git"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	path := os.Getenv("PATH")
	commit := run(t, dir, "rev-parse", "HEAD")
	for _, old := range []bool{false, true} {
		t.Setenv("PATH", path)
		if old {
			t.Setenv("PATH", bin+":"+path)
		}
		if s := Look(t.Context(), dir); s.Commit != commit || s.Dirty || s.Note != "" {
			t.Errorf("old %v: Look = %+v, want it clean", old, s)
		}
		tree(t, dir, map[string]string{"a.py": "two\n"})
		if s := Look(t.Context(), dir); s.Commit != commit || !s.Dirty || s.Hash == "" || !strings.Contains(string(s.Changes), "two") {
			t.Errorf("old %v: Look = %+v, want a change", old, s)
		}
		run(t, dir, "add", "a.py")
		tree(t, dir, map[string]string{"a.py": "one\n"})
		if s := Look(t.Context(), dir); s.Commit != commit || s.Dirty || s.Note != "" {
			t.Errorf("old %v: Look of what is staged and undone = %+v, want it clean", old, s)
		}
		run(t, dir, "reset", "-q")
		tree(t, dir, map[string]string{"a.py": "two\n", "sub dir/.env": "KEY=1\n"})
		run(t, dir, "add", "-A", "-f")
		if s := Look(t.Context(), filepath.Join(dir, "sub dir")); s.Note != "1 files that look like secrets" || strings.Contains(string(s.Changes), "KEY") || !strings.Contains(string(s.Changes), "two") {
			t.Errorf("old %v: Look = %+v", old, s)
		}
		run(t, dir, "reset", "-q", "--hard")
	}
	if s := Look(t.Context(), repositoryWithout(t)); s.Commit != "" || s.Dirty {
		t.Errorf("Look before the first commit = %+v, want nothing", s)
	}
}

// Both sides of a merge that is not finished count as changed.
func TestLookInAMerge(t *testing.T) {
	dir := repository(t, map[string]string{"a b.py": "one\n"})
	base := run(t, dir, "rev-parse", "--abbrev-ref", "HEAD")
	run(t, dir, "checkout", "-q", "-b", "other")
	tree(t, dir, map[string]string{"a b.py": "two\n"})
	run(t, dir, "commit", "-q", "-a", "-m", "two")
	run(t, dir, "checkout", "-q", base)
	tree(t, dir, map[string]string{"a b.py": "three\n"})
	run(t, dir, "commit", "-q", "-a", "-m", "three")
	merge := exec.Command("git", "-C", dir, "-c", "user.name=n", "-c", "user.email=e@x", "merge", "-q", "other")
	if out, err := merge.CombinedOutput(); err == nil {
		t.Fatalf("git merge went well: %s", out)
	}
	commit, changed, err := glance(t.Context(), dir)
	if err != nil || commit == "" || !slices.Equal(changed, []string{"a b.py"}) {
		t.Errorf("glance = %q, %q, %v", commit, changed, err)
	}
	if s := Look(t.Context(), dir); !s.Dirty || s.Hash == "" || !strings.Contains(string(s.Changes), "three") {
		t.Errorf("Look = %+v, want the merge's state", s)
	}
}

func repositoryWithout(t *testing.T) string {
	dir := t.TempDir()
	run(t, dir, "init", "-q", ".")
	return dir
}

// The user's settings do not narrow where changes are looked for.
func TestLookFromBelow(t *testing.T) {
	dir := repository(t, map[string]string{"a.py": "one\n", "sub/b.py": "two\n"})
	run(t, dir, "config", "diff.relative", "true")
	tree(t, dir, map[string]string{"a.py": "other\n"})
	if s := Look(t.Context(), filepath.Join(dir, "sub")); !s.Dirty || !strings.Contains(string(s.Changes), "a.py") {
		t.Errorf("Look = %+v, want the change of a.py above", s)
	}
}

func TestLook(t *testing.T) {
	if s := Look(t.Context(), t.TempDir()); s.Commit != "" || s.Dirty || s.Hash != "" || s.Changes != nil {
		t.Errorf("Look without git = %+v, want nothing", s)
	}
	dir := repository(t, map[string]string{"a.py": "one\n", "sub/b.bin": "\x00\x01", ".env": "KEY=old\n"})
	clean := Look(t.Context(), filepath.Join(dir, "sub"))
	if clean.Commit != run(t, dir, "rev-parse", "HEAD") || clean.Dirty || clean.Hash != "" || clean.Changes != nil {
		t.Errorf("Look at a clean tree = %+v", clean)
	}
	// Settings of the user must not change what is kept.
	run(t, dir, "config", "diff.noprefix", "true")
	run(t, dir, "config", "diff.external", "false")
	run(t, dir, "config", "diff.relative", "true")
	run(t, dir, "config", "color.diff", "always")
	tree(t, dir, map[string]string{"a.py": "two\n", "sub/b.bin": "\x00\x02", "untracked": "SECRET"})
	s := Look(t.Context(), filepath.Join(dir, "sub"))
	if !s.Dirty || len(s.Hash) != 64 || s.Note != "" || strings.Contains(string(s.Changes), "SECRET") {
		t.Errorf("Look at a changed tree = %+v", s)
	}
	clone := filepath.Join(t.TempDir(), "clone")
	run(t, dir, "clone", "-q", dir, clone)
	apply := exec.Command("git", "-C", clone, "apply", "-")
	apply.Stdin = strings.NewReader(string(s.Changes))
	if out, err := apply.CombinedOutput(); err != nil {
		t.Fatalf("git apply: %v\n%s", err, out)
	}
	for name, want := range map[string]string{"a.py": "two\n", "sub/b.bin": "\x00\x02"} {
		if b, err := os.ReadFile(filepath.Join(clone, name)); err != nil || string(b) != want {
			t.Errorf("%s after git apply = %q, %v, want %q", name, b, err, want)
		}
	}
	tree(t, dir, map[string]string{".env": "KEY=hunter2\n"})
	with := Look(t.Context(), dir)
	if with.Hash == s.Hash || string(with.Changes) != string(s.Changes) || !strings.Contains(with.Note, "1 files that look like secrets") {
		t.Errorf("Look with a changed secret: hash the same %v, note %q, changes\n%s", with.Hash == s.Hash, with.Note, with.Changes)
	}
	tree(t, dir, map[string]string{"a.py": strings.Repeat("a long line of much text\n", 60_000)})
	if big := Look(t.Context(), dir); big.Changes != nil || !strings.Contains(big.Note, "all of it") || big.Hash == with.Hash {
		t.Errorf("Look with 1.5 MB of changes kept %d bytes, note %q", len(big.Changes), big.Note)
	}
}

func TestList(t *testing.T) {
	work := map[string]string{".gitignore": "data/\n*.log\n", "a.py": "", "pkg/b.py": "", "pkg/c.log": "", "pkg/__pycache__/b.pyc": "", "data/x": "", "x.log": "",
		".env": "", "deploy.pem": "", "tokenizer.py": "", "results/s/plans/1/plan.jsonl": "", ".venv/pyvenv.cfg": "", ".venv/bin/python": "", ".hidden/x": ""}
	git := repository(t, map[string]string{".gitignore": "data/\n*.log\n.venv\n", "gone.py": ""})
	tree(t, git, work)
	tree(t, git, map[string]string{".gitignore": "data/\n*.log\n.venv\n"})
	if err := os.Remove(filepath.Join(git, "gone.py")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a.py", filepath.Join(git, "link.py")); err != nil {
		t.Fatal(err)
	}
	plain, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree(t, plain, work)
	tests := []struct {
		name  string
		dir   string
		only  []string
		root  string
		files string
		links string
	}{
		{"git", git, nil, git, ".gitignore .hidden/x a.py link.py pkg/b.py tokenizer.py", ".env .venv data deploy.pem pkg/c.log x.log"},
		{"git, below", git + "/pkg", nil, git, ".gitignore .hidden/x a.py link.py pkg/b.py tokenizer.py", ".env .venv data deploy.pem pkg/c.log x.log"},
		{"git, only some", git, []string{"pkg", "a.*"}, git, "a.py pkg/b.py", ".env .gitignore .hidden .venv data deploy.pem link.py pkg/c.log tokenizer.py x.log"},
		{"git, only some, below", git + "/pkg", []string{"*.py"}, git + "/pkg", "b.py", "c.log"},
		{"no git", plain, nil, plain, ".gitignore a.py data/x pkg/b.py pkg/c.log tokenizer.py x.log", ".env .hidden .venv deploy.pem"},
		{"no git, only some", plain, []string{"*.py"}, plain, "a.py pkg/b.py tokenizer.py", ".env .gitignore .hidden .venv data deploy.pem pkg/c.log x.log"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, err := List(t.Context(), tt.dir, tt.only, []string{filepath.Join(git, "results"), filepath.Join(plain, "results")})
			if err != nil {
				t.Fatal(err)
			}
			prefix, _ := filepath.Rel(tt.root, tt.dir)
			if prefix == "." {
				prefix = ""
			}
			if l.Root != tt.root || l.Prefix != prefix {
				t.Errorf("root %q, prefix %q, want %q, %q", l.Root, l.Prefix, tt.root, prefix)
			}
			if got := strings.Join(l.Files, " "); got != tt.files {
				t.Errorf("files %s\n want %s", got, tt.files)
			}
			if got := strings.Join(l.Links, " "); got != tt.links {
				t.Errorf("links %s\n want %s", got, tt.links)
			}
		})
	}
	for _, only := range []string{"../x", "/etc", "[", "nosuch"} {
		if l, err := List(t.Context(), git, []string{only}, nil); err == nil {
			t.Errorf("List of only %q = %v, want an error", only, l.Files)
		}
	}
}

func TestListIsBounded(t *testing.T) {
	big := t.TempDir()
	tree(t, big, map[string]string{"model/weights.bin": "", "a.py": "x"})
	if err := os.Truncate(filepath.Join(big, "model/weights.bin"), maxBytes); err != nil {
		t.Fatal(err)
	}
	var large *TooLargeError
	if _, err := List(t.Context(), big, nil, nil); !errors.As(err, &large) || !strings.Contains(err.Error(), "model 104.9 MB") {
		t.Errorf("List = %v, want a TooLargeError that names model", err)
	}
	if l, err := List(t.Context(), big, []string{"*.py"}, nil); err != nil || !slices.Equal(l.Files, []string{"a.py"}) || !slices.Equal(l.Links, []string{"model"}) {
		t.Errorf("List of only *.py = %+v, %v, want a.py, and model as a link", l, err)
	}
	many := t.TempDir()
	for i := range maxFiles + 1 {
		if err := os.WriteFile(filepath.Join(many, fmt.Sprintf("f%05d", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := List(t.Context(), many, nil, nil); !errors.As(err, &large) || large.Files != maxFiles+1 {
		t.Errorf("List = %v, want a TooLargeError of %d files", err, maxFiles+1)
	}
	if _, err := List(t.Context(), many, []string{"f00000"}, nil); err == nil || !strings.Contains(err.Error(), "too many files that are not copied") {
		t.Errorf("List of one of many = %v, want an error about the others", err)
	}
}

func TestDiff(t *testing.T) {
	dir := repository(t, map[string]string{"same": "x\n", "a": "one\n", "b": "one\n"})
	side := func() Side {
		s := Look(t.Context(), dir)
		return Side{Dir: dir, Commit: s.Commit, Changes: s.Changes}
	}
	clean := side()
	tree(t, dir, map[string]string{"a": "two\n"})
	dirty := side()
	run(t, dir, "rm", "-q", "b")
	tree(t, dir, map[string]string{"c": "new\n"})
	run(t, dir, "add", "c")
	run(t, dir, "commit", "-q", "-m", "two") // a is still dirty
	later := side()
	copies := [2]string{t.TempDir(), t.TempDir()}
	tree(t, copies[0], map[string]string{"same": "x\n", "a": "one\n", "b": "one\n"})
	tree(t, copies[1], map[string]string{"same": "x\n", "a": "two\n", "c": "new\n"})
	before := run(t, dir, "count-objects", "-v")
	all := []Change{{"a", "changed"}, {"b", "deleted"}, {"c", "added"}}
	tests := []struct {
		name string
		a, b Side
		want []Change
	}{
		{"nothing", clean, clean, nil},
		{"changes", clean, dirty, all[:1]},
		{"commits and changes", clean, later, all},
		{"copies", Side{Copy: copies[0]}, Side{Copy: copies[1]}, all},
		{"equal copies", Side{Copy: copies[0]}, Side{Copy: copies[0]}, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, patch, err := Diff(t.Context(), tt.a, tt.b, true)
			if err != nil || !slices.Equal(got, tt.want) {
				t.Errorf("Diff = %v, %v, want %v", got, err, tt.want)
			}
			if len(tt.want) > 0 && (!strings.Contains(string(patch), "--- a/a\n+++ b/a\n") || !strings.Contains(string(patch), "\n-one\n+two\n")) || len(tt.want) == 0 && len(patch) > 0 {
				t.Errorf("patch:\n%s", patch)
			}
		})
	}
	if _, _, err := Diff(t.Context(), Side{Dir: dir}, clean, false); err == nil {
		t.Error("Diff of unknown code = nil, want an error")
	}
	if after := run(t, dir, "count-objects", "-v"); after != before {
		t.Errorf("the repository has other objects than before:\n%s\nbefore:\n%s", after, before)
	}
}
